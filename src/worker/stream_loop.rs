//! What each stream does while it works: takes the next photos, answers them, and reports it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    load_generator::{Batch, Schedule},
    stream::Stream,
};
use crate::{pipeline::StageTimes, vision::face::Face};

/// What a stream answered.
pub(super) struct Answer<'a> {
    pub batch: &'a Batch,
    /// For each photo its faces.
    pub faces: &'a [Vec<Face>],
    pub stages: StageTimes,
    pub begun: Instant,
    pub ended: Instant,
    /// Response times of the queries that were answered as a whole with it.
    pub responses: &'a [Duration],
}

/// The loop of all streams of a worker.
pub(super) struct StreamLoop<'a> {
    pub schedule: &'a dyn Schedule,
    /// Most photos of a batch.
    pub batch: usize,
    /// Photos done by all streams.
    pub done: &'a AtomicUsize,
}

impl StreamLoop<'_> {
    /// Has `stream` work until the schedule is over, and gives each answer to `record`.
    pub(super) fn run(
        &self,
        stream: &mut dyn Stream,
        record: &mut dyn FnMut(&Answer<'_>),
    ) -> Result<(), WorkerError> {
        let _end = StopOnExit(self.schedule);
        let mut faces = vec![Vec::new(); self.batch];
        let mut responses = Vec::new();
        while let Some(batch) = self.schedule.next_batch()? {
            let faces = &mut faces[..batch.photos.len()];
            let begun = Instant::now();
            let stages = stream.process(batch.photos.clone(), faces)?;
            let ended = Instant::now();
            responses.clear();
            self.schedule.completed(&batch, begun, ended, &mut responses)?;
            record(&Answer {
                batch: &batch,
                faces,
                stages,
                begun,
                ended,
                responses: &responses,
            });
            self.done.fetch_add(batch.photos.len(), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Where one stream ends, whether the work is over, or by an error or a panic, all end: they may wait for its photos.
struct StopOnExit<'a>(&'a dyn Schedule);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
