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
mod summary;
mod tree;
mod virtualization;
pub mod wall_clock;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use counters::{Counters, fastest_clock_mhz};
pub use cpu::Cpu;
pub use cpu_list::{format_cpu_list, parse_cpu_list};
pub use gpu::{CoTenant, Gpu, GpuCounters, GpuMode, Gpus, License, Nvml, NvmlFault};
pub use memory::Memory;
pub use openstack::metadata;
pub use process::{peak_rss_bytes, storage_bytes};
pub use quota::Quota;
pub use virtualization::Fact;

use tree::Tree;

/// A value, or the reason why it cannot be read, written so that a user can act on it.
pub type Reading<T> = Result<T, String>;

/// The machine as this process sees it; in a container or a virtual machine that is less than the hardware.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// The processor, and how much of it this process may use.
    pub cpu: Cpu,
    /// The memory, and how much of it this process may use.
    pub memory: Memory,
    /// The operating system's own name for itself, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: Option<String>,
    /// Signs of virtual machines and containers. Several can be true at once, so they are not reduced to one label.
    pub facts: Vec<Fact>,
    /// Why a value is missing, by its dotted name, such as `cpu.governor`.
    pub unavailable: BTreeMap<String, String>,
}

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

    /// The first fact of that kind.
    pub fn fact(&self, kind: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.kind == kind)
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
