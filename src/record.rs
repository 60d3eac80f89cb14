//! The record: the JSON file that a study leaves. Plain data, its JSON Schema, and atomic writes.
//!
//! Everything that facebench shows anywhere is drawn from records. A number that could not be read is null, and the
//! reason stands beside it or in the field's own description; it is never 0 instead.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// The version of the record's form that this program writes.
pub const SCHEMA_VERSION: u32 = 1;

/// One study: what was asked, on which machine, what came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The version of this form.
    pub schema_version: u32,
    /// Names this study: 16 hex digits.
    pub id: String,
    /// When the study began, RFC 3339 in UTC.
    pub created_at: String,
    /// The program that measured.
    pub tool: Tool,
    /// The machine that it ran on.
    pub host: Host,
    /// The GPUs of the machine. Empty: this version does not look for them.
    pub gpus: Vec<Gpu>,
    /// What was measured.
    pub workload: Workload,
    /// How it was measured.
    pub plan: PlanSummary,
    /// Photos that were left out, for every arm, and why.
    pub skipped: Vec<Skipped>,
    /// Arms that were asked for and could not be run, and why.
    pub unavailable: Vec<Unavailable>,
    /// Whether the study was a `--quick` one, which no claim should rest on.
    pub quick: bool,
    /// Whether the study was stopped before its end.
    pub interrupted: bool,
    /// What was compared, in the order in which it was asked for.
    pub arms: Vec<Arm>,
    /// Each arm against the first.
    pub comparisons: Vec<Comparison>,
    /// Checks of the study as a whole.
    pub checks: Vec<Check>,
}

/// The program that measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// facebench's version.
    pub version: String,
    /// The commit that it was built from; null where it was built outside a repository.
    pub commit: Option<String>,
    /// Its command line.
    pub argv: Vec<String>,
    /// Seeds the order of arms and every drawing of photos.
    pub seed: u64,
}

/// One GPU of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// The driver's name for this very device.
    pub uuid: String,
    /// The product.
    pub name: String,
    /// The driver's version.
    pub driver: Option<String>,
    /// Frame buffer, bytes.
    pub memory_bytes: Option<u64>,
    /// How the device is given to this machine.
    pub mode: Option<GpuMode>,
    /// A vGPU's or MIG instance's profile.
    pub profile: Option<String>,
    /// Why a field is missing, by its name.
    pub unavailable: BTreeMap<String, String>,
}

/// How a GPU is given to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GpuMode {
    /// The board itself, on bare metal.
    Physical,
    /// The board itself, handed to a virtual machine.
    Passthrough,
    /// A share of the board in time.
    Vgpu,
    /// A share of the board in space.
    Mig,
    /// A share in space, handed to a virtual machine.
    MigVgpu,
    /// The machine that hands out vGPUs.
    VgpuHost,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    /// The workload's name; `custom` for photos and networks given on the command line.
    pub name: String,
    /// How photos arrive.
    pub scenario: Scenario,
    /// Which stages are measured.
    pub stage: String,
    /// The photos.
    pub dataset: Dataset,
    /// Photo to faces; null where no arm needs it.
    pub detector: Option<NetworkFacts>,
    /// Face to embedding; null where no arm needs it.
    pub recognizer: Option<NetworkFacts>,
    /// Embeddings that every face is matched against: the best face of each photo.
    pub enrolled: usize,
}

/// How photos arrive; `MLPerf`'s meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// All photos are there from the start: what counts is images a second.
    Offline,
    /// One photo after the other, each as soon as the last is answered: what counts is the time of one.
    SingleStream,
}

/// The photos of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dataset {
    /// The folder's or manifest's name.
    pub name: String,
    /// Photos measured.
    pub images: usize,
    /// Faces in them, as the reference arm found them; null where nothing was found out.
    pub faces: Option<usize>,
    /// Hash over the names and bytes of the photos; null where there are no files.
    pub sha256: Option<String>,
    /// Bytes of the encoded photos.
    pub bytes: u64,
    /// Whether they were held in memory while measuring; if not, each was read from its file within its time.
    pub preloaded: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkFacts {
    /// The catalog's name, or the file's.
    pub name: String,
    /// Its family; null where no arm could load it.
    pub family: Option<String>,
    /// Hash of the ONNX file.
    pub sha256: String,
    /// Width and height of what it reads; null where no arm could load it.
    pub input: Option<[usize; 2]>,
    /// Its licence, where the catalog knows the file.
    pub license: Option<String>,
    /// Least score of a face; null for recognizers.
    pub score_threshold: Option<f32>,
}

