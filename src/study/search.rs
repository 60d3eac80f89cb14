//! The highest rate that holds the latency bound: tries with arrivals drawn from seeds of their own, first to bracket
//! it, then to close in on it, then twice more to confirm it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Observer, Study, recorded_arm::ArmRun, round::keep_block};
use crate::{
    analysis::figures,
    record::{Conditions, LatencyBound, Trial},
    worker::{
        process::{ProcessError, WorkerProcess},
        protocol::{BlockSpec, GiveUp, LoadPattern},
    },
};

/// The bracket is small enough.
const RESOLUTION: f64 = 1.02;
/// Most tries before an arm is given up, and most to confirm a rate.
const TRIES: usize = 12;
/// The first try, as a share of what the arm did while it warmed up; another one in each process, between these.
const FIRST: (f64, f64) = (0.75, 0.9);
/// How far to step while one end is not known.
const STEP: f64 = 1.15;
/// How far to step back from a rate that was not confirmed.
const BACK: f64 = 0.97;
/// Tries in a row that confirm a rate.
const CONFIRMED: usize = 2;

impl Study {
    /// Searches for an arm in a process; every try is written down.
    pub(super) fn search(
        &self,
        worker: &mut WorkerProcess,
        arm: usize,
        process: usize,
        run: &mut ArmRun,
        observer: &dyn Observer,
    ) -> Result<f64, ProcessError> {
        // Every process searches for itself, from a rate of its own: what one found is no news for the next.
        let (low, high) = FIRST;
        let share = ChaCha8Rng::seed_from_u64(self.seed(process, u64::MAX >> 8)).random::<f64>();
        let capacity = run.capacity.unwrap_or(1.0);
        let mut number = 0;
        search(capacity * (low + (high - low) * share), STEP, |rate| {
            number += 1;
            let held = self.attempt(worker, arm, (process, number), rate, run)?;
            let label = &self.plan.arms[arm].label;
            let word = if held { "held" } else { "too many" };
            observer.phase(&format!(
                "process {}: {label}: {rate:.1} a second: {word}",
                process + 1
            ));
            Ok(held)
        })
    }

    /// One try at `rate`: whether the bound was held.
    fn attempt(
        &self,
        worker: &mut WorkerProcess,
        arm: usize,
        (process, number): (usize, u64),
        rate: f64,
        run: &mut ArmRun,
    ) -> Result<bool, ProcessError> {
        let (planned, bound) = (&self.plan.arms[arm], self.plan.bound);
        let seed = self.seed(process, number + (1 << 16));
        let mut spec = self.plan.block_spec(planned, None, Some(rate), seed);
        spec.images = figures::samples_for(bound.percentile) as usize;
        spec.counts = false;
        spec.pattern = LoadPattern::Arrivals {
            rate,
            seed,
            give_up: Some(give_up(bound, &spec, rate, self.dataset.photos.len())),
        };
        let raw = worker.call(spec, self.plan.patience)?;
        // An arm that is still at it long after the last arrival did not keep up, whatever the percentile is.
        let over_time = raw.seconds - raw.images as f64 / rate > bound.ms / 1e3;
        let given_up = raw.given_up || over_time;
        let block = keep_block(raw, (process, 0), Some(rate), Conditions::default());
        let (latency_ms, queries) = figures::latency_at(&[block], bound).unwrap_or((f64::INFINITY, 0));
        let held = !given_up && latency_ms <= bound.ms;
        run.trials.push(Trial {
            process,
            rate,
            queries,
            latency_ms,
            met: held,
        });
        Ok(held)
    }
}

/// A try is lost as soon as more answers are late than the percentile allows of all that are coming.
fn give_up(bound: LatencyBound, spec: &BlockSpec, rate: f64, photos: usize) -> GiveUp {
    let least = (spec.images as f64).max(spec.duration.as_secs_f64() * rate);
    let photos = photos.max(1) as f64;
    let coming = (least / photos).ceil() * photos;
    GiveUp {
        bound: std::time::Duration::from_secs_f64(bound.ms / 1e3),
        // Twice that many: the try should be clear.
        misses: (2.0 * coming * (1.0 - bound.percentile / 100.0)).ceil() as usize,
    }
}

/// The highest rate for which `held` is true, within [`RESOLUTION`]; the lowest that was tried where it never does.
fn search<E>(first: f64, step: f64, mut held: impl FnMut(f64) -> Result<bool, E>) -> Result<f64, E> {
    let (mut low, mut high): (Option<f64>, Option<f64>) = (None, None);
    let mut rate = first;
    for _ in 0..TRIES {
        if held(rate)? {
            low = Some(rate);
        } else {
            high = Some(rate);
        }
        rate = match (low, high) {
            (Some(low), Some(high)) if high / low <= RESOLUTION => break,
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) => low * step,
            (None, Some(high)) => high / step,
            (None, None) => rate,
        };
    }
    let Some(mut rate) = low else {
        return Ok(high.unwrap_or(first));
    };
    let mut in_a_row = 0;
    for _ in 0..TRIES {
        if held(rate)? {
            in_a_row += 1;
            if in_a_row == CONFIRMED {
                break;
            }
        } else {
            in_a_row = 0;
            rate *= BACK;
        }
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_highest_rate_is_found_from_anywhere() {
        for (first, step) in [(85.0, STEP), (40.0, STEP), (150.0, STEP), (98.0, 1.05)] {
            let mut tries = 0;
            let found = search::<Infallible>(first, step, |rate| {
                tries += 1;
                Ok(rate <= 100.0)
            })
            .unwrap();
            assert!((100.0 / RESOLUTION..=100.0).contains(&found), "{first}: {found}");
            assert!(tries <= TRIES + CONFIRMED, "{first}: {tries} tries");
        }
    }

    #[test]
    fn a_rate_that_held_by_luck_is_not_confirmed() {
        let mut tries = 0;
        let found = search::<Infallible>(100.0, 1.05, |rate| {
            tries += 1;
            // The first three tries are lucky.
            Ok(rate <= if tries <= 3 { 110.0 } else { 90.0 })
        })
        .unwrap();
        assert!(found <= 90.0, "{found}");
    }

    #[test]
    fn where_nothing_holds_the_lowest_is_told() {
        let mut lowest = f64::INFINITY;
        let found = search::<Infallible>(100.0, STEP, |rate| {
            lowest = lowest.min(rate);
            Ok(false)
        })
        .unwrap();
        assert!((found - lowest).abs() < 1e-9);
    }
}
