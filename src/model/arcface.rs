//! Recognizers of the `ArcFace` family: aligned 112x112 crops in, embeddings out (Deng and others: "`ArcFace`: Additive
//! Angular Margin Loss for Deep Face Recognition", 2019; `MobileFaceNet`, `SFace` and the w600k networks share it).

use super::outputs::list;
use crate::{runtime::Signature, vision::align::CROP_SIZE};

/// Shortest embedding that is taken for one.
const SHORTEST: usize = 64;

/// Numbers in an embedding; `None` where the graph leaves it open. The error says what is unlike a recognizer.
pub fn check(signature: &Signature) -> Result<Option<usize>, String> {
    let side = Some(CROP_SIZE as usize);
    let (inputs, outputs) = (&signature.inputs, &signature.outputs);
    let reads_crops = inputs.len() == 1
        && inputs[0].shape.len() == 4
        && inputs[0].shape[2..]
            .iter()
            .all(|length| length.is_none() || *length == side);
    let [output] = outputs.as_slice() else {
        return Err(format!("expected one output, found {}", list(outputs)));
    };
    match output.shape.as_slice() {
        // With a dynamic width and height it could be any network; one of them at least must be that of a crop.
        _ if !reads_crops => Err(format!("expected crops of 112x112, found {}", list(inputs))),
        [_, length] if length.is_none_or(|n| n >= SHORTEST) => Ok(*length),
        _ => Err(format!("expected a batch of embeddings, found {output}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outputs::tests::signature;
    use super::*;

    #[test]
    fn only_crops_to_embeddings_pass() {
        assert_eq!(
            check(&signature(&[-1, 3, 112, 112], &[("e", &[-1, 512])])),
            Ok(Some(512))
        );
        assert_eq!(
            check(&signature(&[1, 3, 112, 112], &[("fc1", &[1, 128])])),
            Ok(Some(128))
        );
        for (input, outputs) in [
            (&[1i64, 3, 224, 224][..], vec![("logits", &[1i64, 1000][..])]),
            (&[1, 3, 112, 112], vec![("age", &[1, 1][..])]),
            (&[1, 3, 112, 112], vec![("a", &[1, 128][..]), ("b", &[1, 128])]),
        ] {
            assert!(check(&signature(input, &outputs)).is_err());
        }
    }
}
