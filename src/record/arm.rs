//! One arm of a record: what ran, its checks, its raw blocks, its figures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ceiling::Ceiling, check::Check, compare::Estimate, host_log::HostLogSummary};

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

/// One backend with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Its name in tables, alone of its kind in the study.
    pub label: String,
    /// In a merged record, the id of the study that it is from; null in a study's own record.
    pub source: Option<String>,
    /// What its figures are worth.
    pub status: Status,
    /// What the numbers inside the networks are said to be.
    pub precision: String,
    /// Threads of one stream.
    pub threads: usize,
    /// Photos in work at the same time.
    pub streams: usize,
    /// Photos of a detector run and faces of a recognizer run, at most.
    pub batch: usize,
    /// What ran.
    pub backend: BackendFacts,
    /// The rules that its figures were compared with.
    pub checks: Vec<Check>,
    /// Before measuring; null where it did not come so far.
    pub setup: Option<Setup>,
    /// Whether the warm-up of each process came to a steady state before the first block.
    pub steady: Vec<bool>,
    /// The raw measurements.
    pub blocks: Vec<Block>,
    /// Images and faces a second; null without blocks.
    pub throughput: Option<Throughput>,
    /// Time that whoever asks waits for an answer: in the server scenario from the scheduled arrival, in multi-stream
    /// of a whole query, else of one photo. Null where nothing was measured.
    pub latency_ms: Option<Latency>,
    /// Time that the arm works on one photo, waiting not counted; in a batch, the time of the batch.
    pub service_ms: Option<Latency>,
    /// Images a second against latency, by photos in work and batch. The arm's own blocks are a point of it.
    pub curve: Vec<CurvePoint>,
    /// The most images a second with the latency held; null where it was not measured.
    pub bounded: Option<Bounded>,
    /// The search for the highest rate, in the server scenario without a given rate.
    pub trials: Vec<Trial>,
    /// Mean time of a photo in each stage, of one stream; null without blocks and for `null`.
    pub stages_ms: Option<Stages>,
    /// Images a second that the host cores can decode, resize and align at most for a device, by the processor time that
    /// it took them; null where each stream does that for itself.
    pub photo_ceiling: Option<f64>,
    /// What its stages allow and how much of that it reaches; null unless that was asked for.
    #[serde(default)]
    pub ceiling: Option<Ceiling>,
    /// Its answers against the reference's; null for `null`.
    pub accuracy: Option<Accuracy>,
    /// Memory.
    pub memory: Memory,
    /// Energy.
    pub energy: Energy,
    /// What its images cost; null where no price was given.
    pub cost: Option<Cost>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// What the log of the GPU's host shows of that time; absent unless it was merged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_log: Option<HostLogSummary>,
}

/// What ran an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendFacts {
    /// As asked for.
    pub requested: String,
    /// The runtime; null for `null` and where it could not be loaded.
    pub runtime: Option<RuntimeFacts>,
    /// The execution provider, as the runtime names it; null where it could not be loaded.
    pub provider: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// The GPU's name in `gpus`; null where the arm runs on none that is known.
    pub gpu: Option<String>,
    /// The options in force, given or not.
    pub options: BTreeMap<String, String>,
    /// Where the nodes of both networks ran, by provider; null where there is no profile.
    pub placement: Option<BTreeMap<String, Placement>>,
}

/// A runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeFacts {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Hash of its library, or of a peer's program; null where it is linked into facebench.
    pub library_sha256: Option<String>,
}

/// What one execution provider ran.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Nodes.
    pub nodes: usize,
    /// Share of all node time, 0 to 1.
    pub time_share: f64,
}

/// Before measuring; the medians of the processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setup {
    /// Time to load runtime and networks, milliseconds.
    pub load_ms: f64,
    /// Time in which a device prepared itself for every shape that it will see (engines, autotuning, graphs),
    /// milliseconds; null where nothing is prepared.
    pub shapes_ms: Option<f64>,
    /// Time of the first photo, milliseconds.
    pub first_image_ms: f64,
    /// Photos of the warm-up.
    pub warmup_images: f64,
}

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
    /// Photos done.
    pub images: usize,
    /// Faces found.
    pub faces: usize,
    /// Seconds that all streams together spent in each stage.
    pub stage_seconds: Stages,
    /// Processor seconds that the host cores spent on decoding, resizing and aligning for a device; null where each
    /// stream does that for itself.
    pub pixel_seconds: Option<f64>,
    /// For each stratum of the throughput, photos done and seconds that streams spent on them.
    pub strata: Vec<(usize, f64)>,
    /// Time of work on single photos: microseconds and how often, three significant digits.
    pub service_us: Vec<(u64, u64)>,
    /// Time of whole queries as those who ask see it, likewise. Empty where it is the time of work on a photo.
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
/// `unavailable` says why.
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
    /// The arm's GPU; null where it runs on none, or the driver tells nothing.
    pub gpu: Option<GpuConditions>,
}

/// What an arm's GPU did during a block, by looks four times a second. Null where the driver does not tell, as in most
/// vGPU guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuConditions {
    /// Median clock of the streaming multiprocessors, MHz.
    pub sm_clock_mhz: Option<f64>,
    /// Share of the looks, 0 to 1, at which heat or the hardware's own protection held the clock down.
    pub slowed_share: Option<f64>,
    /// Share of the looks at which the power cap held it down.
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

