//! One process of every arm: loaded, warmed up, and measured step by step in turns.

use std::{io, thread, time::Duration};

use super::{
    Observer, Prepared, Study, fail,
    plan::Step,
    recorded_arm::ArmRun,
    watch::{MachineWatch, Readings},
};
use crate::{
    machine::Counters,
    pipeline::StageTimes,
    record::{Block, CeilingRun, Conditions, Scenario, Seconds, Stages},
    worker::{
        process::{ProcessError, WorkerProcess},
        protocol::{self, MeasureCeiling, WarmUp},
    },
};

/// Longest rest between two arms, so that one does not work in the other's heat.
const REST: Duration = Duration::from_millis(200);

impl Study {
    /// The process `process` of every arm that still stands. `order` counts blocks over the whole study.
    pub(super) fn round(
        &self,
        process: usize,
        order: &mut usize,
        prepared: &Prepared,
        runs: &mut [ArmRun],
        observer: &dyn Observer,
        save: &mut dyn FnMut(&[ArmRun]) -> io::Result<()>,
    ) -> io::Result<()> {
        let planned = self.plan.order(process);
        // In the order of the first block, so that every arm waits about equally long between its warm-up and that block.
        let first = planned.iter().take(1).flatten();
        let first: Vec<usize> = first
            .filter(|step| step.point.is_none())
            .map(|step| step.arm)
            .collect();
        // What was measured before the study was resumed is not measured again.
        let schedule: Vec<Vec<Step>> = planned
            .into_iter()
            .enumerate()
            .map(|(block, mut steps)| {
                steps.retain(|step| !has_measured(&runs[step.arm], *step, process, block));
                steps
            })
            .collect();
        let mut workers: Vec<Option<WorkerProcess>> = runs.iter().map(|_| None).collect();
        for arm in first {
            let is_left = schedule.iter().flatten().any(|step| step.arm == arm);
            if runs[arm].failed || !(is_left || self.lacks_ceiling(arm, process, &runs[arm])) {
                continue;
            }
            let warm = self.warm_up(arm, prepared, &mut runs[arm]);
            workers[arm] = self.keep(warm, arm, process, None, runs, observer);
        }
        let mut last = None;
        for (block, steps) in schedule.into_iter().enumerate() {
            for step in steps {
                let Some(mut worker) = workers[step.arm].take() else {
                    continue;
                };
                let rested = last.replace(step.arm) != Some(step.arm);
                let position = (process, block);
                let measured = self
                    .get_going(&mut worker, rested)
                    .and_then(|()| self.rate(&mut worker, step, process, &mut runs[step.arm], observer))
                    .and_then(|rate| self.measure(&mut worker, step, position, rate));
                let measured = measured.map(|mut measured| {
                    let run = &mut runs[step.arm];
                    let label = &self.plan.arms[step.arm].label;
                    if let Some(point) = step.point {
                        let text = format!("{label}, fewer at a time");
                        observer.block(&text, &measured);
                        run.points.entry(point).or_default().push(measured);
                    } else {
                        measured.order = *order;
                        *order += 1;
                        observer.block(label, &measured);
                        run.blocks.push(measured);
                    }
                    worker
                });
                workers[step.arm] = self.keep(measured, step.arm, process, Some(block), runs, observer);
                // Between blocks nothing is timed: what is measured is kept at once.
                save(runs)?;
            }
        }
        for arm in 0..workers.len() {
            if !self.lacks_ceiling(arm, process, &runs[arm]) {
                continue;
            }
            let Some(mut worker) = workers[arm].take() else {
                continue;
            };
            let measured = self.ceiling(&mut worker, process).map(|run| {
                runs[arm].ceilings.push(run);
                worker
            });
            workers[arm] = self.keep(measured, arm, process, None, runs, observer);
            save(runs)?;
        }
        for (arm, worker) in workers.into_iter().enumerate() {
            let Some(mut worker) = worker else { continue };
            match worker.finish(self.plan.patience) {
                Ok(peak) => runs[arm].rss_peak_bytes.push(peak),
                Err(ProcessError::Interrupted) => {}
                Err(error) => {
                    let reason = format!("at the end of process {}: {error}", process + 1);
                    fail(&mut runs[arm], &self.plan.arms[arm].label, &reason, observer);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing of this process is left to be measured, as in a study that was resumed.
    pub(super) fn is_measured(&self, process: usize, runs: &[ArmRun]) -> bool {
        let is_done = |arm: usize| runs[arm].failed || !self.lacks_ceiling(arm, process, &runs[arm]);
        let blocks = self.plan.order(process);
        let mut steps = blocks.iter().enumerate().flat_map(|(block, steps)| {
            let own = move |step: &Step| (block, *step);
            steps.iter().map(own)
        });
        (0..runs.len()).all(is_done)
            && steps.all(|(block, step)| {
                let run = &runs[step.arm];
                run.failed || has_measured(run, step, process, block)
            })
    }

    /// Whether an arm's stages are still to be measured alone in this process.
    fn lacks_ceiling(&self, arm: usize, process: usize, run: &ArmRun) -> bool {
        let is_planned = self.plan.ceiling && !self.plan.arms[arm].spec.is_null();
        is_planned && run.ceilings.iter().all(|ceiling| ceiling.process != process)
    }

    /// A worker that is loaded and in its steady state.
    fn warm_up(
        &self,
        arm: usize,
        prepared: &Prepared,
        run: &mut ArmRun,
    ) -> Result<WorkerProcess, ProcessError> {
        let mut job = self.job(&self.plan.arms[arm], &self.environments[arm], &prepared.dataset);
        job.strata.clone_from(&prepared.strata);
        job.gallery.clone_from(&prepared.gallery);
        // What this very arm needed for each photo: many cheap photos in a row are then not taken for growing speed.
        job.weights = run.photo_seconds();
        let mut worker = self.start(job, &self.environments[arm], run)?;
        let (least, most) = (self.plan.warmup, self.plan.most_warmup());
        let warmed_up = worker.call(WarmUp { least, most }, self.plan.patience)?;
        run.warmup_images.push(warmed_up.images as f64);
        run.steady.extend(warmed_up.steady);
        let capacity = warmed_up.images as f64 / warmed_up.seconds;
        run.capacity = Some(capacity).filter(|capacity| capacity.is_finite() && *capacity > 0.0);
        Ok(worker)
    }

    /// A rest after another arm's work, and a little work that is not measured.
    fn get_going(&self, worker: &mut WorkerProcess, rested: bool) -> Result<(), ProcessError> {
        if !rested || self.plan.arms.len() == 1 {
            return Ok(());
        }
        thread::sleep(REST.min(self.plan.lead_in()));
        self.unmeasured(worker, self.plan.lead_in(), self.plan.lead_in())
    }

    /// Has a worker work without measuring.
    pub(super) fn unmeasured(
        &self,
        worker: &mut WorkerProcess,
        least: Duration,
        most: Duration,
    ) -> Result<(), ProcessError> {
        worker.call(WarmUp { least, most }, self.plan.patience).map(drop)
    }

    /// The rate at which a step's photos arrive: as asked, or the highest that holds, or none.
    fn rate(
        &self,
        worker: &mut WorkerProcess,
        step: Step,
        process: usize,
        run: &mut ArmRun,
        observer: &dyn Observer,
    ) -> Result<Option<f64>, ProcessError> {
        if self.plan.scenario != Scenario::Server {
            return Ok(None);
        }
        if self.plan.request_rate.is_some() {
            return Ok(self.plan.request_rate);
        }
        if let Some((_, rate)) = run.rates.last().filter(|(of, _)| *of == process) {
            return Ok(Some(*rate));
        }
        let rate = self.search(worker, step.arm, process, run, observer)?;
        run.rates.push((process, rate));
        Ok(Some(rate))
    }

    /// One step, with what the machine did meanwhile.
    fn measure(
        &self,
        worker: &mut WorkerProcess,
        step: Step,
        (process, block): (usize, usize),
        rate: Option<f64>,
    ) -> Result<Block, ProcessError> {
        let seed = self.seed(process, block as u64);
        let spec = self
            .plan
            .block_spec(&self.plan.arms[step.arm], step.point, rate, seed);
        let before = Counters::current(&self.plan.core_list);
        let environment = &self.environments[step.arm];
        let watch = MachineWatch {
            cores: &self.plan.core_list,
            gpu: self.nvml.as_ref().zip(environment.gpu.as_deref()),
            worker: worker.id(),
        };
        let began = jiff::Timestamp::now();
        // The other end of the call is `worker/request_loop.rs`, in the child process.
        let (raw, readings) = watch.during(|| worker.call(spec, self.plan.patience));
        let raw = raw?;
        // What another program says of its own beginning proves nothing.
        let elapsed = worker.elapsed(environment.program.is_none());
        let after = Counters::current(&self.plan.core_list);
        if let Some(rate) = rate.filter(|_| raw.given_up) {
            return Err(ProcessError::Refused(format!(
                "at {rate:.1} photos a second the queue only grows: ask for fewer (--request-rate), or have the rate searched"
            )));
        }
        let conditions = conditions(&raw, &before, &after, readings);
        let mut block = keep_block(raw, (process, block), rate, conditions);
        block.began_at = Some(format!("{began:.3}"));
        block.elapsed_seconds = Some(elapsed.as_secs_f64());
        if self.plan.arms[step.arm].spec.is_null() {
            // It has no recognizer.
            block.embeddings = None;
        }
        Ok(block)
    }

    /// What the stages of a worker allow.
    fn ceiling(&self, worker: &mut WorkerProcess, process: usize) -> Result<CeilingRun, ProcessError> {
        let duration = self.plan.duration;
        let raw = worker.call(MeasureCeiling { duration }, self.plan.patience)?;
        Ok(CeilingRun {
            process,
            images: raw.images,
            faces: raw.faces,
            stage_seconds: seconds(raw.stages),
            pixel_seconds: raw.pixel_seconds,
            detector_seconds: raw.detector.as_secs_f64(),
            recognizer_seconds: raw.recognizer.as_secs_f64(),
            harness_overhead: raw.harness_overhead,
        })
    }

    /// A seed for arrivals: another one for each process and number, the same for all arms.
    pub(crate) fn seed(&self, process: usize, number: u64) -> u64 {
        self.plan.seed ^ (process as u64 + 1).rotate_left(40) ^ (number + 1).rotate_left(20)
    }

    /// The worker, or `None` with the reason written down. An interruption is no failure of the arm.
    fn keep(
        &self,
        worker: Result<WorkerProcess, ProcessError>,
        arm: usize,
        process: usize,
        block: Option<usize>,
        runs: &mut [ArmRun],
        observer: &dyn Observer,
    ) -> Option<WorkerProcess> {
        match worker {
            Ok(worker) => Some(worker),
            Err(ProcessError::Interrupted) => None,
            Err(error) => {
                let at = block.map_or_else(
                    || "before its first block".to_owned(),
                    |b| format!("in block {}", b + 1),
                );
                let reason = format!("process {} {at}: {error}", process + 1);
                fail(&mut runs[arm], &self.plan.arms[arm].label, &reason, observer);
                None
            }
        }
    }
}

/// Whether `run` has what `step` measures in this process and block.
fn has_measured(run: &ArmRun, step: Step, process: usize, block: usize) -> bool {
    let mut blocks = match step.point {
        None => run.blocks.iter(),
        // Points of a curve are measured once a process.
        Some(point) => run.points.get(&point).map_or(&[][..], Vec::as_slice).iter(),
    };
    blocks.any(|known| known.process == process && (step.point.is_some() || known.block == block))
}

fn conditions(raw: &protocol::Block, before: &Counters, after: &Counters, readings: Readings) -> Conditions {
    fn since(after: &Result<f64, String>, before: &Result<f64, String>) -> Option<f64> {
        Some((after.as_ref().ok()? - before.as_ref().ok()?).max(0.0))
    }
    Conditions {
        own_cpu_seconds: raw.cpu_seconds,
        busy_seconds: since(&after.busy_seconds, &before.busy_seconds),
        stolen_seconds: since(&after.stolen_seconds, &before.stolen_seconds),
        throttled_seconds: since(&after.throttled_seconds, &before.throttled_seconds),
        clock_mhz: readings.clock_mhz,
        thermal_events: after
            .thermal_events
            .clone()
            .ok()
            .zip(before.thermal_events.clone().ok())
            .map(|(after, before)| after.saturating_sub(before)),
        storage_bytes: raw.storage_bytes,
        joules: after.joules_since(before),
        gpu: readings.gpu,
    }
}

fn seconds(times: StageTimes) -> Stages<Seconds> {
    let stages = [
        times.decode,
        times.detect,
        times.align,
        times.embed,
        times.matching,
    ];
    Stages::of(stages.map(|time| Seconds(time.as_secs_f64())))
}

pub(super) fn keep_block(
    raw: protocol::Block,
    (process, block): (usize, usize),
    rate: Option<f64>,
    conditions: Conditions,
) -> Block {
    Block {
        process,
        block,
        order: 0,
        began_at: None,
        seconds: raw.seconds,
        elapsed_seconds: None,
        images: raw.images,
        faces: raw.faces,
        embeddings: raw.embeddings,
        stage_seconds: seconds(raw.stages),
        pixel_seconds: raw.pixel_seconds,
        strata: raw.strata,
        service_us: raw.service,
        response_us: raw.response,
        scheduling_delay_us: raw.scheduling_delay,
        rate,
        conditions,
    }
}
