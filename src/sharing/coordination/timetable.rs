//! A meeting by the clock: every machine was given the same point in time, its place and the same slots, and nothing is said
//! between them. Their clocks must agree by themselves (NTP, PTP, or the hypervisor's clock), which nothing here proves.
//!
//! First comes one long slot for each machine, in which it measures its tenants alone; then one slot a turn. Work begins so
//! that it ends just before its slot does: the rest is for loading and warming up. What overruns a slot is stopped at its end.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Apart, Brings, Meeting, Span, Turn, Verdict, sleep_until, turns};
use crate::{
    machine::wall_clock::{micros, now_us},
    record::{self, ClockReading},
    worker::interruption::Interruption,
};

/// The least time between the end of the work and the end of its slot: workers go home.
const TAIL: Duration = Duration::from_secs(2);
/// Before the end of a slot all that still works in it is stopped: the next machine's turn is not to suffer.
const STOP: Duration = Duration::from_millis(500);
/// A machine that begins a slot later than this is late.
const LATE: Duration = Duration::from_secs(1);

/// What all machines were given.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// When the first slot begins, microseconds since 1970.
    pub start_us: u64,
    /// This machine's place and the number of machines.
    pub place: usize,
    /// How many machines there are.
    pub machines: usize,
    /// What this machine is called.
    pub name: String,
    /// Companies that each machine measures by itself: as many on each.
    pub companies: usize,
    /// Length of the slot in which a machine measures alone.
    pub study_slot: Duration,
    /// Length of the slot of one turn.
    pub slot: Duration,
    /// How long tenants are warmed up before it.
    pub warmup: Duration,
    /// The first part of the work, which does not count.
    pub lead_in: Duration,
    /// The part that counts.
    pub duration: Duration,
    /// What must be the same on all machines, by name.
    pub terms: Vec<(String, String)>,
}

/// A machine that keeps to a timetable.
pub struct Timetable {
    appointment: Appointment,
    facts: record::CoordinatedRun,
    brings: Vec<Brings>,
    /// Gets the end of each slot as its deadline.
    interruption: Interruption,
    /// The beginning of the present slot.
    slot_us: u64,
    /// The part of the present slot that counts.
    counted: Span,
}

impl Appointment {
    /// The time from the beginning of a turn's slot to the beginning of its work, for loading and warming up: most of what
    /// the slot has to spare. The rest is for photos that take long to end. `None` where it is too short for the work.
    pub fn preparation(&self) -> Option<Duration> {
        let work = self.warmup + self.lead_in + self.duration + TAIL;
        let spare = self.slot.checked_sub(work)?;
        Some(self.warmup + spare * 3 / 4)
    }

    /// What each machine brings: no load, for that would have to be known to all.
    pub fn brings(&self) -> Brings {
        Brings {
            companies: self.companies,
            neighbour: None,
        }
    }

    /// When slot `number` begins, microseconds since 1970.
    pub fn begins_us(&self, number: usize) -> u64 {
        let studies = number.min(self.machines) as u64;
        let turns = number.saturating_sub(self.machines) as u64;
        self.start_us + studies * micros(self.study_slot) + turns * micros(self.slot)
    }
}

impl Timetable {
    /// Keeps to `appointment`.
    pub fn new(appointment: Appointment, interruption: &Interruption) -> Self {
        let machines = (0..appointment.machines).map(|place| {
            if place == appointment.place {
                appointment.name.clone()
            } else {
                format!("machine {place}")
            }
        });
        let told = format!(
            "{} {} {} {:?} {:?} {:?}",
            appointment.start_us,
            appointment.machines,
            appointment.companies,
            appointment.study_slot,
            appointment.slot,
            appointment.terms
        );
        let facts = record::CoordinatedRun {
            id: base16ct::lower::encode_string(&Sha256::digest(told)[..8]),
            machines: machines.collect(),
            machine_index: Some(appointment.place),
        };
        Self {
            brings: vec![appointment.brings(); appointment.machines],
            interruption: interruption.clone(),
            facts,
            slot_us: 0,
            counted: (0, 0),
            appointment,
        }
    }
}

impl Meeting for Timetable {
    fn facts(&self) -> &record::CoordinatedRun {
        &self.facts
    }

    fn brings(&self) -> &[Brings] {
        &self.brings
    }

    fn turns(&self, round: usize) -> Vec<Turn> {
        // Not by the terms: a machine whose terms are other than the rest's must not be in their way.
        let seed = self.appointment.start_us.to_string();
        turns(&self.brings, &seed, round)
    }

