//! `facebench tune` as a user runs it: searches, confirms, and prints a SPEC that `run` accepts.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::common::{self, Answer, SHORT, facebench, record, run, signal, study, until, workers};
use serde_json::Value;

/// `facebench tune` of `spec`, as short as can be.
fn short_tune(spec: &str, record: &Path) -> Command {
    study(&format!("tune {SHORT} -b {spec}"), record)
}

/// The record of a search, whose SPEC stands alone on the last line of the answer and is accepted by `run`.
fn tuned(answer: &Answer, path: &Path) -> Value {
    let record = common::sound(answer, path);
    let spec = record["tune"]["chosen"].as_str().unwrap();
    let text = answer.stdout();
    assert_eq!(text.lines().last(), Some(spec), "{}", answer.all());
    assert!(text.contains(&format!("\nfacebench run -b {spec}")), "{text}");
    let accepted = run(facebench().args(["run", "--dry-run", "-b", spec]));
    assert_eq!(accepted.code(), 0, "{}", accepted.all());
    common::assert_fits_schema(&record);
    record
}

fn candidates(record: &Value) -> &Vec<Value> {
    record["tune"]["candidates"].as_array().unwrap()
}

#[test]
fn more_streams_are_found_where_they_are_faster() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("r.json"), folder.path().join("spec.txt"));
    // Each photo sleeps, so twice the streams are twice as fast.
    let answer = run(short_tune("null,delay=5ms", &path).arg("--spec-file").arg(&file));
    let record = tuned(&answer, &path);
    let spec = record["tune"]["chosen"].as_str().unwrap();
    assert!(spec.starts_with("null,delay=5ms,streams="), "{spec}");
    assert_ne!(spec, "null,delay=5ms,streams=1", "{}", answer.all());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{spec}\n"));
    assert_eq!(
        record["arms"][0]["label"], "null,delay=5ms",
        "the bare SPEC is first"
    );
    let comparison = record["comparisons"].as_array().unwrap();
    let comparison = comparison.iter().find(|c| c["arm"] == spec).unwrap();
    assert_eq!(comparison["verdict"], "faster");
    assert!(
        answer.stdout().contains(&format!("Use {spec}: it is faster, ")),
        "{}",
        answer.stdout()
    );
    for candidate in candidates(&record) {
        let rounds = candidate["rounds"].as_array().unwrap();
        assert!(!rounds.is_empty(), "{candidate}");
        let is_dropped = !candidate["dropped_after"].is_null();
        assert!(
            !is_dropped || candidate["dropped_after"] == rounds.len(),
            "{candidate}"
        );
    }
    // The confirming study has blocks of its own: three processes of each arm.
    for arm in record["arms"].as_array().unwrap() {
        assert_eq!(arm["blocks"].as_array().unwrap().len(), 3);
    }

    let audit = |path: &Path| run(facebench().arg("audit").arg(path));
    assert_eq!(audit(&path).code(), 0, "{}", audit(&path).all());
    for (place, value) in [
        ("/tune/candidates/0/rounds/0/images_per_second", Value::from(1e9)),
        ("/tune/chosen", Value::from("null,delay=5ms")),
    ] {
        let mut spoilt = record.clone();
        *spoilt.pointer_mut(place).unwrap() = value;
        let path = folder.path().join("spoilt.json");
        std::fs::write(&path, spoilt.to_string()).unwrap();
        assert_eq!(audit(&path).code(), 3, "{place}");
    }
}

#[test]
fn the_embedded_workload_is_tuned_for_throughput_and_for_latency() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(short_tune("cpu,batch=1", &path).args(["--photos", "6"]));
    let record = tuned(&answer, &path);
    assert!(record["tune"]["bare"] == "cpu,batch=1" && record["tune"]["photos"] == 6);
    for arm in record["arms"].as_array().unwrap() {
        assert_eq!(
            common::check(arm, "agreement")["outcome"],
            "passed",
            "{}",
            answer.all()
        );
    }
    let cores = record["plan"]["host_cores"].as_u64().unwrap();
    for candidate in candidates(&record) {
        let [streams, threads] = ["streams", "threads"].map(|key| candidate[key].as_u64().unwrap());
        assert!(
            candidate["error"].is_null() && candidate["decoders"].is_null(),
            "{candidate}"
        );
        assert!(
            candidate["batch"] == 1 && streams * threads <= 2 * cores,
            "{candidate}"
        );
    }
    let answer = run(short_tune("cpu", &path).args(["--photos", "6", "--hint", "latency"]));
    let record = tuned(&answer, &path);
    assert_eq!(record["workload"]["scenario"], "single-stream");
    assert!(
        candidates(&record)
            .iter()
            .all(|candidate| candidate["streams"] == 1)
    );
    assert!(
        answer.stdout().contains(" --scenario single-stream\n"),
        "{}",
        answer.stdout()
    );
}

