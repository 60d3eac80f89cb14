//! A recognizer: faces in, embeddings out. Alignment and batches are here; what makes a graph a recognizer is in
//! [`arcface`](super::arcface).

use super::{error::ModelError, input::InputTensor, outputs::ShapeError, settings::Settings};
use crate::{
    runtime::Session,
    vision::{
        align::{self, CROP_SIZE},
        face::Landmarks,
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};

/// A loaded recognizer with its settings and buffers.
pub struct Recognizer {
    session: Box<dyn Session>,
    input: InputTensor,
}

impl Recognizer {
    /// Puts `session`, whose graph is a recognizer's, to work with `settings`; at most `batch` faces go into one run,
    /// fewer where the graph has a fixed batch.
    pub fn new(session: Box<dyn Session>, settings: &Settings, batch: usize) -> Self {
        let side = CROP_SIZE as usize;
        let input = InputTensor::new(
            session.as_ref(),
            batch,
            (side, side),
            settings.input.normalization(),
        );
        Self { session, input }
    }

    /// Most faces in one run.
    pub fn batch(&self) -> usize {
        self.input.batch()
    }

    /// The session, for its profile.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// Has a device prepare itself for batches of `size`, to which all are padded from now on. Does nothing where `again` is
    /// not asked for and the size is the one that it was.
    pub fn prepare_shapes(&mut self, size: usize, again: bool) -> Result<(), ModelError> {
        Ok(self.input.prepare_shapes(self.session.as_mut(), size, again)?)
    }

    /// Runs the network on whatever its input holds, all places of it, and looks at nothing.
    pub fn run_alone(&mut self) -> Result<(), ModelError> {
        let all = self.batch();
        Ok(self.input.run(self.session.as_mut(), all, &mut |_, _| {})?)
    }

    /// Aligns faces, each of its photo, to the first places of the batch; `pixel_pool` does it. At most
    /// [`Recognizer::batch`] faces.
    pub fn align<'f>(
        &mut self,
        faces: impl Iterator<Item = (&'f DecodedPhoto, &'f Landmarks)>,
        pixel_pool: &PixelPool,
    ) {
        let side = CROP_SIZE as usize;
        pixel_pool.each(faces.zip(self.input.slots()), |((photo, landmarks), mut slot)| {
            slot.begin(side, side);
            align::align(&photo.pixels, &photo.in_pixels(landmarks), |y, row| {
                slot.write_row(y, row);
            });
        });
    }

    /// Gives `take` the raw numbers of each of the first `count` places, in their order.
    pub fn embed(&mut self, count: usize, take: &mut dyn FnMut(&[f32])) -> Result<(), ModelError> {
        let mut read = Ok(());
        self.input
            .run(self.session.as_mut(), count, &mut |batch, outputs| {
                let output = &outputs[0];
                let values = output.values.as_slice().unwrap_or_default();
                if values.is_empty() || output.values.shape()[0] != batch {
                    read = Err(ShapeError::of(output).into());
                    return;
                }
                values
                    .chunks_exact(values.len() / batch)
                    .take(count)
                    .for_each(&mut *take);
            })?;
        read
    }
}
