//! A machine's part in a meeting that a service keeps in step.

use std::{
    io::BufReader,
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use super::{
    Apart, Brings, Meeting, Span, Verdict,
    clock::{self, Ping},
    messages::{FromService, Hello, Said, ToService, hear, is_timeout, keep_alive, say},
    shifted,
};
use crate::{
    machine::wall_clock::now_us,
    record::{self, ClockReading},
    worker::interruption::Interruption,
};

/// Pings of one reading of the clock.
const PINGS: usize = 16;
/// How often the service is looked for while it is not there.
const AGAIN: Duration = Duration::from_millis(300);
/// How long the service is looked for: machines of one stack start minutes apart.
const SEARCH: Duration = Duration::from_mins(10);
/// How often a waiting machine looks whether the user wants to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// Characters of a reason that are told to others.
const LONGEST_REASON: usize = 300;
/// Longest way of one ping.
const LOST: Duration = Duration::from_secs(10);

/// What a machine says of itself.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// What it is called.
    pub name: String,
    /// What it brings.
    pub brings: Brings,
    /// What must be the same on all machines, by name.
    pub terms: Vec<(String, String)>,
    /// The service's own machine says the service's key; others nothing.
    pub key: String,
}

/// A machine in a meeting. One that is dropped before its farewell ends the meeting for all.
pub struct Member {
    address: String,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    held: Vec<u8>,
    interruption: Interruption,
    facts: record::CoordinatedRun,
    brings: Vec<Brings>,
    /// The common clock as it was read at the beginning of this turn, or what holds for all of it, and when that was.
    clock: ClockReading,
    read_at: Instant,
}

impl Member {
    /// Goes to the meeting at `address`, and waits until all machines are there. `waiting` is told once if the service is
    /// not there yet.
    pub fn join(
        address: &str,
        introduction: Introduction,
        interruption: &Interruption,
        waiting: &dyn Fn(&str),
    ) -> Result<Self, Apart> {
        let stream = connect(address, interruption, waiting)?;
        let lost = |error: std::io::Error| Apart::Lost {
            address: address.to_owned(),
            reason: error.to_string(),
        };
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(GLANCE)).map_err(lost)?;
        keep_alive(&stream);
        let mut member = Self {
            address: address.to_owned(),
            reader: BufReader::new(stream.try_clone().map_err(lost)?),
            writer: stream,
            held: Vec::new(),
            interruption: interruption.clone(),
            facts: record::CoordinatedRun {
                id: String::new(),
                machines: Vec::new(),
                machine_index: None,
            },
            brings: Vec::new(),
            clock: ClockReading {
                offset_us: None,
                uncertainty_us: None,
            },
            read_at: Instant::now(),
        };
        member.say(&ToService::Hello(Hello {
            name: introduction.name,
            brings: introduction.brings,
            terms: introduction.terms,
            key: introduction.key,
        }))?;
        match member.hear(None)? {
            FromService::Welcome {
                id,
                place,
                machines,
                brings,
            } => {
                member.facts.id = id;
                member.facts.machines = machines;
                member.facts.machine_index = Some(place);
                member.brings = brings;
                Ok(member)
            }
            FromService::Refused { reason } => Err(Apart::Refused {
                address: member.address.clone(),
                reason,
            }),
            other => Err(member.unexpected(&other)),
        }
    }

    fn say(&mut self, word: &ToService) -> Result<(), Apart> {
        let said = say(&mut self.writer, word);
        said.map_err(|error| self.lost(error.to_string()))
    }

    /// The next word; waits for it, at most for `patience`.
    fn hear(&mut self, patience: Option<Duration>) -> Result<FromService, Apart> {
        let asked = Instant::now();
        loop {
            if self.interruption.is_asked() {
                return Err(Apart::Interrupted);
            }
            match hear(&mut self.reader, &mut self.held) {
                Ok(Some(FromService::Gone { name })) => return Err(Apart::Gone(name)),
                Ok(Some(word)) => return Ok(word),
                Ok(None) => return Err(self.lost("the meeting is over".to_owned())),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(self.lost(error.to_string())),
            }
            if patience.is_some_and(|patience| asked.elapsed() >= patience) {
                return Err(self.lost("no answer".to_owned()));
            }
        }
    }

    fn lost(&self, reason: String) -> Apart {
        Apart::Lost {
            address: self.address.clone(),
            reason,
        }
    }

    fn unexpected(&self, word: &FromService) -> Apart {
        Apart::Unexpected {
            address: self.address.clone(),
            said: format!("{word:?}").chars().take(100).collect(),
        }
    }

    /// Says `mine` and hears what all say; or why one of them could not do its part.
    fn step(&mut self, mine: Verdict<Said>) -> Result<Verdict<Vec<Said>>, Apart> {
        // All reasons go to all machines in one line.
        let mine = mine.unwrap_or_else(|reason| Said::Failed {
            reason: reason.chars().take(LONGEST_REASON).collect(),
        });
        self.say(&ToService::Said(mine))?;
        let said = match self.hear(None)? {
            FromService::All { said } => said,
            other => return Err(self.unexpected(&other)),
        };
        let failed = said
            .iter()
            .zip(&self.facts.machines)
            .find_map(|(said, name)| match said {
                Said::Failed { reason } => Some(format!("{name}: {reason}")),
                _ => None,
            });
        Ok(failed.map_or(Ok(said), Err))
    }

    /// Reads the common clock.
    fn read_clock(&mut self) -> Result<ClockReading, Apart> {
        let mut pings = Vec::with_capacity(PINGS);
        for _ in 0..PINGS {
            let (sent_us, sent) = (now_us(), Instant::now());
            self.say(&ToService::Ping { sent_us })?;
            match self.hear(Some(LOST))? {
                FromService::Pong {
                    sent_us: echoed,
                    here_us,
                } if echoed == sent_us => pings.push(Ping {
                    sent_us,
                    there_us: here_us,
                    way: sent.elapsed(),
                }),
                other => return Err(self.unexpected(&other)),
            }
        }
        Ok(clock::read(&pings).unwrap_or(self.clock))
    }

    /// Reads it once more: what holds for all of the turn so far, or that a clock was set in it.
    fn clock_since(&mut self) -> Result<Verdict<ClockReading>, Apart> {
        let now = self.read_clock()?;
        Ok(clock::held(self.clock, now, self.read_at.elapsed()))
    }

    /// What is to be added to this machine's clock to get the common one.
    fn offset(&self) -> i64 {
        self.clock.offset_us.unwrap_or(0)
    }
}

