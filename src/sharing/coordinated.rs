//! Tenants on several machines: each measures its own alone while the others wait, then all are at work at the same time.

use std::io;

use super::{
    coordination::{Span, StepError, StepResult, SyncError, Turn, participant::Participant, turns},
    group::{LoadedGroup, START_NOTICE, SharedWindow},
    tenants::SharingPlan,
};
use crate::{
    analysis::tenants::compute_figures,
    machine::wall_clock::{micros, now_us},
    record::{BeforeLoad, Record, TenantGroup, Tenants, TenantsRound},
    study::{
        CheckPasses, Observer, Study, StudyError, check_pass::Prepared, describe::cut_short,
        recorded_arm::ArmRun,
    },
    worker::process::ProcessError,
};

/// How much longer than what counts all work, microseconds: clocks are not read exactly, and no machine's end is to cut off
/// another's last photos.
const LONGER_US: u64 = 250_000;

/// What came of a machine's part in a coordinated run.
pub struct MachineResult {
    /// What it measured.
    pub record: Record,
    /// Why it was in step no more; `None` where it came to its end.
    pub error: Option<SyncError>,
    /// Whether a round beside its background load failed.
    pub load_failed: bool,
}

/// One machine's part in the rounds.
struct MachineRounds<'a> {
    study: &'a Study,
    sharing: &'a SharingPlan,
    prepared: Prepared,
    runs: Vec<ArmRun>,
    /// Whether a round beside its background load failed: its record has no group to say so in.
    load_failed: bool,
}

impl Study {
    /// Measures the arms alone in this machine's turn, as [`Study::run`] does, then once a process every turn of the
    /// coordinated run. `save` keeps what is added after each round. A machine that is left by the others keeps what it
    /// has, as an interrupted study; why it ended is not in the record.
    pub fn run_coordinated(
        &self,
        mut record: Record,
        sharing: &SharingPlan,
        participant: &mut Participant,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<MachineResult, StudyError> {
        // From the beginning: what a machine keeps that is left early is its account of this run too.
        record.tenants = Some(self.expected(sharing, participant, least_rate));
        let mut load_failed = false;
        let error = match self.alone(&mut record, sharing, participant, observer, save)? {
            Err(error) => Some(error),
            Ok(None) => None,
            Ok(Some(mut rounds)) => {
                let error = rounds.measure(&mut record, participant, observer, save)?;
                load_failed = rounds.load_failed;
                error
            }
        };
        if error.is_none() {
            participant.leave();
        }
        // A machine that never had its turn has nothing to keep.
        if error.is_some() && !record.arms.is_empty() {
            cut_short(&mut record);
            save(&record)?;
        }
        Ok(MachineResult {
            record,
            error,
            load_failed,
        })
    }

    /// Each machine's turn to measure its tenants alone: what this one needs for the rounds, or why it came to none.
    fn alone<'a>(
        &'a self,
        record: &mut Record,
        sharing: &'a SharingPlan,
        participant: &mut Participant,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Result<Option<MachineRounds<'a>>, SyncError>, StudyError> {
        let mut rounds = None;
        for other in 0..participant.offers().len() {
            if let Err(error) = participant.start_turn() {
                return Ok(Err(error));
            }
            if other == participant.place() {
                let run = self.run(record.clone(), observer, save)?;
                *record = run.record;
                if self.interruption.is_asked() {
                    return Ok(Err(SyncError::Interrupted));
                }
                let CheckPasses { prepared, runs } = run.check_passes;
                rounds = Some(MachineRounds {
                    study: self,
                    sharing,
                    prepared,
                    runs,
                    load_failed: false,
                });
            } else {
                let names = &participant.facts().machines;
                observer.phase(&format!("waiting for {}, which measures alone", names[other]));
            }
            if let Err(error) = participant.barrier() {
                return Ok(Err(error));
            }
        }
        Ok(Ok(rounds))
    }

    /// The tenant groups of this machine's record: its own, and those that it is part of.
    fn expected(&self, sharing: &SharingPlan, participant: &Participant, least_rate: Option<f64>) -> Tenants {
        let place = participant.place();
        let mut mine: Vec<Turn> = turns(participant.offers(), "", 0)
            .into_iter()
            .filter(|turn| turn.machines.contains(&place))
            .collect();
        // Its own groups first, in their order; then growing numbers, and at last those beside a load.
        mine.sort_by_key(|turn| {
            let together = turn.group.is_none();
            (turn.background_load, together, turn.group, turn.machines.len())
        });
        let of = |turn: Turn| {
            let labels = sharing.arms(&turn).iter();
            let labels = labels.map(|arm| self.plan.arms[*arm].label.clone()).collect();
            let load = turn.background_load;
            let share = load.and_then(|load| participant.offers()[load].background_load);
            TenantGroup {
                machines: turn.machines,
                background_load_machine: load,
                ..TenantGroup::new(labels, share)
            }
        };
        let mut tenants = Tenants {
            least_rate,
            groups: mine.into_iter().map(of).collect(),
            coordination: Some(participant.facts().clone()),
        };
        compute_figures(&mut tenants);
        tenants
    }
}

