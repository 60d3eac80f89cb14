//! A machine's part in a coordinated run: it goes through the server's steps, and converts times by the server's clock.

use std::{
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use super::{
    Hello, Offer, Span, StepError, StepResult, SyncError, Turn,
    auth::Token,
    clock::{self, Ping},
    messages::{
        ClientMessage, LONGEST_LINE, Received, Receiver, ServerMessage, StepMessage, keep_alive, send,
    },
    shifted, turns,
};
use crate::{
    machine::wall_clock::now_us,
    record::{self, ClockReading},
    worker::interruption::Interruption,
};

/// Pings of one reading of the clock.
const PINGS: usize = 16;
/// Time between two attempts to connect.
const CONNECT_INTERVAL: Duration = Duration::from_millis(300);
/// How long it is tried to connect: machines of one stack start minutes apart.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(10);
/// Longest time for what the server answers by itself: a connection, its challenge, a ping.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting machine looks whether the user wants to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Characters of a reason that are sent to others.
const LONGEST_REASON: usize = 300;

/// A machine that takes part. One that is dropped before it [leaves](Participant::leave) ends the run for all.
///
/// All machines call the same functions in the same order, also in turns that they have no part in: they then send nothing
/// and wait.
pub struct Participant {
    address: String,
    receiver: Receiver<TcpStream>,
    writer: TcpStream,
    interruption: Interruption,
    facts: record::CoordinatedRun,
    offers: Vec<Offer>,
    /// The common clock as it was read at the beginning of this turn, or what holds for all of it, and when that was.
    clock: ClockReading,
    read_at: Instant,
}

impl Participant {
    /// Connects to the server at `address`, proves that this machine has its `token`, and waits until all machines are
    /// there. `waiting` is called once if the server is not there yet.
    pub fn join(
        address: &str,
        token: &Token,
        hello: Hello,
        interruption: &Interruption,
        waiting: &dyn Fn(&str),
    ) -> Result<Self, SyncError> {
        let stream = connect(address, interruption, waiting)?;
        let lost = |error: std::io::Error| SyncError::Lost {
            address: address.to_owned(),
            reason: error.to_string(),
        };
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(POLL_INTERVAL)).map_err(lost)?;
        keep_alive(&stream);
        let mut participant = Self {
            address: address.to_owned(),
            receiver: Receiver::new(stream.try_clone().map_err(lost)?, LONGEST_LINE),
            writer: stream,
            interruption: interruption.clone(),
            facts: record::CoordinatedRun {
                id: String::new(),
                machines: Vec::new(),
                machine_index: None,
            },
            offers: Vec::new(),
            clock: ClockReading {
                offset_us: None,
                uncertainty_us: None,
            },
            read_at: Instant::now(),
        };
        participant.introduce(token, hello)?;
        Ok(participant)
    }

    /// Answers the server's challenge, and takes its place once all are there.
    fn introduce(&mut self, token: &Token, hello: Hello) -> Result<(), SyncError> {
        let proof = match self.receive(Some(ANSWER_TIMEOUT))? {
            ServerMessage::Challenge { challenge } => token.proof(&challenge),
            other => return Err(self.unexpected(&other)),
        };
        self.send(&ClientMessage::Hello { proof, hello })?;
        match self.receive(None)? {
            ServerMessage::Welcome {
                id,
                place,
                machines,
                offers,
            } => {
                self.facts.id = id;
                self.facts.machines = machines;
                self.facts.machine_index = Some(place);
                self.offers = offers;
                Ok(())
            }
            ServerMessage::Refused { reason } => Err(SyncError::Refused {
                address: self.address.clone(),
                reason,
            }),
            other => Err(self.unexpected(&other)),
        }
    }

    fn send(&mut self, message: &ClientMessage) -> Result<(), SyncError> {
        let sent = send(&mut self.writer, message);
        sent.map_err(|error| self.lost(error.to_string()))
    }

    /// The next message; waits for it, at most for `timeout`.
    fn receive(&mut self, timeout: Option<Duration>) -> Result<ServerMessage, SyncError> {
        let began = Instant::now();
        loop {
            if self.interruption.is_asked() {
                return Err(SyncError::Interrupted);
            }
            match self.receiver.receive() {
                Ok(Received::Message(ServerMessage::Left { name })) => return Err(SyncError::Left(name)),
                Ok(Received::Message(message)) => return Ok(message),
                Ok(Received::Closed) => return Err(self.lost("it has closed the connection".to_owned())),
                Ok(Received::Nothing) => {}
                Err(error) => return Err(self.lost(error.to_string())),
            }
            if timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
                return Err(self.lost("no answer".to_owned()));
            }
        }
    }

    fn lost(&self, reason: String) -> SyncError {
        SyncError::Lost {
            address: self.address.clone(),
            reason,
        }
    }

    fn unexpected(&self, message: &ServerMessage) -> SyncError {
        SyncError::Unexpected {
            address: self.address.clone(),
            message: format!("{message:?}").chars().take(100).collect(),
        }
    }

    /// Sends `mine` and gets what all have sent, which no machine failed to.
    fn all_gather(&mut self, mine: StepResult<StepMessage>) -> Result<Vec<StepMessage>, StepError> {
        // All reasons go to all machines in one line.
        let message = mine.unwrap_or_else(|reason| StepMessage::Failed {
            reason: reason.chars().take(LONGEST_REASON).collect(),
        });
        self.send(&ClientMessage::Step { message })?;
        let messages = match self.receive(None)? {
            ServerMessage::All { messages } => messages,
            other => return Err(self.unexpected(&other).into()),
        };
        for (message, name) in messages.iter().zip(&self.facts.machines) {
            if let StepMessage::Failed { reason } = message {
                return Err(StepError::Failed(format!("{name}: {reason}")));
            }
        }
        Ok(messages)
    }

    /// Reads the common clock.
    fn read_clock(&mut self) -> Result<ClockReading, SyncError> {
        let mut pings = Vec::with_capacity(PINGS);
        for _ in 0..PINGS {
            let (sent_us, sent) = (now_us(), Instant::now());
            self.send(&ClientMessage::Ping { sent_us })?;
            match self.receive(Some(ANSWER_TIMEOUT))? {
                ServerMessage::Pong {
                    sent_us: echoed,
                    server_us,
                } if echoed == sent_us => pings.push(Ping {
                    sent_us,
                    there_us: server_us,
                    way: sent.elapsed(),
                }),
                other => return Err(self.unexpected(&other)),
            }
        }
        Ok(clock::read(&pings).unwrap_or(self.clock))
    }

    /// Reads it once more: what holds for all of the turn so far, or that a clock was set in it.
    fn clock_since(&mut self) -> Result<StepResult<ClockReading>, SyncError> {
        let now = self.read_clock()?;
        Ok(clock::held(self.clock, now, self.read_at.elapsed()))
    }

    /// What is to be added to this machine's clock to get the common one.
    fn offset(&self) -> i64 {
        self.clock.offset_us.unwrap_or(0)
    }

    /// A time of this machine's clock by the common one, microseconds since 1970.
    pub fn to_common(&self, at_us: u64) -> u64 {
        shifted(at_us, self.offset())
    }

    /// A time of the common clock by this machine's.
    fn to_own(&self, at_us: u64) -> u64 {
        shifted(at_us, -self.offset())
    }

    /// What the record says of the coordinated run.
    pub fn facts(&self) -> &record::CoordinatedRun {
        &self.facts
    }

    /// The place of this machine, from 0.
    pub fn place(&self) -> usize {
        self.facts.machine_index.unwrap_or(0)
    }

    /// What each machine offers, in the machines' places.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// Every turn of `round`, counted from 0, in an order that is the same for all machines.
    pub fn turns(&self, round: usize) -> Vec<Turn> {
        turns(&self.offers, &self.facts.id, round)
    }

    /// Waits until all machines are at the next turn, and nobody works any more.
    pub fn start_turn(&mut self) -> Result<(), SyncError> {
        // The clock is read before the barrier: until then no machine works, so nothing slows the pings down.
        self.clock = self.read_clock()?;
        self.read_at = Instant::now();
        self.barrier()
    }

    /// Waits until all machines are here.
    pub fn barrier(&mut self) -> Result<(), SyncError> {
        self.await_all(Ok(())).map_err(|error| match error {
            StepError::Sync(error) => error,
            // There is nothing that could fail.
            StepError::Failed(reason) => SyncError::Unexpected {
                address: self.address.clone(),
                message: reason,
            },
        })
    }

    /// Waits until all have done what they had to do.
    pub fn await_all(&mut self, mine: StepResult<()>) -> Result<(), StepError> {
        self.all_gather(mine.map(|()| StepMessage::Ready)).map(|_| ())
    }

    /// When all begin, by this machine's clock: the latest of what those proposed that have a part in the turn.
    pub fn agree_on_begin(&mut self, mine: StepResult<Option<u64>>) -> Result<u64, StepError> {
        // A clock that was set while tenants were loaded must not have all wait for a time far away.
        let held = self.clock_since()?;
        let mine = mine.and_then(|mine| held.map(|_| mine));
        let proposal = |at: Option<u64>| {
            at.map_or(StepMessage::Ready, |at| StepMessage::Begin {
                at_us: self.to_common(at),
            })
        };
        let mine = mine.map(proposal);
        let all = self.all_gather(mine)?;
        let times = all.iter().filter_map(|message| match message {
            StepMessage::Begin { at_us } => Some(*at_us),
            _ => None,
        });
        let latest = times.max();
        let latest = latest.ok_or_else(|| StepError::Failed("nobody has a part in this turn".to_owned()))?;
        Ok(self.to_own(latest))
    }

    /// The time in which all were at work that had a part in the turn, by this machine's clock.
    pub fn common_span(&mut self, mine: StepResult<Option<Span>>) -> Result<Span, StepError> {
        // Once more now that the work is done: the reading of the beginning is what all times of this turn rest on.
        let held = self.clock_since()?;
        let mine = mine.and_then(|mine| {
            self.clock = held?;
            Ok(mine)
        });
        let account = |span: Option<Span>| {
            span.map_or(StepMessage::Ready, |(from, to)| StepMessage::Worked {
                from_us: self.to_common(from),
                to_us: self.to_common(to),
            })
        };
        let mine = mine.map(account);
        let all = self.all_gather(mine)?;
        let spans = all.iter().filter_map(|message| match message {
            StepMessage::Worked { from_us, to_us } => Some((*from_us, *to_us)),
            _ => None,
        });
        match spans.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1))) {
            Some((from, to)) if from < to => Ok((self.to_own(from), self.to_own(to))),
            _ => Err(StepError::Failed(
                "the machines were never at work at the same time: give a longer --duration".to_owned(),
            )),
        }
    }

    /// How this machine's clock stands to the common one; once a turn is over, with a bound that holds for all of it.
    pub fn clock(&self) -> ClockReading {
        self.clock
    }

    /// All turns are done: nobody waits for this machine any more.
    pub fn leave(&mut self) {
        let _ = self.send(&ClientMessage::Leave);
    }
}

