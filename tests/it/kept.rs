//! What a study leaves where others write beside it, or where it is ended before its time.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::common::{self, Answer, facebench, record, run, shared, signal, study, until};
use serde_json::Value;

/// How many blocks the record at `path` has.
fn blocks(path: &Path) -> usize {
    let text = std::fs::read(path).unwrap_or_default();
    let record: Value = serde_json::from_slice(&text).unwrap_or_default();
    record["arms"][0]["blocks"].as_array().map_or(0, Vec::len)
}

/// A study of one `null` arm that has measured two blocks and goes on.
fn going_on(path: &Path) -> Child {
    let arguments = "run -b null,delay=1ms -d 100ms --warmup 1ms --processes 50 --blocks 2";
    let child = study(arguments, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("two blocks", || blocks(path) >= 2);
    child
}

fn gate(old: &Path, new: &Path) -> Answer {
    let mut command = facebench();
    command
        .arg("compare")
        .arg(old)
        .arg(new)
        .args(["--fail-on-regression", "5%"]);
    run(&mut command)
}

#[test]
fn twelve_studies_at_once_leave_twelve_records() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "run --quick -b null,delay=1ms -d 10ms --warmup 1ms --photos 5";
    let studies: Vec<Child> = (0..12)
        .map(|_| {
            let mut command = facebench();
            command.args(arguments.split(' ')).current_dir(folder.path());
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut named = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for child in studies {
        let said = child.wait_with_output().unwrap().stderr;
        let said = String::from_utf8(said).unwrap();
        let path = said.lines().find_map(|line| line.strip_prefix("record: "));
        let path = folder.path().join(path.unwrap_or_else(|| panic!("{said}")));
        let record = record(&path);
        assert_eq!(record["interrupted"], false, "{record}");
        ids.insert(record["id"].as_str().unwrap().to_owned());
        named.insert(path);
    }
    assert_eq!((named.len(), ids.len()), (12, 12), "{named:?}");
    let there: BTreeSet<PathBuf> = std::fs::read_dir(folder.path().join("results"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(there, named);
}

#[test]
fn a_file_that_was_named_is_replaced_with_a_word_and_a_study_that_never_began_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    std::fs::write(&path, "old").unwrap();
    let short = "run -b null,delay=1ms --processes 3 --blocks 1 -d 5ms --warmup 1ms";
    let answer = run(&mut study(short, &path));
    assert!(
        answer.stderr().contains("r.json is there already"),
        "{}",
        answer.all()
    );
    assert_eq!(record(&path)["interrupted"], false);
    // Photos that cannot be read end it after its file was taken.
    let photos = common::photos();
    for name in ["one.png", "two.png", "none.png"] {
        let path = photos.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    let mut command = facebench();
    command.args(["run", "-i"]).arg(photos.path());
    command.arg("--detector").arg(common::network("spots.onnx"));
    command.arg("--recognizer").arg(common::network("tiles.onnx"));
    let answer = run(command.current_dir(folder.path()));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let left = std::fs::read_dir(folder.path().join("results")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{}", answer.all());
}

#[test]
fn whatever_ends_a_study_its_record_is_unfinished_and_passes_no_gate() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.json");
    let arguments = "run -b null,delay=1ms --processes 4 --blocks 1 -d 100ms --warmup 1ms";
    common::measured(&run(&mut study(arguments, &whole)), &whole);
    for (name, signals) in [
        ("killed", &["-KILL"][..]),
        ("quit", &["-QUIT"]),
        ("twice", &["-INT", "-INT"]),
        ("terminated", &["-TERM"]),
        ("hung-up", &["-HUP"]),
    ] {
        let path = folder.path().join(format!("{name}.json"));
        let mut child = going_on(&path);
        for name in signals {
            // The second one may find it gone.
            let _ = Command::new("kill")
                .args([*name, &child.id().to_string()])
                .status();
        }
        assert!(!child.wait().unwrap().success());
        let record = record(&path);
        assert_eq!(record["interrupted"], true, "{name}");
        assert!(blocks(&path) >= 2, "{name}: {record}");
        let answer = gate(&whole, &path);
        assert_eq!(answer.code(), 3, "{name}: {}", answer.all());
        assert!(
            answer.stderr().contains("is unfinished"),
            "{name}: {}",
            answer.all()
        );
    }
}

/// The records of a gate as others may have them: with fewer blocks than planned, and of a busy machine.
#[test]
fn a_gate_refuses_what_is_short_or_of_a_busy_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let arguments = "run -b null,delay=2ms --processes 4 --blocks 1 -d 100ms --warmup 1ms";
    let quiet = |path: &Path, change: &dyn Fn(&mut Value)| {
        common::measured(&run(&mut study(arguments, path)), path);
        let mut record = record(path);
        for block in record["arms"][0]["blocks"].as_array_mut().unwrap() {
            block["conditions"]["busy_seconds"] = Value::Null;
        }
        change(&mut record);
        std::fs::write(path, record.to_string()).unwrap();
    };
    quiet(&path("a.json"), &|_| ());
    quiet(&path("b.json"), &|_| ());
    quiet(&path("short.json"), &|record| {
        record["arms"][0]["blocks"].as_array_mut().unwrap().pop();
    });
    quiet(&path("busy.json"), &|record| {
        for block in record["arms"][0]["blocks"].as_array_mut().unwrap() {
            // Long enough to be counted.
            block["seconds"] = 10.into();
            block["elapsed_seconds"] = 10.into();
            block["conditions"]["busy_seconds"] = 10.into();
            block["conditions"]["own_cpu_seconds"] = 0.into();
        }
    });
    assert_eq!(gate(&path("a.json"), &path("b.json")).code(), 0);
    let short = gate(&path("a.json"), &path("short.json"));
    assert_eq!(short.code(), 3, "{}", short.all());
    assert!(short.stderr().contains("3 of 4 blocks"), "{}", short.all());
    let busy = gate(&path("busy.json"), &path("b.json"));
    assert_eq!(busy.code(), 6, "{}", busy.all());
    assert!(busy.stderr().contains("quiet machine"), "{}", busy.all());
}

#[test]
fn a_record_of_a_killed_study_without_the_mark_passes_no_gate() {
    let Some(folder) = shared("cases/hostile") else {
        return;
    };
    let full = folder.join("compare-full.json");
    for name in ["compare-killed.json", "compare-interrupted.json"] {
        let answer = gate(&full, &folder.join(name));
        assert_eq!(answer.code(), 3, "{name}: {}", answer.all());
        assert!(answer.stderr().contains("is unfinished"), "{}", answer.all());
    }
}

#[test]
fn a_killed_study_is_resumed_and_keeps_its_finished_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut child = study(
        "run -b null,delay=1ms,label=a -b null,delay=2ms,label=b -d 100ms --warmup 1ms --processes 4 --blocks 2 --photos 10",
        &path,
    )
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    // In the middle of a process.
    until("three blocks", || blocks(&path) >= 3);
    signal(child.id(), "-KILL");
    child.wait().unwrap();
    let before = record(&path);
    let resume = |more: &[&str]| run(facebench().args(["run", "--resume"]).arg(&path).args(more));
    let other = resume(&["-b", "null,delay=3ms"]);
    assert_eq!(other.code(), 2, "{}", other.all());
    assert!(other.stderr().contains("the arms: "), "{}", other.all());
    let spoilt = |place: &str, value: Value, word: &str| {
        let mut record = before.clone();
        *record.pointer_mut(place).unwrap() = value;
        std::fs::write(&path, record.to_string()).unwrap();
        let answer = resume(&[]);
        assert_ne!(answer.code(), 0, "{place}: {}", answer.all());
        assert!(answer.stderr().contains(word), "{place}: {}", answer.all());
        // A refused record is left alone.
        assert_eq!(self::record(&path), record);
    };
    spoilt(
        "/host/cpu/model",
        "another one".into(),
        "the machine: another one",
    );
    spoilt("/tool/version", "0.0.9".into(), "facebench: 0.0.9");
    spoilt("/workload/dataset/images", 11.into(), "the photos are other");
    std::fs::write(&path, before.to_string()).unwrap();

    let answer = resume(&[]);
    let after = common::whole(&answer, &path);
    assert_eq!(after["interrupted"], false, "{}", answer.all());
    let of = |record: &Value| -> Vec<Vec<Value>> {
        let arms = record["arms"].as_array().unwrap().iter();
        arms.map(|arm| arm["blocks"].as_array().unwrap().clone())
            .collect()
    };
    let (old, new) = (of(&before), of(&after));
    for (old, new) in old.iter().zip(&new) {
        assert_eq!((new.len(), &new[..old.len()]), (8, &old[..]));
    }
    let places: BTreeSet<(u64, u64)> = new[0]
        .iter()
        .map(|block| {
            (
                block["process"].as_u64().unwrap(),
                block["block"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(places.len(), 8, "each block once");
    let kept: usize = old.iter().map(Vec::len).sum();
    assert_eq!(after["resumed"][0]["blocks"], kept);
    assert_eq!(
        (&after["id"], &after["tool"]["argv"]),
        (&before["id"], &before["tool"]["argv"])
    );
    assert!(answer.stdout().contains("blocks from before"), "{}", answer.all());
    let again = resume(&[]);
    assert!(
        again.code() == 2 && again.stderr().contains("nothing left"),
        "{}",
        again.all()
    );
}

/// Killed at many moments, from its first worker's start on: no worker outlives it, and what it measured is there.
#[test]
fn no_worker_outlives_a_study_that_is_killed_at_any_moment() {
    let (photos, folder) = (common::photos(), tempfile::tempdir().unwrap());
    for moment in 0..12 {
        let path = folder.path().join(format!("{moment}.json"));
        let mut command = common::short_run(photos.path(), &path);
        let mut child = command
            .args(["-b", "cpu", "-b", "null"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut alive = Vec::new();
        until("a worker", || {
            alive = common::workers(child.id());
            !alive.is_empty() || child.try_wait().unwrap().is_some()
        });
        std::thread::sleep(std::time::Duration::from_millis(moment * 60));
        alive.extend(common::workers(child.id()));
        let _ = child.kill();
        child.wait().unwrap();
        until("the workers' end", || {
            alive
                .iter()
                .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
        });
        if path.exists() {
            record(&path);
        }
    }
}
