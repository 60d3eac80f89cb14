//! A closed loop from one point in time to another, beside other processes that are given the same two.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use super::{Batch, Schedule, passes::cut};
use crate::worker::WorkerError;

/// Photos one after the other until a time; those that are begun are ended.
pub(crate) struct TimeWindow {
    begin: Instant,
    end: Instant,
    photos: usize,
    chunk: usize,
    next: AtomicUsize,
    over: AtomicBool,
}

impl TimeWindow {
    /// From the photo `first` on, round and round, `chunk` at a time.
    pub(crate) fn new((begin, end): (Instant, Instant), first: usize, photos: usize, chunk: usize) -> Self {
        Self {
            begin,
            end,
            photos,
            chunk,
            next: AtomicUsize::new(first),
            over: AtomicBool::new(photos == 0),
        }
    }
}

impl Schedule for TimeWindow {
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        thread::sleep(self.begin.saturating_duration_since(Instant::now()));
        if self.over.load(Ordering::Relaxed) || Instant::now() >= self.end {
            return Ok(None);
        }
        let next = self.next.fetch_add(self.chunk, Ordering::Relaxed);
        Ok(Some(Batch::of(cut(self.photos, next, self.chunk))))
    }

    fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn photos_go_round_from_the_first_one_until_the_end() {
        let begin = Instant::now() + Duration::from_millis(5);
        let window = (begin, begin + Duration::from_millis(200));
        let schedule = TimeWindow::new(window, 3, 5, 2);
        let next = || schedule.next_batch().unwrap().map(|batch| batch.photos);
        assert_eq!([next(), next(), next()], [Some(3..5), Some(0..2), Some(2..4)]);
        assert!(Instant::now() >= begin);
        schedule.stop();
        assert_eq!(next(), None);
        let past = (Instant::now(), Instant::now());
        assert_eq!(TimeWindow::new(past, 0, 5, 2).next_batch().unwrap(), None);
    }
}
