//! `facebench monitor` on a host of vGPUs, and how `merge` uses its log: the real program, and a stand-in for NVML.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::common::{
    Answer, SHORT, check, facebench,
    fake_nvml::{World, host, license, vgpu, with},
    measured, photos, record, run, signal, study, until,
};
use serde_json::{Value, json};

fn monitor(log: &Path) -> Command {
    let mut command = facebench();
    // Nothing but the planted nvidia-smi, where there is one, is asked.
    command.env("PATH", "/no/such/folder");
    command.args(["monitor", "--interval", "50ms", "-o"]).arg(log);
    command
}

/// The lines of a log.
fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A monitor that has taken a sample.
fn begun(world: &World, log: &Path) -> Child {
    let child = world.around(monitor(log).stderr(Stdio::null())).spawn().unwrap();
    until("the first sample", || {
        std::fs::read_to_string(log).unwrap_or_default().lines().count() > 1
    });
    child
}

/// Ends a monitor as Ctrl-C does.
fn end(mut child: Child) {
    signal(child.id(), "-INT");
    assert!(child.wait().unwrap().success());
}

/// A study of one arm on the guest's vGPU.
fn guest(path: &Path) {
    let world = World::of(&[vgpu("GRID V100D-8Q", &license(true))]);
    let photos = photos();
    let mut command = study(
        &format!("run --no-curve -b null,delay=1ms,on=vgpu:0 {SHORT}"),
        path,
    );
    let answer = run(world.around(command.arg("-i").arg(photos.path())));
    let arm = &measured(&answer, path)["arms"][0];
    assert_eq!(check(arm, "co-tenants")["outcome"], "unknown", "{arm}");
    assert_eq!(check(arm, "gpu-clock")["outcome"], "unknown", "{arm}");
    assert!(arm["blocks"][0]["began_at"].is_string(), "{arm}");
}

fn merge(files: &[&Path], all: &Path) -> Answer {
    run(facebench().arg("merge").args(files).arg("-o").arg(all))
}

/// The arm and the record of a study in a guest whose host was monitored, with such answers of the host.
fn with_host_log(answers: &Value) -> (Value, Answer, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (log, study) = (folder.path().join("w.jsonl"), folder.path().join("guest.json"));
    let world = World::new(answers);
    let child = begun(&world, &log);
    guest(&study);
    end(child);
    let all = folder.path().join("all.json");
    let answer = merge(&[&study, &log], &all);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    (record(&all)["arms"][0].clone(), answer, folder, all)
}

#[test]
fn a_host_log_holds_what_guests_cannot_see() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("w.jsonl");
    let world = World::new(&host(60));
    let answer = run(world.around(monitor(&log).args(["--duration", "200ms"])));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let lines = lines(&log);
    let (header, sample) = (&lines[0], &lines[1]["gpus"][0]);
    assert!(lines.len() >= 3, "{lines:?}");
    assert_eq!(
        (&header["kind"], &header["interval_seconds"]),
        (&json!("host-log"), &json!(0.05))
    );
    let gpu = &header["gpus"][0];
    assert_eq!(gpu["mode"], "vgpu-host");
    assert_eq!(
        gpu["scheduler"],
        json!({"policy": "best-effort", "adaptive": null, "timeslice_ns": 2_000_000, "source": "NVML"})
    );
    assert_eq!(gpu["vgpu_types"], json!(["GRID V100D-8Q", "GRID V100D-16Q"]));
    assert_eq!(
        (
            &sample["sm_clock_mhz"],
            &sample["memory_clock_mhz"],
            &sample["power_watts"],
            &sample["utilization"]
        ),
        (&json!(1755.0), &json!(877.0), &json!(71.25), &json!(0.4))
    );
    assert_eq!(sample["unavailable"], json!({}));
    assert_eq!(
        sample["vgpus"][1],
        json!({"id": 1002, "uuid": "aaaaaaaa-0000-0000-0000-000000000002", "vm": "b0000000-0000-0000-0000-000000000002",
            "vgpu_type": "GRID V100D-8Q", "memory_used_bytes": 700_000_000, "utilization": 0.6, "licensed": true,
            "unavailable": {}})
    );
    let again = run(world.around(monitor(&log).args(["--duration", "100ms"])));
    assert_eq!(again.code(), 1);
    assert!(
        again.stderr().contains("there is such a file already"),
        "{}",
        again.all()
    );
}