/// The stages of one photo; milliseconds or seconds as the field says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stages {
    /// Encoded bytes to pixels.
    pub decode: f64,
    /// Pixels to faces.
    pub detect: f64,
    /// Faces to aligned crops.
    pub align: f64,
    /// Crops to embeddings.
    pub embed: f64,
    /// Embeddings to names.
    #[serde(rename = "match")]
    pub matching: f64,
}

/// How much was done in a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Photos a second.
    pub images_per_second: Estimate,
    /// Faces a second.
    pub faces_per_second: Estimate,
    /// By kind of photo.
    pub strata: Vec<Stratum>,
}

/// Photos of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stratum {
    /// Such as `1 face` or `1-4 MP`.
    pub name: String,
    /// Photos of this kind in the dataset.
    pub images: usize,
    /// How many of them the arm would do in a second; null where photos share runs.
    pub images_per_second: Option<f64>,
}

/// Times, milliseconds. A percentile is null where there are too few samples for it (`MLPerf`'s
/// early-stopping counts: 64, 130, 662, 6,636).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 90 % took no longer.
    pub p90: Option<f64>,
    /// 95 % took no longer.
    pub p95: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
    /// 99.9 % took no longer.
    pub p999: Option<f64>,
    /// The slowest.
    pub max: f64,
    /// How many were timed.
    pub samples: u64,
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
    /// The raw measurements; empty for the point whose blocks are the arm's own.
    pub blocks: Vec<Block>,
}

/// The most images a second with the latency held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounded {
    /// The latency held.
    pub bound: LatencyBound,
    /// Images a second; null where the bound is not held at all, or where there are too few samples to tell.
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

/// How the reason begins where nothing tells whether a bound was held.
pub const TOO_FEW_SAMPLES: &str = "too few samples";

impl Bounded {
    /// Whether nothing tells if the bound was held: there were too few samples for its percentile.
    pub fn is_unknown(&self) -> bool {
        let unsaid = |reason: &String| reason.starts_with(TOO_FEW_SAMPLES);
        // The server scenario has a latency either way.
        let not_exceeded = self.latency_ms.is_some_and(|ms| ms <= self.bound.ms);
        self.images_per_second.is_none() && (not_exceeded || self.reason.as_ref().is_some_and(unsaid))
    }
}

/// A latency that is held: `100ms@p99`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyBound {
    /// The most, milliseconds.
    pub ms: f64,
    /// The percentile that it holds for, such as 99.
    pub percentile: f64,
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

/// What an arm's images cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Price of an hour of what the arm runs on.
    pub price_per_hour: f64,
    /// What the price is counted in; empty where it was not said.
    pub currency: String,
    /// Images for one unit of the currency; null where the price is nothing or nothing was measured.
    pub images_per_unit: Option<Estimate>,
    /// Price of a million images; null where nothing was measured.
    pub per_million_images: Option<Estimate>,
}

/// An arm's answers against the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// What they are compared with.
    pub reference: String,
    /// Share of the reference's faces (score 0.7 or more) that the arm found, IoU 0.8 or more; null without any.
    pub faces_matched: Option<f64>,
    /// The arm's number of faces against the reference's; null where the reference found none.
    pub faces_ratio: Option<f64>,
    /// Median IoU of matched faces.
    pub iou_median: Option<f64>,
    /// Median cosine of matched faces' embeddings.
    pub cosine_median: Option<f64>,
    /// 1st percentile of the same.
    pub cosine_p01: Option<f64>,
    /// Average precision of detection at IoU 0.5 against ground truth (COCO's 101 points, faces of 40 px or more), of
    /// the faces at or above the score threshold; null where the photos have no ground truth.
    pub detection_ap: Option<f64>,
    /// Verification against ground truth; null where the photos have none, or too few people.
    pub verification: Option<Verification>,
    /// Verification of the people whom both found; null where nobody is known by name, or no two photos show one person.
    #[serde(default)]
    pub verification_accuracy: Option<VerificationAccuracy>,
}

/// The share of pairs that are judged rightly at the threshold that suits them best, pairs of one person and of two
/// weighing alike. People are known from the photos' manifest (faces of 80 px or more), or else from `identities.csv`
/// beside the photos, which names the largest face of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationAccuracy {
    /// The arm's, 0.5 to 1.
    pub arm: f64,
    /// The reference's, of the same pairs.
    pub reference: f64,
    /// Pairs of one person.
    pub same_pairs: usize,
    /// Pairs of two people.
    pub different_pairs: usize,
}

/// All pairs of known faces (80 px or more) verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Share of same-person pairs accepted.
    pub tar: f64,
    /// Share of different-person pairs that may be accepted.
    pub far: f64,
    /// Pairs of one person.
    pub same_pairs: usize,
    /// Pairs of two people.
    pub different_pairs: usize,
}

/// Memory of one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Most resident memory of any of its processes; null where it could not be read.
    pub rss_peak_bytes: Option<u64>,
    /// Most device memory of any of its processes; null where it runs on no device, or the driver does not tell (in a
    /// container it often knows processes by other numbers: the blocks' `memory_in_use_bytes` is of everyone).
    pub device_peak_bytes: Option<u64>,
}

/// Energy of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Joules of the processor packages an image; null where they could not be read.
    pub joules_per_image: Option<f64>,
    /// Joules of the arm's GPU an image; null where it runs on none, or they could not be read.
    pub gpu_joules_per_image: Option<f64>,
    /// Why not.
    pub reason: Option<String>,
}
