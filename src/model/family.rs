//! Telling a network's family from its graph's inputs and outputs.

use super::{
    ModelError,
    catalog::{Family, Role},
    scrfd::Scrfd,
    yunet::Yunet,
};
use crate::runtime::{Signature, TensorInfo};

/// Whether a graph with `signature` is one of `family`; the error says what does not fit.
fn fits(family: Family, signature: &Signature) -> Result<(), String> {
    match family {
        Family::Yunet => Yunet::new(signature).map(drop),
        Family::Scrfd => Scrfd::new(signature).map(drop),
        Family::Arcface => super::arcface::check(signature).map(drop),
    }
}

/// The family of a graph with `signature`; `network` names it in errors.
pub fn recognise(network: &str, signature: &Signature) -> Result<Family, ModelError> {
    let unknown = |reason: String| ModelError::UnknownFamily {
        network: network.to_owned(),
        reason,
    };
    if let Some(family) = Family::ALL
        .into_iter()
        .find(|family| fits(*family, signature).is_ok())
    {
        return Ok(family);
    }
    let outputs = list(&signature.outputs);
    let names: Vec<_> = signature.outputs.iter().map(|o| o.name.as_str()).collect();
    Err(unknown(
        if names.contains(&"scores") && names.contains(&"boxes") {
            format!("a detector without landmarks (outputs {outputs}): its faces cannot be aligned")
        } else if names.contains(&"loc") && names.contains(&"conf") {
            format!("a YuNet of 2022 or older (outputs {outputs}): use the 2023mar export")
        } else {
            format!("its outputs {outputs} fit no family")
        },
    ))
}

/// Holds a graph against the family that somebody named, or finds it out where `named` is `None`; then against the
/// `role` that it was given.
pub fn settle(
    network: &str,
    signature: &Signature,
    named: Option<Family>,
    role: Role,
) -> Result<Family, ModelError> {
    let family = match named {
        None => recognise(network, signature)?,
        Some(family) => {
            fits(family, signature).map_err(|reason| ModelError::NotOfFamily {
                network: network.to_owned(),
                family,
                reason,
            })?;
            family
        }
    };
    if family.role() == role {
        Ok(family)
    } else {
        Err(ModelError::WrongRole {
            network: network.to_owned(),
            family,
            given: role,
        })
    }
}

/// Tensors in words: `scores[1x4420x2], boxes[1x4420x4]`, the first few.
pub(super) fn list(tensors: &[TensorInfo]) -> String {
    const SHOWN: usize = 4;
    let mut words: Vec<_> = tensors.iter().take(SHOWN).map(ToString::to_string).collect();
    if tensors.len() > SHOWN {
        words.push(format!("{} more", tensors.len() - SHOWN));
    }
    words.join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::model) fn tensor(name: &str, shape: &[i64]) -> TensorInfo {
        let shape = shape.iter().map(|s| usize::try_from(*s).ok()).collect();
        TensorInfo {
            name: name.to_owned(),
            shape,
            is_f32: true,
        }
    }

    pub(in crate::model) fn signature(input: &[i64], outputs: &[(&str, &[i64])]) -> Signature {
        Signature {
            inputs: vec![tensor("input", input)],
            outputs: outputs.iter().map(|(name, shape)| tensor(name, shape)).collect(),
        }
    }

    #[test]
    fn each_kind_of_graph_is_told() {
        let arcface = signature(&[-1, 3, 112, 112], &[("embeddings", &[-1, 128])]);
        assert_eq!(recognise("r", &arcface).unwrap(), Family::Arcface);
        let ultraface = signature(
            &[1, 3, 240, 320],
            &[("scores", &[1, 4420, 2]), ("boxes", &[1, 4420, 4])],
        );
        let message = recognise("u.onnx", &ultraface).unwrap_err().to_string();
        insta::assert_snapshot!(message, @"u.onnx: a detector without landmarks (outputs scores[1x4420x2], boxes[1x4420x4]): its faces cannot be aligned; families that facebench reads: yunet, scrfd (detectors), arcface (recognizers)");
        let classifier = signature(&[1, 3, 224, 224], &[("logits", &[1, 1000])]);
        let message = recognise("c.onnx", &classifier).unwrap_err().to_string();
        insta::assert_snapshot!(message, @"c.onnx: its outputs logits[1x1000] fit no family; families that facebench reads: yunet, scrfd (detectors), arcface (recognizers)");
    }

    #[test]
    fn a_recognizer_given_as_detector_says_so() {
        let arcface = signature(&[-1, 3, 112, 112], &[("embeddings", &[-1, 128])]);
        let message = settle("r.onnx", &arcface, None, Role::Detector)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(message, @"r.onnx is a recognizer (arcface) and was given as the detector: give it as --recognizer instead");
        let message = settle("r.onnx", &arcface, Some(Family::Yunet), Role::Detector)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(message, @"r.onnx: does not look like a network of the yunet family: it has no output cls_8 (outputs: embeddings[?x128])");
    }
}
