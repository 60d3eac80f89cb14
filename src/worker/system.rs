//! What a worker asks of the system about itself: its cores, its processor time, its bytes from storage.

use std::{path::Path, time::Duration};

use super::WorkerError;
use crate::{machine, record::Host, vision::pixel_pool::PixelPool};

/// Keeps this process, and all threads it will start, on `cores`; empty leaves it as it is.
pub(super) fn stay_on(cores: &[usize]) -> Result<(), WorkerError> {
    #[cfg(target_os = "linux")]
    if !cores.is_empty() {
        let failed = |reason: String| WorkerError::Cores {
            cores: cores.to_vec(),
            reason,
        };
        let mut set = rustix::thread::CpuSet::new();
        for core in cores {
            if *core >= rustix::thread::CpuSet::MAX_CPU {
                return Err(failed(format!("there is no core {core}")));
            }
            set.set(*core);
        }
        rustix::thread::sched_setaffinity(None, &set).map_err(|e| failed(e.to_string()))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cores;
    Ok(())
}

/// The processor's model.
pub(super) fn processor() -> String {
    let model = Host::current().cpu.model;
    model.unwrap_or_else(|| "CPU".to_owned())
}

/// A number between 0 and 1 for this process, each as likely as any other.
pub(super) fn process_noise() -> f64 {
    use rand::{RngExt, SeedableRng};
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seed = time.as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(32);
    rand_chacha::ChaCha8Rng::seed_from_u64(seed).random()
}

/// What this process has used so far, as far as the system reports it.
pub(super) struct Usage {
    cpu: Duration,
    /// Time of a pool that decodes, resizes and aligns for a device.
    pixels: Option<Duration>,
    storage_bytes: Option<u64>,
}

impl Usage {
    pub(super) fn now(pixel_pool: &PixelPool) -> Self {
        Self {
            cpu: cpu_time(),
            pixels: pixel_pool.busy(),
            storage_bytes: machine::storage_bytes(Path::new("/")).ok(),
        }
    }

    /// Processor seconds since `before`, all threads.
    pub(super) fn cpu_seconds_since(&self, before: &Self) -> f64 {
        self.cpu.saturating_sub(before.cpu).as_secs_f64()
    }

    /// Processor seconds since `before` that a pool spent on decoding, resizing and aligning for a device.
    pub(super) fn pixel_seconds_since(&self, before: &Self) -> Option<f64> {
        Some(self.pixels?.saturating_sub(before.pixels?).as_secs_f64())
    }

    /// Bytes since `before` that this process took from storage.
    pub(super) fn storage_bytes_since(&self, before: &Self) -> Option<u64> {
        Some(self.storage_bytes?.saturating_sub(before.storage_bytes?))
    }
}

/// Processor time of this process, all threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
