//! Coordinated runs of several machines; here all of them are processes of this machine.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use crate::common::{counts, facebench, groups, record, run, until, whole};
use serde_json::Value;

const LAYOUT: &str = "-d 300ms --warmup 20ms --seed 1";
const ROUNDS: &str = "--processes 3";

fn tenants(arguments: &str, name: &str, record: &Path) -> Command {
    let mut command = facebench();
    command
        .arg("tenants")
        .args(LAYOUT.split(' '))
        .args(arguments.split(' '))
        .args(["--name", name, "-o"])
        .arg(record)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// The machine that leads: where it listens, the options by which others join it, and its process.
struct Leader {
    address: String,
    join: String,
    process: Child,
    output: thread::JoinHandle<String>,
}

impl Leader {
    fn start(arguments: &str, record: &Path) -> Self {
        let mut process = tenants(&format!("{arguments} --lead 127.0.0.1:0"), "vm0", record)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        // It may have something to say before: that a runtime is installed, that a record is replaced.
        let mut said = Vec::new();
        let line = stderr.by_ref().lines().map_while(Result::ok).find(|line| {
            said.push(line.clone());
            line.starts_with("listening at ")
        });
        let line = line.unwrap_or_else(|| panic!("no address in {said:?}"));
        let (address, rest) = line["listening at ".len()..].split_once(';').unwrap();
        let (address, join) = (
            address.to_owned(),
            rest.split_once("facebench tenants ").unwrap().1,
        );
        let join = join
            .trim()
            .replace("HOST", "127.0.0.1")
            .replace(", with the same token", "");
        let output = thread::spawn(move || {
            let lines: Vec<String> = stderr.lines().map_while(Result::ok).collect();
            lines.join("\n")
        });
        Self {
            address,
            join,
            process,
            output,
        }
    }

    fn end(mut self) -> (Option<i32>, String) {
        let status = self.process.wait().unwrap();
        (status.code(), self.output.join().unwrap())
    }
}

/// Measured to the end. On a busy machine an arm may be unstable, and with one process it always is.
fn measured(code: Option<i32>) -> bool {
    [Some(0), Some(3)].contains(&code)
}

fn merged(records: &[PathBuf], folder: &Path) -> Value {
    let path = folder.join("all.json");
    let answer = run(facebench().arg("merge").args(records).arg("-o").arg(&path));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(
        answer.stdout().contains("TENANTS AT THE SAME TIME"),
        "{}",
        answer.stdout()
    );
    whole(&answer, &path)
}

/// A record for each machine.
fn records(folder: &Path, machines: usize) -> Vec<PathBuf> {
    (0..machines).map(|n| folder.join(format!("{n}.json"))).collect()
}

/// A machine whose output is discarded.
fn quiet(arguments: &str, name: &str, record: &Path) -> Child {
    tenants(arguments, name, record)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn near(value: &Value, want: f64) -> bool {
    let median = value["median"].as_f64();
    median.is_some_and(|value| (value / want - 1.0).abs() < 0.35)
}

#[test]
fn three_machines_measure_alone_in_turn_and_then_together() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 3);
    let leader = Leader::start(&format!("-b null,delay=10ms --machines 3 {ROUNDS}"), &paths[0]);
    let join = leader.join.clone();
    let others: Vec<Child> = [(1, "null,delay=10ms"), (2, "null,delay=20ms,label=slow")]
        .map(|(n, spec)| {
            quiet(
                &format!("-b {spec} {join} {ROUNDS}"),
                &format!("vm{n}"),
                &paths[n],
            )
        })
        .into();
    for mut other in others {
        assert!(measured(other.wait().unwrap().code()));
    }
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");

    let own = record(&paths[0]);
    assert_eq!(own["tenants"]["coordination"]["machine_index"], 0);
    let all = merged(&paths, folder.path());
    let tenants = &all["tenants"];
    assert!(tenants["coordination"]["machine_index"].is_null());
    let groups = groups(&all);
    assert_eq!(counts(groups), [1, 1, 1, 2, 3]);
    for group in groups {
        assert!(group["error"].is_null(), "{group}");
        assert_eq!(group["rounds"].as_array().unwrap().len(), 3);
    }
    let together = groups.last().unwrap();
    // Two of 100 images a second and one of 50, which do not slow each other down.
    assert!(near(&together["images_per_second"], 250.0), "{together}");
    assert!(near(&together["sharing_gain"], 3.0), "{together}");
    for round in together["rounds"].as_array().unwrap() {
        let clocks = round["clocks"].as_array().unwrap();
        assert_eq!(clocks.len(), 3);
        for clock in clocks {
            let (offset, within) = (clock["offset_us"].as_i64(), clock["uncertainty_us"].as_u64());
            // All of them have the same clock; reading it twice rounds twice.
            assert!(offset.unwrap().unsigned_abs() <= within.unwrap() + 1, "{clock}");
        }
        assert!(round["seconds"].as_f64().unwrap() > 0.2, "{round}");
    }
    let part = run(facebench()
        .arg("merge")
        .args(&paths[..2])
        .arg("-o")
        .arg(folder.path().join("part.json")));
    assert_eq!(part.code(), 1, "{}", part.all());
    assert!(
        part.all().contains("the record of vm2 is missing"),
        "{}",
        part.all()
    );
}

