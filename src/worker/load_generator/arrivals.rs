//! Server: photos arrive one by one at random times that nothing can put off.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Batch, Schedule,
    passes::{Passes, cut},
};
use crate::{
    runtime::null::wait_until,
    worker::{WorkerError, protocol::GiveUp},
};

/// Arrivals of a Poisson process, in whole passes.
pub(super) struct Arrivals {
    photos: usize,
    chunk: usize,
    /// When each photo is due after the start.
    times: Vec<Duration>,
    span: Duration,
    give_up: Option<GiveUp>,
    started: Instant,
    state: Mutex<State>,
    waiting: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Photos handed out, over all passes.
    next: usize,
    over: bool,
    /// Answers that came later than may be.
    misses: usize,
    given_up: bool,
}

impl Arrivals {
    /// `rate` photos a second; a stream takes up at most `chunk` of those that are due.
    pub(super) fn new(passes: &Passes, chunk: usize, rate: f64, seed: u64, give_up: Option<GiveUp>) -> Self {
        let times = poisson(rate, seed, passes.at_rate(rate));
        Self {
            photos: passes.photos,
            chunk,
            span: Duration::from_secs_f64(times.len() as f64 / rate),
            times,
            give_up,
            state: Mutex::default(),
            waiting: AtomicBool::new(false),
            started: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a response; too many that came too late end the work.
    fn judge(&self, response: Duration) {
        let Some(limit) = self.give_up.filter(|limit| response > limit.bound) else {
            return;
        };
        let mut state = self.lock();
        state.misses += 1;
        if state.misses > limit.misses {
            state.over = true;
            state.given_up = true;
        }
    }
}

impl Schedule for Arrivals {
    /// Whoever is next waits for the next arrival, and takes all that came meanwhile, up to a chunk.
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        let mut state = self.lock();
        let first = state.next;
        if state.over || first >= self.times.len() {
            return Ok(None);
        }
        let due = self.started + self.times[first];
        let mut scheduling_delay = None;
        if due > Instant::now() {
            self.waiting.store(true, Ordering::Relaxed);
            wait_until(due);
            self.waiting.store(false, Ordering::Relaxed);
            scheduling_delay = Some(due.elapsed());
        }
        let now = self.started.elapsed();
        let arrived = self.times[first..].iter().take_while(|due| **due <= now);
        let arrived = arrived.take(self.chunk).count().max(1);
        let photos = cut(self.photos, first, arrived);
        let times = &self.times[first..first + photos.len()];
        state.next += photos.len();
        Ok(Some(Batch {
            due: times.iter().map(|due| self.started + *due).collect(),
            photos,
            scheduling_delay,
            query: 0,
        }))
    }

    fn completed(
        &self,
        batch: &Batch,
        _: Instant,
        ended: Instant,
        responses: &mut Vec<Duration>,
    ) -> Result<(), WorkerError> {
        for due in &batch.due {
            let response = ended.saturating_duration_since(*due);
            responses.push(response);
            self.judge(response);
        }
        Ok(())
    }

    fn stop(&self) {
        self.lock().over = true;
    }

    fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    fn span(&self) -> Duration {
        self.span
    }

    fn given_up(&self) -> bool {
        self.lock().given_up
    }
}

/// `count` arrivals of a Poisson process in the time that is theirs at this `rate`: given their number, arrivals are
/// as likely at any time as at any other. So every block is sent its rate exactly, whatever the seed.
fn poisson(rate: f64, seed: u64, count: usize) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let time = Duration::from_secs_f64(count as f64 / rate);
    let mut times: Vec<Duration> = (0..count).map(|_| time.mul_f64(random.random::<f64>())).collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn arrivals_are_a_poisson_process() {
        let times = poisson(50.0, 7, 20_000);
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| pair[1].as_secs_f64() - pair[0].as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 50.0 - 1.0).abs() < 0.03, "{mean}");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.03,
            "exponential: as wide as long"
        );
        assert_eq!(poisson(50.0, 7, 9), poisson(50.0, 7, 9));
        assert_ne!(poisson(50.0, 7, 9), poisson(50.0, 8, 9));
    }

    #[test]
    fn nothing_arrives_early_and_a_busy_stream_drops_nothing() {
        let passes = Passes::new(10, 0, Duration::from_millis(20));
        let schedule = Arrivals::new(&passes, 4, 2000.0, 3, None);
        let mut images = 0;
        while let Some(batch) = schedule.next_batch().unwrap() {
            assert!(batch.due.iter().all(|due| *due <= Instant::now()));
            assert_eq!(batch.due.len(), batch.photos.len());
            images += batch.photos.len();
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(images, 40);
        assert_eq!(schedule.span(), Duration::from_millis(20));
    }

    #[test]
    fn too_many_late_answers_end_a_try() {
        let give_up = Some(GiveUp {
            bound: Duration::from_millis(1),
            misses: 1,
        });
        let schedule = Arrivals::new(&Passes::new(10, 0, Duration::ZERO), 1, 1e6, 3, give_up);
        let late = || {
            let batch = schedule.next_batch().unwrap()?;
            let ended = batch.due[0] + Duration::from_millis(2);
            let mut responses = Vec::new();
            schedule.completed(&batch, ended, ended, &mut responses).unwrap();
            Some(responses)
        };
        assert_eq!(late(), Some(vec![Duration::from_millis(2)]));
        assert!(!schedule.given_up() && late().is_some());
        assert!(schedule.given_up() && late().is_none());
    }
}
