//! The search for the best setting of a SPEC: which [`candidates`] there are, how the slow ones are dropped
//! ([`halving`]), and which SPEC the confirming study stands for ([`chosen`]).

pub mod candidates;
pub mod chosen;
pub mod halving;

use super::figures;
use crate::record::{Block, Hint, LatencyBound, Round};

/// What a search is after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Images a second, or the time of one photo.
    pub hint: Hint,
    /// A latency that has to be held besides.
    pub bound: Option<LatencyBound>,
}

/// A block of the search with its figures.
pub fn round(block: Block) -> Round {
    Round {
        images_per_second: block.images as f64 / block.seconds,
        latency_ms: figures::latency(std::slice::from_ref(&block)),
        block,
    }
}
