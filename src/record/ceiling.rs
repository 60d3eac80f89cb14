//! How near an arm comes to what its stages allow (`run --ceiling`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{arm::Stages, compare::Estimate};

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
    pub stages_ms: Stages,
    /// One bare run of the detector, milliseconds a photo.
    pub detector_ms: f64,
    /// One bare run of the recognizer, milliseconds a face.
    pub recognizer_ms: f64,
    /// Part of its speed that a bare loop over both networks loses when facebench hands out the work and times it; the
    /// median of the processes, below 0 by chance.
    pub harness_overhead: f64,
    /// The raw measurements.
    pub runs: Vec<CeilingRun>,
}

/// What one process showed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CeilingRun {
    /// Number of the process, from 0.
    pub process: usize,
    /// Photos done, in whole passes.
    pub images: usize,
    /// Faces found in them.
    pub faces: usize,
    /// Seconds that all streams together spent in each stage, on several photos in a row.
    pub stage_seconds: Stages,
    /// Processor seconds that the host cores spent on decoding, resizing and aligning for a device; null where each
    /// stream does that for itself.
    pub pixel_seconds: Option<f64>,
    /// Seconds of a bare run of the detector, for each of its photos.
    pub detector_seconds: f64,
    /// Seconds of a bare run of the recognizer, for each of its faces.
    pub recognizer_seconds: f64,
    /// Part of its speed that a bare loop loses in facebench's hands.
    pub harness_overhead: f64,
}
