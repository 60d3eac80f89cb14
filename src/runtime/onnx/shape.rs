//! Writes the dimensions of an input down in an ONNX file: some importers give up where one is dynamic.

use std::path::Path;

use super::{
    graph::{GraphError, edited, last, text, with_shape_edited},
    schema,
    wire::{put_bytes, put_number},
};

/// The bytes of the model in the file `network` with the dimensions of its input `name` written down as `shape`.
pub(crate) fn with_shape(network: &Path, name: &str, shape: &[usize]) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(network).map_err(|error| error.to_string())?;
    shaped(&bytes, name, shape).map_err(|error| error.to_string())
}

fn shaped(model: &[u8], input: &str, shape: &[usize]) -> Result<Vec<u8>, GraphError> {
    let mut sides = Vec::new();
    for side in shape {
        let mut length = Vec::new();
        put_number(&mut length, schema::DIMENSION_LENGTH, *side as u64);
        put_bytes(&mut sides, schema::SHAPE_DIMENSION, &length);
    }
    let of_value = |value: &[u8]| {
        if text(last(value, schema::VALUE_NAME)?)? == input {
            with_shape_edited(value, &|_| Ok(sides.clone()))
        } else {
            Ok(value.to_vec())
        }
    };
    let of_graph = |graph: &[u8]| edited(graph, schema::GRAPH_INPUT, &of_value);
    edited(model, schema::MODEL_GRAPH, &of_graph)
}

#[cfg(test)]
mod tests {
    use super::super::signature::signature;
    use super::*;

    #[test]
    fn dynamic_axes_can_be_written_down() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/facebench-det.onnx");
        let whole = std::fs::read(model).unwrap();
        let before = signature(&whole).unwrap();
        let name = &before.inputs[0].name;
        let again = shaped(&whole, name, &[2, 3, 640, 320]).unwrap();
        let after = signature(&again).unwrap();
        assert_eq!(after.inputs[0].to_string(), "input[2x3x640x320]");
        assert_eq!(after.outputs, before.outputs);
        // Written again it does not change, so all else was copied byte by byte.
        assert!(shaped(&again, name, &[2, 3, 640, 320]).unwrap() == again);
        assert!(shaped(&whole, "another", &[1]).unwrap() == whole);
        assert!(shaped(&whole[..100], name, &[1]).is_err());
    }
}
