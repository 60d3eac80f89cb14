//! Tenants on several machines: each measures its own alone while the others wait, then all are at work at the same time.

use std::{io, sync::atomic::Ordering};

use super::{
    super::{
        child::ChildError,
        meeting::{Apart, Meeting, Turn, Verdict, turns},
        summary::ArmRun,
        tenants::settle,
        wall_clock::{micros, now_us},
    },
    Observer, Sharers, Study, StudyError,
    check_pass::Prepared,
    tenants::NOTICE,
};
use crate::record::{Company, Record, Tenants, TenantsRound};

/// How much longer than what counts all work, microseconds: clocks are not read exactly, and nobody's end is to cut off
/// another's last photos.
const LONGER_US: u64 = 250_000;

/// One machine's part in a meeting.
struct Part<'a> {
    study: &'a Study,
    sharing: &'a Sharers,
    prepared: Prepared,
    runs: Vec<ArmRun>,
}

impl Study {
    /// Measures the arms alone in this machine's turn, as [`Study::run`] does, then once a process every turn of the
    /// meeting. `save` keeps what is added after each round. A machine that is left by the others keeps what it has;
    /// why it ended is returned, and not in the record.
    pub fn together(
        &self,
        mut record: Record,
        sharing: &Sharers,
        meeting: &mut dyn Meeting,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<(Record, Option<Apart>), StudyError> {
        let (machines, place) = (meeting.companies().len(), meeting.place());
        let mut part = None;
        for other in 0..machines {
            match meeting.turn(other) {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return Ok((record, Some(Apart::Late(reason)))),
                Err(apart) => return Ok((record, Some(apart))),
            }
            if other == place {
                record = self.run(record, observer, save)?;
                if record.interrupted {
                    return Ok((record, Some(Apart::Interrupted)));
                }
                let (prepared, runs) = self.seen_again(&record, observer)?;
                part = Some(Part {
                    study: self,
                    sharing,
                    prepared,
                    runs,
                });
            } else {
                let names = &meeting.facts().machines;
                observer.phase(&format!("waiting for {}, which measures alone", names[other]));
            }
            match meeting.all_well(Ok(())) {
                Ok(_) => {}
                Err(apart) => return Ok((record, Some(apart))),
            }
        }
        let Some(mut part) = part else {
            return Ok((record, None));
        };
        let mut tenants = self.expected(sharing, meeting, least_rate);
        let (mut order, mut end) = (0, None);
        'rounds: for round in 0..self.plan.processes {
            for turn in turns(meeting.companies(), &meeting.facts().id, round) {
                let step = part.turn(
                    &turn,
                    machines + order,
                    (round, self.plan.processes),
                    meeting,
                    observer,
                );
                let verdict = match step {
                    Ok(verdict) => verdict,
                    Err(apart) => {
                        end = Some(apart);
                        break 'rounds;
                    }
                };
                let company = tenants
                    .companies
                    .iter_mut()
                    .find(|company| part.is(company, &turn));
                match (verdict, company) {
                    (Ok(Some(measured)), Some(company)) => company.rounds.push(TenantsRound {
                        round,
                        order,
                        ..measured
                    }),
                    (Err(reason), company) => {
                        let reason = format!("round {}: {reason}", round + 1);
                        observer.notice(&reason);
                        if let Some(company) = company {
                            company.error = Some(reason);
                        }
                    }
                    _ => {}
                }
                order += 1;
                settle(&mut tenants);
                record.tenants = Some(tenants.clone());
                save(&record)?;
            }
        }
        if end.is_none() {
            meeting.farewell();
        }
        record.interrupted = self.interrupted.load(Ordering::Relaxed) || end.is_some();
        record.tenants = Some(tenants);
        save(&record)?;
        Ok((record, end))
    }

