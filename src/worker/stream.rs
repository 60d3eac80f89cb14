//! What answers photos: the pipeline with its networks, or `null`.

use std::{
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{WorkerError, ceiling::Bare, photos::Photos};
use crate::{
    model::ModelError,
    pipeline::{Pipeline, PipelineError, StageTimes},
    runtime::null::{self, NullOptions},
    vision::face::{Detection, Face},
};

/// Something that answers photos, one of `streams` in a worker.
pub(super) trait Stream: Send {
    /// Answers the photos `range` of the job; `faces` has one place for each.
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError>;

    /// Prepares a device for batches of this size, if it is another one than before or `anew`.
    fn settle(&mut self, _batch: usize, _anew: bool) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Runs its networks once each on whatever their inputs hold, with nothing around them.
    fn networks(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// Mean times of such runs over about `duration`.
    fn bare(&mut self, _duration: Duration) -> Result<Bare, WorkerError> {
        Ok(Bare::default())
    }

    /// A stretch of work begins: the `blocks`-th measured block of this process from 1, or 0 for anything else.
    fn begin(&mut self, _blocks: usize) {}
}

pub(super) struct NetworkStream {
    pub pipeline: Pipeline,
    pub photos: Arc<Photos>,
    /// Of photos that are read from their files.
    pub memory: Vec<Vec<u8>>,
}

impl Stream for NetworkStream {
    fn settle(&mut self, batch: usize, anew: bool) -> Result<(), WorkerError> {
        Ok(self.pipeline.settle(batch, anew)?)
    }

    fn networks(&mut self) -> Result<(), WorkerError> {
        self.pipeline.run_detector()?;
        self.pipeline.run_recognizer()?;
        Ok(())
    }

    fn bare(&mut self, duration: Duration) -> Result<Bare, WorkerError> {
        let mean = |run: &mut dyn FnMut() -> Result<usize, ModelError>| {
            let (started, mut done) = (Instant::now(), 0);
            while done == 0 || started.elapsed() < duration / 2 {
                done += run()?;
            }
            Ok::<_, ModelError>(started.elapsed().div_f64(done as f64))
        };
        Ok(Bare {
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

/// `null`: waits, and plants faults.
pub(super) struct NullStream {
    options: NullOptions,
    luck: f64,
    delay: Duration,
    started: Instant,
    next_stall: Option<Instant>,
}

impl NullStream {
    /// All streams of a process share its `luck`, a number between 0 and 1.
    pub(super) fn new(options: NullOptions, luck: f64) -> Self {
        Self {
            delay: options.delay_in(luck, 0),
            options,
            luck,
            started: Instant::now(),
            next_stall: None,
        }
    }
}

impl Stream for NullStream {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        for (index, faces) in range.zip(faces) {
            null::wait(self.delay.mul_f64(self.options.slowness(self.started.elapsed())));
            if let (Some(stall), Some(at)) = (self.options.stall, self.next_stall)
                && Instant::now() >= at
            {
                null::wait(stall.length);
                self.next_stall = Some(at + stall.every);
            }
            faces.clear();
            faces.extend(null_answer(&self.options));
            if self.options.is_wrong(index) {
                // Nobody's face is there.
                for face in faces {
                    face.detection.bounding_box = [5000.0, 5000.0, 5080.0, 5100.0].into();
                }
            }
        }
        Ok(StageTimes::default())
    }

    fn begin(&mut self, blocks: usize) {
        self.delay = self.options.delay_in(self.luck, blocks.saturating_sub(1));
        self.next_stall = self.options.stall.map(|stall| Instant::now() + stall.every);
    }
}

/// What `null` sees in every photo where it is not told to be wrong.
pub fn null_answer(options: &NullOptions) -> Vec<Face> {
    (0..options.faces).map(null_face).collect()
}

/// A fixed face; the `place`-th lies beside the one before.
fn null_face(place: usize) -> Face {
    let left = place as f32 * 100.0;
    let detection = Detection {
        bounding_box: [left, 0.0, left + 80.0, 100.0].into(),
        landmarks: [
            [left + 25.0, 40.0],
            [left + 55.0, 40.0],
            [left + 40.0, 60.0],
            [left + 28.0, 80.0],
            [left + 52.0, 80.0],
        ],
        score: 1.0,
    };
    Face {
        detection,
        embedding: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_of_null_are_apart() {
        let (a, b) = (null_face(0), null_face(1));
        assert!(a.detection.bounding_box.iou(&b.detection.bounding_box) < 0.1);
    }
}
