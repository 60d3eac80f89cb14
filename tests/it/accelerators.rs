//! Arms on devices: the message where one cannot run, the device that an arm gets, the effect of a vGPU's licence, and
//! whether a session that falls back to the CPU is caught. GPUs are planted by the stand-in NVML library.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::common::{
    self, Answer, check, facebench,
    fake_nvml::{World, h100, license, vgpu, with},
    few_photos, photos, record, run, short_run,
};
use crate::gpu::devices;
use facebench::runtime::install::{Flavor, LibraryStore};
use serde_json::{Value, json};

/// A home in which no runtime for GPUs is installed.
fn empty_home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A short study of `null` arms.
fn null_study(world: &World, backends: &[&str], record: &Path) -> Command {
    let mut command = few_photos(10, record, backends);
    world.around(&mut command);
    command
}

/// A machine without any GPU, whatever this one has.
fn nothing() -> World {
    World::of(&[])
}

#[test]
fn what_cannot_run_exits_4_at_once_and_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let home = empty_home();
    let here = devices(&nothing());
    let here = ["gpus_reason", "gpus_fix"].map(|key| here[key].as_str().unwrap());
    assert!(here[0].contains("lists no GPU"), "{here:?}");
    for backend in ["cuda", "tensorrt", "vgpu", "mig:MIG-1", "vitis"] {
        let started = Instant::now();
        let mut command = facebench();
        let path = folder.path().join("r.json");
        let world = nothing();
        world.around(&mut command).env("FACEBENCH_HOME", home.path());
        let answer = run(command.args(["run", "-b", backend, "-o"]).arg(&path));
        assert_eq!(answer.code(), 4, "{backend}: {}", answer.all());
        assert!(started.elapsed() < Duration::from_secs(5), "{backend}");
        let said = answer.stderr();
        let [reason, fix] = match backend {
            "vitis" => ["no ONNX Runtime with the Vitis AI provider", "vitis,runtime=PATH"],
            _ => here,
        };
        assert!(!fix.is_empty());
        assert!(said.contains(reason) && said.contains(fix), "{backend}: {said}");
        assert!(!path.exists(), "{backend}");
    }
}

#[test]
fn a_gpu_without_its_runtime_is_reported_with_the_command_and_the_download() {
    let folder = tempfile::tempdir().unwrap();
    let home = empty_home();
    let old = with(
        h100(),
        json!({"nvmlDeviceGetName": "Tesla V100-PCIE-32GB", "nvmlDeviceGetCudaComputeCapability": [7, 0]}),
    );
    for (device, backend, command_) in [
        (h100(), "cuda", "facebench setup cuda13"),
        (h100(), "tensorrt", "facebench setup cuda13"),
        (old, "cuda", "facebench setup cuda12"),
        (
            vgpu("GRID V100D-8Q", &license(true)),
            "vgpu",
            "facebench setup cuda12",
        ),
    ] {
        let mut command = facebench();
        let world = World::of(&[device]);
        world.around(&mut command).env("FACEBENCH_HOME", home.path());
        let answer = run(command
            .args(["run", "-b", backend, "-o"])
            .arg(folder.path().join("r.json")));
        assert_eq!(answer.code(), 4, "{}", answer.all());
        let said = answer.stderr();
        assert!(said.contains("is not installed"), "{backend}: {said}");
        assert!(
            said.contains(command_) && said.contains(" MB)"),
            "{backend}: {said}"
        );
        assert!(!said.contains("no NVIDIA GPU"), "{backend}: {said}");
    }
}

#[test]
fn the_wrong_backend_for_a_device_names_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    for (device, backend, reason, fix) in [
        (h100(), "vgpu", "is no vGPU: it is the board itself", "-b cuda:0"),
        (
            with(h100(), json!({"nvmlDeviceGetVirtualizationMode": 1})),
            "vgpu:0",
            "passed through",
            "-b cuda:0",
        ),
        (
            vgpu("NVIDIA A100-10C", &license(true)),
            "mig:GPU-a",
            "is no MIG device: it is a vGPU",
            "-b vgpu:0",
        ),
        (h100(), "cuda:3", "there is no GPU 3", "NVIDIA H100 80GB HBM3 (0)"),
        (
            h100(),
            "mig:MIG-9",
            "there is no MIG device MIG-9",
            "facebench devices",
        ),
    ] {
        let mut command = facebench();
        let world = World::of(&[device]);
        world.around(&mut command);
        let answer = run(command
            .args(["run", "-b", backend, "-o"])
            .arg(folder.path().join("r.json")));
        assert_eq!(answer.code(), 4, "{}", answer.all());
        let said = answer.stderr();
        assert!(said.contains(reason) && said.contains(fix), "{backend}: {said}");
    }
}

