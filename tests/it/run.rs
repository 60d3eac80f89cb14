//! `facebench run` as a user runs it: the real program, real workers, small networks.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::common::{
    self, network, photo, photos, record, run, run_with, short_run, signal, study, until, workers, write,
};

#[test]
fn one_arm_leaves_a_table_and_a_record() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("deep/down/r.json");
    let answer = run(&mut short_run(photos.path(), &path));
    let record = common::sound(&answer, &path);
    assert!(answer.stdout().contains("cpu"), "{}", answer.all());
    let arm = &record["arms"][0];
    assert_eq!(arm["blocks"].as_array().unwrap().len(), 3);
    assert_eq!(record["workload"]["dataset"]["images"], 3);
    assert_eq!(record["workload"]["dataset"]["faces"], 3);
    assert_eq!(record["workload"]["detector"]["family"], "yunet");
    assert_eq!(arm["backend"]["provider"], "CPUExecutionProvider");
    assert!(
        (arm["backend"]["placement"]["CPUExecutionProvider"]["time_share"]
            .as_f64()
            .unwrap()
            - 1.0)
            .abs()
            < 1e-9
    );
    for block in arm["blocks"].as_array().unwrap() {
        let images = block["images"].as_u64().unwrap();
        assert!(images.is_multiple_of(3), "whole passes only");
        assert_eq!(block["faces"].as_u64().unwrap(), images);
        assert!(block["seconds"].as_f64().unwrap() >= 0.05);
    }
    let ips = &arm["throughput"]["images_per_second"];
    let [low, median, high] = ["low", "median", "high"].map(|key| ips[key].as_f64().unwrap());
    assert!(0.0 < low && low <= median && median <= high);
    let strata: Vec<_> = arm["throughput"]["strata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(strata, ["no face", "1 face", "2-4 faces", "under 1 MP"]);
    assert!(arm["setup"]["load_ms"].as_f64().unwrap() > 0.0 && arm["rss_peak_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn arms_with_batches_threads_and_a_fixed_graph_agree() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer = run(short_run(photos.path(), &path).args([
        "-b",
        "cpu",
        "-b",
        "cpu,batch=2,streams=1",
        "-b",
        "cpu,threads=2,label=wide",
        "-b",
        "null,delay=2ms,faces=3",
    ]));
    let record = common::sound(&answer, &path);
    let labels: Vec<_> = record["arms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arm| arm["label"].as_str().unwrap())
        .collect();
    assert_eq!(
        labels,
        ["cpu", "cpu,batch=2,streams=1", "wide", "null,delay=2ms,faces=3"]
    );
    assert_eq!(record["arms"][1]["backend"]["options"]["detector_batch"], "2");
    assert_eq!(record["comparisons"].as_array().unwrap().len(), 3);
    for arm in &record["arms"].as_array().unwrap()[..3] {
        let agreement = arm["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["id"] == "agreement")
            .unwrap();
        assert_eq!(agreement["outcome"], "passed", "{agreement}");
    }
    assert!(
        record["arms"][3]["accuracy"].is_null(),
        "null answers nothing that could agree"
    );
    // Blocks of different arms are interleaved: each round holds one of every arm, in an order of its own.
    let mut rounds = vec![Vec::new(); 3];
    for (number, arm) in record["arms"].as_array().unwrap().iter().enumerate() {
        for block in arm["blocks"].as_array().unwrap() {
            let order = block["order"].as_u64().unwrap() as usize;
            assert_eq!(order / 4, block["process"].as_u64().unwrap() as usize);
            rounds[order / 4].push((order, number));
        }
    }
    let orders: Vec<Vec<usize>> = rounds
        .into_iter()
        .map(|mut round| {
            round.sort_unstable();
            round.into_iter().map(|(_, arm)| arm).collect()
        })
        .collect();
    assert!(
        orders.iter().all(|order| order.len() == 4) && orders[0] != orders[1],
        "{orders:?}"
    );
    let detector = network("spots_fixed.onnx");
    let mut fixed = run_with(photos.path(), &path, &detector, &network("tiles.onnx"));
    let fixed = run(fixed.args(["-b", "cpu,batch=4"]));
    assert_eq!(
        common::sound(&fixed, &path)["arms"][0]["backend"]["options"]["detector_batch"],
        "1"
    );
}

#[test]
fn single_stream_measures_the_time_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let arguments =
        "run -b null,delay=5ms --scenario single-stream --processes 3 --blocks 1 -d 1200ms --warmup 10ms";
    let answer = run(&mut study(arguments, &path));
    let arm = &common::sound(&answer, &path)["arms"][0];
    let p50 = arm["latency_ms"]["p50"].as_f64().unwrap();
    assert!((4.9..6.0).contains(&p50), "{p50}");
    assert!(arm["latency_ms"]["p95"].is_number(), "{}", arm["latency_ms"]);
}

