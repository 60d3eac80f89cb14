//! `facebench size` as a user runs it: counts machines, and the server scenario confirms the count.

use std::path::{Path, PathBuf};

use crate::common::{Answer, facebench, measured, record, run, study};
use crate::fixture;
use serde_json::{Value, json};

const PRICES: &str = "currency = \"EUR\"\n\n[price]\ncpu = 0.40\n\"cpu,*\" = 0.55\n";

fn save(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn size(options: &[&str], prices: Option<&Path>, records: &[&Path]) -> Answer {
    let mut command = facebench();
    command.arg("size").args(options);
    if let Some(prices) = prices {
        command.arg("--prices").arg(prices);
    }
    run(command.args(records))
}

fn answer(options: &[&str], prices: Option<&Path>, records: &[&Path]) -> Value {
    let answer = size(&[options, &["--json"]].concat(), prices, records);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    serde_json::from_str(&answer.stdout()).unwrap()
}

#[test]
fn the_table_names_count_cost_and_what_would_change_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = save(folder.path(), "server.json", &fixture::server().to_string());
    let prices = save(folder.path(), "prices.toml", PRICES);
    let shown = size(&["--rate", "480", "--p99", "200ms"], Some(&prices), &[&server]);
    assert_eq!(shown.code(), 0, "{}", shown.all());
    insta::assert_snapshot!("server", shown.stdout());
    let spare = answer(
        &["--rate", "480", "--p99", "200ms", "--spare", "2"],
        Some(&prices),
        &[&server],
    );
    let plain = answer(&["--rate", "480", "--p99", "200ms"], Some(&prices), &[&server]);
    for (more, less) in spare["machines"]
        .as_array()
        .unwrap()
        .iter()
        .zip(plain["machines"].as_array().unwrap())
    {
        assert_eq!(
            more["count"].as_u64().unwrap(),
            less["count"].as_u64().unwrap() + 2
        );
    }
}

#[test]
fn without_arrivals_at_random_there_is_only_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let full = save(folder.path(), "full.json", &fixture::full().to_string());
    let prices = save(folder.path(), "prices.toml", &format!("{PRICES}gone = 1\n"));
    let shown = size(&["--rate", "500"], Some(&prices), &[&full]);
    assert_eq!(shown.code(), 0, "{}", shown.all());
    insta::assert_snapshot!("offline", shown.stdout());
    let sizing = answer(&["--rate", "500"], None, &[&full]);
    assert_eq!(sizing["cheapest"], Value::Null);
    for machine in sizing["machines"].as_array().unwrap() {
        assert!(
            machine["count"].is_null() && machine["usable_rate"].is_null(),
            "{machine}"
        );
    }
}

#[test]
fn another_bound_than_the_one_searched_for_is_answered_from_the_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let server = save(folder.path(), "server.json", &fixture::server().to_string());
    let tight = answer(&["--rate", "500", "--p99", "1ms"], None, &[&server]);
    let machine = &tight["machines"][0];
    assert_eq!(
        (&machine["count"], &machine["evidence"]),
        (&Value::Null, &json!("none"))
    );
    let note = machine["notes"][0].as_str().unwrap();
    assert!(
        note.contains("searched for p99 <= 100 ms") && note.contains("--latency-bound 1ms@p99"),
        "{note}"
    );
    let mut invalid = fixture::server();
    invalid["arms"][0]["status"] = json!("invalid");
    invalid["arms"][0]["checks"][1]["outcome"] = json!("failed");
    let invalid = save(folder.path(), "invalid.json", &invalid.to_string());
    let sizing = answer(&["--rate", "480", "--p99", "200ms"], None, &[&invalid]);
    assert!(sizing["machines"][0]["count"].is_null() && sizing["machines"][1]["count"].is_u64());
}

