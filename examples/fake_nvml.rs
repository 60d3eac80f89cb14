//! A stand-in for NVIDIA's libnvidia-ml.so.1, so that all code that uses NVML can be tested without a GPU.
//!
//! It answers from the JSON file that the environment variable `FAKE_NVML` names, which is read at every call and may be
//! changed between calls. A key is the name of a C function, its value the answer: at the top for functions of the
//! system, in `devices` (a list) for those of a device, in a device's `mig` (a list) for those of its MIG devices, and in its
//! `vgpus` (a list) for those of the vGPUs that it hands out. `vgpu_types` at the top names types by their numbers.
//!
//! - What the file leaves out answers `NVML_ERROR_NOT_SUPPORTED`, as a real driver does.
//! - A text that begins with `NVML_ERROR_` is that error.
//! - `{"calls": [a, b]}` answers `a` at the first call of the process, then `b` at every further call.
//!
//! ```json
//! {"nvmlSystemGetDriverVersion": "580.95.05",
//!  "devices": [{"nvmlDeviceGetUUID": "GPU-1", "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
//!               "nvmlDeviceGetClockInfo": 1980, "nvmlDeviceGetPowerUsage": "NVML_ERROR_GPU_IS_LOST"}]}
//! ```
#![allow(
    unsafe_code,
    reason = "a C library's functions write where their caller points"
)]
#![allow(
    non_snake_case,
    missing_docs,
    reason = "the names and their meanings are NVML's"
)]

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int, c_uint, c_ulonglong},
    sync::{Mutex, PoisonError},
};

use nvml_wrapper_sys::bindings as nvml;
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};
use serde_json::Value;

type Answer<T> = Result<T, nvmlReturn_t>;

const NOT_SUPPORTED: nvmlReturn_t = nvml::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
const INVALID_ARGUMENT: nvmlReturn_t = nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
const NOT_FOUND: nvmlReturn_t = nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND;
const INSUFFICIENT_SIZE: nvmlReturn_t = nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;
const UNKNOWN: nvmlReturn_t = nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN;

const ERRORS: &[(&str, nvmlReturn_t)] = &[
    ("NVML_ERROR_NOT_SUPPORTED", NOT_SUPPORTED),
    (
        "NVML_ERROR_NO_PERMISSION",
        nvml::nvmlReturn_enum_NVML_ERROR_NO_PERMISSION,
    ),
    (
        "NVML_ERROR_DRIVER_NOT_LOADED",
        nvml::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED,
    ),
    (
        "NVML_ERROR_FUNCTION_NOT_FOUND",
        nvml::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND,
    ),
    (
        "NVML_ERROR_GPU_IS_LOST",
        nvml::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST,
    ),
    (
        "NVML_ERROR_LIB_RM_VERSION_MISMATCH",
        nvml::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    ),
    ("NVML_ERROR_NOT_FOUND", NOT_FOUND),
];

/// The object of a call: the system, a device by its place, one of its MIG devices, or one of its vGPUs. A handle is 1000 times the
/// first place and the second, both counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Object {
    System,
    Device(usize, Option<usize>),
    Vgpu(usize, usize),
}

impl Object {
    fn of(handle: nvmlDevice_t) -> Self {
        let number = handle as usize;
        Self::Device(number / 1000 - 1, (number % 1000).checked_sub(1))
    }

    fn of_vgpu(number: c_uint) -> Self {
        Self::Vgpu(number as usize / 1000 - 1, number as usize % 1000 - 1)
    }

    fn handle(device: usize, part: Option<usize>) -> nvmlDevice_t {
        ((device + 1) * 1000 + part.map_or(0, |part| part + 1)) as nvmlDevice_t
    }

    fn within(self, world: &Value) -> &Value {
        match self {
            Self::System => world,
            Self::Device(device, None) => &world["devices"][device],
            Self::Device(device, Some(part)) => &world["devices"][device]["mig"][part],
            Self::Vgpu(device, vgpu) => &world["devices"][device]["vgpus"][vgpu],
        }
    }
}

fn world() -> Answer<Value> {
    let path = std::env::var_os("FAKE_NVML").ok_or(UNKNOWN)?;
    let text = std::fs::read(path).map_err(|_| UNKNOWN)?;
    serde_json::from_slice(&text).map_err(|_| UNKNOWN)
}

