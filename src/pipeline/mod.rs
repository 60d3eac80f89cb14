//! The stages joined: decode, detect, align, embed, match, each timed.

use std::{
    ops::AddAssign,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    model::{
        Family, ModelError,
        detector::Detector,
        gallery::{Gallery, Matcher},
        network::Network,
        recognizer::Recognizer,
    },
    runtime::{
        Profile, Runtime, RuntimeError, SessionSettings, Side,
        options::{DataPath, Decoding},
    },
    vision::{
        align,
        decoder::Decoder,
        encoded::{DecodeError, Limits},
        face::{Detection, Embedding, Face},
        photo::{DecodedPhoto, Scale},
        resize::Letterbox,
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

impl Networks {
    /// With the settings of both networks said in full, for a program that does not know the families' defaults. A
    /// network whose family only its graph tells stays without.
    #[must_use]
    pub fn in_full(mut self) -> Self {
        let score = self.score;
        for (network, score) in [(&mut self.detector, score), (&mut self.recognizer, None)] {
            network.settings = network
                .family
                .map(|family| network.settings(family, score))
                .or(network.settings);
        }
        self
    }
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
    /// How large JPEGs are decoded.
    pub decoding: Decoding,
    /// Whether the detector sees no more of its canvas than a photo needs; on the host's own cores.
    pub fit_canvas: bool,
    /// Who decodes, resizes and aligns.
    pub workers: Arc<Workers>,
    /// A folder for the runtime's profiles, where there are to be any.
    pub profile: Option<PathBuf>,
}

/// Fewest faces that a recognizer run on a device has room for: even one photo has several, and a run of one takes as long.
const DEVICE_FACES: usize = 16;

/// One stream: both networks loaded, with buffers of its own. After the first photos, none of its own stages allocates.
pub struct Pipeline {
    detector: Detector,
    recognizer: Recognizer,
    gallery: Arc<Gallery>,
    matcher: Matcher,
    decoding: Decoding,
    swap_channels: bool,
    workers: Arc<Workers>,
    /// One for each photo of a run, as are those that follow.
    desks: Vec<Desk>,
    photos: Vec<DecodedPhoto>,
    found: Vec<Vec<Detection>>,
    /// Every face of the run: the numbers of its photo and among its photo's faces.
    places: Vec<(usize, usize)>,
    embeddings: Vec<Embedding>,
    /// Memory of embeddings that were given back.
    spare: Vec<Embedding>,
    limits: Limits,
}

/// Where one photo is decoded.
struct Desk {
    decoder: Decoder,
    outcome: Result<(), DecodeError>,
}

impl Desk {
    /// Decodes `bytes` into `photo`, red and blue exchanged where the fault is planted.
    fn decode(
        &mut self,
        bytes: &[u8],
        scale: impl FnOnce((u32, u32)) -> Scale,
        swap: bool,
        photo: &mut DecodedPhoto,
    ) {
        self.outcome = self.decoder.decode(bytes, scale, photo);
        if swap {
            photo.pixels.pixels_mut().for_each(|pixel| pixel.0.swap(0, 2));
        }
    }
}

impl Pipeline {
    /// Loads both networks on `runtime`.
    pub fn load(
        runtime: &dyn Runtime,
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
        let for_detector = SessionSettings {
            open: loading.fit_canvas.then_some(Side::Canvas),
            ..settings("detector")
        };
        let (mut detector, detector_family) =
            networks
                .detector
                .load_detector(runtime, &for_detector, networks.score, batch)?;
        let (recognizer, recognizer_family) =
            networks
                .recognizer
                .load_recognizer(runtime, &settings("recognizer"), faces)?;
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
            matcher: Matcher::default(),
            decoding: loading.decoding,
            swap_channels: networks.swap_channels,
            workers: Arc::clone(&loading.workers),
            desks: Vec::new(),
            photos: Vec::new(),
            found: Vec::new(),
            places: Vec::new(),
            embeddings: Vec::new(),
            spare: Vec::new(),
            limits: Limits {
                max_pixels: networks.max_pixels,
            },
        };
        Ok((pipeline, loaded))
    }

    /// Has a device prepare itself for detector runs of `batch` photos: it compiles, plans and captures for each shape,
    /// which is no part of anything measured. Does nothing for the batch that it is prepared for, unless `anew`.
    pub fn prepare_shapes(&mut self, batch: usize, anew: bool) -> Result<(), ModelError> {
        self.detector.prepare_shapes(batch, anew)?;
        let faces = self.recognizer.batch();
        self.recognizer.prepare_shapes(faces, anew)
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
        self.decode(photos)?;
        times.decode = clock.lap();
        self.detect(photos.len())?;
        times.detect = clock.lap();
        self.sharpen(photos)?;
        times.decode += clock.lap();
        self.embed(&mut times, &mut clock)?;
        self.give(faces);
        clock.lap();
        self.identify(faces);
        times.matching = clock.lap();
        Ok(times)
    }

    /// Decodes `photos` to the first places, each by one of the workers.
    pub(super) fn decode<B: AsRef<[u8]> + Sync>(&mut self, photos: &[B]) -> Result<(), PipelineError> {
        let canvas = self.detector.canvas();
        let canvas = (canvas.0 as u32, canvas.1 as u32);
        let scale = |size| match self.decoding {
            Decoding::Full => Scale::Full,
            // The detector sees no less than it would.
            Decoding::Scaled => Scale::not_below(size, Letterbox::fit(size, canvas).scaled),
        };
        let limits = self.limits;
        self.desks
            .resize_with(self.desks.len().max(photos.len()), || Desk {
                decoder: Decoder::new(limits),
                outcome: Ok(()),
            });
        self.photos
            .resize_with(self.photos.len().max(photos.len()), DecodedPhoto::default);
        self.found.resize_with(photos.len(), Vec::new);
        let swap = self.swap_channels;
        let work = photos.iter().zip(&mut self.desks).zip(&mut self.photos);
        self.workers.each(work, |((bytes, desk), photo)| {
            desk.decode(bytes.as_ref(), scale, swap, photo);
        });
        self.outcome(photos.len())
    }

    /// The first error of the first `count` photos, if there is one.
    fn outcome(&mut self, count: usize) -> Result<(), PipelineError> {
        for desk in &mut self.desks[..count] {
            std::mem::replace(&mut desk.outcome, Ok(()))?;
        }
        Ok(())
    }

    /// Finds the faces of the first `count` photos.
    pub(super) fn detect(&mut self, count: usize) -> Result<(), ModelError> {
        self.detector
            .detect(&self.photos[..count], &mut self.found[..count], &self.workers)
    }

    /// Decodes again, larger, what was decoded too small for a face that was found in it.
    pub(super) fn sharpen<B: AsRef<[u8]> + Sync>(&mut self, photos: &[B]) -> Result<(), PipelineError> {
        if self.decoding == Decoding::Full {
            return Ok(());
        }
        let swap = self.swap_channels;
        let work = photos
            .iter()
            .zip(&mut self.desks)
            .zip(&mut self.photos)
            .zip(&self.found);
        self.workers.each(work, |(((bytes, desk), photo), found)| {
            let most = found.iter().map(|face| align::enlargement(&face.landmarks));
            let enough = Scale::with_room(most.fold(0.0, f32::max).recip());
            if enough < photo.scale {
                desk.decode(bytes.as_ref(), |_| enough, swap, photo);
            }
        });
        self.outcome(photos.len())
    }

    /// Aligns and embeds all that was found, in order, as many faces at once as the recognizer takes.
    fn embed(&mut self, times: &mut StageTimes, clock: &mut Clock) -> Result<(), ModelError> {
        self.places.clear();
        let found = self.found.iter().enumerate();
        self.places
            .extend(found.flat_map(|(photo, found)| (0..found.len()).map(move |face| (photo, face))));
        let (embeddings, spare) = (&mut self.embeddings, &mut self.spare);
        // What a run left that ended in an error.
        spare.append(embeddings);
        for places in self.places.chunks(self.recognizer.batch()) {
            let faces = places.iter().map(|(photo, face)| {
                let detection = &self.found[*photo][*face];
                (&self.photos[*photo], &detection.landmarks)
            });
            self.recognizer.align(faces, &self.workers);
            times.align += clock.lap();
            self.recognizer.embed(places.len(), &mut |values| {
                let mut embedding = spare.pop().unwrap_or_default();
                embedding.assign(values);
                embeddings.push(embedding);
            })?;
            times.embed += clock.lap();
        }
        Ok(())
    }

    /// Fills `faces` with what was found and embedded; what was in them is used again.
    fn give(&mut self, faces: &mut [Vec<Face>]) {
        let mut embeddings = self.embeddings.drain(..);
        for (faces, found) in faces.iter_mut().zip(&self.found) {
            self.spare
                .extend(faces.drain(..).filter_map(|face| face.embedding));
            faces.extend(found.iter().map(|detection| Face {
                detection: *detection,
                embedding: embeddings.next(),
            }));
        }
    }

    /// Holds the faces against the gallery.
    fn identify(&mut self, faces: &[Vec<Face>]) {
        let embeddings = faces.iter().flatten().filter_map(|face| face.embedding.as_ref());
        std::hint::black_box(self.matcher.nearest(&self.gallery, embeddings));
    }

    /// Runs the detector on whatever its canvas holds and looks at nothing; returns how many photos that would be.
    pub(super) fn run_detector(&mut self) -> Result<usize, ModelError> {
        self.detector.run_alone()?;
        Ok(self.detector.batch())
    }

    /// The recognizer likewise; returns how many faces that would be.
    pub(super) fn run_recognizer(&mut self) -> Result<usize, ModelError> {
        self.recognizer.run_alone()?;
        Ok(self.recognizer.batch())
    }

    /// Ends profiling: where the nodes of both networks ran, the detector's first; `None` where neither tells.
    pub fn finish_profile(&mut self) -> Result<Option<[Profile; 2]>, RuntimeError> {
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
