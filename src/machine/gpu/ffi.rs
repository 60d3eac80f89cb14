//! NVML calls that its safe wrapper does not have: a vGPU's licence; on its host, the scheduler's time slice, the numbers
//! of the vGPUs, and how much each uses the board.
#![allow(
    unsafe_code,
    reason = "nvml-wrapper has no safe call for these; this file has only the calls"
)]

use std::{mem::MaybeUninit, ptr};

use nvml_wrapper::{
    Device, Nvml,
    error::{NvmlError, nvml_sym, nvml_try, nvml_try_count},
};
use nvml_wrapper_sys::bindings::{
    NVML_VGPU_SCHEDULER_ARR_ENABLE, nvmlGridLicensableFeatures_t,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT as UNSIGNED_INT, nvmlValueType_t, nvmlVgpuInstance_t,
    nvmlVgpuInstanceUtilizationSample_t, nvmlVgpuSchedulerGetState_t,
};

/// More vGPUs, or samples of them, than any board has.
const MOST: u32 = 1 << 16;

/// A number of things that the driver announces, before there is space for them.
fn counted(count: u32) -> Result<usize, NvmlError> {
    if count > MOST {
        return Err(NvmlError::InsufficientSize(Some(count as usize)));
    }
    Ok(count as usize)
}

/// The features of `device` that can be licensed, and whether they are.
pub(super) fn licensable_features(
    nvml: &Nvml,
    device: &Device<'_>,
) -> Result<nvmlGridLicensableFeatures_t, NvmlError> {
    let function = nvml_sym(nvml.lib().nvmlDeviceGetGridLicensableFeatures_v4.as_ref())?;
    let mut features = MaybeUninit::<nvmlGridLicensableFeatures_t>::zeroed();
    // SAFETY: the symbol has this signature in every NVML that has it; the handle is of this very library and lives as
    // long as `device`; all fields are integers, so that zeroes are a valid value where nothing is written.
    unsafe {
        nvml_try(function(device.handle(), features.as_mut_ptr()))?;
        Ok(features.assume_init())
    }
}

/// A board's scheduler, in NVML's numbers.
pub(super) struct SchedulerState {
    /// One of `NVML_VGPU_SCHEDULER_POLICY_*`.
    pub(super) policy: u32,
    /// One of `NVML_VGPU_SCHEDULER_ARR_*`.
    pub(super) arr_mode: u32,
    /// Length of a time slice, nanoseconds.
    pub(super) timeslice_ns: u32,
}

/// The scheduler of `device`. The wrapper has this call too, but leaves out the time slice.
pub(super) fn scheduler(nvml: &Nvml, device: &Device<'_>) -> Result<SchedulerState, NvmlError> {
    let function = nvml_sym(nvml.lib().nvmlDeviceGetVgpuSchedulerState.as_ref())?;
    let mut state = MaybeUninit::<nvmlVgpuSchedulerGetState_t>::zeroed();
    // SAFETY: as above; all members of the union are integers, and the mode shows which of them was written.
    unsafe {
        nvml_try(function(device.handle(), state.as_mut_ptr()))?;
        let state = state.assume_init();
        let timeslice_ns = if state.arrMode == NVML_VGPU_SCHEDULER_ARR_ENABLE {
            state.schedulerParams.vgpuSchedDataWithARR.timeslice
        } else {
            state.schedulerParams.vgpuSchedData.timeslice
        };
        Ok(SchedulerState {
            policy: state.schedulerPolicy,
            arr_mode: state.arrMode,
            timeslice_ns,
        })
    }
}

/// The numbers of the vGPUs of `device`.
pub(super) fn active_vgpus(nvml: &Nvml, device: &Device<'_>) -> Result<Vec<nvmlVgpuInstance_t>, NvmlError> {
    let function = nvml_sym(nvml.lib().nvmlDeviceGetActiveVgpus.as_ref())?;
    let mut count = 0;
    // SAFETY: the symbol has this signature; with no space for answers it only counts.
    unsafe { nvml_try_count(function(device.handle(), &raw mut count, ptr::null_mut()))? };
    let mut list = vec![0; counted(count)?];
    if count > 0 {
        // SAFETY: there is space for as many numbers as are announced.
        unsafe { nvml_try(function(device.handle(), &raw mut count, list.as_mut_ptr()))? };
        list.truncate(count as usize);
    }
    Ok(list)
}

/// How much a vGPU used its board.
pub(super) struct VgpuUse {
    /// The vGPU's number.
    pub(super) instance: u32,
    /// When, by the driver's clock, microseconds.
    pub(super) micros: u64,
    /// Share of the time in which its work ran, percent.
    pub(super) sm_percent: u32,
}

/// How much each vGPU used `device`, in samples younger than `since` microseconds of the driver's clock.
pub(super) fn vgpu_utilization(
    nvml: &Nvml,
    device: &Device<'_>,
    since: u64,
) -> Result<Vec<VgpuUse>, NvmlError> {
    let function = nvml_sym(nvml.lib().nvmlDeviceGetVgpuUtilization.as_ref())?;
    let (mut kind, mut count): (nvmlValueType_t, u32) = (UNSIGNED_INT, 0);
    let mut ask = |count: &mut u32, place: *mut nvmlVgpuInstanceUtilizationSample_t| {
        // SAFETY: the symbol has this signature; `place` has space for `count` samples, or is null, and NVML only counts.
        unsafe { function(device.handle(), since, &raw mut kind, count, place) }
    };
    nvml_try_count(ask(&mut count, ptr::null_mut()))?;
    // SAFETY: a sample is integers and a union of numbers, for which zeroes are a valid value.
    let nothing: nvmlVgpuInstanceUtilizationSample_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut samples = vec![nothing; counted(count)?];
    match nvml_try(ask(&mut count, samples.as_mut_ptr())) {
        // There is no younger sample.
        Err(NvmlError::NotFound) => return Ok(Vec::new()),
        other => other?,
    }
    if kind != UNSIGNED_INT {
        return Err(NvmlError::UnexpectedVariant(kind));
    }
    samples.truncate(count as usize);
    let used = samples.iter().map(|sample| VgpuUse {
        instance: sample.vgpuInstance,
        micros: sample.timeStamp,
        // SAFETY: NVML has announced that it writes unsigned integers.
        sm_percent: unsafe { sample.smUtil.uiVal },
    });
    Ok(used.collect())
}
