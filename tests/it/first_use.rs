//! The first use on a fresh machine: an empty home, the pinned runtime installed by itself. Needs the network that
//! pip needs; says so where there is none.

use std::process::Stdio;

use crate::common::{self, facebench, photos, record, run, short_run};

#[test]
fn two_studies_started_at_once_on_an_empty_home_both_finish() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let (home, probe) = (folder.path().join("home"), folder.path().join("probe"));
    let reachable = run(facebench().args(["setup", "cpu"]).env("FACEBENCH_HOME", &probe));
    if reachable.stderr().contains("cannot reach its package index") {
        common::skip(reachable.stderr());
        return;
    }
    assert_eq!(reachable.code(), 0, "{}", reachable.all());
    let studies: Vec<_> = ["a.json", "b.json"]
        .map(|name| {
            let path = folder.path().join(name);
            let child = short_run(photos.path(), &path)
                .env("FACEBENCH_HOME", &home)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            (path, child)
        })
        .into();
    for (path, child) in studies {
        let output = child.wait_with_output().unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        common::assert_sound(&record(&path)["arms"][0]);
    }
    assert_eq!(
        std::fs::read_dir(home.join("runtimes"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        1
    );
}
