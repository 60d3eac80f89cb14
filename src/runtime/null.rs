//! The backend that runs no network: it answers each photo after a set time, to measure the harness itself and to
//! plant faults that the checks must find.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    spec::BackendSpec,
    values::{choose, count, parse_duration, parse_share},
};

/// What `null` does with each photo, and which fault it plants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NullOptions {
    /// The whole cost of a photo.
    pub delay: Duration,
    /// Faces reported for each photo.
    pub faces: usize,
    /// Each process is slower or faster by a factor of its own; this is the standard deviation of its logarithm.
    pub jitter: f64,
    /// Each measured block of a process is slower than the one before by this fraction.
    pub drift: f64,
    /// For so long after its start a worker is slow: a hundred times at first, and evenly less.
    pub slow_start: Duration,
    /// Now and then a photo takes this much longer.
    pub stall: Option<Stall>,
    /// The worker aborts in this block (1 is the first) of each process.
    pub crash: Option<usize>,
    /// The worker stops answering in this block (1 is the first) of each process.
    pub hang: Option<usize>,
    /// Share of photos, 0 to 1, whose faces are reported elsewhere.
    pub wrong: f64,
    /// Share of node time, 0 to 1, that a made-up profile places on the asked provider; the rest is the CPU's.
    pub placement: Option<f64>,
    /// How it claims more than it does.
    pub cheat: Option<Cheat>,
    /// The GPU (`cuda:0`, `vgpu:0`, `mig:UUID`) that the arm is reported to run on: what is read and checked of an arm's
    /// GPU is then read and checked of it.
    pub on: Option<String>,
}

/// A way to claim more than was done, each of which a check must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cheat {
    /// What was answered once is answered from memory.
    Memory,
    /// Each photo of a block is counted twice.
    Twice,
    /// The clock that blocks are timed by runs at half speed.
    SlowClock,
    /// No face has an embedding.
    NoEmbeddings,
    /// Every other face has none.
    HalfEmbeddings,
    /// All faces have the same.
    SameEmbedding,
}

/// What the option takes.
const CHEATS: &[(&str, Cheat)] = &[
    ("memory", Cheat::Memory),
    ("twice", Cheat::Twice),
    ("slow-clock", Cheat::SlowClock),
    ("no-embeddings", Cheat::NoEmbeddings),
    ("half-embeddings", Cheat::HalfEmbeddings),
    ("same-embedding", Cheat::SameEmbedding),
];

impl Cheat {
    /// Whether it is about embeddings, which `null` has for this alone.
    pub fn is_of_embeddings(self) -> bool {
        matches!(
            self,
            Self::NoEmbeddings | Self::HalfEmbeddings | Self::SameEmbedding
        )
    }
}

/// A pause of `length` once in every `every`, counted from the start of each block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// How long.
    pub length: Duration,
    /// How often.
    pub every: Duration,
}

impl Default for NullOptions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(1),
            faces: 1,
            jitter: 0.0,
            drift: 0.0,
            slow_start: Duration::ZERO,
            stall: None,
            crash: None,
            hang: None,
            wrong: 0.0,
            placement: None,
            cheat: None,
            on: None,
        }
    }
}

impl NullOptions {
    /// Sets `option`, if it is one of these; the error is what it takes.
    pub(super) fn set(&mut self, option: &str, value: &str) -> Option<Result<(), String>> {
        Some(match option {
            "delay" => parse_duration(value).map(|delay| self.delay = delay),
            "faces" => value
                .parse()
                .ok()
                .filter(|faces| *faces <= 10_000)
                .map(|faces| self.faces = faces)
                .ok_or_else(|| "expected a whole number from 0 to 10000".to_owned()),
            "jitter" => parse_share(value).map(|share| self.jitter = share),
            "drift" => parse_share(value).map(|share| self.drift = share),
            "slow-start" => parse_duration(value).map(|length| self.slow_start = length),
            "wrong" => parse_share(value).map(|share| self.wrong = share),
            "placement" => parse_share(value).map(|share| self.placement = Some(share)),
            "cheat" => choose(value, CHEATS).map(|cheat| self.cheat = Some(cheat)),
            "on" => gpu(value).map(|()| self.on = Some(value.to_owned())),
            "stall" => stall(value).map(|stall| self.stall = Some(stall)),
            "crash" => count(value, 1_000_000).map(|block| self.crash = Some(block)),
            "hang" => count(value, 1_000_000).map(|block| self.hang = Some(block)),
            _ => return None,
        })
    }

