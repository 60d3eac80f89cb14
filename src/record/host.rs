//! The machine that a study ran on, as its record keeps it. [`crate::machine`] reads it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The first fact of that kind.
    pub fn fact(&self, kind: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.kind == kind)
    }
}

/// The processor as this process sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// The name, such as `Intel(R) Xeon(R) Gold 6230`.
    pub model: Option<String>,
    /// Logical cores that are online, whether or not this process may use them.
    pub cores: Option<usize>,
    /// Cores that share no execution units; fewer than `cores` where threads share one.
    pub physical_cores: Option<usize>,
    /// Packages.
    pub sockets: Option<usize>,
    /// Memory domains.
    pub numa_nodes: Option<usize>,
    /// The logical cores of each memory domain, such as `0-3,8-11`.
    pub numa_cpus: Option<BTreeMap<usize, String>>,
    /// The logical cores that this process may run on: what taskset and cpusets leave of them.
    pub affinity: Option<Vec<usize>>,
    /// Processor time allowed by control groups, in cores: the smallest of all ancestors. `None` without a reason
    /// among the unavailable means: no quota is set.
    pub quota: Option<f64>,
    /// How the clock is chosen, such as `performance`; several, separated by commas, where cores differ.
    pub governor: Option<String>,
    /// The flags that matter to neural networks, such as `avx512_vnni`, out of all that the kernel lists.
    pub flags: Option<Vec<String>>,
}

impl Cpu {
    /// How many threads can run at the same time all the while: the cores of the affinity, or as many whole
    /// cores as the quota fills if they are fewer (a quota of 1.5 needs two threads to be used up). At least 1.
    ///
    /// Where the affinity is not known, all cores count; where these are not known either, the number that the standard library finds.
    pub fn usable_cores(&self) -> usize {
        let allowed = self.affinity.as_ref().map(Vec::len).or(self.cores);
        let allowed = allowed.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let paid = self.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        allowed.min(paid).max(1)
    }
}

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

/// One observation and its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What it is, such as `hypervisor-flag`, `dmi-product`, `openstack`, `container` or `kata`.
    pub kind: String,
    /// What was seen.
    pub value: String,
    /// The file or environment variable that it was seen in.
    pub source: String,
}

impl Fact {
    /// An observation of `value` in `source`.
    pub fn new(kind: impl Into<String>, value: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            value: value.into(),
            source: source.into(),
        }
    }
}
