//! Loads a pipeline: which networks, how, and what they turned out to be.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Pipeline, decode::PhotoDecoder};
use crate::{
    model::{
        Family, ModelError,
        gallery::{Gallery, Matcher},
        network::Network,
    },
    runtime::{
        DynamicAxis, Runtime, SessionSettings,
        options::{DataPath, Decoding},
    },
    vision::{encoded::Limits, pixel_pool::PixelPool},
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
    /// With the settings of both networks in full, for a program that does not know the families' defaults. A
    /// network whose family only its graph shows stays without.
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
    /// Which of the recognizer's outputs is taken for the embedding, where it has several.
    #[serde(default)]
    pub embedding_output: Option<String>,
}

/// How a pipeline is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct Loading {
    /// Threads of one run of a network.
    pub threads: usize,
    /// Photos of a detector run, and on the CPU cores faces of a recognizer run, at most; 0 is taken for 1.
    pub batch: usize,
    /// How photos get to the networks.
    pub path: DataPath,
    /// How large JPEGs are decoded.
    pub decoding: Decoding,
    /// Whether the detector sees no more of its canvas than a photo needs; only on the CPU cores.
    pub fit_canvas: bool,
    /// Who decodes, resizes and aligns.
    pub pixel_pool: Arc<PixelPool>,
    /// A folder for the runtime's profiles, where there are to be any.
    pub profile: Option<PathBuf>,
}

/// Fewest faces that a recognizer run on a device has room for: even one photo has several, and a run of one takes as long.
const DEVICE_FACES: usize = 16;

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
            dynamic_axis: loading.fit_canvas.then_some(DynamicAxis::Canvas),
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
            embedding_output: recognizer.chosen_output().map(str::to_owned),
        };
        let pipeline = Self {
            detector,
            recognizer,
            gallery,
            matcher: Matcher::default(),
            decoder: PhotoDecoder::new(
                loading.decoding,
                networks.swap_channels,
                Limits {
                    max_pixels: networks.max_pixels,
                },
                Arc::clone(&loading.pixel_pool),
            ),
            pixel_pool: Arc::clone(&loading.pixel_pool),
            photos: Vec::new(),
            found: Vec::new(),
            places: Vec::new(),
            embeddings: Vec::new(),
            spare: Vec::new(),
        };
        Ok((pipeline, loaded))
    }
}
