//! The GPUs of this machine: what they are, how they are given to it, and why one cannot be used.
//!
//! NVML, the driver's own library, is asked first; it is loaded at run time. Where it does not answer, the PCI bus, the
//! kernel's driver and the device nodes show what is there and what is missing. Nothing is guessed: what a virtual
//! machine's driver hides is `None` beside its reason.

mod counters;
mod describe;
mod fault;
mod ffi;
mod license;
mod missing;
mod monitor;
mod mps;
mod nvml;
mod pci;
mod profile;
mod smi;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use counters::GpuCounters;
pub use fault::NvmlFault;
pub use monitor::{BoardSample, HostBoard, Scheduler, SchedulerPolicy, VgpuSample};
pub use mps::Mps;
pub use nvml::Nvml;
pub use profile::{VgpuProfile, mig_profile, mig_profile_of};
pub use smi::scheduler as scheduler_by_smi;

use super::tree::Tree;

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
    pub fn word(self) -> &'static str {
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

/// The GPUs that were found on a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Gpus {
    /// Every GPU, each MIG device after its board.
    pub gpus: Vec<Gpu>,
    /// Why there is none, or why one cannot be used or seen.
    #[serde(rename = "gpus_reason")]
    pub reason: Option<String>,
    /// What the user can do about it.
    #[serde(rename = "gpus_fix")]
    pub fix: Option<String>,
}

/// The GPUs of the machine whose file system begins at `root`, with `variable` answering for the environment.
pub fn find(root: &Path, variable: impl Fn(&str) -> Option<String>, nvml: &Result<Nvml, NvmlFault>) -> Gpus {
    let tree = Tree::new(root);
    let bus = pci::gpus(&tree);
    let evidence = missing::Evidence {
        tree: &tree,
        bus: &bus,
        in_container: super::virtualization::in_container(&tree, &variable),
    };
    let (mut gpus, silence) = match nvml.as_ref().map(Nvml::gpus) {
        Ok(Ok(gpus)) => (gpus, None),
        Ok(Err(reason)) => (Vec::new(), Some(missing::uncounted(&reason))),
        Err(fault) => (Vec::new(), Some(evidence.silent(fault))),
    };
    let mps = mps::read(&tree, &variable);
    for gpu in &mut gpus {
        gpu.mps.clone_from(&mps);
        complete(gpu, &tree, bus.as_ref().map_or(&[], |(own, _)| own));
    }
    let (reason, fix) = match silence {
        Some(why) => why.into(),
        None if gpus.is_empty() => evidence.none_listed().into(),
        None => (evidence.unseen(&gpus), None),
    };
    if gpus.is_empty() {
        let reason = reason.as_deref().unwrap_or_default();
        let own = bus.iter().flat_map(|(own, _)| own);
        gpus = own.map(|found| without_driver(found, reason)).collect();
    }
    Gpus { gpus, reason, fix }
}

/// Adds what the PCI bus shows to what the driver reported.
fn complete(gpu: &mut Gpu, tree: &Tree, bus: &[pci::PciGpu]) {
    let Some(address) = gpu.pci.clone() else {
        gpu.because("numa_node", "its address on the PCI bus is not known");
        return;
    };
    match pci::numa_node(tree, &address) {
        Ok(node) => gpu.numa_node = Some(node),
        Err(reason) => gpu.because("numa_node", &reason),
    }
    let found = bus.iter().find(|found| found.address == address);
    if let Some(Ok(Some(host_driver))) = found.map(|found| &found.vgpu) {
        gpu.host_driver.clone_from(host_driver);
        if gpu.mode.is_none() {
            gpu.signed_vgpu();
        }
    }
}

/// A GPU that only the PCI bus shows.
fn without_driver(found: &pci::PciGpu, reason: &str) -> Gpu {
    let vgpu = matches!(found.vgpu, Ok(Some(_)));
    let mut gpu = Gpu {
        name: format!("NVIDIA {} {}", if vgpu { "vGPU" } else { "GPU" }, found.device_id),
        pci: Some(found.address.clone()),
        ..Gpu::default()
    };
    for field in describe::BY_DRIVER {
        gpu.because(field, reason);
    }
    match &found.numa_node {
        Ok(node) => gpu.numa_node = Some(*node),
        Err(reason) => gpu.because("numa_node", reason),
    }
    match &found.vgpu {
        Ok(Some(host_driver)) => {
            gpu.host_driver.clone_from(host_driver);
            gpu.signed_vgpu();
        }
        Ok(None) => {}
        Err(unread) => gpu.because("mode", &format!("{reason}; {unread}")),
    }
    gpu
}

impl Gpu {
    /// Notes why a value is missing.
    fn because(&mut self, field: &str, reason: &str) {
        self.unavailable.insert(field.to_owned(), reason.to_owned());
    }

    /// Notes that the PCI configuration space is signed as a vGPU's.
    fn signed_vgpu(&mut self) {
        self.mode = Some(GpuMode::Vgpu);
        self.mode_source = Some("the VF signature in the PCI configuration space".to_owned());
        self.unavailable.remove("mode");
    }
}
