//! What the stages of a worker allow: each timed alone, the networks with nothing around them, and what it costs to be
//! handed out work and to be timed.
//!
//! All streams work at the same time throughout, so that what they share (cores that are two threads of one, caches,
//! memory) is as busy as when it is measured.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Site, Voice, Worker, WorkerError,
    load_generator::{Feeder, Until},
    protocol::{BlockSpec, Ceiling, Job, LoadPattern},
    stream::Stream,
};
use crate::{pipeline::StageTimes, vision::face::Face};

/// Photos that go through a stage in a row: with so many, the next stage finds as little in the caches as it can.
const ROW: usize = 8;
/// Turns of a bare loop and of the same loop in facebench's hands.
const TURNS: usize = 8;

/// Mean times of bare runs, all streams at work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bare {
    /// For each photo of a detector run.
    pub detector: Duration,
    /// For each face of a recognizer run.
    pub recognizer: Duration,
}

impl Worker {
    /// Measures all of it, each part for about `duration`.
    pub(super) fn ceiling(&mut self, voice: &Voice, duration: Duration) -> Result<Ceiling, WorkerError> {
        let all = self.streams.len();
        let whole_passes = Until::WholePasses(BlockSpec {
            duration,
            images: 0,
            streams: all,
            batch: ROW,
            pattern: LoadPattern::Closed,
            counts: false,
        });
        let pixels = self.workers.busy();
        // More photos at a time than the networks take: every stage then does all of them before the next begins.
        let row = self.work(voice, whole_passes, all, ROW.max(self.job.batch), None)?;
        let pixels = self.workers.busy().zip(pixels);
        let bare = self.on_every_stream(|stream| stream.bare(duration))?;
        let mean = |of: fn(&Bare) -> Duration| bare.iter().map(of).sum::<Duration>() / all as u32;
        Ok(Ceiling {
            images: row.images,
            faces: row.faces,
            stages: row.stages,
            pixel_seconds: pixels.map(|(after, before)| after.saturating_sub(before).as_secs_f64()),
            detector: mean(|bare| bare.detector),
            recognizer: mean(|bare| bare.recognizer),
            harness_overhead: self.overhead(duration)?,
        })
    }

    /// What a bare loop over both networks loses when its work is handed out and timed as photos are, by turns.
    fn overhead(&mut self, duration: Duration) -> Result<f64, WorkerError> {
        let turn = duration / TURNS as u32;
        let job = std::sync::Arc::clone(&self.job);
        let mut losses = Vec::new();
        for _ in 0..TURNS {
            let bare: f64 = self
                .on_every_stream(|stream| {
                    let (started, mut runs) = (Instant::now(), 0u32);
                    while started.elapsed() < turn {
                        stream.networks()?;
                        runs += 1;
                    }
                    Ok(f64::from(runs) / started.elapsed().as_secs_f64())
                })?
                .iter()
                .sum();
            let feeder = Feeder::new(
                job.photos.len(),
                1,
                Until::WholePasses(BlockSpec {
                    duration: turn,
                    images: 0,
                    streams: self.streams.len(),
                    batch: 1,
                    pattern: LoadPattern::Closed,
                    counts: false,
                }),
            );
            let done = AtomicUsize::new(0);
            let timed: f64 = self
                .on_every_stream(|stream| handed_out(stream, &feeder, &job, &done, turn))?
                .iter()
                .sum();
            losses.push(1.0 - timed / bare);
        }
        losses.sort_by(f64::total_cmp);
        // The median, of an even number.
        Ok(f64::midpoint(losses[TURNS / 2 - 1], losses[TURNS / 2]))
    }

    /// The same on every stream at the same time.
    fn on_every_stream<R: Send>(
        &mut self,
        work: impl Fn(&mut dyn Stream) -> Result<R, WorkerError> + Sync,
    ) -> Result<Vec<R>, WorkerError> {
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = self
                .streams
                .iter_mut()
                .map(|stream| scope.spawn(move || work(stream.as_mut())))
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .map_err(|_| WorkerError::Protocol("a stream panicked".into()))?
                })
                .collect()
        })
    }
}

/// Runs of the networks a second where each counts as a photo: drawn from the feeder, timed, tallied.
fn handed_out(
    stream: &mut dyn Stream,
    feeder: &Feeder,
    job: &Job,
    done: &AtomicUsize,
    turn: Duration,
) -> Result<f64, WorkerError> {
    let site = Site {
        feeder,
        job,
        batch: 1,
        done,
        observer: None,
        warm_up: None,
    };
    let mut prepared = Prepared {
        stream,
        feeder,
        until: Instant::now() + turn,
    };
    let started = Instant::now();
    let tally = site.run(&mut prepared)?;
    let seconds = tally.end.map_or(turn, |end| end - started).as_secs_f64();
    done.store(0, Ordering::Relaxed);
    Ok(tally.images as f64 / seconds)
}

/// A stream whose photos are tensors that are there already. It ends the work in the middle of a pass: passes of many
/// photos would last too long.
struct Prepared<'a> {
    stream: &'a mut dyn Stream,
    feeder: &'a Feeder,
    until: Instant,
}

impl Stream for Prepared<'_> {
    fn process(&mut self, _: Range<usize>, _: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        self.stream.networks()?;
        if Instant::now() >= self.until {
            self.feeder.stop();
        }
        Ok(StageTimes::default())
    }
}
