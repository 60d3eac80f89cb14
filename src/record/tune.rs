//! The search of `facebench tune`: which settings of a SPEC were tried, and how long each stayed in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    block::Block,
    estimate::{Latency, LatencyBound},
};

/// A search; what it found was then confirmed on fresh processes and blocks, and stands among the arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tune {
    /// What was searched for.
    pub hint: Hint,
    /// The latency that had to be held; null where none had to be.
    pub bound: Option<LatencyBound>,
    /// Photos of a pass in the search: a sample of the dataset.
    pub photos: usize,
    /// What was tried.
    pub candidates: Vec<Candidate>,
    /// The SPEC as it was given: the first arm.
    pub bare: String,
    /// The SPEC to use, the one that was given where none was shown to be better; null where none could be confirmed.
    pub chosen: Option<String>,
}

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// The most images a second, all photos being there from the start.
    Throughput,
    /// The least time of one photo, one after the other.
    Latency,
}

/// One setting of what the SPEC leaves open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The SPEC that asks for it.
    pub spec: String,
    /// Photos in work at the same time.
    pub streams: usize,
    /// Threads of one stream.
    pub threads: usize,
    /// Photos of a detector run and faces of a recognizer run, at most.
    pub batch: usize,
    /// Threads that decode, resize and align beside a device; null where each stream does that for itself.
    pub decoders: Option<usize>,
    /// Its blocks, one a round.
    pub rounds: Vec<Round>,
    /// The round, from 1, after which it was dropped; null for those that came to the end.
    pub dropped_after: Option<usize>,
    /// Why it could not be measured any more; null where it could.
    pub error: Option<String>,
}

/// One block of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// Photos a second.
    pub images_per_second: f64,
    /// Service time of a photo; in a batch, of the batch.
    pub latency_ms: Option<Latency>,
    /// The raw measurement; its `process` is the round.
    pub block: Block,
}
