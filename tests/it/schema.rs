//! The record's JSON Schema: the checked-in file is the types', and it accepts what the program writes.

use crate::common;

use facebench::record;

#[test]
fn the_checked_in_schema_is_the_types() {
    let path = common::package("schemas/record-v1.json");
    let mut generated = serde_json::to_string_pretty(&record::schema()).unwrap();
    generated.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "run UPDATE_SCHEMA=1 cargo test --test it schema::, and look at the difference"
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
        "read and written again, it is another"
    );
    let mut spoilt = json;
    spoilt["arms"][0]["status"] = "splendid".into();
    assert!(!validator.is_valid(&spoilt), "the schema accepts anything");
}
