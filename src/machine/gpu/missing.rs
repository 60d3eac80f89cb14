//! Why no GPU can be used here, and what the user can do about it: no driver, no device nodes, or a container without
//! them.

use super::super::{Reading, tree::Tree};
use super::{NvmlFault, pci::PciGpu};
use crate::record::Gpu;

const VERSION: &str = "/proc/driver/nvidia/version";
const NODES: &[&str] = &["/dev/nvidiactl", "/dev/nvidia0"];

const GIVE_TO_CONTAINER: &str = "give the container its GPU: `docker run --gpus all`, `podman run --device \
    nvidia.com/gpu=all`, in Kubernetes `runtimeClassName: nvidia` and a limit of nvidia.com/gpu";
const ASK_THE_DRIVER: &str = "nvidia-smi, and the kernel's log (`dmesg`, lines with NVRM), show more";

/// What a machine without usable GPUs shows without NVML.
pub(super) struct Evidence<'a> {
    /// Its files.
    pub(super) tree: &'a Tree,
    /// GPUs on the PCI bus, and a line for each of another maker.
    pub(super) bus: &'a Reading<(Vec<PciGpu>, Vec<String>)>,
    pub(super) in_container: bool,
}

/// A reason, and what can be done about it.
pub(super) struct Why(String, Option<String>);

impl From<Why> for (Option<String>, Option<String>) {
    fn from(Why(reason, fix): Why) -> Self {
        (Some(reason), fix)
    }
}

/// NVML starts, but its first call fails.
pub(super) fn uncounted(reason: &str) -> Why {
    Why(
        format!("NVML starts, but does not report the number of GPUs: {reason}"),
        Some(ASK_THE_DRIVER.to_owned()),
    )
}

