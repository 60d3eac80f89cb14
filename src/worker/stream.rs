//! What answers photos, and the one that does so with networks.

use std::{
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{WorkerError, photos::Photos};
use crate::{
    model::ModelError,
    pipeline::{Pipeline, PipelineError, StageTimes},
    vision::face::Face,
};

/// Mean times of runs of the networks with nothing around them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BareRuns {
    /// For each photo of a detector run.
    pub detector: Duration,
    /// For each face of a recognizer run.
    pub recognizer: Duration,
}

/// Something that answers photos, one of `streams` in a worker.
pub(super) trait Stream: Send {
    /// Answers the photos `range` of the job; `faces` has one list for each.
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError>;

    /// Has a device make its plans for batches of this size, if it is another one than before or `again`.
    fn prepare_shapes(&mut self, _batch: usize, _again: bool) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Runs its networks once each on whatever their inputs hold, with nothing around them.
    fn networks(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Mean times of such runs over about `duration`.
    fn bare(&mut self, _duration: Duration) -> Result<BareRuns, WorkerError> {
        Ok(BareRuns::default())
    }

    /// Work begins: the `blocks`-th measured block of this process from 1, or 0 for anything else.
    fn begin(&mut self, _blocks: usize) {}
}

pub(super) struct NetworkStream {
    pub pipeline: Pipeline,
    pub photos: Arc<Photos>,
    /// Of photos that are read from their files.
    pub memory: Vec<Vec<u8>>,
}

impl Stream for NetworkStream {
    fn prepare_shapes(&mut self, batch: usize, again: bool) -> Result<(), WorkerError> {
        Ok(self.pipeline.prepare_shapes(batch, again)?)
    }

    fn networks(&mut self) -> Result<(), WorkerError> {
        self.pipeline.run_detector()?;
        self.pipeline.run_recognizer()?;
        Ok(())
    }

    fn bare(&mut self, duration: Duration) -> Result<BareRuns, WorkerError> {
        let mean = |run: &mut dyn FnMut() -> Result<usize, ModelError>| {
            let (started, mut done) = (Instant::now(), 0);
            while done == 0 || started.elapsed() < duration / 2 {
                done += run()?;
            }
            Ok::<_, ModelError>(started.elapsed().div_f64(done as f64))
        };
        Ok(BareRuns {
            detector: mean(&mut || self.pipeline.run_detector())?,
            recognizer: mean(&mut || self.pipeline.run_recognizer())?,
        })
    }

    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        let started = Instant::now();
        let bytes = self.photos.read(range.clone(), &mut self.memory)?;
        let reading = started.elapsed();
        let mut times = self
            .pipeline
            .run(bytes, faces)
            .map_err(|error| in_photo(range.start, error))?;
        times.decode += reading;
        Ok(times)
    }
}

fn in_photo(index: usize, error: PipelineError) -> WorkerError {
    match error {
        PipelineError::Photo(error) => WorkerError::Photo {
            path: PathBuf::from(index.to_string()),
            reason: error.to_string(),
        },
        PipelineError::Model(error) => WorkerError::Model(error),
    }
}
