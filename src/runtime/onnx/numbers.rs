//! The numbers of a constant tensor, as far as they are few.

use std::path::Path;

use half::f16;

use super::{
    external,
    graph::{GraphError, all, last, last_number},
    schema,
    wire::{Field, Fields, Value, varints},
};

/// Most bytes of a constant that is looked at: a mean picture is the largest that says anything.
const MOST_BYTES: u64 = 1 << 20;

/// The numbers of `tensor`, in any of the ways in which a file writes them; `None` where they are of a type that is not
/// read, or too many. `folder` is the network's, where they may lie in another file.
pub(super) fn numbers(tensor: &[u8], folder: &Path) -> Result<Option<Vec<f64>>, GraphError> {
    let data_type = last_number(tensor, schema::TENSOR_DATA_TYPE)?.unwrap_or_default();
    let elsewhere = match external::place(tensor)? {
        Some(place) => match place
            .ok()
            .and_then(|place| external::read(folder, &place, MOST_BYTES))
        {
            Some(bytes) => Some(bytes),
            None => return Ok(None),
        },
        None => None,
    };
    let raw = elsewhere.as_deref().or(last(tensor, schema::TENSOR_RAW_DATA)?);
    if raw.is_some_and(|raw| raw.len() as u64 > MOST_BYTES) {
        return Ok(None);
    }
    Ok(match (raw, data_type) {
        (Some(raw), schema::FLOAT) => Some(of_bytes(raw, |bytes| f32::from_le_bytes(bytes).into())),
        (Some(raw), schema::DOUBLE) => Some(of_bytes(raw, f64::from_le_bytes)),
        (Some(raw), schema::FLOAT16) => Some(of_bytes(raw, |bytes| f16::from_le_bytes(bytes).into())),
        (Some(raw), schema::UINT8) => Some(raw.iter().map(|byte| f64::from(*byte)).collect()),
        (Some(raw), schema::INT32) => Some(of_bytes(raw, |bytes| i32::from_le_bytes(bytes).into())),
        (Some(raw), schema::INT64) => Some(of_bytes(raw, |bytes| i64::from_le_bytes(bytes) as f64)),
        (None, schema::FLOAT) => Some(floats(tensor, schema::TENSOR_FLOAT_DATA)?),
        (None, schema::DOUBLE) => {
            let packed = all(tensor, schema::TENSOR_DOUBLE_DATA)?.concat();
            Some(of_bytes(&packed, f64::from_le_bytes))
        }
        (None, schema::FLOAT16) => {
            let bits = packed(tensor, schema::TENSOR_INT32_DATA)?;
            Some(
                bits.into_iter()
                    .map(|bits| f16::from_bits(bits as u16).into())
                    .collect(),
            )
        }
        (None, schema::INT32 | schema::UINT8) => Some(integers(tensor, schema::TENSOR_INT32_DATA)?),
        (None, schema::INT64) => Some(integers(tensor, schema::TENSOR_INT64_DATA)?),
        _ => None,
    })
}

/// The floats of a repeated field, packed or one by one.
pub(super) fn floats(message: &[u8], number: u64) -> Result<Vec<f64>, GraphError> {
    let mut found = Vec::new();
    for field in Fields(message) {
        match field? {
            Field {
                number: its,
                value: Value::Bytes(bytes) | Value::Fixed(bytes),
                ..
            } if its == number => found.extend(of_bytes(bytes, |bytes| f32::from_le_bytes(bytes).into())),
            _ => {}
        }
    }
    Ok(found)
}

fn of_bytes<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers.iter().map(|bytes| number(*bytes)).collect()
}

fn integers(tensor: &[u8], number: u64) -> Result<Vec<f64>, GraphError> {
    let numbers = packed(tensor, number)?.into_iter();
    Ok(numbers.map(|number| number.cast_signed() as f64).collect())
}

fn packed(tensor: &[u8], number: u64) -> Result<Vec<u64>, GraphError> {
    let mut found = Vec::new();
    for field in Fields(tensor) {
        match field? {
            Field {
                number: its,
                value: Value::Bytes(bytes),
                ..
            } if its == number => found.extend(varints(bytes)?),
            Field {
                number: its,
                value: Value::Number(value),
                ..
            } if its == number => found.push(value),
            _ => {}
        }
    }
    Ok(found)
}
