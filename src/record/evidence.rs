//! What a study observed of an arm by itself, whatever the arm's worker claims.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The photos of a study with slightly changed pixels and under each other's names, answered by an arm after its check pass:
/// by the study's own clock, from the moment when the worker could first see them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unseen {
    /// Photos that a worker may have in work at the same time.
    pub in_work: usize,
    /// Each time that all of them were answered, each with other pixels.
    pub rounds: Vec<UnseenRound>,
    /// Why there are no rounds, or no more of them; null where all went well.
    pub error: Option<String>,
    /// Whether it was the arm that gave no answers.
    pub refused: bool,
}

/// All photos answered once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnseenRound {
    /// Photos answered.
    pub images: usize,
    /// From the request to the last answer, by the study's clock.
    pub seconds: f64,
    /// Share of the sure faces of the arm's own check pass that are found again in the changed photos; null without any.
    pub faces_matched: Option<f64>,
    /// Median cosine of their embeddings; null without any.
    pub cosine_median: Option<f64>,
}

/// The files that an arm was measured on, before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// Files that were looked at: photos by their size and time, networks and libraries by their hash too.
    pub files: usize,
    /// Those that changed, or went.
    pub changed: Vec<ChangedFile>,
}

/// When a study went on that had been ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumption {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Blocks that had been measured before, of all arms.
    pub blocks: usize,
}

/// A file that was another one at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedFile {
    /// Its name, without its folder.
    pub file: String,
    /// What happened to it.
    pub change: String,
}