#[test]
fn a_machine_with_other_settings_is_refused_and_other_connections_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let leader = Leader::start(&format!("-b null --machines 2 {ROUNDS}"), &paths[0]);
    let join = format!("-b null {}", leader.join);
    let other = run(facebench()
        .args("tenants --processes 2 -d 300ms --warmup 20ms -o".split(' '))
        .arg(&paths[1])
        .args(join.split(' ')));
    assert_eq!(other.code(), 1, "{}", other.all());
    assert!(
        other
            .all()
            .contains("--processes (2 against 3); give all machines the same"),
        "{}",
        other.all()
    );
    // A browser, whose connection closes at once.
    TcpStream::connect(&leader.address)
        .unwrap()
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut participant = quiet(&format!("{join} {ROUNDS}"), "vm1", &paths[1]);
    assert!(measured(participant.wait().unwrap().code()));
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");
    merged(&paths, folder.path());
}

/// Ends the second of two machines as soon as `seen` is true for the first one's record; returns the record that the
/// first one keeps.
fn one_leaves(arguments: &str, folder: &Path, seen: impl Fn(&Value) -> bool) -> Value {
    let paths = records(folder, 2);
    let leader = Leader::start(&format!("{arguments} --machines 2 {ROUNDS}"), &paths[0]);
    let join = format!("{arguments} {} {ROUNDS}", leader.join);
    let mut participant = quiet(&join, "vm1", &paths[1]);
    until("what the first keeps", || {
        paths[0].exists() && seen(&record(&paths[0]))
    });
    participant.kill().unwrap();
    participant.wait().unwrap();
    let (code, output) = leader.end();
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("vm1 has left; what was measured before is kept"),
        "{output}"
    );
    let audit = run(facebench().arg("audit").arg(&paths[0]));
    assert_eq!(audit.code(), 0, "{}", audit.all());
    let kept = record(&paths[0]);
    assert_eq!(kept["interrupted"], true, "{kept}");
    kept
}

#[test]
fn when_one_machine_leaves_the_others_keep_what_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let two = "--tenant null,delay=5ms --tenant null,delay=10ms";
    // The leader is the first to be alone, and writes its record as it goes.
    let alone = one_leaves(two, folder.path(), |_| true);
    assert_eq!(alone["arms"].as_array().unwrap().len(), 2);
    let expected = groups(&alone);
    assert_eq!(expected.len(), 4, "its tenants, both, and both machines'");
    assert!(
        expected
            .iter()
            .all(|group| group["rounds"] == serde_json::json!([]))
    );

    let any = |record: &Value| {
        let groups = record["tenants"]["groups"].as_array();
        groups.is_some_and(|all| all.iter().any(|group| group["rounds"] != serde_json::json!([])))
    };
    let rounds = one_leaves(two, folder.path(), any);
    let groups = groups(&rounds);
    let count = |group: &Value| group["rounds"].as_array().unwrap().len();
    let measured: usize = groups.iter().map(count).sum();
    assert!((1..12).contains(&measured), "{measured} rounds");
}

