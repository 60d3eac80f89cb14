//! A board as its hypervisor sees it: its scheduler, its vGPUs, its clocks and its power. A guest sees none of them.

use super::super::{Gaps, Reading};
use super::{counters, describe::plain, fault::reason, ffi};
use crate::record::{BoardSample, HostBoard, Scheduler, SchedulerPolicy, VgpuSample};
use nvml_wrapper::{
    Device, Nvml,
    enum_wrappers::{device::Clock, vgpu::VmId},
    error::NvmlError,
    vgpu::{VgpuInstance, VgpuType},
};
use nvml_wrapper_sys::bindings as nvml;

/// The board with that index.
pub(super) fn board(library: &Nvml, index: u32) -> HostBoard {
    let mut gaps = Gaps::default();
    let device = match library.device_by_index(index) {
        Ok(device) => device,
        Err(error) => return lost(index, &reason(&error)),
    };
    let found = super::describe::board_and_parts(library, index);
    let whole = found.first();
    for field in ["uuid", "pci", "driver", "mode"] {
        if let Some(why) = whole.and_then(|gpu| gpu.unavailable.get(field)) {
            gaps.0.insert(field.to_owned(), why.clone());
        }
    }
    HostBoard {
        uuid: whole.and_then(|gpu| gpu.uuid.clone()),
        name: whole.map_or_else(String::new, |gpu| gpu.name.clone()),
        pci: whole.and_then(|gpu| gpu.pci.clone()),
        driver: whole.and_then(|gpu| gpu.driver.clone()),
        mode: whole.and_then(|gpu| gpu.mode),
        scheduler: gaps.keep("scheduler", scheduler(library, &device)),
        vgpu_types: gaps.keep("vgpu_types", types(&device)),
        unavailable: gaps.0,
    }
}

fn lost(index: u32, why: &str) -> HostBoard {
    let fields = ["uuid", "pci", "driver", "mode", "scheduler", "vgpu_types"];
    HostBoard {
        uuid: None,
        name: format!("GPU {index} of the driver's list"),
        pci: None,
        driver: None,
        mode: None,
        scheduler: None,
        vgpu_types: None,
        unavailable: fields.map(|field| (field.to_owned(), why.to_owned())).into(),
    }
}

fn scheduler(library: &Nvml, device: &Device<'_>) -> Reading<Scheduler> {
    let state = ffi::scheduler(library, device).map_err(|error| reason(&error))?;
    let policy = match state.policy {
        nvml::NVML_VGPU_SCHEDULER_POLICY_BEST_EFFORT => SchedulerPolicy::BestEffort,
        nvml::NVML_VGPU_SCHEDULER_POLICY_EQUAL_SHARE => SchedulerPolicy::EqualShare,
        nvml::NVML_VGPU_SCHEDULER_POLICY_FIXED_SHARE => SchedulerPolicy::FixedShare,
        other => return Err(format!("NVML names a policy that is not known here: {other}")),
    };
    Ok(Scheduler {
        policy,
        adaptive: match state.arr_mode {
            nvml::NVML_VGPU_SCHEDULER_ARR_DISABLE => Some(false),
            nvml::NVML_VGPU_SCHEDULER_ARR_ENABLE => Some(true),
            _ => None,
        },
        timeslice_ns: Some(u64::from(state.timeslice_ns)).filter(|ns| *ns > 0),
        source: "NVML".to_owned(),
    })
}

fn types(device: &Device<'_>) -> Reading<Vec<String>> {
    let types = device.vgpu_supported_types().map_err(|error| reason(&error))?;
    let name = |kind: &VgpuType<'_>| {
        let name = kind.name().map_err(|error| reason(&error)).and_then(plain);
        name.unwrap_or_else(|_| format!("type {}", kind.id()))
    };
    Ok(types.iter().map(name).collect())
}

