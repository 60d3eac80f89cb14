//! The check pass of one arm: every photo once, each with its answer, and a profile of its own session.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    load_generator::Closed,
    loaded_arm::LoadedArm,
    null_stream,
    protocol::{ObservedProfile, PhotoAnswer, Reply},
    reply_writer::ReplyWriter,
    stream::Stream,
};
use crate::{
    model::gallery::Gallery,
    pipeline::StageTimes,
    vision::face::{Detection, Embedding, Face},
};

/// Photos of the profiled pass: enough to see every node, few enough to stay short.
const PROFILED_PHOTOS: usize = 8;

impl LoadedArm {
    /// Sends the answer to every photo; gives the profile, whose session is gone before anything is measured.
    pub(super) fn observe(&mut self, writer: &ReplyWriter) -> Result<Option<ObservedProfile>, WorkerError> {
        let profile = if std::mem::replace(&mut self.observed, true) {
            None
        } else {
            let own = self.profile(writer)?;
            own.or_else(|| null_stream::profile(&self.job.spec.null))
        };
        self.answer_all(writer)?;
        Ok(profile)
    }

    /// Sends the answer to every photo.
    pub(super) fn answer_all(&mut self, writer: &ReplyWriter) -> Result<(), WorkerError> {
        let (streams, batch) = (self.streams.len(), self.job.batch);
        self.begin(batch)?;
        let schedule = Closed::one_pass(self.job.photos.len(), batch);
        self.run(writer, &schedule, (streams, batch), |stream_loop, stream| {
            stream_loop.run(&mut AnswerReporter { stream, writer }, &mut |_| ())
        })
        .map(drop)
    }

    /// Where the nodes of a session of its own run; `None` where the runtime does not report it.
    fn profile(&self, writer: &ReplyWriter) -> Result<Option<ObservedProfile>, WorkerError> {
        let Some(runtime) = &self.runtime else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let gallery = Arc::new(Gallery::default());
        let (mut stream, _) = self.load_stream(runtime.as_ref(), &gallery, Some(folder.path()))?;
        let step = self.job.photos.len().div_ceil(PROFILED_PHOTOS).max(1);
        for index in (0..self.job.photos.len()).step_by(step) {
            match stream.process(index..index + 1, &mut [Vec::new()]) {
                Ok(_) | Err(WorkerError::Photo { .. }) => {}
                Err(error) => return Err(error),
            }
            writer.send(&Reply::Progress { images: index + 1 })?;
        }
        Ok(stream.pipeline.finish_profile()?.map(Into::into))
    }
}

/// A stream that sends its answers to the study. One bad photo spoils its batch, which is then done one by one.
struct AnswerReporter<'a> {
    stream: &'a mut dyn Stream,
    writer: &'a ReplyWriter,
}

impl Stream for AnswerReporter<'_> {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        let started = Instant::now();
        match self.stream.process(range.clone(), faces) {
            Ok(stages) => {
                let time = started.elapsed() / range.len() as u32;
                for (index, faces) in range.zip(faces) {
                    self.report(index, faces, time)?;
                }
                Ok(stages)
            }
            Err(WorkerError::Photo { reason, .. }) if range.len() == 1 => {
                self.writer.send(&Reply::Photo {
                    index: range.start,
                    answer: Err(reason),
                })?;
                Ok(StageTimes::default())
            }
            Err(WorkerError::Photo { .. }) => {
                let mut stages = StageTimes::default();
                for (index, faces) in range.zip(faces) {
                    stages += self.process(index..index + 1, std::slice::from_mut(faces))?;
                }
                Ok(stages)
            }
            Err(error) => Err(error),
        }
    }
}

impl AnswerReporter<'_> {
    fn report(&self, index: usize, faces: &mut Vec<Face>, time: Duration) -> Result<(), WorkerError> {
        if !faces.iter().all(is_finite) {
            return Err(WorkerError::NotFinite(index));
        }
        let faces = std::mem::take(faces);
        let answer = Ok(PhotoAnswer { faces, time });
        Ok(self.writer.send(&Reply::Photo { index, answer })?)
    }
}

fn is_finite(face: &Face) -> bool {
    let Detection {
        bounding_box,
        landmarks,
        score,
    } = &face.detection;
    let sides: [f32; 4] = (*bounding_box).into();
    let embedding = face.embedding.as_ref().map_or(&[][..], Embedding::values);
    sides
        .iter()
        .chain(landmarks.as_flattened())
        .chain(embedding)
        .chain([score])
        .all(|v| v.is_finite())
}
