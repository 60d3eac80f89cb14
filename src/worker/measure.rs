//! The measured work of an arm, and its warm-up: streams at work, and a sign of life now and then.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    load_generator::{Schedule, TimeWindow, UntilSteady, schedule},
    loaded_arm::LoadedArm,
    null_stream,
    parallel::on_each,
    protocol::{Block, BlockSpec, Completion, Completions, Reply, WarmUp, WarmedUp, WorkInWindow},
    reply_writer::ReplyWriter,
    stream::Stream,
    stream_loop::StreamLoop,
    stream_stats::{StreamStats, total},
    system::Usage,
};
use crate::machine::wall_clock::WallClock;

/// How often a worker reports progress, where there is any.
const HEARTBEAT: Duration = Duration::from_millis(200);

impl LoadedArm {
    /// Works until the speed is steady.
    pub(super) fn warm_up(&mut self, writer: &ReplyWriter, call: WarmUp) -> Result<WarmedUp, WorkerError> {
        let job = std::sync::Arc::clone(&self.job);
        self.begin(job.batch)?;
        let schedule = UntilSteady::new((call.least, call.most), job.photos.len(), job.batch, &job.weights);
        let block = self.count(writer, &schedule, (self.streams.len(), job.batch))?;
        Ok(WarmedUp {
            images: block.images,
            seconds: block.seconds,
            steady: schedule.is_steady(Duration::from_secs_f64(block.seconds)),
        })
    }

    /// Measures a block.
    pub(super) fn block(&mut self, writer: &ReplyWriter, spec: BlockSpec) -> Result<Block, WorkerError> {
        if spec.counts {
            self.blocks += 1;
            null_stream::plant_fault(&self.job.spec.null, self.blocks);
        }
        let streams = spec.streams.clamp(1, self.streams.len());
        let batch = spec.batch.clamp(1, self.job.batch);
        let before = Usage::now(&self.pixel_pool);
        self.begin(batch)?;
        writer.send(&Reply::Begun)?;
        let schedule = schedule(&BlockSpec { batch, ..spec }, self.job.photos.len());
        let block = self.count(writer, schedule.as_ref(), (streams, batch))?;
        let after = Usage::now(&self.pixel_pool);
        let block = null_stream::plant_in_block(&self.job.spec.null, block);
        Ok(Block {
            cpu_seconds: Some(after.cpu_seconds_since(&before)),
            pixel_seconds: after.pixel_seconds_since(&before),
            storage_bytes: after.storage_bytes_since(&before),
            ..block
        })
    }

    /// Works beside other processes, by the wall clock. Each photo is reported with when it was begun and ended.
    pub(super) fn work_in_window(
        &mut self,
        writer: &ReplyWriter,
        call: WorkInWindow,
    ) -> Result<Completions, WorkerError> {
        let clock = WallClock::now();
        let window = (clock.instant(call.begin_us), clock.instant(call.end_us));
        let (photos, batch) = (self.job.photos.len(), self.job.batch);
        let before = Usage::now(&self.pixel_pool);
        let schedule = TimeWindow::new(window, call.first_photo, photos, batch);
        let all = (self.streams.len(), batch);
        let streams = self.run(writer, &schedule, all, |stream_loop, stream| {
            let mut completions = Vec::new();
            stream_loop.run(stream, &mut |answer| {
                completions.push(Completion {
                    photo: answer.batch.photos.start,
                    photos: answer.batch.photos.len(),
                    begun_us: clock.micros(answer.begun),
                    ended_us: clock.micros(answer.ended),
                });
            })?;
            Ok(completions)
        })?;
        Ok(Completions {
            streams,
            cpu_seconds: Some(Usage::now(&self.pixel_pool).cpu_seconds_since(&before)),
        })
    }

    /// Runs so many streams in batches of at most this size until `schedule` is over; what they did, all together.
    pub(super) fn count(
        &mut self,
        writer: &ReplyWriter,
        schedule: &dyn Schedule,
        (streams, batch): (usize, usize),
    ) -> Result<Block, WorkerError> {
        let started = Instant::now();
        let job = std::sync::Arc::clone(&self.job);
        let stats = self.run(writer, schedule, (streams, batch), |stream_loop, stream| {
            let mut stats = StreamStats::new(&job)?;
            stream_loop.run(stream, &mut |answer| stats.record(answer, &job.strata))?;
            Ok(stats)
        })?;
        let end = stats
            .iter()
            .filter_map(|stats| stats.end)
            .max()
            .unwrap_or_else(Instant::now);
        // The time in which nothing arrives any more belongs to the rate as well.
        let mut block = total(&stats, (end - started).max(schedule.span()), batch == 1)?;
        block.given_up = schedule.given_up();
        Ok(block)
    }

    /// Has each of so many streams do `work` in the loop of `schedule`; reports progress to the study meanwhile.
    pub(super) fn run<R: Send>(
        &mut self,
        writer: &ReplyWriter,
        schedule: &dyn Schedule,
        (streams, batch): (usize, usize),
        work: impl Fn(&StreamLoop<'_>, &mut dyn Stream) -> Result<R, WorkerError> + Sync,
    ) -> Result<Vec<R>, WorkerError> {
        let done = AtomicUsize::new(0);
        let stream_loop = StreamLoop {
            schedule,
            batch,
            done: &done,
        };
        on_each(
            self.streams.iter_mut().take(streams),
            |stream| work(&stream_loop, stream.as_mut()),
            |is_over| {
                let alive = heartbeat(writer, &stream_loop, is_over);
                // A study that does not listen any more has no use for the rest.
                alive.inspect_err(|_| schedule.stop())
            },
        )
    }
}

/// Reports progress until all is over.
fn heartbeat(
    writer: &ReplyWriter,
    stream_loop: &StreamLoop<'_>,
    is_over: &dyn Fn() -> bool,
) -> Result<(), WorkerError> {
    let started = Instant::now();
    let (mut reported, mut beat) = (0, started);
    while !is_over() {
        thread::sleep(Duration::from_millis(1).max(HEARTBEAT.min(started.elapsed() / 50)));
        let images = stream_loop.done.load(Ordering::Relaxed);
        let is_alive = images > reported || stream_loop.schedule.is_waiting();
        if is_alive && beat.elapsed() >= HEARTBEAT {
            writer.send(&Reply::Progress { images })?;
            (reported, beat) = (images, Instant::now());
        }
    }
    Ok(())
}
