//! Planted faults, each of which its check must find: with the real program and real workers.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::common::{
    Answer, check, cores, facebench, failed_checks, photos,
    planted::{Faults, Planted},
    record, run, short_run, study, workers,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::Value;

/// A study, its record audited as well.
fn audited(arguments: &str) -> (Answer, Value) {
    audited_on(arguments, |command| command)
}

/// The same on a machine that `place` makes.
fn audited_on(arguments: &str, place: impl Fn(&mut Command) -> &mut Command) -> (Answer, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(place(&mut study(
        &format!("run --no-curve --seed 1 {arguments}"),
        &path,
    )));
    let record = record(&path);
    let audit = run(facebench().arg("audit").arg(&path));
    assert_eq!(audit.code(), 0, "{}", audit.all());
    (answer, record)
}

/// The number that a check of the first arm observed; asserts that the check failed and makes the arm unstable.
fn unstable(record: &Value, id: &str) -> f64 {
    let arm = &record["arms"][0];
    assert_eq!(arm["status"], "unstable", "{}", arm["checks"]);
    let check = check(arm, id);
    assert_eq!(check["outcome"], "failed", "{check}");
    let observed = check["observed"].as_str().unwrap();
    let number = |number_text: &str| number_text.parse().ok();
    observed.split(' ').find_map(number).unwrap()
}

#[test]
fn a_drift_from_block_to_block_is_unstable() {
    let arguments =
        "-b null,delay=10ms,drift=3% --processes 6 --blocks 3 -d 500ms --warmup 100ms --photos 50";
    let (answer, record) = audited(arguments);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    // Two steps of 3 % are -5.9 %, give or take what else the machine does.
    let trend = unstable(&record, "trend");
    assert!((-7.0..-5.0).contains(&trend), "{trend}");
}

#[test]
fn processes_that_differ_are_unstable() {
    let arguments =
        "-b null,delay=2ms,jitter=100% --processes 6 --blocks 1 -d 100ms --warmup 20ms --photos 10";
    let (answer, record) = audited(arguments);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(unstable(&record, "spread") > 10.0);
}

#[test]
fn a_warm_up_that_ends_too_early_is_unstable() {
    // A quarter of the warm-up is a quarter faster than the one before, until it may last no longer. What a photo is expected to
    // cost is from the check pass, which is as slow: two photos, so that it is over soon.
    let arguments =
        "-b null,delay=200us,slow-start=2s --processes 4 --blocks 1 -d 100ms --warmup 400ms --photos 2";
    let (answer, record) = audited(arguments);
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(unstable(&record, "steady-state") < 4.0);
}

