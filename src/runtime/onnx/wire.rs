//! Protobuf's wire format: fields read one by one, and written.

/// A message that ends or breaks where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// One field of a message.
pub(super) struct Field<'a> {
    pub number: u64,
    pub value: Value<'a>,
    /// As it stands in the message, number and length included.
    pub whole: &'a [u8],
}

pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes of fixed length.
    Fixed(&'a [u8]),
}

/// The fields of a message in their order; ends after the first error.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read().ok_or(Broken);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<Field<'a>> {
        let start = self.0;
        let mut rest = start;
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => fixed(&mut rest, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Value::Bytes(bytes)
            }
            5 => fixed(&mut rest, 4)?,
            _ => return None,
        };
        self.0 = rest;
        Some(Field {
            number: key >> 3,
            value,
            whole: &start[..start.len() - rest.len()],
        })
    }
}

fn fixed<'a>(rest: &mut &'a [u8], length: usize) -> Option<Value<'a>> {
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Value::Fixed(bytes))
}

/// The numbers of a packed field.
pub(super) fn varints(mut packed: &[u8]) -> Result<Vec<u64>, Broken> {
    let mut numbers = Vec::new();
    while !packed.is_empty() {
        numbers.push(varint(&mut packed).ok_or(Broken)?);
    }
    Ok(numbers)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (place, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            *rest = &rest[place + 1..];
            return Some(value);
        }
    }
    None
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

pub(super) fn put_number(message: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(message, number << 3);
    put_varint(message, value);
}

pub(super) fn put_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}
