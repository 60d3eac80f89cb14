//! Machines with planted GPUs: the stand-in NVML library of `examples/fake_nvml.rs`, and its answers.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The stand-in library, built with the tests.
pub fn library() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let library = own.ancestors().nth(2).unwrap().join("examples/libfake_nvml.so");
    assert!(
        library.exists(),
        "{} is missing: `cargo build --examples` makes it",
        library.display()
    );
    library
}

/// A planted driver and its GPUs.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new(answers: &Value) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        world.change(answers);
        world
    }

    /// Driver 580.95.05 with these devices.
    pub fn of(devices: &[Value]) -> Self {
        Self::new(&driver(devices))
    }

    /// Plants other answers, from the next call on.
    pub fn change(&self, answers: &Value) {
        std::fs::write(self.file(), answers.to_string()).unwrap();
    }

    /// The file that `FAKE_NVML` has to name.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("nvml.json")
    }

    /// Lets `command` see this world.
    pub fn around<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("FACEBENCH_NVML", library())
            .env("FAKE_NVML", self.file())
    }
}

/// Driver 580.95.05 for CUDA 13.0.
pub fn driver(devices: &[Value]) -> Value {
    json!({
        "nvmlSystemGetDriverVersion": "580.95.05",
        "nvmlSystemGetCudaDriverVersion_v2": 13000,
        "devices": devices
    })
}

/// `base` with the answers of `other` put over it.
pub fn with(mut base: Value, other: Value) -> Value {
    let Value::Object(other) = other else {
        panic!("answers are an object")
    };
    base.as_object_mut().unwrap().extend(other);
    base
}

/// An H100 that reports everything that a board on bare metal reports.
pub fn h100() -> Value {
    json!({
        "nvmlDeviceGetUUID": "GPU-11111111-2222-3333-4444-555555555555",
        "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
        "nvmlDeviceGetVirtualizationMode": 0,
        "nvmlDeviceGetMemoryInfo_v2": {"total": 85_520_809_984_u64, "used": 2_000_000_000, "reserved": 600_000_000},
        "nvmlDeviceGetMigMode": 0,
        "nvmlDeviceGetPciInfo_v3": {"domain": 0xfedc, "bus": 0x17, "device": 0},
        "nvmlDeviceGetCudaComputeCapability": [9, 0],
        "nvmlDeviceGetClockInfo": 1755,
        "nvmlDeviceGetMaxClockInfo": 1980,
        "nvmlDeviceGetPowerUsage": 71_250,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        "nvmlDeviceGetTotalEnergyConsumption": 123_456_789,
        "nvmlDeviceGetTemperature": 34,
        "nvmlDeviceGetEccMode": 1,
        "nvmlDeviceGetPersistenceMode": 1,
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
        "nvmlDeviceGetComputeRunningProcesses_v3": [{"pid": 4242, "memory": 1_200_000_000}],
        "nvmlDeviceGetMPSComputeRunningProcesses_v3": []
    })
}

/// A vGPU as its guest sees it, with the answer about its licence.
pub fn vgpu(name: &str, license: &Value) -> Value {
    json!({
        "nvmlDeviceGetUUID": "GPU-aaaaaaaa-0000-0000-0000-000000000001",
        "nvmlDeviceGetName": name,
        "nvmlDeviceGetVirtualizationMode": 2,
        "nvmlDeviceGetMemoryInfo_v2": {"total": 8_589_934_592_u64, "used": 500_000_000},
        "nvmlDeviceGetPciInfo_v3": {"domain": 0xfedc, "bus": 2, "device": 1},
        "nvmlDeviceGetCudaComputeCapability": [7, 0],
        "nvmlDeviceGetGridLicensableFeatures_v4": license
    })
}

/// The answer about a licence for compute: whether it is held.
pub fn license(held: bool) -> Value {
    json!({"supported": 1, "features": [
        {"code": 4, "enabled": 1, "state": u8::from(held), "product": "NVIDIA Virtual Compute Server", "expiry_status": 2}
    ]})
}

/// A V100 that hands out two vGPUs of 8 GB, best-effort: that of [`vgpu`], and another that takes `other_share` percent.
pub fn host(other_share: u32) -> Value {
    let instance = |number: u8, percent: u32| {
        json!({
            "nvmlVgpuInstanceGetUUID": format!("aaaaaaaa-0000-0000-0000-00000000000{number}"),
            "nvmlVgpuInstanceGetVmID": format!("b0000000-0000-0000-0000-00000000000{number}"),
            "nvmlVgpuInstanceGetType": 194,
            "nvmlVgpuInstanceGetFbUsage": 700_000_000,
            "nvmlDeviceGetVgpuUtilization": percent,
            "nvmlVgpuInstanceGetLicenseInfo_v2": 1
        })
    };
    let board = with(
        h100(),
        json!({
            "nvmlDeviceGetName": "Tesla V100-PCIE-32GB",
            "nvmlDeviceGetVirtualizationMode": 3,
            "nvmlDeviceGetUtilizationRates": 40,
            "nvmlDeviceGetClockInfo:memory": 877,
            "nvmlDeviceGetVgpuSchedulerState": {"policy": 1, "arr": 0, "timeslice": 2_000_000},
            "nvmlDeviceGetSupportedVgpus": [194, 195],
            "vgpus": [instance(1, 35), instance(2, other_share)]
        }),
    );
    with(
        driver(&[board]),
        json!({"vgpu_types": {"194": "GRID V100D-8Q", "195": "GRID V100D-16Q"}}),
    )
}
