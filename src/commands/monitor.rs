//! `facebench monitor`: logs on a hypervisor what its guests cannot see.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Failure, machine,
    progress::{notify, on_interrupt},
};
use crate::{
    machine::{Nvml, gpu::scheduler_by_smi},
    record::{GpuMode, HOST_LOG_KIND, HostBoard, HostLogHeader, HostLogSample, Unavailable},
    text::ShownPath,
};

/// How often it is checked whether the user wants to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Takes a sample every `interval` until `duration` is over, or until the user ends it, and appends each to `output`.
pub fn monitor(
    output: Option<PathBuf>,
    interval: Duration,
    duration: Option<Duration>,
) -> Result<(), Failure> {
    let (nvml, gpus) = open()?;
    let began = jiff::Timestamp::now();
    let path = output.unwrap_or_else(|| {
        let time = began.strftime("%Y%m%dT%H%M%S");
        Path::new("results").join(format!("{time}-host-log.jsonl"))
    });
    if gpus.iter().all(|gpu| gpu.mode != Some(GpuMode::VgpuHost)) {
        notify("NVML reports no GPU here that hands out vGPUs; what can be read is logged all the same");
    }
    let mut since = vec![0; gpus.len()];
    let header = HostLogHeader {
        kind: HOST_LOG_KIND.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        began_at: began.to_string(),
        interval_seconds: interval.as_secs_f64(),
        host: machine::host(false),
        gpus,
    };
    let unwritten = |source| Failure::Output {
        path: path.clone(),
        source,
    };
    let mut file = create(&path).map_err(unwritten)?;
    append(&mut file, &header).map_err(unwritten)?;
    notify(&format!(
        "host log: {}; Ctrl-C ends it and keeps what was logged",
        path.shown()
    ));
    let ended = on_interrupt();
    let start = Instant::now();
    let over = || ended.load(Ordering::Relaxed) || duration.is_some_and(|most| start.elapsed() >= most);
    let mut samples = 0_u32;
    while !over() {
        let sample = HostLogSample {
            at: format!("{:.3}", jiff::Timestamp::now()),
            gpus: nvml.board_samples(&mut since),
        };
        append(&mut file, &sample).map_err(unwritten)?;
        samples += 1;
        // By the clock, not by the last sample: a slow driver makes no interval longer.
        let due = interval.saturating_mul(samples);
        while !over() && start.elapsed() < due {
            thread::sleep(POLL_INTERVAL.min(due.saturating_sub(start.elapsed())));
        }
    }
    notify(&format!(
        "host log: {samples} samples in {}; join them to the guests' records: facebench merge RECORD... {} -o ALL.json",
        path.shown(),
        path.shown()
    ));
    Ok(())
}

/// NVML and the boards, or what is missing and what to do.
fn open() -> Result<(Nvml, Vec<HostBoard>), Failure> {
    let nvml = machine::nvml();
    let missing = |reason: Option<String>, fix: Option<String>| {
        Failure::Unavailable(vec![Unavailable {
            backend: "monitor".to_owned(),
            reason: reason.unwrap_or_else(|| "there is no GPU to monitor".to_owned()),
            fix: fix.unwrap_or_else(|| {
                "run it on the machine that hands out the vGPUs, where NVIDIA's vGPU manager is installed"
                    .to_owned()
            }),
        }])
    };
    let opened = match &nvml {
        Ok(opened) => opened.clone(),
        Err(fault) => {
            let found = machine::gpus(&nvml);
            let reason = found.reason.map(|reason| format!("{fault}; {reason}"));
            return Err(missing(reason, found.fix));
        }
    };
    let mut gpus = opened
        .host_boards()
        .map_err(|reason| missing(Some(reason), None))?;
    if gpus.is_empty() {
        return Err(missing(Some("the driver shows no GPU".to_owned()), None));
    }
    gpus.iter_mut().for_each(ask_smi);
    Ok((opened, gpus))
}

/// Asks nvidia-smi for a scheduler that NVML did not report, of a board that hands out vGPUs.
fn ask_smi(gpu: &mut HostBoard) {
    let Some(pci) = gpu.pci.as_ref().filter(|_| gpu.scheduler.is_none()) else {
        return;
    };
    if gpu.mode.is_some_and(|mode| mode != GpuMode::VgpuHost) {
        return;
    }
    match scheduler_by_smi(pci) {
        Ok(scheduler) => {
            gpu.scheduler = Some(scheduler);
            gpu.unavailable.remove("scheduler");
        }
        Err(why) => {
            let reason = gpu.unavailable.entry("scheduler".to_owned()).or_default();
            *reason = format!("{reason}; {why}");
        }
    }
}

/// A log is added to and never replaced.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let made = OpenOptions::new().append(true).create_new(true).open(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::other("there is such a file already; give another name"),
        _ => error,
    })
}

/// One line in one write, so that a log that is cut off lacks whole lines only, or the end of its last.
fn append(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}
