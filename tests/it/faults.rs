//! Planted faults, each of which the check made for it must find: the real program, real workers.

use crate::common::{Answer, facebench, failed_checks, photos, record, run, short_run};
use serde_json::Value;

/// A study of `null` arms: short blocks, four processes; audited as well.
fn null_study(arms: &[&str], more: &[&str]) -> (Answer, Value) {
    null_study_of("4", arms, more)
}

fn null_study_of(processes: &str, arms: &[&str], more: &[&str]) -> (Answer, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut command = facebench();
    command.arg("run");
    for arm in arms {
        command.args(["-b", arm]);
    }
    command.args(["--warmup", "100ms", "--processes", processes, "--seed", "1"]);
    let answer = run(command.args(more).arg("-o").arg(&path));
    let record = record(&path);
    let audit = run(facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{}", audit.all());
    (answer, record)
}

#[test]
fn a_drift_from_block_to_block_is_unstable() {
    let more = ["--blocks", "3", "-d", "300ms"];
    let (answer, record) = null_study_of("6", &["null,delay=10ms,drift=3%"], &more);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let arm = &record["arms"][0];
    assert_eq!(arm["status"], "unstable");
    assert!(
        failed_checks(arm).contains(&"trend".to_owned()),
        "{}",
        answer.all()
    );
    let trend = arm["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["id"] == "trend")
        .unwrap();
    // Two steps of 3 % are -5.9 %, give or take what else the machine does.
    let observed = trend["observed"].as_str().unwrap().trim_end_matches(" %");
    assert!(
        (-7.0..-5.0).contains(&observed.parse::<f64>().unwrap()),
        "{trend}"
    );
}

#[test]
fn wrong_answers_and_a_wrong_place_are_invalid() {
    let arms = [
        "null,wrong=10%",
        "null,placement=50%",
        "null,wrong=1%",
        "null,placement=96%",
    ];
    let (answer, record) = null_study(&arms, &["--blocks", "1", "-d", "50ms"]);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let named = |arm: usize| failed_checks(&record["arms"][arm]);
    assert!(named(0).contains(&"agreement".to_owned()), "{:?}", named(0));
    assert!(named(1).contains(&"placement".to_owned()), "{:?}", named(1));
    assert_eq!(
        [&record["arms"][0]["status"], &record["arms"][1]["status"]],
        ["invalid", "invalid"]
    );
    // What lies within the limits passes: one face of a hundred is just that.
    assert_eq!(record["arms"][2]["accuracy"]["faces_matched"], 0.99);
    assert!(!named(2).contains(&"agreement".to_owned()), "{:?}", named(2));
    assert!(!named(3).contains(&"placement".to_owned()), "{:?}", named(3));
    assert_eq!(
        record["comparisons"].as_array().unwrap().len(),
        0,
        "no speed without agreement"
    );
}

#[test]
fn swapped_channels_do_not_agree() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer = run(short_run(photos.path(), &path).args(["-b", "cpu", "-b", "cpu,channels=swapped"]));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let record = record(&path);
    assert_eq!(record["arms"][1]["status"], "invalid", "{}", answer.all());
    assert_eq!(record["arms"][1]["backend"]["options"]["channels"], "swapped");
    assert!(failed_checks(&record["arms"][1]).contains(&"agreement".to_owned()));
    assert!(answer.stdout().contains("agreement"), "{}", answer.all());
    assert_ne!(record["arms"][0]["status"], "invalid");
}

#[test]
fn a_crash_in_the_third_block_keeps_the_blocks_before() {
    let more = ["--blocks", "3", "-d", "50ms"];
    let (answer, record) = null_study(&["null", "null,crash=3"], &more);
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert_eq!(record["arms"][1]["status"], "failed");
    assert_eq!(record["arms"][1]["blocks"].as_array().unwrap().len(), 2);
    assert_eq!(record["arms"][0]["blocks"].as_array().unwrap().len(), 12);
}

/// Photos go on arriving while the worker stalls: their waiting counts, and the time of work on a photo stays what it is.
#[test]
fn a_stall_is_seen_by_those_who_wait() {
    let more = [
        "--scenario",
        "server",
        "--request-rate",
        "60",
        "--blocks",
        "1",
        "-d",
        "4s",
        "--latency-bound",
        "500ms@p99",
    ];
    let (answer, record) = null_study(&["null,delay=10ms,stall=200ms/2s"], &more);
    let arm = &record["arms"][0];
    let p99 = arm["latency_ms"]["p99"].as_f64().unwrap();
    let service = arm["service_ms"]["p50"].as_f64().unwrap();
    assert!(p99 >= 150.0, "{p99} ms\n{}", answer.all());
    assert!((10.0..11.0).contains(&service), "{service} ms");
    // Nothing is dropped, and the rate is the one that was asked for.
    assert_eq!(arm["latency_ms"]["samples"], 1200);
    let rate = arm["throughput"]["images_per_second"]["median"].as_f64().unwrap();
    assert!((57.0..63.0).contains(&rate), "{rate}");
}

#[test]
fn a_rate_beyond_the_bound_is_invalid_and_a_search_finds_one_that_holds() {
    let server = [
        "--scenario",
        "server",
        "--blocks",
        "1",
        "-d",
        "200ms",
        "--latency-bound",
        "10ms@p99",
    ];
    let fixed: Vec<&str> = server.iter().copied().chain(["--request-rate", "700"]).collect();
    let (answer, record) = null_study(&["null,delay=2ms"], &fixed);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(
        failed_checks(&record["arms"][0]).contains(&"latency-bound".to_owned()),
        "{}",
        answer.all()
    );
    let (answer, record) = null_study(&["null,delay=2ms"], &server);
    let arm = &record["arms"][0];
    let trials = arm["trials"].as_array().unwrap();
    assert!(trials.iter().any(|t| t["met"] == true) && trials.iter().any(|t| t["met"] == false));
    // One server of 2 ms: at 500 a second the queue would grow for ever.
    let rate = arm["throughput"]["images_per_second"]["median"].as_f64().unwrap();
    assert!((100.0..500.0).contains(&rate), "{rate}\n{}", answer.all());
    assert_eq!(arm["blocks"][0]["images"], 200);
}

#[test]
fn multi_stream_waits_for_all_eight() {
    let more = ["--scenario", "multi-stream", "--blocks", "1", "-d", "1s"];
    let (answer, record) = null_study(&["null,delay=4ms,streams=2"], &more);
    let arm = &record["arms"][0];
    let query = arm["latency_ms"]["p50"].as_f64().unwrap();
    assert!(
        (16.0..20.0).contains(&query),
        "four rounds of two: {query}\n{}",
        answer.all()
    );
    let service = arm["service_ms"]["p50"].as_f64().unwrap();
    assert!((4.0..5.0).contains(&service), "{service}");
}

#[test]
fn a_quick_study_is_never_valid_for_a_claim() {
    let (answer, record) = null_study(&["null,delay=2ms", "null,delay=3ms"], &["--quick", "-d", "100ms"]);
    let comparison = &record["comparisons"][0];
    assert_eq!(comparison["verdict"], "slower", "{}", answer.all());
    assert_eq!(comparison["status"], "unstable");
    assert!(comparison["reasons"][0].as_str().unwrap().contains("quick"));
}
