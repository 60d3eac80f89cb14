//! Python's installer: finds it, runs it, and makes sense of its complaints.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{
    Fault,
    bounds::{excess, foreign, most_bytes},
    child::end_with_parent,
};
use crate::files::without_secrets;

/// How often it is looked how much pip has written.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Lines of pip's stderr that are kept, and bytes of one of them.
const MOST_LINES: usize = 1000;
const LONGEST_LINE: u64 = 4000;

/// What pip installs.
#[derive(Clone, Copy)]
pub(super) struct Packages<'a> {
    /// What `pip install -r` reads: releases and the hashes of their wheels.
    pub(super) requirements: &'a str,
    /// How much is downloaded, about.
    pub(super) bytes: u64,
    /// pip's words for another machine or Python than the one it runs on (`--platform` and its like), if any.
    pub(super) target: &'a [&'a str],
}

/// Lets pip download the wheels of `packages`, check their hashes and unpack them to `staging/site`; all its traces stay in
/// `staging`, and it ends with this process.
pub(super) fn install(
    python: PathBuf,
    packages: Packages<'_>,
    staging: &Path,
    progress: &dyn Fn(&str),
) -> Result<PathBuf, Fault> {
    const NAMES: [&str; 3] = ["site", "tmp", "requirements.txt"];
    let [site, temporary, requirements] = NAMES.map(|name| staging.join(name));
    std::fs::create_dir(&temporary).map_err(Fault::at(&temporary))?;
    std::fs::write(&requirements, packages.requirements).map_err(Fault::at(&requirements))?;

    let mut command = Command::new(&python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-compile",
            "--no-deps",
        ])
        .args(["--only-binary=:all:", "--require-hashes"])
        .args(packages.target)
        .args([
            OsStr::new("--target"),
            site.as_os_str(),
            OsStr::new("-r"),
            requirements.as_os_str(),
        ])
        // The user's pip configuration holds but for what contradicts --target, and for noise.
        .envs([
            ("PIP_USER", "0"),
            ("PIP_REQUIRE_VIRTUALENV", "0"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ])
        // Or a stray pip.py in the folder of the photos would be run.
        .env("PYTHONSAFEPATH", "1")
        // pip unpacks here first: on the same disk that is a rename, and a killed pip leaves nothing elsewhere.
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    end_with_parent(&mut command);
    let most = most_bytes(packages.bytes);
    let (succeeded, output) = run_to_end(command, progress, &|| match excess(staging, most) {
        Some(what) => Err(Fault::Foreign { what }),
        None => Ok(()),
    })
    .map_err(|failed| match failed {
        Failed::ToRun(cause) => Fault::BrokenPython {
            python: python.clone(),
            cause,
        },
        Failed::Bounds(fault) => fault,
    })?;
    if !succeeded {
        return Err(diagnose(&output, python, staging));
    }
    if !site.is_dir() {
        let cause = io::Error::other("it has installed nothing, and calls that a success");
        return Err(Fault::BrokenPython { python, cause });
    }
    match foreign(staging, &NAMES).map_err(Fault::at(staging))? {
        Some(what) => Err(Fault::Foreign { what }),
        None => Ok(site),
    }
}

/// The first Python on the search path; `python3` anywhere on it comes before `python`.
pub(super) fn find_python(search_path: &OsStr) -> Option<PathBuf> {
    pythons(search_path, &["python3", "python"]).next()
}

/// Every program on the search path that has one of `names`, those of the first name first.
pub(super) fn pythons(search_path: &OsStr, names: &'static [&str]) -> impl Iterator<Item = PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let folders: Vec<PathBuf> = std::env::split_paths(search_path).collect();
    names
        .iter()
        .flat_map(move |name| folders.clone().into_iter().map(move |folder| folder.join(name)))
        .filter(runs)
}

/// Why a command came to no end of its own.
enum Failed {
    ToRun(io::Error),
    Bounds(Fault),
}

