//! What streams did, counted while they work.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{
    WorkerError,
    protocol::{Block, Job},
    stream_loop::Answer,
};
use crate::pipeline::StageTimes;

/// What one stream did.
pub(super) struct StreamStats {
    pub images: usize,
    faces: usize,
    embeddings: usize,
    stages: StageTimes,
    strata: Vec<(usize, Duration)>,
    service: Times,
    response: Times,
    scheduling_delay: Times,
    /// When the last photo was answered.
    pub end: Option<Instant>,
}

impl StreamStats {
    pub(super) fn new(job: &Job) -> Result<Self, WorkerError> {
        let strata = job.strata.iter().flatten().max().map_or(0, |last| last + 1);
        Ok(Self {
            images: 0,
            faces: 0,
            embeddings: 0,
            stages: StageTimes::default(),
            strata: vec![(0, Duration::ZERO); strata],
            service: Times::new()?,
            response: Times::new()?,
            scheduling_delay: Times::new()?,
            end: None,
        })
    }

    /// Takes note of an answer. `strata` has the numbers of those that each photo belongs to.
    pub(super) fn record(&mut self, answer: &Answer<'_>, strata: &[Vec<usize>]) {
        let photos = &answer.batch.photos;
        let time = answer.ended - answer.begun;
        self.images += photos.len();
        self.faces += answer.faces.iter().map(Vec::len).sum::<usize>();
        let embedded = answer.faces.iter().flatten();
        self.embeddings += embedded.filter(|face| face.embedding.is_some()).count();
        self.stages += answer.stages;
        self.service.record(time, photos.len());
        if let Some(delay) = answer.batch.scheduling_delay {
            self.scheduling_delay.record(delay, 1);
        }
        for response in answer.responses {
            self.response.record(*response, 1);
        }
        for stratum in strata.get(photos.start).into_iter().flatten() {
            self.strata[*stratum].0 += 1;
            self.strata[*stratum].1 += time;
        }
        self.end = Some(answer.ended);
    }
}

/// Times in a histogram of three significant digits.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Result<Self, WorkerError> {
        Histogram::new(3)
            .map(Self)
            .map_err(|error| WorkerError::Protocol(error.to_string()))
    }

    /// Takes note of `count` times. The histogram grows as it must, up to more years than a study lasts.
    fn record(&mut self, time: Duration, count: usize) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let _ = self.0.record_n(micros, count as u64);
    }

    /// Microseconds, the middle of each step, and how often.
    fn counts(&self) -> Vec<(u64, u64)> {
        self.0
            .iter_recorded()
            .map(|step| {
                let middle = self.0.median_equivalent(step.value_iterated_to());
                (middle, step.count_since_last_iteration())
            })
            .collect()
    }
}

/// All streams together, over `time`.
pub(super) fn total(
    streams: &[StreamStats],
    time: Duration,
    with_strata: bool,
) -> Result<Block, WorkerError> {
    let mut block = Block {
        seconds: time.as_secs_f64(),
        ..Block::default()
    };
    let (mut service, mut response, mut scheduling_delay) = (Times::new()?, Times::new()?, Times::new()?);
    for stream in streams {
        block.images += stream.images;
        block.faces += stream.faces;
        *block.embeddings.get_or_insert(0) += stream.embeddings;
        block.stages += stream.stages;
        block.strata.resize(stream.strata.len(), (0, 0.0));
        for (sum, (images, time)) in block.strata.iter_mut().zip(&stream.strata) {
            sum.0 += images;
            sum.1 += time.as_secs_f64();
        }
        // All have three digits and resize themselves: they can always be added.
        let _ = service.0.add(&stream.service.0);
        let _ = response.0.add(&stream.response.0);
        let _ = scheduling_delay.0.add(&stream.scheduling_delay.0);
    }
    if !with_strata {
        block.strata.clear();
    }
    block.service = service.counts();
    block.response = response.counts();
    block.scheduling_delay = scheduling_delay.counts();
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits() {
        let mut times = Times::new().unwrap();
        times.record(Duration::from_micros(10_007), 2);
        times.record(Duration::from_nanos(10), 1);
        let counts = times.counts();
        assert_eq!(counts[0], (1, 1));
        assert!((counts[1].0 as f64 / 10_007.0 - 1.0).abs() < 1e-3, "{counts:?}");
        assert_eq!(counts[1].1, 2);
    }
}
