//! One board of the driver's list, and its MIG devices, as they stand in records.

use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{Clock, GpuVirtualizationMode, TemperatureSensor},
    enums::device::UsedGpuMemory,
    error::NvmlError,
    struct_wrappers::device::{PciInfo, ProcessInfo},
};

use super::super::{Gaps, Reading};
use super::{counters, fault, license};
use crate::{
    record::{CoTenant, Gpu, GpuMode, License, VgpuProfile, mig_profile, mig_profile_of},
    text::{is_visible, visible},
};

/// Values that only the driver knows; where it does not answer, all are missing for the same reason.
pub(super) const BY_DRIVER: &[&str] = &[
    "uuid",
    "index",
    "driver",
    "cuda_driver",
    "compute_capability",
    "memory_bytes",
    "mode",
    "mig_enabled",
    "sm_clock_mhz",
    "sm_clock_max_mhz",
    "power_watts",
    "power_limit_watts",
    "temperature_celsius",
    "ecc",
    "persistence",
    "co_tenants",
];

/// More MIG devices than a board can have: seven, as of today.
const MOST_PARTS: u32 = 64;

/// The board with that index, and its MIG devices.
pub(super) fn board_and_parts(nvml: &Nvml, index: u32) -> Vec<Gpu> {
    let board = match nvml.device_by_index(index) {
        Ok(board) => board,
        Err(error) => return vec![lost(index, &fault::reason(&error))],
    };
    let mode = board.virtualization_mode();
    let whole = describe(nvml, &board, None, index, &mode);
    let parts = if whole.mig_enabled == Some(true) {
        board.mig_device_count().unwrap_or(0).min(MOST_PARTS)
    } else {
        0
    };
    // NVML counts the possible devices: numbers without a device are skipped.
    let parts: Vec<Gpu> = (0..parts)
        .filter_map(|index| Some((index, board.mig_device_by_index(index).ok()?)))
        .map(|(index, part)| describe(nvml, &part, Some((&board, &whole)), index, &mode))
        .collect();
    std::iter::once(whole).chain(parts).collect()
}

/// A text of the driver as it may be shown and kept: a damaged answer moves no cursor.
pub(super) fn plain(text: String) -> Reading<String> {
    if is_visible(&text) {
        Ok(text)
    } else {
        Err(format!("the driver answers `{}`", visible(&text)))
    }
}

/// A board that the driver counts, but does not describe.
fn lost(index: u32, reason: &str) -> Gpu {
    let mut gpu = Gpu {
        name: format!("GPU {index} of the driver's list"),
        index: Some(index),
        ..Gpu::default()
    };
    for field in BY_DRIVER
        .iter()
        .filter(|field| **field != "index")
        .chain(&["pci"])
    {
        gpu.because(field, reason);
    }
    gpu
}

