//! SCRFD's outputs: scores, distances to the four sides and landmarks for two anchors a cell at strides 8, 16, 32
//! (Guo and others: "Sample and Computation Redistribution for Efficient Face Detection", 2021; decoding as in
//! `InsightFace`'s `SCRFD` class).

use super::outputs::{FaceDecoder, Sample, ShapeError, list};
use crate::{
    runtime::{Output, Signature},
    vision::face::{BoundingBox, Detection},
};

const STRIDES: [usize; 3] = [8, 16, 32];
const ANCHORS: usize = 2;

/// The export's outputs have numbers for names, and stand in a fixed order: three scores, three boxes, three sets of
/// landmarks, each by stride.
pub struct Scrfd;

impl Scrfd {
    /// Checks the order of the nine outputs by their last dimensions; the error says what does not fit.
    pub fn new(signature: &Signature) -> Result<Self, String> {
        let columns: Vec<_> = signature
            .outputs
            .iter()
            .map(|o| o.shape.last().copied().flatten())
            .collect();
        let outputs = list(&signature.outputs);
        match columns.as_slice() {
            [
                Some(1),
                Some(1),
                Some(1),
                Some(4),
                Some(4),
                Some(4),
                Some(10),
                Some(10),
                Some(10),
            ] => Ok(Self),
            [Some(1), Some(1), Some(1), Some(4), Some(4), Some(4)] => Err(format!(
                "it has no landmarks (outputs {outputs}): use an export with key points (bnkps)"
            )),
            _ => Err(format!(
                "expected nine outputs of 1, 4 and 10 columns for three strides, found {outputs}"
            )),
        }
    }
}

impl FaceDecoder for Scrfd {
    fn decode(
        &self,
        outputs: &[Output<'_>],
        sample: Sample,
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Result<(), ShapeError> {
        for (level, stride) in STRIDES.into_iter().enumerate() {
            let columns = sample.canvas.0 / stride;
            let anchors = columns * (sample.canvas.1 / stride) * ANCHORS;
            let scores = sample.rows(&outputs[level], anchors, 1)?;
            let sides = sample.rows(&outputs[level + 3], anchors, 4)?;
            let points = sample.rows(&outputs[level + 6], anchors, 10)?;
            for (anchor, &score) in scores.iter().enumerate() {
                if score.is_nan() || score < threshold {
                    continue;
                }
                let cell = anchor / ANCHORS;
                let size = stride as f32;
                let (x, y) = ((cell % columns) as f32 * size, (cell / columns) as f32 * size);
                let side = |i: usize| sides[[anchor, i]] * size;
                found.push(Detection {
                    bounding_box: BoundingBox {
                        x1: x - side(0),
                        y1: y - side(1),
                        x2: x + side(2),
                        y2: y + side(3),
                    },
                    landmarks: std::array::from_fn(|i| {
                        [
                            x + points[[anchor, 2 * i]] * size,
                            y + points[[anchor, 2 * i + 1]] * size,
                        ]
                    }),
                    score,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these numbers are exact in binary")]
    use ndarray::Array2;

    use super::super::outputs::tests::signature;
    use super::*;

    const OUTPUTS: [(&str, &[i64]); 9] = [
        ("1", &[-1, 1]),
        ("2", &[-1, 1]),
        ("3", &[-1, 1]),
        ("4", &[-1, 4]),
        ("5", &[-1, 4]),
        ("6", &[-1, 4]),
        ("7", &[-1, 10]),
        ("8", &[-1, 10]),
        ("9", &[-1, 10]),
    ];

    #[test]
    fn distances_are_measured_from_the_cell() {
        let scrfd = Scrfd::new(&signature(&[1, 3, -1, -1], &OUTPUTS)).unwrap();
        let mut tensors: Vec<Array2<f32>> = Vec::new();
        for columns in [1, 4, 10] {
            tensors.extend(STRIDES.map(|s| Array2::zeros((64 / s * (32 / s) * ANCHORS, columns))));
        }
        // Stride 16: the second anchor of the cell (column 3, row 1).
        let anchor = (4 + 3) * ANCHORS + 1;
        tensors[1][[anchor, 0]] = 0.9;
        tensors[4]
            .row_mut(anchor)
            .assign(&ndarray::arr1(&[1.0, 0.5, 2.0, 0.25]));
        tensors[7][[anchor, 0]] = -0.5;
        let outputs: Vec<_> = tensors
            .iter()
            .map(|t| Output {
                name: "t",
                values: t.view().into_dyn(),
            })
            .collect();
        let mut found = Vec::new();
        scrfd
            .decode(
                &outputs,
                Sample {
                    index: 0,
                    batch: 1,
                    canvas: (64, 32),
                },
                0.6,
                &mut found,
            )
            .unwrap();
        let [face] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(face.bounding_box, BoundingBox::from([32.0, 8.0, 80.0, 20.0]));
        assert_eq!(
            (face.landmarks[0], face.landmarks[4]),
            ([40.0, 16.0], [48.0, 16.0])
        );
    }

    #[test]
    fn an_export_without_landmarks_says_so() {
        let error = Scrfd::new(&signature(&[1, 3, -1, -1], &OUTPUTS[..6]))
            .err()
            .unwrap();
        assert!(error.contains("no landmarks"), "{error}");
    }

    #[test]
    fn outputs_of_another_size_are_an_error_and_no_panic() {
        let scrfd = Scrfd::new(&signature(&[1, 3, -1, -1], &OUTPUTS)).unwrap();
        let tensor = Array2::zeros((5, 1));
        let outputs: Vec<_> = (0..9)
            .map(|_| Output {
                name: "443",
                values: tensor.view().into_dyn(),
            })
            .collect();
        let sample = Sample {
            index: 0,
            batch: 1,
            canvas: (64, 32),
        };
        let error = scrfd.decode(&outputs, sample, 0.6, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("443"), "{error}");
    }
}
