//! `facebench tenants` and shards as a user runs them.

use std::{path::Path, process::Command};

use crate::common::{self, Answer, SHORT, counts, facebench, groups, run, study, whole};
use serde_json::Value;

fn tenants(arguments: &str, record: &Path) -> Command {
    study(
        &format!("tenants --processes 3 --seed 1 -d 300ms --warmup 20ms {arguments}"),
        record,
    )
}

fn near(value: &Value, want: f64, tolerance: f64) -> bool {
    value["median"]
        .as_f64()
        .is_some_and(|value| (value / want - 1.0).abs() < tolerance)
}

/// The options that put all work on the first host core.
fn one_core() -> [String; 2] {
    ["--host-cores".to_owned(), common::cores()[0].to_string()]
}

#[test]
fn tenants_that_sleep_do_not_slow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut tenants(
        "-b null,delay=10ms --counts 4,2 --least-rate 50",
        &path,
    ));
    let record = whole(&answer, &path);
    let groups = groups(&record);
    let counts = counts(groups);
    assert_eq!(counts, [1, 2, 4], "one alone is always measured");
    for (group, count) in groups.iter().zip(counts) {
        assert_eq!(group["rounds"].as_array().unwrap().len(), 3);
        let count = count as f64;
        assert!(near(&group["images_per_second"], 100.0 * count, 0.35), "{group}");
        assert!(
            near(&group["sharing_gain"], count, 0.35) && near(&group["slowdown"], 1.0, 0.35),
            "{group}"
        );
        assert!(group["fairness"]["median"].as_f64().unwrap() > 0.9, "{group}");
    }
    let text = answer.stdout();
    assert!(
        text.contains("this device serves 4 tenants of null,delay=10ms"),
        "{text}"
    );
    assert!(text.contains("TENANTS OF ONE DEVICE"), "{text}");
}

#[test]
fn tenants_of_one_core_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    // Work that keeps a core busy, from the embedded networks on a few photos.
    let answer = run(tenants("-b cpu --counts 2 --photos 8", &path).args(one_core()));
    let record = whole(&answer, &path);
    let two = &groups(&record)[1];
    // Twice the tenants on one core are half as fast each. A busy machine allows no close limits.
    assert!(two["slowdown"]["median"].as_f64().unwrap() > 1.4, "{two}");
    assert!(two["sharing_gain"]["median"].as_f64().unwrap() < 1.4, "{two}");
    assert!(two["fairness"]["median"].as_f64().unwrap() > 0.8, "{two}");
}

#[test]
fn tenants_of_different_kinds_are_compared_with_themselves_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut tenants(
        "--tenant null,delay=5ms --tenant null,delay=20ms --pin",
        &path,
    ));
    let record = whole(&answer, &path);
    let groups = groups(&record);
    assert_eq!(groups.len(), 3);
    assert_eq!(
        groups[2]["tenants"],
        serde_json::json!(["null,delay=5ms", "null,delay=20ms"])
    );
    // One is four times as fast, and both get all that they have alone.
    assert!(
        groups[2]["fairness"]["median"].as_f64().unwrap() > 0.9,
        "{}",
        groups[2]
    );
    let chart = folder.path().join("c.svg");
    let drawn = run(facebench()
        .arg("report")
        .arg(&path)
        .args(["--chart", "tenants", "-o"])
        .arg(&chart));
    assert_eq!(
        drawn.code(),
        2,
        "one number of tenants is no curve: {}",
        drawn.all()
    );
}

