//! How much memory there is, and how much of it this process may use.

use super::{
    Gaps, Reading, cgroup,
    tree::{Tree, kilobytes},
};
use crate::record::Memory;

const MEMINFO: &str = "/proc/meminfo";

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
