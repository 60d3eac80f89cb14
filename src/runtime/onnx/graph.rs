//! A graph as its file has it: the inputs and outputs that it declares, and edits of single fields that copy all else.

use std::collections::HashSet;

use thiserror::Error;

use super::{
    schema,
    wire::{Broken, Field, Fields, Value, put_bytes},
};

/// How deep graphs may lie inside graphs (bodies of loops and branches). Real ones have two or three.
pub(super) const DEEPEST: usize = 32;

/// Why a file cannot be read or edited.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GraphError {
    /// It ends or breaks where it should not.
    #[error("it is not an ONNX file, or a damaged one")]
    Malformed,
    /// Nothing goes in, or nothing comes out.
    #[error("its graph has no input or no output")]
    NoValues,
    /// Graphs within graphs.
    #[error("it has graphs inside graphs, more than {DEEPEST} deep")]
    TooDeep,
    /// It reshapes to the shape of one picture.
    #[error("it reshapes to the shape of one picture, and runs on no more")]
    Batch,
    /// It has no input of floats with four dimensions.
    #[error("it does not read one float tensor of four dimensions")]
    Input,
}

impl From<Broken> for GraphError {
    fn from(_: Broken) -> Self {
        Self::Malformed
    }
}

/// The graph of a model.
pub(super) fn graph_of(model: &[u8]) -> Result<&[u8], GraphError> {
    last(model, schema::MODEL_GRAPH)?.ok_or(GraphError::Malformed)
}

/// An input or output.
pub(super) struct ValueInfo<'a> {
    /// As it stands in the graph.
    pub(super) whole: &'a [u8],
    pub(super) name: &'a str,
    pub(super) is_f32: bool,
    /// Each a message of its own.
    pub(super) dimensions: Vec<&'a [u8]>,
}

impl<'a> ValueInfo<'a> {
    fn read(whole: &'a [u8]) -> Result<Self, GraphError> {
        let kind = last(whole, schema::VALUE_TYPE)?.unwrap_or_default();
        let tensor = last(kind, schema::TYPE_TENSOR)?.unwrap_or_default();
        let shape = last(tensor, schema::TENSOR_TYPE_SHAPE)?.unwrap_or_default();
        Ok(Self {
            whole,
            name: text(last(whole, schema::VALUE_NAME)?)?,
            is_f32: last_number(tensor, schema::TENSOR_TYPE_ELEMENT)? == Some(schema::FLOAT),
            dimensions: all(shape, schema::SHAPE_DIMENSION)?,
        })
    }

    /// The lengths of its dimensions; `None` where one has a name instead, or nothing, or -1 or 0 as old exports write it.
    pub(super) fn lengths(&self) -> Result<Vec<Option<usize>>, GraphError> {
        let length = |side: &&[u8]| {
            let length = last_number(side, schema::DIMENSION_LENGTH)?;
            Ok(length
                .and_then(|length| usize::try_from(length.cast_signed()).ok())
                .filter(|length| *length > 0))
        };
        self.dimensions.iter().map(length).collect()
    }
}

/// The inputs that are no constants, in the graph's order: old files list their constants among the inputs.
pub(super) fn inputs(graph: &[u8]) -> Result<Vec<ValueInfo<'_>>, GraphError> {
    let constants = all(graph, schema::GRAPH_INITIALIZER)?
        .into_iter()
        .map(|tensor| text(last(tensor, schema::TENSOR_NAME)?))
        .collect::<Result<HashSet<_>, _>>()?;
    let mut inputs = values(graph, schema::GRAPH_INPUT)?;
    inputs.retain(|input| !constants.contains(input.name));
    Ok(inputs)
}

/// The outputs, in the graph's order.
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) fn outputs(graph: &[u8]) -> Result<Vec<ValueInfo<'_>>, GraphError> {
    values(graph, schema::GRAPH_OUTPUT)
}

fn values(graph: &[u8], number: u64) -> Result<Vec<ValueInfo<'_>>, GraphError> {
    all(graph, number)?.into_iter().map(ValueInfo::read).collect()
}

/// All fields `number` of a message that hold bytes.
pub(super) fn all(message: &[u8], number: u64) -> Result<Vec<&[u8]>, GraphError> {
    let mut found = Vec::new();
    for field in Fields(message) {
        match field? {
            Field {
                number: its,
                value: Value::Bytes(bytes),
                ..
            } if its == number => found.push(bytes),
            _ => {}
        }
    }
    Ok(found)
}

/// The last field `number` of a message, if it is there and holds bytes.
pub(super) fn last(message: &[u8], number: u64) -> Result<Option<&[u8]>, GraphError> {
    Ok(all(message, number)?.pop())
}

/// The last field `number` of a message, if it is there and holds a number.
pub(super) fn last_number(message: &[u8], number: u64) -> Result<Option<u64>, GraphError> {
    let mut found = None;
    for field in Fields(message) {
        match field? {
            Field {
                number: its,
                value: Value::Number(value),
                ..
            } if its == number => found = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

pub(super) fn text(bytes: Option<&[u8]>) -> Result<&str, GraphError> {
    std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| GraphError::Malformed)
}

/// Makes a field's new content from what it was.
pub(super) type Edit<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, GraphError> + 'a;

/// `message` with what stands under the field `number` edited; all else is copied.
pub(super) fn edited(message: &[u8], number: u64, edit: &Edit<'_>) -> Result<Vec<u8>, GraphError> {
    let mut written = Vec::with_capacity(message.len());
    for field in Fields(message) {
        let field = field?;
        match field.value {
            Value::Bytes(bytes) if field.number == number => put_bytes(&mut written, number, &edit(bytes)?),
            _ => written.extend(field.whole),
        }
    }
    Ok(written)
}

/// An input or output with its shape edited.
pub(super) fn with_shape_edited(value: &[u8], edit: &Edit<'_>) -> Result<Vec<u8>, GraphError> {
    let of_tensor = |tensor: &[u8]| edited(tensor, schema::TENSOR_TYPE_SHAPE, edit);
    let of_type = |kind: &[u8]| edited(kind, schema::TYPE_TENSOR, &of_tensor);
    edited(value, schema::VALUE_TYPE, &of_type)
}
