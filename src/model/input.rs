//! The input tensor of a network: planes of floats, or the bytes that the network normalises itself.

use image::RgbImage;
use ndarray::{Array4, ArrayViewMut3, s};

use crate::{
    backend::{BackendError, Output, Session},
    vision::tensor::{self, Normalization},
};

/// A batch of inputs, in memory that is kept between runs.
pub(super) struct Input {
    values: Values,
    normalization: Normalization,
    /// Whether the graph fixes the batch.
    fixed: bool,
    /// Whether batches come in a few sizes only.
    few_sizes: bool,
}

enum Values {
    /// Batch x 3 x height x width.
    Floats(Array4<f32>),
    /// Batch x height x width x 3.
    Bytes(Array4<u8>),
}

/// The place of one picture in a batch.
pub(super) enum Slot<'a> {
    Floats(ArrayViewMut3<'a, f32>, Normalization),
    Bytes(ArrayViewMut3<'a, u8>, Normalization),
}

impl Slot<'_> {
    /// Writes `picture` to the top left, and black around it.
    pub(super) fn write(&mut self, picture: &RgbImage) {
        match self {
            Self::Floats(planes, normalization) => tensor::write_planes(picture, *normalization, planes),
            Self::Bytes(canvas, normalization) => {
                tensor::write_bytes(picture, normalization.channels, canvas);
            }
        }
    }
}

impl Input {
    /// For `session`, at most `batch` pictures of `width` x `height` where the graph leaves these open.
    pub(super) fn new(
        session: &dyn Session,
        batch: usize,
        (width, height): (usize, usize),
        normalization: Normalization,
    ) -> Self {
        let shape = &session.signature().inputs[0].shape;
        let batch = shape[0].unwrap_or(batch.max(1));
        let height = shape[2].unwrap_or(height);
        let width = shape[3].unwrap_or(width);
        let few_sizes = session.reads_bytes();
        Self {
            values: if few_sizes {
                Values::Bytes(Array4::zeros((batch, height, width, 3)))
            } else {
                Values::Floats(Array4::zeros((batch, 3, height, width)))
            },
            normalization,
            fixed: shape[0].is_some(),
            few_sizes,
        }
    }

    /// Most pictures in one run.
    pub(super) fn batch(&self) -> usize {
        match &self.values {
            Values::Floats(values) => values.dim().0,
            Values::Bytes(values) => values.dim().0,
        }
    }

    /// Width and height of a picture.
    pub(super) fn canvas(&self) -> (usize, usize) {
        match &self.values {
            Values::Floats(values) => (values.dim().3, values.dim().2),
            Values::Bytes(values) => (values.dim().2, values.dim().1),
        }
    }

    /// The places of all pictures of a batch, to be written by whoever has time.
    pub(super) fn slots(&mut self) -> Vec<Slot<'_>> {
        let normalization = self.normalization;
        match &mut self.values {
            Values::Floats(values) => values
                .outer_iter_mut()
                .map(|planes| Slot::Floats(planes, normalization))
                .collect(),
            Values::Bytes(values) => values
                .outer_iter_mut()
                .map(|canvas| Slot::Bytes(canvas, normalization))
                .collect(),
        }
    }

    /// Every size that a batch may have: a device prepares itself for each once, before anything is measured.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = (1..=self.batch()).map(|count| self.size(count)).collect();
        sizes.dedup();
        sizes
    }

    /// How many places are run for `count` pictures. A fixed batch is always run whole, an open one as far as it is
    /// filled, or to the next power of two where few sizes are wanted.
    fn size(&self, count: usize) -> usize {
        match (self.fixed, self.few_sizes) {
            (true, _) => self.batch(),
            (false, true) => count.next_power_of_two().min(self.batch()),
            (false, false) => count,
        }
    }

    /// Runs `session` on the first `count` pictures; `read` learns how many places were run.
    pub(super) fn run(
        &self,
        session: &mut dyn Session,
        count: usize,
        read: &mut dyn FnMut(usize, &[Output<'_>]),
    ) -> Result<(), BackendError> {
        let size = self.size(count);
        let mut read = |outputs: &[Output<'_>]| read(size, outputs);
        match &self.values {
            Values::Floats(values) => session.run(values.slice(s![..size, .., .., ..]), &mut read),
            Values::Bytes(values) => session.run_bytes(values.slice(s![..size, .., .., ..]), &mut read),
        }
    }
}
