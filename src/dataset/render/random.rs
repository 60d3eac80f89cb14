//! Named streams of random numbers: one seed, one purpose, one stream, the same on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::math::{exp, ln, sin_turns};

/// What a stream is used for; two purposes never share numbers.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    Appearance = 1,
    Shape = 2,
    Scene = 3,
    Pairs = 4,
    TrainingScene = 5,
    Portrait = 6,
}

/// A stream of random numbers.
///
/// The conversions to floats and ranges are spelt out here, so that a new version of `rand` cannot move a pixel.
#[derive(Debug)]
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(purpose: Purpose, seed: u64, index: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in 0..1, in steps of 2^-24.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Between `-extent` and `extent`, the middle likelier than the ends.
    pub(super) fn tent(&mut self, extent: f32) -> f32 {
        extent * (self.unit() + self.unit() - 1.0)
    }

    /// Uniform in the logarithm: as many between 30 and 60 as between 60 and 120.
    pub(super) fn log_uniform(&mut self, low: f32, high: f32) -> f32 {
        exp(self.uniform(ln(low), ln(high))).clamp(low, high)
    }

    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A whole number in `0..bound` (`bound` > 0).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.bits()) * bound as u64) >> 32) as usize
    }

    /// An index drawn with the given weights.
    pub(super) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        weights.len().saturating_sub(1)
    }

    /// Gaussian with mean 0 and deviation 1 (Box-Muller).
    pub(super) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * ln(self.unit() + 6e-8)).sqrt();
        radius * sin_turns(self.unit())
    }

    /// Fisher-Yates.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
