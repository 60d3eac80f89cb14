//! Whether a vGPU holds the licence that computing on it needs.

use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlGridLicensableFeature_t,
    nvmlGridLicenseFeatureCode_t_NVML_GRID_LICENSE_FEATURE_CODE_COMPUTE as COMPUTE,
    nvmlGridLicenseFeatureCode_t_NVML_GRID_LICENSE_FEATURE_CODE_NVIDIA_RTX as WORKSTATION,
};

use super::super::Reading;
use super::{fault, ffi::licensable_features};

/// Whether a feature with which CUDA runs at full speed (vGPU for compute, virtual workstation) is enabled and licensed.
/// A licence for desktops alone does not count.
///
/// NVML's `featureEnabled` means that the device is used as such, `featureState` that it is licensed.
pub(super) fn licensed(nvml: &Nvml, device: &Device<'_>) -> Reading<bool> {
    let answer = licensable_features(nvml, device).map_err(|error| fault::reason(&error))?;
    if answer.isGridLicenseSupported == 0 {
        return Err("the driver lists no licences for this device".to_owned());
    }
    let features = &answer.gridLicensableFeatures[..(answer.licensableFeaturesCount as usize).min(3)];
    Ok(features.iter().any(allows_compute))
}

fn allows_compute(feature: &nvmlGridLicensableFeature_t) -> bool {
    matches!(feature.featureCode, COMPUTE | WORKSTATION)
        && feature.featureEnabled != 0
        && feature.featureState != 0
}