/// The board with that index at this moment. `since` is a time just before the last samples of the vGPUs' use, by the
/// driver's clock, and is brought up to date; 0 before the first sample.
pub(super) fn sample(library: &Nvml, index: u32, since: &mut u64) -> BoardSample {
    let mut gaps = Gaps::default();
    let device = match library.device_by_index(index) {
        Ok(device) => device,
        Err(error) => {
            let fields = [
                "uuid",
                "sm_clock_mhz",
                "memory_clock_mhz",
                "power_watts",
                "utilization",
            ];
            let fields = fields.into_iter().chain(["throttled_by", "vgpus"]);
            return BoardSample {
                unavailable: fields.map(|field| (field.to_owned(), reason(&error))).collect(),
                ..BoardSample::default()
            };
        }
    };
    let said = |error: NvmlError| reason(&error);
    let read = counters::read(&device, None, None);
    BoardSample {
        uuid: gaps.keep("uuid", device.uuid().map_err(said).and_then(plain)),
        sm_clock_mhz: gaps.keep("sm_clock_mhz", read.sm_clock_mhz),
        memory_clock_mhz: gaps.keep(
            "memory_clock_mhz",
            device.clock_info(Clock::Memory).map(f64::from).map_err(said),
        ),
        power_watts: gaps.keep(
            "power_watts",
            device
                .power_usage()
                .map(|milliwatts| f64::from(milliwatts) / 1e3)
                .map_err(said),
        ),
        utilization: gaps.keep(
            "utilization",
            device
                .utilization_rates()
                .map(|rates| f64::from(rates.gpu) / 100.0)
                .map_err(said),
        ),
        throttled_by: gaps.keep("throttled_by", read.throttled_by),
        vgpus: gaps.keep("vgpus", vgpus(library, &device, since)),
        unavailable: gaps.0,
    }
}

fn vgpus(library: &Nvml, device: &Device<'_>, since: &mut u64) -> Reading<Vec<VgpuSample>> {
    // Requested by number, so that the number can be kept: the wrapper's own list hides it.
    let ids = ffi::active_vgpus(library, device).map_err(|error| reason(&error))?;
    let used = match ids.len() {
        0 => Ok(Vec::new()),
        _ => ffi::vgpu_utilization(library, device, *since).map_err(|error| reason(&error)),
    };
    if let Ok(used) = &used {
        let latest = |id: &u32| {
            used.iter()
                .filter(|sample| sample.instance == *id)
                .map(|s| s.micros)
                .max()
        };
        // Samples are read from just before the last ones, so that a reading without new samples still has a value.
        *since = ids
            .iter()
            .filter_map(latest)
            .min()
            .map_or(*since, |micros| micros.saturating_sub(1));
    }
    Ok(ids
        .into_iter()
        .map(|id| vgpu(&VgpuInstance::new(id, device), id, &used))
        .collect())
}

fn vgpu(instance: &VgpuInstance<'_>, id: u32, used: &Reading<Vec<ffi::VgpuUse>>) -> VgpuSample {
    let mut gaps = Gaps::default();
    let said = |error: NvmlError| reason(&error);
    let latest = |samples: &Vec<ffi::VgpuUse>| {
        let own = samples.iter().filter(|sample| sample.instance == id);
        let latest = own.max_by_key(|sample| sample.micros);
        latest.map(|sample| f64::from(sample.sm_percent) / 100.0)
    };
    let utilization = match used {
        Ok(samples) => latest(samples).ok_or_else(|| "the driver has no new sample of it".to_owned()),
        Err(why) => Err(why.clone()),
    };
    VgpuSample {
        id,
        uuid: gaps.keep("uuid", instance.uuid().map_err(said).and_then(plain)),
        vm: gaps.keep(
            "vm",
            instance
                .vm_id()
                .map(|vm| match vm {
                    VmId::Domain(id) | VmId::Uuid(id) => id,
                })
                .map_err(said)
                .and_then(plain),
        ),
        vgpu_type: gaps.keep(
            "vgpu_type",
            instance
                .instance_type()
                .and_then(|kind| kind.name())
                .map_err(said)
                .and_then(plain),
        ),
        memory_used_bytes: gaps.keep("memory_used_bytes", instance.fb_usage().map_err(said)),
        utilization: gaps.keep("utilization", utilization),
        licensed: gaps.keep(
            "licensed",
            instance
                .license_info_v2()
                .map(|info| info.is_licensed)
                .map_err(said),
        ),
        unavailable: gaps.0,
    }
}
