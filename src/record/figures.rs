//! What follows from an arm's raw measurements.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    check::Check,
    estimate::{Estimate, Latency, LatencyBound},
    stages::{Milliseconds, Stages},
};

/// What an arm's figures are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// No check failed.
    Valid,
    /// The figures may be chance.
    Unstable,
    /// The figures are of something else than what was asked for.
    Invalid,
    /// There are no whole figures.
    Failed,
}

/// What an arm's figures are worth, and they themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// What its figures are worth.
    pub status: Status,
    /// The rules that its figures were compared with.
    pub checks: Vec<Check>,
    /// Images and faces a second; null without blocks.
    pub throughput: Option<Throughput>,
    /// Time from a request to its answer: in the server scenario from the scheduled arrival, in multi-stream
    /// of a whole query, else of one photo. Null where nothing was measured.
    pub latency_ms: Option<Latency>,
    /// Time that the arm works on one photo, waiting not counted; in a batch, the time of the batch.
    pub service_ms: Option<Latency>,
    /// Images a second against latency, by photos in work and batch. The arm's own blocks are a point of it.
    pub curve: Vec<CurvePoint>,
    /// The most images a second with the latency held; null where it was not measured.
    pub bounded: Option<Bounded>,
    /// Mean time of a photo in each stage, of one stream; null without blocks and for `null`.
    pub stages_ms: Option<Stages<Milliseconds>>,
    /// Images a second that the host cores can decode, resize and align at most for a device, by the processor time that
    /// it took them; null where each stream does that for itself.
    pub photo_ceiling: Option<f64>,
    /// What its stages allow and how much of that it reaches; null unless that was asked for.
    #[serde(default)]
    pub ceiling: Option<Ceiling>,
    /// Most device memory of any of its processes, bytes; null where it runs on no device, or the driver does not show it (in a
    /// container it often knows processes by other numbers: the blocks' `memory_in_use_bytes` is of everyone).
    pub device_peak_bytes: Option<u64>,
    /// Energy.
    pub energy: Energy,
    /// What its images cost; null where no price was given.
    pub cost: Option<Cost>,
}

impl Default for Figures {
    /// Of an arm of which nothing has been measured.
    fn default() -> Self {
        Self {
            status: Status::Failed,
            checks: Vec::new(),
            throughput: None,
            latency_ms: None,
            service_ms: None,
            curve: Vec::new(),
            bounded: None,
            stages_ms: None,
            photo_ceiling: None,
            ceiling: None,
            device_peak_bytes: None,
            energy: Energy::default(),
            cost: None,
        }
    }
}

/// How much was done in a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Photos a second.
    pub images_per_second: Estimate,
    /// Faces a second.
    pub faces_per_second: Estimate,
    /// By stratum of photos.
    pub strata: Vec<Stratum>,
}

/// Photos that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stratum {
    /// Such as `1 face` or `1-4 MP`.
    pub name: String,
    /// Photos of it in the dataset.
    pub images: usize,
    /// How many of them the arm would do in a second; null where photos share runs.
    pub images_per_second: Option<f64>,
}

/// A point of the throughput-latency curve: the next photos follow as soon as the last are answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Streams at work.
    pub streams: usize,
    /// Photos of a detector run and faces of a recognizer run, at most.
    pub batch: usize,
    /// Images a second; null without blocks.
    pub images_per_second: Option<Estimate>,
    /// Time of a photo.
    pub latency_ms: Option<Latency>,
}

/// The most images a second with the latency held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounded {
    /// The latency held.
    pub bound: LatencyBound,
    /// Images a second; null where the bound is not held at all, or where there are too few samples.
    pub images_per_second: Option<Estimate>,
    /// The latency at the bound's percentile that goes with it, milliseconds.
    pub latency_ms: Option<f64>,
    /// Streams at work there; null in the server scenario.
    pub streams: Option<usize>,
    /// Batch there; null in the server scenario.
    pub batch: Option<usize>,
    /// Why there is no figure.
    pub reason: Option<String>,
}

/// How the reason begins where it is not known whether a bound was held.
pub const TOO_FEW_SAMPLES: &str = "too few samples";

impl Bounded {
    /// Whether it is not known if the bound was held: there were too few samples for its percentile.
    pub fn is_unknown(&self) -> bool {
        let unsaid = |reason: &String| reason.starts_with(TOO_FEW_SAMPLES);
        // The server scenario has a latency either way.
        let not_exceeded = self.latency_ms.is_some_and(|ms| ms <= self.bound.ms);
        self.images_per_second.is_none() && (not_exceeded || self.reason.as_ref().is_some_and(unsaid))
    }
}

/// What an arm could reach at most, and how much of that it reaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    /// What allows least: `host cores` or `device`.
    pub resource: String,
    /// Images a second that it allows: each stage timed alone, all streams at work.
    pub images_per_second: Estimate,
    /// Share of that which the arm's blocks reach, 0 to 1 and a little more by chance; by processes.
    pub reached: Estimate,
    /// Images a second that the networks alone would allow: bare runs on tensors that are there already.
    pub networks_images_per_second: Estimate,
    /// Mean time of a photo in each stage, of one stream, each stage alone.
    pub stages_ms: Stages<Milliseconds>,
    /// One bare run of the detector, milliseconds a photo.
    pub detector_ms: f64,
    /// One bare run of the recognizer, milliseconds a face.
    pub recognizer_ms: f64,
    /// Part of its speed that a bare loop over both networks loses when facebench hands out the work and times it; the
    /// median of the processes, below 0 by chance.
    pub harness_overhead: f64,
}

/// What an arm's images cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Images for one unit of the currency; null where the price is nothing or nothing was measured.
    pub images_per_unit: Option<Estimate>,
    /// Price of a million images; null where nothing was measured.
    pub per_million_images: Option<Estimate>,
}

/// Energy of one image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Joules of the processor packages an image; null where they could not be read.
    pub joules_per_image: Option<f64>,
    /// Joules of the arm's GPU an image; null where it runs on none, or they could not be read.
    pub gpu_joules_per_image: Option<f64>,
    /// Why not.
    pub reason: Option<String>,
}
