//! An arm with nothing left open: how many streams and threads it has on this machine, and its label.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::{
    record::Scenario,
    runtime::{options::DataPath, spec::BackendSpec},
};

/// A device's usual batch and streams: large enough to fill it, small enough for a few to be in work.
const DEVICE_BATCH: usize = 16;
const DEVICE_STREAMS: usize = 4;

/// One arm with nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedArm {
    /// As asked for.
    pub spec: BackendSpec,
    /// Its name, alone of its kind in the study.
    pub label: String,
    /// Photos in work at the same time.
    pub streams: usize,
    /// Threads of one stream.
    pub threads: usize,
    /// Photos a detector run and faces a recognizer run may take, where the network allows it.
    pub batch: usize,
}

/// Why arms make no study. The program exits with 2.
#[derive(Debug, Error, PartialEq)]
pub enum PlanError {
    /// Single-stream has one photo in work.
    #[error(
        "{spec}: single-stream has one photo in work at a time, so streams={streams} and batch={batch} make no sense"
    )]
    NotSingle {
        /// The arm as asked for.
        spec: String,
        /// Its streams.
        streams: usize,
        /// Its batch.
        batch: usize,
    },
    /// Threads that the runtime cannot give.
    #[error("{spec}: {reason}")]
    Threads {
        /// The arm as asked for.
        spec: String,
        /// Why it cannot, and what it can.
        reason: String,
    },
}

impl PlannedArm {
    /// Decides what `spec` leaves open, for `cores` host cores. Offline, a bare SPEC gets one stream of one thread a
    /// core; single-stream, one stream of all cores. On a device of its own, offline, a few streams of larger batches:
    /// while one is on the device, others are decoded and aligned. Where all streams share one pool of threads, several
    /// streams have one thread each.
    pub fn resolve(spec: BackendSpec, scenario: Scenario, cores: usize) -> Result<Self, PlanError> {
        let is_single = scenario == Scenario::SingleStream;
        let beside = spec.data_path() == DataPath::Device;
        let shared = spec.backend().shares_threads();
        let batch = spec
            .batch
            .unwrap_or(if beside && !is_single { DEVICE_BATCH } else { 1 });
        if shared {
            one_pool(&spec, cores)?;
        }
        let (streams, threads) = match (scenario, spec.streams, spec.threads) {
            (Scenario::SingleStream, streams, threads) => {
                let streams = streams.unwrap_or(1);
                if streams > 1 || batch > 1 {
                    return Err(PlanError::NotSingle {
                        spec: spec.requested,
                        streams,
                        batch,
                    });
                }
                (1, threads.unwrap_or(if beside { 1 } else { cores }))
            }
            (_, streams, threads) if beside => (
                streams.unwrap_or(DEVICE_STREAMS.min(cores.max(2))),
                threads.unwrap_or(1),
            ),
            (_, Some(streams), Some(threads)) => (streams, threads),
            (_, Some(streams @ 2..), None) if shared => (streams, 1),
            (_, None, Some(threads @ 2..)) if shared => (1, threads),
            (_, Some(streams), None) => (streams, (cores / streams).max(1)),
            (_, None, Some(threads)) => ((cores / threads).max(1), threads),
            // A sleeping `null` needs no core, and two would only contend for its figures.
            (_, None, None) if spec.is_null() => (1, 1),
            (_, None, None) => (cores, 1),
        };
        Ok(Self {
            label: spec.to_string(),
            spec,
            streams,
            threads,
            batch,
        })
    }

    /// Host threads, of `cores` host cores, that decode, resize and align for a device; `None` where each stream does
    /// that for itself.
    pub fn decoders(&self, cores: usize) -> Option<usize> {
        (self.spec.data_path() == DataPath::Device).then(|| self.spec.decoders.unwrap_or(cores))
    }
}

/// Holds that one pool of threads a process can give what `spec` asks for: several threads to one stream alone, and no
/// more of them than there are cores.
fn one_pool(spec: &BackendSpec, cores: usize) -> Result<(), PlanError> {
    let reason = match (spec.streams, spec.threads) {
        (Some(streams @ 2..), Some(threads @ 2..)) => format!(
            "{} has one pool of threads a process, which one stream at a time can use: {streams} streams of {threads} threads cannot be had; give streams=1, or threads=1",
            spec.word
        ),
        (_, Some(threads)) if threads > cores => format!(
            "{} starts no more threads than there are host cores: give at most threads={cores}",
            spec.word
        ),
        _ => return Ok(()),
    };
    Err(PlanError::Threads {
        spec: spec.requested.clone(),
        reason,
    })
}

/// Numbers labels that stand more than once: `cpu`, `cpu #2`.
pub fn tell_apart(arms: &mut [PlannedArm]) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for arm in arms {
        let numbered = (2..).map(|number| format!("{} #{number}", arm.label));
        let label = std::iter::once(arm.label.clone())
            .chain(numbered)
            .find(|label| !taken.contains(label));
        arm.label = label.unwrap_or_default();
        taken.insert(arm.label.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(spec: &str, scenario: Scenario) -> (usize, usize) {
        let arm = PlannedArm::resolve(spec.parse().unwrap(), scenario, 8).unwrap();
        (arm.streams, arm.threads)
    }

    #[test]
    fn what_is_left_open_fills_the_cores() {
        assert_eq!(resolved("cpu", Scenario::Offline), (8, 1));
        assert_eq!(resolved("cpu,threads=2", Scenario::Offline), (4, 2));
        assert_eq!(resolved("cpu,streams=3", Scenario::Offline), (3, 2));
        assert_eq!(resolved("cpu,streams=16", Scenario::Offline), (16, 1));
        assert_eq!(resolved("cpu", Scenario::SingleStream), (1, 8));
        assert_eq!(resolved("null", Scenario::Offline), (1, 1));
        let error =
            PlannedArm::resolve("cpu,streams=2".parse().unwrap(), Scenario::SingleStream, 8).unwrap_err();
        assert!(matches!(error, PlanError::NotSingle { streams: 2, .. }));
    }

    #[test]
    fn one_pool_of_threads_serves_one_stream() {
        assert_eq!(resolved("opencv", Scenario::Offline), (8, 1));
        assert_eq!(resolved("opencv,streams=2", Scenario::Offline), (2, 1));
        assert_eq!(resolved("opencv,streams=1", Scenario::Offline), (1, 8));
        assert_eq!(resolved("opencv,threads=1", Scenario::Offline), (8, 1));
        assert_eq!(resolved("opencv,threads=2", Scenario::Offline), (1, 2));
        assert_eq!(resolved("opencv", Scenario::SingleStream), (1, 8));
        assert_eq!(resolved("tract,threads=2", Scenario::Offline), (4, 2));
        let refused = |spec: &str| {
            PlannedArm::resolve(spec.parse().unwrap(), Scenario::Offline, 8)
                .unwrap_err()
                .to_string()
        };
        insta::assert_snapshot!(refused("opencv,threads=2,streams=3"), @"opencv,threads=2,streams=3: opencv has one pool of threads a process, which one stream at a time can use: 3 streams of 2 threads cannot be had; give streams=1, or threads=1");
        insta::assert_snapshot!(refused("opencv,threads=9"), @"opencv,threads=9: opencv starts no more threads than there are host cores: give at most threads=8");
    }
}