/// A loop that keeps one host core busy until it is dropped.
struct Burner {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Burner {
    fn start(core: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut only = CpuSet::new();
            only.set(core);
            sched_setaffinity(None, &only).unwrap();
            while !ended.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[test]
fn another_process_on_the_host_cores_is_unstable() {
    let core = cores()[0];
    let _burner = Burner::start(core);
    let layout = "--processes 3 --blocks 1 -d 2100ms --warmup 20ms --photos 10";
    let (answer, record) = audited(&format!("-b null,delay=10ms {layout} --host-cores {core}"));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(unstable(&record, "foreign-load") > 30.0, "{}", answer.all());
}

/// Counters are planted, because a test cannot make a hypervisor steal time or a core run hot: faults beyond the limits are
/// found, smaller ones are not.
#[test]
fn stolen_time_a_quota_and_a_falling_clock_are_unstable() {
    let cores: Vec<usize> = cores().into_iter().take(2).collect();
    let list: Vec<String> = cores.iter().map(ToString::to_string).collect();
    // Long enough to count in the kernel's unit, hundredths of a second.
    let arguments = format!(
        "-b null,delay=20ms,streams=4 --processes 3 --blocks 1 -d {}ms --warmup 20ms --photos 10 --host-cores {}",
        5200 / cores.len(),
        list.join(",")
    );
    let on = |faults: Faults| {
        let machine = Planted::start(&cores, faults);
        audited_on(&arguments, |command| machine.around(command))
    };
    let faulty = Faults {
        stolen: 0.1,
        throttled: 0.4,
        clock_drop: 0.02,
    };
    let sound = Faults {
        stolen: 0.01,
        throttled: 0.02,
        clock_drop: 0.0005,
    };
    let ((answer, faulty), (_, sound)) = thread::scope(|scope| {
        let faulty = scope.spawn(|| on(faulty));
        let sound = on(sound);
        (faulty.join().unwrap(), sound)
    });
    assert_eq!(answer.code(), 3, "{}", answer.all());
    for (id, least, most) in [("steal", 9.0, 11.0), ("throttled", 9.0, 11.0)] {
        let share = unstable(&faulty, id);
        assert!((least..most).contains(&share), "{id}: {share}");
    }
    assert!(unstable(&faulty, "clock") < 2850.0);
    for id in ["steal", "throttled", "clock", "foreign-load"] {
        let check = check(&sound["arms"][0], id);
        assert_eq!(check["outcome"], "passed", "{check}");
    }
    let facts = faulty["host"]["facts"].to_string();
    assert!(facts.contains("planted-counters"), "{facts}");
}

/// A worker that is stopped now and then cannot take queries when they are due.
#[test]
fn queries_that_are_sent_late_are_unstable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let server = "--scenario server --request-rate 100 --latency-bound 500ms@p90";
    let layout = "--processes 3 --blocks 1 -d 1s --warmup 20ms --seed 1";
    let arguments = format!("run -b null,delay=2ms,streams=4 {server} {layout}");
    let mut study = study(&arguments, &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while study.try_wait().unwrap().is_none() {
        let workers = workers(study.id());
        for (signal, time) in [("-STOP", 30), ("-CONT", 90)] {
            for worker in &workers {
                let _ = Command::new("kill").args([signal, &worker.to_string()]).status();
            }
            thread::sleep(Duration::from_millis(time));
        }
    }
    let record = record(&path);
    let late = check(&record["arms"][0], "generator");
    assert_eq!(late["outcome"], "failed", "{late}");
    assert_eq!(record["arms"][0]["status"], "unstable");
}

#[test]
fn wrong_answers_and_a_wrong_place_are_invalid() {
    let arms = "-b null,wrong=10% -b null,placement=50% -b null,wrong=1% -b null,placement=96%";
    let (answer, record) = audited(&format!("{arms} --processes 4 --blocks 1 -d 50ms --warmup 20ms"));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let named = |arm: usize| failed_checks(&record["arms"][arm]);
    assert!(named(0).contains(&"agreement".to_owned()), "{:?}", named(0));
    assert!(named(1).contains(&"placement".to_owned()), "{:?}", named(1));
    assert_eq!(
        [&record["arms"][0]["status"], &record["arms"][1]["status"]],
        ["invalid", "invalid"]
    );
    // What lies within the limits passes: one face of a hundred is just that.
    assert_eq!(record["arms"][2]["accuracy"]["faces_matched"], 0.99);
    assert!(!named(2).contains(&"agreement".to_owned()), "{:?}", named(2));
    assert!(!named(3).contains(&"placement".to_owned()), "{:?}", named(3));
    assert_eq!(
        record["comparisons"].as_array().unwrap().len(),
        0,
        "no speed without agreement"
    );
}

#[test]
fn swapped_channels_do_not_agree() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer = run(short_run(photos.path(), &path).args(["-b", "cpu", "-b", "cpu,channels=swapped"]));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    let record = record(&path);
    assert_eq!(record["arms"][1]["status"], "invalid", "{}", answer.all());
    assert_eq!(record["arms"][1]["backend"]["options"]["channels"], "swapped");
    assert!(failed_checks(&record["arms"][1]).contains(&"agreement".to_owned()));
    assert!(answer.stdout().contains("agreement"), "{}", answer.all());
    assert_ne!(record["arms"][0]["status"], "invalid");
}

#[test]
fn a_crash_in_the_third_block_keeps_the_blocks_before() {
    let layout = "--processes 4 --blocks 3 -d 50ms --warmup 20ms";
    let (answer, record) = audited(&format!("-b null -b null,crash=3 --photos 10 {layout}"));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert_eq!(record["arms"][1]["status"], "failed");
    assert_eq!(record["arms"][1]["blocks"].as_array().unwrap().len(), 2);
    assert_eq!(record["arms"][0]["blocks"].as_array().unwrap().len(), 12);
}

/// Photos go on arriving while the worker stalls: their waiting counts, and the time of work on a photo stays the same.
#[test]
fn a_stall_counts_for_queries_that_wait() {
    let server = "--scenario server --request-rate 60 --latency-bound 500ms@p99";
    let layout = "--processes 4 --blocks 1 -d 4s --warmup 100ms";
    let (answer, record) = audited(&format!("-b null,delay=10ms,stall=200ms/2s {server} {layout}"));
    let arm = &record["arms"][0];
    let p99 = arm["latency_ms"]["p99"].as_f64().unwrap();
    let service = arm["service_ms"]["p50"].as_f64().unwrap();
    assert!(p99 >= 150.0, "{p99} ms\n{}", answer.all());
    assert!((10.0..11.0).contains(&service), "{service} ms");
    // Nothing is dropped, and the rate is the one that was asked for.
    assert_eq!(arm["latency_ms"]["samples"], 1200);
    let rate = arm["throughput"]["images_per_second"]["median"].as_f64().unwrap();
    assert!((57.0..63.0).contains(&rate), "{rate}");
}

#[test]
fn a_rate_beyond_the_bound_is_invalid_and_a_search_finds_one_that_holds() {
    let layout = "--processes 4 --blocks 1 -d 200ms --warmup 100ms";
    // The 90th percentile needs a tenth of the queries of the 99th, and each try of the search is as much shorter.
    let server = format!("-b null,delay=2ms --scenario server --latency-bound 10ms@p90 {layout}");
    let (answer, record) = audited(&format!("{server} --request-rate 700"));
    assert_eq!(answer.code(), 3, "{}", answer.all());
    assert!(
        failed_checks(&record["arms"][0]).contains(&"latency-bound".to_owned()),
        "{}",
        answer.all()
    );
    let (answer, record) = audited(&server);
    let arm = &record["arms"][0];
    let trials = arm["trials"].as_array().unwrap();
    assert!(trials.iter().any(|t| t["met"] == true) && trials.iter().any(|t| t["met"] == false));
    // One server of 2 ms: at 500 a second the queue would grow for ever.
    let rate = arm["throughput"]["images_per_second"]["median"].as_f64().unwrap();
    assert!((100.0..500.0).contains(&rate), "{rate}\n{}", answer.all());
    assert_eq!(arm["blocks"][0]["images"], 200);
}

#[test]
fn multi_stream_waits_for_all_eight() {
    let layout = "--processes 4 --blocks 1 -d 1s --warmup 100ms";
    let (answer, record) = audited(&format!(
        "-b null,delay=4ms,streams=2 --scenario multi-stream {layout}"
    ));
    let arm = &record["arms"][0];
    let query = arm["latency_ms"]["p50"].as_f64().unwrap();
    assert!(
        (16.0..20.0).contains(&query),
        "four rounds of two: {query}\n{}",
        answer.all()
    );
    let service = arm["service_ms"]["p50"].as_f64().unwrap();
    assert!((4.0..5.0).contains(&service), "{service}");
}

#[test]
fn a_quick_study_is_never_valid_for_a_claim() {
    let arguments = "-b null,delay=2ms -b null,delay=3ms --quick -d 100ms --warmup 100ms --processes 4";
    let (answer, record) = audited(arguments);
    let comparison = &record["comparisons"][0];
    assert_eq!(comparison["verdict"], "slower", "{}", answer.all());
    assert_eq!(comparison["status"], "unstable");
    assert!(comparison["reasons"][0].as_str().unwrap().contains("quick"));
}
