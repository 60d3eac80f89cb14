//! Raw measurements of an arm: its blocks, what the machine did meanwhile, and the tries of a search.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stages::{Seconds, Stages};

/// One measured block: whole passes over the photos in one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// Number of the process, from 0.
    pub process: usize,
    /// Number of the block in its process, from 0.
    pub block: usize,
    /// Place among all blocks of the study, from 0.
    pub order: usize,
    /// When it began by the clock of the machine that measured, RFC 3339 in UTC; absent from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<String>,
    /// From the first photo's start to the last one's end.
    pub seconds: f64,
    /// The same by the clock of the study, from its request to the worker's answer: `seconds` is what the worker says.
    /// Absent from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    /// Photos done.
    pub images: usize,
    /// Faces found.
    pub faces: usize,
    /// Embeddings made; absent from older records, and where the worker does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<usize>,
    /// Seconds that all streams together spent in each stage.
    pub stage_seconds: Stages<Seconds>,
    /// Processor seconds that the host cores spent on decoding, resizing and aligning for a device; null where each
    /// stream does that for itself.
    pub pixel_seconds: Option<f64>,
    /// For each stratum of the throughput, photos done and seconds that streams spent on them.
    pub strata: Vec<(usize, f64)>,
    /// Service time of single photos: microseconds and how often, three significant digits.
    pub service_us: Vec<(u64, u64)>,
    /// Time of whole queries as those who ask see it, likewise. Empty where a query is one photo that is
    /// worked on at once: its response time is its service time.
    pub response_us: Vec<(u64, u64)>,
    /// Time from the scheduled arrival of a query to the moment when a stream that waited took it up, likewise; of the
    /// server scenario.
    pub scheduling_delay_us: Vec<(u64, u64)>,
    /// Queries a second that were sent; null where the next query follows the last.
    pub rate: Option<f64>,
    /// What the machine did meanwhile.
    pub conditions: Conditions,
}

/// What the machine did during a block, over the host cores of the study. Null where it could not be read: the host's
/// `unavailable` has the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Processor seconds of the arm's own worker.
    pub own_cpu_seconds: Option<f64>,
    /// Processor seconds that the host cores gave to anything at all.
    pub busy_seconds: Option<f64>,
    /// Processor seconds that the hypervisor gave to somebody else.
    pub stolen_seconds: Option<f64>,
    /// Seconds for which the control group's quota stopped the worker's threads, all added up.
    pub throttled_seconds: Option<f64>,
    /// Clock of the fastest host core, the median over the block, MHz.
    pub clock_mhz: Option<f64>,
    /// Times that the host cores were slowed down for heat.
    pub thermal_events: Option<u64>,
    /// Bytes that the worker's photos took from storage.
    pub storage_bytes: Option<u64>,
    /// Joules of the processor packages.
    pub joules: Option<f64>,
    /// The arm's GPU; null where it runs on none, or the driver shows nothing.
    pub gpu: Option<GpuConditions>,
}

/// What an arm's GPU did during a block, by samples four times a second. Null where the driver does not show it, as in most
/// vGPU guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuConditions {
    /// Median clock of the streaming multiprocessors, MHz.
    pub sm_clock_mhz: Option<f64>,
    /// Share of the samples, 0 to 1, at which heat or the hardware's own protection held the clock down.
    pub slowed_share: Option<f64>,
    /// Share of the samples at which the power cap held it down.
    pub power_capped_share: Option<f64>,
    /// Joules of the board.
    pub joules: Option<f64>,
    /// Most device memory of the arm's own worker, bytes.
    pub memory_bytes: Option<u64>,
    /// Most device memory in use by everyone, bytes.
    pub memory_in_use_bytes: Option<u64>,
    /// Highest temperature, degrees Celsius.
    pub temperature_celsius: Option<f64>,
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
    pub stage_seconds: Stages<Seconds>,
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

/// One try of the search for the highest rate that holds the bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Number of the process, from 0.
    pub process: usize,
    /// Queries a second.
    pub rate: f64,
    /// Queries answered.
    pub queries: u64,
    /// The latency at the bound's percentile, milliseconds.
    pub latency_ms: f64,
    /// Whether the bound was met.
    pub met: bool,
}
