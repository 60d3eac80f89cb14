//! Warm-up: a closed loop until the worker's speed grows no more.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Batch, Schedule, passes::cut};
use crate::{record::limits::STEADY, worker::WorkerError};

/// Windows in the least time of a warm-up: the speed of one is compared with the best before it.
const WINDOWS: u32 = 4;

/// A closed loop that ends when the speed is steady.
pub(crate) struct UntilSteady<'a> {
    least: Duration,
    most: Duration,
    photos: usize,
    chunk: usize,
    /// What each photo is expected to cost, in any unit; empty where all are alike.
    weights: &'a [f64],
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Photos handed out, over all passes.
    next: usize,
    over: bool,
    /// For each window, what its photos cost in seconds and what they were expected to cost.
    windows: Vec<(f64, f64)>,
}

impl<'a> UntilSteady<'a> {
    /// Passes over `photos` for `least` to `most`, at most `chunk` photos at a time.
    pub(crate) fn new(
        (least, most): (Duration, Duration),
        photos: usize,
        chunk: usize,
        weights: &'a [f64],
    ) -> Self {
        Self {
            least,
            most,
            photos,
            chunk,
            weights,
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Whether the last whole window before `elapsed` was no faster than the best before it, but for a little; `None` with
    /// too few windows to know.
    pub(crate) fn is_steady(&self, elapsed: Duration) -> Option<bool> {
        self.steady(&self.lock().windows, elapsed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn window(&self) -> Duration {
        (self.least / WINDOWS).max(Duration::from_millis(1))
    }

    fn steady(&self, windows: &[(f64, f64)], elapsed: Duration) -> Option<bool> {
        let whole = elapsed.div_duration_f64(self.window()) as usize;
        let speeds: Vec<f64> = windows
            .iter()
            .take(whole)
            .filter(|(time, _)| *time > 0.0)
            .map(|(time, weight)| weight / time)
            .collect();
        let (last, before) = speeds.split_last()?;
        let best = before.iter().copied().reduce(f64::max)?;
        Some(*last <= best * (1.0 + STEADY))
    }

    /// Whether warming up is over after `elapsed`.
    fn is_over(&self, state: &State, elapsed: Duration) -> bool {
        let is_steady = || self.steady(&state.windows, elapsed) == Some(true);
        elapsed >= self.most || (elapsed >= self.least && is_steady())
    }

    /// Photos that were expected to cost `weight` were answered in `time`, at `at` after the start.
    fn answered(&self, at: Duration, time: Duration, weight: f64) {
        let window = at.div_duration_f64(self.window()) as usize;
        let windows = &mut self.lock().windows;
        // A photo that takes longer than a window leaves windows without any.
        if window >= windows.len() {
            windows.resize(window + 1, (0.0, 0.0));
        }
        windows[window].0 += time.as_secs_f64();
        windows[window].1 += weight;
    }
}

impl Schedule for UntilSteady<'_> {
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        let mut state = self.lock();
        // Something is done however short the warm-up is.
        let begun = state.next > 0;
        state.over |= self.photos == 0 || (begun && self.is_over(&state, self.started.elapsed()));
        if state.over {
            return Ok(None);
        }
        let photos = cut(self.photos, state.next, self.chunk);
        state.next += photos.len();
        Ok(Some(Batch::of(photos)))
    }

    fn completed(
        &self,
        batch: &Batch,
        begun: Instant,
        ended: Instant,
        _: &mut Vec<Duration>,
    ) -> Result<(), WorkerError> {
        let weight = match self.weights.get(batch.photos.clone()) {
            Some(weights) => weights.iter().sum(),
            None => batch.photos.len() as f64,
        };
        self.answered(ended - self.started, ended - begun, weight);
        Ok(())
    }

    fn stop(&self) {
        self.lock().over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn warm_up(times: &[u64]) -> UntilSteady<'static> {
        let warm_up = UntilSteady::new((MS(400), MS(1600)), 1, 1, &[]);
        for (window, time) in times.iter().enumerate() {
            warm_up.answered(MS(window as u64 * 100 + 50), MS(*time), 1.0);
        }
        warm_up
    }

    fn is_over(warm_up: &UntilSteady<'_>, elapsed: u64) -> bool {
        warm_up.is_over(&warm_up.lock(), MS(elapsed))
    }

    #[test]
    fn it_goes_on_while_the_speed_grows() {
        let growing = warm_up(&[50, 40, 30, 20, 20]);
        assert!(!is_over(&growing, 300), "not before its least time");
        assert!(!is_over(&growing, 400), "the fourth window is still faster");
        assert!(is_over(&growing, 500));
        assert_eq!(growing.is_steady(MS(400)), Some(false));
    }

    #[test]
    fn noise_downwards_is_steady_and_the_end_is_the_end() {
        assert!(is_over(&warm_up(&[20, 20, 22, 25]), 400));
        let forever: Vec<u64> = (0..16).map(|n| 100 - 6 * n).collect();
        let growing = warm_up(&forever);
        assert!(!is_over(&growing, 1500) && is_over(&growing, 1600));
        assert_eq!(warm_up(&[20]).is_steady(MS(400)), None);
    }

    #[test]
    fn expensive_photos_are_not_slow_ones() {
        let warm_up = UntilSteady::new((MS(400), MS(1600)), 4, 1, &[8.0, 4.0, 2.0, 1.0]);
        for (window, weight) in [8.0, 4.0, 2.0, 1.0].into_iter().enumerate() {
            let photos = warm_up.next_batch().unwrap().unwrap();
            let begun = warm_up.started + MS(window as u64 * 100 + 10);
            let ended = begun + MS(10).mul_f64(weight);
            warm_up.completed(&photos, begun, ended, &mut Vec::new()).unwrap();
        }
        assert_eq!(warm_up.is_steady(MS(400)), Some(true));
    }

    #[test]
    fn something_is_done_however_short_it_is() {
        let warm_up = UntilSteady::new((MS(0), MS(0)), 3, 2, &[]);
        assert_eq!(warm_up.next_batch().unwrap().unwrap().photos, 0..2);
        assert_eq!(warm_up.next_batch().unwrap(), None);
    }
}
