//! Huffman tables of a JPEG, and the standard's own, which frames of webcams leave out.

use super::{Fault, bits::Bits};

/// Codes up to this length are found in one step.
const QUICK: u32 = 9;

/// A table that gives a value for each code.
#[derive(Clone)]
pub(super) struct Huffman {
    /// Length and value of the code that the next bits begin with; length 0 where it is longer.
    quick: Box<[(u8, u8); 1 << QUICK]>,
    /// For each length: what is added to a code to find its value, and the first code that is not of this length.
    by_length: [(i32, u32); 17],
    values: Vec<u8>,
}

impl Huffman {
    /// From how many codes there are of each length, and their values.
    pub(super) fn of(counts: &[u8; 16], values: &[u8]) -> Result<Self, Fault> {
        let mut quick = Box::new([(0, 0); 1 << QUICK]);
        let mut by_length = [(0, 0); 17];
        let (mut code, mut used) = (0_u32, 0_u32);
        for (length, &count) in (1_u32..).zip(counts) {
            let offset = used.cast_signed() - code.cast_signed();
            for _ in 0..count {
                let value = *values.get(used as usize).ok_or(BAD_TABLE)?;
                if length <= QUICK {
                    let first = (code as usize) << (QUICK - length);
                    let same = quick
                        .get_mut(first..first + (1 << (QUICK - length)))
                        .ok_or(BAD_TABLE)?;
                    same.fill((length as u8, value));
                }
                used += 1;
                code += 1;
            }
            if code > 1 << length {
                return Err(BAD_TABLE);
            }
            by_length[length as usize] = (offset, code);
            code <<= 1;
        }
        Ok(Self {
            quick,
            by_length,
            values: values[..used as usize].to_vec(),
        })
    }

    /// Takes one code from `bits`, which are filled and hold 16 bits more afterwards.
    #[inline]
    pub(super) fn value(&self, bits: &mut Bits<'_>) -> Result<u8, Fault> {
        bits.fill();
        let (length, value) = self.quick[bits.peek(QUICK) as usize];
        if length > 0 {
            bits.skip(u32::from(length));
            return Ok(value);
        }
        self.long_value(bits)
    }

    fn long_value(&self, bits: &mut Bits<'_>) -> Result<u8, Fault> {
        for length in QUICK + 1..=16 {
            let code = bits.peek(length);
            let (offset, end) = self.by_length[length as usize];
            if code < end {
                bits.skip(length);
                let at = usize::try_from(code.cast_signed() + offset).ok();
                return at.and_then(|at| self.values.get(at)).copied().ok_or(BAD_CODE);
            }
        }
        // Zeros that stand for what is not there are no fault of the code.
        bits.skip(16);
        Err(if bits.is_short() { Fault::Short } else { BAD_CODE })
    }
}

const BAD_TABLE: Fault = Fault::Broken("a Huffman table is wrong");
const BAD_CODE: Fault = Fault::Broken("the entropy-coded data is damaged (a code that no table has)");

/// The tables of a file: of direct (0) and alternating (1) coefficients, four of each.
pub(super) type Tables = [[Option<Huffman>; 4]; 2];

/// Reads the tables of one segment into `tables`.
pub(super) fn read(mut body: &[u8], tables: &mut Tables) -> Result<(), Fault> {
    while let Some((&head, rest)) = body.split_first() {
        let Some((counts, rest)) = rest.split_first_chunk::<16>() else {
            return Err(BAD_TABLE);
        };
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let Some((values, rest)) = rest.split_at_checked(total) else {
            return Err(BAD_TABLE);
        };
        let class = tables.get_mut(usize::from(head >> 4)).ok_or(BAD_TABLE)?;
        *class.get_mut(usize::from(head & 15)).ok_or(BAD_TABLE)? = Some(Huffman::of(counts, values)?);
        body = rest;
    }
    Ok(())
}

/// Annex K's tables as segments hold them: luminance and chrominance, of direct and alternating coefficients. Frames of
/// Motion JPEG rely on them without naming them.
pub(in super::super) const STANDARD: &[u8] = &{
    const DIRECT: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    let mut all = [0; 2 * (17 + 12) + 2 * (17 + 162)];
    let mut at = 0;
    at = put(&mut all, at, &[0x00]);
    at = put(&mut all, at, &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    at = put(&mut all, at, &DIRECT);
    at = put(&mut all, at, &[0x01]);
    at = put(&mut all, at, &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    at = put(&mut all, at, &DIRECT);
    at = put(&mut all, at, &[0x10]);
    at = put(&mut all, at, &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D]);
    at = put(&mut all, at, &LUMINANCE);
    at = put(&mut all, at, &[0x11]);
    at = put(&mut all, at, &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77]);
    put(&mut all, at, &CHROMINANCE);
    all
};

const fn put<const N: usize>(all: &mut [u8; N], at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        all[at + index] = bytes[index];
        index += 1;
    }
    at + bytes.len()
}

#[rustfmt::skip]
const LUMINANCE: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9,
    0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA,
    0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA,
    0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[rustfmt::skip]
const CHROMINANCE: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32,
    0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16,
    0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39,
    0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86,
    0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8,
    0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9,
    0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];
