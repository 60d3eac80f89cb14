//! The stages joined: decode, detect, align, embed, match, each timed.

use std::{
    ops::AddAssign,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    backend::{Backend, BackendError, Profile, SessionSettings},
    model::{
        ModelError, arcface::Recognizer, catalog::Family, detector::Detector, gallery::Gallery,
        network::Network,
    },
    vision::{
        face::{Detection, Embedding, Face},
        image::{DecodeError, Limits, decode},
    },
};

/// The two networks of a study and how to read photos for them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Networks {
    /// Photo to faces.
    pub detector: Network,
    /// Aligned crop to embedding.
    pub recognizer: Network,
    /// Score threshold instead of the detector's own, 0 to 1.
    pub score: Option<f32>,
    /// Most pixels of a photo.
    pub max_pixels: u64,
    /// A planted fault: the networks see red and blue exchanged.
    #[serde(default)]
    pub swap_channels: bool,
}

/// Time spent in each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Encoded bytes to pixels.
    pub decode: Duration,
    /// Letterbox, detector, suppression.
    pub detect: Duration,
    /// Photo to aligned crops.
    pub align: Duration,
    /// Recognizer.
    pub embed: Duration,
    /// Embeddings against the gallery.
    pub matching: Duration,
}

impl AddAssign for StageTimes {
    fn add_assign(&mut self, other: Self) {
        self.decode += other.decode;
        self.detect += other.detect;
        self.align += other.align;
        self.embed += other.embed;
        self.matching += other.matching;
    }
}

/// Why a photo has no answer.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// The photo itself: another may well be fine.
    #[error(transparent)]
    Photo(#[from] DecodeError),
    /// A network or its runtime: no photo will be fine.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What a loaded pipeline turned out to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// The detector's family, as named or as its graph says.
    pub detector_family: Family,
    /// The recognizer's family.
    pub recognizer_family: Family,
    /// Width and height of the detector's canvas.
    pub canvas: (usize, usize),
    /// Most photos in one run of the detector.
    pub detector_batch: usize,
    /// Most faces in one run of the recognizer.
    pub recognizer_batch: usize,
}

/// One stream: both networks loaded, with buffers of its own.
pub struct Pipeline {
    detector: Detector,
    recognizer: Recognizer,
    gallery: Arc<Gallery>,
    limits: Limits,
    swap_channels: bool,
    photos: Vec<RgbImage>,
    found: Vec<Vec<Detection>>,
    embeddings: Vec<Embedding>,
}

impl Pipeline {
    /// Loads both networks on `backend`. `profile` is a folder for the runtime's profiles.
    pub fn load(
        backend: &dyn Backend,
        networks: &Networks,
        gallery: Arc<Gallery>,
        threads: usize,
        batch: usize,
        profile: Option<&Path>,
    ) -> Result<(Self, Loaded), ModelError> {
        let settings = |name: &str| SessionSettings {
            threads,
            profile: profile.map(|folder| folder.join(name)),
        };
        let (detector, detector_family) =
            networks
                .detector
                .load_detector(backend, &settings("detector"), networks.score, batch)?;
        let (recognizer, recognizer_family) =
            networks
                .recognizer
                .load_recognizer(backend, &settings("recognizer"), batch)?;
        let loaded = Loaded {
            detector_family,
            recognizer_family,
            canvas: detector.canvas(),
            detector_batch: detector.batch(),
            recognizer_batch: recognizer.batch(),
        };
        let pipeline = Self {
            detector,
            recognizer,
            gallery,
            limits: Limits {
                max_pixels: networks.max_pixels,
            },
            swap_channels: networks.swap_channels,
            photos: Vec::new(),
            found: Vec::new(),
            embeddings: Vec::new(),
        };
        Ok((pipeline, loaded))
    }

    /// Recognises every face of `photos` (encoded bytes): `faces[i]` is filled with those of `photos[i]`, best score
    /// first.
    pub fn run<B: AsRef<[u8]>>(
        &mut self,
        photos: &[B],
        faces: &mut [Vec<Face>],
    ) -> Result<StageTimes, PipelineError> {
        let mut times = StageTimes::default();
        let mut clock = Clock(Instant::now());
        self.photos.clear();
        for bytes in photos {
            let mut photo = decode(bytes.as_ref(), self.limits)?;
            if self.swap_channels {
                photo.pixels_mut().for_each(|pixel| pixel.0.swap(0, 2));
            }
            self.photos.push(photo);
        }
        times.decode = clock.lap();
        self.found.resize_with(photos.len(), Vec::new);
        self.detector.detect(&self.photos, &mut self.found)?;
        times.detect = clock.lap();
        self.embed(&mut times, &mut clock)?;
        let mut embeddings = self.embeddings.drain(..);
        for (faces, found) in faces.iter_mut().zip(&self.found) {
            faces.clear();
            faces.extend(found.iter().map(|detection| Face {
                detection: *detection,
                embedding: embeddings.next(),
            }));
        }
        drop(embeddings);
        clock.lap();
        for face in faces.iter().flatten().filter_map(|face| face.embedding.as_ref()) {
            std::hint::black_box(self.gallery.nearest(face));
        }
        times.matching = clock.lap();
        Ok(times)
    }

    /// Aligns and embeds all that was found, in order, as many faces at once as the recognizer takes.
    fn embed(&mut self, times: &mut StageTimes, clock: &mut Clock) -> Result<(), ModelError> {
        self.embeddings.clear();
        let batch = self.recognizer.batch();
        let mut waiting = 0;
        for (photo, found) in self.photos.iter().zip(&self.found) {
            for detection in found {
                self.recognizer.align(photo, &detection.landmarks, waiting);
                waiting += 1;
                if waiting == batch {
                    times.align += clock.lap();
                    self.recognizer.embed(waiting, &mut self.embeddings)?;
                    times.embed += clock.lap();
                    waiting = 0;
                }
            }
        }
        times.align += clock.lap();
        if waiting > 0 {
            self.recognizer.embed(waiting, &mut self.embeddings)?;
        }
        times.embed += clock.lap();
        Ok(())
    }

    /// Ends profiling: where the nodes of both networks ran.
    pub fn finish_profile(&mut self) -> Result<Option<Profile>, BackendError> {
        let mut sum: Option<Profile> = None;
        for session in [self.detector.session(), self.recognizer.session()] {
            if let Some(profile) = session.finish_profile()? {
                sum.get_or_insert_default().merge(&profile);
            }
        }
        Ok(sum)
    }
}

/// A stopwatch whose laps leave no gap between stages.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.0;
        self.0 = now;
        lap
    }
}
