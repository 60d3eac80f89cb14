//! The workers of one tenant group in one round: loaded, warmed up and at work at the same time, beside a background load or
//! not.

use std::time::Duration;

use super::{
    coordination::Span,
    window::{window, within},
};
use crate::{
    dataset::Dataset,
    machine::wall_clock::{micros, now_us},
    record::{BeforeLoad, TenantsRound},
    study::{LOAD_PATIENCE, Study, check_pass::Prepared, recorded_arm::ArmRun},
    worker::{
        call::PrepareBackgroundLoad,
        process::{ProcessError, WorkerProcess},
        protocol::{Completions, StartBackgroundLoad, WarmUp, WorkInWindow},
    },
};

/// The workers of a round, loaded.
pub(super) struct LoadedGroup {
    /// The arm of each.
    arms: Vec<usize>,
    /// One a tenant, in the group's order.
    workers: Vec<WorkerProcess>,
    /// The background load that is on this machine, and the share of its time in which it works.
    background_load: Option<(WorkerProcess, f64)>,
    /// Whether a background load begins late, on whichever machine.
    pub(super) beside_load: bool,
    /// How many photos each has.
    photos: usize,
}

/// What they did at the same time.
pub(super) struct SharedWindow {
    /// Empty on a machine that has a background load alone.
    completions: Vec<Completions>,
    /// The time before the background load; `None` without one.
    before: Option<Span>,
    /// The time that counts.
    counted: Span,
    /// When the background load began, where it is on this machine.
    began: Option<u64>,
}

impl SharedWindow {
    /// The time that counts: all tenants were at work, and the background load.
    pub(super) fn counted(&self) -> Option<Span> {
        let (from, to) = self.counted;
        self.together((self.began.map_or(from, |began| from.max(began)), to))
    }

    /// The time in which all tenants were at work and the background load not yet.
    pub(super) fn before(&self) -> Option<Span> {
        let (from, to) = self.before?;
        self.together((from, self.began.map_or(to, |began| to.min(began))))
    }

    /// The part of `span` in which all tenants were at work.
    fn together(&self, span: Span) -> Option<Span> {
        if self.completions.is_empty() {
            return (span.0 < span.1).then_some(span);
        }
        window(&self.completions, span.0, span.1)
    }
}

/// From the order to begin until all begin: time for it to reach everyone.
pub(super) const START_NOTICE: Duration = Duration::from_millis(200);

impl Study {
    /// Workers for `arms`, loaded; none for none.
    pub(super) fn load_group(
        &self,
        arms: &[usize],
        pinned: bool,
        prepared: &Prepared,
        runs: &mut [ArmRun],
    ) -> Result<LoadedGroup, ProcessError> {
        let mut workers: Vec<WorkerProcess> = Vec::new();
        for (place, arm) in arms.iter().enumerate() {
            let mut job = self.job(&self.plan.arms[*arm], &self.environments[*arm], &prepared.dataset);
            job.gallery.clone_from(&prepared.gallery);
            if pinned && !self.plan.core_list.is_empty() {
                job.host_cores = dealt(&self.plan.core_list, place, arms.len());
                job.cores = job.host_cores.len();
            }
            workers.push(self.launch(job, &self.environments[*arm])?);
        }
        for (worker, arm) in workers.iter_mut().zip(arms) {
            let patience = self.load_patience(&self.plan.arms[*arm].spec);
            Self::await_ready(worker, &mut runs[*arm], patience)?;
        }
        Ok(LoadedGroup {
            arms: arms.to_vec(),
            workers,
            background_load: None,
            beside_load: false,
            photos: prepared.dataset.photos.len(),
        })
    }

    /// Puts a background load of `share` beside a group, where `arms` have their networks.
    pub(super) fn add_background_load(
        &self,
        group: &mut LoadedGroup,
        arms: &[usize],
        share: f64,
        prepared: &Prepared,
    ) -> Result<(), ProcessError> {
        group.background_load = Some((self.background_load(arms, &prepared.dataset)?, share));
        group.beside_load = true;
        Ok(())
    }

    /// All at once: what one does to the others' caches and clocks belongs to the warm state.
    pub(super) fn warm_up_together(&self, group: &mut LoadedGroup) -> Result<(), ProcessError> {
        let (least, most) = (self.plan.warmup, self.plan.warmup);
        for worker in &mut group.workers {
            worker.send(WarmUp { least, most })?;
        }
        for worker in &mut group.workers {
            worker.receive::<WarmUp>(self.plan.patience)?;
        }
        Ok(())
    }

    /// Work from `begin` to `longer` microseconds after all that counts, on a machine that is in the given position of so
    /// many.
    pub(super) fn work_together(
        &self,
        group: &mut LoadedGroup,
        begin: u64,
        longer: u64,
        machine: (usize, usize),
    ) -> Result<SharedWindow, ProcessError> {
        // The first moments are as unmeasured as a block's.
        let span = |begin| {
            let counted = begin + micros(self.plan.lead_in());
            (counted, counted + micros(self.plan.duration))
        };
        let mut counted = span(begin);
        let mut before = None;
        if group.beside_load {
            before = Some(counted);
            counted = span(counted.1);
        }
        if let (Some((load, share)), Some(before)) = (&mut group.background_load, before) {
            let (share, begin_us) = (*share, before.1);
            load.send(StartBackgroundLoad { share, begin_us })?;
        }
        let count = group.workers.len();
        for (place, worker) in group.workers.iter_mut().enumerate() {
            worker.send(WorkInWindow {
                begin_us: begin,
                end_us: counted.1 + longer,
                first_photo: first_photo(group.photos, machine, (place, count)),
            })?;
        }
        let left = (counted.1 + longer).saturating_sub(now_us());
        let patience = self.plan.patience + Duration::from_micros(left);
        let completions = group
            .workers
            .iter_mut()
            .map(|worker| worker.receive::<WorkInWindow>(patience))
            .collect::<Result<_, _>>()?;
        let began = match &mut group.background_load {
            Some((load, _)) => Some(began_and_lasted(load, counted.1 + longer)?),
            None => None,
        };
        Ok(SharedWindow {
            completions,
            before,
            counted,
            began,
        })
    }

