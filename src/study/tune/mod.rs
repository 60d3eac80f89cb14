//! The search for the best setting of a SPEC: which [`candidates`] there are, how the slow ones are dropped
//! ([`halving`]), and the workers that measure them.

pub mod candidates;
pub mod halving;
mod workers;

use crate::record::{Hint, LatencyBound};

/// What a search is after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Images a second, or the time of one photo.
    pub hint: Hint,
    /// A latency that has to be held besides.
    pub bound: Option<LatencyBound>,
}
