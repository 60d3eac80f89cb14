//! Several machines that measure tenants of one device at the same time: who is whose turn, when all begin, and which
//! time all of them were at work.
//!
//! A machine is in step with the others either through a small service that one of them runs ([`server`], [`participant`]), or
//! by a timetable that all of them were given ([`timetable`]). Times that machines tell each other are of the *common*
//! clock, which is that of the machine in place 0; each machine converts them by its own [`ClockReading`].

pub mod clock;
mod messages;
pub mod participant;
pub mod server;
pub mod timetable;

use std::{thread, time::Duration};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    machine::wall_clock::now_us,
    record::{self, ClockReading},
    worker::interruption::Interruption,
};

/// A time from and to, microseconds since 1970.
pub type Span = (u64, u64);

/// What all machines come to together: a value, or why one of them could not do its part.
pub type Verdict<T> = Result<T, String>;

/// What a machine brings to a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brings {
    /// Companies of tenants that it measures by itself, the last of them all of its tenants; at least 1.
    pub companies: usize,
    /// Share of its time, above 0 and up to 1, of a load that begins late beside the other machines' tenants.
    pub neighbour: Option<f64>,
}

/// Why a machine is not in step with the others any more.
#[derive(Debug, Error)]
pub enum Apart {
    /// The user wants to stop.
    #[error("stopped")]
    Interrupted,
    /// One has left before the end.
    #[error("{0} has left")]
    Gone(String),
    /// A timetable did not leave this machine the time that it needs.
    #[error("{0}")]
    Late(String),
    /// The service does not take this machine.
    #[error("the meeting at {address} refuses this machine: {reason}")]
    Refused {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// The service cannot be reached, or not any more.
    #[error("{address}: {reason}")]
    Lost {
        /// Where.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The service said something that does not belong there.
    #[error("the meeting at {address} said something unexpected: {said}")]
    Unexpected {
        /// Where.
        address: String,
        /// The beginning of it.
        said: String,
    },
}

/// How a machine keeps in step with the others. All of them call the same functions in the same order, also in turns that
/// they have no part in: those bring nothing and wait.
pub trait Meeting {
    /// What the record says of it.
    fn facts(&self) -> &record::CoordinatedRun;

    /// The place of this machine, from 0.
    fn place(&self) -> usize {
        self.facts().machine_index.unwrap_or(0)
    }

    /// What each machine brings, in the machines' places.
    fn brings(&self) -> &[Brings];

    /// Every turn of `round`, counted from 0, in an order that is the same for all machines.
    fn turns(&self, round: usize) -> Vec<Turn> {
        turns(self.brings(), &self.facts().id, round)
    }

    /// Waits until all machines are at turn `number`, counted from 0, and nobody works any more.
    fn turn(&mut self, number: usize) -> Result<Verdict<()>, Apart>;

    /// Waits until all have done what they had to do, or one could not.
    fn all_well(&mut self, mine: Verdict<()>) -> Result<Verdict<()>, Apart>;

    /// When all begin, by this machine's clock: the latest of what those proposed that have a part in it.
    fn begin(&mut self, mine: Verdict<Option<u64>>) -> Result<Verdict<u64>, Apart>;

    /// The time in which all were at work that had a part in it, by this machine's clock.
    fn together(&mut self, mine: Verdict<Option<Span>>) -> Result<Verdict<Span>, Apart>;

    /// How this machine's clock stands to the common one; once a turn is over, with a bound that holds for all of it.
    fn clock(&self) -> ClockReading;

    /// All turns are done.
    fn farewell(&mut self);
}

/// What is measured in one turn of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The places of the machines at work.
    pub machines: Vec<usize>,
    /// Which of its own companies each of them brings; `None` for the last, which is all of its tenants.
    pub company: Option<usize>,
    /// The place of the machine whose load begins late beside them; that machine's own tenants rest.
    pub neighbour: Option<usize>,
}

impl Turn {
    /// Which of the machines at work the one at `place` is, from 0.
    pub fn position(&self, place: usize) -> usize {
        let before = |other: &&usize| **other < place;
        self.machines.iter().filter(before).count()
    }
}

/// Every turn of a round, in an order by `seed` that is the same for all machines: each company of each machine alone, then
/// the first two machines, the first four, eight and so on, and all of them; and for each machine that brings a load, all the
/// others beside it.
pub fn turns(brings: &[Brings], seed: &str, round: usize) -> Vec<Turn> {
    let alone = brings.iter().enumerate().flat_map(|(place, brings)| {
        (0..brings.companies).map(move |company| Turn {
            machines: vec![place],
            company: Some(company),
            neighbour: None,
        })
    });
    let all = brings.len();
    let sizes = std::iter::successors(Some(2), |size| Some(size * 2)).take_while(|size| *size < all);
    let together = sizes.chain(std::iter::once(all)).map(|size| Turn {
        machines: (0..size).collect(),
        company: None,
        neighbour: None,
    });
    let loads = (0..all).filter(|place| brings[*place].neighbour.is_some());
    let burdened = loads.map(|load| Turn {
        machines: (0..all).filter(|place| *place != load).collect(),
        company: None,
        neighbour: Some(load),
    });
    let mut turns: Vec<Turn> = alone.chain(together).chain(burdened).collect();
    let digest = Sha256::digest(format!("{seed} {round}"));
    let mut seed = [0; 32];
    seed.copy_from_slice(&digest);
    turns.shuffle(&mut ChaCha8Rng::from_seed(seed));
    turns
}

/// `micros` later by `offset`, which may be negative.
fn shifted(micros: u64, offset: i64) -> u64 {
    micros.saturating_add_signed(offset)
}

/// Sleeps until `until` by this machine's clock.
fn sleep_until(until: u64, interruption: &Interruption) -> Result<(), Apart> {
    loop {
        if interruption.is_asked() {
            return Err(Apart::Interrupted);
        }
        let left = until.saturating_sub(now_us());
        if left == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_micros(left.min(100_000)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines with so many companies each, and no load.
    fn bring(companies: &[usize]) -> Vec<Brings> {
        let of = |companies: &usize| Brings {
            companies: *companies,
            neighbour: None,
        };
        companies.iter().map(of).collect()
    }

    #[test]
    fn every_machine_is_alone_once_and_together_in_growing_numbers() {
        let brings = bring(&[1, 2, 1, 1, 1]);
        let mut turns = turns(&brings, "a", 0);
        let order = turns.clone();
        turns.sort_by_key(|turn| (turn.machines.len(), turn.machines.clone(), turn.company));
        let told: Vec<(usize, Option<usize>)> = turns
            .iter()
            .map(|turn| (turn.machines.len(), turn.company))
            .collect();
        let alone = |company| (1, Some(company));
        let expected = [
            alone(0),
            alone(0),
            alone(1),
            alone(0),
            alone(0),
            alone(0),
            (2, None),
            (4, None),
            (5, None),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            super::turns(&brings, "a", 0),
            order,
            "all machines have the same order"
        );
        assert_ne!(super::turns(&brings, "a", 1), order, "rounds differ");
    }

    #[test]
    fn two_machines_meet_once_a_round() {
        let turns = turns(&bring(&[1, 1]), "b", 0);
        assert_eq!(turns.iter().filter(|turn| turn.machines == [0, 1]).count(), 1);
        assert_eq!(turns.len(), 3);
    }

    #[test]
    fn a_load_is_beside_all_the_others() {
        let mut brings = bring(&[1, 1, 1]);
        brings[1].neighbour = Some(0.5);
        let turns = turns(&brings, "c", 0);
        let burdened: Vec<&Turn> = turns.iter().filter(|turn| turn.neighbour.is_some()).collect();
        let [only] = &burdened[..] else {
            panic!("{burdened:?}")
        };
        assert_eq!((&only.machines[..], only.neighbour), (&[0, 2][..], Some(1)));
        assert_eq!(turns.len(), 6, "three alone, two, three, and two beside the load");
    }
}
