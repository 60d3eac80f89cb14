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
mod smi;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

pub use counters::GpuCounters;
pub use fault::NvmlFault;
pub use nvml::Nvml;
pub use smi::scheduler as scheduler_by_smi;

/// Takes any bytes for a PCI configuration space: for fuzzing.
#[doc(hidden)]
pub fn read_untrusted_config(config: &[u8]) {
    if let Ok(Some(Some(driver))) = pci::vgpu(config) {
        assert!(driver.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

use super::tree::Tree;
use crate::record::{Gpu, GpuMode};

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
