//! Tenants of one device: workers of several arms that are loaded, warmed up and at work at the same time.

use std::{io, time::Duration};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    coordination::Span,
    window::{window, within},
};
use crate::{
    analysis::tenants::settle,
    dataset::Dataset,
    machine::wall_clock::{micros, now_us},
    record::{BeforeLoad, Record, TenantGroup, Tenants, TenantsRound},
    study::{
        LOAD_PATIENCE, Observer, Study, StudyError, check_pass::Prepared, describe::cut_short, finish,
        summary::ArmRun,
    },
    worker::{
        process::{ProcessError, WorkerProcess, unexpected},
        protocol::{Reply, Request, Shared, Sharing},
    },
};

/// Who shares the device.
#[derive(Debug, Clone)]
pub struct Sharers {
    /// Companies of tenants: arms of the plan, each alone in one of them.
    pub companies: Vec<Vec<usize>>,
    /// Whether the host cores are dealt out among the tenants.
    pub pinned: bool,
    /// Share of the time of a neighbour that all of it is measured beside as well. It begins late: the tenants are
    /// measured before and after.
    pub neighbour: Option<f64>,
}

/// The workers of a round.
pub(super) struct Seated {
    /// The arm of each.
    arms: Vec<usize>,
    /// One a tenant, in the company's order.
    children: Vec<WorkerProcess>,
    /// The neighbour that is on this machine, and the share of its time in which it works.
    neighbour: Option<(WorkerProcess, f64)>,
    /// Whether a neighbour begins late, on whichever machine.
    pub(super) burdened: bool,
    /// How many photos each has.
    photos: usize,
}

/// What they did.
pub(super) struct Shift {
    /// Empty on a machine that brings a load alone.
    shared: Vec<Shared>,
    /// The stretch before the neighbour; `None` without one.
    before: Option<Span>,
    /// The stretch that counts.
    counted: Span,
    /// When the neighbour began, where it is on this machine.
    began: Option<u64>,
}

impl Shift {
    /// The time that counts: all tenants were at work, and the neighbour.
    pub(super) fn counted(&self) -> Option<Span> {
        let (from, to) = self.counted;
        self.together((self.began.map_or(from, |began| from.max(began)), to))
    }

    /// The time in which all tenants were at work and the neighbour not yet.
    pub(super) fn before(&self) -> Option<Span> {
        let (from, to) = self.before?;
        self.together((from, self.began.map_or(to, |began| to.min(began))))
    }

    /// The part of `span` in which all tenants were at work.
    fn together(&self, span: Span) -> Option<Span> {
        if self.shared.is_empty() {
            return (span.0 < span.1).then_some(span);
        }
        window(&self.shared, span.0, span.1)
    }
}

/// From the order to begin until all begin: time for it to reach everyone.
pub(super) const NOTICE: Duration = Duration::from_millis(200);

