//! What a study will do: arms with their concurrency settled, processes, blocks, order.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::{backend::spec::BackendSpec, record::Scenario};

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
}

/// A whole study.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is compared.
    pub arms: Vec<PlannedArm>,
    /// How photos arrive.
    pub scenario: Scenario,
    /// Processes of each arm.
    pub processes: usize,
    /// Measured blocks of each process.
    pub blocks: usize,
    /// Least time of a block.
    pub duration: Duration,
    /// Warm-up of each process.
    pub warmup: Duration,
    /// Seeds the order.
    pub seed: u64,
    /// The host cores that every arm may use; empty for all that the machine gives.
    pub host_cores: Vec<usize>,
    /// How many cores that is.
    pub cores: usize,
    /// Least ratio that counts as a difference, as a fraction.
    pub margin: f64,
    /// Longest silence of a worker.
    pub patience: Duration,
    /// A `--quick` study.
    pub quick: bool,
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
}

impl PlannedArm {
    /// Settles what `spec` leaves open, for `cores` host cores. Offline, a bare SPEC gets one stream of one thread a
    /// core; single-stream, one stream of all cores.
    pub fn settle(spec: BackendSpec, scenario: Scenario, cores: usize) -> Result<Self, PlanError> {
        let (streams, threads) = match (scenario, spec.streams, spec.threads) {
            (Scenario::SingleStream, streams, threads) => {
                let streams = streams.unwrap_or(1);
                if streams > 1 || spec.batch > 1 {
                    return Err(PlanError::NotSingle {
                        spec: spec.requested,
                        streams,
                        batch: spec.batch,
                    });
                }
                (1, threads.unwrap_or(cores))
            }
            (Scenario::Offline, Some(streams), Some(threads)) => (streams, threads),
            (Scenario::Offline, Some(streams), None) => (streams, (cores / streams).max(1)),
            (Scenario::Offline, None, Some(threads)) => ((cores / threads).max(1), threads),
            // A sleeping `null` needs no core, and two would only contend for its figures.
            (Scenario::Offline, None, None) if spec.is_null() => (1, 1),
            (Scenario::Offline, None, None) => (cores, 1),
        };
        Ok(Self {
            label: spec.to_string(),
            spec,
            streams,
            threads,
        })
    }
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

impl Plan {
    /// The order of arms in each block of process `process`: a fresh shuffle a block, the same for the same seed.
    pub fn order(&self, process: usize) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(process as u64);
        (0..self.blocks)
            .map(|_| {
                let mut arms: Vec<usize> = (0..self.arms.len()).collect();
                arms.shuffle(&mut random);
                arms
            })
            .collect()
    }

    /// About how long the measuring takes, without loading and the check pass.
    pub fn expected(&self) -> Duration {
        let process = self.warmup + self.duration * self.blocks as u32;
        process * (self.processes * self.arms.len()) as u32
    }
}

/// A seed nobody chose.
pub fn fresh_seed() -> u64 {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    // Small enough to be typed again, and exact in JSON readers that know doubles only.
    ChaCha8Rng::seed_from_u64(time.as_nanos() as u64).next_u64() >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(spec: &str, scenario: Scenario) -> (usize, usize) {
        let arm = PlannedArm::settle(spec.parse().unwrap(), scenario, 8).unwrap();
        (arm.streams, arm.threads)
    }

    #[test]
    fn what_is_left_open_fills_the_cores() {
        assert_eq!(settled("cpu", Scenario::Offline), (8, 1));
        assert_eq!(settled("cpu,threads=2", Scenario::Offline), (4, 2));
        assert_eq!(settled("cpu,streams=3", Scenario::Offline), (3, 2));
        assert_eq!(settled("cpu,streams=16", Scenario::Offline), (16, 1));
        assert_eq!(settled("cpu", Scenario::SingleStream), (1, 8));
        assert_eq!(settled("null", Scenario::Offline), (1, 1));
        let error =
            PlannedArm::settle("cpu,streams=2".parse().unwrap(), Scenario::SingleStream, 8).unwrap_err();
        assert!(matches!(error, PlanError::NotSingle { streams: 2, .. }));
    }

    fn plan(seed: u64) -> Plan {
        let mut arms: Vec<_> = ["cpu", "cpu", "null"]
            .map(|spec| PlannedArm::settle(spec.parse().unwrap(), Scenario::Offline, 2).unwrap())
            .into();
        tell_apart(&mut arms);
        Plan {
            arms,
            scenario: Scenario::Offline,
            processes: 6,
            blocks: 2,
            duration: Duration::from_secs(3),
            warmup: Duration::from_secs(2),
            seed,
            host_cores: Vec::new(),
            cores: 2,
            margin: 0.02,
            patience: Duration::from_mins(1),
            quick: false,
        }
    }

    #[test]
    fn orders_are_seeded_shuffles_of_all_arms() {
        let (a, b) = (plan(1), plan(2));
        assert_eq!(a.order(0), a.order(0));
        let all: Vec<_> = (0..6).map(|p| a.order(p)).collect();
        assert_ne!(all, (0..6).map(|p| b.order(p)).collect::<Vec<_>>());
        for mut order in all.into_iter().flatten() {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert_eq!(a.expected(), Duration::from_secs(6 * 3 * 8));
        assert_eq!(
            a.arms.iter().map(|arm| arm.label.as_str()).collect::<Vec<_>>(),
            ["cpu", "cpu #2", "null"]
        );
    }
}