/// A connection to the server, made as soon as it is there.
fn connect(
    address: &str,
    interruption: &Interruption,
    waiting: &dyn Fn(&str),
) -> Result<TcpStream, SyncError> {
    let began = Instant::now();
    let mut reported = false;
    loop {
        let reason = match attempt(address) {
            Ok(stream) => return Ok(stream),
            Err(reason) => reason,
        };
        if interruption.is_asked() {
            return Err(SyncError::Interrupted);
        }
        if began.elapsed() > CONNECT_TIMEOUT {
            return Err(SyncError::Lost {
                address: address.to_owned(),
                reason: format!("{reason} (tried for {} min)", CONNECT_TIMEOUT.as_secs() / 60),
            });
        }
        if !reported {
            waiting(&format!(
                "{address}: {reason}; waiting for the machine with --lead"
            ));
            reported = true;
        }
        thread::sleep(CONNECT_INTERVAL);
    }
}

/// A connection to one of the addresses of `address`, or why there is none.
fn attempt(address: &str) -> Result<TcpStream, String> {
    let mut reason = "it has no address".to_owned();
    for one in address.to_socket_addrs().map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&one, ANSWER_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
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
    const ONE: Offer = Offer {
        tenant_groups: 1,
        background_load: None,
    };

    /// A server whose clock is `apart` microseconds from this machine's, and another machine there that sends `others`, one
    /// message a step, in the server's time.
    fn participant(apart: &Arc<AtomicI64>, others: Vec<StepMessage>) -> Participant {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (apart, token) = (Arc::clone(apart), Token::random().unwrap());
        let shared = token.clone();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let challenge = "challenge".to_owned();
            send(&mut stream, &ServerMessage::Challenge { challenge }).unwrap();
            let mut receiver = Receiver::new(stream.try_clone().unwrap(), LONGEST_LINE);
            let mut others = others.into_iter();
            while let Ok(Received::Message(message)) = receiver.receive() {
                let answer = match message {
                    ClientMessage::Hello { proof, .. } => {
                        assert!(shared.proves("challenge", &proof));
                        ServerMessage::Welcome {
                            id: "m".to_owned(),
                            place: 1,
                            machines: vec!["vm0".to_owned(), "vm1".to_owned()],
                            offers: vec![ONE, ONE],
                        }
                    }
                    ClientMessage::Ping { sent_us } => ServerMessage::Pong {
                        sent_us,
                        server_us: shifted(now_us(), apart.load(Ordering::Relaxed)),
                    },
                    ClientMessage::Step { message } => ServerMessage::All {
                        messages: vec![others.next().unwrap_or(StepMessage::Ready), message],
                    },
                    ClientMessage::Leave => return,
                };
                send(&mut stream, &answer).unwrap();
            }
        });
        let hello = Hello {
            name: "vm1".to_owned(),
            offer: ONE,
            terms: Vec::new(),
        };
        let never = Interruption::new(Arc::default());
        let mut participant = Participant::join(&address, &token, hello, &never, &|_| {}).unwrap();
        participant.start_turn().unwrap();
        participant
    }

    /// `time` by the other clock.
    fn there(time: u64) -> u64 {
        shifted(time, HOUR)
    }

    /// Within a tenth of a second: pings of a busy machine are slow, and an hour is far from that.
    fn near(got: u64, want: u64) -> bool {
        got.abs_diff(want) < SECOND / 10
    }

    /// Why the turn came to nothing.
    fn failure<T>(step: Result<T, StepError>) -> String {
        match step {
            Err(StepError::Failed(reason)) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it did not fail"),
        }
    }

    #[test]
    fn times_of_the_common_clock_are_converted_to_this_machines() {
        let now = now_us();
        let others = vec![
            StepMessage::Ready,
            StepMessage::Begin {
                at_us: there(now + 5 * SECOND),
            },
            StepMessage::Worked {
                from_us: there(now + 6 * SECOND),
                to_us: there(now + 8 * SECOND),
            },
        ];
        let mut participant = participant(&Arc::new(AtomicI64::new(HOUR)), others);
        assert!(near(
            shifted(now, participant.clock().offset_us.unwrap()),
            there(now)
        ));
        // The other one is ready later, and it ends later; this one begins later.
        let begin = participant.agree_on_begin(Ok(Some(now + 4 * SECOND))).unwrap();
        assert!(near(begin, now + 5 * SECOND), "{begin}");
        let mine = (now + 7 * SECOND, now + 8 * SECOND - SECOND / 4);
        let (from, to) = participant.common_span(Ok(Some(mine))).unwrap();
        assert!(near(from, mine.0) && near(to, mine.1), "{from} to {to}");
    }

    #[test]
    fn a_clock_that_is_set_before_the_beginning_fails_the_turn() {
        let apart = Arc::new(AtomicI64::new(0));
        let mut participant = participant(&apart, Vec::new());
        apart.store(HOUR, Ordering::Relaxed);
        let reason = failure(participant.agree_on_begin(Ok(Some(now_us()))));
        assert!(reason.starts_with("vm1: a clock was set"), "{reason}");
    }

    #[test]
    fn a_clock_that_is_set_at_work_fails_the_turn() {
        let apart = Arc::new(AtomicI64::new(0));
        let mut participant = participant(&apart, Vec::new());
        let now = now_us();
        participant.agree_on_begin(Ok(Some(now))).unwrap();
        apart.store(-HOUR, Ordering::Relaxed);
        let reason = failure(participant.common_span(Ok(Some((now, now + SECOND)))));
        assert!(reason.starts_with("vm1: a clock was set"), "{reason}");
    }
}