#[test]
fn a_busy_vgpu_fails_the_guest_s_check_and_an_idle_one_passes_it() {
    let (arm, answer, _folder, all) = with_host_log(&host(60));
    let found = check(&arm, "co-tenants");
    assert_eq!(found["outcome"], "failed", "{}", answer.all());
    let observed = found["observed"].as_str().unwrap();
    assert_eq!(
        observed,
        "host log w.jsonl: up to 1 other vGPU on the board took 60.0 % of its time, 60 % at most; scheduler best-effort: \
         their idle time is the arm's"
    );
    assert_eq!(arm["status"], "unstable");
    assert_eq!(check(&arm, "gpu-clock")["outcome"], "passed", "{arm}");
    let seen = &arm["host_log"];
    assert_eq!(
        (&seen["file"], &seen["blocks_covered"]),
        (&json!("w.jsonl"), &json!(3))
    );
    assert_eq!(
        (
            &seen["other_vgpus_max"],
            &seen["sm_clock_mhz_min"],
            &seen["tolerance_seconds"]
        ),
        (&json!(1), &json!(1755.0), &json!(2.0))
    );
    // A mean of many like numbers is that number to the last bit for some numbers of samples only.
    let mean = seen["other_vgpus_use_mean"].as_f64().unwrap();
    assert!((mean - 0.6).abs() < 1e-9, "{mean}");
    assert!(
        !arm.to_string().contains("b0000000"),
        "a record names no virtual machine"
    );
    let table = answer.stdout();
    for text in ["HOST LOG", "best-effort, 2 ms", "60 %", "1755"] {
        assert!(table.contains(text), "no {text} in {table}");
    }
    // An audit makes the checks of the host log again, with the same outcome.
    let audit = run(facebench().arg("audit").arg(&all));
    assert_eq!(audit.code(), 0, "{}", audit.all());

    let (arm, answer, ..) = with_host_log(&host(0));
    assert_eq!(check(&arm, "co-tenants")["outcome"], "passed", "{}", answer.all());
}

#[test]
fn a_board_that_is_too_hot_fails_the_guest_s_clock() {
    let mut answers = host(0);
    answers["devices"][0] = with(
        answers["devices"][0].clone(),
        json!({"nvmlDeviceGetCurrentClocksThrottleReasons": 0x20}),
    );
    let (arm, answer, ..) = with_host_log(&answers);
    assert_eq!(check(&arm, "gpu-clock")["outcome"], "failed", "{}", answer.all());
}

#[test]
fn what_the_host_log_lacks_stays_unknown() {
    let mut answers = host(60);
    answers["devices"][0]["vgpus"][1]["nvmlDeviceGetVgpuUtilization"] = Value::Null;
    answers["devices"][0]["nvmlDeviceGetCurrentClocksThrottleReasons"] = json!("NVML_ERROR_NO_PERMISSION");
    let (arm, answer, ..) = with_host_log(&answers);
    for id in ["co-tenants", "gpu-clock"] {
        let found = check(&arm, id);
        assert_eq!(found["outcome"], "unknown", "{}", answer.all());
        assert!(
            found["observed"]
                .as_str()
                .unwrap()
                .starts_with("host log w.jsonl: "),
            "{found}"
        );
    }
}

