//! The record: the JSON file that a study leaves. Plain data, its JSON Schema, and atomic writes.
//!
//! Everything that facebench shows anywhere is drawn from records. A number that could not be read is null, and the
//! reason stands beside it or in the field's own description; it is never 0 instead.

mod accuracy;
mod arm;
mod block;
mod board;
mod check;
mod compare;
mod convert;
mod estimate;
mod evidence;
mod figures;
mod fleet;
mod gpu;
mod gpu_profile;
mod host;
mod host_log;
mod host_summary;
mod rules;
mod size;
mod sound;
mod stages;
mod tenants;
mod throttle;
mod tune;
mod write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use accuracy::{
    Accuracy, CheckPass, EmbeddingCounts, Likeness, QualityTarget, Verification, VerificationAccuracy,
};
pub use arm::{
    Arm, BackendFacts, OperatorTimes, Operators, Placement, Point, Price, RuntimeFacts, Setup, StratumFacts,
};
pub use block::{Block, CeilingRun, Conditions, GpuConditions, Trial};
pub use board::{BoardSample, HostBoard, Scheduler, SchedulerPolicy, VgpuSample};
pub use check::{Check, Consequence, Outcome};
pub use compare::{Comparison, Verdict};
pub use convert::{UnknownVersion, to_current};
pub use estimate::{Estimate, Latency, LatencyBound};
pub use evidence::{ChangedFile, Inputs, Resumption, Unseen, UnseenRound};
pub use figures::{
    Bounded, Ceiling, Cost, CurvePoint, Energy, Figures, Status, Stratum, TOO_FEW_SAMPLES, Throughput,
};
pub use fleet::{Fleet, FleetGroup, Outlier};
pub use gpu::{CoTenant, Gpu, GpuMode, License, Mps};
pub use gpu_profile::{VgpuProfile, mig_profile, mig_profile_of};
pub use host::{Cpu, Fact, Host, Memory};
pub use host_log::{HOST_LOG_KIND, HostLog, HostLogHeader, HostLogSample, HostLogSummary};
pub use rules::{RULES, Rule, limits, rule};
pub use size::{BreakEven, Evidence, Machine, Sizing};
pub use stages::{Milliseconds, STAGE_NAMES, Seconds, Stages};
pub use tenants::{BeforeLoad, ClockReading, CoordinatedRun, Tenant, TenantGroup, Tenants, TenantsRound};
pub use throttle::{Throttle, throttled_shares};
pub use tune::{Candidate, Hint, Round, Tune};

/// The version of the record's form that this program writes; older ones are read, see [`to_current`].
pub const SCHEMA_VERSION: u32 = 2;

/// One study: what was asked, on which machine, what came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The version of this form.
    pub schema_version: u32,
    /// Names this study: 16 hex digits.
    pub id: String,
    /// What the user calls this study; null where it has no name.
    pub name: Option<String>,
    /// When the study began, RFC 3339 in UTC.
    pub created_at: String,
    /// The program that measured.
    pub tool: Tool,
    /// The machine that it ran on.
    pub host: Host,
    /// The GPUs of the machine. Where there are none, or one cannot be used, `host.unavailable.gpus` has the reason.
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
    /// Whether the study is unfinished: it was stopped before its end, killed, or is still going on.
    pub interrupted: bool,
    /// When it was resumed after it had been ended before its time; absent where it was measured in one go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
    /// What was compared, in the order in which it was asked for.
    pub arms: Vec<Arm>,
    /// Each arm against the first.
    pub comparisons: Vec<Comparison>,
    /// Checks of the study as a whole.
    pub checks: Vec<Check>,
    /// In a merged record, the studies that its arms are from, the first being the one whose machine, workload and
    /// plan stand above. Empty in a study's own record.
    pub sources: Vec<Source>,
    /// What `facebench tune` searched before it confirmed the best as arms; absent from other records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
    /// Workers that shared one device; absent from other records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Tenants>,
    /// What several machines give together, each having measured a shard; absent from other records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
}

/// What a record is called: its name, else the beginning of its id.
pub fn title(name: Option<&str>, id: &str) -> String {
    name.map_or_else(|| id.chars().take(6).collect(), str::to_owned)
}