impl Meeting for Member {
    fn facts(&self) -> &record::CoordinatedRun {
        &self.facts
    }

    fn brings(&self) -> &[Brings] {
        &self.brings
    }

    fn turn(&mut self, _: usize) -> Result<Verdict<()>, Apart> {
        // Before the others are let on: nobody works yet, and pings go as quick as they can.
        self.clock = self.read_clock()?;
        self.read_at = Instant::now();
        self.all_well(Ok(()))
    }

    fn all_well(&mut self, mine: Verdict<()>) -> Result<Verdict<()>, Apart> {
        let said = self.step(mine.map(|()| Said::Here))?;
        Ok(said.map(|_| ()))
    }

    fn begin(&mut self, mine: Verdict<Option<u64>>) -> Result<Verdict<u64>, Apart> {
        // A clock that was set while tenants were loaded must not have all wait for a time far away.
        let held = self.clock_since()?;
        let mine = mine.and_then(|mine| held.map(|_| mine));
        let offset = self.offset();
        let proposal = |at: Option<u64>| {
            at.map_or(Said::Here, |at| Said::Begin {
                at_us: shifted(at, offset),
            })
        };
        let said = self.step(mine.map(proposal))?;
        Ok(said.and_then(|said| {
            let times = said.iter().filter_map(|said| match said {
                Said::Begin { at_us } => Some(*at_us),
                _ => None,
            });
            let latest = times.max().ok_or("nobody has a part in this turn")?;
            Ok(shifted(latest, -offset))
        }))
    }

    fn together(&mut self, mine: Verdict<Option<Span>>) -> Result<Verdict<Span>, Apart> {
        // Once more now that the work is done: the reading of the beginning is what all times of this turn rest on.
        let held = self.clock_since()?;
        let mine = mine.and_then(|mine| {
            self.clock = held?;
            Ok(mine)
        });
        let offset = self.offset();
        let account = |span: Option<Span>| {
            span.map_or(Said::Here, |(from, to)| Said::Worked {
                from_us: shifted(from, offset),
                to_us: shifted(to, offset),
            })
        };
        let said = self.step(mine.map(account))?;
        Ok(said.and_then(|said| {
            let spans = said.iter().filter_map(|said| match said {
                Said::Worked { from_us, to_us } => Some((*from_us, *to_us)),
                _ => None,
            });
            let all = spans.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)));
            match all {
                Some((from, to)) if from < to => Ok((shifted(from, -offset), shifted(to, -offset))),
                _ => Err(
                    "the machines were never at work at the same time: give a longer --duration".to_owned(),
                ),
            }
        }))
    }

    fn clock(&self) -> ClockReading {
        self.clock
    }

    fn farewell(&mut self) {
        // All steps are done: nobody waits for this machine any more.
        let _ = self.say(&ToService::Bye);
    }
}