/// `board` is given for a MIG device; `mode` is the board's.
fn describe(
    nvml: &Nvml,
    device: &Device<'_>,
    board: Option<(&Device<'_>, &Gpu)>,
    index: u32,
    mode: &Result<GpuVirtualizationMode, NvmlError>,
) -> Gpu {
    let whole = board.map_or(device, |(board, _)| board);
    let guest = matches!(mode, Ok(GpuVirtualizationMode::Vgpu));
    let failed = |error: NvmlError| match error {
        NvmlError::NotSupported if guest => "a vGPU's guest cannot read this".to_owned(),
        other => fault::reason(&other),
    };
    let mut gaps = Gaps::default();
    let name = device.name().map_err(failed).and_then(plain);
    let name = name.unwrap_or_else(|_| "NVIDIA GPU".to_owned());
    let vgpu = VgpuProfile::of(board.map_or(name.as_str(), |(_, board)| &board.name));
    let memory = device.memory_info().map(|memory| memory.total);
    let memory_bytes = gaps.keep("memory_bytes", memory.map_err(failed));
    let (mode, mode_source) = gaps
        .keep("mode", given(mode, vgpu.as_ref(), board.is_some()))
        .map_or((None, None), |(mode, source)| (Some(mode), Some(source)));
    let profile = match board {
        Some((_, board)) => gaps.keep("profile", part_profile(device, &name, board.memory_bytes, failed)),
        None if mode.is_some_and(GpuMode::is_vgpu) => gaps.keep(
            "profile",
            vgpu.map(|profile| profile.name)
                .ok_or_else(|| format!("the name `{name}` has no profile in it")),
        ),
        None => None,
    };
    let license = mode.filter(|mode| mode.is_vgpu()).map(|_| License {
        before: gaps.keep("license.before", license::licensed(nvml, whole)),
        after: None,
    });
    // A MIG device shares its board's power supply.
    let watts = |power: Result<u32, NvmlError>| match board {
        None => power
            .map(|milliwatts| f64::from(milliwatts) / 1e3)
            .map_err(failed),
        Some(_) => Err("only the whole board's power can be read".to_owned()),
    };
    Gpu {
        uuid: gaps.keep("uuid", device.uuid().map_err(failed).and_then(plain)),
        index: Some(index),
        parent: board.and_then(|(_, board)| board.uuid.clone()),
        pci: gaps.keep("pci", whole.pci_info().map(|info| address(&info)).map_err(failed)),
        driver: gaps.keep(
            "driver",
            nvml.sys_driver_version().map_err(failed).and_then(plain),
        ),
        cuda_driver: gaps.keep(
            "cuda_driver",
            nvml.sys_cuda_driver_version().map(cuda).map_err(failed),
        ),
        compute_capability: gaps.keep(
            "compute_capability",
            whole
                .cuda_compute_capability()
                .map(|version| format!("{}.{}", version.major, version.minor))
                .map_err(failed),
        ),
        memory_bytes,
        mode,
        mode_source,
        profile,
        mig_enabled: match board {
            None => gaps.keep(
                "mig_enabled",
                device.mig_mode().map(|mode| mode.current == 1).map_err(failed),
            ),
            Some(_) => Some(true),
        },
        license,
        sm_clock_mhz: gaps.keep("sm_clock_mhz", whole.clock_info(Clock::SM).map_err(failed)),
        sm_clock_max_mhz: gaps.keep(
            "sm_clock_max_mhz",
            whole.max_clock_info(Clock::SM).map_err(failed),
        ),
        power_watts: gaps.keep("power_watts", watts(device.power_usage())),
        power_limit_watts: gaps.keep("power_limit_watts", watts(device.enforced_power_limit())),
        temperature_celsius: gaps.keep(
            "temperature_celsius",
            whole.temperature(TemperatureSensor::Gpu).map_err(failed),
        ),
        ecc: gaps.keep(
            "ecc",
            whole
                .is_ecc_enabled()
                .map(|state| state.currently_enabled)
                .map_err(failed),
        ),
        persistence: gaps.keep("persistence", whole.is_in_persistent_mode().map_err(failed)),
        co_tenants: gaps.keep("co_tenants", co_tenants(device).map_err(failed)),
        name,
        unavailable: gaps.0,
        // The caller adds what the file system shows.
        numa_node: None,
        host_driver: None,
        mps: None,
    }
}

/// How the device is given to this machine, and where that was read.
fn given(
    mode: &Result<GpuVirtualizationMode, NvmlError>,
    vgpu: Option<&VgpuProfile>,
    part: bool,
) -> Reading<(GpuMode, String)> {
    let share = match vgpu {
        Some(profile) if profile.slices.is_some() => GpuMode::MigVgpu,
        _ => GpuMode::Vgpu,
    };
    let by_nvml = |mode: &str| format!("NVML's virtualization mode: {mode}");
    if part {
        let guest = matches!(mode, Ok(GpuVirtualizationMode::Vgpu));
        let mode = if guest { GpuMode::MigVgpu } else { GpuMode::Mig };
        return Ok((mode, "NVML's list of MIG devices".to_owned()));
    }
    match (mode, vgpu) {
        (Ok(GpuVirtualizationMode::Bare), _) => Ok((GpuMode::Physical, by_nvml("none"))),
        (Ok(GpuVirtualizationMode::PassThrough), _) => Ok((GpuMode::Passthrough, by_nvml("passthrough"))),
        (Ok(GpuVirtualizationMode::Vgpu), _) => Ok((share, by_nvml("vGPU"))),
        (Ok(GpuVirtualizationMode::HostVgpu | GpuVirtualizationMode::HostVsga), _) => {
            Ok((GpuMode::VgpuHost, by_nvml("host")))
        }
        (Err(_), Some(_)) => Ok((share, "the vGPU's name".to_owned())),
        (Err(error), None) => Err(fault::reason(error)),
    }
}

/// A MIG device's profile, by its name or else by its attributes.
fn part_profile(
    part: &Device<'_>,
    name: &str,
    board_bytes: Option<u64>,
    failed: impl Fn(NvmlError) -> String,
) -> Reading<String> {
    if let Some(profile) = mig_profile(name) {
        return Ok(profile.to_owned());
    }
    let attributes = part.attributes().map_err(failed)?;
    let board_bytes = board_bytes.ok_or("its board's memory is not known")?;
    mig_profile_of(
        attributes.gpu_instance_slice_count,
        attributes.compute_instance_slice_count,
        attributes.memory_size_mb,
        board_bytes,
    )
    .ok_or_else(|| "its attributes are all 0".to_owned())
}

/// The bus address in the kernel's spelling; NVML writes the domain with eight digits.
fn address(info: &PciInfo) -> String {
    format!("{:04x}:{:02x}:{:02x}.0", info.domain, info.bus, info.device)
}

fn cuda(version: i32) -> String {
    format!(
        "{}.{}",
        cuda_driver_version_major(version),
        cuda_driver_version_minor(version)
    )
}

/// Other processes that compute on the device, directly or through MPS.
fn co_tenants(device: &Device<'_>) -> Result<Vec<CoTenant>, NvmlError> {
    let mut processes = counters::processes(device)?;
    // An old driver knows no MPS list.
    processes.extend(device.mps_running_compute_processes().unwrap_or_default());
    let mut others: Vec<CoTenant> = processes
        .into_iter()
        .filter(|process| process.pid != std::process::id())
        .map(
            |ProcessInfo {
                 pid, used_gpu_memory, ..
             }| CoTenant {
                pid,
                memory_bytes: match used_gpu_memory {
                    UsedGpuMemory::Used(bytes) => Some(bytes),
                    UsedGpuMemory::Unavailable => None,
                },
            },
        )
        .collect();
    others.sort_by_key(|tenant| tenant.pid);
    others.dedup_by_key(|tenant| tenant.pid);
    Ok(others)
}
