//! Hands out photos to streams, in one of three paces, in whole passes.

use std::{
    ops::Range,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::protocol::{BlockSpec, LoadPattern};
use crate::runtime::null::wait_until;

/// When a stretch of work ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Until {
    /// When it is stopped.
    Stopped,
    /// At the end of the first whole pass after this time and so many photos.
    WholePasses(BlockSpec),
    /// After one pass, whose answers are told to the study.
    Observed,
}

/// What a stream is to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draw {
    /// Photos of one pass.
    pub photos: Range<usize>,
    /// When each of them was due; empty where nothing is ever due.
    pub due: Vec<Instant>,
    /// How late the first was taken up by a stream that waited for it.
    pub late: Option<Duration>,
}

/// The photos of one stretch of work.
pub(super) struct Feeder {
    photos: usize,
    chunk: usize,
    until: Until,
    started: Instant,
    /// When each photo is due after the start; empty where nothing is ever due.
    arrivals: Vec<Duration>,
    state: Mutex<State>,
    answered: Condvar,
    waiting: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Photos handed out, over all passes.
    next: usize,
    over: bool,
    /// Where the current query ends, over all passes, and when it began.
    query: Option<(usize, Instant)>,
    /// Photos of it that are not answered.
    open: usize,
    misses: usize,
    given_up: bool,
}

impl Feeder {
    pub(super) fn new(photos: usize, chunk: usize, until: Until) -> Self {
        let arrivals = match until {
            Until::WholePasses(BlockSpec {
                pattern: LoadPattern::Arrivals { rate, seed, .. },
                duration,
                images,
                ..
            }) => arrivals(rate, seed, passes(photos, duration, images, rate)),
            _ => Vec::new(),
        };
        Self {
            photos,
            chunk,
            until,
            arrivals,
            state: Mutex::new(State {
                over: photos == 0,
                ..State::default()
            }),
            answered: Condvar::new(),
            waiting: AtomicBool::new(false),
            started: Instant::now(),
        }
    }

    /// When the first photo could be taken.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The time over which photos arrive; none where nothing is ever due.
    pub(super) fn span(&self) -> Duration {
        match self.until {
            Until::WholePasses(BlockSpec {
                pattern: LoadPattern::Arrivals { rate, .. },
                ..
            }) => Duration::from_secs_f64(self.arrivals.len() as f64 / rate),
            _ => Duration::ZERO,
        }
    }

