//! Several machines that measure tenants of one device at the same time: whose turn it is, when all begin, and in which time
//! all of them were at work.
//!
//! One of the machines runs a small [`server`], the coordinator; each takes part as a [`participant`], and proves by
//! [`auth`] that it may. Times that machines send each other are of the *common* clock, which is that of the machine in
//! place 0; each machine converts them by its own [`ClockReading`](crate::record::ClockReading).

mod admission;
pub mod auth;
pub mod clock;
mod heartbeat;
mod messages;
pub mod participant;
pub mod server;

pub use admission::MOST_MACHINES;
pub use messages::Hello;

use std::time::Duration;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A time from and to, microseconds since 1970.
pub type Span = (u64, u64);

/// What a machine sends at a step: a value, or why it could not do its part.
pub type StepResult<T> = Result<T, String>;

/// Why a machine goes no further in a turn.
#[derive(Debug, Error)]
pub enum StepError {
    /// One could not do its part: the turn is over on all machines, and the next one begins.
    #[error("{0}")]
    Failed(String),
    /// This machine is not in step any more.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

/// What a machine offers to measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Groups of tenants that it measures by itself, the last of them all of its tenants; at least 1.
    pub tenant_groups: usize,
    /// Share of its time, above 0 and up to 1, of a load that begins late beside the other machines' tenants.
    pub background_load: Option<f64>,
}

/// Why a machine is not in step with the others any more.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The user wants to stop.
    #[error("stopped")]
    Interrupted,
    /// One has left before the end.
    #[error("{0} has left")]
    Left(String),
    /// One was dropped.
    #[error("{name} has said nothing for {} s and was dropped", limit.as_secs())]
    Silent {
        /// Who.
        name: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Whoever answers there does not have the token.
    #[error(
        "the machine at {address} does not prove that it has the token, so it was told nothing: see that --join names the \
         machine with --lead, and that both have the same token"
    )]
    Stranger {
        /// Where.
        address: String,
    },
    /// The server or another machine said what cannot be.
    #[error("{address} sent what cannot be: {what}")]
    Impossible {
        /// Where.
        address: String,
        /// What, and by whom.
        what: String,
    },
    /// The server does not take this machine.
    #[error("the machine at {address} refuses this one: {reason}")]
    Refused {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// The server cannot be reached, or not any more.
    #[error("{address}: {reason}")]
    Lost {
        /// Where.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The server sent something that does not belong there.
    #[error("{address} sent something unexpected: {message}")]
    Unexpected {
        /// Where.
        address: String,
        /// The beginning of it.
        message: String,
    },
}

/// What is measured in one turn of a coordinated run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The places of the machines at work.
    pub machines: Vec<usize>,
    /// Which of its own tenant groups each of them measures; `None` for the last, which is all of its tenants.
    pub group: Option<usize>,
    /// The place of the machine whose background load begins late beside them; that machine's own tenants rest.
    pub background_load: Option<usize>,
}

impl Turn {
    /// The turn for those that wait: the names of the machines at work, of all `machines`.
    pub fn describe(&self, machines: &[String]) -> String {
        let at_work: Vec<&str> = self
            .machines
            .iter()
            .map(|place| machines[*place].as_str())
            .collect();
        let load = self.background_load;
        let load = load.map(|load| format!(" beside a background load on {}", machines[load]));
        at_work.join(" + ") + &load.unwrap_or_default()
    }

    /// Which of the machines at work the one at `place` is, from 0.
    pub fn position(&self, place: usize) -> usize {
        let before = |other: &&usize| **other < place;
        self.machines.iter().filter(before).count()
    }
}

