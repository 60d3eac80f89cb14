//! What a study will do: its arms, processes and blocks, in which order, and what each block is.

use std::time::Duration;

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::planned_arm::PlannedArm;
use crate::{
    analysis::figures::samples_for,
    record::{LatencyBound, Scenario},
    worker::protocol::{BlockSpec, GiveUp, LoadPattern},
};

/// Photos of a multi-stream query: `MLPerf`'s number.
pub const QUERY: usize = 8;
/// A warm-up lasts at most so many times its least length.
pub(super) const MOST_WARMUP: u32 = 4;
/// An arm that has not worked just now works for this part of a block before one is measured.
const LEAD_IN: u32 = 10;
/// A block of a searched rate lasts at least so many times the latency bound: a shorter one would hold rates that pile
/// up too slowly to be seen.
const BOUNDS: u32 = 50;
/// A block at a given rate is given up when an answer comes so many times later than the bound.
const GIVE_UP_FACTOR: u32 = 20;
/// Most points of a curve along each of its axes.
const STREAM_POINTS: usize = 4;
const BATCH_POINTS: usize = 3;

/// One thing that a worker measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which arm.
    pub arm: usize,
    /// Which point of its curve besides its own; `None` for a block of the study.
    pub point: Option<usize>,
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
    /// Least warm-up of each process.
    pub warmup: Duration,
    /// Whether the throughput-latency curve is measured.
    pub curve: bool,
    /// Whether what the stages allow is measured as well.
    pub ceiling: bool,
    /// Queries a second in the server scenario; `None` to search the highest that holds.
    pub request_rate: Option<f64>,
    /// The latency that is held.
    pub bound: LatencyBound,
    /// Seeds the order.
    pub seed: u64,
    /// The host cores that every arm may use; empty for all that the machine gives.
    pub host_cores: Vec<usize>,
    /// Numbers of the cores that are used, given by the user or by the machine; empty where the machine does not report
    /// them.
    pub core_list: Vec<usize>,
    /// How many cores that is.
    pub cores: usize,
    /// Least ratio that counts as a difference, as a fraction.
    pub margin: f64,
    /// How far two arms that are the same were seen apart on this machine.
    pub noise_floor: Option<f64>,
    /// Longest silence of a worker.
    pub patience: Duration,
    /// A `--quick` study.
    pub quick: bool,
}

impl Plan {
    /// The order of steps in each block of process `process`: a fresh shuffle a block, the same for the same seed.
    /// Points of curves are measured once a process, among the first blocks.
    pub fn order(&self, process: usize) -> Vec<Vec<Step>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(process as u64);
        (0..self.blocks)
            .map(|block| {
                let mut steps: Vec<Step> = Vec::new();
                for (arm, planned) in self.arms.iter().enumerate() {
                    steps.push(Step { arm, point: None });
                    let points = if block == 0 { self.points(planned).len() } else { 0 };
                    steps.extend((0..points).map(|point| Step {
                        arm,
                        point: Some(point),
                    }));
                }
                steps.shuffle(&mut random);
                steps
            })
            .collect()
    }

    /// The points of an arm's curve besides its own: streams and batch, fewer than the arm has.
    pub fn points(&self, arm: &PlannedArm) -> Vec<(usize, usize)> {
        if !self.curve || self.scenario != Scenario::Offline {
            return Vec::new();
        }
        let streams = fewer(arm.streams, 2, STREAM_POINTS);
        let batches = fewer(arm.batch, 4, BATCH_POINTS);
        let all = streams.iter().flat_map(|s| batches.iter().map(|b| (*s, *b)));
        all.filter(|point| *point != (arm.streams, arm.batch)).collect()
    }

    /// A block of the study, of `arm` or of a point of its curve. `rate` and `seed` are for the server scenario.
    pub fn block_spec(
        &self,
        arm: &PlannedArm,
        point: Option<usize>,
        rate: Option<f64>,
        seed: u64,
    ) -> BlockSpec {
        let (streams, batch) = point
            .and_then(|point| self.points(arm).get(point).copied())
            .unwrap_or((arm.streams, arm.batch));
        let pattern = match (self.scenario, rate) {
            (Scenario::MultiStream, _) => LoadPattern::Queries { size: QUERY },
            (Scenario::Server, Some(rate)) => LoadPattern::Arrivals {
                rate,
                seed,
                give_up: Some(GiveUp {
                    bound: (self.bound_time() * GIVE_UP_FACTOR).max(self.duration),
                    misses: 0,
                }),
            },
            _ => LoadPattern::Closed,
        };
        // A point without samples enough for its percentile would be no figure.
        let blocks = if point.is_some() {
            self.processes
        } else {
            self.processes * self.blocks
        };
        let samples = (samples_for(self.bound.percentile) as usize).div_ceil(blocks);
        let images = match self.scenario {
            _ if point.is_some() => samples,
            Scenario::Server => samples,
            // One query at least.
            Scenario::MultiStream => QUERY,
            Scenario::Offline | Scenario::SingleStream => 0,
        };
        let is_searched = self.scenario == Scenario::Server && self.request_rate.is_none();
        let least = if is_searched {
            self.bound_time() * BOUNDS
        } else {
            Duration::ZERO
        };
        BlockSpec {
            duration: self.duration.max(least),
            images,
            streams,
            batch,
            pattern,
            counts: point.is_none(),
        }
    }

    fn bound_time(&self) -> Duration {
        Duration::from_secs_f64(self.bound.ms / 1e3)
    }

    /// The longest that a warm-up may last.
    pub fn most_warmup(&self) -> Duration {
        self.warmup * MOST_WARMUP
    }

    /// How long an arm works before a block that does not follow another one of its own.
    pub fn lead_in(&self) -> Duration {
        self.duration / LEAD_IN
    }

    /// About how long the measuring takes, without loading and the check pass, where a pass is shorter than a block.
    pub fn expected(&self) -> Duration {
        let arms = self.arms.iter().map(|arm| {
            let steps = self.blocks + self.points(arm).len();
            let search = if self.scenario == Scenario::Server && self.request_rate.is_none() {
                6
            } else {
                0
            };
            self.warmup + (self.duration + self.lead_in()) * (steps + search) as u32
        });
        arms.sum::<Duration>() * self.processes as u32
    }
}

