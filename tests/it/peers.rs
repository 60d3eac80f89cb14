//! Other programs as arms: one that speaks the protocol is measured, one that dies fails its arm, one that is missing ends
//! the study before it begins.

use crate::common::{self, check, facebench, few_photos, home, package, record, run};
use facebench::{
    files,
    runtime::install::{Flavor, LibraryStore},
};

/// A peer in Python that needs no package.
fn peer() -> String {
    format!("peer:{}", package("tests/fixtures/peers/null").display())
}

#[test]
fn a_program_that_speaks_the_protocol_is_an_arm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let spec = format!("{},streams=1,label=theirs", peer());
    let answer = run(&mut few_photos(4, &path, &["cpu", &spec]));
    // It reports one face in a corner of every photo: measured, but invalid.
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let table = answer.stdout();
    let row = table
        .lines()
        .find(|line| line.trim_start().starts_with("theirs "));
    assert!(
        row.is_some_and(|row| row.contains(" INVALID ")),
        "{}",
        answer.all()
    );
    let record = record(&path);
    let (ours, theirs) = (&record["arms"][0], &record["arms"][1]);
    let runtime = &theirs["backend"]["runtime"];
    assert_eq!(
        (&runtime["name"], &runtime["version"]),
        (&"null peer".into(), &"1".into())
    );
    let program = package("tests/fixtures/peers/null");
    assert_eq!(runtime["library_sha256"], files::sha256(&program).unwrap());
    assert_ne!(
        runtime["library_sha256"],
        ours["backend"]["runtime"]["library_sha256"]
    );
    // The detector's own threshold, which the study did not name.
    assert_eq!(theirs["backend"]["options"]["score"], "0.6");
    assert_eq!(
        theirs["blocks"].as_array().unwrap().len(),
        ours["blocks"].as_array().unwrap().len()
    );
    assert!(
        theirs["throughput"]["images_per_second"]["median"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let agreement = check(theirs, "agreement");
    assert_eq!(agreement["outcome"], "failed");
    assert!(
        agreement["limit"].as_str().unwrap().ends_with("(peer)"),
        "{agreement}"
    );
    assert_eq!(check(theirs, "placement")["outcome"], "unknown");
    // The speed of an arm that computes something else is not compared.
    assert_eq!(record["comparisons"], serde_json::json!([]));
    // Every figure follows from the blocks, the peer's limits included.
    let audit = run(facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{}", audit.all());
}

#[test]
fn a_peer_that_sees_the_same_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let library = LibraryStore::of_process(home())
        .find_or_install(Flavor::Cpu, &|line| println!("{line}"))
        .unwrap();
    // Without an arm of facebench, the reference answers once and is not measured.
    let mut command = few_photos(4, &path, &[&peer()]);
    command
        .env("FACEBENCH_TEST_WORKER", env!("CARGO_BIN_EXE_facebench"))
        .env("FACEBENCH_TEST_LIBRARY", library.path);
    let answer = run(&mut command);
    let record = common::sound(&answer, &path);
    let arm = &record["arms"][0];
    assert_eq!(check(arm, "agreement")["outcome"], "passed", "{arm}");
    assert_eq!(check(arm, "repeatable")["outcome"], "passed", "{arm}");
    assert_eq!(check(arm, "placement")["outcome"], "passed", "{arm}");
    assert_eq!(arm["accuracy"]["reference"], "cpu fp32 (check pass only)");
}

#[test]
fn a_peer_that_dies_fails_its_arm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut command = few_photos(4, &path, &["cpu", &peer()]);
    let answer = run(command.env("FACEBENCH_TEST_DIES", "1"));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("the peer's last line"),
        "{}",
        answer.all()
    );
    let record = record(&path);
    assert_eq!(record["arms"][1]["status"], "failed");
    assert_ne!(record["arms"][0]["status"], "failed");
    assert!(record["arms"][0]["throughput"].is_object());
}

#[test]
fn a_program_that_cannot_be_run_exits_4_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "not executable").unwrap();
    let cases = [
        (folder.path().join("nothing"), "cannot be found", "docs/peers.md"),
        (folder.path().to_path_buf(), "is no file", "docs/peers.md"),
        (plain, "may not be run", "chmod +x"),
    ];
    for (program, reason, fix) in cases {
        let path = folder.path().join("r.json");
        let spec = format!("peer:{}", program.display());
        let answer = run(&mut few_photos(4, &path, &["cpu", &spec]));
        assert_eq!(answer.code(), 4, "{}", answer.all());
        let said = answer.stderr();
        assert!(said.contains(reason) && said.contains(fix), "{said}");
        assert!(!said.contains("check pass") && !path.exists(), "{said}");
    }
}

#[test]
fn a_load_generator_drives_no_peer() {
    let answer = run(facebench().args(["serve", "-b", &peer()]));
    assert_eq!(answer.code(), 2, "{}", answer.all());
    assert!(
        answer.stderr().contains("facebench's own worker"),
        "{}",
        answer.all()
    );
}