#[test]
fn an_arm_on_two_machines_is_two_and_of_one_machine_the_best_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut metal = fixture::server();
    metal["name"] = json!("metal");
    metal["id"] = json!("ab".repeat(8));
    let again = save(folder.path(), "again.json", &metal.to_string());
    let server = save(folder.path(), "server.json", &fixture::server().to_string());
    let offline = save(folder.path(), "offline.json", &fixture::plain().to_string());
    let options = ["--rate", "480", "--p99", "200ms"];
    let names = |sizing: &Value| -> Vec<String> {
        let machines = sizing["machines"].as_array().unwrap().iter();
        machines
            .map(|machine| machine["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let one = answer(&options, None, &[&offline, &server, &again]);
    assert_eq!(names(&one), ["cpu", "cpu,precision=int8,threads=1,streams=2"]);
    assert_eq!(one["machines"][0]["evidence"], "server");
    metal["host"]["cpu"]["model"] = json!("Other CPU");
    metal["workload"]["stage"] = json!("detect");
    let other = save(folder.path(), "other.json", &metal.to_string());
    let prices = save(
        folder.path(),
        "prices.toml",
        &format!("{PRICES}\"cpu (metal)\" = 0.2\n"),
    );
    let two = answer(&options, Some(&prices), &[&server, &other]);
    assert_eq!(names(&two).len(), 4);
    assert_eq!(names(&two)[2], "cpu (metal)");
    assert_eq!(two["cheapest"], "cpu (metal)");
    let remark = two["remarks"][0].as_str().unwrap();
    assert!(remark.contains("did not measure the same"), "{remark}");
}

#[test]
fn usage_errors_exit_2_and_wrong_files_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let server = save(folder.path(), "server.json", &fixture::server().to_string());
    let wrong = save(folder.path(), "wrong.toml", "[price]\ncpu = -1\n");
    for options in [
        &["--rate", "0"][..],
        &["--rate", "many"],
        &["--p99", "100ms"],
        &["--rate", "5", "--p99", "0ms"],
        &["--rate", "5", "--spare", "x"],
    ] {
        assert_eq!(size(options, None, &[&server]).code(), 2, "{options:?}");
    }
    for (prices, record, text) in [
        (None, &wrong, "is not JSON"),
        (Some(wrong.as_path()), &server, "price of \"cpu\""),
        (Some(folder.path()), &server, "give a file of prices"),
    ] {
        let answer = size(&["--rate", "5"], prices, &[record]);
        assert_eq!(answer.code(), 1, "{}", answer.all());
        assert!(answer.stderr().contains(text), "{}", answer.all());
    }
}

/// A server study of one stream that takes a millisecond a photo, as short as can be.
fn simulate(path: &Path, seed: u64, rate: Option<f64>) -> Value {
    let layout = "run -b null,delay=1ms,streams=1 --scenario server --latency-bound 10ms@p99 --processes 1 --blocks 1 \
                  --warmup 100ms -d 1s";
    let mut command = study(layout, path);
    command.arg("--seed").arg(seed.to_string());
    if let Some(rate) = rate {
        command.arg("--request-rate").arg(rate.to_string());
    }
    measured(&run(&mut command), path)
}

/// Whether one machine that receives `rate` holds the bound.
fn holds(path: &Path, seed: u64, rate: f64) -> bool {
    simulate(path, seed, Some(rate))["arms"][0]["bounded"]["images_per_second"].is_object()
}

#[test]
fn the_named_size_holds_the_bound_and_one_machine_less_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (path, at) = (folder.path().join("r.json"), folder.path().join("at.json"));
    // A busy machine may disturb a try; a rate that can be held is found in another try, one that cannot never is.
    for seed in 1..=4 {
        simulate(&path, seed, None);
        let options = |rate: f64| {
            vec![
                "--rate".to_owned(),
                rate.to_string(),
                "--p99".to_owned(),
                "10ms".to_owned(),
            ]
        };
        let sized = |rate: f64| {
            let options = options(rate);
            answer(
                &options.iter().map(String::as_str).collect::<Vec<_>>(),
                None,
                &[&path],
            )
        };
        let first = sized(1.0);
        let Some(usable) = first["machines"][0]["usable_rate"]["median"].as_f64() else {
            println!("seed {seed}: the rate of the search did not hold in its block: {first}");
            continue;
        };
        let rate = 2.75 * usable;
        let sizing = sized(rate);
        let count = sizing["machines"][0]["count"].as_u64().unwrap();
        assert_eq!(count, 3, "{sizing}");
        let fewer = (count - 1) as f64;
        let (enough, too_few) = (
            holds(&at, seed + 100, rate / count as f64),
            holds(&at, seed + 200, rate / fewer),
        );
        println!("seed {seed}: {usable:.0} a second each; 3 hold: {enough}, 2 hold: {too_few}");
        if enough && !too_few {
            return;
        }
    }
    panic!("the size was not confirmed in four tries");
}

