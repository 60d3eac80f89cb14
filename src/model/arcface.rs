//! Recognizers of the `ArcFace` family: aligned 112x112 crops in, embeddings out (Deng and others: "`ArcFace`: Additive
//! Angular Margin Loss for Deep Face Recognition", 2019; `MobileFaceNet`, `SFace`, `AdaFace` and the w600k networks share
//! it).

use super::outputs::list;
use crate::{
    runtime::{Signature, TensorInfo},
    vision::align::CROP_SIZE,
};

/// Shortest embedding that is taken for one.
const SHORTEST: usize = 64;

/// Which of the outputs is the embedding: the first that has one row of 64 numbers or more for each crop, one of known
/// length before one that the graph leaves open. Some exports answer with the embedding's length before it was normalised,
/// or with features, beside it. The error says what is unlike a recognizer.
pub fn embedding_output(signature: &Signature) -> Result<usize, String> {
    let side = Some(CROP_SIZE as usize);
    let (inputs, outputs) = (&signature.inputs, &signature.outputs);
    let reads_crops = inputs.len() == 1
        && inputs[0].shape.len() == 4
        && inputs[0].shape[2..]
            .iter()
            .all(|length| length.is_none() || *length == side);
    // With a dynamic width and height it could be any network; one of them at least must be that of a crop.
    if !reads_crops {
        return Err(format!("expected crops of 112x112, found {}", list(inputs)));
    }
    let first = |fits: fn(&Option<usize>) -> bool| {
        outputs.iter().position(|TensorInfo { shape, is_f32, .. }| {
            *is_f32 && matches!(shape.as_slice(), [_, length] if fits(length))
        })
    };
    first(|length| length.is_some_and(|length| length >= SHORTEST))
        .or_else(|| first(Option::is_none))
        .ok_or_else(|| {
            format!(
                "expected a batch of embeddings (rows of {SHORTEST} numbers or more), found {}",
                list(outputs)
            )
        })
}

#[cfg(test)]
mod tests {
    use super::super::outputs::tests::signature;
    use super::*;

    #[test]
    fn only_crops_to_embeddings_pass() {
        let crop = &[1i64, 3, 112, 112][..];
        for (outputs, which) in [
            (vec![("e", &[-1i64, 512][..])], 0),
            (vec![("fc1", &[1, 128])], 0),
            (vec![("embedding", &[-1, 512]), ("norm", &[-1, 1])], 0),
            (vec![("norm", &[-1, 1]), ("embedding", &[-1, 512])], 1),
            (
                vec![("map", &[-1, 512, 7, 7]), ("open", &[-1, -1]), ("e", &[1, 128])],
                2,
            ),
            (vec![("norm", &[-1, 1]), ("open", &[-1, -1])], 1),
            (vec![("a", &[1, 128]), ("b", &[1, 128])], 0),
        ] {
            assert_eq!(
                embedding_output(&signature(crop, &outputs)),
                Ok(which),
                "{outputs:?}"
            );
        }
        for (input, outputs) in [
            (&[1i64, 3, 224, 224][..], vec![("logits", &[1i64, 1000][..])]),
            (crop, vec![("age", &[1, 1][..])]),
            (crop, vec![("map", &[1, 512, 7, 7][..]), ("norm", &[1, 1])]),
            (crop, vec![]),
        ] {
            assert!(embedding_output(&signature(input, &outputs)).is_err());
        }
    }
}