#[test]
fn a_background_load_on_the_same_core_slows_the_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(tenants("-b cpu --counts 1 --background-load 1 --photos 8", &path).args(one_core()));
    let record = whole(&answer, &path);
    let groups = groups(&record);
    assert_eq!(groups.len(), 2, "alone, and beside the load");
    assert!(groups[0]["background_load"].is_null());
    assert_eq!(groups[1]["background_load"], 1.0);
    assert!(
        answer.stdout().contains("beside a background load of 100 %"),
        "{}",
        answer.all()
    );
    assert!(groups[0]["retained"].is_null() && groups[0]["rounds"][0]["before_load"].is_null());
    assert!(groups[1]["rounds"][0]["before_load"]["seconds"].as_f64().unwrap() > 0.1);
    // Two that always want the same core get half of it each. A busy machine allows no close limits.
    let kept = groups[1]["retained"]["median"].as_f64().unwrap();
    assert!(kept < 0.8, "{}", groups[1]);
    assert!(answer.stdout().contains("RETAINED"), "{}", answer.all());
}

#[test]
fn a_tenant_that_sleeps_is_not_slowed_by_a_background_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut tenants(
        "-b null,delay=20ms --counts 1 --background-load 0.3",
        &path,
    ));
    let record = whole(&answer, &path);
    let beside = &groups(&record)[1];
    assert!(beside["background_load"].as_f64().unwrap() > 0.29);
    assert!(near(&beside["retained"], 1.0, 0.15), "{beside}");
    assert!(near(&beside["slowdown"], 1.0, 0.15), "{beside}");
}

#[test]
fn a_tenant_that_dies_is_reported_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(&mut tenants(
        "--tenant null,delay=5ms --tenant peer:/bin/false",
        &path,
    ));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let record = common::record(&path);
    for group in groups(&record) {
        let dies = group["tenants"]
            .as_array()
            .unwrap()
            .contains(&"peer:/bin/false".into());
        let rounds = group["rounds"].as_array().unwrap().len();
        assert_eq!(rounds, if dies { 0 } else { 3 }, "{group}");
        assert_eq!(group["error"].is_null(), !dies, "{group}");
    }
    assert!(near(&groups(&record)[0]["images_per_second"], 200.0, 0.35));
}

#[test]
fn options_of_tenants_are_checked_and_planned() {
    let wrong = run(facebench().args(["tenants", "--counts", "0"]));
    assert_eq!(wrong.code(), 2, "{}", wrong.all());
    let plan = run(facebench().args(["tenants", "-b", "null", "--counts", "2", "--dry-run"]));
    assert!(
        plan.code() == 0 && plan.stdout().contains("tenants: null + null"),
        "{}",
        plan.all()
    );
}

fn shard(of: &str, name: &str, folder: &Path) -> (Answer, std::path::PathBuf) {
    let path = folder.join(format!("{name}.json"));
    let arguments = format!("run --no-curve -b null,delay=2ms {SHORT} --name {name} --shard {of}");
    let answer = run(&mut study(&arguments, &path));
    (answer, path)
}

#[test]
fn shards_become_a_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let parts: Vec<_> = (0..3)
        .map(|i| shard(&format!("{i}/3"), &format!("m{i}"), folder.path()).1)
        .collect();
    let all = folder.path().join("all.json");
    let merged = run(facebench().arg("merge").args(&parts).arg("-o").arg(&all));
    assert_eq!(merged.code(), 0, "{}", merged.all());
    let record = whole(&merged, &all);
    let fleet = &record["fleet"];
    assert_eq!((&fleet["shards"], &fleet["of"]), (&3.into(), &3.into()));
    assert_eq!(fleet["images"], 100);
    assert!(fleet["missing"].as_array().unwrap().is_empty());
    let arms = record["arms"].as_array().unwrap();
    let sum: f64 = arms
        .iter()
        .map(|arm| arm["throughput"]["images_per_second"]["median"].as_f64().unwrap())
        .sum();
    assert!(
        arms.len() == 3 && near(&fleet["images_per_second"], sum, 1e-9),
        "{fleet}"
    );
    assert!(
        record["comparisons"].as_array().unwrap().is_empty(),
        "other photos cannot be a baseline"
    );
    assert!(
        merged.stdout().contains("fleet: 3 of 3 shards of 100 photos"),
        "{}",
        merged.stdout()
    );
    let some = run(facebench().arg("merge").args(&parts[1..]).arg("-o").arg(&all));
    assert!(some.stdout().contains("missing: shard 0"), "{}", some.stdout());
}

