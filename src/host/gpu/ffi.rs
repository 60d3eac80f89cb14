//! The one question of NVML that its safe wrapper does not ask: a vGPU's licence.
#![allow(
    unsafe_code,
    reason = "nvml-wrapper has no safe call for licensable features; this file is the call and nothing else"
)]

use std::mem::MaybeUninit;

use nvml_wrapper::{
    Device, Nvml,
    error::{NvmlError, nvml_sym, nvml_try},
};
use nvml_wrapper_sys::bindings::nvmlGridLicensableFeatures_t;

/// What of `device` can be licensed, and whether it is.
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
