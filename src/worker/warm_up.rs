//! When a worker is warm: its speed grows no more.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::record::limits::STEADY;

/// Stretches of the least warm-up.
const STRETCHES: u32 = 4;

/// Photos of a warm-up as they are answered.
pub(super) struct WarmUp {
    least: Duration,
    most: Duration,
    /// For each stretch, what its photos cost and what they were expected to cost.
    stretches: Mutex<Vec<(f64, f64)>>,
}

impl WarmUp {
    pub(super) fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            stretches: Mutex::default(),
        }
    }

    /// Photos that were expected to cost `weight` were answered in `time`, at `at` after the start.
    pub(super) fn answered(&self, at: Duration, time: Duration, weight: f64) {
        let stretch = at.div_duration_f64(self.length()) as usize;
        let mut stretches = self.stretches.lock().unwrap_or_else(PoisonError::into_inner);
        // A photo that takes longer than a stretch leaves stretches without any.
        if stretch >= stretches.len() {
            stretches.resize(stretch + 1, (0.0, 0.0));
        }
        stretches[stretch].0 += time.as_secs_f64();
        stretches[stretch].1 += weight;
    }

    fn length(&self) -> Duration {
        (self.least / STRETCHES).max(Duration::from_millis(1))
    }

    /// Whether warming up is over after `elapsed`.
    pub(super) fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.most || (elapsed >= self.least && self.is_steady(elapsed) == Some(true))
    }

    /// Whether the last whole stretch before `elapsed` was no faster than the best before it, but for a little;
    /// `None` with too few stretches to say so.
    pub(super) fn is_steady(&self, elapsed: Duration) -> Option<bool> {
        let whole = elapsed.div_duration_f64(self.length()) as usize;
        let stretches = self.stretches.lock().unwrap_or_else(PoisonError::into_inner);
        let speeds: Vec<f64> = stretches
            .iter()
            .take(whole)
            .filter(|(time, _)| *time > 0.0)
            .map(|(time, weight)| weight / time)
            .collect();
        let (last, before) = speeds.split_last()?;
        let best = before.iter().copied().reduce(f64::max)?;
        Some(*last <= best * (1.0 + STEADY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn warm_up(times: &[u64]) -> WarmUp {
        let warm_up = WarmUp::new(MS(400), MS(1600));
        for (stretch, time) in times.iter().enumerate() {
            warm_up.answered(MS(stretch as u64 * 100 + 50), MS(*time), 1.0);
        }
        warm_up
    }

    #[test]
    fn it_goes_on_while_the_speed_grows() {
        let growing = warm_up(&[50, 40, 30, 20, 20]);
        assert!(!growing.is_over(MS(300)), "not before its least time");
        assert!(!growing.is_over(MS(400)), "the fourth stretch is still faster");
        assert!(growing.is_over(MS(500)));
        assert_eq!(growing.is_steady(MS(400)), Some(false));
    }

    #[test]
    fn noise_downwards_is_steady_and_the_end_is_the_end() {
        assert!(warm_up(&[20, 20, 22, 25]).is_over(MS(400)));
        let forever: Vec<u64> = (0..16).map(|n| 100 - 6 * n).collect();
        let growing = warm_up(&forever);
        assert!(!growing.is_over(MS(1500)) && growing.is_over(MS(1600)));
        assert_eq!(warm_up(&[20]).is_steady(MS(400)), None);
    }

    #[test]
    fn dear_photos_are_not_slow_ones() {
        let warm_up = WarmUp::new(MS(400), MS(1600));
        for (stretch, weight) in [8.0, 4.0, 2.0, 1.0].into_iter().enumerate() {
            warm_up.answered(MS(stretch as u64 * 100 + 50), MS(10).mul_f64(weight), weight);
        }
        assert_eq!(warm_up.is_steady(MS(400)), Some(true));
    }
}
