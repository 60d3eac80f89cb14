//! Arms that claim more than they do, each of which the check of its name must find: other programs, and `null`.

use std::path::{Path, PathBuf};

use crate::common::{
    Answer, check, facebench, failed_checks, home, network, package, photo, record, run, study, write,
};
use facebench::runtime::install::{Flavor, LibraryStore};
use serde_json::Value;

const LAYOUT: &str = "run --no-curve --processes 3 --blocks 1 --seed 1 -d 300ms --warmup 50ms";
/// A cheat is found in one process already, and a study of one is soon done.
const ONE_PROCESS: &str = "run --no-curve --processes 1 --blocks 1 --seed 1 -d 300ms --warmup 50ms";

/// Photos enough for a speed, each of other people.
fn crowd() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..30 {
        let cells = [(number % 15 + 1, 4), (16 - number % 11, 12)];
        write(
            &photo(&cells, number + 1),
            &folder.path().join(format!("{number:02}.png")),
        );
    }
    folder
}

/// A study, laid out in this way, of a peer that cheats so.
fn peer(layout: &str, cheat: &str, photos: &Path, library: &Path) -> (Answer, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let program = package("tests/fixtures/peers/cheat");
    let mut command = study(layout, &path);
    command
        .args(["-b", &format!("peer:{},streams=1", program.display()), "-i"])
        .arg(photos)
        .arg("--detector")
        .arg(network("spots.onnx"))
        .arg("--recognizer")
        .arg(network("tiles.onnx"))
        .env("FACEBENCH_TEST_CHEAT", cheat)
        .env("FACEBENCH_TEST_WORKER", env!("CARGO_BIN_EXE_facebench"))
        .env("FACEBENCH_TEST_LIBRARY", library);
    let answer = run(&mut command);
    let audit = run(facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{cheat}: {}{}", audit.all(), answer.all());
    (answer, record(&path))
}

fn library() -> PathBuf {
    LibraryStore::of_process(home())
        .find_or_install(Flavor::Cpu, &|line| println!("{line}"))
        .unwrap()
        .path
}

/// Asserts that the first arm is invalid by the check of this name.
fn found(record: &Value, cheat: &str, id: &str) {
    let arm = &record["arms"][0];
    let checks = &arm["checks"];
    assert_eq!(arm["status"], "invalid", "{cheat}: {checks}");
    assert!(failed_checks(arm).contains(&id.to_owned()), "{cheat}: {checks}");
}

#[test]
fn peers_that_claim_more_than_they_do_are_invalid() {
    let (photos, library) = (crowd(), library());
    for (cheat, id) in [
        ("memory-by-number", "caching"),
        ("memory-by-content", "caching"),
        ("twice", "counts"),
        ("twice-all", "caching"),
        ("slow-clock", "worker-clock"),
        ("skipped-embeddings", "counts"),
        ("no-embeddings", "agreement"),
        ("half-embeddings", "agreement"),
        ("repeated-embeddings", "agreement"),
        ("broken-embeddings", "agreement"),
    ] {
        let (_, record) = peer(ONE_PROCESS, cheat, photos.path(), &library);
        found(&record, cheat, id);
    }
    let (answer, record) = peer(LAYOUT, "nothing", photos.path(), &library);
    let arm = &record["arms"][0];
    for id in ["caching", "counts", "worker-clock", "agreement", "inputs"] {
        assert_eq!(check(arm, id)["outcome"], "passed", "{arm}\n{}", answer.all());
    }
}

#[test]
fn null_that_claims_more_than_it_does_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    for (cheat, id) in [
        ("memory", "caching"),
        ("twice", "counts"),
        ("slow-clock", "worker-clock"),
        ("no-embeddings", "agreement"),
        ("half-embeddings", "agreement"),
        ("same-embedding", "agreement"),
    ] {
        let arm = format!("null,delay=10ms,faces=2,cheat={cheat}");
        run(&mut study(&format!("{ONE_PROCESS} --photos 30 -b {arm}"), &path));
        found(&record(&path), cheat, id);
    }
    run(&mut study(
        &format!("{LAYOUT} --photos 30 -b null,delay=10ms"),
        &path,
    ));
    let record = record(&path);
    for id in ["caching", "counts", "worker-clock"] {
        let check = check(&record["arms"][0], id);
        assert_eq!(check["outcome"], "passed", "{check}");
    }
}

/// More photos than are answered twice: a process of its own answers a part of them.
#[test]
fn many_photos_are_sampled() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..300 {
        let path = folder.path().join(format!("{number:03}.png"));
        if number < 3 {
            write(&photo(&[(number + 1, 4)], number + 1), &path);
        } else {
            std::fs::copy(folder.path().join(format!("{:03}.png", number % 3)), &path).unwrap();
        }
    }
    let path = folder.path().join("r.json");
    let mut command = study(
        "run --no-curve --processes 3 --blocks 1 -d 10ms --warmup 1ms",
        &path,
    );
    command.args(["-b", "cpu", "-i"]).arg(folder.path());
    command.arg("--detector").arg(network("spots.onnx"));
    command.arg("--recognizer").arg(network("tiles.onnx"));
    let answer = run(&mut command);
    let arm = &record(&path)["arms"][0];
    assert_eq!(arm["unseen"]["rounds"][0]["images"], 150, "{}", answer.all());
    assert_eq!(check(arm, "caching")["outcome"], "passed", "{arm}");
}

#[test]
fn files_that_change_in_mid_run_are_named() {
    let (photos, folder) = (crowd(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let own = |name: &str| {
        let copy = folder.path().join(name);
        std::fs::copy(network(name), &copy).unwrap();
        copy
    };
    let (detector, recognizer) = (own("spots.onnx"), own("tiles.onnx"));
    let begin = || {
        let layout = "run --no-curve --processes 3 --blocks 1 -d 300ms --warmup 1ms -b cpu";
        let mut command = study(layout, &path);
        command.arg("-i").arg(photos.path());
        command
            .arg("--detector")
            .arg(&detector)
            .arg("--recognizer")
            .arg(&recognizer);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        crate::common::until("a block", || {
            let text = std::fs::read(&path).unwrap_or_default();
            let record: Value = serde_json::from_slice(&text).unwrap_or_default();
            record["arms"][0]["blocks"]
                .as_array()
                .is_some_and(|blocks| !blocks.is_empty())
        });
        child
    };
    let seen = |mut child: std::process::Child| {
        child.wait().unwrap();
        let record = record(&path);
        let failed = failed_checks(&record["arms"][0]);
        assert!(failed.contains(&"inputs".to_owned()), "{record}");
        let observed = check(&record["arms"][0], "inputs")["observed"].clone();
        std::fs::remove_file(&path).unwrap();
        observed.as_str().unwrap().to_owned()
    };
    let child = begin();
    // The same file in another place is another file, whatever is in it.
    std::fs::copy(&recognizer, folder.path().join("other")).unwrap();
    std::fs::rename(folder.path().join("other"), &recognizer).unwrap();
    assert!(seen(child).contains("tiles.onnx was replaced"));
    // The arm itself fails where a photo cannot be read any more.
    let child = begin();
    std::fs::write(photos.path().join("07.png"), "not a photo").unwrap();
    let observed = seen(child);
    assert!(observed.contains("07.png had"), "{observed}");
}
