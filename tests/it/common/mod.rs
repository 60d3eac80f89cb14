//! What the tests of the real program share: the program, small networks, drawn photos, the shared folder.

pub mod fake_nvml;
pub mod onnx;
pub mod planted;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use facebench::runtime::{
    install::{Flavor, LibraryStore},
    onnxruntime::OnnxRuntime,
};
use image::{ImageFormat, Rgb, RgbImage};

/// A file below the package.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One of the networks that `scripts/fixtures/networks.py` writes.
pub fn network(name: &str) -> PathBuf {
    package("tests/fixtures/networks").join(name)
}

/// The home of all tests: the pinned runtime is installed there once.
pub fn home() -> PathBuf {
    std::env::var_os("FACEBENCH_HOME").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("home"),
        PathBuf::from,
    )
}

/// The pinned runtime in this very process, installed if need be.
pub fn runtime() -> OnnxRuntime {
    let runtime = LibraryStore::of_process(home())
        .find_or_install(Flavor::Cpu, &|line| println!("{line}"))
        .unwrap();
    OnnxRuntime::cpu(&runtime.path, "CPU".into()).unwrap()
}

/// The program, with the tests' home.
pub fn facebench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facebench"));
    command.env("FACEBENCH_HOME", home()).env_remove("ORT_DYLIB_PATH");
    // No test queries a cloud about the machine that it runs on.
    command.env("FACEBENCH_METADATA", "").env_remove("FACEBENCH_NVML");
    command
}

/// As short as a study with an interval can be.
pub const SHORT: &str = "--processes 3 --blocks 1 --seed 1 -d 50ms --warmup 10ms";

/// The program with `arguments`; it writes its record to `record`.
pub fn study(arguments: &str, record: &Path) -> Command {
    let mut command = facebench();
    command.args(arguments.split_whitespace()).arg("-o").arg(record);
    command
}

/// `facebench run` on the small networks, as short as can be.
pub fn short_run(input: &Path, record: &Path) -> Command {
    run_with(input, record, &network("spots.onnx"), &network("tiles.onnx"))
}

/// The same with other networks.
pub fn run_with(input: &Path, record: &Path, detector: &Path, recognizer: &Path) -> Command {
    let mut command = study(&format!("run --no-curve {SHORT}"), record);
    command.arg("-i").arg(input);
    command.arg("--detector").arg(detector);
    command.arg("--recognizer").arg(recognizer);
    command
}

/// Runs `command` to its end.
pub fn run(command: &mut Command) -> Answer {
    Answer(command.output().expect("the program can be started"))
}

/// The program's output and exit status.
pub struct Answer(Output);

impl Answer {
    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Both, for failing assertions.
    pub fn all(&self) -> String {
        format!("exit {}\n{}\n{}", self.code(), self.stdout(), self.stderr())
    }
}

/// A dark 640x640 photo with a bright pattern in each of the given cells of 32 pixels: the small detector's faces.
/// `person` decides the pattern's colours.
pub fn photo(cells: &[(u32, u32)], person: u32) -> RgbImage {
    let mut photo = RgbImage::from_pixel(640, 640, Rgb([20, 20, 20]));
    for (column, row) in cells {
        // Two cells around the centre are the face; only the middle one is bright enough to be found.
        for y in 0..32 {
            for x in 0..32 {
                let tint =
                    |channel: u32| 255 - ((x / 8 + 3 * (y / 8) + person * (channel + 2)) % 5 * 12) as u8;
                photo.put_pixel(column * 32 + x, row * 32 + y, Rgb([tint(0), tint(1), tint(2)]));
            }
        }
    }
    photo
}

/// Writes `photo` as PNG, whatever its name.
pub fn write(photo: &RgbImage, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    photo.save_with_format(path, ImageFormat::Png).unwrap();
}

/// A folder of three photos with 1, 2 and 0 faces.
pub fn photos() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&photo(&[(4, 4)], 1), &folder.path().join("one.png"));
    write(&photo(&[(3, 10), (12, 5)], 2), &folder.path().join("two.png"));
    write(&photo(&[], 0), &folder.path().join("none.png"));
    folder
}