#[test]
fn decoders_are_searched_beside_a_device() {
    let cores = std::thread::available_parallelism().unwrap().get();
    if cores == 1 {
        common::skip("one core has one decoder");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let spec = "cpu,path=device,batch=2,streams=2,threads=1";
    let answer = run(short_tune(spec, &path).args(["--photos", "4"]));
    let record = tuned(&answer, &path);
    let (bare, others) = candidates(&record).split_first().unwrap();
    assert_eq!((&bare["decoders"], &bare["spec"]), (&cores.into(), &spec.into()));
    assert!(!others.is_empty());
    for candidate in others {
        let decoders = candidate["decoders"].as_u64().unwrap();
        assert!(
            decoders < cores as u64 && candidate["error"].is_null(),
            "{candidate}"
        );
        assert_eq!(candidate["spec"], format!("{spec},decoders={decoders}"));
    }
}

#[test]
fn a_plan_can_be_seen_first_and_senseless_options_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let plan = run(short_tune("null,delay=5ms", &path).arg("--dry-run"));
    assert_eq!(plan.code(), 0, "{}", plan.all());
    assert!(
        plan.stdout().starts_with("candidate: null,delay=5ms,streams=1\n"),
        "{}",
        plan.all()
    );
    assert!(!path.exists());
    for (spec, more, reason) in [
        ("null,streams=2", &[][..], "leaves nothing open"),
        ("null", &["--hint", "latency"], "leaves nothing open"),
        (
            "cpu,streams=2",
            &["--hint", "latency"],
            "one photo in work at a time",
        ),
        ("cpu", &["--hint", "speed"], "throughput"),
        ("cpu,decoders=2", &[], "decoders=N needs path=device"),
    ] {
        let answer = run(short_tune(spec, &path).args(more));
        assert_eq!(answer.code(), 2, "{spec}: {}", answer.all());
        assert!(answer.stderr().contains(reason), "{spec}: {}", answer.all());
    }
}

#[test]
fn an_interrupted_search_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut search = facebench()
        .args("tune -b null,delay=1ms -d 4s --warmup 10ms -o".split(' '))
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a first round", || path.exists());
    signal(search.id(), "-INT");
    assert_eq!(search.wait().unwrap().code(), Some(1));
    let record = record(&path);
    assert_eq!(record["interrupted"], true);
    assert!(record["tune"]["chosen"].is_null());
    assert_eq!(candidates(&record)[0]["rounds"].as_array().unwrap().len(), 1);
    let shown = run(facebench().arg("report").arg(&path));
    assert_eq!(shown.code(), 0, "{}", shown.all());
    assert!(
        shown.stdout().contains("SEARCH FOR THE BEST SETTING"),
        "{}",
        shown.all()
    );
}

#[test]
fn a_candidate_whose_worker_dies_is_out_and_the_search_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let arguments = "tune -b null,delay=20ms -d 50ms --warmup 10ms --processes 1 --blocks 1";
    let mut search = study(arguments, &path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut victim = None;
    for line in BufReader::new(search.stderr.take().unwrap()).lines() {
        // After the first block the same worker is at the next one.
        if line.unwrap().contains("images/s") && victim.is_none() {
            victim = workers(search.id()).first().copied();
            signal(victim.unwrap(), "-9");
        }
    }
    // One process shows no difference: the bare SPEC stays, unstable.
    assert_eq!(search.wait().unwrap().code(), Some(3));
    let record = record(&path);
    assert_eq!(record["tune"]["chosen"], "null,delay=20ms");
    let (out, others): (Vec<&Value>, Vec<&Value>) =
        candidates(&record).iter().partition(|c| c["error"].is_string());
    assert_eq!(out.len(), 1, "{record}");
    assert!(
        out[0]["error"].as_str().unwrap().contains("SIGKILL"),
        "{}",
        out[0]
    );
    assert_eq!(
        (&out[0]["dropped_after"], &out[0]["rounds"]),
        (&1.into(), &serde_json::json!([]))
    );
    assert!(others.iter().all(|c| !c["rounds"].as_array().unwrap().is_empty()));
}