#[test]
fn with_keep_going_the_cpu_is_measured_beside_what_cannot_run() {
    let (folder, photos) = (tempfile::tempdir().unwrap(), photos());
    let path = folder.path().join("r.json");
    let mut command = short_run(photos.path(), &path);
    let world = nothing();
    world.around(&mut command);
    let answer = run(command.args([
        "-b",
        "cpu",
        "-b",
        "cuda",
        "-b",
        "vgpu",
        "-b",
        "vitis",
        "--keep-going",
    ]));
    let record = record(&path);
    assert!([4, 3].contains(&answer.code()), "{}", answer.all());
    common::assert_sound(&record["arms"][0]);
    assert!(
        record["arms"][0]["throughput"]["images_per_second"]["median"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let missing = record["unavailable"].as_array().unwrap();
    let names: Vec<_> = missing.iter().map(|m| m["backend"].as_str().unwrap()).collect();
    assert_eq!(names, ["cuda", "vgpu", "vitis"]);
    assert!(missing.iter().all(|m| !m["fix"].as_str().unwrap().is_empty()));
}

/// Measures `null` on a planted GPU: the arm, the GPU in the record, and the program's answer.
fn on(world: &World, backend: &str) -> (Value, Value, Answer) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut null_study(world, &[backend], &path));
    assert!(path.exists(), "{}", answer.all());
    let record = record(&path);
    // A second process must find the record right.
    let audit = run(facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{}", audit.all());
    (record["arms"][0].clone(), record["gpus"][0].clone(), answer)
}

#[test]
fn a_vgpu_counts_only_with_its_licence() {
    let mode = |name: &str, license_answer: &Value| World::of(&[vgpu(name, license_answer)]);
    let unreadable = json!(3);
    for (name, mode_, license_answer, outcome) in [
        ("GRID V100D-8Q", "vgpu", license(true), "passed"),
        ("NVIDIA A100-10C", "vgpu", license(false), "failed"),
        ("GRID A100-1-5C", "mig-vgpu", license(true), "passed"),
        ("NVIDIA A100-1-5C", "mig-vgpu", license(false), "failed"),
        ("NVIDIA A16-4Q", "vgpu", unreadable, "unknown"),
    ] {
        let (arm, gpu, answer) = on(&mode(name, &license_answer), "null,on=vgpu:0");
        assert_eq!(gpu["mode"], mode_, "{gpu}");
        assert_eq!(arm["backend"]["gpu"], gpu["uuid"]);
        assert_eq!(
            check(&arm, "license")["outcome"],
            outcome,
            "{name}: {}",
            answer.all()
        );
        if outcome == "failed" {
            assert_eq!(
                (arm["status"].as_str(), answer.code()),
                (Some("invalid"), 3),
                "{}",
                answer.all()
            );
            assert!(answer.stdout().contains("license failed"), "{}", answer.stdout());
        } else {
            assert_ne!(arm["status"], "invalid", "{}", answer.all());
        }
        // A guest never sees the other tenants of the board.
        assert_eq!(check(&arm, "co-tenants")["outcome"], "unknown");
        assert!(
            check(&arm, "co-tenants")["observed"]
                .as_str()
                .unwrap()
                .starts_with("uncontended")
        );
    }
}

#[test]
fn a_licence_that_is_lost_in_between_fails_the_arm_even_if_it_comes_back() {
    // Held when the record is begun, gone after the first process, held again after the second.
    let license_answer = json!({"calls": [license(true), license(false), license(true), license(true)]});
    let (arm, gpu, answer) = on(
        &World::of(&[vgpu("NVIDIA A100-10C", &license_answer)]),
        "null,on=vgpu:0",
    );
    assert_eq!(
        gpu["license"],
        json!({"before": true, "after": false}),
        "{}",
        answer.all()
    );
    assert_eq!((arm["status"].as_str(), answer.code()), (Some("invalid"), 3));
}

#[test]
fn other_devices_need_no_licence() {
    let passthrough = with(h100(), json!({"nvmlDeviceGetVirtualizationMode": 1}));
    for (device, mode) in [(h100(), "physical"), (passthrough, "passthrough")] {
        let alone = with(device, json!({"nvmlDeviceGetComputeRunningProcesses_v3": []}));
        let (arm, gpu, answer) = on(&World::of(&[alone]), "null,on=cuda:0");
        assert_eq!(
            (gpu["mode"].as_str(), &gpu["license"]),
            (Some(mode), &Value::Null)
        );
        let checks = arm["checks"].as_array().unwrap();
        assert!(checks.iter().all(|check| check["id"] != "license"));
        assert_eq!(check(&arm, "co-tenants")["outcome"], "passed", "{}", answer.all());
        assert_eq!(check(&arm, "gpu-clock")["outcome"], "passed", "{arm}");
        assert_ne!(arm["status"], "invalid", "{}", answer.all());
    }
}

#[test]
fn a_gpu_that_others_use_or_that_is_too_hot_makes_the_arm_unstable() {
    let (arm, ..) = on(&World::of(&[h100()]), "null,on=cuda:0");
    assert_eq!(check(&arm, "co-tenants")["observed"], "1 other process");
    assert_eq!(arm["status"], "unstable");
    // Bit 5: software thermal slowdown.
    let hot = with(
        h100(),
        json!({"nvmlDeviceGetCurrentClocksThrottleReasons": 0x20, "nvmlDeviceGetComputeRunningProcesses_v3": []}),
    );
    let (arm, ..) = on(&World::of(&[hot]), "null,on=cuda:0");
    assert_eq!(check(&arm, "gpu-clock")["outcome"], "failed", "{arm}");
    assert_eq!(arm["status"], "unstable");
}

/// Whether OpenVINO's runtime is installed, or can be.
fn has_openvino() -> bool {
    let runtimes = LibraryStore::of_process(common::home());
    let installed = runtimes.install(Flavor::OpenVino, &|line| println!("{line}"));
    if let Err(error) = &installed {
        common::skip(error);
    }
    installed.is_ok()
}

#[test]
fn openvino_agrees_and_runs_where_it_was_asked_to() {
    if !has_openvino() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut few_photos(
        6,
        &path,
        &["cpu", "openvino", "openvino:CPU,path=device,batch=4,streams=2"],
    ));
    let record = common::sound(&answer, &path);
    for arm in &record["arms"].as_array().unwrap()[1..] {
        assert_eq!(check(arm, "agreement")["outcome"], "passed", "{}", answer.all());
        assert_eq!(check(arm, "placement")["outcome"], "passed", "{}", answer.all());
        let share = &arm["backend"]["placement"]["OpenVINOExecutionProvider"]["time_share"];
        assert!(share.as_f64().unwrap() >= 0.95, "{share}");
    }
    let device = &record["arms"][2];
    assert_eq!(device["backend"]["options"]["upload"], "bytes");
    assert!(device["setup"]["shapes_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_session_that_falls_back_silently_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let cpu = LibraryStore::of_process(common::home())
        .find_or_install(Flavor::Cpu, &|line| println!("{line}"))
        .unwrap();
    // This runtime has no OpenVINO: asked strictly it refuses, asked silently it runs on the CPU.
    let strict = format!("openvino,runtime={}", cpu.path.display());
    let answer = run(&mut few_photos(6, &path, &[&strict]));
    assert_eq!(answer.code(), 4, "{}", answer.all());
    let silent = format!("openvino,fallback=silent,runtime={}", cpu.path.display());
    let answer = run(&mut few_photos(6, &path, &["cpu", &silent]));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let record = record(&path);
    let arm = &record["arms"][1];
    assert_eq!(arm["status"], "invalid");
    assert_eq!(check(arm, "placement")["outcome"], "failed");
    assert_eq!(
        check(arm, "agreement")["outcome"],
        "passed",
        "the answer came from the CPU"
    );
    assert!(
        answer.stdout().contains("placement failed"),
        "{}",
        answer.stdout()
    );
}

#[test]
fn the_data_path_of_devices_agrees_on_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut few_photos(
        6,
        &path,
        &[
            "cpu",
            "cpu,path=device,batch=4,streams=2,decoders=1,label=as on a device",
        ],
    ));
    let record = common::sound(&answer, &path);
    let (host, device) = (&record["arms"][0], &record["arms"][1]);
    assert_eq!(device["backend"]["options"]["upload"], "bytes");
    assert_eq!(check(device, "agreement")["outcome"], "passed");
    assert!(
        device["accuracy"]["cosine_p01"].as_f64().unwrap() > 0.9999,
        "{}",
        device["accuracy"]
    );
    assert!(host["setup"]["shapes_ms"].is_null());
    assert!(device["setup"]["shapes_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(device["batch"], 4);
    // One thread decodes: that is the ceiling, and an audit computes the same.
    assert_eq!(device["backend"]["options"]["decoders"], "1");
    let observed = check(device, "decode-bound")["observed"].as_str().unwrap();
    assert!(observed.starts_with("1 host core can decode"), "{observed}");
    let audit = run(common::facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{}", audit.all());
}