/// Tenants that sleep: three give three times what one gives; their latency decides whether that counts.
#[test]
fn tenants_are_a_machine_of_their_own_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.json");
    let options =
        "tenants -b null,delay=2ms,label=board --counts 3 --processes 3 -d 1s --warmup 20ms --seed 1";
    measured(&run(&mut study(options, &path)), &path);
    let prices = save(
        folder.path(),
        "prices.toml",
        "currency = \"EUR\"\n\n[price]\nboard = 2.0\n",
    );
    let sizing = answer(&["--rate", "6000", "--p99", "1s"], Some(&prices), &[&path]);
    let machines = sizing["machines"].as_array().unwrap();
    let named = |name: &str| machines.iter().find(|machine| machine["name"] == name).unwrap();
    let three = named("board, 3 tenants");
    assert_eq!(
        (&three["evidence"], &three["tenants"]),
        (&json!("tenants"), &json!(3))
    );
    let group = &record(&path)["tenants"]["groups"][1];
    let most = group["images_per_second"]["high"].as_f64().unwrap();
    assert_eq!(three["at_least"], json!((6000.0 / most).ceil() as u64));
    assert!(three["count"].is_null(), "a closed loop is a limit");
    let cost = three["at_least"].as_f64().map(|count| count * 2.0);
    assert_eq!(three["cost_per_hour"], json!(cost));
    assert!(named("board")["at_least"].as_u64() > three["at_least"].as_u64());

    let late = answer(&["--rate", "6000", "--p99", "1ms"], None, &[&path]);
    let three = late["machines"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(three["evidence"], json!("none"));
    let why = three["notes"][0].as_str().unwrap();
    assert!(why.contains("the slowest of 3 tenants had a p99 of"), "{why}");
    let shown = size(&["--rate", "6000", "--p99", "1s"], None, &[&path]);
    assert!(
        shown.stdout().contains("a limit: tenants, closed loop"),
        "{}",
        shown.all()
    );
}

/// Machines of a coordinated run share a board where it is handed out in parts; where each has its own, as many are needed.
#[test]
fn boards_are_halved_only_where_they_are_shared() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, uuids, name, gpus) in [
        ("vgpu", ["GPU-a", "GPU-b"], "2 on a device", 2),
        ("physical", ["GPU-a", "GPU-a"], "2 on a device", 2),
        ("passthrough", ["GPU-a", "GPU-b"], "2 at once", 4),
    ] {
        let record = fixture::coordinated(mode, uuids).to_string();
        let path = save(folder.path(), "met.json", &record);
        let sizing = answer(&["--rate", "2900", "--p99", "1s"], None, &[&path]);
        let machines = sizing["machines"].as_array().unwrap();
        let met = machines
            .iter()
            .find(|machine| machine["tenants"] == json!(2))
            .unwrap();
        let name_text = met["name"].as_str().unwrap();
        assert!(name_text.ends_with(name), "{mode}: {name_text}");
        assert_eq!(
            (&met["at_least"], &met["gpus"]),
            (&json!(4), &json!(gpus)),
            "{mode}"
        );
    }
}
