//! What an ONNX file says of its own inputs and outputs, for runtimes that hide dynamic axes or keep another order.

use std::path::Path;

use super::super::{Signature, TensorInfo};
use super::graph::{GraphError, ValueInfo, graph_of, inputs, outputs};

/// What the file `network` declares; the error says why it cannot be read.
pub(crate) fn read(network: &Path) -> Result<Signature, String> {
    let bytes = std::fs::read(network).map_err(|error| error.to_string())?;
    signature(&bytes).map_err(|error| error.to_string())
}

/// The inputs and outputs of the ONNX model in `bytes`, in the graph's order; inputs that only name weights are left
/// out.
pub(super) fn signature(bytes: &[u8]) -> Result<Signature, GraphError> {
    let graph = graph_of(bytes)?;
    let infos = |values: Vec<ValueInfo<'_>>| values.iter().map(info).collect::<Result<Vec<_>, _>>();
    let signature = Signature {
        inputs: infos(inputs(graph)?)?,
        outputs: infos(outputs(graph)?)?,
    };
    if signature.inputs.is_empty() || signature.outputs.is_empty() {
        return Err(GraphError::NoValues);
    }
    Ok(signature)
}

fn info(value: &ValueInfo<'_>) -> Result<TensorInfo, GraphError> {
    Ok(TensorInfo {
        name: value.name.to_owned(),
        shape: value.lengths()?,
        is_f32: value.is_f32,
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
    fn names_dimensions_and_order_are_the_graphs() {
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
        for (bytes, error) in [
            (&b""[..], GraphError::Malformed),
            (b"not a network", GraphError::Malformed),
            (b"\x3a\x00", GraphError::NoValues),
            (
                b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                GraphError::Malformed,
            ),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                GraphError::Malformed,
            ),
        ] {
            assert_eq!(signature(bytes), Err(error), "{bytes:?}");
        }
        let whole = bytes("tests/fixtures/networks/spots.onnx");
        for length in 0..whole.len() {
            let _ = signature(&whole[..length]);
        }
    }
}
