//! A limit of processor time for one child process: a control group of its own, below this process's or,
//! in version 2, beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    Reading,
    cgroup::{Version, writable},
    tree::Tree,
};
use crate::text::ShownPath;

/// The kernel's usual period of a quota, microseconds.
const PERIOD_US: u64 = 100_000;

/// How the name of a group begins, before the number of the process that made it.
const PREFIX: &str = "facebench-";

/// A control group with a quota. It is removed when dropped, which works once its processes are gone.
#[derive(Debug)]
pub struct Quota {
    folder: PathBuf,
}

impl Quota {
    /// Removes the groups that killed processes have left.
    pub fn sweep() {
        for (_, parent) in writable(&Tree::new(Path::new("/"))).into_iter().flatten() {
            sweep(Path::new(&parent));
        }
    }

    /// Makes a group that gets the time of at most `cores` host cores (above 0).
    pub fn new(cores: f64) -> Reading<Self> {
        let quota_us = ((cores * PERIOD_US as f64) as u64).max(1_000);
        let mut reasons = Vec::new();
        for (version, parent) in writable(&Tree::new(Path::new("/")))? {
            sweep(Path::new(&parent));
            let prefix = format!("{PREFIX}{}-", std::process::id());
            let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
            let quota = match made {
                // The kernel owns the files in it, so only the folder is removed: by `drop` below.
                Ok(folder) => Self {
                    folder: folder.keep(),
                },
                Err(error) => {
                    reasons.push(format!("{parent}: {error}"));
                    continue;
                }
            };
            match quota.limit(version, &parent, quota_us) {
                Ok(()) => return Ok(quota),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    fn limit(&self, version: Version, parent: &str, quota_us: u64) -> Reading<()> {
        match version {
            Version::V1 => {
                self.write("cpu.cfs_period_us", &PERIOD_US.to_string())?;
                self.write("cpu.cfs_quota_us", &quota_us.to_string())
            }
            Version::V2 => {
                if !self.folder.join("cpu.max").exists() {
                    // Fails where the parent has processes of its own, or the controller is not passed on to it.
                    put(&Path::new(parent).join("cgroup.subtree_control"), "+cpu")?;
                }
                self.write("cpu.max", &format!("{quota_us} {PERIOD_US}"))
            }
        }
    }

    /// Puts the process `id`, and every process that it will start, into the group.
    pub fn hold(&self, id: u32) -> Reading<()> {
        self.write("cgroup.procs", &id.to_string())
    }

    fn write(&self, name: &str, text: &str) -> Reading<()> {
        put(&self.folder.join(name), text)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // The kernel may take a moment to release the last process.
        for _ in 0..20 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Removes the groups below `parent` whose processes are gone, and the process that made them.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some(id) = id.and_then(|(id, _)| id.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new("/proc").join(id.to_string()).exists() {
            // The kernel keeps a group that has processes.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn put(path: &Path, text: &str) -> Reading<()> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.shown()))
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;

    #[test]
    fn groups_of_processes_that_are_gone_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let own = format!("facebench-{}-a", std::process::id());
        for name in [
            &format!("facebench-{}-a", gone.id()),
            &own,
            "facebench-x-a",
            "other-1-a",
        ] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        sweep(parent.path());
        let left = fs::read_dir(parent.path()).unwrap();
        let mut left: Vec<_> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [own.as_str(), "facebench-x-a", "other-1-a"]);
    }

    /// A busy loop under half a core gets half of the time, by the kernel's own count.
    #[test]
    fn a_process_gets_what_its_quota_allows() {
        let quota = match Quota::new(0.5) {
            Ok(quota) => quota,
            Err(reason) => {
                println!("SKIPPED: {reason}");
                return;
            }
        };
        let mut child = Command::new("sh")
            .args(["-c", "read go; while :; do :; done"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        quota.hold(child.id()).unwrap();
        drop(child.stdin.take());
        let began = Instant::now();
        thread::sleep(Duration::from_secs(1));
        let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let elapsed = began.elapsed().as_secs_f64();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // 100 ticks a second on every Linux that Rust knows.
        let cores = ticks / 100.0 / elapsed;
        // Less where the machine is busy; never much more.
        assert!(cores < 0.65 && cores > 0.05, "{cores} cores");
        let folder = quota.folder.clone();
        drop(quota);
        assert!(!folder.exists());
    }
}