/// The file's answer to one call.
fn answer_of(who: Object, function: &'static str) -> Answer<Value> {
    static CALLS: Mutex<Option<HashMap<(Object, &str), usize>>> = Mutex::new(None);
    let world = world()?;
    let mut answer = &who.within(&world)[function];
    if let Some(answers) = answer["calls"].as_array() {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        let call = calls.get_or_insert_default().entry((who, function)).or_default();
        answer = answers.get(*call).or(answers.last()).unwrap_or(&Value::Null);
        *call += 1;
    }
    if answer.is_null() {
        return Err(NOT_SUPPORTED);
    }
    let error = answer.as_str().filter(|text| text.starts_with("NVML_ERROR_"));
    match error {
        Some(name) => Err(ERRORS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(UNKNOWN, |(_, code)| *code)),
        None => Ok(answer.clone()),
    }
}

fn number(value: &Value) -> Answer<u64> {
    value.as_u64().ok_or(UNKNOWN)
}

/// The number at `key` of an answer, 0 where it is left out.
fn part(answer: &Value, key: &str) -> u64 {
    answer[key].as_u64().unwrap_or(0)
}

fn put<T>(place: *mut T, value: T) -> Answer<()> {
    if place.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: NVML's callers point to a value of the function's type that they own.
    unsafe { place.write(value) };
    Ok(())
}

fn get<T: Copy>(place: *const T) -> Answer<T> {
    if place.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: as for `put`, and the caller has written a value there.
    Ok(unsafe { place.read() })
}

fn text_at<'a>(place: *const c_char) -> Answer<&'a str> {
    // SAFETY: NVML's callers give a text that ends with a zero byte and outlives the call.
    unsafe { CStr::from_ptr(place) }
        .to_str()
        .map_err(|_| INVALID_ARGUMENT)
}

fn put_number(place: *mut c_uint, who: Object, function: &'static str) -> Answer<()> {
    put(place, number(&answer_of(who, function)?)? as c_uint)
}

/// Writes `text` and a zero byte into `length` bytes.
fn put_text(place: *mut c_char, length: usize, text: &str) -> Answer<()> {
    if text.len() >= length {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, byte) in text.bytes().chain([0]).enumerate() {
        put(place.wrapping_add(at), c_char::from_ne_bytes([byte]))?;
    }
    Ok(())
}

fn chars<const N: usize>(text: &str) -> [c_char; N] {
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = c_char::from_ne_bytes([byte]);
    }
    bytes
}

fn put_answered_text(place: *mut c_char, length: c_uint, who: Object, function: &'static str) -> Answer<()> {
    let answer = answer_of(who, function)?;
    put_text(place, length as usize, answer.as_str().ok_or(UNKNOWN)?)
}

fn put_processes(
    count: *mut c_uint,
    places: *mut nvml::nvmlProcessInfo_t,
    device: nvmlDevice_t,
    function: &'static str,
) -> Answer<()> {
    let answer = answer_of(Object::of(device), function)?;
    let processes = answer.as_array().ok_or(UNKNOWN)?;
    let capacity = get(count)? as usize;
    put(count, processes.len() as c_uint)?;
    if capacity < processes.len() {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, process) in processes.iter().enumerate() {
        let info = nvml::nvmlProcessInfo_t {
            pid: part(process, "pid") as c_uint,
            // All ones stands for a value that the driver does not report.
            usedGpuMemory: process["memory"].as_u64().unwrap_or(c_ulonglong::MAX),
            gpuInstanceId: c_uint::MAX,
            computeInstanceId: c_uint::MAX,
        };
        put(places.wrapping_add(at), info)?;
    }
    Ok(())
}

/// The numbers of a device's vGPUs; a device without the key cannot hand any out.
fn vgpu_numbers(device: nvmlDevice_t) -> Answer<Vec<c_uint>> {
    let Object::Device(at, None) = Object::of(device) else {
        return Err(INVALID_ARGUMENT);
    };
    let world = world()?;
    let vgpus = world["devices"][at]["vgpus"].as_array().ok_or(NOT_SUPPORTED)?;
    Ok((1..=vgpus.len())
        .map(|vgpu| ((at + 1) * 1000 + vgpu) as c_uint)
        .collect())
}