impl Evidence<'_> {
    /// NVML does not answer.
    pub(super) fn silent(&self, fault: &NvmlFault) -> Why {
        let fix = |text: &str| Some(text.to_owned());
        match fault {
            NvmlFault::NotFound | NvmlFault::DriverNotLoaded { .. } => self.unreachable(fault),
            NvmlFault::VersionMismatch { .. } => Why(
                match self.driver() {
                    Some(version) => format!("{fault}, which is {version}"),
                    None => fault.to_string(),
                },
                fix(if self.in_container {
                    "start the container again, so that it gets the libraries of the running driver"
                } else {
                    "restart the machine (or unload and load the nvidia modules) after the driver's upgrade"
                }),
            ),
            NvmlFault::NoPermission { .. } => Why(
                fault.to_string(),
                fix(
                    "let this user read and write /dev/nvidiactl and /dev/nvidia* (often by the group video or render)",
                ),
            ),
            NvmlFault::Unloadable { .. } | NvmlFault::TooOld { .. } => Why(
                fault.to_string(),
                fix("install the library that belongs to the driver, or name it in FACEBENCH_NVML"),
            ),
            NvmlFault::Other { .. } => Why(fault.to_string(), fix(ASK_THE_DRIVER)),
        }
    }

    /// The library is missing, or reports that the driver is.
    fn unreachable(&self, fault: &NvmlFault) -> Why {
        let library_missing = *fault == NvmlFault::NotFound;
        let own = self.bus.as_ref().map_or(&[][..], |(own, _)| own);
        if let Some(version) = self.driver() {
            let missing: Vec<&str> = NODES
                .iter()
                .copied()
                .filter(|node| !self.tree.exists(node))
                .collect();
            return self.not_let_in(&version, &missing, library_missing);
        }
        if self.tree.exists("/dev/dxg") {
            return Why(
                format!("this is WSL (/dev/dxg is there), and {fault}"),
                Some(
                    "install NVIDIA's driver on Windows, then `wsl --update` and `wsl --shutdown`".to_owned(),
                ),
            );
        }
        match own.first() {
            Some(found) => self.no_driver(found),
            None => Why(self.no_device(), None),
        }
    }

    /// The kernel's driver is loaded.
    fn not_let_in(&self, version: &str, missing: &[&str], library_missing: bool) -> Why {
        let mut lacking: Vec<String> = missing.iter().map(|&node| node.to_owned()).collect();
        if library_missing {
            lacking.push("its library libnvidia-ml.so.1".to_owned());
        }
        if lacking.is_empty() {
            return Why(
                format!(
                    "the NVIDIA driver {version} is loaded and its device nodes are there, but it cannot be reached"
                ),
                Some(
                    if self.in_container {
                        GIVE_TO_CONTAINER
                    } else {
                        ASK_THE_DRIVER
                    }
                    .to_owned(),
                ),
            );
        }
        let reason = format!(
            "the kernel has the NVIDIA driver {version}, but {} {} missing here",
            lacking.join(" and "),
            if lacking.len() == 1 { "is" } else { "are" }
        );
        let fix = match (self.in_container, library_missing) {
            (true, true) => format!("{GIVE_TO_CONTAINER}; with NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
            (true, false) => GIVE_TO_CONTAINER.to_owned(),
            (false, true) => format!("install the libraries of driver {version} (such as libnvidia-compute)"),
            (false, false) => {
                "make the device nodes: `nvidia-modprobe -c 0`, or nvidia-smi as root".to_owned()
            }
        };
        Why(reason, Some(fix))
    }

    /// A GPU on the bus, without NVIDIA's driver in the kernel.
    fn no_driver(&self, found: &PciGpu) -> Why {
        let address = &found.address;
        let vgpu = found.vgpu.as_ref().ok().and_then(Option::as_ref);
        let (reason, fix) = match (found.driver.as_deref(), vgpu) {
            (Some("vfio-pci"), _) => (
                format!("the GPU at {address} is held by vfio-pci, which keeps it for virtual machines"),
                "measure inside the virtual machine, or give it back to the nvidia driver".to_owned(),
            ),
            (Some(other), _) => (
                format!("the GPU at {address} is held by {other}, not by NVIDIA's driver"),
                "install NVIDIA's driver and restart".to_owned(),
            ),
            (None, Some(host)) => (
                format!("no kernel driver holds the vGPU at {address}"),
                format!(
                    "install NVIDIA's guest driver for vGPU, of the release that fits the host's driver {}",
                    host.as_deref().unwrap_or("(which it does not report)")
                ),
            ),
            (None, None) => (
                format!("no kernel driver holds the GPU at {address}"),
                "install NVIDIA's driver, and load it with `modprobe nvidia`".to_owned(),
            ),
        };
        let fix = if self.in_container {
            format!("on the machine that runs this container: {fix}")
        } else {
            fix
        };
        Why(reason, Some(fix))
    }

    /// Neither NVIDIA's driver nor its GPUs are here.
    fn no_device(&self) -> String {
        match self.bus {
            Ok((_, others)) if others.is_empty() => "no NVIDIA GPU is on the PCI bus".to_owned(),
            Ok((_, others)) => format!(
                "no NVIDIA GPU is on the PCI bus; no backend can use the other devices there yet: {}",
                others.join(", ")
            ),
            Err(reason) => format!("there is no NVIDIA driver, and the PCI bus does not show it: {reason}"),
        }
    }

    /// NVML answers with an empty list.
    pub(super) fn none_listed(&self) -> Why {
        let fix = if self.in_container {
            GIVE_TO_CONTAINER
        } else {
            ASK_THE_DRIVER
        };
        Why("NVML answers, but lists no GPU".to_owned(), Some(fix.to_owned()))
    }

    /// GPUs on the bus that the driver does not show: they belong to other containers or virtual machines, or are broken.
    pub(super) fn unseen(&self, seen: &[Gpu]) -> Option<String> {
        let (own, _) = self.bus.as_ref().ok()?;
        let unseen: Vec<String> = own
            .iter()
            .filter(|found| !seen.iter().any(|gpu| gpu.pci.as_ref() == Some(&found.address)))
            .map(|found| match &found.driver {
                Some(driver) => format!("{} (held by {driver})", found.address),
                None => found.address.clone(),
            })
            .collect();
        (!unseen.is_empty()).then(|| {
            format!(
                "on the PCI bus, but not shown to this process by the driver: {}",
                unseen.join(", ")
            )
        })
    }

    /// The version of the kernel's driver: the first number with a dot in its line.
    fn driver(&self) -> Option<String> {
        let text = self.tree.text(VERSION).ok()?;
        let version = text
            .lines()
            .next()?
            .split_whitespace()
            .find(|part| part.contains('.') && part.starts_with(|first: char| first.is_ascii_digit()));
        Some(version.unwrap_or("of unknown version").to_owned())
    }
}
