//! Commands on records (audit, compare, merge), and others that stand alone: checks, serve, the noise floor.

use std::{io::Write, path::Path, process::Stdio};

use crate::common::{self, Answer, SHORT, facebench, measured, photos, record, run, short_run, study, write};
use serde_json::Value;

/// A short study of one `null` arm, named.
fn named(folder: &Path, name: &str, spec: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{name}.json"));
    let arguments = format!("run -b {spec} --name {name} --processes 4 --blocks 1 -d 100ms --warmup 20ms");
    let mut record = measured(&run(&mut study(&arguments, &path)), &path);
    // A gate refuses what was measured on a busy machine, as that of the tests may be.
    for block in record["arms"][0]["blocks"].as_array_mut().unwrap() {
        block["conditions"]["busy_seconds"] = Value::Null;
    }
    std::fs::write(&path, record.to_string()).unwrap();
    path
}

fn compare(old: &Path, new: &Path, more: &[&str]) -> Answer {
    run(facebench().arg("compare").arg(old).arg(new).args(more))
}

#[test]
fn an_audit_finds_a_figure_that_its_blocks_do_not_give() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let arms = "-b cpu -b cpu,streams=1 --price-per-hour 0.5USD";
    common::sound(&run(short_run(photos.path(), &path).args(arms.split(' '))), &path);
    let audit = |path: &Path| run(facebench().arg("audit").arg(path));
    let whole = audit(&path);
    assert_eq!(whole.code(), 0, "{}", whole.all());
    assert!(
        whole.stdout().contains("6 raw blocks: all are the same"),
        "{}",
        whole.all()
    );
    let spoilt = |place: &str, value: Value| {
        let mut record = record(&path);
        *record.pointer_mut(place).unwrap() = value;
        let path = folder.path().join("spoilt.json");
        std::fs::write(&path, record.to_string()).unwrap();
        let answer = audit(&path);
        assert_eq!(answer.code(), 3, "{place}\n{}", answer.all());
        answer.stdout()
    };
    let text = spoilt("/arms/0/throughput/images_per_second/median", 9e9.into());
    assert!(
        text.contains("arms[0].throughput.images_per_second.median: recorded 9000000000.0"),
        "{text}"
    );
    spoilt("/arms/1/cost/per_million_images/median", 0.01.into());
    spoilt("/arms/0/latency_ms/max", 1e-3.into());
    spoilt("/arms/0/status", "invalid".into());
    spoilt("/comparisons/0/ratio/high", 99.0.into());
    spoilt("/comparisons/0/verdict", "faster".into());
    spoilt("/arms/0/blocks/1/images", 1.into());
}

#[test]
fn a_slowdown_fires_the_gate_and_the_same_again_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let a = named(folder.path(), "before", "null,delay=10ms");
    let b = named(folder.path(), "after", "null,delay=11.5ms");
    let answer = compare(&a, &b, &["--fail-on-regression", "5%"]);
    assert_eq!(answer.code(), 5, "{}", answer.all());
    assert!(
        answer.stderr().contains("regression: ") && answer.stdout().contains("slower"),
        "{}",
        answer.all()
    );
    let other_way = compare(&b, &a, &["--fail-on-regression", "5%"]);
    assert_eq!(other_way.code(), 0, "{}", other_way.all());
    assert_eq!(compare(&a, &b, &[]).code(), 0, "without a gate it only reports");
    let json: Value = serde_json::from_str(&compare(&a, &b, &["--json"]).stdout()).unwrap();
    assert_eq!(
        (&json[0]["verdict"], &json[0]["paired"]),
        (&"slower".into(), &false.into())
    );
    let twice = compare(&a, &a, &[]);
    assert_eq!(twice.code(), 2, "{}", twice.all());
}

#[test]
fn a_quick_record_gives_no_verdict_on_regressions() {
    let folder = tempfile::tempdir().unwrap();
    let a = named(folder.path(), "whole", "null,delay=2ms");
    let b = folder.path().join("quick.json");
    measured(&run(&mut study("run -b null,delay=2ms --quick -d 50ms", &b)), &b);
    let answer = compare(&a, &b, &["--fail-on-regression", "5%"]);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(answer.stderr().contains("quick"), "{}", answer.all());
}

#[test]
fn records_of_different_work_are_not_compared() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
    common::sound(&run(&mut short_run(photos.path(), &a)), &a);
    write(&common::photo(&[(1, 1)], 3), &photos.path().join("more.png"));
    common::sound(&run(&mut short_run(photos.path(), &b)), &b);
    let answer = compare(&a, &b, &[]);
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(answer.stderr().contains("the photos"), "{}", answer.all());
    for (text, reason) in [
        ("{", "is not JSON"),
        ("{}", "not a record of facebench"),
        (r#"{"schema_version": 9}"#, "schema version 9"),
    ] {
        std::fs::write(&b, text).unwrap();
        let answer = compare(&a, &b, &[]);
        assert_eq!(answer.code(), 1, "{}", answer.all());
        assert!(
            answer.stderr().contains(reason) && answer.stderr().contains("b.json"),
            "{}",
            answer.all()
        );
    }
}