impl Record {
    /// The arm of this label.
    pub fn arm(&self, label: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.label == label)
    }

    /// In a merged record, the study that `arm` is from; `None` where the record is a study's own.
    pub fn source_of(&self, arm: &Arm) -> Option<&Source> {
        let id = arm.source.as_ref()?;
        self.sources.iter().find(|source| &source.id == id)
    }

    /// A study's own record as the source that it is in a merged one.
    pub fn as_source(&self) -> Source {
        Source {
            id: self.id.clone(),
            name: self.name.clone(),
            created_at: self.created_at.clone(),
            tool: self.tool.clone(),
            host: self.host.clone(),
            gpus: self.gpus.clone(),
            plan: self.plan.clone(),
            quick: self.quick,
            interrupted: self.interrupted,
            shard: self.workload.dataset.shard.clone(),
        }
    }

    /// The GPU that `arm` ran on, of the machine that measured it; `None` where it ran on none, or on one that the machine
    /// does not list.
    pub fn gpu_of(&self, arm: &Arm) -> Option<&Gpu> {
        let uuid = arm.backend.gpu.as_ref()?;
        let gpus = self.source_of(arm).map_or(&self.gpus, |source| &source.gpus);
        gpus.iter().find(|gpu| gpu.uuid.as_ref() == Some(uuid))
    }

    /// The GPU of each tenant of `group`, in their order.
    pub fn gpus_of(&self, group: &TenantGroup) -> Vec<Option<&Gpu>> {
        let tenants = group.tenants.iter();
        tenants.map(|label| self.gpu_of(self.arm(label)?)).collect()
    }

    /// Whether the tenants of `group` share a device: `false` where each machine has a board that is its own, `None` where
    /// it is not known. Parts of a board have names of their own, so those of several machines may be of one.
    pub fn one_device(&self, group: &TenantGroup) -> Option<bool> {
        let gpus = self.gpus_of(group);
        if gpus.iter().all(Option::is_none) {
            return (group.machines.len() < 2).then_some(true);
        }
        let gpus: Vec<&Gpu> = gpus.into_iter().collect::<Option<_>>()?;
        let shares = |gpu: &&Gpu| {
            let parts = [GpuMode::Vgpu, GpuMode::MigVgpu, GpuMode::Mig];
            gpu.mode.is_some_and(|mode| parts.contains(&mode))
        };
        Some(gpus.iter().all(shares) || gpus.windows(2).all(|pair| pair[0].uuid == pair[1].uuid))
    }
}

/// A study that went into a merged record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// When it began.
    pub created_at: String,
    /// The program that measured.
    pub tool: Tool,
    /// The machine that it ran on.
    pub host: Host,
    /// That machine's GPUs.
    pub gpus: Vec<Gpu>,
    /// How it was measured.
    pub plan: PlanSummary,
    /// Whether it was a `--quick` one.
    pub quick: bool,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Which part of the photos it measured; absent where it was all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
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
    /// Eight photos at a time, the next as soon as all of the last are answered: what counts is the time of all eight.
    MultiStream,
    /// Photos arrive at random (a Poisson process), whether or not the last are answered: what counts is how many a
    /// second can arrive while the time to the answer is held.
    Server,
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
    /// Which part of them was measured (`--shard`); absent where it was all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// One of several parts of a dataset that are measured apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which, from 0.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
    /// Photos of all parts.
    pub whole_images: usize,
    /// Hash over the names and bytes of the photos of all parts.
    pub whole_sha256: String,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkFacts {
    /// The catalog's name, or the file's.
    pub name: String,
    /// Its family; null where no arm could load it.
    pub family: Option<String>,
    /// What it is known by: the SHA-256 of the ONNX file. Where weights lie in files beside it, that of a text: the file's
    /// own hash in a line, then for each other file, sorted by name, a line of its hash, two spaces and its name.
    pub sha256: String,
    /// Width and height of what it reads; null where no arm could load it.
    pub input: Option<[usize; 2]>,
    /// Its licence, where the catalog knows the file.
    pub license: Option<String>,
    /// Least score of a face; null for recognizers.
    pub score_threshold: Option<f32>,
    /// How pixels were fed to it; absent where no arm could load it, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<NetworkFeed>,
    /// Which of its outputs was taken for the embedding, where it has several; absent where it has one, for detectors, and
    /// in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_output: Option<String>,
}

/// How pixels of 0 to 255 were fed to a network: `(pixel - mean) / divisor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkFeed {
    /// Order of the channels: `rgb` or `bgr`.
    pub channels: String,
    /// Subtracted from each pixel.
    pub mean: f32,
    /// Divides what is left.
    pub divisor: f32,
    /// Who says so: the user, the catalog, the network's graph (with the nodes that show it), or its family.
    pub source: String,
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
    /// Their numbers; empty where the machine does not show them.
    pub host_core_list: Vec<usize>,
    /// Least ratio that counts as a difference, as a fraction: 2 %, or the noise floor if that is larger.
    pub margin: f64,
    /// The machine's noise floor, as a fraction: how far two arms that are the same were seen apart; null where
    /// nobody measured it.
    pub noise_floor: Option<f64>,
    /// Queries a second in the server scenario; null where the highest that holds the bound is searched.
    pub request_rate: Option<f64>,
    /// The latency that is held.
    pub latency_bound: LatencyBound,
    /// Least figures against ground truth; null where the photos have none, or the networks are others than the
    /// workload's, and in records of version 1.
    #[serde(default)]
    pub quality_target: Option<QualityTarget>,
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
    pub fix: String,
}

/// The JSON Schema of a record, generated from the types above; checked in as `schemas/record-v2.json`.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Record)
}
