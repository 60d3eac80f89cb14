//! Tenants on several machines: each measures its own alone while the others wait, then all are at work at the same time.

use std::io;

use super::{
    coordination::{Apart, Meeting, Span, Turn, Verdict, turns},
    tenants::{NOTICE, Seated, Sharers, Shift},
};
use crate::{
    analysis::tenants::settle,
    machine::wall_clock::{micros, now_us},
    record::{BeforeLoad, Record, TenantGroup, Tenants, TenantsRound},
    study::{Observer, Study, StudyError, check_pass::Prepared, describe::cut_short, summary::ArmRun},
    worker::process::ProcessError,
};

/// How much longer than what counts all work, microseconds: clocks are not read exactly, and nobody's end is to cut off
/// another's last photos.
const LONGER_US: u64 = 250_000;

/// One machine's part in a meeting.
struct Part<'a> {
    study: &'a Study,
    sharing: &'a Sharers,
    prepared: Prepared,
    runs: Vec<ArmRun>,
    /// Whether a round beside its load failed: its record has no company to say so in.
    load_failed: bool,
}

/// What came of a machine's part in a meeting.
pub struct Together {
    /// What it measured.
    pub record: Record,
    /// Why it was in step no more; `None` where it came to its end.
    pub apart: Option<Apart>,
    /// Whether a round beside its load failed.
    pub load_failed: bool,
}

impl Study {
    /// Measures the arms alone in this machine's turn, as [`Study::run`] does, then once a process every turn of the
    /// meeting. `save` keeps what is added after each round. A machine that is left by the others keeps what it has, as
    /// an interrupted study; why it ended is not in the record.
    pub fn together(
        &self,
        mut record: Record,
        sharing: &Sharers,
        meeting: &mut dyn Meeting,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Together, StudyError> {
        // From the beginning: what a machine keeps that is left early is its account of this meeting too.
        record.tenants = Some(self.expected(sharing, meeting, least_rate));
        let mut load_failed = false;
        let end = match self.alone(&mut record, sharing, meeting, observer, save)? {
            Err(apart) => Some(apart),
            Ok(None) => None,
            Ok(Some(mut part)) => {
                let end = part.rounds(&mut record, meeting, observer, save)?;
                load_failed = part.load_failed;
                end
            }
        };
        if end.is_none() {
            meeting.farewell();
        }
        // A machine that never had its turn has nothing to keep.
        if end.is_some() && !record.arms.is_empty() {
            cut_short(&mut record);
            save(&record)?;
        }
        Ok(Together {
            record,
            apart: end,
            load_failed,
        })
    }

    /// Each machine's turn to measure its tenants alone: what this one brings to the rounds, or why it came to none.
    fn alone<'a>(
        &'a self,
        record: &mut Record,
        sharing: &'a Sharers,
        meeting: &mut dyn Meeting,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Result<Option<Part<'a>>, Apart>, StudyError> {
        let mut part = None;
        for other in 0..meeting.brings().len() {
            match meeting.turn(other) {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return Ok(Err(Apart::Late(reason))),
                Err(apart) => return Ok(Err(apart)),
            }
            if other == meeting.place() {
                *record = self.run(record.clone(), observer, save)?;
                if record.interrupted {
                    return Ok(Err(self.stopped()));
                }
                let (prepared, runs) = self.seen_again(record, observer)?;
                if self.interruption.is_asked() {
                    return Ok(Err(self.stopped()));
                }
                part = Some(Part {
                    study: self,
                    sharing,
                    prepared,
                    runs,
                    load_failed: false,
                });
            } else {
                let names = &meeting.facts().machines;
                observer.phase(&format!("waiting for {}, which measures alone", names[other]));
            }
            if let Err(apart) = meeting.all_well(Ok(())) {
                return Ok(Err(apart));
            }
        }
        Ok(Ok(part))
    }

    /// Why this machine's study alone was stopped.
    fn stopped(&self) -> Apart {
        if self.interruption.by_user() {
            return Apart::Interrupted;
        }
        Apart::Late(
            "this machine was not done alone when its slot ended: give all machines a longer --study-slot"
                .to_owned(),
        )
    }