#[test]
fn merged_records_keep_their_sources() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "two", "three"].map(|name| named(folder.path(), name, "null,delay=2ms"));
    let all = folder.path().join("all.json");
    let answer = run(facebench().arg("merge").args(&paths).arg("-o").arg(&all));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let merged = record(&all);
    let labels: Vec<_> = merged["arms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["label"].as_str().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "null,delay=2ms @ one",
            "null,delay=2ms @ two",
            "null,delay=2ms @ three"
        ]
    );
    assert_eq!(merged["sources"].as_array().unwrap().len(), 3);
    assert_eq!(merged["comparisons"].as_array().unwrap().len(), 2);
    assert_eq!(merged["comparisons"][0]["paired"], false);
    assert_eq!(merged["comparisons"][0]["corrected_for"], 2);
    let audit = run(facebench().arg("audit").arg(&all));
    assert_eq!(audit.code(), 0, "{}", audit.all());
}

#[test]
fn the_page_of_checks_is_what_the_program_says() {
    let answer = run(facebench().args(["checks", "--markdown"]));
    let page = common::package("docs/checks.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, answer.stdout()).unwrap();
    }
    assert!(
        std::fs::read_to_string(page).unwrap() == answer.stdout(),
        "run UPDATE_DOCS=1 cargo test --test it records::, and look at the difference"
    );
    let text = run(facebench().arg("checks")).stdout();
    assert!(
        text.contains("agreement (invalid)") && text.contains("foreign-load (unstable)"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn a_worker_serves_load_generators_of_others() {
    let photos = photos();
    let mut child = facebench()
        .args(["serve", "-b", "cpu,streams=2,threads=1", "-i"])
        .arg(photos.path())
        .arg("--detector")
        .arg(common::network("spots.onnx"))
        .arg("--recognizer")
        .arg(common::network("tiles.onnx"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"41 0\n42 1 43 2\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let ready: Value = serde_json::from_str(first).unwrap();
    assert_eq!(
        (&ready["photos"], &ready["provider"]),
        (&3.into(), &"CPUExecutionProvider".into())
    );
    let mut ids: Vec<&str> = rest.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, ["41", "42", "43"]);
}

#[test]
fn a_noise_floor_becomes_the_margin() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let null = |arguments: &str| {
        let arguments = format!("run -d 20ms --warmup 10ms --blocks 1 {arguments}");
        run(study(&arguments, &path).env("FACEBENCH_HOME", home.path()))
    };
    // Processes that differ by 20 %: a noisy machine.
    let answer = null("-b null,jitter=20% --noise-floor --processes 4");
    assert!(
        answer.stderr().contains("noise floor of null: "),
        "{}",
        answer.all()
    );
    let first = measured(&answer, &path);
    assert_eq!(first["arms"].as_array().unwrap().len(), 2);
    assert!(first["plan"]["noise_floor"].is_null());
    assert_eq!(first["checks"][0]["outcome"], "unknown");
    let later = measured(&null("-b null --processes 3"), &path);
    let floor = later["plan"]["noise_floor"].as_f64().unwrap();
    assert!(floor > 0.02, "{floor}");
    assert_eq!(later["plan"]["margin"], floor);
    assert_eq!(later["checks"][0]["outcome"], "failed");
    assert_eq!(null("-b null -b null --noise-floor").code(), 2);
}

#[test]
fn cold_reads_say_whether_they_were_cold() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let arms = "-b cpu -b cpu,reads=cached -b cpu,reads=cold";
    let answer = run(short_run(photos.path(), &path).args(arms.split(' ')));
    let record = measured(&answer, &path);
    let reads = |arm: usize| {
        record["arms"][arm]["backend"]["options"]["reads"]
            .as_str()
            .unwrap()
    };
    assert_eq!([reads(0), reads(1), reads(2)], ["preloaded", "cached", "cold"]);
    let check = |arm: usize| {
        let checks = record["arms"][arm]["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == "page-cache").cloned()
    };
    assert!(check(0).is_none() && check(1).is_none());
    // This file system may or may not drop its cache on request; the check must find out which.
    let cold = check(2).unwrap();
    assert_ne!(cold["outcome"], "unknown", "{cold}");
    println!("page-cache: {cold}");
    let invalid = record["arms"][2]["status"] == "invalid";
    assert_eq!(invalid, cold["outcome"] == "failed", "{cold}");
}

#[test]
fn prices_and_rates_are_for_arms_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let say = |more: &[&str]| {
        let mut command = facebench();
        run(command.args(["run", "-b", "null", "-o"]).arg(&path).args(more))
    };
    let wrong = say(&["--price-per-hour", "nul=1"]);
    assert_eq!(wrong.code(), 2, "{}", wrong.all());
    assert!(
        wrong.stderr().contains("did you mean \"null\""),
        "{}",
        wrong.all()
    );
    let wrong = say(&["--request-rate", "5"]);
    assert_eq!(wrong.code(), 2, "{}", wrong.all());
    assert!(wrong.stderr().contains("--scenario server"), "{}", wrong.all());
    assert_eq!(say(&["--latency-bound", "100ms"]).code(), 2);
    let arguments = format!("run -b null --price-per-hour 3.6EUR {SHORT}");
    let arm = &measured(&run(&mut study(&arguments, &path)), &path)["arms"][0];
    assert_eq!(arm["price"]["currency"], "EUR");
    let per_million = arm["cost"]["per_million_images"]["median"].as_f64().unwrap();
    assert!(
        (0.9..1.6).contains(&per_million),
        "1000 a second at 3.6 an hour: {per_million}"
    );
}
