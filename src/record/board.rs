//! A board as its hypervisor sees it, in a host log. [`crate::machine`] reads it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{gpu::GpuMode, throttle::Throttle};

/// How the board's time is divided among its vGPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerPolicy {
    /// Only vGPUs that have work get time.
    BestEffort,
    /// Each vGPU that runs gets the same share.
    EqualShare,
    /// Each vGPU gets the share that its type states, whether or not others run.
    FixedShare,
}

impl SchedulerPolicy {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::BestEffort => "best-effort",
            Self::EqualShare => "equal-share",
            Self::FixedShare => "fixed-share",
        }
    }
}

/// A board's scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scheduler {
    /// Its policy.
    pub policy: SchedulerPolicy,
    /// Whether it evens out overdrawn slices (adaptive round robin); null where the driver leaves it at its default.
    pub adaptive: Option<bool>,
    /// Length of a time slice, nanoseconds; null where it is unknown.
    pub timeslice_ns: Option<u64>,
    /// Where it was read.
    pub source: String,
}

/// Facts of a board that do not change while it is monitored. A null has its reason in `unavailable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostBoard {
    /// The driver's name for the board.
    pub uuid: Option<String>,
    /// The product.
    pub name: String,
    /// Its address on the PCI bus.
    pub pci: Option<String>,
    /// The driver's version on this machine.
    pub driver: Option<String>,
    /// How the board is given to this machine.
    pub mode: Option<GpuMode>,
    /// How it shares the board's time.
    pub scheduler: Option<Scheduler>,
    /// Names of the vGPU types that it can hand out.
    pub vgpu_types: Option<Vec<String>>,
    /// Why a value is missing.
    pub unavailable: BTreeMap<String, String>,
}

/// A board at one moment. A null has its reason in `unavailable`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BoardSample {
    /// The driver's name for the board.
    pub uuid: Option<String>,
    /// Clock of the streaming multiprocessors, MHz.
    pub sm_clock_mhz: Option<f64>,
    /// Clock of the memory, MHz.
    pub memory_clock_mhz: Option<f64>,
    /// Power that it draws, watts.
    pub power_watts: Option<f64>,
    /// Share of the time, 0 to 1, in which anything ran on it.
    pub utilization: Option<f64>,
    /// What lowers its clock; empty where nothing does.
    pub throttled_by: Option<Vec<Throttle>>,
    /// The vGPUs that are handed out.
    pub vgpus: Option<Vec<VgpuSample>>,
    /// Why a value is missing.
    pub unavailable: BTreeMap<String, String>,
}

/// One vGPU that is handed out, at one moment. A null has its reason in `unavailable`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VgpuSample {
    /// The driver's number for it, on this machine.
    pub id: u32,
    /// The driver's name for it, which its guest sees too.
    pub uuid: Option<String>,
    /// The virtual machine that has it, by the hypervisor's name.
    pub vm: Option<String>,
    /// Its type, such as `GRID V100D-8Q`.
    pub vgpu_type: Option<String>,
    /// Frame buffer in use, bytes.
    pub memory_used_bytes: Option<u64>,
    /// Share of the board's time, 0 to 1, that its work took since the last sample.
    pub utilization: Option<f64>,
    /// Whether it holds its licence.
    pub licensed: Option<bool>,
    /// Why a value is missing.
    pub unavailable: BTreeMap<String, String>,
}
