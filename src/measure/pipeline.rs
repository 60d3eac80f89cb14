//! The stages joined: decode, detect, align, embed, match, each timed.

use std::{
    ops::AddAssign,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    backend::{Backend, BackendError, Profile, SessionSettings, options::DataPath},
    model::{
        ModelError, arcface::Recognizer, catalog::Family, detector::Detector, gallery::Gallery,
        network::Network,
    },
    vision::{
        face::{Detection, Embedding, Face},
        image::{DecodeError, Limits, decode},
        workers::Workers,
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
    /// Whether the networks normalise bytes themselves.
    pub reads_bytes: bool,
    /// Whether a device reads page-locked memory; `None` where there is no device.
    pub pinned: Option<bool>,
}

/// How a pipeline is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct Loading {
    /// Threads of one run of a network.
    pub threads: usize,
    /// Photos of a detector run, and on the host's own cores faces of a recognizer run, at most; 0 is taken for 1.
    pub batch: usize,
    /// How photos get to the networks.
    pub path: DataPath,
    /// Who decodes, resizes and aligns.
    pub workers: Arc<Workers>,
    /// A folder for the runtime's profiles, where there are to be any.
    pub profile: Option<PathBuf>,
}

/// Fewest faces that a recognizer run on a device has room for: even one photo has several, and a run of one takes as long.
const DEVICE_FACES: usize = 16;

/// One stream: both networks loaded, with buffers of its own.
pub struct Pipeline {
    detector: Detector,
    recognizer: Recognizer,
    gallery: Arc<Gallery>,
    limits: Limits,
    swap_channels: bool,
    workers: Arc<Workers>,
    photos: Vec<RgbImage>,
    found: Vec<Vec<Detection>>,
    embeddings: Vec<Embedding>,
}

impl Pipeline {
    /// Loads both networks on `backend`.
    pub fn load(
        backend: &dyn Backend,
        networks: &Networks,
        gallery: Arc<Gallery>,
        loading: &Loading,
    ) -> Result<(Self, Loaded), ModelError> {
        let settings = |name: &str| SessionSettings {
            threads: loading.threads,
            profile: loading.profile.as_ref().map(|folder| folder.join(name)),
            path: loading.path,
            ..SessionSettings::default()
        };
        let batch = loading.batch.max(1);
        let faces = match loading.path {
            DataPath::Host => batch,
            DataPath::Device => batch.max(DEVICE_FACES),
        };
        let (mut detector, detector_family) =
            networks
                .detector
                .load_detector(backend, &settings("detector"), networks.score, batch)?;
        let (recognizer, recognizer_family) =
            networks
                .recognizer
                .load_recognizer(backend, &settings("recognizer"), faces)?;
        let loaded = Loaded {
            detector_family,
            recognizer_family,
            canvas: detector.canvas(),
            detector_batch: detector.batch(),
            recognizer_batch: recognizer.batch(),
            reads_bytes: detector.session().reads_bytes(),
            pinned: detector.session().is_pinned(),
        };
        let pipeline = Self {
            detector,
            recognizer,
            gallery,
            limits: Limits {
                max_pixels: networks.max_pixels,
            },
            swap_channels: networks.swap_channels,
            workers: Arc::clone(&loading.workers),
            photos: Vec::new(),
            found: Vec::new(),
            embeddings: Vec::new(),
        };
        Ok((pipeline, loaded))
    }

    /// Has a device prepare itself for detector runs of `batch` photos: it compiles, plans and captures for each shape,
    /// which is no part of anything measured. Does nothing for the batch that it is prepared for, unless `anew`.
    pub fn settle(&mut self, batch: usize, anew: bool) -> Result<(), ModelError> {
        self.detector.settle(batch, anew)?;
        let faces = self.recognizer.batch();
        self.recognizer.settle(faces, anew)
    }

    /// Recognises every face of `photos` (encoded bytes): `faces[i]` is filled with those of `photos[i]`, best score
    /// first.
    pub fn run<B: AsRef<[u8]> + Sync>(
        &mut self,
        photos: &[B],
        faces: &mut [Vec<Face>],
    ) -> Result<StageTimes, PipelineError> {
        let mut times = StageTimes::default();
        let mut clock = Clock(Instant::now());
        self.photos.clear();
        let (limits, swap) = (self.limits, self.swap_channels);
        let decoded = self.workers.each(photos.iter().collect(), |bytes| {
            let mut photo = decode(bytes.as_ref(), limits)?;
            if swap {
                photo.pixels_mut().for_each(|pixel| pixel.0.swap(0, 2));
            }
            Ok(photo)
        });
        for photo in decoded {
            self.photos.push(photo.map_err(PipelineError::Photo)?);
        }
        times.decode = clock.lap();
        self.found.resize_with(photos.len(), Vec::new);
        self.detector
            .detect(&self.photos, &mut self.found, &self.workers)?;
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
        let faces: Vec<_> = self
            .photos
            .iter()
            .zip(&self.found)
            .flat_map(|(photo, found)| found.iter().map(move |detection| (photo, &detection.landmarks)))
            .collect();
        for faces in faces.chunks(self.recognizer.batch()) {
            self.recognizer.align(faces, &self.workers);
            times.align += clock.lap();
            self.recognizer.embed(faces.len(), &mut self.embeddings)?;
            times.embed += clock.lap();
        }
        Ok(())
    }

    /// Ends profiling: where the nodes of both networks ran, the detector's first; `None` where neither tells.
    pub fn finish_profile(&mut self) -> Result<Option<[Profile; 2]>, BackendError> {
        let detector = self.detector.session().finish_profile()?;
        let recognizer = self.recognizer.session().finish_profile()?;
        let any = detector.is_some() || recognizer.is_some();
        Ok(any.then(|| [detector.unwrap_or_default(), recognizer.unwrap_or_default()]))
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