    /// The companies of this machine's record: its own, and those that it is part of.
    fn expected(&self, sharing: &Sharers, meeting: &dyn Meeting, least_rate: Option<f64>) -> Tenants {
        let place = meeting.place();
        let mut mine: Vec<Turn> = turns(meeting.brings(), "", 0)
            .into_iter()
            .filter(|turn| turn.machines.contains(&place))
            .collect();
        // Its own companies first, in their order; then growing numbers, and at last those beside a load.
        mine.sort_by_key(|turn| {
            let together = turn.company.is_none();
            (turn.neighbour, together, turn.company, turn.machines.len())
        });
        let of = |turn: Turn| {
            let labels = sharing.arms(&turn).iter();
            let labels = labels.map(|arm| self.plan.arms[*arm].label.clone()).collect();
            let share = turn.neighbour.and_then(|load| meeting.brings()[load].neighbour);
            TenantGroup {
                machines: turn.machines,
                background_load_machine: turn.neighbour,
                ..TenantGroup::new(labels, share)
            }
        };
        let mut tenants = Tenants {
            least_rate,
            groups: mine.into_iter().map(of).collect(),
            coordination: Some(meeting.facts().clone()),
        };
        settle(&mut tenants);
        tenants
    }
}

impl Part<'_> {
    /// All turns of all rounds, into the companies that `record` has; why they ended before their end.
    fn rounds(
        &mut self,
        record: &mut Record,
        meeting: &mut dyn Meeting,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Option<Apart>, StudyError> {
        let (mut order, rounds) = (0, self.study.plan.processes);
        for round in 0..rounds {
            for turn in meeting.turns(round) {
                let number = meeting.brings().len() + order;
                let verdict = match self.turn(&turn, number, (round, rounds), meeting, observer) {
                    Ok(verdict) => verdict,
                    Err(apart) => return Ok(Some(apart)),
                };
                let Some(tenants) = &mut record.tenants else {
                    return Ok(None);
                };
                let mut companies = tenants.groups.iter_mut();
                let company = companies.find(|company| self.is(company, &turn));
                match (verdict, company) {
                    (Ok(Some(measured)), Some(company)) => company.rounds.push(TenantsRound {
                        round,
                        order,
                        ..measured
                    }),
                    (Err(reason), company) => {
                        let reason = format!("round {}: {reason}", round + 1);
                        observer.notice(&reason);
                        self.load_failed |= turn.neighbour == Some(meeting.place());
                        if let Some(company) = company {
                            // The first reason: what follows from it often has others.
                            company.error.get_or_insert(reason);
                        }
                    }
                    _ => {}
                }
                order += 1;
                settle(tenants);
                save(record)?;
            }
        }
        Ok(None)
    }

    /// One turn: what this machine did in it, `None` where it had no part; or why it came to nothing on some machine.
    fn turn(
        &mut self,
        turn: &Turn,
        number: usize,
        (round, rounds): (usize, usize),
        meeting: &mut dyn Meeting,
        observer: &dyn Observer,
    ) -> Result<Verdict<Option<TenantsRound>>, Apart> {
        let names = &meeting.facts().machines;
        let at_work: Vec<&str> = turn.machines.iter().map(|place| names[*place].as_str()).collect();
        let load = turn
            .neighbour
            .map(|load| format!(" beside a load on {}", names[load]));
        observer.phase(&format!(
            "round {} of {rounds}: {}{}",
            round + 1,
            at_work.join(" + "),
            load.unwrap_or_default()
        ));
        let seated = match meeting.turn(number)? {
            Ok(()) => {
                let seated = self.seat(turn, meeting.place());
                self.kept(seated)?
            }
            Err(reason) => Err(reason),
        };
        let (mut seated, told) = apart(seated);
        if let Err(reason) = meeting.all_well(told)? {
            return Ok(Err(reason));
        }
        let warm = match seated.as_mut() {
            Some(seated) => {
                let warm = self.study.warm_up_together(seated);
                self.kept(warm)?.map(|()| Some(now_us() + micros(NOTICE)))
            }
            None => Ok(None),
        };
        let begin = match meeting.begin(warm)? {
            Ok(begin) => begin,
            Err(reason) => return Ok(Err(reason)),
        };
        let shift = match seated.as_mut() {
            Some(seated) => {
                let whole = (turn.position(meeting.place()), turn.machines.len());
                let shift = self.study.at_work(seated, begin, LONGER_US, whole);
                self.kept(shift)?.map(Some)
            }
            None => Ok(None),
        };
        let (shift, told) = apart(shift);
        // When this machine's tenants were at work, or its load.
        let told_of = |span: fn(&Shift) -> Option<Span>| match &shift {
            Some(shift) => span(shift)
                .map(Some)
                .ok_or_else(|| "it was not at work in the time that counts".to_owned()),
            None => Ok(None),
        };
        let mut before = None;
        if turn.neighbour.is_some() {
            match meeting.together(told.clone().and(told_of(Shift::before)))? {
                Ok(window) => before = Some(window),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let window = match meeting.together(told.and(told_of(Shift::counted)))? {
            Ok(window) => window,
            Err(reason) => return Ok(Err(reason)),
        };
        let mine = turn.machines.contains(&meeting.place());
        let (Some(seated), Some(shift)) = (seated.filter(|_| mine), shift) else {
            return Ok(Ok(None));
        };
        let clock = meeting.clock();
        let common = |at: u64| Some(at.saturating_add_signed(clock.offset_us.unwrap_or(0)));
        let account = self.study.account(seated, &shift, (before, window), &self.runs);
        Ok(self.kept(account)?.map(|round| {
            Some(TenantsRound {
                from_us: common(window.0),
                clocks: vec![clock],
                before_load: round.before_load.map(|all| BeforeLoad {
                    from_us: before.and_then(|before| common(before.0)),
                    ..all
                }),
                ..round
            })
        }))
    }

    /// A worker's error as a word for the others; the user's wish to stop ends the meeting.
    fn kept<T>(&self, result: Result<T, ProcessError>) -> Result<Verdict<T>, Apart> {
        match result {
            Err(ProcessError::Interrupted) if self.study.interruption.by_user() => Err(Apart::Interrupted),
            Err(ProcessError::Interrupted) => Ok(Err(
                "its slot ended before its work did: give all machines a longer --slot".to_owned(),
            )),
            other => Ok(other.map_err(|error| error.to_string())),
        }
    }

    /// Workers for this machine's part in `turn`, where it is in this `place`: its tenants or its load, loaded.
    fn seat(&mut self, turn: &Turn, place: usize) -> Result<Option<Seated>, ProcessError> {
        let (study, pinned) = (self.study, self.sharing.pinned);
        if turn.machines.contains(&place) {
            let arms = self.sharing.arms(turn);
            let mut seated = study.seat(arms, pinned, &self.prepared, &mut self.runs)?;
            seated.burdened = turn.neighbour.is_some();
            return Ok(Some(seated));
        }
        match self.sharing.neighbour {
            Some(share) if turn.neighbour == Some(place) => {
                let mut seated = study.seat(&[], pinned, &self.prepared, &mut self.runs)?;
                study.burden(&mut seated, self.sharing.arms(turn), share, &self.prepared)?;
                Ok(Some(seated))
            }
            _ => Ok(None),
        }
    }

    /// Whether `company`, of this machine's record, is that of `turn`.
    fn is(&self, company: &TenantGroup, turn: &Turn) -> bool {
        let label = |arm: &usize| &self.study.plan.arms[*arm].label;
        company.machines == turn.machines
            && company.background_load_machine == turn.neighbour
            && company
                .tenants
                .iter()
                .eq(self.sharing.arms(turn).iter().map(label))
    }
}

impl Sharers {
    /// The tenants of this machine in a turn that it has a part in.
    fn arms(&self, turn: &Turn) -> &[usize] {
        let last = self.companies.len() - 1;
        &self.companies[turn.company.unwrap_or(last)]
    }
}

/// What there is, and what is told of it.
fn apart<T>(verdict: Verdict<Option<T>>) -> (Option<T>, Verdict<()>) {
    match verdict {
        Ok(value) => (value, Ok(())),
        Err(reason) => (None, Err(reason)),
    }
}
