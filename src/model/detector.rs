//! A detector: photos in, faces out. What the families share is here; what their tensors mean is in their own files, such
//! as [`yunet`](super::yunet).

use super::{
    error::ModelError,
    input::InputTensor,
    outputs::{FaceDecoder, Sample},
    settings::Settings,
};
use crate::{
    runtime::Session,
    vision::{
        face::Detection,
        nms,
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
        resize::{Letterbox, Resizer},
    },
};

/// Sides of what a detector sees are whole multiples of its largest stride.
const STEP: usize = 32;

/// Most candidates of a photo that are looked at, the best: `OpenCV`'s detectors keep 5000. A network that sees a face in
/// every cell would else be at it for hours.
const MOST_CANDIDATES: usize = 10_000;

/// A loaded detector with its settings and buffers.
pub struct Detector {
    /// The network's file, for errors.
    network: String,
    session: Box<dyn Session>,
    decoder: Box<dyn FaceDecoder>,
    score_threshold: f32,
    nms_threshold: f32,
    input: InputTensor,
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
    /// Puts the `session` of `network`, whose outputs `decoder` reads, to work with `settings`; at most `batch` photos go
    /// into one run, fewer where the graph has a fixed batch.
    pub fn new(
        network: String,
        session: Box<dyn Session>,
        decoder: Box<dyn FaceDecoder>,
        settings: &Settings,
        batch: usize,
    ) -> Result<Self, ModelError> {
        let canvas = (settings.input.width as usize, settings.input.height as usize);
        let input = InputTensor::new(
            &network,
            session.as_ref(),
            batch,
            canvas,
            settings.input.normalization(),
        )?;
        Ok(Self {
            network,
            session,
            decoder,
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
    /// beside it costs nothing then, and near that edge answers may differ a little. The graph must have a dynamic canvas.
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

    /// Finds the faces of each photo: `found[i]` is cleared and filled with those of `photos[i]`, best score first,
    /// in pixels of the photo. `pixel_pool` resizes.
    pub fn detect(
        &mut self,
        photos: &[DecodedPhoto],
        found: &mut [Vec<Detection>],
        pixel_pool: &PixelPool,
    ) -> Result<(), ModelError> {
        let batch = self.batch();
        for (photos, found) in photos.chunks(batch).zip(found.chunks_mut(batch)) {
            self.prepare(photos, pixel_pool);
            self.find(found)?;
        }
        Ok(())
    }

    /// Puts photos, at most a batch, onto the canvas.
    pub fn prepare(&mut self, photos: &[DecodedPhoto], pixel_pool: &PixelPool) {
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
        pixel_pool.each(places, |((photo, mut slot), fit)| {
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
        let (decoder, threshold) = (&self.decoder, self.score_threshold);
        let mut decoded = Ok(());
        self.input
            .run(self.session.as_mut(), found.len(), &mut |batch, outputs| {
                decoded = found.iter_mut().enumerate().try_for_each(|(index, found)| {
                    found.clear();
                    decoder.decode(outputs, Sample { index, batch, canvas }, threshold, found)
                });
            })?;
        decoded.map_err(|source| ModelError::Shape {
            network: self.network.clone(),
            source,
        })?;
        for (found, fit) in found.iter_mut().zip(&self.fits) {
            keep_best(found);
            nms::suppress(found, self.nms_threshold);
            for detection in found {
                *detection = fit.letterbox.to_source(detection);
                if !is_finite(detection) {
                    return Err(ModelError::NotFinite {
                        network: self.network.clone(),
                        what: "boxes or landmarks",
                    });
                }
            }
        }
        Ok(())
    }
}

/// Drops all but the [`MOST_CANDIDATES`] of the best score.
fn keep_best(found: &mut Vec<Detection>) {
    if found.len() > MOST_CANDIDATES {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MOST_CANDIDATES);
    }
}

fn is_finite(detection: &Detection) -> bool {
    let sides: [f32; 4] = detection.bounding_box.into();
    let points = detection.landmarks.as_flattened();
    sides
        .iter()
        .chain(points)
        .chain([&detection.score])
        .all(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::face::BoundingBox;

    fn detection(score: f32) -> Detection {
        Detection {
            bounding_box: BoundingBox::from([0.0, 0.0, 1.0, 1.0]),
            landmarks: [[0.0; 2]; 5],
            score,
        }
    }

    #[test]
    fn a_face_in_every_cell_is_cut_to_the_best() {
        let mut found: Vec<_> = (0..MOST_CANDIDATES + 10)
            .map(|number| detection(number as f32))
            .collect();
        keep_best(&mut found);
        assert_eq!(found.len(), MOST_CANDIDATES);
        assert!(found.iter().all(|face| face.score >= 10.0));
    }

    #[test]
    fn what_is_no_number_is_seen_wherever_it_stands() {
        assert!(is_finite(&detection(0.5)));
        let mut wrong = [detection(0.5); 3];
        wrong[0].score = f32::NAN;
        wrong[1].bounding_box.x2 = f32::INFINITY;
        wrong[2].landmarks[4][1] = f32::NEG_INFINITY;
        assert!(wrong.iter().all(|wrong| !is_finite(wrong)));
    }
}
