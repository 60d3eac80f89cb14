//! What a GPU counts while something is measured on it: clock, slow-downs, temperature, energy, memory.

use nvml_wrapper::{
    Device,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, TemperatureSensor},
    enums::device::UsedGpuMemory,
    error::NvmlError,
    struct_wrappers::device::ProcessInfo,
};

use super::super::Reading;
use super::fault::reason;
use crate::record::Throttle;

/// A GPU at one moment. What cannot be read carries the reason; a vGPU's guest can read little of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuCounters {
    /// Clock of the streaming multiprocessors, MHz; of the whole board for a MIG device.
    pub sm_clock_mhz: Reading<f64>,
    /// What lowers the clock at this moment; empty where nothing does.
    pub throttled_by: Reading<Vec<Throttle>>,
    /// Joules used since the driver was loaded. Not known for a MIG device: the board counts all of them together.
    pub joules: Reading<f64>,
    /// Device memory in use by all processes, bytes.
    pub memory_used_bytes: Reading<u64>,
    /// Device memory in use by the process in question, bytes.
    pub process_memory_bytes: Reading<u64>,
    /// Temperature of the chip, degrees Celsius; of the whole board for a MIG device.
    pub temperature_celsius: Reading<f64>,
}

/// The driver's reasons that are kept.
const REASONS: &[(ThrottleReasons, Throttle)] = &[
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, Throttle::Thermal),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, Throttle::HardwareThermal),
    (ThrottleReasons::SW_POWER_CAP, Throttle::PowerCap),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, Throttle::PowerBrake),
    (ThrottleReasons::HW_SLOWDOWN, Throttle::Hardware),
];

/// The counters of `device`, which belongs to `board` where it is a MIG device; `pid` as the driver counts processes.
pub(super) fn read(device: &Device<'_>, board: Option<&Device<'_>>, pid: Option<u32>) -> GpuCounters {
    let whole = board.unwrap_or(device);
    let failed = |error: NvmlError| reason(&error);
    GpuCounters {
        sm_clock_mhz: whole.clock_info(Clock::SM).map(f64::from).map_err(failed),
        throttled_by: whole.current_throttle_reasons().map(kept).map_err(failed),
        joules: match board {
            None => device
                .total_energy_consumption()
                .map(|millijoules| millijoules as f64 / 1e3)
                .map_err(failed),
            Some(_) => Err("a MIG device has no energy counter of its own".to_owned()),
        },
        memory_used_bytes: device.memory_info().map(|memory| memory.used).map_err(failed),
        process_memory_bytes: pid
            .ok_or_else(|| "no process was given".to_owned())
            .and_then(|pid| process_memory(device, pid)),
        temperature_celsius: whole
            .temperature(TemperatureSensor::Gpu)
            .map(f64::from)
            .map_err(failed),
    }
}

/// More processes than run on any device: the wrapper makes space for as many as the driver announces.
const MOST_PROCESSES: u32 = 1 << 16;

/// The processes that compute on `device`.
pub(super) fn processes(device: &Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError> {
    match device.running_compute_processes_count()? {
        0 => Ok(Vec::new()),
        count if count > MOST_PROCESSES => Err(NvmlError::InsufficientSize(Some(count as usize))),
        _ => device.running_compute_processes(),
    }
}

fn kept(reasons: ThrottleReasons) -> Vec<Throttle> {
    REASONS
        .iter()
        .filter(|(reason, _)| reasons.contains(*reason))
        .map(|(_, kept)| *kept)
        .collect()
}

/// Memory of one process. Inside a container it may be known by another pid, or be unknown.
fn process_memory(device: &Device<'_>, pid: u32) -> Reading<u64> {
    let processes = processes(device).map_err(|error| reason(&error))?;
    let found = processes
        .iter()
        .find(|process| process.pid == pid)
        .ok_or_else(|| {
            format!("the driver lists no process {pid}; in a container the process may have another number for the driver")
        })?;
    match found.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Ok(bytes),
        UsedGpuMemory::Unavailable => Err(format!("the driver does not report the memory of process {pid}")),
    }
}
