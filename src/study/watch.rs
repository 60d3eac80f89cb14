//! Reads the machine while a block is measured: the host cores' clock, and the arm's GPU.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    analysis::statistics,
    machine::{GpuCounters, Nvml, fastest_clock_mhz},
    record::{GpuConditions, throttled_shares},
};

/// How often.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What is looked at.
pub(super) struct MachineWatch<'a> {
    /// The host cores; empty for all.
    pub cores: &'a [usize],
    /// The driver, and the GPU's name for this very device.
    pub gpu: Option<(&'a Nvml, &'a str)>,
    /// The worker, whose device memory is looked at.
    pub worker: u32,
}

/// What was read meanwhile.
#[derive(Clone, Copy, Default)]
pub(super) struct Readings {
    /// The median clock of the fastest host core, for a core that rests may be slow without any harm; MHz.
    pub clock_mhz: Option<f64>,
    /// The GPU.
    pub gpu: Option<GpuConditions>,
}

impl MachineWatch<'_> {
    /// Does `work` and looks meanwhile.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Readings) {
        let before = self.gpu_counters();
        let over = AtomicBool::new(false);
        let (done, clock_mhz, samples) = thread::scope(|scope| {
            // Where the system gives no thread, nothing is observed.
            let watcher = thread::Builder::new().spawn_scoped(scope, || self.watch(&over));
            let done = work();
            over.store(true, Ordering::Relaxed);
            let (clocks, samples) = watcher.map_or_else(
                |_| Default::default(),
                |watcher| {
                    watcher.thread().unpark();
                    watcher.join().unwrap_or_default()
                },
            );
            (done, statistics::median(&clocks), samples)
        });
        let gpu = before.map(|before| sum_up(&before, &samples, self.gpu_counters().as_ref()));
        (done, Readings { clock_mhz, gpu })
    }

    fn watch(&self, over: &AtomicBool) -> (Vec<f64>, Vec<GpuCounters>) {
        let (mut clocks, mut samples) = (Vec::new(), Vec::new());
        loop {
            thread::park_timeout(POLL_INTERVAL);
            if over.load(Ordering::Relaxed) {
                return (clocks, samples);
            }
            clocks.extend(fastest_clock_mhz(self.cores));
            samples.extend(self.gpu_counters());
        }
    }

    fn gpu_counters(&self) -> Option<GpuCounters> {
        let (nvml, uuid) = self.gpu?;
        nvml.counters(uuid, Some(self.worker)).ok()
    }
}

/// A block's conditions from the counters before it, within it and after it.
fn sum_up(before: &GpuCounters, samples: &[GpuCounters], after: Option<&GpuCounters>) -> GpuConditions {
    // A block shorter than that is judged by its end, where the GPU has just worked.
    let samples: Vec<&GpuCounters> = if samples.is_empty() {
        after.into_iter().collect()
    } else {
        samples.iter().collect()
    };
    let values = |of: fn(&GpuCounters) -> Option<f64>| -> Vec<f64> {
        samples.iter().filter_map(|counters| of(counters)).collect()
    };
    let most = |of: fn(&GpuCounters) -> Option<f64>| values(of).into_iter().reduce(f64::max);
    let reasons = samples
        .iter()
        .filter_map(|counters| counters.throttled_by.as_deref().ok());
    let throttled = throttled_shares(reasons);
    let joules = |counters: &GpuCounters| counters.joules.clone().ok();
    GpuConditions {
        sm_clock_mhz: statistics::median(&values(|c| c.sm_clock_mhz.clone().ok())),
        slowed_share: throttled.map(|(slowed, _)| slowed),
        power_capped_share: throttled.map(|(_, capped)| capped),
        joules: after
            .and_then(joules)
            .zip(joules(before))
            .map(|(after, before)| (after - before).max(0.0)),
        memory_bytes: most(|c| c.process_memory_bytes.clone().ok().map(|bytes| bytes as f64))
            .map(|bytes| bytes as u64),
        memory_in_use_bytes: most(|c| c.memory_used_bytes.clone().ok().map(|bytes| bytes as f64))
            .map(|bytes| bytes as u64),
        temperature_celsius: most(|c| c.temperature_celsius.clone().ok()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these numbers are exact in binary")]
    use super::*;
    use crate::record::Throttle;

    fn counters(clock: f64, by: &[Throttle], joules: f64) -> GpuCounters {
        GpuCounters {
            sm_clock_mhz: Ok(clock),
            throttled_by: Ok(by.to_vec()),
            joules: Ok(joules),
            memory_used_bytes: Ok(1 << 30),
            process_memory_bytes: Err("hidden".to_owned()),
            temperature_celsius: Ok(60.0),
        }
    }

    #[test]
    fn samples_become_conditions() {
        let conditions = sum_up(
            &counters(300.0, &[], 100.0),
            &[
                counters(1900.0, &[Throttle::PowerCap], 150.0),
                counters(1700.0, &[Throttle::Thermal], 200.0),
                counters(1800.0, &[], 250.0),
                counters(1800.0, &[], 250.0),
            ],
            Some(&counters(500.0, &[], 300.0)),
        );
        assert_eq!(conditions.sm_clock_mhz, Some(1800.0));
        assert_eq!(
            (conditions.slowed_share, conditions.power_capped_share),
            (Some(0.25), Some(0.25))
        );
        assert_eq!((conditions.joules, conditions.memory_bytes), (Some(200.0), None));
        assert_eq!(conditions.memory_in_use_bytes, Some(1 << 30));
    }

    #[test]
    fn what_is_not_reported_stays_unknown() {
        let hidden = GpuCounters {
            sm_clock_mhz: Err("no".to_owned()),
            throttled_by: Err("no".to_owned()),
            joules: Err("no".to_owned()),
            memory_used_bytes: Err("no".to_owned()),
            process_memory_bytes: Err("no".to_owned()),
            temperature_celsius: Err("no".to_owned()),
        };
        assert_eq!(sum_up(&hidden, &[], Some(&hidden)), GpuConditions::default());
    }
}
