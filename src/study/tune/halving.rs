//! Successive halving: every candidate gets a short block, the slower half is dropped, the others get blocks twice as
//! long, until few are left. So most of the time goes to those that are hard to tell apart.
//!
//! Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization".

use std::time::Duration;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::Goal;
use crate::{
    analysis::{
        figures::{self, samples_for},
        tuned::round,
    },
    record::{Block, Candidate, Hint, LatencyBound},
};

/// How many come to the end; which of them is best, a study of its own finds out.
pub const FINALISTS: usize = 2;
/// The percentile of the latency hint, and the one that stands for it where samples are too few.
const TAIL: f64 = 99.0;
const MIDDLE: f64 = 50.0;
/// Percentiles that stand for a higher one of a bound, likewise.
const PERCENTILES: [f64; 4] = [99.0, 95.0, 90.0, MIDDLE];

/// What measures candidates, by their number.
pub trait Bench {
    /// Why a search ends early.
    type Error;

    /// A round begins in which these candidates are measured.
    fn begin(&mut self, candidates: &[usize]) -> Result<(), Self::Error>;

    /// A block of a candidate of at least `length`; or why this one cannot be measured any more.
    fn measure(
        &mut self,
        candidate: usize,
        round: usize,
        length: Duration,
    ) -> Result<Result<Block, String>, Self::Error>;

    /// A round is over: the candidates as they stand.
    fn keep(&mut self, candidates: &[Candidate]) -> Result<(), Self::Error>;
}

/// Searches `candidates`, whose first blocks last `first`; the numbers of those that came to the end, the best first.
/// In each round the order is a seeded shuffle, so that a machine that grows hot or busy disadvantages no candidate.
pub fn search<B: Bench>(
    candidates: &mut [Candidate],
    goal: Goal,
    first: Duration,
    seed: u64,
    bench: &mut B,
) -> Result<Vec<usize>, B::Error> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut length = first;
    for number in 0.. {
        left.shuffle(&mut random);
        bench.begin(&left)?;
        for candidate in &left {
            match bench.measure(*candidate, number, length)? {
                Ok(block) => candidates[*candidate].rounds.push(round(block)),
                Err(reason) => {
                    candidates[*candidate].error = Some(reason);
                    candidates[*candidate].dropped_after = Some(number + 1);
                }
            }
        }
        left.retain(|candidate| candidates[*candidate].error.is_none());
        left = ranked(candidates, &left, goal);
        let half = left.len().div_ceil(2).max(FINALISTS).min(left.len());
        for candidate in left.drain(half..) {
            candidates[candidate].dropped_after = Some(number + 1);
        }
        bench.keep(candidates)?;
        if left.len() <= FINALISTS {
            break;
        }
        length *= 2;
    }
    Ok(left)
}

/// `left`, the best first, by all their blocks so far. Those of which it is known that they do not hold the bound come
/// last, the nearest to it first.
fn ranked(candidates: &[Candidate], left: &[usize], goal: Goal) -> Vec<usize> {
    let measured: Vec<Measured> = left
        .iter()
        .map(|place| Measured::of(&candidates[*place]))
        .collect();
    let is_known = |measured: &Measured| measured.samples() >= samples_for(TAIL);
    // One percentile for all: a median cannot be compared with a tail.
    let percentile = if measured.iter().all(is_known) {
        TAIL
    } else {
        MIDDLE
    };
    let key = |measured: &Measured| {
        let excess = goal.bound.and_then(|bound| measured.excess(bound)).unwrap_or(0.0);
        let cost = match goal.hint {
            Hint::Throughput => -measured.speed(),
            Hint::Latency => measured.latency(percentile),
        };
        (excess, cost)
    };
    let mut order: Vec<(usize, (f64, f64))> = left
        .iter()
        .zip(&measured)
        .map(|(place, measured)| (*place, key(measured)))
        .collect();
    order.sort_by(|(a, (excess_a, cost_a)), (b, (excess_b, cost_b))| {
        let by_excess = excess_a.total_cmp(excess_b);
        by_excess.then(cost_a.total_cmp(cost_b)).then(a.cmp(b))
    });
    order.into_iter().map(|(place, _)| place).collect()
}

/// All blocks of a candidate.
struct Measured(Vec<Block>);

impl Measured {
    fn of(candidate: &Candidate) -> Self {
        Self(candidate.rounds.iter().map(|round| round.block.clone()).collect())
    }

    fn speed(&self) -> f64 {
        let images: usize = self.0.iter().map(|block| block.images).sum();
        images as f64 / self.0.iter().map(|block| block.seconds).sum::<f64>()
    }

    fn at(&self, percentile: f64) -> Option<(f64, u64)> {
        figures::latency_at(&self.0, LatencyBound { ms: 0.0, percentile })
    }

    fn samples(&self) -> u64 {
        self.at(MIDDLE).map_or(0, |(_, samples)| samples)
    }

    fn latency(&self, percentile: f64) -> f64 {
        self.at(percentile).map_or(f64::INFINITY, |(ms, _)| ms)
    }