#[test]
fn a_load_on_one_machine_slows_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 3);
    // All on one core, like guests that share a device by turns.
    let core = facebench::record::Host::current().cpu.affinity.unwrap()[0];
    let common = format!("-b cpu --photos 8 {ROUNDS} --host-cores {core}");
    let leader = Leader::start(&format!("{common} --machines 3"), &paths[0]);
    let join = format!("{common} {}", leader.join);
    let mut others = [
        quiet(&join, "vm1", &paths[1]),
        quiet(&format!("{join} --background-load 1"), "vm2", &paths[2]),
    ];
    for other in &mut others {
        assert!(measured(other.wait().unwrap().code()));
    }
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");
    let load = record(&paths[2])["tenants"]["coordination"]["machine_index"].clone();
    let all = merged(&paths, folder.path());
    let groups = groups(&all);
    let beside: Vec<&Value> = groups
        .iter()
        .filter(|group| !group["background_load"].is_null())
        .collect();
    let [beside] = beside[..] else {
        panic!("{groups:?}")
    };
    assert_eq!(
        (&beside["background_load"], &beside["background_load_machine"]),
        (&1.0.into(), &load)
    );
    assert!(beside["error"].is_null(), "{beside}");
    let rounds = beside["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 3);
    for round in rounds {
        assert_eq!(
            round["before_load"]["images"].as_array().unwrap().len(),
            2,
            "{round}"
        );
    }
    // Two that share a core keep two thirds when a third one starts. A busy machine allows no close limits.
    assert!(beside["retained"]["median"].as_f64().unwrap() < 0.85, "{beside}");
    let output = run(facebench().arg("report").arg(folder.path().join("all.json"))).stdout();
    assert!(
        output.contains("beside a background load of 100 % on vm2"),
        "{output}"
    );
}

#[test]
fn machines_may_have_different_numbers_of_tenants() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let rounds = "--processes 2";
    let leader = Leader::start(&format!("-b null,delay=10ms --machines 2 {rounds}"), &paths[0]);
    let two = "--tenant null,delay=5ms,label=a --tenant null,delay=10ms,label=b";
    let mut other = quiet(&format!("{two} {} {rounds}", leader.join), "vm1", &paths[1]);
    assert!(measured(other.wait().unwrap().code()));
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");
    let all = merged(&paths, folder.path());
    let groups = groups(&all);
    assert_eq!(counts(groups), [1, 1, 1, 2, 3], "each kind, both on vm1, and all");
    for group in groups {
        assert!(group["error"].is_null(), "{group}");
        assert_eq!(group["rounds"].as_array().unwrap().len(), 2, "{group}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_load_that_dies_fails_its_turn_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let rounds = "--processes 2";
    let leader = Leader::start(&format!("-b null,delay=10ms --machines 2 {rounds}"), &paths[0]);
    let arguments = format!("-b null,delay=10ms {} {rounds} --background-load 1", leader.join);
    let mut load = tenants(&arguments, "vm1", &paths[1]).spawn().unwrap();
    let lines = BufReader::new(load.stderr.take().unwrap()).lines();
    let mut killed = false;
    for line in lines.map_while(Result::ok) {
        if killed || !line.contains("beside a background load on vm1") {
            continue;
        }
        // All children of this machine in this turn: its load.
        let children = format!("/proc/{0}/task/{0}/children", load.id());
        until("the load", || {
            let all = std::fs::read_to_string(&children).unwrap_or_default();
            killed = all.split_whitespace().any(|id| {
                let killed = Command::new("kill").args(["-9", id]).status();
                killed.is_ok_and(|status| status.success())
            });
            killed
        });
    }
    assert_eq!(load.wait().unwrap().code(), Some(1), "its record is incomplete");
    let (code, output) = leader.end();
    assert_eq!(code, Some(1), "{output}");
    let all = merged(&paths, folder.path());
    for group in groups(&all) {
        let beside = !group["background_load"].is_null();
        let rounds = group["rounds"].as_array().unwrap().len();
        assert_eq!(rounds, if beside { 1 } else { 2 }, "{group}");
        assert_eq!(group["error"].is_null(), !beside, "{group}");
    }
}

#[test]
fn a_machine_without_a_turn_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let mut leader = Leader::start(&format!("-b null,delay=50ms --machines 2 {ROUNDS}"), &paths[0]);
    let join = format!("-b null,delay=50ms {} {ROUNDS}", leader.join);
    let participant = tenants(&join, "vm1", &paths[1]).spawn().unwrap();
    until("the first one's record", || paths[0].exists());
    leader.process.kill().unwrap();
    leader.process.wait().unwrap();
    let ended = participant.wait_with_output().unwrap();
    let output = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{output}");
    assert!(
        output.contains("it leaves no record") && !output.contains("record: "),
        "{output}"
    );
    assert!(!paths[1].exists());
}

