//! The output tensors of a run: the trait that reads a detector's faces from them, the rows of one photo, and how messages
//! list them.

use ndarray::ArrayView2;
use thiserror::Error;

use crate::{
    runtime::{Output, TensorInfo},
    vision::face::Detection,
};

/// What the output tensors of one family of detectors mean.
pub trait FaceDecoder: Send {
    /// Appends to `found` what photo `sample` of the `batch` shows with a score of at least `threshold`, in pixels
    /// of the `canvas` (width, height). Overlapping candidates are left in.
    fn decode(
        &self,
        outputs: &[Output<'_>],
        sample: Sample,
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Result<(), ShapeError>;
}

/// Which part of a run's outputs is meant.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Number of the photo in the run.
    pub index: usize,
    /// Photos in the run.
    pub batch: usize,
    /// Width and height of the canvas.
    pub canvas: (usize, usize),
}

impl Sample {
    /// This photo's rows of `output`, `columns` numbers each. Serves `[batch, rows, columns]` as well as
    /// `[batch * rows, columns]`.
    pub fn rows<'a>(
        &self,
        output: &'a Output<'_>,
        rows: usize,
        columns: usize,
    ) -> Result<ArrayView2<'a, f32>, ShapeError> {
        let length = rows * columns;
        output
            .values
            .as_slice()
            .filter(|values| values.len() == length * self.batch)
            .and_then(|values| {
                ArrayView2::from_shape(
                    (rows, columns),
                    &values[self.index * length..(self.index + 1) * length],
                )
                .ok()
            })
            .ok_or_else(|| ShapeError::of(output))
    }
}

/// The outputs of a run do not have the family's shapes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the network's output {output} has the shape {shape:?}, which its family does not know")]
pub struct ShapeError {
    /// The output's name.
    pub output: String,
    /// Its shape in this run.
    pub shape: Vec<usize>,
}

impl ShapeError {
    /// For `output`, as it is.
    pub fn of(output: &Output<'_>) -> Self {
        Self {
            output: output.name.to_owned(),
            shape: output.values.shape().to_vec(),
        }
    }
}

/// Tensors as text: `scores[1x4420x2], boxes[1x4420x4]`, the first few.
pub(super) fn list(tensors: &[TensorInfo]) -> String {
    const MOST: usize = 4;
    let mut shown: Vec<_> = tensors.iter().take(MOST).map(ToString::to_string).collect();
    if tensors.len() > MOST {
        shown.push(format!("{} more", tensors.len() - MOST));
    }
    shown.join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::runtime::Signature;

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
}