/// The service's own address, found as soon as it is there.
fn connect(address: &str, interruption: &Interruption, waiting: &dyn Fn(&str)) -> Result<TcpStream, Apart> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let reason = match address.to_socket_addrs() {
            Err(error) => error.to_string(),
            Ok(all) => {
                let mut reason = "it has no address".to_owned();
                for one in all {
                    match TcpStream::connect_timeout(&one, LOST) {
                        Ok(stream) => return Ok(stream),
                        Err(error) => reason = error.to_string(),
                    }
                }
                reason
            }
        };
        if interruption.is_asked() {
            return Err(Apart::Interrupted);
        }
        if began.elapsed() > SEARCH {
            return Err(Apart::Lost {
                address: address.to_owned(),
                reason: format!("{reason} (looked for {} min)", SEARCH.as_secs() / 60),
            });
        }
        if !told {
            waiting(&format!("{address}: {reason}; waiting for the meeting"));
            told = true;
        }
        thread::sleep(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicI64, Ordering},
        },
    };

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const SECOND: u64 = 1_000_000;
    const ONE: Brings = Brings {
        companies: 1,
        neighbour: None,
    };

    /// A service whose clock is `apart` microseconds from this machine's, and another machine there that says `others`, a
    /// word a step, in the service's time.
    fn meeting(apart: &Arc<AtomicI64>, others: Vec<Said>) -> Member {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let apart = Arc::clone(apart);
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut reader, mut held) = (BufReader::new(stream.try_clone().unwrap()), Vec::new());
            let mut others = others.into_iter();
            while let Ok(Some(word)) = hear::<ToService>(&mut reader, &mut held) {
                let answer = match word {
                    ToService::Hello(_) => FromService::Welcome {
                        id: "m".to_owned(),
                        place: 1,
                        machines: vec!["vm0".to_owned(), "vm1".to_owned()],
                        brings: vec![ONE, ONE],
                    },
                    ToService::Ping { sent_us } => FromService::Pong {
                        sent_us,
                        here_us: shifted(now_us(), apart.load(Ordering::Relaxed)),
                    },
                    ToService::Said(said) => FromService::All {
                        said: vec![others.next().unwrap_or(Said::Here), said],
                    },
                    ToService::Bye => return,
                };
                say(&mut stream, &answer).unwrap();
            }
        });
        let introduction = Introduction {
            name: "vm1".to_owned(),
            brings: ONE,
            terms: Vec::new(),
            key: String::new(),
        };
        let never = Interruption::new(Arc::default());
        let mut member = Member::join(&address, introduction, &never, &|_| {}).unwrap();
        assert_eq!(member.turn(0).unwrap(), Ok(()));
        member
    }

    /// `time` as the other clock tells it.
    fn there(time: u64) -> u64 {
        shifted(time, HOUR)
    }

    /// Within a tenth of a second: pings of a busy machine are slow, and an hour is far from that.
    fn near(told: u64, want: u64) -> bool {
        told.abs_diff(want) < SECOND / 10
    }

    #[test]
    fn times_of_the_common_clock_are_told_in_this_machines() {
        let now = now_us();
        let others = vec![
            Said::Here,
            Said::Begin {
                at_us: there(now + 5 * SECOND),
            },
            Said::Worked {
                from_us: there(now + 6 * SECOND),
                to_us: there(now + 8 * SECOND),
            },
        ];
        let mut member = meeting(&Arc::new(AtomicI64::new(HOUR)), others);
        assert!(near(shifted(now, member.clock().offset_us.unwrap()), there(now)));
        // The other one is ready later, and it ends later; this one begins later.
        let begin = member.begin(Ok(Some(now + 4 * SECOND))).unwrap().unwrap();
        assert!(near(begin, now + 5 * SECOND), "{begin}");
        let mine = (now + 7 * SECOND, now + 8 * SECOND - SECOND / 4);
        let (from, to) = member.together(Ok(Some(mine))).unwrap().unwrap();
        assert!(near(from, mine.0) && near(to, mine.1), "{from} to {to}");
    }

    #[test]
    fn a_clock_that_is_set_before_the_beginning_fails_the_turn() {
        let apart = Arc::new(AtomicI64::new(0));
        let mut member = meeting(&apart, Vec::new());
        apart.store(HOUR, Ordering::Relaxed);
        let reason = member.begin(Ok(Some(now_us()))).unwrap().unwrap_err();
        assert!(reason.starts_with("vm1: a clock was set"), "{reason}");
    }

    #[test]
    fn a_clock_that_is_set_at_work_fails_the_turn() {
        let apart = Arc::new(AtomicI64::new(0));
        let mut member = meeting(&apart, Vec::new());
        let now = now_us();
        assert!(member.begin(Ok(Some(now))).unwrap().is_ok());
        apart.store(-HOUR, Ordering::Relaxed);
        let reason = member
            .together(Ok(Some((now, now + SECOND))))
            .unwrap()
            .unwrap_err();
        assert!(reason.starts_with("vm1: a clock was set"), "{reason}");
    }
}