/// Writes numbers as NVML does: with too little space, only how many there are.
fn put_numbers(count: *mut c_uint, places: *mut c_uint, numbers: &[c_uint]) -> Answer<()> {
    let capacity = get(count)? as usize;
    put(count, numbers.len() as c_uint)?;
    if capacity < numbers.len() {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, number) in numbers.iter().enumerate() {
        put(places.wrapping_add(at), *number)?;
    }
    Ok(())
}

fn licensable(answer: &Value) -> nvml::nvmlGridLicensableFeatures_t {
    let none = Vec::new();
    let listed = answer["features"].as_array().unwrap_or(&none);
    let feature = |at: usize| {
        let feature = listed.get(at).unwrap_or(&Value::Null);
        nvml::nvmlGridLicensableFeature_t {
            featureCode: part(feature, "code") as c_uint,
            featureState: part(feature, "state") as c_uint,
            licenseInfo: [0; 128],
            productName: chars(feature["product"].as_str().unwrap_or_default()),
            featureEnabled: part(feature, "enabled") as c_uint,
            licenseExpiry: nvml::nvmlGridLicenseExpiry_t {
                year: 0,
                month: 0,
                day: 0,
                hour: 0,
                min: 0,
                sec: 0,
                status: part(feature, "expiry_status") as u8,
            },
        }
    };
    nvml::nvmlGridLicensableFeatures_t {
        isGridLicenseSupported: part(answer, "supported") as c_int,
        licensableFeaturesCount: listed.len() as c_uint,
        gridLicensableFeatures: [feature(0), feature(1), feature(2)],
    }
}

/// C functions whose bodies return `Err` with NVML's error codes.
macro_rules! exported {
    ($(fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $kind),*) -> nvmlReturn_t {
            let body = || -> Answer<()> { $body };
            body().err().unwrap_or(nvml::nvmlReturn_enum_NVML_SUCCESS)
        }
    )*};
}

/// Functions that give one number of a device.
macro_rules! exported_numbers {
    ($($name:ident)*) => {
        exported! {$(
            fn $name(device: nvmlDevice_t, place: *mut c_uint) {
                put_number(place, Object::of(device), stringify!($name))
            }
        )*}
    };
}

exported_numbers! {
    nvmlDeviceGetVirtualizationMode
    nvmlDeviceGetPersistenceMode
    nvmlDeviceGetPowerUsage
    nvmlDeviceGetEnforcedPowerLimit
}

