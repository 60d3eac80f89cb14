//! A check: a rule and how it came out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named rule and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The rule's name, one of [`super::RULES`].
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

impl Outcome {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What the failure of a rule makes of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// `invalid`: the figures are of something else than what was asked for.
    Invalid,
    /// `unstable`: the figures may be chance.
    Unstable,
    /// Nothing; it is shown beside the figures.
    Note,
}

impl Consequence {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unstable => "unstable",
            Self::Note => "note",
        }
    }
}