/// `most`, and fewer by a factor each, down to 1: at most `count` numbers, 1 always among them.
fn fewer(most: usize, factor: usize, count: usize) -> Vec<usize> {
    let mut list: Vec<usize> =
        std::iter::successors(Some(most), |n| (*n > 1).then_some((n / factor).max(1))).collect();
    if list.len() > count {
        list.truncate(count - 1);
        list.push(1);
    }
    list
}

/// A seed where none was given.
pub fn fresh_seed() -> u64 {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    // Small enough to be typed again, and exact in JSON readers that know doubles only.
    ChaCha8Rng::seed_from_u64(time.as_nanos() as u64).next_u64() >> 32
}

#[cfg(test)]
mod tests {
    use super::{super::planned_arm::tell_apart, *};

    fn plan(seed: u64) -> Plan {
        let mut arms: Vec<_> = ["cpu", "cpu", "null"]
            .map(|spec| PlannedArm::resolve(spec.parse().unwrap(), Scenario::Offline, 2).unwrap())
            .into();
        tell_apart(&mut arms);
        Plan {
            arms,
            scenario: Scenario::Offline,
            processes: 6,
            blocks: 2,
            duration: Duration::from_secs(3),
            warmup: Duration::from_secs(2),
            curve: true,
            ceiling: false,
            request_rate: None,
            bound: LatencyBound {
                ms: 100.0,
                percentile: 99.0,
            },
            seed,
            host_cores: Vec::new(),
            core_list: vec![0, 1],
            cores: 2,
            margin: 0.02,
            noise_floor: None,
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
        for order in all {
            // Two cores: one stream is a point besides both, of the two arms that are no null.
            assert_eq!(order.iter().map(Vec::len).collect::<Vec<_>>(), [5, 3]);
            for steps in order {
                let mut arms: Vec<usize> = steps
                    .iter()
                    .filter(|s| s.point.is_none())
                    .map(|s| s.arm)
                    .collect();
                arms.sort_unstable();
                assert_eq!(arms, [0, 1, 2]);
            }
        }
        assert_eq!(
            a.arms.iter().map(|arm| arm.label.as_str()).collect::<Vec<_>>(),
            ["cpu", "cpu #2", "null"]
        );
    }

    #[test]
    fn curves_have_few_points() {
        assert_eq!(fewer(1, 2, 4), [1]);
        assert_eq!(fewer(6, 2, 4), [6, 3, 1]);
        assert_eq!(fewer(64, 2, 4), [64, 32, 16, 1]);
        assert_eq!(fewer(16, 4, 3), [16, 4, 1]);
        let plan = plan(1);
        let arm =
            PlannedArm::resolve("cpu,streams=2,batch=4".parse().unwrap(), Scenario::Offline, 2).unwrap();
        assert_eq!(plan.points(&arm), [(2, 1), (1, 4), (1, 1)]);
        let spec = plan.block_spec(&arm, Some(1), None, 0);
        assert_eq!(
            (spec.streams, spec.batch, spec.images),
            (1, 4, 111),
            "six of them make 662 and more"
        );
        assert_eq!(plan.block_spec(&arm, None, None, 0).images, 0);
    }
}