    /// By how much the bound is missed for certain: at its percentile, or at the highest below it that there are samples
    /// enough for, which is no later. `None` where that one holds.
    fn excess(&self, bound: LatencyBound) -> Option<f64> {
        let samples = self.samples();
        let is_known = |percentile: &f64| samples >= samples_for(*percentile);
        let lower = PERCENTILES.iter().copied().filter(|p| *p < bound.percentile);
        let known = std::iter::once(bound.percentile).chain(lower).find(is_known)?;
        let excess = self.latency(known) - bound.ms;
        (excess > 0.0).then_some(excess)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::RngExt;
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;
    use crate::analysis::figures::tests::block;

    /// A machine whose candidates have known speeds, and noise: of each worker's process, and of each block, the less
    /// the longer it is.
    struct Machine {
        /// Images a second of each candidate, in truth.
        speeds: Vec<f64>,
        /// The service time of each candidate, milliseconds.
        service_ms: Vec<f64>,
        /// Standard deviations of the logarithm, of a process and of a block of a second.
        noise: (f64, f64),
        /// Candidates that cannot be measured.
        broken: Vec<usize>,
        process_noise: Vec<f64>,
        random: ChaCha8Rng,
        /// What was measured: candidate, round, length.
        calls: Vec<(usize, usize, Duration)>,
        /// How many rounds were kept.
        kept: usize,
    }

    impl Machine {
        fn new(speeds: &[f64], noise: (f64, f64), seed: u64) -> Self {
            Self {
                speeds: speeds.to_vec(),
                service_ms: speeds.iter().map(|speed| 1e3 / speed).collect(),
                noise,
                broken: Vec::new(),
                process_noise: Vec::new(),
                random: ChaCha8Rng::seed_from_u64(seed),
                calls: Vec::new(),
                kept: 0,
            }
        }

        fn drawn(&mut self, deviation: f64) -> f64 {
            let share: f64 = self.random.random_range(1e-9..1.0);
            (deviation * Normal::standard().inverse_cdf(share)).exp()
        }
    }

    impl Bench for Machine {
        type Error = Infallible;

        fn begin(&mut self, _: &[usize]) -> Result<(), Infallible> {
            // Three workers, each with a noise of its own in this round.
            self.process_noise = (0..3).map(|_| self.drawn(self.noise.0)).collect();
            Ok(())
        }

        fn measure(
            &mut self,
            candidate: usize,
            round: usize,
            length: Duration,
        ) -> Result<Result<Block, String>, Infallible> {
            self.calls.push((candidate, round, length));
            if self.broken.contains(&candidate) {
                return Ok(Err("out of memory".to_owned()));
            }
            let seconds = length.as_secs_f64();
            let noise = self.drawn(self.noise.1 / seconds.sqrt()) * self.process_noise[candidate % 3];
            let images = (self.speeds[candidate] * noise * seconds).round().max(1.0) as usize;
            let micros = (self.service_ms[candidate] * 1e3 / noise).round() as u64;
            Ok(Ok(Block {
                service_us: vec![(micros, images as u64)],
                ..block(round, 0, seconds, images)
            }))
        }

        fn keep(&mut self, _: &[Candidate]) -> Result<(), Infallible> {
            self.kept += 1;
            Ok(())
        }
    }

    fn blank(count: usize) -> Vec<Candidate> {
        let one = |number: usize| Candidate {
            spec: number.to_string(),
            streams: 1,
            threads: 1,
            batch: 1,
            decoders: None,
            rounds: Vec::new(),
            dropped_after: None,
            error: None,
        };
        (0..count).map(one).collect()
    }

    const FAST: Goal = Goal {
        hint: Hint::Throughput,
        bound: None,
    };
    const QUIET: (f64, f64) = (0.0, 0.0);
    const SECOND: Duration = Duration::from_secs(1);

    fn found(machine: &mut Machine, candidates: &mut [Candidate], goal: Goal, seed: u64) -> Vec<usize> {
        let Ok(found) = search(candidates, goal, SECOND, seed, machine);
        found
    }

    #[test]
    fn half_are_dropped_while_blocks_double() {
        let speeds: Vec<f64> = (0..20).map(|n| 100.0 + f64::from(n)).collect();
        let (mut machine, mut candidates) = (Machine::new(&speeds, QUIET, 1), blank(20));
        assert_eq!(found(&mut machine, &mut candidates, FAST, 1), [19, 18]);
        let of_round = |round| machine.calls.iter().filter(|call| call.1 == round).count();
        assert_eq!([0, 1, 2, 3, 4].map(of_round), [20, 10, 5, 3, 0]);
        assert!(
            machine
                .calls
                .iter()
                .all(|(_, round, length)| *length == SECOND * (1 << round))
        );
        assert_eq!(machine.kept, 4);
        let dropped = |number: usize| candidates[number].dropped_after;
        assert_eq!(
            [0, 9, 10, 15, 17, 18, 19].map(dropped),
            [Some(1), Some(1), Some(2), Some(3), Some(4), None, None]
        );
        assert_eq!(candidates[17].rounds.len(), 4);
        assert_eq!(candidates[17].rounds[3].block.process, 3);
        let order: Vec<usize> = machine.calls.iter().take(20).map(|call| call.0).collect();
        assert!(!order.is_sorted(), "a shuffle: {order:?}");
    }

    /// 200 searches among 20 candidates whose best six lie within 10 %, with a noise of 2 % a process and 3 % a block.
    #[test]
    fn the_best_is_found_in_noise() {
        let speeds: Vec<f64> = (0..20).map(|n| 100.0 * 0.98f64.powi(n)).collect();
        let mut worst = Vec::new();
        for seed in 0..200 {
            let mut machine = Machine::new(&speeds, (0.02, 0.03), seed);
            let finalists = found(&mut machine, &mut blank(20), FAST, seed);
            assert_eq!(finalists.len(), FINALISTS);
            // Which of the finalists is best, the confirming study finds out.
            worst.push(finalists.iter().map(|place| speeds[*place]).fold(0.0, f64::max));
        }
        worst.sort_by(f64::total_cmp);
        assert!(
            worst[10] >= 96.0,
            "in 95 % of the searches within 4 %: {}",
            worst[10]
        );
        assert!(worst[0] >= 90.0, "in all of them within 10 %: {}", worst[0]);
        let best = worst.iter().filter(|speed| **speed > 99.9).count();
        assert!(
            (100..200).contains(&best),
            "the noise is felt, and the best is found mostly: {best}"
        );
    }

    #[test]
    fn a_clear_best_is_never_lost() {
        let mut speeds = vec![100.0; 20];
        speeds[7] = 120.0;
        for seed in 0..200 {
            let mut machine = Machine::new(&speeds, (0.02, 0.03), seed);
            assert_eq!(found(&mut machine, &mut blank(20), FAST, seed)[0], 7, "{seed}");
        }
    }

    #[test]
    fn one_that_fails_is_out_and_the_others_go_on() {
        let (mut machine, mut candidates) = (Machine::new(&[1.0, 2.0, 3.0, 4.0, 5.0], QUIET, 1), blank(5));
        machine.broken = vec![4];
        assert_eq!(found(&mut machine, &mut candidates, FAST, 1), [3, 2]);
        assert_eq!(candidates[4].error.as_deref(), Some("out of memory"));
        assert_eq!(candidates[4].dropped_after, Some(1));
        machine.broken = (0..5).collect();
        assert!(found(&mut machine, &mut blank(5), FAST, 1).is_empty());
    }

    #[test]
    fn the_bound_comes_before_the_speed() {
        let mut machine = Machine::new(&[1000.0, 2000.0, 3000.0, 4000.0], QUIET, 1);
        machine.service_ms = vec![5.0, 9.0, 20.0, 50.0];
        let goal = Goal {
            bound: Some(LatencyBound {
                ms: 10.0,
                percentile: 99.0,
            }),
            ..FAST
        };
        assert_eq!(found(&mut machine, &mut blank(4), goal, 1), [1, 0]);
        // Where nothing holds it, the nearest come to the end.
        machine.service_ms = vec![50.0, 20.0, 30.0, 60.0];
        assert_eq!(found(&mut machine, &mut blank(4), goal, 1), [1, 2]);
        // 40 photos are too few for p99, and enough to see a middle that is too late.
        machine.speeds = vec![40.0; 4];
        assert_eq!(found(&mut machine, &mut blank(4), goal, 1), [1, 2]);
        let tailed = |slow: u64| Candidate {
            rounds: vec![round(Block {
                service_us: vec![(1000, 38), (slow, 2)],
                ..block(0, 0, 1.0, 40)
            })],
            ..blank(1).remove(0)
        };
        let few = [tailed(90_000), tailed(1000)];
        assert_eq!(
            ranked(&few, &[0, 1], goal),
            [0, 1],
            "two late ones of 40 prove nothing"
        );
    }

    #[test]
    fn latency_is_compared_at_one_percentile() {
        let goal = Goal {
            hint: Hint::Latency,
            bound: None,
        };
        let mut machine = Machine::new(&[100.0, 200.0, 1000.0], QUIET, 1);
        machine.service_ms = vec![3.0, 9.0, 5.0];
        assert_eq!(found(&mut machine, &mut blank(3), goal, 1), [0, 2]);
        // 1 of 50 photos takes long: it is seen where every candidate has samples enough for p99.
        let tailed = |images: usize, slow: u64| Candidate {
            rounds: vec![round(Block {
                service_us: vec![(1000, images as u64 * 49 / 50), (slow, images as u64 / 50)],
                ..block(0, 0, 1.0, images)
            })],
            ..blank(1).remove(0)
        };
        let enough = [tailed(1000, 9000), tailed(1000, 2000)];
        assert_eq!(ranked(&enough, &[0, 1], goal), [1, 0]);
        let few = [tailed(1000, 9000), tailed(500, 2000)];
        assert_eq!(ranked(&few, &[0, 1], goal), [0, 1], "alike but for the tail");
    }
}