#[test]
fn without_the_token_no_machine_takes_part() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let file = folder.path().join("token");
    std::fs::write(&file, "shared by all\n").unwrap();
    let layout = "-b null,delay=5ms --processes 1";
    let with_file = format!("{layout} --token-file {}", file.display());
    let leader = Leader::start(&format!("{with_file} --machines 2"), &paths[0]);
    let join = format!("{layout} {}", leader.join);
    let mut wrong = tenants(&format!("{join} --token another-secret"), "vm1", &paths[1]);
    let wrong = run(&mut wrong);
    assert_eq!(wrong.code(), 1, "{}", wrong.all());
    let reason = "its token is another one; give all machines the token of the one with --lead";
    assert!(wrong.all().contains(reason), "{}", wrong.all());
    let mut right = tenants(&join, "vm1", &paths[1]);
    let right = run(right.env("FACEBENCH_TOKEN", "shared by all"));
    assert!(measured(Some(right.code())), "{}", right.all());
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");
    merged(&paths, folder.path());
}

#[test]
fn no_record_holds_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let paths = records(folder.path(), 2);
    let layout = "-b null,delay=5ms --processes 1";
    let leader = Leader::start(&format!("{layout} --machines 2 --token=shared-by-all"), &paths[0]);
    let join = format!("{layout} {} --token shared-by-all", leader.join);
    assert!(measured(quiet(&join, "vm1", &paths[1]).wait().unwrap().code()));
    let (code, output) = leader.end();
    assert!(measured(code), "{output}");
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains("REDACTED") && !text.contains("shared-by-all"),
            "{text}"
        );
    }
}

#[test]
fn options_that_make_no_coordinated_run_are_usage_errors() {
    let cases = [
        ("--lead 127.0.0.1:0", 2, "--machines"),
        ("--lead 127.0.0.1:0 --machines 1", 2, "needs no coordination"),
        ("--join vm1", 2, "a host and a port"),
        ("--join vm1:1", 2, "--join needs the token"),
        ("--join vm1:1 --token short", 2, "8 to 1000 characters"),
        (
            "--join vm1:1 --token-file none-here",
            1,
            "none-here: cannot be read",
        ),
        (
            "--join vm1:1 --token longenough --token-file f",
            2,
            "--token-file",
        ),
        ("--join vm1:1 --counts 2", 2, "--counts"),
        (
            "--start-at 2120-01-01T00:00:00Z --place 0/2",
            2,
            "--lead on one and --join",
        ),
        ("--place 0/2", 2, "--lead on one and --join"),
        ("--join vm1:1 --keep-going", 2, "--keep-going"),
        ("--join vm1:1 --photos 5", 2, "--seed"),
        ("--lead 192.0.2.1:9 --machines 2", 1, "--lead 192.0.2.1:9"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, output) in cases {
        let answer = run(facebench()
            .current_dir(folder.path())
            .env_remove("FACEBENCH_TOKEN")
            .args("tenants -b null".split(' '))
            .args(arguments.split(' ')));
        assert_eq!(answer.code(), code, "{arguments}: {}", answer.all());
        assert!(answer.all().contains(output), "{arguments}: {}", answer.all());
    }
}
