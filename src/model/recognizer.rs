//! A recognizer: faces in, embeddings out. Alignment and batches are here; what makes a graph a recognizer is in
//! [`arcface`](super::arcface).

use super::{error::ModelError, input::InputTensor, outputs::ShapeError, settings::Settings};
use crate::{
    runtime::{Output, Session},
    vision::{
        align::{self, CROP_SIZE},
        face::Landmarks,
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};

/// Most numbers of an embedding. The longest that are in use have 4096.
const LONGEST: usize = 1 << 16;

/// A loaded recognizer with its settings and buffers.
pub struct Recognizer {
    /// The network's file, for errors.
    network: String,
    session: Box<dyn Session>,
    /// Which of the graph's outputs is the embedding.
    output: usize,
    input: InputTensor,
}

impl Recognizer {
    /// Puts the `session` of `network`, whose graph is a recognizer's with the embedding as its `output`, to work with
    /// `settings`; at most `batch` faces go into one run, fewer where the graph has a fixed batch.
    pub fn new(
        network: String,
        session: Box<dyn Session>,
        output: usize,
        settings: &Settings,
        batch: usize,
    ) -> Result<Self, ModelError> {
        let side = CROP_SIZE as usize;
        let input = InputTensor::new(
            &network,
            session.as_ref(),
            batch,
            (side, side),
            settings.input.normalization(),
        )?;
        Ok(Self {
            network,
            session,
            output,
            input,
        })
    }

    /// Most faces in one run.
    pub fn batch(&self) -> usize {
        self.input.batch()
    }

    /// The name of the output that is the embedding, where the graph has several.
    pub fn chosen_output(&self) -> Option<&str> {
        let outputs = &self.session.signature().outputs;
        (outputs.len() > 1).then(|| outputs[self.output].name.as_str())
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
        let (mut read, which) = (Ok(true), self.output);
        self.input
            .run(self.session.as_mut(), count, &mut |batch, outputs| {
                read = rows(&outputs[which], batch).map(|mut rows| {
                    let rows = rows.by_ref().take(count);
                    rows.fold(true, |finite, row| {
                        take(row);
                        finite && row.iter().all(|number| number.is_finite())
                    })
                });
            })?;
        let network = || self.network.clone();
        match read {
            Ok(true) => Ok(()),
            Ok(false) => Err(ModelError::NotFinite {
                network: network(),
                what: "embeddings",
            }),
            Err(source) => Err(ModelError::Shape {
                network: network(),
                source,
            }),
        }
    }
}

/// The numbers of each place of a run of `batch`: a row of `output`.
fn rows<'o>(output: &'o Output<'_>, batch: usize) -> Result<std::slice::ChunksExact<'o, f32>, ShapeError> {
    let length = match output.values.shape() {
        [rows, length] if *rows == batch && (1..=LONGEST).contains(length) => *length,
        _ => return Err(ShapeError::of(output)),
    };
    let values = output.values.as_slice();
    values
        .map(|values| values.chunks_exact(length))
        .ok_or_else(|| ShapeError::of(output))
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    #[test]
    fn a_run_must_answer_with_a_row_for_each_place() {
        let answers = |shape: &[usize], batch| {
            let values = ArrayD::zeros(shape);
            let output = Output {
                name: "e",
                values: values.view(),
            };
            rows(&output, batch).map(|rows| rows.len()).ok()
        };
        assert_eq!(answers(&[2, 128], 2), Some(2));
        for wrong in [
            &[][..],
            &[2],
            &[128, 2],
            &[2, 0],
            &[0, 128],
            &[2, 128, 1],
            &[2, LONGEST + 1],
        ] {
            assert_eq!(answers(wrong, 2), None, "{wrong:?}");
        }
    }
}
