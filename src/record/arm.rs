//! One arm of a record: what ran, the raw measurements, and the figures that follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    accuracy::{Accuracy, CheckPass},
    block::{Block, CeilingRun, Trial},
    evidence::{Inputs, Unseen},
    figures::Figures,
    host_log::HostLogSummary,
};

/// One backend with its options. All but `figures` was observed; the figures follow from it, and from the study's plan, by
/// [`crate::analysis::derive`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Its name in tables, unique in the study.
    pub label: String,
    /// In a merged record, the id of the study that it is from; null in a study's own record.
    pub source: Option<String>,
    /// What the numbers inside the networks are, as asked for.
    pub precision: String,
    /// Threads of one stream.
    pub threads: usize,
    /// Photos in work at the same time.
    pub streams: usize,
    /// Photos of a detector run and faces of a recognizer run, at most.
    pub batch: usize,
    /// What ran.
    pub backend: BackendFacts,
    /// What an hour of it costs; null where no price was given.
    pub price: Option<Price>,
    /// What follows from the rest.
    #[serde(flatten)]
    pub figures: Figures,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Whether it ended before its time.
    #[serde(default)]
    pub failed: bool,
    /// Before measuring; null where it did not come so far.
    pub setup: Option<Setup>,
    /// What it answered before anything was measured; null where it did not come so far, and in records of version 1.
    #[serde(default)]
    pub check_pass: Option<CheckPass>,
    /// The answers of the check pass compared with the reference's. Null where there are none, and for `null` unless it is
    /// made to answer wrongly.
    pub accuracy: Option<Accuracy>,
    /// Its answers to photos that it had not seen before; absent from older records, and where it did not come so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// What became of the files that it was measured on; absent from older records, and where there are no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// Most resident memory of any of its processes, bytes; null where it could not be read.
    pub rss_peak_bytes: Option<u64>,
    /// What the log of the GPU's host shows of that time; absent unless it was merged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_log: Option<HostLogSummary>,
    /// Whether the warm-up of each process came to a steady state before the first block.
    pub steady: Vec<bool>,
    /// The search for the highest rate, in the server scenario without a given rate.
    pub trials: Vec<Trial>,
    /// Each stage alone, once a process; empty unless that was asked for.
    #[serde(default)]
    pub ceiling_runs: Vec<CeilingRun>,
    /// The strata of the photos, in the order of each block's own.
    #[serde(default)]
    pub strata: Vec<StratumFacts>,
    /// The raw measurements.
    pub blocks: Vec<Block>,
    /// The raw measurements with other numbers of streams or other batches: the other points of the curve.
    #[serde(default)]
    pub points: Vec<Point>,
}

impl Arm {
    /// The blocks that were measured with so many streams and this batch: its own, unless a point of the curve has them.
    pub fn blocks_at(&self, streams: usize, batch: usize) -> &[Block] {
        let mut points = self.points.iter();
        let point = points.find(|point| (point.streams, point.batch) == (streams, batch));
        point.map_or(&self.blocks, |point| &point.blocks)
    }

    /// Whether it was measured by a facebench whose records had version 1, and only converted since.
    pub fn is_converted(&self) -> bool {
        self.backend.placed_by_construction.is_none()
    }

    /// Whether it was loaded and runs no networks: the backend `null`.
    pub fn is_null(&self) -> bool {
        self.backend.provider.is_some() && self.backend.runtime.is_none()
    }
}

/// What an hour costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// Of what the arm runs on.
    pub per_hour: f64,
    /// What it is counted in; empty where it was not given.
    pub currency: String,
}

/// Photos that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StratumFacts {
    /// Such as `1 face` or `1-4 MP`.
    pub name: String,
    /// Photos of it in the dataset.
    pub images: usize,
}

/// Raw measurements with other numbers of streams or another batch than the arm's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Streams at work.
    pub streams: usize,
    /// Photos of a detector run and faces of a recognizer run, at most.
    pub batch: usize,
    /// The raw measurements.
    pub blocks: Vec<Block>,
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
    /// What numbers each network computed with; null where there is no profile, and in records of version 1.
    #[serde(default)]
    pub operators: Option<Operators>,
    /// Whether the runtime has one place only, so that the networks cannot run elsewhere; null in records of version 1.
    #[serde(default)]
    pub placed_by_construction: Option<bool>,
    /// Whether it runs on a device of its own, and not in another way on the processor; null where records are older than
    /// this key.
    #[serde(default)]
    pub accelerator: Option<bool>,
    /// Whether it is the backend whose answers others are compared with; null where records are older than this key.
    #[serde(default)]
    pub reference: Option<bool>,
}

/// Time of the networks' nodes, by the numbers that they compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operators {
    /// Of the detector.
    pub detector: OperatorTimes,
    /// Of the recognizer.
    pub recognizer: OperatorTimes,
}

/// Time of a network's nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorTimes {
    /// All, microseconds.
    pub all_us: u64,
    /// Of quantized operators, microseconds.
    pub quantized_us: u64,
    /// Of operators on 16-bit floats, microseconds.
    pub half_us: u64,
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
