//! A closed loop: a stream that is free takes the next photos at once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Batch, Schedule,
    passes::{Passes, cut},
};
use crate::worker::WorkerError;

/// Whole passes in a closed loop.
pub struct Closed {
    passes: Passes,
    chunk: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Photos handed out, over all passes.
    next: usize,
    over: bool,
}

impl Closed {
    /// At most `chunk` photos at a time.
    pub(super) fn new(passes: Passes, chunk: usize) -> Self {
        Self {
            passes,
            chunk,
            state: Mutex::default(),
        }
    }

    /// Every one of `photos` once, at most `chunk` at a time.
    pub fn one_pass(photos: usize, chunk: usize) -> Self {
        Self::for_at_least(Duration::ZERO, photos, chunk)
    }

    /// Whole passes over `photos` for at least so long, at most `chunk` at a time.
    pub fn for_at_least(least: Duration, photos: usize, chunk: usize) -> Self {
        Self::new(Passes::new(photos, 0, least), chunk)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Schedule for Closed {
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        let mut state = self.lock();
        // Decided once, under the lock, so that all streams agree on whether another pass begins.
        state.over |= self.passes.are_over(state.next);
        if state.over {
            return Ok(None);
        }
        let photos = cut(self.passes.photos, state.next, self.chunk);
        state.next += photos.len();
        Ok(Some(Batch::of(photos)))
    }

    fn stop(&self) {
        self.lock().over = true;
    }
}

#[cfg(test)]
mod tests {
    use std::{ops::Range, thread};

    use super::*;

    fn drained(schedule: &Closed) -> Vec<Range<usize>> {
        std::iter::from_fn(|| schedule.next_batch().unwrap())
            .map(|batch| batch.photos)
            .collect()
    }

    #[test]
    fn passes_are_whole_and_chunks_stay_inside_them() {
        assert_eq!(drained(&Closed::one_pass(5, 2)), [0..2, 2..4, 4..5]);
        let schedule = Closed::for_at_least(Duration::from_millis(5), 3, 1);
        let mut images = 0;
        while let Some(batch) = schedule.next_batch().unwrap() {
            images += batch.photos.len();
            thread::sleep(Duration::from_millis(1));
        }
        assert!(images >= 6 && images.is_multiple_of(3), "{images}");
    }

    #[test]
    fn nothing_is_handed_out_of_nothing_or_after_a_stop() {
        assert!(drained(&Closed::one_pass(0, 1)).is_empty());
        let schedule = Closed::one_pass(9, 1);
        schedule.stop();
        assert!(drained(&schedule).is_empty());
    }
}
