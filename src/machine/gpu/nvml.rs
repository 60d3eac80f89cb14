//! The handle on NVML: opened once, shared by all callers, devices found by UUID.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use nvml_wrapper::{Device, error::NvmlError};

use super::super::Reading;
use super::{GpuCounters, NvmlFault, counters, describe, fault, license, monitor};
use crate::record::{BoardSample, Gpu, HostBoard};

const NAME: &str = "libnvidia-ml.so.1";

/// Where drivers put the library when it is not on the loader's path: distributions, WSL, containers of the older NVIDIA
/// runtime and of GKE, GKE's nodes, the GPU operator's driver container, Flatcar, `NixOS`.
const PLACES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/opt/nvidia/current/lib64",
    "/opt/nvidia/current/usr/lib64",
    "/run/opengl-driver/lib",
];

/// More than any machine has: each is asked for.
const MOST_BOARDS: u32 = 1024;

/// NVML, loaded and started. Clones share it.
#[derive(Debug, Clone)]
pub struct Nvml {
    library: Arc<nvml_wrapper::Nvml>,
}

impl Nvml {
    /// Opens the library at `library`, or else the first that starts of those that the loader finds or that lie
    /// where drivers usually put it.
    pub fn open(library: Option<&Path>) -> Result<Self, NvmlFault> {
        if let Some(path) = library {
            return Self::start(path).map_err(|error| NvmlFault::new(path.to_owned(), &error));
        }
        let known = PLACES.iter().map(|folder| Path::new(folder).join(NAME));
        let mut first = None;
        for path in std::iter::once(PathBuf::from(NAME)).chain(known.filter(|path| path.exists())) {
            match Self::start(&path) {
                Ok(nvml) => return Ok(nvml),
                Err(error) if absent(&path, &error) => {}
                Err(error) => first = first.or(Some(NvmlFault::new(path, &error))),
            }
        }
        Err(first.unwrap_or(NvmlFault::NotFound))
    }

    fn start(path: &Path) -> Result<Self, NvmlError> {
        let library = nvml_wrapper::Nvml::builder().lib_path(path.as_os_str()).init()?;
        Ok(Self {
            library: Arc::new(library),
        })
    }

    /// Every device that the driver shows, each MIG device after its board. A board about which the driver
    /// reports nothing stands there with the reasons.
    pub fn gpus(&self) -> Reading<Vec<Gpu>> {
        let count = self.count()?;
        Ok((0..count)
            .flat_map(|index| describe::board_and_parts(&self.library, index))
            .collect())
    }

    /// How many boards the driver shows.
    fn count(&self) -> Reading<u32> {
        let count = self
            .library
            .device_count()
            .map_err(|error| fault::reason(&error))?;
        if count > MOST_BOARDS {
            return Err(format!("the driver counts {count} GPUs, which no machine has"));
        }
        Ok(count)
    }

    /// Whether the vGPU `uuid` (or the vGPU that the MIG device `uuid` is a part of) is licensed to compute.
    pub fn licensed(&self, uuid: &str) -> Reading<bool> {
        let (device, board) = self.device(uuid)?;
        license::licensed(&self.library, board.as_ref().unwrap_or(&device))
    }

    /// The counters of the board, vGPU or MIG device `uuid`; with the device memory of process `pid`, where one is
    /// given.
    pub fn counters(&self, uuid: &str, pid: Option<u32>) -> Reading<GpuCounters> {
        let (device, board) = self.device(uuid)?;
        Ok(counters::read(&device, board.as_ref(), pid))
    }

    /// Every board, as its hypervisor sees it.
    pub fn host_boards(&self) -> Reading<Vec<HostBoard>> {
        let count = self.count()?;
        Ok((0..count)
            .map(|index| monitor::board(&self.library, index))
            .collect())
    }

    /// The boards at this moment; `since` has a place for each, 0 before the first sample, and is brought up to date.
    pub fn board_samples(&self, since: &mut [u64]) -> Vec<BoardSample> {
        let boards = since.iter_mut().zip(0..);
        boards
            .map(|(since, index)| monitor::sample(&self.library, index, since))
            .collect()
    }

    /// Reads each vGPU's licence again, as the one after the last block.
    pub fn close_licenses(&self, gpus: &mut [Gpu]) {
        for gpu in gpus {
            let (Some(license), Some(uuid)) = (&mut gpu.license, &gpu.uuid) else {
                continue;
            };
            match self.licensed(uuid) {
                Ok(held) => license.after = Some(held),
                Err(reason) => {
                    license.after = None;
                    gpu.unavailable.insert("license.after".to_owned(), reason);
                }
            }
        }
    }

    /// The device `uuid`, and its board where it is a MIG device.
    fn device(&self, uuid: &str) -> Reading<(Device<'_>, Option<Device<'_>>)> {
        let failed = |error: NvmlError| format!("{uuid}: {}", fault::reason(&error));
        let device = self.library.device_by_uuid(uuid).map_err(failed)?;
        let board = if device.mig_is_mig_device_handle().unwrap_or(false) {
            Some(device.mig_parent_device().map_err(failed)?)
        } else {
            None
        };
        Ok((device, board))
    }
}

/// Whether the loader only reports that it knows no such library.
fn absent(path: &Path, error: &NvmlError) -> bool {
    let NvmlError::LibloadingError(error) = error else {
        return false;
    };
    path == Path::new(NAME)
        && error
            .to_string()
            .starts_with("libnvidia-ml.so.1: cannot open shared object file")
}
