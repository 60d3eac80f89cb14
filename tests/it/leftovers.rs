//! What a killed study leaves: nothing that the next one does not remove.

use std::{fs, path::Path, process::Stdio};

use crate::common::{self, facebench, run, signal, study, until, workers};

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The control groups that the process `id` has made.
fn groups_of(id: u32) -> Vec<String> {
    let name = format!("facebench-{id}-");
    let folders = walkdir::WalkDir::new("/sys/fs/cgroup")
        .max_depth(8)
        .into_iter()
        .flatten();
    let ours = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    ours.map(|entry| entry.path().display().to_string()).collect()
}

#[test]
fn temporary_folders_of_killed_studies_are_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let command = |arguments: &str| {
        let mut command = study(arguments, &folder.path().join("record.json"));
        command
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let mut killed =
        command("run -b null,delay=5ms --no-curve --processes 3 --blocks 1 -d 20s --warmup 10ms")
            .spawn()
            .unwrap();
    until("a worker", || {
        !workers(killed.id()).is_empty() && !names(&temporary).is_empty()
    });
    signal(killed.id(), "-9");
    killed.wait().unwrap();
    assert!(!names(&temporary).is_empty(), "a killed process removes nothing");
    let next = run(&mut command(
        "run -b null --no-curve --processes 3 --blocks 1 -d 50ms --warmup 10ms",
    ));
    assert!([0, 3].contains(&next.code()), "{}", next.all());
    assert_eq!(names(&temporary), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn control_groups_of_killed_studies_are_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.json");
    let long = "run -b null,delay=5ms,quota=0.5 --no-curve --processes 3 --blocks 1 -d 20s --warmup 10ms";
    let mut killed = study(long, &record)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut groups = Vec::new();
    let mut ended = None;
    until("a control group", || {
        groups = groups_of(killed.id());
        ended = killed.try_wait().unwrap();
        ended.is_some() || (!groups.is_empty() && !workers(killed.id()).is_empty())
    });
    if ended.is_some() {
        common::skip("control groups of killed studies (none can be made here)");
        return;
    }
    signal(killed.id(), "-9");
    killed.wait().unwrap();
    // The kernel keeps a group until its worker has ended.
    until("the end of the groups", || {
        let next = run(facebench().args(["run", "-b", "null", "--dry-run"]));
        assert_eq!(next.code(), 0, "{}", next.all());
        groups.iter().all(|group| !Path::new(group).exists())
    });
}
