//! Multi-stream: a query is so many photos at once, and the next one begins when all of the last are answered.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Batch, Schedule,
    passes::{Passes, cut},
};
use crate::worker::WorkerError;

/// Queries of several photos, one after the other, in whole passes.
pub(super) struct Queries {
    passes: Passes,
    chunk: usize,
    size: usize,
    state: Mutex<State>,
    /// A query is answered as a whole, or the work is over.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Photos handed out, over all passes.
    next: usize,
    over: bool,
    /// Where the current query ends, over all passes, and when it began.
    query: Option<(usize, Instant)>,
    /// Photos that are handed out and not answered.
    open: usize,
}

impl State {
    /// Whether all photos of the current query, if there is one, are handed out.
    fn is_handed_out(&self) -> bool {
        self.query.is_none_or(|(end, _)| self.next == end)
    }
}

impl Queries {
    /// Queries of `size` photos, which streams take up at most `chunk` at a time.
    pub(super) fn new(passes: Passes, chunk: usize, size: usize) -> Self {
        Self {
            passes,
            chunk,
            size,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Schedule for Queries {
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        let mut state = self.lock();
        while !state.over && state.open > 0 && state.is_handed_out() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_handed_out() {
            state.over |= self.passes.are_over(state.next);
            state.query = Some((state.next + self.size, Instant::now()));
        }
        if state.over {
            return Ok(None);
        }
        let left = state.query.map_or(0, |(end, _)| end - state.next);
        let photos = cut(self.passes.photos, state.next, self.chunk.min(left));
        state.next += photos.len();
        state.open += photos.len();
        // A query that would go on into a pass that is not wanted ends with this one.
        state.over |= self.passes.are_over(state.next);
        Ok(Some(Batch::of(photos)))
    }

    fn completed(
        &self,
        batch: &Batch,
        _: Instant,
        ended: Instant,
        responses: &mut Vec<Duration>,
    ) -> Result<(), WorkerError> {
        let mut state = self.lock();
        state.open -= batch.photos.len();
        let is_whole = state.open == 0 && state.is_handed_out();
        if is_whole {
            responses.extend(state.query.map(|(_, began)| ended - began));
        }
        if is_whole || state.over {
            self.changed.notify_all();
        }
        Ok(())
    }

    fn stop(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn queries(photos: usize, images: usize, chunk: usize, size: usize) -> Queries {
        Queries::new(Passes::new(photos, images, Duration::ZERO), chunk, size)
    }

    /// Photos of each batch, and how many queries were answered as a whole.
    fn drained(schedule: &Queries) -> (Vec<usize>, usize) {
        let (mut photos, mut responses) = (Vec::new(), Vec::new());
        while let Some(batch) = schedule.next_batch().unwrap() {
            let now = Instant::now();
            schedule.completed(&batch, now, now, &mut responses).unwrap();
            photos.push(batch.photos.len());
        }
        (photos, responses.len())
    }

    #[test]
    fn queries_go_across_passes_and_the_last_may_be_short() {
        assert_eq!(drained(&queries(5, 0, 1, 8)).0.len(), 5);
        let (photos, whole) = drained(&queries(5, 20, 4, 8));
        assert_eq!((photos.iter().sum::<usize>(), whole), (20, 2));
    }

    #[test]
    fn the_next_query_waits_for_the_last_answer_of_this_one() {
        let schedule = queries(16, 0, 1, 2);
        let [first, second] = [(); 2].map(|()| schedule.next_batch().unwrap().unwrap());
        thread::scope(|scope| {
            let third = scope.spawn(|| schedule.next_batch().unwrap().unwrap());
            thread::sleep(Duration::from_millis(20));
            assert!(!third.is_finished(), "the query before it is open");
            let mut responses = Vec::new();
            let mut answered = |batch| {
                let now = Instant::now();
                schedule.completed(batch, now, now, &mut responses).unwrap();
                responses.len()
            };
            assert_eq!((answered(&first), answered(&second)), (0, 1));
            assert_eq!(third.join().unwrap().photos, 2..3);
        });
    }
}