    /// The companies of this machine's record: its own, and those that it is part of.
    fn expected(&self, sharing: &Sharers, meeting: &dyn Meeting, least_rate: Option<f64>) -> Tenants {
        let place = meeting.place();
        let of = |arms: &[usize], machines: Vec<usize>| {
            let labels = arms.iter().map(|arm| self.plan.arms[*arm].label.clone());
            Company {
                machines,
                ..Company::new(labels.collect(), None)
            }
        };
        let alone = sharing.companies.iter().map(|arms| of(arms, vec![place]));
        let mut others: Vec<Vec<usize>> = turns(meeting.companies(), "", 0)
            .into_iter()
            .filter(|turn| turn.company.is_none() && turn.machines.contains(&place))
            .map(|turn| turn.machines)
            .collect();
        others.sort_by_key(Vec::len);
        let all = sharing.companies.last().map_or(&[][..], Vec::as_slice);
        Tenants {
            least_rate,
            companies: alone
                .chain(others.into_iter().map(|machines| of(all, machines)))
                .collect(),
            meeting: Some(meeting.facts().clone()),
        }
    }
}

impl Part<'_> {
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
        observer.phase(&format!(
            "round {} of {rounds}: {}",
            round + 1,
            at_work.join(" + ")
        ));
        let here = meeting.turn(number)?;
        let mine = turn.machines.contains(&meeting.place());
        let arms = mine.then(|| self.arms(turn).to_vec());
        let seated = match (here, &arms) {
            (Ok(()), Some(arms)) => {
                kept(
                    self.study
                        .seat(arms, self.sharing.pinned, &self.prepared, &mut self.runs),
                )?
                .map(Some)
            }
            (here, _) => here.map(|()| None),
        };
        let (mut seated, told) = apart(seated);
        if let Err(reason) = meeting.all_well(told)? {
            return Ok(Err(reason));
        }
        let warm = match seated.as_mut() {
            Some(seated) => {
                kept(self.study.warm_up_together(seated))?.map(|()| Some(now_us() + micros(NOTICE)))
            }
            None => Ok(None),
        };
        let begin = match meeting.begin(warm)? {
            Ok(begin) => begin,
            Err(reason) => return Ok(Err(reason)),
        };
        let shift = match seated.as_mut() {
            Some(seated) => kept(self.study.at_work(seated, begin, LONGER_US))?.map(Some),
            None => Ok(None),
        };
        let (shift, told) = apart(shift);
        let span = match &shift {
            Some(shift) => shift
                .together(shift.counted)
                .map(Some)
                .ok_or_else(|| "its tenants were never at work at the same time".to_owned()),
            None => Ok(None),
        };
        let window = match meeting.together(told.and(span))? {
            Ok(window) => window,
            Err(reason) => return Ok(Err(reason)),
        };
        let (Some(seated), Some(shift)) = (seated, shift) else {
            return Ok(Ok(None));
        };
        let clock = meeting.clock();
        let account = kept(self.study.account(seated, &shift, (None, window), &self.runs))?;
        Ok(account.map(|round| {
            Some(TenantsRound {
                from_us: Some(window.0.saturating_add_signed(clock.offset_us.unwrap_or(0))),
                clocks: vec![clock],
                ..round
            })
        }))
    }

    /// The tenants of this machine in a turn that it has a part in.
    fn arms(&self, turn: &Turn) -> &[usize] {
        let companies = &self.sharing.companies;
        let company = turn.company.unwrap_or(companies.len() - 1);
        &companies[company]
    }

    /// Whether `company`, of this machine's record, is that of `turn`.
    fn is(&self, company: &Company, turn: &Turn) -> bool {
        let label = |arm: &usize| &self.study.plan.arms[*arm].label;
        company.machines == turn.machines && company.tenants.iter().eq(self.arms(turn).iter().map(label))
    }
}

/// A worker's error as a word for the others; the user's wish to stop ends the meeting.
fn kept<T>(result: Result<T, ChildError>) -> Result<Verdict<T>, Apart> {
    match result {
        Err(ChildError::Interrupted) => Err(Apart::Interrupted),
        other => Ok(other.map_err(|error| error.to_string())),
    }
}

/// What there is, and what is told of it.
fn apart<T>(verdict: Verdict<Option<T>>) -> (Option<T>, Verdict<()>) {
    match verdict {
        Ok(value) => (value, Ok(())),
        Err(reason) => (None, Err(reason)),
    }
}