exported! {
    fn nvmlInit_v2() {
        world()?;
        match answer_of(Object::System, "nvmlInit_v2") {
            Err(error) if error != NOT_SUPPORTED => Err(error),
            _ => Ok(()),
        }
    }

    fn nvmlShutdown() { Ok(()) }

    fn nvmlSystemGetDriverVersion(place: *mut c_char, length: c_uint) {
        put_answered_text(place, length, Object::System, "nvmlSystemGetDriverVersion")
    }

    fn nvmlSystemGetCudaDriverVersion_v2(place: *mut c_int) {
        let answer = answer_of(Object::System, "nvmlSystemGetCudaDriverVersion_v2")?;
        put(place, number(&answer)? as c_int)
    }

    fn nvmlDeviceGetCount_v2(place: *mut c_uint) {
        match answer_of(Object::System, "nvmlDeviceGetCount_v2") {
            Err(error) if error != NOT_SUPPORTED => Err(error),
            Ok(count) => put(place, number(&count)? as c_uint),
            Err(_) => put(place, world()?["devices"].as_array().map_or(0, Vec::len) as c_uint),
        }
    }

    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, place: *mut nvmlDevice_t) {
        let device = index as usize;
        let there = world()?["devices"].get(device).is_some();
        match answer_of(Object::Device(device, None), "nvmlDeviceGetHandleByIndex_v2") {
            _ if !there => Err(INVALID_ARGUMENT),
            Err(error) if error != NOT_SUPPORTED => Err(error),
            _ => put(place, Object::handle(device, None)),
        }
    }

    fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, place: *mut nvmlDevice_t) {
        let uuid = text_at(uuid)?;
        let world = world()?;
        let none = Vec::new();
        let list = |value: &Value| value.as_array().unwrap_or(&none).len();
        let mut all = (0..list(&world["devices"])).flat_map(|device| {
            let parts = list(&world["devices"][device]["mig"]);
            std::iter::once((device, None)).chain((0..parts).map(move |part| (device, Some(part))))
        });
        let found = all.find(|(device, part)| {
            Object::Device(*device, *part).within(&world)["nvmlDeviceGetUUID"] == uuid
        });
        let (device, part) = found.ok_or(NOT_FOUND)?;
        put(place, Object::handle(device, part))
    }

    fn nvmlDeviceGetName(device: nvmlDevice_t, place: *mut c_char, length: c_uint) {
        put_answered_text(place, length, Object::of(device), "nvmlDeviceGetName")
    }

    fn nvmlDeviceGetUUID(device: nvmlDevice_t, place: *mut c_char, length: c_uint) {
        put_answered_text(place, length, Object::of(device), "nvmlDeviceGetUUID")
    }

    fn nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, place: *mut nvml::nvmlMemory_v2_t) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetMemoryInfo_v2")?;
        let (total, used, reserved) = (part(&answer, "total"), part(&answer, "used"), part(&answer, "reserved"));
        let version = get(place)?.version;
        if version >> 24 != 2 {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
        }
        let free = total.saturating_sub(used + reserved);
        put(place, nvml::nvmlMemory_v2_t { version, total, reserved, free, used })
    }

    fn nvmlDeviceGetMigMode(device: nvmlDevice_t, current: *mut c_uint, pending: *mut c_uint) {
        let answer = number(&answer_of(Object::of(device), "nvmlDeviceGetMigMode")?)? as c_uint;
        put(current, answer)?;
        put(pending, answer)
    }

    fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, place: *mut c_uint) {
        put(place, Object::of(device).within(&world()?)["mig"].as_array().map_or(0, Vec::len) as c_uint)
    }

    fn nvmlDeviceGetMigDeviceHandleByIndex(device: nvmlDevice_t, index: c_uint, place: *mut nvmlDevice_t) {
        let Object::Device(at, None) = Object::of(device) else { return Err(INVALID_ARGUMENT) };
        let part = Object::Device(at, Some(index as usize));
        // A place without an instance is null in the file.
        if part.within(&world()?).is_null() { Err(NOT_FOUND) } else { put(place, Object::handle(at, Some(index as usize))) }
    }

    fn nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, place: *mut c_uint) {
        put(place, c_uint::from(matches!(Object::of(device), Object::Device(_, Some(_)))))
    }

    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part: nvmlDevice_t, place: *mut nvmlDevice_t) {
        match Object::of(part) {
            Object::Device(device, Some(_)) => put(place, Object::handle(device, None)),
            _ => Err(INVALID_ARGUMENT),
        }
    }

    fn nvmlDeviceGetAttributes_v2(device: nvmlDevice_t, place: *mut nvml::nvmlDeviceAttributes_t) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetAttributes_v2")?;
        put(place, nvml::nvmlDeviceAttributes_t {
            multiprocessorCount: part(&answer, "multiprocessors") as c_uint,
            sharedCopyEngineCount: 0,
            sharedDecoderCount: 0,
            sharedEncoderCount: 0,
            sharedJpegCount: 0,
            sharedOfaCount: 0,
            gpuInstanceSliceCount: part(&answer, "slices") as c_uint,
            computeInstanceSliceCount: part(&answer, "compute_slices") as c_uint,
            memorySizeMB: part(&answer, "memory_mib"),
        })
    }

    fn nvmlDeviceGetGridLicensableFeatures_v4(device: nvmlDevice_t, place: *mut nvml::nvmlGridLicensableFeatures_t) {
        put(place, licensable(&answer_of(Object::of(device), "nvmlDeviceGetGridLicensableFeatures_v4")?))
    }

    fn nvmlDeviceGetClockInfo(device: nvmlDevice_t, kind: c_uint, place: *mut c_uint) {
        match kind {
            nvml::nvmlClockType_enum_NVML_CLOCK_SM => put_number(place, Object::of(device), "nvmlDeviceGetClockInfo"),
            nvml::nvmlClockType_enum_NVML_CLOCK_MEM => put_number(place, Object::of(device), "nvmlDeviceGetClockInfo:memory"),
            _ => Err(NOT_SUPPORTED),
        }
    }

    fn nvmlDeviceGetMaxClockInfo(device: nvmlDevice_t, kind: c_uint, place: *mut c_uint) {
        if kind != nvml::nvmlClockType_enum_NVML_CLOCK_SM { return Err(NOT_SUPPORTED) }
        put_number(place, Object::of(device), "nvmlDeviceGetMaxClockInfo")
    }

    fn nvmlDeviceGetTemperature(device: nvmlDevice_t, _sensor: c_uint, place: *mut c_uint) {
        put_number(place, Object::of(device), "nvmlDeviceGetTemperature")
    }

    fn nvmlDeviceGetTotalEnergyConsumption(device: nvmlDevice_t, place: *mut c_ulonglong) {
        put(place, number(&answer_of(Object::of(device), "nvmlDeviceGetTotalEnergyConsumption")?)?)
    }

    fn nvmlDeviceGetCurrentClocksThrottleReasons(device: nvmlDevice_t, place: *mut c_ulonglong) {
        put(place, number(&answer_of(Object::of(device), "nvmlDeviceGetCurrentClocksThrottleReasons")?)?)
    }

    fn nvmlDeviceGetComputeRunningProcesses_v3(
        device: nvmlDevice_t, count: *mut c_uint, places: *mut nvml::nvmlProcessInfo_t,
    ) {
        put_processes(count, places, device, "nvmlDeviceGetComputeRunningProcesses_v3")
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
        device: nvmlDevice_t, count: *mut c_uint, places: *mut nvml::nvmlProcessInfo_t,
    ) {
        put_processes(count, places, device, "nvmlDeviceGetMPSComputeRunningProcesses_v3")
    }

    fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, place: *mut nvml::nvmlPciInfo_t) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetPciInfo_v3")?;
        let (domain, bus) = (part(&answer, "domain") as c_uint, part(&answer, "bus") as c_uint);
        let device = part(&answer, "device") as c_uint;
        put(place, nvml::nvmlPciInfo_t {
            busIdLegacy: chars(&format!("{domain:04X}:{bus:02X}:{device:02X}.0")),
            domain,
            bus,
            device,
            pciDeviceId: 0,
            pciSubSystemId: 0,
            busId: chars(&format!("{domain:08X}:{bus:02X}:{device:02X}.0")),
        })
    }

    fn nvmlDeviceGetCudaComputeCapability(device: nvmlDevice_t, major: *mut c_int, minor: *mut c_int) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetCudaComputeCapability")?;
        put(major, number(&answer[0])? as c_int)?;
        put(minor, number(&answer[1])? as c_int)
    }

    fn nvmlDeviceGetEccMode(device: nvmlDevice_t, current: *mut c_uint, pending: *mut c_uint) {
        let answer = number(&answer_of(Object::of(device), "nvmlDeviceGetEccMode")?)? as c_uint;
        put(current, answer)?;
        put(pending, answer)
    }

    fn nvmlDeviceGetUtilizationRates(device: nvmlDevice_t, place: *mut nvml::nvmlUtilization_t) {
        let gpu = number(&answer_of(Object::of(device), "nvmlDeviceGetUtilizationRates")?)? as c_uint;
        put(place, nvml::nvmlUtilization_t { gpu, memory: 0 })
    }

    fn nvmlDeviceGetVgpuSchedulerState(device: nvmlDevice_t, place: *mut nvml::nvmlVgpuSchedulerGetState_t) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetVgpuSchedulerState")?;
        let (arr_mode, timeslice) = (part(&answer, "arr") as c_uint, part(&answer, "timeslice") as c_uint);
        let avg_factor = 33;
        let schedulerParams = if arr_mode == nvml::NVML_VGPU_SCHEDULER_ARR_ENABLE {
            nvml::nvmlVgpuSchedulerParams_t {
                vgpuSchedDataWithARR: nvml::nvmlVgpuSchedulerParams_t__bindgen_ty_1 { avgFactor: avg_factor, timeslice },
            }
        } else {
            nvml::nvmlVgpuSchedulerParams_t {
                vgpuSchedData: nvml::nvmlVgpuSchedulerParams_t__bindgen_ty_2 { timeslice },
            }
        };
        put(place, nvml::nvmlVgpuSchedulerGetState_t {
            schedulerPolicy: part(&answer, "policy") as c_uint,
            arrMode: arr_mode,
            schedulerParams,
        })
    }

    fn nvmlDeviceGetSupportedVgpus(device: nvmlDevice_t, count: *mut c_uint, places: *mut c_uint) {
        let answer = answer_of(Object::of(device), "nvmlDeviceGetSupportedVgpus")?;
        let types = answer.as_array().ok_or(UNKNOWN)?;
        let types: Vec<c_uint> = types.iter().filter_map(Value::as_u64).map(|kind| kind as c_uint).collect();
        put_numbers(count, places, &types)
    }

    fn nvmlVgpuTypeGetName(kind: c_uint, place: *mut c_char, length: *mut c_uint) {
        let world = world()?;
        let name = world["vgpu_types"][kind.to_string()].as_str().ok_or(INVALID_ARGUMENT)?;
        put_text(place, get(length)? as usize, name)
    }

    fn nvmlDeviceGetActiveVgpus(device: nvmlDevice_t, count: *mut c_uint, places: *mut c_uint) {
        put_numbers(count, places, &vgpu_numbers(device)?)
    }

    fn nvmlDeviceGetVgpuUtilization(
        device: nvmlDevice_t, _since: c_ulonglong, kind: *mut c_uint, count: *mut c_uint,
        places: *mut nvml::nvmlVgpuInstanceUtilizationSample_t,
    ) {
        let numbers = vgpu_numbers(device)?;
        let capacity = get(count)? as usize;
        put(count, numbers.len() as c_uint)?;
        put(kind, nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT)?;
        if places.is_null() || capacity < numbers.len() {
            return Err(INSUFFICIENT_SIZE);
        }
        let value = |percent: c_uint| nvml::nvmlValue_t { uiVal: percent };
        for (at, instance) in numbers.into_iter().enumerate() {
            let percent = number(&answer_of(Object::of_vgpu(instance), "nvmlDeviceGetVgpuUtilization")?)? as c_uint;
            put(places.wrapping_add(at), nvml::nvmlVgpuInstanceUtilizationSample_t {
                vgpuInstance: instance,
                timeStamp: 1,
                smUtil: value(percent),
                memUtil: value(0),
                encUtil: value(0),
                decUtil: value(0),
            })?;
        }
        Ok(())
    }

    fn nvmlVgpuInstanceGetType(vgpu: c_uint, place: *mut c_uint) {
        put_number(place, Object::of_vgpu(vgpu), "nvmlVgpuInstanceGetType")
    }

    fn nvmlVgpuInstanceGetVmID(vgpu: c_uint, place: *mut c_char, length: c_uint, kind: *mut c_uint) {
        put(kind, nvml::nvmlVgpuVmIdType_NVML_VGPU_VM_ID_UUID)?;
        put_answered_text(place, length, Object::of_vgpu(vgpu), "nvmlVgpuInstanceGetVmID")
    }

    fn nvmlVgpuInstanceGetUUID(vgpu: c_uint, place: *mut c_char, length: c_uint) {
        put_answered_text(place, length, Object::of_vgpu(vgpu), "nvmlVgpuInstanceGetUUID")
    }

    fn nvmlVgpuInstanceGetFbUsage(vgpu: c_uint, place: *mut c_ulonglong) {
        put(place, number(&answer_of(Object::of_vgpu(vgpu), "nvmlVgpuInstanceGetFbUsage")?)?)
    }

    fn nvmlVgpuInstanceGetLicenseInfo_v2(vgpu: c_uint, place: *mut nvml::nvmlVgpuLicenseInfo_t) {
        let licensed = number(&answer_of(Object::of_vgpu(vgpu), "nvmlVgpuInstanceGetLicenseInfo_v2")?)?;
        let before = get(place)?;
        put(place, nvml::nvmlVgpuLicenseInfo_t { isLicensed: licensed as u8, ..before })
    }
}
