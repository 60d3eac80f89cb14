//! What this machine is: processor, memory, operating system, and the facts that show whether it is virtual.
//!
//! Everything is read from a file system whose root is given, so that a test can plant a whole machine in a
//! temporary folder. A value that cannot be read is `None`, and [`Host::unavailable`] has the reason: never a guess.

mod cgroup;
mod counters;
mod cpu;
mod cpu_list;
pub mod gpu;
mod memory;
mod openstack;
mod os;
mod process;
mod quota;
mod tree;
mod virtualization;
pub mod wall_clock;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use counters::{Counters, fastest_clock_mhz};
pub use cpu_list::{format_cpu_list, parse_cpu_list};
pub use gpu::{GpuCounters, Gpus, Nvml, NvmlFault};
pub use openstack::{metadata, read_untrusted as read_untrusted_metadata};
pub use process::{peak_rss_bytes, storage_bytes};
pub use quota::Quota;

use crate::record::Host;
use tree::Tree;

/// A value, or the reason why it cannot be read, written so that a user can act on it.
pub type Reading<T> = Result<T, String>;

impl Host {
    /// This machine: the real file system and this process's environment.
    pub fn current() -> Self {
        Self::read_with(Path::new("/"), |name| std::env::var(name).ok())
    }

    /// The machine whose file system begins at `root`, with an empty environment.
    pub fn read(root: &Path) -> Self {
        Self::read_with(root, |_| None)
    }

    /// The machine whose file system begins at `root`, with `variable` answering for the environment.
    pub fn read_with(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let tree = Tree::new(root);
        let mut gaps = Gaps::default();
        let cpu = cpu::read(&tree, &mut gaps);
        let memory = memory::read(&tree, &mut gaps);
        let os = gaps.keep("os", os::name(&tree));
        let kernel = gaps.keep("kernel", os::kernel(&tree));
        let facts = virtualization::read(&tree, variable, &mut gaps);
        Self {
            cpu,
            memory,
            os,
            kernel,
            facts,
            unavailable: gaps.0,
        }
    }
}

/// The reasons for missing values, by field.
#[derive(Default)]
struct Gaps(BTreeMap<String, String>);

impl Gaps {
    /// The value itself, or `None` with the reason noted under `field`.
    fn keep<T>(&mut self, field: &str, reading: Reading<T>) -> Option<T> {
        reading
            .map_err(|reason| self.0.insert(field.to_owned(), reason))
            .ok()
    }
}
