//! What an ONNX file says of its own inputs and outputs, for runtimes that hide open sides or keep another order.
//!
//! Reads only the fields that it needs of the protobuf messages in `onnx.proto` (ONNX 1.0 and later): names, element
//! types and sides; weights are passed over.

use std::path::Path;

use super::super::{Signature, TensorInfo};
use super::wire::{Broken, Field, Fields, Value};

/// Numbers of fields in `onnx.proto`.
mod field {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const GRAPH_INPUT: u64 = 11;
    pub(super) const GRAPH_OUTPUT: u64 = 12;
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const VALUE_NAME: u64 = 1;
    pub(super) const VALUE_TYPE: u64 = 2;
    pub(super) const TYPE_TENSOR: u64 = 1;
    pub(super) const TENSOR_TYPE_ELEMENT: u64 = 1;
    pub(super) const TENSOR_TYPE_SHAPE: u64 = 2;
    pub(super) const SHAPE_SIDE: u64 = 1;
    pub(super) const SIDE_LENGTH: u64 = 1;
}

/// `TensorProto.FLOAT`.
const FLOAT: u64 = 1;

/// What the file `network` declares; the error says why it cannot be read.
pub(crate) fn read(network: &Path) -> Result<Signature, String> {
    let bytes = std::fs::read(network).map_err(|error| error.to_string())?;
    signature(&bytes)
}

/// The inputs and outputs of the ONNX model in `bytes`, in the graph's order; inputs that only name weights are left
/// out. The error says what is broken.
pub(super) fn signature(bytes: &[u8]) -> Result<Signature, String> {
    let mut graph = None;
    for entry in Fields(bytes) {
        if let (field::MODEL_GRAPH, Value::Bytes(bytes)) = parts(entry)? {
            graph = Some(bytes);
        }
    }
    let graph = graph.ok_or("there is no graph in it")?;
    let (mut inputs, mut outputs, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for entry in Fields(graph) {
        match parts(entry)? {
            (field::GRAPH_INPUT, Value::Bytes(bytes)) => inputs.push(tensor(bytes)?),
            (field::GRAPH_OUTPUT, Value::Bytes(bytes)) => outputs.push(tensor(bytes)?),
            (field::GRAPH_INITIALIZER, Value::Bytes(bytes)) => weights.push(name(bytes, field::TENSOR_NAME)?),
            _ => {}
        }
    }
    inputs.retain(|input| !weights.contains(&input.name));
    if inputs.is_empty() || outputs.is_empty() {
        return Err("its graph has no input or no output".to_owned());
    }
    Ok(Signature { inputs, outputs })
}

fn parts(entry: Result<Field<'_>, Broken>) -> Result<(u64, Value<'_>), String> {
    entry
        .map(|field| (field.number, field.value))
        .map_err(|error| error.to_string())
}

fn tensor(value: &[u8]) -> Result<TensorInfo, String> {
    let mut info = TensorInfo {
        name: name(value, field::VALUE_NAME)?,
        shape: Vec::new(),
        is_f32: false,
    };
    for kind in inside(value, field::VALUE_TYPE) {
        for tensor in inside(kind?, field::TYPE_TENSOR) {
            for entry in Fields(tensor?) {
                match parts(entry)? {
                    (field::TENSOR_TYPE_ELEMENT, Value::Number(kind)) => info.is_f32 = kind == FLOAT,
                    (field::TENSOR_TYPE_SHAPE, Value::Bytes(shape)) => {
                        info.shape = inside(shape, field::SHAPE_SIDE)
                            .map(|side| length(side?))
                            .collect::<Result<_, _>>()?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(info)
}

/// The length of a side; `None` where it has a name instead, or nothing, or -1 or 0 as old exports write it.
fn length(side: &[u8]) -> Result<Option<usize>, String> {
    let mut length = None;
    for entry in Fields(side) {
        if let (field::SIDE_LENGTH, Value::Number(number)) = parts(entry)? {
            length = usize::try_from(number.cast_signed())
                .ok()
                .filter(|length| *length > 0);
        }
    }
    Ok(length)
}

pub(super) fn name(message: &[u8], number: u64) -> Result<String, String> {
    let mut name = &[][..];
    for bytes in inside(message, number) {
        name = bytes?;
    }
    String::from_utf8(name.to_vec()).map_err(|_| "a name in it is not UTF-8".to_owned())
}

/// The messages and texts of `message` that stand under the field `number`.
fn inside(message: &[u8], number: u64) -> impl Iterator<Item = Result<&[u8], String>> {
    Fields(message).filter_map(move |entry| match entry {
        Ok(Field {
            number: found,
            value: Value::Bytes(bytes),
            ..
        }) if found == number => Some(Ok(bytes)),
        Ok(_) => None,
        Err(error) => Some(Err(error.to_string())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(path: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    fn words(tensors: &[TensorInfo]) -> String {
        tensors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn names_sides_and_order_are_the_graphs() {
        let detector = signature(&bytes("models/facebench-det.onnx")).unwrap();
        insta::assert_snapshot!(words(&detector.inputs), @"input[?x3x?x?]");
        insta::assert_snapshot!(words(&detector.outputs), @"cls_8[?x?x1] cls_16[?x?x1] cls_32[?x?x1] obj_8[?x?x1] obj_16[?x?x1] obj_32[?x?x1] bbox_8[?x?x4] bbox_16[?x?x4] bbox_32[?x?x4] kps_8[?x?x10] kps_16[?x?x10] kps_32[?x?x10]");
        let recognizer = signature(&bytes("models/facebench-rec.onnx")).unwrap();
        insta::assert_snapshot!(words(&recognizer.inputs), @"input[?x3x112x112]");
        insta::assert_snapshot!(words(&recognizer.outputs), @"output[?x128]");
        let fixed = signature(&bytes("tests/fixtures/networks/spots_fixed.onnx")).unwrap();
        insta::assert_snapshot!(words(&fixed.inputs), @"input[1x3x320x320]");
        assert!(
            [&detector, &recognizer, &fixed].iter().all(|s| s
                .inputs
                .iter()
                .chain(&s.outputs)
                .all(|t| t.is_f32))
        );
    }

    #[test]
    fn weights_among_the_inputs_are_left_out() {
        // A graph with an initializer "w", the inputs "x" and "w" and the output "y".
        let message = |number: u8, content: &[u8]| {
            let mut bytes = vec![number << 3 | 2, content.len() as u8];
            bytes.extend(content);
            bytes
        };
        let graph = [
            message(5, &message(8, b"w")),
            message(11, &message(1, b"x")),
            message(11, &message(1, b"w")),
            message(12, &message(1, b"y")),
        ]
        .concat();
        let found = signature(&message(7, &graph)).unwrap();
        assert_eq!(
            (words(&found.inputs), words(&found.outputs)),
            ("x[]".into(), "y[]".into())
        );
        assert!(!found.inputs[0].is_f32);
    }

    #[test]
    fn whatever_is_no_model_is_an_error_and_no_panic() {
        for (bytes, words) in [
            (&b""[..], "no graph"),
            (b"not a network", "broken"),
            (b"\x3a\x00", "no input"),
            (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "broken"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "broken"),
        ] {
            let error = signature(bytes).unwrap_err();
            assert!(error.contains(words), "{bytes:?}: {error}");
        }
        let whole = bytes("tests/fixtures/networks/spots.onnx");
        for length in 0..whole.len() {
            let _ = signature(&whole[..length]);
        }
    }
}