/// Runs the command to its end and returns its stderr; pip retries for a minute or more, so the first retry is reported. It is
/// killed where `look` finds that it does what it may not.
fn run_to_end(
    mut command: Command,
    progress: &dyn Fn(&str),
    look: &dyn Fn() -> Result<(), Fault>,
) -> Result<(bool, Vec<String>), Failed> {
    let mut child = command.spawn().map_err(Failed::ToRun)?;
    let ended = |child: &mut std::process::Child, failed| {
        let _ = child.kill();
        let _ = child.wait();
        Err(failed)
    };
    let (sender, lines) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        let reader = thread::Builder::new().spawn(move || pass_on(stderr, &sender));
        if let Err(error) = reader {
            return ended(&mut child, Failed::ToRun(error));
        }
    }
    let mut output: Vec<String> = Vec::new();
    let mut reported = false;
    let mut looked = Instant::now();
    loop {
        match lines.recv_timeout(LOOK_INTERVAL) {
            Ok(line) => {
                if line.contains("WARNING: Retrying") && !reported {
                    progress("pip cannot reach its package index, and tries again");
                    reported = true;
                }
                output.push(line);
                if output.len() > MOST_LINES {
                    // The first lines name the cause as a rule, the last ones how it ended.
                    output.remove(MOST_LINES / 2);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if looked.elapsed() >= LOOK_INTERVAL {
            if let Err(fault) = look() {
                return ended(&mut child, Failed::Bounds(fault));
            }
            looked = Instant::now();
        }
    }
    let status = child.wait().map_err(Failed::ToRun)?;
    look().map_err(Failed::Bounds)?;
    Ok((status.success(), output))
}

/// Passes on each line of `stderr` to its end, without passwords; of a long line, parts.
fn pass_on(stderr: impl Read, lines: &Sender<String>) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match stderr.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        let line = without_secrets(String::from_utf8_lossy(&line).trim());
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// What pip's stderr means, by words that have stood in pip for years.
fn diagnose(output: &[String], python: PathBuf, staging: &Path) -> Fault {
    let line_with = |words: &[&str]| {
        let line = output
            .iter()
            .find(|line| words.iter().any(|word| line.contains(word)));
        line.cloned()
    };
    if line_with(&["No module named pip"]).is_some() {
        Fault::NoPip { python }
    } else if line_with(&["No space left on device", "Disk quota exceeded"]).is_some() {
        Fault::DiskFull {
            path: staging.parent().unwrap_or(staging).to_owned(),
        }
    } else if line_with(&["DO NOT MATCH THE HASHES"]).is_some() {
        let hashes = output
            .iter()
            .filter(|line| line.starts_with("Expected") || line.starts_with("Got"));
        let hashes: Vec<_> = hashes.flat_map(|line| line.split_whitespace()).collect();
        Fault::HashMismatch {
            output: hashes.join(" "),
        }
    } else if let Some(output) = line_with(&[
        "connection broken by",
        "NewConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "Read timed out",
        "ProxyError",
        "SSLError",
        "Could not fetch URL",
        "Max retries exceeded",
        "Temporary failure in name resolution",
        "Network is unreachable",
    ]) {
        Fault::NoNetwork { output }
    } else if let Some(output) = line_with(&["No matching distribution", "is not a supported wheel"]) {
        Fault::NoWheel { output }
    } else {
        Fault::Pip {
            output: output[output.len().saturating_sub(6)..].join("\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python3_anywhere_on_the_path_comes_before_python() {
        let folder = tempfile::tempdir().unwrap();
        let search_path = std::env::join_paths(["a", "b"].map(|name| folder.path().join(name))).unwrap();
        assert_eq!(find_python(&search_path), None);
        let put = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        put("a/python3", 0o644);
        let python = put("a/python", 0o755);
        assert_eq!(find_python(&search_path), Some(python));
        let python3 = put("b/python3", 0o755);
        assert_eq!(find_python(&search_path), Some(python3));
    }
}