/// Every turn of a round, in an order by `seed` that is the same for all machines: each tenant group of each machine alone,
/// then the first two machines, the first four, eight and so on, and all of them; and for each machine that offers a
/// background load, all the others beside it.
pub fn turns(offers: &[Offer], seed: &str, round: usize) -> Vec<Turn> {
    let alone = offers.iter().enumerate().flat_map(|(place, offer)| {
        (0..offer.tenant_groups).map(move |group| Turn {
            machines: vec![place],
            group: Some(group),
            background_load: None,
        })
    });
    let all = offers.len();
    let sizes = std::iter::successors(Some(2), |size| Some(size * 2)).take_while(|size| *size < all);
    let together = sizes.chain(std::iter::once(all)).map(|size| Turn {
        machines: (0..size).collect(),
        group: None,
        background_load: None,
    });
    let loads = (0..all).filter(|place| offers[*place].background_load.is_some());
    let beside = loads.map(|load| Turn {
        machines: (0..all).filter(|place| *place != load).collect(),
        group: None,
        background_load: Some(load),
    });
    let mut turns: Vec<Turn> = alone.chain(together).chain(beside).collect();
    let digest = Sha256::digest(format!("{seed} {round}"));
    let mut seed = [0; 32];
    seed.copy_from_slice(&digest);
    turns.shuffle(&mut ChaCha8Rng::from_seed(seed));
    turns
}

/// Takes any bytes for what another machine says, to the server and to a participant: for fuzzing.
#[doc(hidden)]
pub fn read_untrusted(bytes: &[u8]) {
    use admission::{Welcome, unfit, unfit_welcome};
    use messages::{ClientMessage, LONGEST_LINE, Received, Receiver, ServerMessage};
    let mut said = Receiver::new(bytes, LONGEST_LINE);
    while let Ok(received) = said.receive() {
        match received {
            Received::Closed => break,
            Received::Message(ClientMessage::Hello { hello }) => drop(unfit(&hello)),
            _ => {}
        }
    }
    let mut said = Receiver::new(bytes, LONGEST_LINE);
    while let Ok(received) = said.receive() {
        let (id, place, machines, offers) = match received {
            Received::Closed => break,
            Received::Message(ServerMessage::Welcome {
                id,
                place,
                machines,
                offers,
            }) => (id, place, machines, offers),
            _ => continue,
        };
        let Some((name, offer)) = machines.get(place).zip(offers.get(place)) else {
            continue;
        };
        let hello = Hello {
            name: name.clone(),
            offer: *offer,
            terms: Vec::new(),
        };
        let welcome = Welcome {
            id: &id,
            place,
            machines: &machines,
            offers: &offers,
        };
        if unfit_welcome(&welcome, &hello).is_none() {
            for turn in turns(&offers, &id, 0) {
                assert!(turn.position(place) <= machines.len() && !turn.describe(&machines).is_empty());
            }
        }
    }
}

/// `micros` later by `offset`, which may be negative.
fn shifted(micros: u64, offset: i64) -> u64 {
    micros.saturating_add_signed(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines with so many tenant groups each, and no load.
    fn offers(groups: &[usize]) -> Vec<Offer> {
        let of = |groups: &usize| Offer {
            tenant_groups: *groups,
            background_load: None,
        };
        groups.iter().map(of).collect()
    }

    #[test]
    fn every_machine_is_alone_once_and_together_in_growing_numbers() {
        let offers = offers(&[1, 2, 1, 1, 1]);
        let mut turns = turns(&offers, "a", 0);
        let order = turns.clone();
        turns.sort_by_key(|turn| (turn.machines.len(), turn.machines.clone(), turn.group));
        let sorted: Vec<(usize, Option<usize>)> = turns
            .iter()
            .map(|turn| (turn.machines.len(), turn.group))
            .collect();
        let alone = |group| (1, Some(group));
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
        assert_eq!(sorted, expected);
        assert_eq!(
            super::turns(&offers, "a", 0),
            order,
            "all machines have the same order"
        );
        assert_ne!(super::turns(&offers, "a", 1), order, "rounds differ");
    }

    #[test]
    fn two_machines_work_together_once_a_round() {
        let turns = turns(&offers(&[1, 1]), "b", 0);
        assert_eq!(turns.iter().filter(|turn| turn.machines == [0, 1]).count(), 1);
        assert_eq!(turns.len(), 3);
    }

    #[test]
    fn a_load_is_beside_all_the_others() {
        let mut offers = offers(&[1, 1, 1]);
        offers[1].background_load = Some(0.5);
        let turns = turns(&offers, "c", 0);
        let beside: Vec<&Turn> = turns
            .iter()
            .filter(|turn| turn.background_load.is_some())
            .collect();
        let [only] = &beside[..] else { panic!("{beside:?}") };
        assert_eq!((&only.machines[..], only.background_load), (&[0, 2][..], Some(1)));
        assert_eq!(turns.len(), 6, "three alone, two, three, and two beside the load");
    }
}