    fn turn(&mut self, number: usize) -> Result<Verdict<()>, Apart> {
        self.slot_us = self.appointment.begins_us(number);
        let end = self.appointment.begins_us(number + 1);
        self.interruption
            .set_deadline(Some(end.saturating_sub(micros(STOP))));
        let late = Duration::from_micros(now_us().saturating_sub(self.slot_us));
        let study = number < self.appointment.machines;
        if late <= LATE {
            sleep_until(self.slot_us, &self.interruption)?;
            return Ok(Ok(()));
        }
        let reason = |longer: &str| {
            format!(
                "this machine was not ready when its slot began, {:.0} s ago: give all machines {longer}",
                late.as_secs_f64()
            )
        };
        // In another's slot it only waits.
        if study && number != self.appointment.place {
            return Ok(Ok(()));
        }
        if study {
            return Err(Apart::Late(reason("a later --start-at or a longer --study-slot")));
        }
        Ok(Err(reason(
            "a longer --slot, or a longer --study-slot if this is the first",
        )))
    }

    fn all_well(&mut self, mine: Verdict<()>) -> Result<Verdict<()>, Apart> {
        Ok(mine)
    }

    fn begin(&mut self, mine: Verdict<Option<u64>>) -> Result<Verdict<u64>, Apart> {
        let preparation = self.appointment.preparation().unwrap_or_default();
        let at = self.slot_us + micros(preparation);
        let counted = at + micros(self.appointment.lead_in);
        self.counted = (counted, counted + micros(self.appointment.duration));
        Ok(mine.and_then(|proposed| match proposed {
            Some(proposed) if proposed > at => Err(format!(
                "loading and warming up took {:.1} s too long: give all machines a longer --slot",
                (proposed - at) as f64 / 1e6
            )),
            _ => Ok(at),
        }))
    }

    fn together(&mut self, mine: Verdict<Option<Span>>) -> Result<Verdict<Span>, Apart> {
        let counted = self.counted;
        Ok(mine.and_then(|mine| match mine {
            Some(mine) if mine != counted => Err("this machine was not at work all the time".to_owned()),
            _ => Ok(counted),
        }))
    }

    fn clock(&self) -> ClockReading {
        ClockReading {
            offset_us: None,
            uncertainty_us: None,
        }
    }

    fn farewell(&mut self) {
        self.interruption.set_deadline(None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn appointment(start_us: u64) -> Appointment {
        Appointment {
            start_us,
            place: 1,
            machines: 3,
            name: "vm1".to_owned(),
            companies: 1,
            study_slot: Duration::from_mins(1),
            slot: Duration::from_secs(10),
            warmup: Duration::ZERO,
            lead_in: Duration::from_secs(1),
            duration: Duration::from_secs(3),
            terms: Vec::new(),
        }
    }

    #[test]
    fn studies_come_first_then_turns() {
        let appointment = appointment(1_000_000);
        let seconds = |number| appointment.begins_us(number) / 1_000_000;
        assert_eq!(
            (seconds(0), seconds(2), seconds(3), seconds(5)),
            (1, 121, 181, 201)
        );
        assert_eq!(appointment.preparation(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn one_that_comes_late_is_told_so() {
        let never = Interruption::new(Arc::default());
        let mut late = Timetable::new(appointment(now_us() - 300_000_000), &never);
        assert!(matches!(late.turn(1), Err(Apart::Late(_))));
        assert_eq!(late.turn(0).unwrap(), Ok(()));
        assert!(late.turn(3).unwrap().unwrap_err().contains("--slot"));
        let begin = late.begin(Ok(Some(now_us()))).unwrap();
        assert!(begin.unwrap_err().contains("--slot"));
    }

    #[test]
    fn all_have_one_window_or_none() {
        let never = Interruption::new(Arc::default());
        let mut table = Timetable::new(appointment(now_us()), &never);
        table.slot_us = 100_000_000;
        assert_eq!(table.begin(Ok(Some(99_000_000))).unwrap(), Ok(103_000_000));
        let all = (104_000_000, 107_000_000);
        assert_eq!(table.together(Ok(Some(all))).unwrap(), Ok(all));
        assert_eq!(table.together(Ok(None)).unwrap(), Ok(all));
        assert!(
            table
                .together(Ok(Some((104_100_000, 107_000_000))))
                .unwrap()
                .is_err()
        );
        let other = Timetable::new(
            Appointment {
                place: 0,
                name: "vm0".to_owned(),
                ..appointment(5)
            },
            &never,
        );
        let same = Timetable::new(appointment(5), &never);
        assert_eq!(other.facts().id, same.facts().id);
        assert_eq!(other.facts().machines, ["vm0", "machine 1", "machine 2"]);
        let unlike = Timetable::new(
            Appointment {
                terms: vec![("--duration".to_owned(), "9 s".to_owned())],
                ..appointment(5)
            },
            &never,
        );
        assert_ne!(unlike.facts().id, same.facts().id, "merge is to refuse it");
        assert_eq!(
            unlike.turns(1),
            same.turns(1),
            "and till then it keeps to its turns"
        );
    }
}
