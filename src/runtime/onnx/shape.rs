//! Writes the sides of an input down in an ONNX file: some importers give up where one is open.

use std::path::Path;

use super::wire::{put_bytes, put_number, rewritten};

/// The bytes of the model in the file `network` with the sides of its input `name` written down as `shape`.
pub(crate) fn with_shape(network: &Path, name: &str, shape: &[usize]) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(network).map_err(|error| error.to_string())?;
    shaped(&bytes, name, shape)
}

/// The field numbers are those of `ModelProto.graph`, `GraphProto.input`, `ValueInfoProto.name` and `.type`,
/// `TypeProto.tensor_type`, its `shape`, and a `Dimension`'s length.
fn shaped(model: &[u8], input: &str, shape: &[usize]) -> Result<Vec<u8>, String> {
    let mut sides = Vec::new();
    for side in shape {
        let mut length = Vec::new();
        put_number(&mut length, 1, *side as u64);
        put_bytes(&mut sides, 1, &length);
    }
    let of_tensor = |tensor: &[u8]| rewritten(tensor, 2, &|_| Ok(sides.clone()));
    let of_type = |kind: &[u8]| rewritten(kind, 1, &of_tensor);
    let of_value = |value: &[u8]| {
        if super::signature::name(value, 1)? == input {
            rewritten(value, 2, &of_type)
        } else {
            Ok(value.to_vec())
        }
    };
    let of_graph = |graph: &[u8]| rewritten(graph, 11, &of_value);
    rewritten(model, 7, &of_graph)
}

#[cfg(test)]
mod tests {
    use super::super::signature::signature;
    use super::*;

    #[test]
    fn open_sides_can_be_written_down() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/facebench-det.onnx");
        let whole = std::fs::read(model).unwrap();
        let before = signature(&whole).unwrap();
        let name = &before.inputs[0].name;
        let anew = shaped(&whole, name, &[2, 3, 640, 320]).unwrap();
        let after = signature(&anew).unwrap();
        assert_eq!(after.inputs[0].to_string(), "input[2x3x640x320]");
        assert_eq!(after.outputs, before.outputs);
        // Written again it does not change, so all else was copied byte by byte.
        assert!(shaped(&anew, name, &[2, 3, 640, 320]).unwrap() == anew);
        assert!(shaped(&whole, "another", &[1]).unwrap() == whole);
        assert!(shaped(&whole[..100], name, &[1]).is_err());
    }
}
