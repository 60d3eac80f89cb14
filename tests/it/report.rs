//! `facebench report` as a user runs it, over records that exist.

use std::path::{Path, PathBuf};

use crate::common::{Answer, facebench, run};
use crate::fixture;

fn written(folder: &Path, name: &str, value: &serde_json::Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

fn report(records: &[&Path], arguments: &[&str]) -> Answer {
    run(facebench().arg("report").args(records).args(arguments))
}

#[test]
fn a_record_becomes_whatever_the_ending_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let record = written(folder.path(), "r.json", &fixture::full());
    let shown = report(&[&record], &[]);
    assert_eq!(shown.code(), 0, "{}", shown.all());
    assert!(
        shown.stdout().contains("IMAGES/S AT P99<=100ms"),
        "{}",
        shown.all()
    );
    for (name, start) in [
        ("r.html", &b"<!DOCTYPE html>"[..]),
        ("r.md", b"# facebench"),
        ("r.csv", b"record,source,arm"),
        ("r.svg", b"<svg"),
        ("r.txt", b"offline"),
    ] {
        let path = folder.path().join(name);
        let answer = report(&[&record], &["-o", path.to_str().unwrap()]);
        assert_eq!(answer.code(), 0, "{}", answer.all());
        assert!(
            answer.stdout().is_empty() && answer.stderr().contains(name),
            "{}",
            answer.all()
        );
        assert!(std::fs::read(&path).unwrap().starts_with(start), "{name}");
    }
    let png = folder.path().join("r.png");
    let answer = report(&[&record], &["-o", png.to_str().unwrap()]);
    if cfg!(feature = "png") {
        assert_eq!(answer.code(), 0, "{}", answer.all());
        assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    } else {
        assert_eq!(answer.code(), 2, "{}", answer.all());
        assert!(
            answer.stderr().contains("cannot write PNG") && !png.exists(),
            "{}",
            answer.all()
        );
    }
    let other = |chart: &str| {
        let path = folder.path().join(format!("{chart}.svg"));
        let answer = report(&[&record], &["-o", path.to_str().unwrap(), "--chart", chart]);
        assert_eq!(answer.code(), 0, "{}", answer.all());
        std::fs::read_to_string(path).unwrap()
    };
    for chart in ["throughput", "latency", "stages", "time", "curve", "scaling"] {
        assert!(other(chart).contains("better"), "{chart}");
    }
}

#[test]
fn several_records_make_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let one = written(folder.path(), "one.json", &fixture::plain());
    let two = written(folder.path(), "two.json", &fixture::server());
    let page = folder.path().join("deep/all.html");
    let answer = report(&[&one, &two], &["-o", page.to_str().unwrap()]);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("id=\"r0-arms\"") && page.contains("id=\"r1-arms\"") && page.contains("two.json"));
    let tables = report(&[&one, &two], &[]);
    assert!(
        tables.stdout().contains("one.json:") && tables.stdout().contains("server, "),
        "{}",
        tables.all()
    );
}

#[test]
fn usage_errors_exit_2_and_name_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let plain = written(folder.path(), "plain.json", &fixture::plain());
    let cases: [(&[&Path], &[&str], &str); 6] = [
        (&[&plain], &["-o", "r.pdf"], ".html (page)"),
        (&[&plain], &["-o", "r"], ".html (page)"),
        (&[&plain], &["--chart", "latency"], "-o FILE.svg"),
        (&[&plain, &plain], &["-o", "r.csv"], "shows one record"),
        (
            &[&plain],
            &["-o", "r.svg", "--chart", "curve"],
            "more than one point",
        ),
        (&[], &[], "<RECORD>"),
    ];
    for (records, arguments, says) in cases {
        let answer = report(records, arguments);
        assert_eq!(answer.code(), 2, "{arguments:?}: {}", answer.all());
        assert!(answer.stderr().contains(says), "{says}: {}", answer.all());
    }
    assert!(
        !Path::new("r.svg").exists(),
        "a chart that cannot be drawn leaves no file"
    );
}

#[test]
fn files_that_are_no_records_exit_1_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut later = fixture::plain();
    later["schema_version"] = 3.into();
    let mut torn = fixture::plain();
    torn.as_object_mut().unwrap().remove("arms");
    for (path, says) in [
        (folder.path().join("nowhere.json"), "cannot be read"),
        (file("table.txt", "ARM STATUS"), "is not JSON"),
        (file("half.json", "{\"schema_version\": 2"), "is not JSON"),
        (file("other.json", "{\"name\": \"x\"}"), "no schema_version"),
        (file("list.json", "[1, 2]"), "no schema_version"),
        (written(folder.path(), "later.json", &later), "schema version 3"),
        (written(folder.path(), "torn.json", &torn), "missing field `arms`"),
    ] {
        let answer = report(&[&path], &[]);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(answer.code(), 1, "{name}: {}", answer.all());
        assert!(
            answer.stderr().contains(says) && answer.stderr().contains(name),
            "{}",
            answer.all()
        );
        assert!(answer.stdout().is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_written_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let plain = written(folder.path(), "plain.json", &fixture::plain());
    let inside = plain.join("r.html");
    let answer = report(&[&plain], &["-o", inside.to_str().unwrap()]);
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(answer.stderr().contains("cannot be written"), "{}", answer.all());
}
