//! A machine whose counters are planted: files in place of the kernel's, written again and again.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// What such a machine does to each core in each second.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Seconds that its hypervisor gives to others.
    pub stolen: f64,
    /// Seconds for which a quota stops a thread, over all threads.
    pub throttled: f64,
    /// Share of itself that the clock falls by, from 3000 MHz.
    pub clock_drop: f64,
}

/// A machine with counters of its own until it is dropped.
pub struct Planted {
    folder: TempDir,
    over: Arc<AtomicBool>,
    clock: Option<thread::JoinHandle<()>>,
}

impl Planted {
    /// A machine with these cores.
    pub fn start(cores: &[usize], faults: Faults) -> Self {
        let (folder, over) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let (root, cores, ended) = (folder.path().to_owned(), cores.to_vec(), Arc::clone(&over));
        put(&root, "proc/self/cgroup", "0::/\n");
        put(
            &root,
            "proc/self/mountinfo",
            "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        );
        put(&root, "sys/fs/cgroup/cpu.max", "100000 100000\n");
        let begun = Instant::now();
        write(&root, &cores, faults, 0.0);
        let clock = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                write(&root, &cores, faults, begun.elapsed().as_secs_f64());
            }
        });
        Self {
            folder,
            over,
            clock: Some(clock),
        }
    }

    /// `command` as it runs there.
    pub fn around<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("FACEBENCH_TEST_COUNTERS", self.folder.path())
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.clock.take().map(thread::JoinHandle::join);
    }
}

/// The counters after so many seconds.
fn write(root: &Path, cores: &[usize], faults: Faults, seconds: f64) {
    let stolen = (faults.stolen * seconds * 100.0) as u64;
    let mut stat = String::new();
    for core in cores {
        let _ = writeln!(stat, "cpu{core} 0 0 0 0 0 0 0 {stolen} 0 0");
        let folder = format!("sys/devices/system/cpu/cpu{core}");
        let clock = 3e6 * (1.0 - faults.clock_drop).powf(seconds);
        put(
            root,
            &format!("{folder}/cpufreq/scaling_cur_freq"),
            &format!("{clock:.0}\n"),
        );
        put(
            root,
            &format!("{folder}/thermal_throttle/core_throttle_count"),
            "0\n",
        );
    }
    put(root, "proc/stat", &stat);
    let throttled = faults.throttled * seconds * 1e6;
    put(
        root,
        "sys/fs/cgroup/cpu.stat",
        &format!("throttled_usec {throttled:.0}\n"),
    );
}

/// Writes in one step: a reader sees the file before or after, never half of it.
fn put(root: &Path, path: &str, text: &str) {
    let (path, new) = (root.join(path), root.join("new"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}
