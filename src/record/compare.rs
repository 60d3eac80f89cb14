//! Arms compared with each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{estimate::Estimate, figures::Status};

/// One arm against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The arm's label.
    pub arm: String,
    /// The label of the arm that it is compared with.
    pub baseline: String,
    /// Images a second of the arm over those of the baseline.
    pub ratio: Estimate,
    /// What follows, corrected for the number of comparisons.
    pub verdict: Verdict,
    /// Whether processes were paired; those of different studies are not.
    pub paired: bool,
    /// The same ratio with the latency held in both; null where it was not measured or not held.
    pub bounded_ratio: Option<Estimate>,
    /// Comparisons of the study that the verdict is corrected for (Holm's method).
    pub corrected_for: usize,
    /// Whether the comparison may be quoted: `valid` only where both arms are, and the study is whole and no quick one.
    pub status: Status,
    /// Why not.
    pub reasons: Vec<String>,
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
