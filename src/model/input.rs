//! The input tensor of a network: planes of floats, or the bytes that the network normalises itself.

use std::slice::{ChunksExactMut, IterMut};

use ndarray::ArrayView4;

use super::error::ModelError;
use crate::{
    runtime::{Output, RuntimeError, Session},
    vision::tensor::{ChannelOrder, Extent, Normalization, Numbers, Slot},
};

/// Runs with which a device prepares itself: one plans, one captures a CUDA graph, one replays it.
const PREPARING_RUNS: usize = 3;

/// Most numbers of an input: 1 GiB of floats.
pub(super) const MOST_NUMBERS: usize = 1 << 28;

/// A batch of inputs, in memory that is kept between runs.
pub(super) struct InputTensor {
    values: Values,
    channels: ChannelOrder,
    batch: usize,
    /// Width and height of a picture, at most.
    canvas: (usize, usize),
    /// Width and height of what the next run sees of it.
    seen: (usize, usize),
    /// What each place of the batch holds.
    extents: Vec<Extent>,
    /// Whether the graph fixes the batch.
    fixed: bool,
    /// The one size that every batch is padded to, for a device: each change of shape costs it a new plan.
    size: Option<usize>,
}

enum Values {
    /// Batch x 3 x height x width, and the numbers of pixels.
    Floats(Vec<f32>, Box<Numbers>),
    /// Batch x height x width x 3.
    Bytes(Vec<u8>),
}

/// Goes over the places of a batch.
pub(super) struct Slots<'a> {
    buffers: Buffers<'a>,
    columns: usize,
    extents: IterMut<'a, Extent>,
}

enum Buffers<'a> {
    Floats(ChunksExactMut<'a, f32>, &'a Numbers),
    Bytes(ChunksExactMut<'a, u8>, ChannelOrder),
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        let extent = self.extents.next()?;
        Some(match &mut self.buffers {
            Buffers::Floats(values, numbers) => Slot::planes(values.next()?, self.columns, numbers, extent),
            Buffers::Bytes(values, channels) => Slot::bytes(values.next()?, self.columns, *channels, extent),
        })
    }
}

impl InputTensor {
    /// For the `session` of `network`, at most `batch` pictures of `width` x `height` where the graph has these dynamic.
    pub(super) fn new(
        network: &str,
        session: &dyn Session,
        batch: usize,
        (width, height): (usize, usize),
        normalization: Normalization,
    ) -> Result<Self, ModelError> {
        let shape = &session.signature().inputs[0].shape;
        let batch = shape[0].unwrap_or(batch.max(1));
        let height = shape[2].unwrap_or(height);
        let width = shape[3].unwrap_or(width);
        let reads_bytes = session.reads_bytes();
        let length = [batch, height, width]
            .iter()
            .try_fold(3usize, |product, side| product.checked_mul(*side))
            .filter(|length| *length <= MOST_NUMBERS)
            .ok_or_else(|| ModelError::TooLarge {
                network: network.to_owned(),
                batch,
                width,
                height,
            })?;
        let mut input = Self {
            values: if reads_bytes {
                Values::Bytes(vec![0; length])
            } else {
                Values::Floats(vec![0.0; length], Box::new(normalization.into()))
            },
            channels: normalization.channels,
            batch,
            canvas: (width, height),
            seen: (width, height),
            extents: vec![(0, 0); batch],
            fixed: shape[0].is_some(),
            size: reads_bytes.then_some(batch),
        };
        input.slots().for_each(|mut slot| slot.blacken());
        Ok(input)
    }

    /// Most pictures in one run.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// Width and height of a picture, at most.
    pub(super) fn canvas(&self) -> (usize, usize) {
        self.canvas
    }

    /// Width and height of what the next run sees.
    pub(super) fn seen(&self) -> (usize, usize) {
        self.seen
    }

    /// The next run sees no more than `width` x `height` of the canvas; the graph must have both axes dynamic.
    pub(super) fn see(&mut self, seen: (usize, usize)) {
        if self.seen != seen {
            self.seen = seen;
            // Rows lie elsewhere now: what was written is anything.
            self.extents.fill(seen);
        }
    }

    /// The places of all pictures of a batch, to be written by threads that are free.
    pub(super) fn slots(&mut self) -> Slots<'_> {
        let (columns, rows) = self.seen;
        let picture = (columns * rows * 3).max(1);
        let buffers = match &mut self.values {
            Values::Floats(values, numbers) => Buffers::Floats(values.chunks_exact_mut(picture), numbers),
            Values::Bytes(values) => Buffers::Bytes(values.chunks_exact_mut(picture), self.channels),
        };
        Slots {
            buffers,
            columns,
            extents: self.extents.iter_mut(),
        }
    }

    /// Has a device prepare itself for batches of `size`, at most the largest, to which all are padded from now on: some
    /// runs on whatever is here. Does nothing where `again` is not asked for and the size is the one that it was. On the
    /// CPU cores batches have the size that they have.
    pub(super) fn prepare_shapes(
        &mut self,
        session: &mut dyn Session,
        size: usize,
        again: bool,
    ) -> Result<(), RuntimeError> {
        let size = size.clamp(1, self.batch());
        let changed = self.size.is_some_and(|old| old != size);
        self.size = self.size.map(|_| size);
        if changed || again {
            for _ in 0..PREPARING_RUNS {
                self.run(session, 1, &mut |_, _| {})?;
            }
        }
        Ok(())
    }

    /// How many places are run for `count` pictures. A fixed batch is always run whole, an open one as far as it is
    /// filled, or to the one size of a device.
    fn size(&self, count: usize) -> usize {
        match (self.fixed, self.size) {
            (true, _) => self.batch(),
            (false, Some(size)) => size.max(count),
            (false, None) => count,
        }
    }

    /// Runs `session` on the first `count` pictures; `read` learns how many places were run.
    pub(super) fn run(
        &self,
        session: &mut dyn Session,
        count: usize,
        read: &mut dyn FnMut(usize, &[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        let size = self.size(count);
        let mut read = |outputs: &[Output<'_>]| read(size, outputs);
        let (width, height) = self.seen;
        let length = size * width * height * 3;
        let shaped = |error: ndarray::ShapeError| RuntimeError::Run {
            reason: error.to_string(),
        };
        match &self.values {
            Values::Floats(values, _) => {
                let shape = (size, 3, height, width);
                let input = ArrayView4::from_shape(shape, &values[..length]).map_err(shaped)?;
                session.run(input, &mut read)
            }
            Values::Bytes(values) => {
                let shape = (size, height, width, 3);
                let input = ArrayView4::from_shape(shape, &values[..length]).map_err(shaped)?;
                session.run_bytes(input, &mut read)
            }
        }
    }
}