#[test]
fn shards_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, a) = shard("0/2", "a", folder.path());
    let (_, again) = shard("0/2", "again", folder.path());
    let (_, other) = shard("1/3", "other", folder.path());
    let out = folder.path().join("all.json");
    let merge = |b: &Path| {
        run(facebench()
            .arg("merge")
            .args([a.as_path(), b])
            .arg("-o")
            .arg(&out))
    };
    let twice = merge(&again);
    assert!(
        twice.code() == 2 && twice.stderr().contains("both measured shard 0"),
        "{}",
        twice.all()
    );
    let mixed = merge(&other);
    assert!(mixed.stderr().contains("the number of shards"), "{}", mixed.all());
    let few = run(facebench().args(["run", "-b", "null", "--shard", "0/101"]));
    assert!(
        few.code() == 2 && few.stderr().contains("make fewer shards"),
        "{}",
        few.all()
    );
}

#[test]
fn the_background_load_of_a_device_works_on_that_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    // The CPU in a device's place: its products run where the networks do, in ONNX Runtime.
    let arguments = "-b cpu,path=device,streams=1,batch=2 --counts 1 --background-load 1 --photos 4";
    let answer = run(tenants(arguments, &path).args(one_core()));
    let record = whole(&answer, &path);
    let beside = &groups(&record)[1];
    assert!(beside["error"].is_null(), "{}", answer.all());
    assert!(beside["retained"]["median"].as_f64().unwrap() < 0.8, "{beside}");
}

#[test]
fn a_tenant_of_half_a_core_shows_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let photos = common::photos();
    let path = folder.path().join("r.json");
    let mut command = tenants("--tenant cpu --tenant cpu,quota=0.5,label=half", &path);
    command.arg("-i").arg(photos.path());
    command.arg("--detector").arg(common::network("spots.onnx"));
    command.arg("--recognizer").arg(common::network("tiles.onnx"));
    let answer = run(&mut command);
    if answer.code() == 4 && answer.all().contains("control group") {
        common::skip(answer.all().trim());
        return;
    }
    let record = whole(&answer, &path);
    assert_eq!(record["arms"][1]["backend"]["options"]["quota"], "0.5");
    let both = groups(&record).last().unwrap();
    assert_eq!(both["tenants"], serde_json::json!(["cpu", "half"]));
    for round in both["rounds"].as_array().unwrap() {
        let cores = round["tenants"][1]["cores"].as_f64().unwrap();
        // The kernel divides time by tenths of a second, and a round has few of them.
        assert!(cores < 0.75, "{cores} cores for half of one: {round}");
    }
    assert!(answer.stdout().contains("CORES OF EACH"), "{}", answer.stdout());
}

#[test]
fn groups_with_an_arm_that_cannot_run_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let arguments =
        "--tenant cuda:99 --tenant null,delay=5ms,label=a --tenant null,delay=10ms,label=b --keep-going";
    let answer = run(&mut tenants(arguments, &path));
    assert_eq!(answer.code(), 4, "{}", answer.all());
    assert!(
        answer.all().contains("2 tenant groups are left out"),
        "{}",
        answer.all()
    );
    let record = whole(&answer, &path);
    let names: Vec<&Value> = groups(&record).iter().map(|group| &group["tenants"]).collect();
    assert_eq!(names, [&serde_json::json!(["a"]), &serde_json::json!(["b"])]);
    let rate = |place: usize| groups(&record)[place]["images_per_second"]["median"].as_f64();
    let ratio = rate(0).unwrap() / rate(1).unwrap();
    assert!((ratio / 2.0 - 1.0).abs() < 0.3, "{ratio}");
}