#[test]
fn another_time_or_another_board_leaves_the_checks_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let world = World::new(&host(60));
    let (early, study, all) = (file("early.jsonl"), file("guest.json"), file("all.json"));
    end(begun(&world, &early));
    // An hour before, as far as the log says.
    let shifted: Vec<String> = lines(&early)
        .into_iter()
        .map(|mut line| {
            if let Some(at) = line["at"].as_str() {
                let at: jiff::Timestamp = at.parse().unwrap();
                line["at"] = (at - jiff::SignedDuration::from_hours(1)).to_string().into();
            }
            line.to_string()
        })
        .collect();
    std::fs::write(&early, shifted.join("\n")).unwrap();
    guest(&study);
    let answer = merge(&[&study, &early], &all);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(
        answer
            .stderr()
            .contains("the host log early.jsonl does not cover it: its samples are from"),
        "{}",
        answer.all()
    );
    let arm = &record(&all)["arms"][0];
    assert_eq!(check(arm, "co-tenants")["outcome"], "unknown");
    assert_eq!(arm["host_log"], Value::Null);

    let mut other = host(60);
    other["devices"][0]["vgpus"] = json!([]);
    let (log, world) = (file("other.jsonl"), World::new(&other));
    end(begun(&world, &log));
    let answer = merge(&[&study, &log], &all);
    assert!(
        answer.stderr().contains("has none of the GPUs of these records"),
        "{}",
        answer.all()
    );
    assert_eq!(merge(&[&log], &all).code(), 2, "a log alone is no record");
}

#[test]
fn a_log_survives_the_death_of_its_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let (log, study, all) = (
        folder.path().join("w.jsonl"),
        folder.path().join("guest.json"),
        folder.path().join("all.json"),
    );
    let world = World::new(&host(0));
    let mut child = begun(&world, &log);
    guest(&study);
    signal(child.id(), "-9");
    child.wait().unwrap();
    let mut text = std::fs::read_to_string(&log).unwrap();
    text.push_str("{\"at\": \"2026-0");
    std::fs::write(&log, text).unwrap();
    let answer = merge(&[&study, &log], &all);
    assert_eq!(
        check(&record(&all)["arms"][0], "co-tenants")["outcome"],
        "passed",
        "{}",
        answer.all()
    );
}

#[test]
fn nvidia_smi_is_used_where_nvml_has_no_scheduler() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = host(0);
    answers["devices"][0]["nvmlDeviceGetVgpuSchedulerState"] = Value::Null;
    let world = World::new(&answers);
    let header = |name: &str| {
        let log = folder.path().join(name);
        let mut command = monitor(&log);
        command.env("PATH", folder.path());
        let answer = run(world.around(command.args(["--duration", "60ms"])));
        assert_eq!(answer.code(), 0, "{}", answer.all());
        lines(&log)[0]["gpus"][0].clone()
    };
    let without = header("a.jsonl");
    assert_eq!(without["scheduler"], Value::Null);
    assert!(
        without["unavailable"]["scheduler"]
            .as_str()
            .unwrap()
            .contains("`nvidia-smi vgpu -ss` cannot be run"),
        "{without}"
    );
    let smi = folder.path().join("nvidia-smi");
    std::fs::write(
        &smi,
        "#!/bin/sh\necho 'GPU 0000FEDC:17:00.0'\necho '    Scheduler Policy : Fixed Share'\n",
    )
    .unwrap();
    std::fs::set_permissions(&smi, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let with = header("b.jsonl");
    assert_eq!(with["scheduler"]["policy"], "fixed-share", "{with}");
    assert_eq!(with["scheduler"]["source"], "nvidia-smi vgpu -ss");
}

#[test]
fn without_nvml_there_is_nothing_to_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("w.jsonl");
    let answer = run(monitor(&log).env("FACEBENCH_NVML", "/no/such/libnvidia-ml.so.1"));
    assert_eq!(answer.code(), 4, "{}", answer.all());
    assert!(
        answer.stderr().contains("cannot be loaded as the NVML library"),
        "{}",
        answer.all()
    );
    assert!(answer.stderr().trim().lines().count() >= 2, "{}", answer.all());
    assert!(!log.exists());
}
