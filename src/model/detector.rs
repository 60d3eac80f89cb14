//! A detector: photos in, faces out. What the families share is here; what their tensors mean is in
//! [`yunet`](super::yunet) and [`scrfd`](super::scrfd).

use image::RgbImage;
use ndarray::{Array4, ArrayView2, s};

use super::{
    ModelError,
    catalog::{Family, Settings},
    scrfd::Scrfd,
    yunet::Yunet,
};
use crate::{
    backend::{Output, Session},
    vision::{
        face::Detection,
        nms,
        resize::{Letterbox, Resizer},
        tensor::{self, Normalization},
    },
};

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

    /// Whether several photos may go into one run, where the graph leaves the batch open.
    fn batches(&self) -> bool;
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
    normalization: Normalization,
    score_threshold: f32,
    nms_threshold: f32,
    input: Array4<f32>,
    resizer: Resizer,
    letterboxes: Vec<Letterbox>,
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
        let shape = &signature.inputs[0].shape;
        let batch = match shape[0] {
            Some(fixed) => fixed,
            None if decoder.batches() => batch.max(1),
            None => 1,
        };
        let height = shape[2].unwrap_or(settings.input.height as usize);
        let width = shape[3].unwrap_or(settings.input.width as usize);
        Ok(Self {
            session,
            family: decoder,
            normalization: settings.input.normalization(),
            score_threshold: settings.score_threshold,
            nms_threshold: settings.nms_threshold,
            input: Array4::zeros((batch, 3, height, width)),
            resizer: Resizer::default(),
            letterboxes: Vec::new(),
        })
    }

    /// Most photos in one run.
    pub fn batch(&self) -> usize {
        self.input.dim().0
    }

    /// Width and height of the canvas that the network sees.
    pub fn canvas(&self) -> (usize, usize) {
        let (_, _, height, width) = self.input.dim();
        (width, height)
    }

    /// The session, for its profile.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// Finds the faces of each photo: `found[i]` is cleared and filled with those of `photos[i]`, best score first,
    /// in pixels of the photo.
    pub fn detect(&mut self, photos: &[RgbImage], found: &mut [Vec<Detection>]) -> Result<(), ModelError> {
        for (photos, found) in photos.chunks(self.batch()).zip(found.chunks_mut(self.batch())) {
            self.detect_batch(photos, found)?;
        }
        Ok(())
    }

    fn detect_batch(&mut self, photos: &[RgbImage], found: &mut [Vec<Detection>]) -> Result<(), ModelError> {
        let canvas = self.canvas();
        self.letterboxes.clear();
        for (photo, mut planes) in photos.iter().zip(self.input.outer_iter_mut()) {
            let letterbox = Letterbox::fit(photo.dimensions(), (canvas.0 as u32, canvas.1 as u32));
            let scaled = self.resizer.resize(photo, letterbox.scaled);
            tensor::write_planes(&scaled, self.normalization, &mut planes);
            self.resizer.recycle(scaled);
            self.letterboxes.push(letterbox);
        }
        // A fixed batch is always run whole; an open one as far as it is filled.
        let fixed = self.session.signature().inputs[0].shape[0].is_some();
        let batch = if fixed { self.batch() } else { photos.len() };
        let (family, threshold) = (&self.family, self.score_threshold);
        let mut decoded = Ok(());
        self.session
            .run(self.input.slice(s![..batch, .., .., ..]), &mut |outputs| {
                decoded = found.iter_mut().enumerate().try_for_each(|(index, found)| {
                    found.clear();
                    family.decode(outputs, Sample { index, batch, canvas }, threshold, found)
                });
            })?;
        decoded?;
        for (found, letterbox) in found.iter_mut().zip(&self.letterboxes) {
            nms::suppress(found, self.nms_threshold);
            for detection in found {
                *detection = letterbox.to_source(detection);
            }
        }
        Ok(())
    }
}