    /// Whether nothing is done because nothing is due.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the work was given up because too many answers came too late.
    pub(super) fn given_up(&self) -> bool {
        self.lock().given_up
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next photos, at most a chunk and never across the end of a pass; `None` at the end. Whether another pass
    /// begins is decided once, under the lock, so that all streams agree.
    pub(super) fn draw(&self) -> Option<Draw> {
        let mut state = self.lock();
        if !self.arrivals.is_empty() {
            return self.draw_due(state);
        }
        if let Until::WholePasses(BlockSpec {
            pattern: LoadPattern::Queries { size },
            ..
        }) = self.until
        {
            // The next query begins when the last is answered as a whole.
            while !state.over && state.open > 0 && state.query.is_some_and(|(end, _)| state.next == end) {
                state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.query.is_none_or(|(end, _)| state.next == end) {
                state.over |= self.is_over(state.next);
                state.query = Some((state.next + size, Instant::now()));
            }
        } else {
            state.over |= self.is_over(state.next);
        }
        if state.over {
            return None;
        }
        let photo = state.next % self.photos;
        let mut end = (photo + self.chunk).min(self.photos);
        if let Some((query_end, _)) = state.query {
            end = end.min(photo + query_end - state.next);
        }
        state.next += end - photo;
        state.open += end - photo;
        // A query that would go on into a pass that is not wanted ends with this one.
        if state.next.is_multiple_of(self.photos) && self.is_over(state.next) {
            state.over = true;
        }
        Some(Draw {
            photos: photo..end,
            due: Vec::new(),
            late: None,
        })
    }

    fn is_over(&self, next: usize) -> bool {
        let pass_begins = next > 0 && next.is_multiple_of(self.photos);
        match self.until {
            Until::Stopped => false,
            Until::WholePasses(spec) => {
                pass_begins && next >= spec.images && self.started.elapsed() >= spec.duration
            }
            Until::Observed => pass_begins,
        }
    }

    /// Whoever is next waits for the next arrival, and takes all that came meanwhile, up to a chunk.
    fn draw_due(&self, mut state: MutexGuard<'_, State>) -> Option<Draw> {
        let first = state.next;
        if state.over || first >= self.arrivals.len() {
            return None;
        }
        let due = self.started + self.arrivals[first];
        let mut late = None;
        if due > Instant::now() {
            self.waiting.store(true, Ordering::Relaxed);
            wait_until(due);
            self.waiting.store(false, Ordering::Relaxed);
            late = Some(due.elapsed());
        }
        let photo = first % self.photos;
        let most = self
            .chunk
            .min(self.photos - photo)
            .min(self.arrivals.len() - first);
        let now = self.started.elapsed();
        let here = self.arrivals[first..first + most]
            .iter()
            .take_while(|due| **due <= now)
            .count()
            .max(1);
        state.next += here;
        Some(Draw {
            photos: photo..photo + here,
            due: self.arrivals[first..first + here]
                .iter()
                .map(|due| self.started + *due)
                .collect(),
            late,
        })
    }

    /// Takes note of `count` answered photos; tells how long a query took that is answered with them.
    pub(super) fn answered(&self, count: usize, now: Instant) -> Option<Duration> {
        let Until::WholePasses(BlockSpec {
            pattern: LoadPattern::Queries { .. },
            ..
        }) = self.until
        else {
            return None;
        };
        let mut state = self.lock();
        state.open -= count;
        let (end, began) = state.query?;
        let whole = state.open == 0 && state.next == end;
        if whole || state.over {
            self.answered.notify_all();
        }
        whole.then(|| now - began)
    }

    /// Takes note of a response; too many that came too late end the work.
    pub(super) fn judge(&self, response: Duration) {
        let Until::WholePasses(BlockSpec {
            pattern: LoadPattern::Arrivals {
                give_up: Some(limit), ..
            },
            ..
        }) = self.until
        else {
            return;
        };
        if response <= limit.bound {
            return;
        }
        let mut state = self.lock();
        state.misses += 1;
        if state.misses > limit.misses {
            state.over = true;
            state.given_up = true;
        }
    }

    pub(super) fn stop(&self) {
        self.lock().over = true;
        self.answered.notify_all();
    }
}

/// Photos of the fewest whole passes that last so long at this rate, and hold so many.
fn passes(photos: usize, duration: Duration, images: usize, rate: f64) -> usize {
    let least = ((duration.as_secs_f64() * rate).ceil() as usize)
        .max(images)
        .max(1);
    least.div_ceil(photos.max(1)) * photos
}

/// `count` arrivals of a Poisson process in the time that is theirs at this `rate`: given their number, arrivals are
/// as likely at any time as at any other. So every block is sent its rate exactly, whatever the seed.
fn arrivals(rate: f64, seed: u64, count: usize) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let time = Duration::from_secs_f64(count as f64 / rate);
    let mut times: Vec<Duration> = (0..count).map(|_| time.mul_f64(random.random::<f64>())).collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::protocol::GiveUp;
    use super::*;

    fn stretch(duration: Duration, pattern: LoadPattern) -> Until {
        Until::WholePasses(BlockSpec {
            duration,
            images: 0,
            streams: 1,
            batch: 1,
            pattern,
            counts: true,
        })
    }

    fn drain(feeder: &Feeder) -> Vec<Range<usize>> {
        std::iter::from_fn(|| {
            let draw = feeder.draw()?;
            feeder.answered(draw.photos.len(), Instant::now());
            Some(draw.photos)
        })
        .collect()
    }

    #[test]
    fn passes_are_whole_and_chunks_stay_inside_them() {
        let feeder = Feeder::new(5, 2, stretch(Duration::ZERO, LoadPattern::Closed));
        assert_eq!(drain(&feeder), [0..2, 2..4, 4..5]);
        let feeder = Feeder::new(3, 1, stretch(Duration::from_millis(5), LoadPattern::Closed));
        let mut images = 0;
        while let Some(draw) = feeder.draw() {
            images += draw.photos.len();
            thread::sleep(Duration::from_millis(1));
        }
        assert!(images >= 6 && images.is_multiple_of(3), "{images}");
    }

    #[test]
    fn nothing_is_drawn_from_nothing_or_after_a_stop() {
        assert!(Feeder::new(0, 1, Until::Observed).draw().is_none());
        let feeder = Feeder::new(9, 1, Until::Observed);
        feeder.stop();
        assert!(feeder.draw().is_none());
    }

    #[test]
    fn queries_go_across_passes_and_the_last_may_be_short() {
        let feeder = Feeder::new(5, 1, stretch(Duration::ZERO, LoadPattern::Queries { size: 8 }));
        assert_eq!(drain(&feeder).len(), 5);
        let until = Until::WholePasses(BlockSpec {
            images: 20,
            ..match stretch(Duration::ZERO, LoadPattern::Queries { size: 8 }) {
                Until::WholePasses(spec) => spec,
                _ => unreachable!(),
            }
        });
        let feeder = Feeder::new(5, 4, until);
        let mut queries = 0;
        let mut photos = 0;
        while let Some(draw) = feeder.draw() {
            photos += draw.photos.len();
            queries += usize::from(feeder.answered(draw.photos.len(), Instant::now()).is_some());
        }
        assert_eq!((photos, queries), (20, 2));
    }

    #[test]
    fn the_next_query_waits_for_the_last_answer_of_this_one() {
        let feeder = Feeder::new(16, 1, stretch(Duration::ZERO, LoadPattern::Queries { size: 2 }));
        assert!(feeder.draw().is_some() && feeder.draw().is_some());
        thread::scope(|scope| {
            let third = scope.spawn(|| feeder.draw());
            thread::sleep(Duration::from_millis(20));
            assert!(!third.is_finished(), "the query before it is open");
            assert!(feeder.answered(1, Instant::now()).is_none());
            assert!(feeder.answered(1, Instant::now()).is_some());
            assert_eq!(third.join().unwrap().unwrap().photos, 2..3);
        });
    }

    #[test]
    fn arrivals_are_a_poisson_process() {
        let times = arrivals(50.0, 7, 20_000);
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
        assert_eq!(arrivals(50.0, 7, 9), arrivals(50.0, 7, 9));
        assert_ne!(arrivals(50.0, 7, 9), arrivals(50.0, 8, 9));
        assert_eq!(passes(7, Duration::from_secs(2), 0, 10.0), 21);
        assert_eq!(passes(7, Duration::ZERO, 0, 10.0), 7);
    }

    #[test]
    fn nothing_arrives_early_and_a_busy_stream_drops_nothing() {
        let rate = 2000.0;
        let pattern = LoadPattern::Arrivals {
            rate,
            seed: 3,
            give_up: None,
        };
        let feeder = Feeder::new(10, 4, stretch(Duration::from_millis(20), pattern));
        let mut images = 0;
        while let Some(draw) = feeder.draw() {
            assert!(draw.due.iter().all(|due| *due <= Instant::now()));
            assert_eq!(draw.due.len(), draw.photos.len());
            images += draw.photos.len();
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(images, 40);
    }

    #[test]
    fn too_many_late_answers_end_a_try() {
        let give_up = Some(GiveUp {
            bound: Duration::from_millis(1),
            misses: 1,
        });
        let pattern = LoadPattern::Arrivals {
            rate: 1e6,
            seed: 3,
            give_up,
        };
        let feeder = Feeder::new(10, 1, stretch(Duration::ZERO, pattern));
        assert!(feeder.draw().is_some());
        feeder.judge(Duration::from_millis(2));
        assert!(!feeder.given_up() && feeder.draw().is_some());
        feeder.judge(Duration::from_millis(2));
        assert!(feeder.given_up() && feeder.draw().is_none());
    }
}
