//! How much memory there is, and how much of it this process may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Gaps, Reading, cgroup,
    tree::{Tree, kilobytes},
};

const MEMINFO: &str = "/proc/meminfo";

/// Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// All memory that the kernel manages.
    pub total_bytes: Option<u64>,
    /// How much new work could use without swapping, by the kernel's own estimate.
    pub available_bytes: Option<u64>,
    /// The smallest control-group limit. `None` without a reason among the unavailable means: no limit is set.
    pub limit_bytes: Option<u64>,
}

impl Memory {
    /// How much this process could use: the smallest of the known values, or `None` where none is known.
    pub fn usable_bytes(&self) -> Option<u64> {
        let machine = self.available_bytes.or(self.total_bytes);
        [machine, self.limit_bytes].into_iter().flatten().min()
    }
}

pub(super) fn read(tree: &Tree, gaps: &mut Gaps) -> Memory {
    let size = |key| -> Reading<u64> { kilobytes(&tree.text(MEMINFO)?, key, MEMINFO) };
    Memory {
        total_bytes: gaps.keep("memory.total_bytes", size("MemTotal")),
        available_bytes: gaps.keep("memory.available_bytes", size("MemAvailable")),
        limit_bytes: gaps
            .keep("memory.limit_bytes", cgroup::memory_limit(tree))
            .flatten(),
    }
}