#[test]
fn a_single_process_has_no_interval_and_says_so() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let mut command = study("run -b null --processes 1 -d 20ms --warmup 1ms", &path);
    let answer = run(command.arg("-i").arg(photos.path()));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(
        answer.stdout().contains("unstable") && answer.stdout().contains("from 1 processes"),
        "{}",
        answer.all()
    );
    assert!(record(&path)["arms"][0]["throughput"]["images_per_second"]["low"].is_null());
}

#[test]
fn a_crash_fails_its_arm_and_not_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let arguments = "run -b null,delay=1ms -b null,delay=1ms,crash=2 -d 20ms --warmup 1ms";
    let answer = run(&mut study(arguments, &path));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let record = record(&path);
    common::assert_sound(&record["arms"][0]);
    assert_eq!(record["arms"][1]["status"], "failed");
    assert_eq!(record["arms"][0]["blocks"].as_array().unwrap().len(), 12);
    assert_eq!(
        record["arms"][1]["blocks"].as_array().unwrap().len(),
        1,
        "the block before the crash is kept"
    );
    let error = record["arms"][1]["errors"][0].as_str().unwrap();
    assert!(
        error.contains("process 1 in block 2") && error.contains("SIGABRT"),
        "{error}"
    );
}

#[test]
fn a_hang_fails_its_arm_and_not_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let arguments = "run -b null,hang=1 -b null --processes 3 -d 20ms --warmup 1ms --patience 1s";
    let answer = run(&mut study(arguments, &path));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let record = record(&path);
    assert_eq!(record["arms"][0]["status"], "failed");
    common::assert_sound(&record["arms"][1]);
    let error = record["arms"][0]["errors"][0].as_str().unwrap();
    assert!(error.contains("no progress for 1 s"), "{error}");
}