impl MachineRounds<'_> {
    /// All turns of all rounds, into the tenant groups that `record` has; why they ended before their end.
    fn measure(
        &mut self,
        record: &mut Record,
        participant: &mut Participant,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Option<SyncError>, StudyError> {
        let (mut order, rounds) = (0, self.study.plan.processes);
        for round in 0..rounds {
            for turn in participant.turns(round) {
                let machines = &participant.facts().machines;
                observer.phase(&format!(
                    "round {} of {rounds}: {}",
                    round + 1,
                    turn.describe(machines)
                ));
                let measured = match self.turn(&turn, participant) {
                    Ok(measured) => Ok(measured),
                    Err(StepError::Failed(reason)) => Err(reason),
                    Err(StepError::Sync(error)) => return Ok(Some(error)),
                };
                let Some(tenants) = &mut record.tenants else {
                    return Ok(None);
                };
                let mut groups = tenants.groups.iter_mut();
                let group = groups.find(|group| self.is(group, &turn));
                match (measured, group) {
                    (Ok(Some(measured)), Some(group)) => group.rounds.push(TenantsRound {
                        round,
                        order,
                        ..measured
                    }),
                    (Err(reason), group) => {
                        let reason = format!("round {}: {reason}", round + 1);
                        observer.notice(&reason);
                        self.load_failed |= turn.background_load == Some(participant.place());
                        if let Some(group) = group {
                            // The first reason: what follows from it often has others.
                            group.error.get_or_insert(reason);
                        }
                    }
                    _ => {}
                }
                order += 1;
                compute_figures(tenants);
                save(record)?;
            }
        }
        Ok(None)
    }

    /// One turn: what this machine's tenants did in it, `None` where they had no part.
    fn turn(
        &mut self,
        turn: &Turn,
        participant: &mut Participant,
    ) -> Result<Option<TenantsRound>, StepError> {
        participant.start_turn()?;
        let place = participant.place();
        let (mut group, result) = split(own(self.load(turn, place))?);
        participant.await_all(result)?;
        let ready = match group.as_mut() {
            Some(group) => {
                let warm = self.study.warm_up_together(group);
                own(warm)?.map(|()| Some(now_us() + micros(START_NOTICE)))
            }
            None => Ok(None),
        };
        let begin = participant.agree_on_begin(ready)?;
        let worked = match group.as_mut() {
            Some(group) => {
                let machine = (turn.position(place), turn.machines.len());
                own(self.study.work_together(group, begin, LONGER_US, machine))?.map(Some)
            }
            None => Ok(None),
        };
        let (window, result) = split(worked);
        // When this machine's tenants were at work, or its load.
        let at_work = |span: fn(&SharedWindow) -> Option<Span>| match &window {
            Some(window) => span(window)
                .map(Some)
                .ok_or_else(|| "it was not at work in the time that counts".to_owned()),
            None => Ok(None),
        };
        let mut before = None;
        if turn.background_load.is_some() {
            let mine = result.clone().and(at_work(SharedWindow::before));
            before = Some(participant.common_span(mine)?);
        }
        let counted = participant.common_span(result.and(at_work(SharedWindow::counted)))?;
        let mine = turn.machines.contains(&place);
        let (Some(group), Some(window)) = (group.filter(|_| mine), window) else {
            return Ok(None);
        };
        let round = self
            .study
            .tenants_round(group, &window, (before, counted), &self.runs);
        let mut round = own(round)?.map_err(StepError::Failed)?;
        round.clocks = vec![participant.clock()];
        round.from_us = Some(participant.to_common(counted.0));
        round.before_load = round.before_load.map(|all| BeforeLoad {
            from_us: before.map(|(from, _)| participant.to_common(from)),
            ..all
        });
        Ok(Some(round))
    }

    /// Workers for the part in `turn` of the machine in this `place`: its tenants or its background load, loaded.
    fn load(&mut self, turn: &Turn, place: usize) -> Result<Option<LoadedGroup>, ProcessError> {
        let (study, pinned) = (self.study, self.sharing.pinned);
        if turn.machines.contains(&place) {
            let arms = self.sharing.arms(turn);
            let mut group = study.load_group(arms, pinned, &self.prepared, &mut self.runs)?;
            group.beside_load = turn.background_load.is_some();
            return Ok(Some(group));
        }
        match self.sharing.background_load {
            Some(share) if turn.background_load == Some(place) => {
                let mut group = study.load_group(&[], pinned, &self.prepared, &mut self.runs)?;
                study.add_background_load(&mut group, self.sharing.arms(turn), share, &self.prepared)?;
                Ok(Some(group))
            }
            _ => Ok(None),
        }
    }

    /// Whether `group`, of this machine's record, is that of `turn`.
    fn is(&self, group: &TenantGroup, turn: &Turn) -> bool {
        let label = |arm: &usize| &self.study.plan.arms[*arm].label;
        // Only then are the turn's arms this machine's.
        group.machines == turn.machines
            && group.background_load_machine == turn.background_load
            && group.tenants.iter().eq(self.sharing.arms(turn).iter().map(label))
    }
}

impl SharingPlan {
    /// The tenants of this machine in a turn that it has a part in.
    fn arms(&self, turn: &Turn) -> &[usize] {
        let last = self.groups.len() - 1;
        &self.groups[turn.group.unwrap_or(last)]
    }
}

/// What came of this machine's own work, for the others to know; the user's wish to stop ends the run.
fn own<T>(result: Result<T, ProcessError>) -> Result<StepResult<T>, SyncError> {
    match result {
        Err(ProcessError::Interrupted) => Err(SyncError::Interrupted),
        other => Ok(other.map_err(|error| error.to_string())),
    }
}

/// What there is, and what is sent of it.
fn split<T>(result: StepResult<Option<T>>) -> (Option<T>, StepResult<()>) {
    match result {
        Ok(value) => (value, Ok(())),
        Err(reason) => (None, Err(reason)),
    }
}