impl Study {
    /// Measures `companies`, each a list of arms of the plan, once a process in shuffled order. The arms' own figures stand
    /// in `record` already; `save` keeps what is added after each round.
    pub fn tenants(
        &self,
        mut record: Record,
        sharing: &Sharers,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Record, StudyError> {
        let (prepared, mut runs) = self.seen_again(&record, observer)?;
        let beside = [None, sharing.neighbour];
        let beside = &beside[..=usize::from(sharing.neighbour.is_some())];
        let companies: Vec<(&Vec<usize>, Option<f64>)> = beside
            .iter()
            .flat_map(|neighbour| sharing.companies.iter().map(|arms| (arms, *neighbour)))
            .collect();
        let label = |arm: &usize| self.plan.arms[*arm].label.clone();
        let mut tenants = Tenants {
            least_rate,
            groups: companies
                .iter()
                .map(|(arms, neighbour)| TenantGroup::new(arms.iter().map(label).collect(), *neighbour))
                .collect(),
            coordination: None,
        };
        let mut order = 0;
        'rounds: for round in 0..self.plan.processes {
            let mut turns: Vec<usize> = (0..companies.len()).collect();
            turns.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed(round, 1 << 20)));
            for turn in turns {
                if self.interruption.is_asked() {
                    break 'rounds;
                }
                if tenants.groups[turn].error.is_some() {
                    continue;
                }
                let ((arms, neighbour), company) = (companies[turn], &mut tenants.groups[turn]);
                let plural = if arms.len() == 1 { "" } else { "s" };
                observer.phase(&format!(
                    "round {} of {}: {} tenant{plural}{}",
                    round + 1,
                    self.plan.processes,
                    arms.len(),
                    if neighbour.is_some() {
                        " and a neighbour"
                    } else {
                        ""
                    }
                ));
                match self.company((arms, neighbour), sharing.pinned, &prepared, &mut runs) {
                    Ok(measured) => company.rounds.push(TenantsRound {
                        round,
                        order,
                        ..measured
                    }),
                    Err(ProcessError::Interrupted) => break 'rounds,
                    Err(error) => {
                        let reason = format!("round {}: {error}", round + 1);
                        observer.notice(&format!("{} tenant{plural}: {reason}", arms.len()));
                        company.error = Some(reason);
                    }
                }
                order += 1;
                settle(&mut tenants);
                record.tenants = Some(tenants.clone());
                save(&record)?;
            }
        }
        if self.interruption.is_asked() {
            settle(&mut tenants);
            record.tenants = Some(tenants);
            cut_short(&mut record);
            save(&record)?;
        }
        Ok(record)
    }

    /// The check passes once more, for what photos cost; what `record` says of them stays as it is.
    pub(super) fn seen_again(
        &self,
        record: &Record,
        observer: &dyn Observer,
    ) -> Result<(Prepared, Vec<ArmRun>), StudyError> {
        let mut runs: Vec<ArmRun> = self.plan.arms.iter().map(|_| ArmRun::default()).collect();
        let prepared = self.check_passes(&mut runs, &mut record.clone(), observer)?;
        Ok((prepared, runs))
    }

    /// One round of tenants: the seconds in which all worked, and what each did in them.
    fn company(
        &self,
        (arms, neighbour): (&[usize], Option<f64>),
        pinned: bool,
        prepared: &Prepared,
        runs: &mut [ArmRun],
    ) -> Result<TenantsRound, ProcessError> {
        let mut seated = self.seat(arms, pinned, prepared, runs)?;
        if let Some(share) = neighbour {
            self.burden(&mut seated, arms, share, prepared)?;
        }
        self.warm_up_together(&mut seated)?;
        let shift = self.at_work(&mut seated, now_us() + micros(NOTICE), 0, (0, 1))?;
        let found = |span: Option<Span>| {
            span.ok_or_else(|| {
                ProcessError::Refused(
                    "the tenants were never at work at the same time: give a longer --duration".to_owned(),
                )
            })
        };
        let before = neighbour.map(|_| found(shift.before())).transpose()?;
        let window = found(shift.counted())?;
        self.account(seated, &shift, (before, window), runs)
    }

    /// Workers for `arms`, loaded; none for none.
    pub(super) fn seat(
        &self,
        arms: &[usize],
        pinned: bool,
        prepared: &Prepared,
        runs: &mut [ArmRun],
    ) -> Result<Seated, ProcessError> {
        let mut children: Vec<WorkerProcess> = Vec::new();
        for (place, arm) in arms.iter().enumerate() {
            let mut job = self.job(&self.plan.arms[*arm], &self.environments[*arm], &prepared.dataset);
            job.gallery.clone_from(&prepared.gallery);
            if pinned && !self.plan.core_list.is_empty() {
                job.host_cores = dealt(&self.plan.core_list, place, arms.len());
                job.cores = job.host_cores.len();
            }
            children.push(self.launch(job, &self.environments[*arm])?);
        }
        for (child, arm) in children.iter_mut().zip(arms) {
            self.await_ready(child, &mut runs[*arm])?;
        }
        Ok(Seated {
            arms: arms.to_vec(),
            children,
            neighbour: None,
            burdened: false,
            photos: prepared.dataset.photos.len(),
        })
    }

    /// Puts a load of `share` beside those who are seated, where `arms` have their networks.
    pub(super) fn burden(
        &self,
        seated: &mut Seated,
        arms: &[usize],
        share: f64,
        prepared: &Prepared,
    ) -> Result<(), ProcessError> {
        seated.neighbour = Some((self.neighbour(arms, &prepared.dataset)?, share));
        seated.burdened = true;
        Ok(())
    }

    /// All at once: what one does to the others' caches and clocks belongs to the warm state.
    pub(super) fn warm_up_together(&self, seated: &mut Seated) -> Result<(), ProcessError> {
        for child in &mut seated.children {
            child.ask(&Request::WarmUp {
                least: self.plan.warmup,
                most: self.plan.warmup,
            })?;
        }
        for child in &mut seated.children {
            match self.wait(child)? {
                Reply::WarmedUp { .. } => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// Work from `begin` to `longer` microseconds after all that counts, on a machine that is in the given position of so
    /// many.
    pub(super) fn at_work(
        &self,
        seated: &mut Seated,
        begin: u64,
        longer: u64,
        machine: (usize, usize),
    ) -> Result<Shift, ProcessError> {
        // The first moments are as unmeasured as a block's.
        let stretch = |begin| {
            let counted = begin + micros(self.plan.lead_in());
            (counted, counted + micros(self.plan.duration))
        };
        let mut counted = stretch(begin);
        let mut before = None;
        if seated.burdened {
            before = Some(counted);
            counted = stretch(counted.1);
        }
        if let (Some((load, share)), Some(before)) = (&mut seated.neighbour, before) {
            let (share, begin_us) = (*share, before.1);
            load.ask(&Request::BackgroundLoad { share, begin_us })?;
        }
        let count = seated.children.len();
        for (place, child) in seated.children.iter_mut().enumerate() {
            child.ask(&Request::Share(Sharing {
                begin_us: begin,
                end_us: counted.1 + longer,
                first_photo: first_photo(seated.photos, machine, (place, count)),
            }))?;
        }
        let mut shared: Vec<Shared> = Vec::new();
        let left = (counted.1 + longer).saturating_sub(now_us());
        let patience = self.plan.patience + Duration::from_micros(left);
        for child in &mut seated.children {
            match child.answer(patience)? {
                Reply::Shared(answer) => shared.push(*answer),
                other => return Err(unexpected(&other)),
            }
        }
        let began = match &mut seated.neighbour {
            Some((load, _)) => Some(seen_through(load, counted.1 + longer)?),
            None => None,
        };
        Ok(Shift {
            shared,
            before,
            counted,
            began,
        })
    }

    /// What each did in the times in which all were at work: before a neighbour began, and the one that counts.
    pub(super) fn account(
        &self,
        mut seated: Seated,
        shift: &Shift,
        (before, window): (Option<Span>, Span),
        runs: &[ArmRun],
    ) -> Result<TenantsRound, ProcessError> {
        let memory: Vec<Option<u64>> = seated
            .children
            .iter()
            .zip(&seated.arms)
            .map(|(child, arm)| self.device_memory(*arm, child.id()))
            .collect();
        let seconds = |window: Span| (window.1 - window.0) as f64 / 1e6;
        let mut unburdened = Vec::new();
        let mut tenants = Vec::new();
        for (place, (shared, child)) in shift.shared.iter().zip(&mut seated.children).enumerate() {
            let weights: Vec<f64> = runs[seated.arms[place]]
                .answers
                .iter()
                .map(|seen| seen.time.as_secs_f64())
                .collect();
            unburdened.extend(before.map(|before| within(shared, before, &weights).images));
            let mut tenant = within(shared, window, &weights);
            tenant.rss_peak_bytes = finish(child, self.plan.patience)?.ok();
            tenant.device_memory_bytes = memory[place];
            tenants.push(tenant);
        }
        Ok(TenantsRound {
            round: 0,
            order: 0,
            seconds: seconds(window),
            tenants,
            before_load: before.map(|before| BeforeLoad {
                seconds: seconds(before),
                from_us: None,
                images: unburdened,
            }),
            from_us: None,
            clocks: Vec::new(),
        })
    }

    /// A process that multiplies matrices when it is told to, on the device of the first tenant that has one, or else on
    /// one host core. It ends when dropped.
    fn neighbour(&self, arms: &[usize], dataset: &Dataset) -> Result<WorkerProcess, ProcessError> {
        let on_device = |arm: &&usize| self.environments[**arm].gpu.is_some();
        let arm = *arms.iter().find(on_device).unwrap_or(&arms[0]);
        let environment = &self.environments[arm];
        let job = self.job(&self.plan.arms[arm], environment, dataset);
        let mut child = WorkerProcess::spawn(&self.program, &environment.variables, &self.interruption)?;
        child.ask(&Request::PrepareBackgroundLoad(Box::new(job)))?;
        match child.answer(self.plan.patience.max(LOAD_PATIENCE))? {
            Reply::BackgroundLoadReady => Ok(child),
            other => Err(unexpected(&other)),
        }
    }

    /// Memory of the arm's GPU that the process `id` holds.
    fn device_memory(&self, arm: usize, id: u32) -> Option<u64> {
        let nvml = self.nvml.as_ref()?;
        let uuid = self.environments[arm].gpu.as_deref()?;
        nvml.counters(uuid, Some(id)).ok()?.process_memory_bytes.ok()
    }
}

/// When `load` began, which must be at work until `end`: on a machine without tenants that is still to come.
fn seen_through(load: &mut WorkerProcess, end: u64) -> Result<u64, ProcessError> {
    let left = || Duration::from_micros(end.saturating_sub(now_us()));
    let began = match load.answer(left()) {
        Ok(Reply::BackgroundLoadBegan { began_us }) => began_us,
        Ok(reply) => return Err(unexpected(&reply)),
        Err(ProcessError::Silent { .. }) => {
            return Err(ProcessError::Refused(
                "the load beside the tenants never began".to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    // It says nothing more: one that has another answer is gone, and nobody was beside the tenants.
    match load.answer(left()) {
        Err(ProcessError::Silent { .. }) => Ok(began),
        Err(error) => Err(error),
        Ok(reply) => Err(unexpected(&reply)),
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
