//! A network's family, recognised by its graph's inputs and outputs, and the reader of that family for it.

use std::fmt::Write as _;

use super::{
    error::ModelError,
    family::{Family, Reader},
    outputs::{FaceDecoder, list},
    settings::Role,
};
use crate::runtime::Signature;

/// The family of a graph with `signature`: the `named` one, where somebody named one and the graph is of it, else the
/// first that fits. It must have the `role` that the network was given as. `network` names it in errors.
pub fn family_of(
    network: &str,
    signature: &Signature,
    named: Option<Family>,
    role: Role,
) -> Result<Family, ModelError> {
    let family = match named {
        None => identify(network, signature)?,
        Some(family) => {
            family
                .check(signature)
                .map_err(|reason| not_of_family(network, family, reason))?;
            family
        }
    };
    if family.role() == role {
        Ok(family)
    } else {
        Err(wrong_role(network, family, role))
    }
}

/// What reads the faces in the outputs of a detector of `family`.
pub fn face_decoder(
    network: &str,
    signature: &Signature,
    family: Family,
) -> Result<Box<dyn FaceDecoder>, ModelError> {
    match family.reader() {
        Reader::Faces(decoder) => decoder(signature).map_err(|reason| not_of_family(network, family, reason)),
        Reader::Embeddings(_) => Err(wrong_role(network, family, Role::Detector)),
    }
}

/// Which output of a recognizer of `family` is the embedding.
pub fn embedding_output(network: &str, signature: &Signature, family: Family) -> Result<usize, ModelError> {
    match family.reader() {
        Reader::Embeddings(output) => {
            output(signature).map_err(|reason| not_of_family(network, family, reason))
        }
        Reader::Faces(_) => Err(wrong_role(network, family, Role::Recognizer)),
    }
}

fn identify(network: &str, signature: &Signature) -> Result<Family, ModelError> {
    let mut misfits = String::new();
    for family in Family::all() {
        match family.check(signature) {
            Ok(()) => return Ok(family),
            Err(reason) => {
                let _ = write!(misfits, "\n  {family} ({}): {reason}", family.role());
            }
        }
    }
    let outputs = list(&signature.outputs);
    let has = |name: &str| signature.outputs.iter().any(|output| output.name == name);
    let reason = if has("scores") && has("boxes") {
        format!("a detector without landmarks (outputs {outputs}): its faces cannot be aligned")
    } else if has("loc") && has("conf") {
        format!("a YuNet of 2022 or older (outputs {outputs}): use the 2023mar export")
    } else {
        format!("of no family of networks that facebench reads:{misfits}")
    };
    Err(ModelError::UnknownGraph {
        network: network.to_owned(),
        reason,
    })
}

fn not_of_family(network: &str, family: Family, reason: String) -> ModelError {
    ModelError::NotOfFamily {
        network: network.to_owned(),
        family,
        reason,
    }
}

fn wrong_role(network: &str, family: Family, given: Role) -> ModelError {
    ModelError::WrongRole {
        network: network.to_owned(),
        family,
        given,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outputs::tests::signature, *};

    #[test]
    fn a_graph_is_recognised_or_told_what_does_not_fit() {
        let arcface = signature(&[-1, 3, 112, 112], &[("embeddings", &[-1, 128])]);
        assert_eq!(identify("r", &arcface).unwrap(), Family::Arcface);
        let ultraface = signature(
            &[1, 3, 240, 320],
            &[("scores", &[1, 4420, 2]), ("boxes", &[1, 4420, 4])],
        );
        let message = identify("u.onnx", &ultraface).unwrap_err().to_string();
        insta::assert_snapshot!(message, @"u.onnx: a detector without landmarks (outputs scores[1x4420x2], boxes[1x4420x4]): its faces cannot be aligned");
        let classifier = signature(&[1, 3, 224, 224], &[("logits", &[1, 1000])]);
        let message = identify("c.onnx", &classifier).unwrap_err().to_string();
        insta::assert_snapshot!(message, @r"
        c.onnx: of no family of networks that facebench reads:
          yunet (detector): it has no output cls_8 (outputs: logits[1x1000])
          scrfd (detector): expected nine outputs of 1, 4 and 10 columns for three strides, found logits[1x1000]
          arcface (recognizer): expected crops of 112x112, found input[1x3x224x224]
        ");
    }

    #[test]
    fn a_recognizer_given_as_detector_says_so() {
        let arcface = signature(&[-1, 3, 112, 112], &[("embeddings", &[-1, 128])]);
        let message = family_of("r.onnx", &arcface, None, Role::Detector)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(message, @"r.onnx is a recognizer (arcface) and was given as the detector: give it as --recognizer instead");
        let message = family_of("r.onnx", &arcface, Some(Family::Yunet), Role::Detector)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(message, @"r.onnx: does not look like a network of the yunet family: it has no output cls_8 (outputs: embeddings[?x128])");
        assert!(matches!(
            face_decoder("r.onnx", &arcface, Family::Arcface),
            Err(ModelError::WrongRole { .. })
        ));
    }
}
