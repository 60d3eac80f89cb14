//! The record's form: the checked-in schema is that of the types, it accepts what the program writes and the records in
//! results/, and records of older versions are read.

use std::path::PathBuf;

use facebench::record::{self, HostLog, Record, to_current};
use serde_json::Value;

use crate::common;

/// The files of that ending in `folder` of the package, and in its folders.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![common::package(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn json(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Paths of the values in `a` that are not in `b`. A null may be left out.
fn lost(a: &Value, b: &Value, place: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), _) => {
            for (key, a) in a {
                lost(a, &b[key], &format!("{place}/{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                lost(a, b, &format!("{place}/{index}"), found);
            }
        }
        _ if a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a)) => {}
        _ => found.push(place.to_owned()),
    }
}

#[test]
fn the_checked_in_schema_is_the_types() {
    let path = common::package("schemas/record-v2.json");
    let mut generated = serde_json::to_string_pretty(&record::schema()).unwrap();
    generated.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let other = kept
        .lines()
        .zip(generated.lines())
        .find(|(kept, new)| kept != new);
    assert!(
        kept == generated,
        "run UPDATE_SCHEMA=1 cargo test --test it schema::, and look at the difference, which begins at {other:?}"
    );
}

#[test]
fn records_fit_the_schema_and_can_be_read_again() {
    let schema = serde_json::to_value(record::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (photos, folder) = (common::photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer =
        common::run(common::short_run(photos.path(), &path).args(["-b", "cpu", "-b", "null,delay=1ms"]));
    let json = common::sound(&answer, &path);
    let errors: Vec<_> = validator
        .iter_errors(&json)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let again = folder.path().join("again.json");
    record::Record::load(&path).unwrap().save(&again).unwrap();
    assert!(
        std::fs::read(&again).unwrap() == std::fs::read(&path).unwrap(),
        "read and written again, it differs"
    );
    let mut spoilt = json;
    spoilt["arms"][0]["status"] = "splendid".into();
    assert!(!validator.is_valid(&spoilt), "the schema accepts anything");
}

#[test]
fn records_of_version_1_are_read_whole() {
    let paths = files("tests/fixtures/record-v1", "json");
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        let old = json(&path);
        assert_eq!(old["schema_version"], 1, "{}", path.display());
        let converted = to_current(old.clone()).unwrap();
        let read: Value = serde_json::from_str(&Record::load(&path).unwrap().to_text().unwrap()).unwrap();
        let mut missing = Vec::new();
        // Serde leaves out unknown keys, so an old key would be missing here.
        lost(&converted, &read, "", &mut missing);
        assert!(missing.is_empty(), "{}: {missing:?}", path.display());
        lost(&old, &read, "", &mut missing);
        assert!(!missing.is_empty(), "{}: nothing was converted", path.display());
        let listed = common::run(common::facebench().arg("report").arg(&path));
        assert_eq!(listed.code(), 0, "{}: {}", path.display(), listed.all());
    }
}

/// The records of results/; the JSON files of other forms there have no version.
fn kept_records() -> Vec<PathBuf> {
    let all = files("results", "json");
    let records = all
        .into_iter()
        .filter(|path| !json(path)["schema_version"].is_null());
    records.collect()
}

#[test]
fn kept_records_are_of_this_version_and_sound() {
    let schema = serde_json::to_value(record::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let paths = kept_records();
    assert!(paths.len() >= 20, "results/ holds records");
    for path in paths {
        let record = Record::load(&path).unwrap();
        if std::env::var_os("UPDATE_RECORDS").is_some() {
            record.save(&path).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text == record.to_text().unwrap(),
            "{}: run UPDATE_RECORDS=1 cargo test --test it schema::, and look at the difference",
            path.display()
        );
        let errors: Vec<_> = validator
            .iter_errors(&json(&path))
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        let answer = common::run(common::facebench().arg("audit").arg(&path));
        assert_eq!(answer.code(), 0, "{}: {}", path.display(), answer.all());
    }
}

#[test]
fn host_logs_of_both_kinds_are_read() {
    let old = std::fs::read_to_string(common::package("results/h100/host-log.jsonl")).unwrap();
    assert!(old.starts_with(r#"{"kind":"witness""#));
    let log = HostLog::parse(&old).unwrap().unwrap();
    assert!(log.samples.len() > 10, "{}", log.samples.len());
    let new = old.replacen(r#""kind":"witness""#, r#""kind":"host-log""#, 1);
    assert_eq!(HostLog::parse(&new).unwrap().unwrap().samples, log.samples);
    assert!(HostLog::parse(&old.replacen("witness", "other", 1)).is_none());
}