#[test]
fn a_worker_killed_during_a_study_is_reported_and_the_other_arm_is_whole() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let arguments =
        "run -b cpu -b cpu,label=other --processes 3 --blocks 1 --seed 1 -d 500ms --warmup 10ms --no-curve";
    let mut study = study(arguments, &path)
        .arg("-i")
        .arg(photos.path())
        .arg("--detector")
        .arg(network("spots.onnx"))
        .arg("--recognizer")
        .arg(network("tiles.onnx"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Two workers at the same time: the measuring has begun.
    let mut victim = 0;
    until("two workers", || {
        let alive = workers(study.id());
        victim = alive.last().copied().unwrap_or(0);
        alive.len() == 2
    });
    std::thread::sleep(Duration::from_millis(200));
    signal(victim, "-9");
    assert_eq!(study.wait().unwrap().code(), Some(1));
    let record = record(&path);
    // The shuffle decides whose worker it was.
    let is_failed = |arm: &&serde_json::Value| arm["status"] == "failed";
    let (failed, whole): (Vec<_>, Vec<_>) = record["arms"].as_array().unwrap().iter().partition(is_failed);
    assert_eq!((failed.len(), whole.len()), (1, 1), "{record}");
    common::assert_sound(whole[0]);
    assert_eq!(whole[0]["blocks"].as_array().unwrap().len(), 3);
    let error = failed[0]["errors"][0].as_str().unwrap();
    assert!(error.contains("SIGKILL"), "{error}");
}

#[test]
fn an_interrupted_study_keeps_what_it_has_and_leaves_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut study = study(
        "run -b null,delay=1ms -d 300ms --warmup 1ms --processes 50",
        &path,
    )
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let blocks = |path: &Path| {
        let text = std::fs::read(path).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some(record["arms"][0]["blocks"].as_array()?.len())
    };
    until("a first round", || {
        blocks(&path).is_some_and(|blocks| blocks >= 2)
    });
    let alive = workers(study.id());
    signal(study.id(), "-INT");
    assert_eq!(study.wait().unwrap().code(), Some(1));
    let record = record(&path);
    assert_eq!(record["interrupted"], true);
    assert!(record["arms"][0]["blocks"].as_array().unwrap().len() >= 2);
    assert_eq!(record["arms"][0]["status"], "unstable");
    until("the workers' end", || {
        alive
            .iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
}

#[test]
fn workers_end_with_a_study_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = study("run -b null,delay=1ms -d 20s", &folder.path().join("r.json"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut alive = Vec::new();
    until("a worker", || {
        alive = workers(study.id());
        !alive.is_empty()
    });
    signal(study.id(), "-9");
    study.wait().unwrap();
    until("the worker's end", || {
        alive
            .iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
}

#[test]
fn bad_photos_among_good_ones_are_skipped_and_named() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let whole = std::fs::read(photos.path().join("one.png")).unwrap();
    std::fs::write(photos.path().join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(photos.path().join("text.jpg"), "not a photo").unwrap();
    std::fs::write(photos.path().join("notes.txt"), "passed over").unwrap();
    for arms in [&["-b", "cpu"][..], &["-b", "cpu,batch=4"]] {
        let answer = run(short_run(photos.path(), &path).args(arms));
        let record = common::sound(&answer, &path);
        let skipped: Vec<_> = record["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["photo"].as_str().unwrap())
            .collect();
        assert_eq!(skipped, ["cut.png", "text.jpg"]);
        assert_eq!(record["workload"]["dataset"]["images"], 3);
        assert!(answer.stdout().contains("skipped 2 files"), "{}", answer.all());
    }
    let strict = run(short_run(photos.path(), &path).arg("--strict"));
    assert_eq!(strict.code(), 1, "{}", strict.all());
    assert!(strict.stderr().contains("text.jpg"), "{}", strict.all());
    std::fs::remove_file(photos.path().join("text.jpg")).unwrap();
    let strict = run(short_run(photos.path(), &path).arg("--strict"));
    assert_eq!(strict.code(), 1, "{}", strict.all());
    assert!(strict.stderr().contains("cut.png"), "{}", strict.all());
}

#[test]
fn a_sample_is_the_same_for_the_same_seed() {
    let (photos, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..12 {
        write(
            &photo(&[(number, 3)], number),
            &photos.path().join(format!("{number:02}.png")),
        );
    }
    let sample = |seed: &str| {
        let path = folder.path().join("r.json");
        let arguments = "run -b null -b cpu --processes 3 -d 5ms --warmup 1ms --photos 5 --seed";
        let answer = run(study(&format!("{arguments} {seed}"), &path)
            .arg("-i")
            .arg(photos.path())
            .arg("--detector")
            .arg(network("spots.onnx"))
            .arg("--recognizer")
            .arg(network("tiles.onnx")));
        let record = common::sound(&answer, &path);
        assert_eq!(record["workload"]["dataset"]["images"], 5);
        record["workload"]["dataset"]["sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn a_dry_run_shows_the_plan_and_measures_nothing() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer = run(short_run(photos.path(), &path).args(["-b", "cpu,streams=2,threads=1", "--dry-run"]));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(
        answer.stdout().contains("2 streams of 1 threads"),
        "{}",
        answer.all()
    );
    assert!(!path.exists());
}

#[test]
fn without_an_fp32_reference_agreement_is_unknown() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let mut study = short_run(photos.path(), &path)
        .args(["-b", "cpu,precision=tf32"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The second worker is the reference's: it is reported in a line of its own.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(study.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("fp32 CPU reference")));
    let mut victims = Vec::new();
    until("the reference's worker", || {
        victims = workers(study.id());
        !victims.is_empty()
    });
    for victim in victims {
        let _ = Command::new("kill").args(["-9", &victim.to_string()]).status();
    }
    for _ in lines {}
    study.wait().unwrap();
    let checks = record(&path)["arms"][0]["checks"].clone();
    let agreement = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == "agreement")
        .unwrap();
    assert_eq!(agreement["outcome"], "unknown", "{agreement}");
    assert!(
        agreement["observed"]
            .as_str()
            .unwrap()
            .contains("no fp32 CPU answers"),
        "{agreement}"
    );
}

#[test]
fn a_reader_that_leaves_changes_neither_the_record_nor_the_exit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut study = study("run -b null --processes 1 -d 20ms --warmup 1ms", &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(study.stdout.take());
    drop(study.stderr.take());
    assert_eq!(
        study.wait().unwrap().code(),
        Some(3),
        "one process is never stable"
    );
    assert_eq!(record(&path)["arms"][0]["blocks"].as_array().unwrap().len(), 2);
}

#[cfg(unix)]
#[test]
fn pipes_and_odd_names_in_a_folder_are_skipped() {
    use std::os::unix::ffi::OsStrExt;
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    assert!(
        Command::new("mkfifo")
            .arg(photos.path().join("pipe.png"))
            .status()
            .unwrap()
            .success()
    );
    let odd = photos.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.png"));
    std::fs::copy(photos.path().join("one.png"), odd).unwrap();
    let answer = run(&mut short_run(photos.path(), &path));
    let reasons = common::sound(&answer, &path)["skipped"].to_string();
    assert!(
        reasons.contains("not an ordinary file") && reasons.contains("not UTF-8"),
        "{reasons}"
    );
    // A record takes the place of an ordinary file, and of nothing else.
    let answer = run(&mut short_run(photos.path(), &photos.path().join("pipe.png")));
    assert!(
        answer.code() == 1 && answer.stderr().contains("not an ordinary file"),
        "{}",
        answer.all()
    );
}
