//! What facebench reports about GPUs: the real program and the real NVML wrapper, served by a stand-in library.

use std::path::Path;

use crate::common::{
    self, facebench,
    fake_nvml::{World, driver, h100, library, license, vgpu, with},
    photos, record, run,
};
use facebench::{machine::Nvml, record::Throttle};
use serde_json::{Value, json};

/// What `devices --json` prints in that world.
pub fn devices(world: &World) -> Value {
    let answer = run(world.around(facebench().args(["devices", "--json"])));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    serde_json::from_str(&answer.stdout()).unwrap()
}

/// The blocks of GPUs that `devices` shows in that world, up to the list of backends. GPUs of the machine that runs
/// the tests are left out.
fn text(world: &World) -> String {
    let answer = run(world.around(&mut facebench_devices()));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let text = answer.stdout();
    let blocks = text.split("\n\n").nth(1).unwrap();
    let own = |line: &&str| !line.contains("on the PCI bus, but not shown");
    blocks.lines().filter(own).collect::<Vec<_>>().join("\n")
}

fn facebench_devices() -> std::process::Command {
    let mut command = facebench();
    command.arg("devices");
    command.env("CUDA_MPS_PIPE_DIRECTORY", "/no/such/folder");
    command
}

#[test]
fn a_board_on_bare_metal_reports_everything() {
    let world = World::of(&[h100()]);
    insta::assert_snapshot!(text(&world), @r"
    gpu       NVIDIA H100 80GB HBM3 (GPU-11111111-2222-3333-4444-555555555555)
              mode         physical (NVML's virtualization mode: none)
              driver       580.95.05, CUDA up to 13.0
              compute      capability 9.0
              memory       85.5 GB, ECC on
              place        fedc:17:00.0, NUMA node unknown (cannot read /sys/bus/pci/devices/fedc:17:00.0/numa_node: No such file or directory (os error 2))
              clock        1755 MHz now, 1980 MHz at most
              power        71 W now, 700 W at most
              temperature  34 °C
              persistence  on
              co-tenants   process 4242 (1.2 GB)
    ");
    let gpu = &devices(&world)["gpus"][0];
    assert_eq!(gpu["mode"], "physical");
    assert_eq!((&gpu["profile"], &gpu["license"]), (&Value::Null, &Value::Null));
    assert_eq!(gpu["pci"], "fedc:17:00.0");
    assert_eq!(gpu["power_watts"], 71.25);
    assert_eq!(
        gpu["co_tenants"],
        json!([{"pid": 4242, "memory_bytes": 1_200_000_000}])
    );
    // No machine has a device at that address of the bus.
    assert_eq!(
        gpu["unavailable"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["numa_node"]
    );
}

#[test]
fn a_vgpu_reports_its_profile_and_why_the_rest_is_missing() {
    let world = World::of(&[vgpu("GRID V100D-8Q", &license(true))]);
    insta::assert_snapshot!(text(&world), @r"
    gpu       GRID V100D-8Q (GPU-aaaaaaaa-0000-0000-0000-000000000001)
              mode         vGPU, profile V100D-8Q (NVML's virtualization mode: vGPU)
              licence      licensed
              driver       580.95.05, CUDA up to 13.0
              compute      capability 7.0
              memory       8.6 GB, ECC unknown (a vGPU's guest cannot read this)
              place        fedc:02:01.0, NUMA node unknown (cannot read /sys/bus/pci/devices/fedc:02:01.0/numa_node: No such file or directory (os error 2))
              clock        unknown (a vGPU's guest cannot read this)
              power        unknown (a vGPU's guest cannot read this)
              temperature  unknown (a vGPU's guest cannot read this)
              persistence  unknown (a vGPU's guest cannot read this)
              co-tenants   unknown (a vGPU's guest cannot read this)
    ");
    let gpu = &devices(&world)["gpus"][0];
    assert_eq!(
        (&gpu["mode"], &gpu["profile"]),
        (&json!("vgpu"), &json!("V100D-8Q"))
    );
    assert_eq!(gpu["license"], json!({"before": true, "after": null}));
    for field in [
        "sm_clock_mhz",
        "power_watts",
        "temperature_celsius",
        "ecc",
        "co_tenants",
    ] {
        assert_eq!(gpu[field], Value::Null);
        assert_eq!(gpu["unavailable"][field], "a vGPU's guest cannot read this");
    }
}

#[test]
fn every_mode_is_distinguished() {
    let board = |mode: u8| with(h100(), json!({"nvmlDeviceGetVirtualizationMode": mode}));
    let unknown = json!({"nvmlDeviceGetVirtualizationMode": null});
    for (answers, mode, profile, licensed) in [
        (board(0), json!("physical"), json!(null), false),
        (board(1), json!("passthrough"), json!(null), false),
        (board(3), json!("vgpu-host"), json!(null), false),
        (board(4), json!("vgpu-host"), json!(null), false),
        (
            vgpu("NVIDIA A100-10C", &license(true)),
            json!("vgpu"),
            json!("A100-10C"),
            true,
        ),
        (
            vgpu("GRID A100-1-5C", &license(true)),
            json!("mig-vgpu"),
            json!("A100-1-5C"),
            true,
        ),
        (
            vgpu("NVIDIA A16", &license(true)),
            json!("vgpu"),
            json!(null),
            true,
        ),
        (with(h100(), unknown.clone()), json!(null), json!(null), false),
        (
            with(vgpu("GRID T4-16Q", &license(true)), unknown),
            json!("vgpu"),
            json!("T4-16Q"),
            true,
        ),
    ] {
        let gpu = &devices(&World::of(&[answers]))["gpus"][0];
        assert_eq!((&gpu["mode"], &gpu["profile"]), (&mode, &profile), "{gpu}");
        assert_eq!(gpu["license"].is_object(), licensed, "{gpu}");
        for field in ["mode", "profile"] {
            let whole_board = field == "profile" && !licensed;
            let reason = gpu["unavailable"][field].is_string();
            assert_eq!(gpu[field].is_null() && !whole_board, reason, "{field}: {gpu}");
        }
    }
}

#[test]
fn a_licence_counts_where_it_allows_compute_and_is_held() {
    let feature =
        |code: u8, enabled: u8, state: u8| json!({"code": code, "enabled": enabled, "state": state});
    let features = |list: &[Value]| json!({"supported": 1, "features": list});
    for (answers, before) in [
        (license(true), json!(true)),
        (license(false), json!(false)),
        (features(&[feature(2, 1, 1)]), json!(true)),
        (
            features(&[feature(1, 0, 0), feature(2, 0, 0), feature(4, 1, 1)]),
            json!(true),
        ),
        // Licensed for desktops, or for a product that the device is not used as.
        (features(&[feature(1, 1, 1)]), json!(false)),
        (features(&[feature(2, 0, 1)]), json!(false)),
        (features(&[]), json!(false)),
        (json!("NVML_ERROR_NO_PERMISSION"), json!(null)),
        (json!({"supported": 0}), json!(null)),
        (json!(null), json!(null)),
    ] {
        let gpu = &devices(&World::of(&[vgpu("GRID V100D-8Q", &answers)]))["gpus"][0];
        assert_eq!(gpu["license"]["before"], before, "{answers}");
        let reason = gpu["unavailable"]["license.before"].is_string();
        assert_eq!(before.is_null(), reason, "{answers}: {gpu}");
    }
}

/// An H100 with two of three possible MIG devices: one has its profile in its name, the other only in its attributes.
fn divided(mode: u8) -> Value {
    let part = |name: &str, number: u8, bytes: u64| {
        json!({
            "nvmlDeviceGetUUID": format!("MIG-{number}"),
            "nvmlDeviceGetName": name,
            "nvmlDeviceGetMemoryInfo_v2": {"total": bytes, "used": 20_000_000},
            "nvmlDeviceGetComputeRunningProcesses_v3": [],
            "nvmlDeviceGetAttributes_v2": {"slices": 3, "compute_slices": 1, "memory_mib": 40448}
        })
    };
    let parts = [
        part("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 1, 10_401_873_920),
        Value::Null,
        part("NVIDIA H100 80GB HBM3", 2, 42_412_802_048),
    ];
    with(
        h100(),
        json!({"nvmlDeviceGetMigMode": 1, "nvmlDeviceGetVirtualizationMode": mode, "mig": parts}),
    )
}

#[test]
fn each_mig_device_stands_beside_its_board() {
    let world = World::of(&[divided(1)]);
    insta::assert_snapshot!(text(&world), @r"
    gpu       NVIDIA H100 80GB HBM3 (GPU-11111111-2222-3333-4444-555555555555)
              mode         passthrough (NVML's virtualization mode: passthrough)
              driver       580.95.05, CUDA up to 13.0
              compute      capability 9.0
              memory       85.5 GB, ECC on
              place        fedc:17:00.0, NUMA node unknown (cannot read /sys/bus/pci/devices/fedc:17:00.0/numa_node: No such file or directory (os error 2))
              clock        1755 MHz now, 1980 MHz at most
              power        71 W now, 700 W at most
              temperature  34 °C
              persistence  on
              MIG          on: it computes by its parts alone
              co-tenants   process 4242 (1.2 GB)
    gpu       NVIDIA H100 80GB HBM3 MIG 1g.10gb (MIG-1)
              mode         MIG, profile 1g.10gb (NVML's list of MIG devices)
              part of      GPU-11111111-2222-3333-4444-555555555555
              driver       580.95.05, CUDA up to 13.0
              compute      capability 9.0
              memory       10.4 GB, ECC on
              place        fedc:17:00.0, NUMA node unknown (cannot read /sys/bus/pci/devices/fedc:17:00.0/numa_node: No such file or directory (os error 2))
              clock        1755 MHz now, 1980 MHz at most
              power        unknown (only the whole board's power can be read)
              temperature  34 °C
              persistence  on
              co-tenants   none seen
    gpu       NVIDIA H100 80GB HBM3 (MIG-2)
              mode         MIG, profile 1c.3g.40gb (NVML's list of MIG devices)
              part of      GPU-11111111-2222-3333-4444-555555555555
              driver       580.95.05, CUDA up to 13.0
              compute      capability 9.0
              memory       42.4 GB, ECC on
              place        fedc:17:00.0, NUMA node unknown (cannot read /sys/bus/pci/devices/fedc:17:00.0/numa_node: No such file or directory (os error 2))
              clock        1755 MHz now, 1980 MHz at most
              power        unknown (only the whole board's power can be read)
              temperature  34 °C
              persistence  on
              co-tenants   none seen
    ");
    let found = devices(&world);
    let gpus = found["gpus"].as_array().unwrap();
    assert_eq!(gpus.len(), 3);
    assert_eq!(
        (&gpus[0]["mode"], &gpus[0]["mig_enabled"]),
        (&json!("passthrough"), &json!(true))
    );
    for (gpu, uuid, index, profile) in [
        (&gpus[1], "MIG-1", 0, "1g.10gb"),
        (&gpus[2], "MIG-2", 2, "1c.3g.40gb"),
    ] {
        assert_eq!((&gpu["mode"], &gpu["profile"]), (&json!("mig"), &json!(profile)));
        assert_eq!((&gpu["uuid"], &gpu["index"]), (&json!(uuid), &json!(index)));
        assert_eq!(gpu["parent"], gpus[0]["uuid"]);
        assert_eq!(
            (&gpu["sm_clock_mhz"], &gpu["power_watts"]),
            (&json!(1755), &Value::Null)
        );
        assert_eq!(
            gpu["unavailable"]["power_watts"],
            "only the whole board's power can be read"
        );
    }
}

#[test]
fn a_mig_device_in_a_guest_needs_its_vgpu_s_licence() {
    let guest = with(
        divided(2),
        json!({"nvmlDeviceGetName": "GRID A100-3-20C", "nvmlDeviceGetGridLicensableFeatures_v4": license(false)}),
    );
    let found = devices(&World::of(&[guest]));
    for gpu in found["gpus"].as_array().unwrap() {
        assert_eq!(
            (&gpu["mode"], &gpu["license"]["before"]),
            (&json!("mig-vgpu"), &json!(false))
        );
    }
}

#[test]
fn two_gpus_are_two_and_a_lost_one_does_not_hide_the_others() {
    let second = json!({"nvmlDeviceGetUUID": "GPU-2", "nvmlDeviceGetName": "NVIDIA L4"});
    let lost = json!({"nvmlDeviceGetHandleByIndex_v2": "NVML_ERROR_GPU_IS_LOST"});
    let found = devices(&World::of(&[h100(), lost, with(h100(), second)]));
    let gpus = found["gpus"].as_array().unwrap();
    let names: Vec<_> = gpus.iter().map(|gpu| gpu["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["NVIDIA H100 80GB HBM3", "GPU 1 of the driver's list", "NVIDIA L4"]
    );
    assert!(
        gpus[1]["unavailable"]["uuid"]
            .as_str()
            .unwrap()
            .contains("fell off the bus")
    );
    assert_eq!(gpus[1]["uuid"], Value::Null);
}

#[test]
fn answers_that_cannot_be_are_reasons_and_move_no_cursor() {
    let mut many = driver(&[h100()]);
    many["nvmlDeviceGetCount_v2"] = json!(4_000_000_000_u32);
    let found = devices(&World::new(&many));
    let reason = found["gpus_reason"].as_str().unwrap();
    assert!(
        reason.contains("4000000000 GPUs, which no machine has"),
        "{reason}"
    );
    let escapes = json!({
        "nvmlDeviceGetName": "\u{1b}[2JGPU", "nvmlDeviceGetUUID": "GPU-1\u{7}\n", "nvmlDeviceGetPowerUsage": u32::MAX,
        "nvmlDeviceGetClockInfo": u32::MAX, "nvmlDeviceGetTemperature": u32::MAX,
    });
    let mut planted = driver(&[with(h100(), escapes)]);
    planted["nvmlSystemGetDriverVersion"] = json!("580\u{9b}2J");
    let found = devices(&World::new(&planted));
    let gpu = &found["gpus"][0];
    assert_eq!(
        (&gpu["name"], &gpu["uuid"], &gpu["driver"]),
        (&"NVIDIA GPU".into(), &Value::Null, &Value::Null)
    );
    for field in ["uuid", "driver"] {
        let reason = gpu["unavailable"][field].as_str().unwrap();
        assert!(
            reason.contains("the driver answers") && !reason.contains(char::is_control),
            "{reason:?}"
        );
    }
}

#[test]
fn a_driver_that_does_not_start_is_reported_with_a_fix() {
    for (error, reason, fix) in [
        (
            "NVML_ERROR_LIB_RM_VERSION_MISMATCH",
            "another version than the kernel's driver",
            "start the container again|restart the machine",
        ),
        (
            "NVML_ERROR_NO_PERMISSION",
            "this user may not use the NVIDIA driver",
            "/dev/nvidiactl",
        ),
        ("NVML_ERROR_GPU_IS_LOST", "fell off the bus", "nvidia-smi"),
    ] {
        let found = devices(&World::new(&json!({"nvmlInit_v2": error})));
        assert!(found["gpus_reason"].as_str().unwrap().contains(reason), "{found}");
        let fix_text = found["gpus_fix"].as_str().unwrap();
        assert!(fix.split('|').any(|fix| fix_text.contains(fix)), "{found}");
    }
    // The reason for a driver that is not loaded depends on the machine that runs the tests.
    let found = devices(&World::new(
        &json!({"nvmlInit_v2": "NVML_ERROR_DRIVER_NOT_LOADED"}),
    ));
    assert!(found["gpus_reason"].is_string(), "{found}");
    let found = devices(&World::of(&[]));
    assert_eq!(found["gpus_reason"], "NVML answers, but lists no GPU");
    let found = devices(&World::new(
        &json!({"nvmlDeviceGetCount_v2": "NVML_ERROR_GPU_IS_LOST"}),
    ));
    assert!(
        found["gpus_reason"]
            .as_str()
            .unwrap()
            .contains("does not report the number of GPUs"),
        "{found}"
    );
}

/// A copy of the stand-in library in which one function has another name.
fn without(function: &str, folder: &Path) -> std::path::PathBuf {
    let mut bytes = std::fs::read(library()).unwrap();
    let name = format!("\0{function}\0");
    let places: Vec<usize> = bytes
        .windows(name.len())
        .enumerate()
        .filter(|(_, window)| *window == name.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{function} is not in the library");
    for at in places {
        bytes[at + 1] = b'X';
    }
    let path = folder.join("libnvidia-ml.so.1");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_library_that_lacks_functions_says_which() {
    let (world, folder) = (World::of(&[h100()]), tempfile::tempdir().unwrap());
    let devices_with = |library: &Path| -> Value {
        let mut command = facebench();
        world.around(&mut command).env("FACEBENCH_NVML", library);
        serde_json::from_str(&run(command.args(["devices", "--json"])).stdout()).unwrap()
    };
    let gpu = &devices_with(&without("nvmlDeviceGetEccMode", folder.path()))["gpus"][0];
    assert_eq!(gpu["sm_clock_mhz"], 1755);
    let reason = gpu["unavailable"]["ecc"].as_str().unwrap();
    assert!(
        reason.starts_with("this driver's NVML is too old to report it")
            && reason.contains("nvmlDeviceGetEccMode"),
        "{reason}"
    );
    let told_reason = |library: &Path| {
        devices_with(library)["gpus_reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let reason = told_reason(&without("nvmlInit_v2", folder.path()));
    assert!(
        reason.contains("too old") && reason.contains("nvmlInit_v2"),
        "{reason}"
    );
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    for (library, part) in [
        (text.as_path(), "text.so"),
        (Path::new("/no/such/lib.so"), "/no/such/lib.so"),
    ] {
        let reason = told_reason(library);
        assert!(
            reason.contains("cannot be loaded as the NVML library") && reason.contains(part),
            "{reason}"
        );
    }
}

#[test]
fn mps_is_reported_with_its_limits() {
    let (world, pipes) = (World::of(&[h100()]), tempfile::tempdir().unwrap());
    std::fs::write(pipes.path().join("nvidia-cuda-mps-control.pid"), "77\n").unwrap();
    let mut command = facebench();
    world
        .around(&mut command)
        .env("CUDA_MPS_PIPE_DIRECTORY", pipes.path())
        .env("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "25");
    let found: Value = serde_json::from_str(&run(command.args(["devices", "--json"])).stdout()).unwrap();
    let mps = &found["gpus"][0]["mps"];
    assert_eq!(
        (&mps["control_pid"], &mps["active_thread_percentage"]),
        (&json!(77), &json!("25"))
    );
    assert_eq!(mps["pinned_device_mem_limit"], Value::Null);
}

/// A study of the simulated backend in that world.
fn study(world: &World) -> Value {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let mut command = common::short_run(photos.path(), &path);
    let answer = run(world.around(command.args(["-b", "null,delay=1ms"])));
    assert!([0, 3].contains(&answer.code()), "{}", answer.all());
    record(&path)
}

#[test]
fn a_record_holds_the_gpus_and_a_licence_that_is_lost_in_between() {
    let lost = json!({"calls": [license(true), license(false)]});
    let record = study(&World::of(&[vgpu("GRID V100D-8Q", &lost)]));
    assert_eq!(record["gpus"][0]["name"], "GRID V100D-8Q");
    assert_eq!(
        record["gpus"][0]["license"],
        json!({"before": true, "after": false})
    );
    let unread = json!({"calls": [license(true), "NVML_ERROR_GPU_IS_LOST"]});
    let record = study(&World::of(&[vgpu("GRID V100D-8Q", &unread)]));
    assert_eq!(
        record["gpus"][0]["license"],
        json!({"before": true, "after": null})
    );
    assert!(record["gpus"][0]["unavailable"]["license.after"].is_string());
}

#[test]
fn a_record_without_gpus_says_why() {
    let record = study(&World::of(&[]));
    assert_eq!(
        record["host"]["unavailable"]["gpus"],
        "NVML answers, but lists no GPU"
    );
}

/// NVML in a process of its own, because its environment must be set before it starts: the test `test` is started once
/// more, as a process that sees `world`. `None` in the process that only starts it.
fn in_process(test: &str, world: &World) -> Option<Nvml> {
    if std::env::var_os("FAKE_NVML").is_some() {
        return Some(Nvml::open(Some(&library())).unwrap());
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    // Test names begin below the binary's own module.
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = format!("{module}::{test}");
    let answer = run(world.around(&mut again).args([&test, "--exact", "--nocapture"]));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(answer.stdout().contains("1 passed"), "{}", answer.all());
    None
}

/// Changes the world that this process sees.
fn change(answers: &Value) {
    std::fs::write(std::env::var_os("FAKE_NVML").unwrap(), answers.to_string()).unwrap();
}

#[test]
fn counters_are_read_by_uuid_as_they_are_now() {
    let Some(nvml) = in_process("counters_are_read_by_uuid_as_they_are_now", &World::of(&[])) else {
        return;
    };
    let pid = std::process::id();
    let busy = json!({
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0x20 | 0x4 | 0x1,
        "nvmlDeviceGetComputeRunningProcesses_v3": [{"pid": 4242, "memory": 7}, {"pid": pid, "memory": 500}, {"pid": 9}]
    });
    change(&driver(&[with(h100(), busy)]));
    let uuid = "GPU-11111111-2222-3333-4444-555555555555";
    let counters = nvml.counters(uuid, Some(pid)).unwrap();
    assert_eq!(counters.sm_clock_mhz, Ok(1755.0));
    assert_eq!(
        counters.throttled_by,
        Ok(vec![Throttle::Thermal, Throttle::PowerCap])
    );
    assert_eq!(counters.joules, Ok(123_456.789));
    assert_eq!(counters.memory_used_bytes, Ok(2_000_000_000));
    assert_eq!(counters.process_memory_bytes, Ok(500));
    assert_eq!(counters.temperature_celsius, Ok(34.0));
    // This process is not its own co-tenant.
    let tenants = nvml.gpus().unwrap()[0].co_tenants.clone().unwrap();
    assert_eq!(
        tenants.iter().map(|tenant| tenant.pid).collect::<Vec<_>>(),
        [9, 4242]
    );
    assert!(
        nvml.counters(uuid, Some(9))
            .unwrap()
            .process_memory_bytes
            .is_err()
    );
    assert!(
        nvml.counters(uuid, Some(1))
            .unwrap()
            .process_memory_bytes
            .unwrap_err()
            .contains("container")
    );

    change(&driver(&[with(
        h100(),
        json!({"nvmlDeviceGetTotalEnergyConsumption": 123_460_789}),
    )]));
    let later = nvml.clone().counters(uuid, None).unwrap();
    assert_eq!(later.joules, Ok(123_460.789));
    assert_eq!(later.throttled_by, Ok(vec![]));
    assert!(nvml.counters("GPU-unknown", None).is_err());
}

#[test]
fn counters_of_parts_and_guests_say_what_is_missing() {
    let Some(nvml) = in_process(
        "counters_of_parts_and_guests_say_what_is_missing",
        &World::of(&[]),
    ) else {
        return;
    };
    change(&driver(&[divided(1)]));
    let part = nvml.counters("MIG-2", None).unwrap();
    assert_eq!(
        (part.sm_clock_mhz, part.memory_used_bytes),
        (Ok(1755.0), Ok(20_000_000))
    );
    assert_eq!(
        part.joules,
        Err("a MIG device has no energy counter of its own".to_owned())
    );

    change(&driver(&[vgpu("GRID V100D-8Q", &license(true))]));
    let uuid = "GPU-aaaaaaaa-0000-0000-0000-000000000001";
    let guest = nvml.counters(uuid, None).unwrap();
    assert_eq!(guest.memory_used_bytes, Ok(500_000_000));
    for missing in [guest.sm_clock_mhz, guest.joules, guest.temperature_celsius] {
        assert_eq!(
            missing,
            Err("the driver does not report this for this device".to_owned())
        );
    }
    assert_eq!(nvml.licensed(uuid), Ok(true));
    change(&driver(&[vgpu("GRID V100D-8Q", &license(false))]));
    assert_eq!(nvml.licensed(uuid), Ok(false));
}
