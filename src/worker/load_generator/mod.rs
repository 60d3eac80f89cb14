//! Hands out photos to streams. A [`Schedule`] says which photos come next and when; each way in which photos come is
//! one type.

mod arrivals;
mod closed;
mod external;
mod passes;
mod queries;
mod time_window;
mod until_steady;

use std::{
    ops::Range,
    time::{Duration, Instant},
};

pub use self::closed::Closed;
use self::{arrivals::Arrivals, passes::Passes, queries::Queries};
pub(super) use self::{external::ExternalQueries, time_window::TimeWindow, until_steady::UntilSteady};
use super::{
    WorkerError,
    protocol::{BlockSpec, LoadPattern},
};

/// Photos that a stream takes up together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Their numbers in the job, all of one pass.
    pub photos: Range<usize>,
    /// When each of them was due; empty where nothing is ever due.
    pub due: Vec<Instant>,
    /// How long after it was due the first was taken up by a stream that waited for it.
    pub scheduling_delay: Option<Duration>,
    /// The number that the sender gave the query; 0 where there is no sender.
    pub query: u64,
}

impl Batch {
    /// Photos that are never due.
    fn of(photos: Range<usize>) -> Self {
        Self {
            photos,
            ..Self::default()
        }
    }
}

/// When photos come, and until when. All streams of a worker share one schedule.
pub trait Schedule: Sync {
    /// The next photos for a stream that is free, which waits here until there are any; `None` when the work is over.
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError>;

    /// Takes note of a batch whose work began and ended at these times. Queries that are answered as a whole with it add
    /// their response times to `responses`; where no query waits for an answer there are none.
    fn completed(
        &self,
        _batch: &Batch,
        _begun: Instant,
        _ended: Instant,
        _responses: &mut Vec<Duration>,
    ) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Ends the work: nothing is handed out any more, and no stream waits any longer.
    fn stop(&self);

    /// Whether nothing is done because nothing is due.
    fn is_waiting(&self) -> bool {
        false
    }

    /// The time over which photos arrive, which belongs to the measured time as a whole; none where nothing is ever due.
    fn span(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the work ended early because too many answers came too late.
    fn given_up(&self) -> bool {
        false
    }
}

/// The schedule of a measured block over so many photos.
pub(super) fn schedule(spec: &BlockSpec, photos: usize) -> Box<dyn Schedule> {
    let passes = Passes::new(photos, spec.images, spec.duration);
    match spec.pattern {
        LoadPattern::Closed => Box::new(Closed::new(passes, spec.batch)),
        LoadPattern::Queries { size } => Box::new(Queries::new(passes, spec.batch, size)),
        LoadPattern::Arrivals { rate, seed, give_up } => {
            Box::new(Arrivals::new(&passes, spec.batch, rate, seed, give_up))
        }
    }
}