/// The record at `path` as JSON.
pub fn record(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("the record was written")).expect("the record is JSON")
}

/// The record at `path` that `answer` names: it fits the schema and is the same when it is computed again.
pub fn whole(answer: &Answer, path: &Path) -> serde_json::Value {
    let record = record(path);
    assert_fits_schema(&record);
    let audit = run(facebench().arg("audit").arg(path));
    assert_eq!(audit.code(), 0, "{}{}", audit.all(), answer.all());
    record
}

/// Asserts that a record fits the program's own schema.
pub fn assert_fits_schema(record: &serde_json::Value) {
    let schema = serde_json::to_value(facebench::record::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(record).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// The names of an arm's failed checks.
pub fn failed_checks(arm: &serde_json::Value) -> Vec<String> {
    let checks = arm["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["outcome"] == "failed");
    failed
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Rules that fail where the machine is busy with something else, as it may be where tests run.
const NOISE: &[&str] = &[
    "spread",
    "trend",
    "steady-state",
    "foreign-load",
    "steal",
    "throttled",
    "clock",
    "samples",
];

/// Asserts that no check of an arm failed, except those that a noisy machine fails.
pub fn assert_sound(arm: &serde_json::Value) {
    let failed = failed_checks(arm);
    let other: Vec<&String> = failed.iter().filter(|id| !NOISE.contains(&id.as_str())).collect();
    let expected = if failed.iter().any(|id| id != "samples") {
        "unstable"
    } else {
        "valid"
    };
    assert!(
        other.is_empty() && arm["status"] == expected,
        "{other:?} {}",
        arm["checks"]
    );
}

/// The record of a study that ran to its end, whatever the outcome of its checks.
pub fn measured(answer: &Answer, path: &Path) -> serde_json::Value {
    assert!([0, 3].contains(&answer.code()), "{}", answer.all());
    record(path)
}

/// The record of a study whose arms are all sound.
pub fn sound(answer: &Answer, path: &Path) -> serde_json::Value {
    let record = measured(answer, path);
    record["arms"].as_array().unwrap().iter().for_each(assert_sound);
    record
}

/// Prints that the rest of a test does not run here; `scripts/test` counts these lines.
pub fn skip(reason: impl std::fmt::Display) {
    println!("SKIPPED: {}", reason.to_string().trim().replace('\n', "; "));
}

/// A file beside the project that not every machine has; prints a line where it is missing.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = package("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    skip(format!("{} is not on this machine", path.display()));
    None
}

/// `facebench run` on `photos` of the embedded workload's photos, as short as a study with an interval can be.
pub fn few_photos(photos: usize, record: &Path, backends: &[&str]) -> Command {
    let mut command = study(&format!("run --no-curve {SHORT} --photos {photos}"), record);
    for backend in backends {
        command.args(["-b", backend]);
    }
    command
}

/// The check `id` of an arm.
pub fn check<'a>(arm: &'a serde_json::Value, id: &str) -> &'a serde_json::Value {
    let checks = arm["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["id"] == id);
    found.unwrap_or_else(|| panic!("no check {id} in {arm}"))
}

/// The process numbers of `parent`'s workers, oldest first.
pub fn workers(parent: u32) -> Vec<u32> {
    let list = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &parent.to_string()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&list.stdout)
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Sends the signal `name`, such as `-9`.
pub fn signal(process: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &process.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits until `done`, at most half a minute.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The host cores that this process may use.
pub fn cores() -> Vec<usize> {
    facebench::record::Host::current().cpu.affinity.unwrap()
}

/// The tenant groups of a record.
pub fn groups(record: &serde_json::Value) -> &Vec<serde_json::Value> {
    record["tenants"]["groups"].as_array().unwrap()
}

/// How many tenants each group has.
pub fn counts(groups: &[serde_json::Value]) -> Vec<usize> {
    let tenants = |group: &serde_json::Value| group["tenants"].as_array().unwrap().len();
    groups.iter().map(tenants).collect()
}