    /// The cost of a photo in block `block` (0 is the first) of a process whose chance is `process_noise`, a
    /// number between 0 and 1 that is as likely to be one as any other.
    pub fn delay_in(&self, process_noise: f64, block: usize) -> Duration {
        let quantile = Normal::standard().inverse_cdf(process_noise.clamp(1e-9, 1.0 - 1e-9));
        let factor = (self.jitter * quantile).exp() * (1.0 + self.drift).powf(block as f64);
        self.delay.mul_f64(factor)
    }

    /// By how much a photo takes longer `age` after the worker's start.
    pub fn slowness(&self, age: Duration) -> f64 {
        if age >= self.slow_start {
            return 1.0;
        }
        100f64.powf(1.0 - age.div_duration_f64(self.slow_start))
    }

    /// Whether the answer for photo `index` is to be wrong: spread evenly over the photos.
    pub fn is_wrong(&self, index: usize) -> bool {
        let count = |photos: usize| (photos as f64 * self.wrong + 1e-9).floor();
        count(index + 1) > count(index)
    }
}

/// `LENGTH/EVERY`, both durations.
fn stall(text: &str) -> Result<Stall, String> {
    let form = "expected such as 200ms/2s";
    let (length, every) = text.split_once('/').ok_or(form)?;
    let stall = Stall {
        length: parse_duration(length)?,
        every: parse_duration(every)?,
    };
    if stall.every.is_zero() {
        return Err(form.to_owned());
    }
    Ok(stall)
}

/// Checks that `text` names a GPU, and nothing besides.
fn gpu(text: &str) -> Result<(), String> {
    let on: BackendSpec = text.parse().map_err(|_| "expected such as vgpu:0")?;
    if on.gpu().is_none() || text.contains(',') {
        return Err("expected a GPU: cuda:0, vgpu:0 or mig:UUID".to_owned());
    }
    Ok(())
}

/// Waits for `delay`. Sleeping alone wakes late by tens of microseconds, so the last part is spun: the delay is
/// what other figures are compared with.
pub fn wait(delay: Duration) {
    wait_until(Instant::now() + delay);
}

/// Waits until `end`, likewise.
pub fn wait_until(end: Instant) {
    const SPIN: Duration = Duration::from_micros(200);
    if let Some(sleep) = end.saturating_duration_since(Instant::now()).checked_sub(SPIN) {
        std::thread::sleep(sleep);
    }
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_short() {
        for micros in [0, 50, 1500] {
            let start = Instant::now();
            wait(Duration::from_micros(micros));
            assert!(start.elapsed() >= Duration::from_micros(micros));
        }
    }

    #[test]
    fn process_noise_and_drift_change_the_delay() {
        let options = NullOptions {
            jitter: 0.03,
            drift: 0.1,
            ..NullOptions::default()
        };
        assert_eq!(options.delay_in(0.5, 0), options.delay);
        let ratio = |noise, block| options.delay_in(noise, block).as_secs_f64() / options.delay.as_secs_f64();
        assert!((ratio(0.841_344_7, 0) - 0.03f64.exp()).abs() < 1e-4);
        assert!((ratio(0.5, 2) - 1.21).abs() < 1e-4);
    }

    #[test]
    fn a_slow_start_is_over_in_time() {
        let options = NullOptions {
            slow_start: Duration::from_secs(2),
            ..NullOptions::default()
        };
        let at = |seconds| options.slowness(Duration::from_secs(seconds));
        assert!((at(0) - 100.0).abs() < 1e-9 && (at(1) - 10.0).abs() < 1e-9);
        assert!((at(2) - 1.0).abs() < 1e-9 && (at(3) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn wrong_answers_are_spread_evenly() {
        let wrong = |share: f64| {
            let options = NullOptions {
                wrong: share,
                ..NullOptions::default()
            };
            (0..100).filter(|index| options.is_wrong(*index)).count()
        };
        assert_eq!((wrong(0.0), wrong(0.25), wrong(1.0)), (0, 25, 100));
    }
}