    /// What each did in the times in which all were at work: before a background load began, and the one that counts. The
    /// workers end.
    pub(super) fn tenants_round(
        &self,
        mut group: LoadedGroup,
        worked: &SharedWindow,
        (before, counted): (Option<Span>, Span),
        runs: &[ArmRun],
    ) -> Result<TenantsRound, ProcessError> {
        let memory: Vec<Option<u64>> = group
            .workers
            .iter()
            .zip(&group.arms)
            .map(|(worker, arm)| self.device_memory(*arm, worker.id()))
            .collect();
        let seconds = |span: Span| (span.1 - span.0) as f64 / 1e6;
        let mut images_before = Vec::new();
        let mut tenants = Vec::new();
        for (place, (completions, worker)) in worked.completions.iter().zip(&mut group.workers).enumerate() {
            let weights = runs[group.arms[place]].photo_seconds();
            images_before.extend(before.map(|before| within(completions, before, &weights).images));
            let mut tenant = within(completions, counted, &weights);
            tenant.rss_peak_bytes = worker.finish(self.plan.patience)?.ok();
            tenant.device_memory_bytes = memory[place];
            tenants.push(tenant);
        }
        Ok(TenantsRound {
            round: 0,
            order: 0,
            seconds: seconds(counted),
            tenants,
            before_load: before.map(|before| BeforeLoad {
                seconds: seconds(before),
                from_us: None,
                images: images_before,
            }),
            from_us: None,
            clocks: Vec::new(),
        })
    }

    /// A process that multiplies matrices when it is asked to, on the device of the first tenant that has one, or else on
    /// one host core. It ends when dropped.
    fn background_load(&self, arms: &[usize], dataset: &Dataset) -> Result<WorkerProcess, ProcessError> {
        let on_device = |arm: &&usize| self.environments[**arm].gpu.is_some();
        let arm = *arms.iter().find(on_device).unwrap_or(&arms[0]);
        let environment = &self.environments[arm];
        let job = self.job(&self.plan.arms[arm], environment, dataset);
        let mut worker = WorkerProcess::spawn(&self.program, &environment.variables, &self.interruption)?;
        let patience = self.plan.patience.max(LOAD_PATIENCE);
        worker.call(PrepareBackgroundLoad(job), patience)?;
        Ok(worker)
    }

    /// Memory of the arm's GPU that the process `id` holds.
    fn device_memory(&self, arm: usize, id: u32) -> Option<u64> {
        let nvml = self.nvml.as_ref()?;
        let uuid = self.environments[arm].gpu.as_deref()?;
        nvml.counters(uuid, Some(id)).ok()?.process_memory_bytes.ok()
    }
}

/// When `load` began, which must be at work until `end`: on a machine without tenants that is still to come.
fn began_and_lasted(load: &mut WorkerProcess, end: u64) -> Result<u64, ProcessError> {
    let left = || Duration::from_micros(end.saturating_sub(now_us()));
    let began = match load.receive::<StartBackgroundLoad>(left()) {
        Ok(began) => began,
        Err(ProcessError::Silent { .. }) => {
            return Err(ProcessError::Refused(
                "the background load never began".to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    // It says nothing more: one that has another answer is gone, and no load was beside the tenants.
    match load.receive::<StartBackgroundLoad>(left()) {
        Err(ProcessError::Silent { .. }) => Ok(began),
        Err(error) => Err(error),
        Ok(_) => Err(ProcessError::Protocol(
            "the background load began twice".to_owned(),
        )),
    }
}

/// Where a tenant begins, the `place`-th of `count` on a machine in `position` of so many: nobody walks in step with another,
/// for crowds would then meet crowds.
fn first_photo(photos: usize, (position, machines): (usize, usize), (place, count): (usize, usize)) -> usize {
    photos * (position * count + place) / (machines * count)
}

/// The cores of the `place`-th of `count` tenants: a share of its own, or one that it has with others where there are too
/// few.
fn dealt(cores: &[usize], place: usize, count: usize) -> Vec<usize> {
    if count > cores.len() {
        return vec![cores[place % cores.len()]];
    }
    let mine = |(index, _): &(usize, &usize)| index % count == place;
    cores
        .iter()
        .enumerate()
        .filter(mine)
        .map(|(_, core)| *core)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{dealt, first_photo};

    #[test]
    fn tenants_begin_at_photos_that_are_far_apart_whichever_machine_they_are_on() {
        let starts = |machines, count| -> Vec<usize> {
            let of =
                |position| (0..count).map(move |place| first_photo(60, (position, machines), (place, count)));
            (0..machines).flat_map(of).collect()
        };
        assert_eq!(starts(1, 4), [0, 15, 30, 45]);
        assert_eq!(starts(4, 1), [0, 15, 30, 45]);
        assert_eq!(starts(2, 2), [0, 15, 30, 45]);
    }

    #[test]
    fn cores_are_dealt_out_as_far_as_they_go() {
        let cores = [4, 5, 6];
        assert_eq!(dealt(&cores, 0, 2), [4, 6]);
        assert_eq!(dealt(&cores, 1, 2), [5]);
        assert_eq!(dealt(&cores, 4, 5), [5]);
    }
}
