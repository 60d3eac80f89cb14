//! A detector: photos in, faces out. What the families share is here; what their tensors mean is in
//! [`yunet`](super::yunet) and [`scrfd`](super::scrfd).

use ndarray::ArrayView2;

use super::{
    ModelError,
    catalog::{Family, Settings},
    input::{Input, SETTLING_RUNS},
    scrfd::Scrfd,
    yunet::Yunet,
};
use crate::{
    runtime::{Output, Session},
    vision::{
        face::Detection,
        nms,
        photo::Photo,
        resize::{Letterbox, Resizer},
        workers::Workers,
    },
};

/// Sides of what a detector sees are whole multiples of its largest stride.
const STEP: usize = 32;

/// What the output tensors of one family of detectors mean.
pub trait DetectorFamily: Send {
    /// Appends to `found` what photo `sample` of the `batch` shows with a score of at least `threshold`, in pixels
    /// of the `canvas` (width, height). Overlapping candidates are left in.
    fn decode(
        &self,
        outputs: &[Output<'_>],
        sample: Sample,
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Result<(), ModelError>;
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
    ) -> Result<ArrayView2<'a, f32>, ModelError> {
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
            .ok_or_else(|| ModelError::Shape {
                output: output.name.to_owned(),
                shape: output.values.shape().to_vec(),
            })
    }
}

/// A loaded detector with its settings and buffers.
pub struct Detector {
    session: Box<dyn Session>,
    family: Box<dyn DetectorFamily>,
    score_threshold: f32,
    nms_threshold: f32,
    input: Input,
    /// Whether the network sees no more of the canvas than the photo needs.
    trims: bool,
    /// One for each picture of a batch.
    fits: Vec<Fit>,
}

/// How one picture of a batch got onto the canvas.
struct Fit {
    resizer: Resizer,
    letterbox: Letterbox,
}

impl Detector {
    /// Puts `session`, of `family`, to work with `settings`; at most `batch` photos go into one run, fewer where the
    /// graph or the family allows fewer. `network` names it in errors.
    pub fn new(
        network: &str,
        session: Box<dyn Session>,
        family: Family,
        settings: &Settings,
        batch: usize,
    ) -> Result<Self, ModelError> {
        let signature = session.signature();
        let not_of_family = |reason: String| ModelError::NotOfFamily {
            network: network.to_owned(),
            family,
            reason,
        };
        let decoder: Box<dyn DetectorFamily> = match family {
            Family::Yunet => Box::new(Yunet::new(signature).map_err(not_of_family)?),
            Family::Scrfd => Box::new(Scrfd::new(signature).map_err(not_of_family)?),
            Family::Arcface => {
                let given = super::catalog::Role::Detector;
                return Err(ModelError::WrongRole {
                    network: network.to_owned(),
                    family,
                    given,
                });
            }
        };
        let open_batch = if family.batches() { batch } else { 1 };
        let canvas = (settings.input.width as usize, settings.input.height as usize);
        let input = Input::new(
            session.as_ref(),
            open_batch,
            canvas,
            settings.input.normalization(),
        );
        Ok(Self {
            session,
            family: decoder,
            score_threshold: settings.score_threshold,
            nms_threshold: settings.nms_threshold,
            trims: false,
            fits: (0..input.batch())
                .map(|_| Fit {
                    resizer: Resizer::default(),
                    letterbox: Letterbox::fit((1, 1), (1, 1)),
                })
                .collect(),
            input,
        })
    }

    /// From now on the network sees no more of the canvas than a photo needs, where runs are of one photo: what is black
    /// beside it costs nothing then, and near that edge answers may differ a little. The graph must leave the canvas open.
    #[must_use]
    pub fn trimming(mut self) -> Self {
        self.trims = self.batch() == 1;
        self
    }

    /// Most photos in one run.
    pub fn batch(&self) -> usize {
        self.input.batch()
    }

    /// Width and height of the canvas that the network sees.
    pub fn canvas(&self) -> (usize, usize) {
        self.input.canvas()
    }

    /// The session, for its profile.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// Has a device prepare itself for batches of `size`, to which all are padded from now on: some runs on whatever the
    /// input holds. Does nothing where `anew` is not asked for and the size is the one that it was.
    pub fn settle(&mut self, size: usize, anew: bool) -> Result<(), ModelError> {
        if self.input.settle(size) || anew {
            for _ in 0..SETTLING_RUNS {
                self.input.run(self.session.as_mut(), 1, &mut |_, _| {})?;
            }
        }
        Ok(())
    }

    /// Runs the network on whatever its input holds, all places of it, and looks at nothing.
    pub fn run_alone(&mut self) -> Result<(), ModelError> {
        let all = self.batch();
        Ok(self.input.run(self.session.as_mut(), all, &mut |_, _| {})?)
    }

    /// Finds the faces of each photo: `found[i]` is cleared and filled with those of `photos[i]`, best score first,
    /// in pixels of the photo. `workers` resize.
    pub fn detect(
        &mut self,
        photos: &[Photo],
        found: &mut [Vec<Detection>],
        workers: &Workers,
    ) -> Result<(), ModelError> {
        let batch = self.batch();
        for (photos, found) in photos.chunks(batch).zip(found.chunks_mut(batch)) {
            self.prepare(photos, workers);
            self.find(found)?;
        }
        Ok(())
    }

    /// Puts photos, at most a batch, onto the canvas.
    pub fn prepare(&mut self, photos: &[Photo], workers: &Workers) {
        let canvas = self.canvas();
        for (photo, fit) in photos.iter().zip(&mut self.fits) {
            fit.letterbox = Letterbox::fit(photo.size, (canvas.0 as u32, canvas.1 as u32));
        }
        if self.trims {
            let (width, height) = self.fits[0].letterbox.scaled;
            let whole = |side: u32, most: usize| (side as usize).next_multiple_of(STEP).min(most);
            self.input.see((whole(width, canvas.0), whole(height, canvas.1)));
        }
        let places = photos.iter().zip(self.input.slots()).zip(&mut self.fits);
        workers.each(places, |((photo, mut slot), fit)| {
            let (width, height) = fit.letterbox.scaled;
            slot.begin(width as usize, height as usize);
            fit.resizer.rows(&photo.pixels, fit.letterbox.scaled, |y, row| {
                slot.write_row(y, row);
            });
        });
    }

    /// Finds the faces on the canvas, for as many photos as `found` has places.
    pub fn find(&mut self, found: &mut [Vec<Detection>]) -> Result<(), ModelError> {
        let canvas = self.input.seen();
        let (family, threshold) = (&self.family, self.score_threshold);
        let mut decoded = Ok(());
        self.input
            .run(self.session.as_mut(), found.len(), &mut |batch, outputs| {
                decoded = found.iter_mut().enumerate().try_for_each(|(index, found)| {
                    found.clear();
                    family.decode(outputs, Sample { index, batch, canvas }, threshold, found)
                });
            })?;
        decoded?;
        for (found, fit) in found.iter_mut().zip(&self.fits) {
            nms::suppress(found, self.nms_threshold);
            for detection in found {
                *detection = fit.letterbox.to_source(detection);
            }
        }
        Ok(())
    }
}