/// How the study was laid out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Processes of each arm: the unit of replication.
    pub processes: usize,
    /// Measured blocks of each process.
    pub blocks: usize,
    /// Least time of a block, seconds.
    pub block_seconds: f64,
    /// Warm-up of each process, seconds.
    pub warmup_seconds: f64,
    /// Host cores that every arm could use: the denominator.
    pub host_cores: usize,
    /// Least ratio that counts as a difference, as a fraction.
    pub margin: f64,
}

/// A photo that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its name in the dataset.
    pub photo: String,
    /// Why.
    pub reason: String,
}

/// An arm that could not be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unavailable {
    /// As asked for.
    pub backend: String,
    /// What is missing.
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

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
    /// The rules that its figures were held against.
    pub checks: Vec<Check>,
    /// Before measuring; null where it did not come so far.
    pub setup: Option<Setup>,
    /// The raw measurements.
    pub blocks: Vec<Block>,
    /// Images and faces a second; null without blocks.
    pub throughput: Option<Throughput>,
    /// Time of one photo; null where photos share runs or nothing was measured. Offline it is the service time.
    pub latency_ms: Option<Latency>,
    /// Mean time of a photo in each stage, of one stream; null without blocks and for `null`.
    pub stages_ms: Option<Stages>,
    /// Its answers against the reference's; null for `null`.
    pub accuracy: Option<Accuracy>,
    /// Memory.
    pub memory: Memory,
    /// Energy; null, for this version does not read it.
    pub energy: Energy,
    /// What went wrong.
    pub errors: Vec<String>,
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
    /// Hash of its library.
    pub library_sha256: String,
}

/// What one execution provider ran.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Nodes.
    pub nodes: usize,
    /// Share of all node time, 0 to 1.
    pub time_share: f64,
}

/// A named rule and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The rule's name.
    pub id: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was seen.
    pub observed: String,
    /// What would have passed.
    pub limit: String,
    /// What to do; empty where it passed.
    pub advice: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Within the limit.
    Passed,
    /// Outside.
    Failed,
    /// Could not be observed.
    Unknown,
}

/// Before measuring; the medians of the processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setup {
    /// Time to load runtime and networks, milliseconds.
    pub load_ms: f64,
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
    /// From the first photo's start to the last one's end.
    pub seconds: f64,
    /// Photos done.
    pub images: usize,
    /// Faces found.
    pub faces: usize,
    /// Seconds that all streams together spent in each stage.
    pub stage_seconds: Stages,
    /// For each stratum of the throughput, photos done and seconds that streams spent on them.
    pub strata: Vec<(usize, f64)>,
    /// Times of single photos: microseconds and how often, two significant digits.
    pub latencies_us: Vec<(u64, u64)>,
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

/// A median with its 95 % interval; the interval is null with fewer than two processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The middle.
    pub median: f64,
    /// The interval's lower end.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
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

/// Times of single photos, milliseconds. A percentile is null where there are too few samples for it (`MLPerf`'s
/// early-stopping counts: 64, 130, 662).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Half of the photos took no longer.
    pub p50: Option<f64>,
    /// 90 % took no longer.
    pub p90: Option<f64>,
    /// 95 % took no longer.
    pub p95: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
    /// The slowest.
    pub max: f64,
    /// Photos timed.
    pub samples: u64,
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
    /// Most device memory; null, for no device's memory is read by this version.
    pub device_peak_bytes: Option<u64>,
}

/// Energy of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Joules an image; null where they could not be read.
    pub joules_per_image: Option<f64>,
    /// Why not.
    pub reason: Option<String>,
}

/// One arm against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The arm's label.
    pub arm: String,
    /// The label of the arm that it is compared with.
    pub baseline: String,
    /// Images a second of the arm over those of the baseline, paired by process.
    pub ratio: Estimate,
    /// What follows.
    pub verdict: Verdict,
}

/// What a ratio means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval lies above the margin.
    Faster,
    /// The whole interval lies below the margin.
    Slower,
    /// Two one-sided tests place the ratio inside the margin.
    Equivalent,
    /// None of these.
    Inconclusive,
}

impl Record {
    /// Writes the record to `path` in one step: a reader sees the old file or the new one, never half of one.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Temporary files are private; a record is an ordinary file.
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Reads a record.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

/// The JSON Schema of a record, generated from the types above; checked in as `schemas/record-v1.json`.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Record)
}
