//! Nothing is sent about a machine that measures: the real runtime, seen by the kernel.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::common::{facebench, home, network, photos, run, runtime, skip};

/// System calls of a program: what it connects to and what it makes.
const CALLS: &str = "trace=connect,sendto,sendmsg,mkdir,mkdirat,creat,openat,open";

/// Whether calls can be traced here: strace is there, and the kernel lets it.
fn can_trace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "true"]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Runs the program with an empty home of the user's; what it left there, and the calls by which it reached for more.
fn left_by(arguments: &[&str], photos: &Path, traced: bool) -> (Vec<String>, Vec<String>) {
    let user = tempfile::tempdir().unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let program = facebench();
    let mut command = if traced {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", CALLS, "-o"]).arg(trace.path());
        command.arg(program.get_program());
        command
    } else {
        Command::new(program.get_program())
    };
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // What cargo sets for tests that load a runtime themselves must not hide what the program sets.
    command.env_remove("ORT_DISABLE_TELEMETRY");
    command.env_remove("XDG_CACHE_HOME").env("HOME", user.path());
    command
        .args(arguments)
        .arg("--detector")
        .arg(network("spots.onnx"));
    command.arg("--recognizer").arg(network("tiles.onnx"));
    command.current_dir(photos);
    let answer = run(&mut command);
    assert!([0, 3].contains(&answer.code()), "{}", answer.all());
    let files = walkdir::WalkDir::new(user.path()).min_depth(1);
    let files = files
        .into_iter()
        .map(|entry| entry.unwrap().path().display().to_string());
    let calls = std::fs::read_to_string(trace.path()).unwrap();
    assert_eq!(
        traced,
        calls.contains("libonnxruntime"),
        "the runtime was not seen"
    );
    let reached = calls.lines().filter(|line| {
        line.contains("AF_INET") || line.contains("onnxruntime\"") || line.contains("DeveloperTools")
    });
    (files.collect(), reached.map(str::to_owned).collect())
}

#[test]
fn neither_a_command_nor_a_study_sends_telemetry() {
    // The runtime is there before its user's home is empty: installing it reaches for the network.
    drop(runtime());
    assert!(home().exists());
    let traced = can_trace();
    if !traced {
        skip("connections of the runtime (strace is not here, or may not trace)");
    }
    let photos = photos();
    let record = photos.path().join("record.json");
    let study = [
        "run",
        "--no-curve",
        "--processes",
        "3",
        "--blocks",
        "1",
        "--seed",
        "1",
        "-d",
        "50ms",
        "--warmup",
        "10ms",
        "-i",
        ".",
        "-o",
    ];
    let study: Vec<&str> = study.into_iter().chain(record.to_str()).collect();
    for arguments in [&["faces", "."][..], &study[..]] {
        let (files, calls) = left_by(arguments, photos.path(), traced);
        assert!(
            files.is_empty() && calls.is_empty(),
            "{arguments:?}: {files:?}\n{calls:#?}"
        );
    }
}
