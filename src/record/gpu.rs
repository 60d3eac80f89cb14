//! The GPUs that a study ran on, as its record keeps them. [`crate::machine`] reads them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One GPU of the machine: a board, a vGPU, or a MIG device (beside the board that it is a part of).
///
/// A value that is null has its reason in `unavailable`, under its name, unless its own description states otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// The driver's name for this very device: `GPU-` or `MIG-` and a UUID.
    pub uuid: Option<String>,
    /// The product; without its driver, its number on the PCI bus.
    pub name: String,
    /// NVML's number for it; a MIG device's number is that within its board. CUDA may count in another order.
    pub index: Option<u32>,
    /// A MIG device's board, by UUID; null for all other devices.
    pub parent: Option<String>,
    /// Its address on the PCI bus, such as `0000:17:00.0`.
    pub pci: Option<String>,
    /// The memory domain (NUMA node) of the host that it is nearest to.
    pub numa_node: Option<usize>,
    /// The driver's version.
    pub driver: Option<String>,
    /// The highest CUDA version that the driver runs, such as `13.0`.
    pub cuda_driver: Option<String>,
    /// For a vGPU, the driver's version on its host; null for all other devices, and where the guest cannot read it.
    pub host_driver: Option<String>,
    /// CUDA's compute capability, such as `9.0`.
    pub compute_capability: Option<String>,
    /// Frame buffer, bytes.
    pub memory_bytes: Option<u64>,
    /// How the device is given to this machine.
    pub mode: Option<GpuMode>,
    /// Where the mode was read.
    pub mode_source: Option<String>,
    /// A vGPU's or MIG device's profile; null for a whole board.
    pub profile: Option<String>,
    /// Whether the board is divided into MIG devices, so that only these can compute.
    pub mig_enabled: Option<bool>,
    /// A vGPU's licence; null for devices that need none.
    pub license: Option<License>,
    /// Clock of the streaming multiprocessors when the record was begun, MHz; of the whole board for a MIG device.
    pub sm_clock_mhz: Option<u32>,
    /// Their highest clock, MHz.
    pub sm_clock_max_mhz: Option<u32>,
    /// Power when the record was begun, watts.
    pub power_watts: Option<f64>,
    /// The limit of its power, watts.
    pub power_limit_watts: Option<f64>,
    /// Temperature when the record was begun, degrees Celsius; of the whole board for a MIG device.
    pub temperature_celsius: Option<u32>,
    /// Whether memory errors are corrected, which takes some of the memory and its speed.
    pub ecc: Option<bool>,
    /// Whether the driver stays loaded while no process uses the device.
    pub persistence: Option<bool>,
    /// The MPS daemon that this process's work would go through; null where there is none.
    pub mps: Option<Mps>,
    /// Other processes that compute on the device. In a container or a guest only those that it can see.
    pub co_tenants: Option<Vec<CoTenant>>,
    /// Why a value is missing, by the value's name.
    pub unavailable: BTreeMap<String, String>,
}

/// The MPS daemon that this process's CUDA work goes through. Its limits are those of this process's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mps {
    /// The folder of its pipes.
    pub pipe_directory: String,
    /// The daemon's process, by its control pid file; null where the file holds no number.
    pub control_pid: Option<u32>,
    /// `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`, as it is set; null for no limit.
    pub active_thread_percentage: Option<String>,
    /// `CUDA_MPS_PINNED_DEVICE_MEM_LIMIT`, as it is set; null for no limit.
    pub pinned_device_mem_limit: Option<String>,
}

/// A process that computes on a GPU beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoTenant {
    /// Its number as the driver counts processes.
    pub pid: u32,
    /// Device memory that it uses, bytes; null where the driver does not report it.
    pub memory_bytes: Option<u64>,
}

/// A vGPU's licence: without one the driver slows the device down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct License {
    /// Before the first block; null where it could not be read.
    pub before: Option<bool>,
    /// After the last one; null where it could not be read.
    pub after: Option<bool>,
}

/// How a GPU is given to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GpuMode {
    /// The board itself, on bare metal.
    Physical,
    /// The board itself, handed to a virtual machine.
    Passthrough,
    /// A share of the board in time.
    Vgpu,
    /// A share of the board in space.
    Mig,
    /// A share in space, handed to a virtual machine.
    MigVgpu,
    /// The host of vGPUs: the machine that hands them out.
    VgpuHost,
}

impl GpuMode {
    /// The mode's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Passthrough => "passthrough",
            Self::Vgpu => "vGPU",
            Self::Mig => "MIG",
            Self::MigVgpu => "MIG vGPU",
            Self::VgpuHost => "vGPU host",
        }
    }

    /// Whether this is a virtual machine that has a share of the board, and so needs a licence.
    pub fn is_vgpu(self) -> bool {
        matches!(self, Self::Vgpu | Self::MigVgpu)
    }
}
