//! `YuNet`'s outputs: class, objectness, box and landmarks for each cell at strides 8, 16 and 32
//! (Wu, Peng, Yu: "`YuNet`: A Tiny Millisecond-level Face Detector", 2023; decoding as in `OpenCV`'s `FaceDetectorYN`).

use super::outputs::{FaceDecoder, Sample, ShapeError, list};
use crate::{
    runtime::{Output, Signature},
    vision::face::{BoundingBox, Detection},
};

const STRIDES: [usize; 3] = [8, 16, 32];

/// Where `YuNet`'s tensors stand among a graph's outputs.
pub struct Yunet {
    /// For each stride: the positions of `cls`, `obj`, `bbox`, `kps`.
    positions: [[usize; 4]; 3],
}

impl Yunet {
    /// Finds the twelve outputs by name; the error says what is missing.
    pub fn new(signature: &Signature) -> Result<Self, String> {
        let mut positions = [[0; 4]; 3];
        for (stride, positions) in STRIDES.iter().zip(&mut positions) {
            for (kind, position) in ["cls", "obj", "bbox", "kps"].iter().zip(positions) {
                let name = format!("{kind}_{stride}");
                *position = signature
                    .outputs
                    .iter()
                    .position(|output| output.name == name)
                    .ok_or_else(|| {
                        format!("it has no output {name} (outputs: {})", list(&signature.outputs))
                    })?;
            }
        }
        Ok(Self { positions })
    }
}

impl FaceDecoder for Yunet {
    fn decode(
        &self,
        outputs: &[Output<'_>],
        sample: Sample,
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Result<(), ShapeError> {
        let least = threshold * threshold * 0.999;
        for (stride, [class, object, boxes, points]) in STRIDES.into_iter().zip(self.positions) {
            let (columns, rows) = (sample.canvas.0 / stride, sample.canvas.1 / stride);
            let cells = columns * rows;
            let class = sample.rows(&outputs[class], cells, 1)?;
            let object = sample.rows(&outputs[object], cells, 1)?;
            let boxes = sample.rows(&outputs[boxes], cells, 4)?;
            let points = sample.rows(&outputs[points], cells, 10)?;
            for (cell, (class, object)) in class.iter().zip(&object).enumerate() {
                let product = class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0);
                // Nearly all cells are left behind here, without a root and with a little to spare for rounding.
                if product.is_nan() || product < least {
                    continue;
                }
                let score = product.sqrt();
                if score < threshold {
                    continue;
                }
                let (column, row, size) = ((cell % columns) as f32, (cell / columns) as f32, stride as f32);
                let (x, y) = (
                    (column + boxes[[cell, 0]]) * size,
                    (row + boxes[[cell, 1]]) * size,
                );
                let (width, height) = (boxes[[cell, 2]].exp() * size, boxes[[cell, 3]].exp() * size);
                found.push(Detection {
                    bounding_box: BoundingBox {
                        x1: x - width / 2.0,
                        y1: y - height / 2.0,
                        x2: x + width / 2.0,
                        y2: y + height / 2.0,
                    },
                    landmarks: std::array::from_fn(|i| {
                        [
                            (column + points[[cell, 2 * i]]) * size,
                            (row + points[[cell, 2 * i + 1]]) * size,
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
    use ndarray::ArrayD;

    use super::super::outputs::tests::signature;
    use super::*;

    fn names() -> Vec<String> {
        STRIDES
            .iter()
            .flat_map(|s| ["cls", "obj", "bbox", "kps"].map(|kind| format!("{kind}_{s}")))
            .collect()
    }

    #[test]
    fn one_hot_cell_becomes_one_face() {
        let names = names();
        let outputs: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), &[-1i64, -1, 1][..]))
            .collect();
        let yunet = Yunet::new(&signature(&[-1, 3, -1, -1], &outputs)).unwrap();
        // Canvas 64x32, batch of two; the second photo has a face in the cell (column 2, row 1) of stride 8.
        let tensors: Vec<ArrayD<f32>> = names
            .iter()
            .map(|name| {
                let (kind, stride) = name.split_once('_').unwrap();
                let stride: usize = stride.parse().unwrap();
                let cells = 64 / stride * (32 / stride);
                let columns = match kind {
                    "bbox" => 4,
                    "kps" => 10,
                    _ => 1,
                };
                let mut tensor = ArrayD::zeros(vec![2, cells, columns]);
                if stride == 8 {
                    let cell = 8 + 2;
                    match kind {
                        "cls" => tensor[[1, cell, 0]] = 1.3,
                        "obj" => tensor[[1, cell, 0]] = 0.64,
                        "bbox" => {
                            tensor[[1, cell, 0]] = 0.5;
                            tensor[[1, cell, 1]] = 0.25;
                            tensor[[1, cell, 2]] = 2f32.ln();
                        }
                        _ => tensor[[1, cell, 0]] = 1.0,
                    }
                }
                tensor
            })
            .collect();
        let outputs: Vec<_> = names
            .iter()
            .zip(&tensors)
            .map(|(name, t)| Output {
                name,
                values: t.view(),
            })
            .collect();
        let mut found = Vec::new();
        yunet
            .decode(
                &outputs,
                Sample {
                    index: 0,
                    batch: 2,
                    canvas: (64, 32),
                },
                0.6,
                &mut found,
            )
            .unwrap();
        assert!(found.is_empty());
        yunet
            .decode(
                &outputs,
                Sample {
                    index: 1,
                    batch: 2,
                    canvas: (64, 32),
                },
                0.6,
                &mut found,
            )
            .unwrap();
        let [face] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!((face.score - 0.8).abs() < 1e-6, "the class is clamped to 1");
        let want = BoundingBox::from([12.0, 6.0, 28.0, 14.0]);
        assert!(face.bounding_box.iou(&want) > 0.9999, "{face:?}");
        assert_eq!(face.landmarks[0], [24.0, 8.0]);
        assert_eq!(face.landmarks[1], [16.0, 8.0]);
    }

    #[test]
    fn a_missing_output_is_named() {
        let error = Yunet::new(&signature(&[1, 3, 640, 640], &[("cls_8", &[1, 6400, 1])]))
            .err()
            .unwrap();
        assert!(error.contains("obj_8"), "{error}");
    }
}
