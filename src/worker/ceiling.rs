//! What the stages of a worker allow: each timed alone, the networks with nothing around them, and what it costs to be
//! handed out work and to be timed.
//!
//! All streams work at the same time throughout, so that what they share (cores that are two threads of one, caches,
//! memory) is as busy as when it is measured.

use std::{
    ops::Range,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    load_generator::{Closed, Schedule},
    loaded_arm::LoadedArm,
    parallel::on_each,
    protocol::Ceiling,
    reply_writer::ReplyWriter,
    stream::{BareRuns, Stream},
    stream_loop::StreamLoop,
    stream_stats::StreamStats,
    system::Usage,
};
use crate::{pipeline::StageTimes, vision::face::Face};

/// Photos that go through a stage in a row: with so many, the next stage finds as little in the caches as it can.
const ROW: usize = 8;
/// Turns of a bare loop and of the same loop in facebench's hands.
const TURNS: usize = 8;

impl LoadedArm {
    /// Measures all of it, each part for about `duration`.
    pub(super) fn ceiling(
        &mut self,
        writer: &ReplyWriter,
        duration: Duration,
    ) -> Result<Ceiling, WorkerError> {
        let all = self.streams.len();
        // More photos at a time than the networks take: every stage then does all of them before the next begins.
        let batch = ROW.max(self.job.batch);
        let before = Usage::now(&self.pixel_pool);
        self.begin(batch)?;
        let schedule = Closed::for_at_least(duration, self.job.photos.len(), batch);
        let row = self.count(writer, &schedule, (all, batch))?;
        let after = Usage::now(&self.pixel_pool);
        let bare = on_each(&mut self.streams, |stream| stream.bare(duration), |_| Ok(()))?;
        let mean = |of: fn(&BareRuns) -> Duration| bare.iter().map(of).sum::<Duration>() / all as u32;
        Ok(Ceiling {
            images: row.images,
            faces: row.faces,
            stages: row.stages,
            pixel_seconds: after.pixel_seconds_since(&before),
            detector: mean(|bare| bare.detector),
            recognizer: mean(|bare| bare.recognizer),
            harness_overhead: self.overhead(duration)?,
        })
    }

    /// What a bare loop over both networks loses when its work is handed out and timed as photos are, by turns.
    fn overhead(&mut self, duration: Duration) -> Result<f64, WorkerError> {
        let turn = duration / TURNS as u32;
        let job = Arc::clone(&self.job);
        let mut losses = Vec::new();
        for _ in 0..TURNS {
            let bare = self.rate(|stream| {
                let (started, mut runs) = (Instant::now(), 0u32);
                while started.elapsed() < turn {
                    stream.networks()?;
                    runs += 1;
                }
                Ok(f64::from(runs) / started.elapsed().as_secs_f64())
            })?;
            let schedule = Closed::for_at_least(turn, job.photos.len(), 1);
            let stream_loop = StreamLoop {
                schedule: &schedule,
                batch: 1,
                done: &AtomicUsize::new(0),
            };
            let timed = self.rate(|stream| {
                let started = Instant::now();
                let mut prepared = Prepared {
                    stream,
                    schedule: &schedule,
                    until: started + turn,
                };
                let mut stats = StreamStats::new(&job)?;
                stream_loop.run(&mut prepared, &mut |answer| stats.record(answer, &job.strata))?;
                let seconds = stats.end.map_or(turn, |end| end - started).as_secs_f64();
                Ok(stats.images as f64 / seconds)
            })?;
            losses.push(1.0 - timed / bare);
        }
        losses.sort_by(f64::total_cmp);
        // The median, of an even number.
        Ok(f64::midpoint(losses[TURNS / 2 - 1], losses[TURNS / 2]))
    }

    /// The sum of the rates that `work` has on each stream, all at work at the same time.
    fn rate(
        &mut self,
        work: impl Fn(&mut dyn Stream) -> Result<f64, WorkerError> + Sync,
    ) -> Result<f64, WorkerError> {
        let rates = on_each(&mut self.streams, |stream| work(stream.as_mut()), |_| Ok(()))?;
        Ok(rates.iter().sum())
    }
}

/// A stream whose photos are tensors that are there already. It ends the work in the middle of a pass: passes of many
/// photos would last too long.
struct Prepared<'a> {
    stream: &'a mut dyn Stream,
    schedule: &'a dyn Schedule,
    until: Instant,
}

impl Stream for Prepared<'_> {
    fn process(&mut self, _: Range<usize>, _: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        self.stream.networks()?;
        if Instant::now() >= self.until {
            self.schedule.stop();
        }
        Ok(StageTimes::default())
    }
}
