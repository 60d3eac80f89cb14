//! A machine's part in a coordinated run: it goes through the server's steps, and converts times by the server's clock.

use std::{
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use super::{
    Hello, Offer, Span, StepError, StepResult, SyncError, Turn,
    admission::{Welcome, unfit_welcome},
    auth::{self, Challenges, Side, Token},
    clock::{self, Ping},
    heartbeat::Writer,
    messages::{
        ClientMessage, LONGEST_LINE, Received, Receiver, SILENCE, ServerMessage, StepMessage, WRITE_TIMEOUT,
        shown,
    },
    shifted, turns,
};
use crate::{
    machine::wall_clock::{micros, now_us},
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
/// Characters of a reason that are sent to others, or shown of theirs.
pub(super) const LONGEST_REASON: usize = 300;
/// How far from now a beginning may be. Machines propose a moment that is a fraction of a second ahead, once all are warm.
const FURTHEST_BEGIN: Duration = Duration::from_mins(1);
/// The latest time that a clock may show, microseconds since 1970: the year 2200. Differences of such times cannot overflow.
const LATEST_US: u64 = 7_258_118_400_000_000;

/// A machine that takes part. One that is dropped before it [leaves](Participant::leave) ends the run for all.
///
/// All machines call the same functions in the same order, also in turns that they have no part in: they then send nothing
/// and wait.
pub struct Participant {
    address: String,
    receiver: Receiver<TcpStream>,
    writer: Writer,
    interruption: Interruption,
    facts: record::CoordinatedRun,
    offers: Vec<Offer>,
    /// The common clock as it was read at the beginning of this turn, or what holds for all of it, and when that was.
    clock: ClockReading,
    read_at: Instant,
    /// The same moment by this machine's clock.
    read_us: u64,
}

impl Participant {
    /// Connects to the server at `address`, proves that this machine has its `token`, and waits until all machines are
    /// there. `waiting` is called once if the server is not there yet.
    pub fn join(
        address: &str,
        token: &Token,
        hello: &Hello,
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
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(lost)?;
        let mut participant = Self {
            address: address.to_owned(),
            receiver: Receiver::new(stream.try_clone().map_err(lost)?, LONGEST_LINE),
            writer: Writer::beating(stream).map_err(lost)?,
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
            read_us: now_us(),
        };
        participant.introduce(token, hello)?;
        Ok(participant)
    }

    /// Proves that it has the token once the server has asked, lets the server prove it too, and takes its place once all
    /// are there.
    fn introduce(&mut self, token: &Token, hello: &Hello) -> Result<(), SyncError> {
        let server = match self.receive(Some(ANSWER_TIMEOUT))? {
            ServerMessage::Challenge { challenge } if auth::is_challenge(&challenge) => challenge,
            _ => return Err(self.stranger()),
        };
        let own = auth::challenge().map_err(|error| self.lost(error.to_string()))?;
        let challenges = Challenges {
            server: &server,
            participant: &own,
        };
        self.send(&ClientMessage::Prove {
            challenge: own.clone(),
            proof: token.proof(Side::Participant, challenges),
        })?;
        match self.receive(Some(ANSWER_TIMEOUT))? {
            ServerMessage::Proven { proof } if token.proves(Side::Server, challenges, &proof) => {}
            ServerMessage::Refused { reason } => return Err(self.refused(&reason)),
            _ => return Err(self.stranger()),
        }
        self.send(&ClientMessage::Hello { hello: hello.clone() })?;
        match self.receive(None)? {
            ServerMessage::Welcome {
                id,
                place,
                machines,
                offers,
            } => {
                let welcome = Welcome {
                    id: &id,
                    place,
                    machines: &machines,
                    offers: &offers,
                };
                if let Some(what) = unfit_welcome(&welcome, hello) {
                    return Err(self.impossible(what));
                }
                self.facts.id = id;
                self.facts.machines = machines;
                self.facts.machine_index = Some(place);
                self.offers = offers;
                Ok(())
            }
            ServerMessage::Refused { reason } => Err(self.refused(&reason)),
            other => Err(self.unexpected(&other)),
        }
    }

    fn send(&mut self, message: &ClientMessage) -> Result<(), SyncError> {
        let sent = self.writer.send(message);
        sent.map_err(|error| self.lost(error.to_string()))
    }

    /// The next message; waits for it, at most for `timeout`, and no longer than the server says that it is there.
    fn receive(&mut self, timeout: Option<Duration>) -> Result<ServerMessage, SyncError> {
        let began = Instant::now();
        let mut heard = began;
        loop {
            if self.interruption.is_asked() {
                return Err(SyncError::Interrupted);
            }
            match self.receiver.receive() {
                Ok(Received::Message(ServerMessage::Alive)) => heard = Instant::now(),
                Ok(Received::Message(ServerMessage::Left { name, silent })) => {
                    let name = shown(&name, LONGEST_REASON);
                    return Err(if silent {
                        SyncError::Silent { name, limit: SILENCE }
                    } else {
                        SyncError::Left(name)
                    });
                }
                Ok(Received::Message(message)) => return Ok(message),
                Ok(Received::Closed) => return Err(self.lost("it has closed the connection".to_owned())),
                Ok(Received::Nothing) => {}
                Err(error) => return Err(self.lost(error.to_string())),
            }
            if timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
                return Err(self.lost("no answer".to_owned()));
            }
            if heard.elapsed() >= SILENCE {
                return Err(self.lost(format!("it has said nothing for {} s", SILENCE.as_secs())));
            }
        }
    }

    fn stranger(&self) -> SyncError {
        SyncError::Stranger {
            address: self.address.clone(),
        }
    }

    fn refused(&self, reason: &str) -> SyncError {
        SyncError::Refused {
            address: self.address.clone(),
            reason: shown(reason, 10 * LONGEST_REASON),
        }
    }

    fn impossible(&self, what: String) -> SyncError {
        SyncError::Impossible {
            address: self.address.clone(),
            what,
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
            message: shown(&format!("{message:?}"), 100),
        }
    }

    /// Sends `mine` and gets what all have sent, which no machine failed to.
    fn all_gather(&mut self, mine: StepResult<StepMessage>) -> Result<Vec<StepMessage>, StepError> {
        // All reasons go to all machines in one line.
        let message = mine.unwrap_or_else(|reason| StepMessage::Failed {
            reason: shown(&reason, LONGEST_REASON),
        });
        self.send(&ClientMessage::Step {
            message: message.clone(),
        })?;
        let messages = match self.receive(None)? {
            ServerMessage::All { messages } => messages,
            other => return Err(self.unexpected(&other).into()),
        };
        if messages.len() != self.facts.machines.len() || messages.get(self.place()) != Some(&message) {
            let what = "what all machines say at a step has another number of machines, or is not what this one said";
            return Err(self.impossible(what.to_owned()).into());
        }
        for (message, name) in messages.iter().zip(&self.facts.machines) {
            if let StepMessage::Failed { reason } = message {
                let reason = shown(reason, LONGEST_REASON);
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
                } if echoed == sent_us => {
                    if server_us > LATEST_US {
                        return Err(self.impossible(format!(
                            "its clock shows {server_us} microseconds since 1970, a time after the year 2200"
                        )));
                    }
                    pings.push(Ping {
                        sent_us,
                        there_us: server_us,
                        way: sent.elapsed(),
                    });
                }
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

    /// The common clock now, however this machine's own was set since it was read.
    fn common_now(&self) -> u64 {
        self.to_common(self.read_us) + micros(self.read_at.elapsed())
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

    /// Waits until all machines are at the next turn, and none works any more.
    pub fn start_turn(&mut self) -> Result<(), SyncError> {
        // The clock is read before the barrier: until then no machine works, so nothing slows the pings down.
        self.clock = self.read_clock()?;
        (self.read_at, self.read_us) = (Instant::now(), now_us());
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
        let mut latest = None;
        let now = self.common_now();
        for (message, name) in all.iter().zip(&self.facts.machines) {
            let StepMessage::Begin { at_us } = message else {
                continue;
            };
            if at_us.abs_diff(now) > micros(FURTHEST_BEGIN) {
                let seconds = at_us.abs_diff(now) as f64 / 1e6;
                let when = if *at_us > now { "from now" } else { "ago" };
                return Err(self
                    .impossible(format!(
                        "{name} would begin {seconds:.0} s {when}; machines begin within {} s",
                        FURTHEST_BEGIN.as_secs()
                    ))
                    .into());
            }
            latest = latest.max(Some(*at_us));
        }
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

    /// All turns are done: no machine waits for this one any more.
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

    use super::{super::messages::send, *};

    const HOUR: i64 = 3_600_000_000;
    const SECOND: u64 = 1_000_000;
    const ONE: Offer = Offer {
        tenant_groups: 1,
        background_load: None,
    };

    /// What this machine says of itself.
    fn hello() -> Hello {
        Hello {
            name: "vm1".to_owned(),
            offer: ONE,
            terms: Vec::new(),
        }
    }

    /// A server that has the token and answers what comes after the proofs by `answer`; what came of joining it.
    fn join(
        mut answer: impl FnMut(ClientMessage) -> Option<ServerMessage> + Send + 'static,
    ) -> Result<Participant, SyncError> {
        let token = Token::random().unwrap();
        let shared = token.clone();
        join_at(&token, move |mut stream| {
            let server = auth::challenge().unwrap();
            let challenge = server.clone();
            send(&mut stream, &ServerMessage::Challenge { challenge }).unwrap();
            let mut receiver = Receiver::new(stream.try_clone().unwrap(), LONGEST_LINE);
            while let Ok(Received::Message(message)) = receiver.receive() {
                let answer = match message {
                    ClientMessage::Prove { challenge, proof } => {
                        let challenges = Challenges {
                            server: &server,
                            participant: &challenge,
                        };
                        assert!(shared.proves(Side::Participant, challenges, &proof));
                        Some(ServerMessage::Proven {
                            proof: shared.proof(Side::Server, challenges),
                        })
                    }
                    message => answer(message),
                };
                if let Some(answer) = answer {
                    send(&mut stream, &answer).unwrap();
                }
            }
        })
    }

    /// What came of joining a server that does with a connection what `serve` says.
    fn join_at(
        token: &Token,
        serve: impl FnOnce(TcpStream) + Send + 'static,
    ) -> Result<Participant, SyncError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || serve(listener.accept().unwrap().0));
        let never = Interruption::new(Arc::default());
        Participant::join(&address, token, &hello(), &never, &|_| {})
    }

    fn welcome() -> ServerMessage {
        ServerMessage::Welcome {
            id: "m".to_owned(),
            place: 1,
            machines: vec!["vm0".to_owned(), "vm1".to_owned()],
            offers: vec![ONE, ONE],
        }
    }

    /// A server whose clock is `apart` microseconds from this machine's, and another machine there that sends `others`, one
    /// message a step, in the server's time.
    fn participant(apart: &Arc<AtomicI64>, others: Vec<StepMessage>) -> Participant {
        let apart = Arc::clone(apart);
        let mut others = others.into_iter();
        let mut participant = join(move |message| match message {
            ClientMessage::Ping { sent_us } => Some(ServerMessage::Pong {
                sent_us,
                server_us: shifted(now_us(), apart.load(Ordering::Relaxed)),
            }),
            ClientMessage::Step { message } => Some(ServerMessage::All {
                messages: vec![others.next().unwrap_or(StepMessage::Ready), message],
            }),
            other => usual(&other),
        })
        .unwrap();
        participant.start_turn().unwrap();
        participant
    }

    /// What any server answers.
    fn usual(message: &ClientMessage) -> Option<ServerMessage> {
        match message {
            ClientMessage::Hello { .. } => Some(welcome()),
            ClientMessage::Alive => Some(ServerMessage::Alive),
            ClientMessage::Ping { sent_us } => Some(ServerMessage::Pong {
                sent_us: *sent_us,
                server_us: now_us(),
            }),
            _ => None,
        }
    }

    /// Why a machine does not join a run.
    fn refusal(joined: Result<Participant, SyncError>) -> String {
        match joined {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it has joined"),
        }
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

    #[test]
    fn a_server_without_the_token_is_told_nothing() {
        let token = Token::random().unwrap();
        let (sender, came) = std::sync::mpsc::channel();
        let joined = join_at(&token, move |mut stream| {
            let challenge = auth::challenge().unwrap();
            send(&mut stream, &ServerMessage::Challenge { challenge }).unwrap();
            let mut receiver = Receiver::new(stream.try_clone().unwrap(), LONGEST_LINE);
            let Received::Message(ClientMessage::Prove { challenge, proof }) = receiver.receive().unwrap()
            else {
                panic!("no proof");
            };
            // A proof of its own making, and the participant's own.
            let _ = challenge;
            send(&mut stream, &ServerMessage::Proven { proof }).unwrap();
            while let Ok(Received::Message::<ClientMessage>(message)) = receiver.receive() {
                sender.send(format!("{message:?}")).unwrap();
            }
        });
        let reason = refusal(joined);
        assert!(
            reason.contains("does not prove that it has the token"),
            "{reason}"
        );
        assert_eq!(came.into_iter().collect::<Vec<_>>(), Vec::<String>::new());
        // Whatever it says first.
        for first in [
            welcome(),
            ServerMessage::Challenge {
                challenge: "\n".repeat(32),
            },
        ] {
            let joined = join_at(&token, move |mut stream| {
                send(&mut stream, &first).unwrap();
                thread::sleep(Duration::from_millis(200));
            });
            assert!(refusal(joined).contains("does not prove"));
        }
    }

    #[test]
    fn a_run_that_cannot_be_is_refused() {
        let many = Offer {
            tenant_groups: 1_000_000_000_000,
            background_load: None,
        };
        let hostile: [(usize, Vec<&str>, Vec<Offer>); 4] = [
            (1, vec!["vm0", "vm1"], vec![many, ONE]),
            (1, vec!["vm0", "vm1"], vec![ONE, many]),
            (usize::MAX, vec!["vm0", "vm1"], vec![ONE, ONE]),
            (1, vec!["vm0", "vm1"], vec![ONE]),
        ];
        for (place, machines, offers) in hostile {
            let welcome = ServerMessage::Welcome {
                id: "m".to_owned(),
                place,
                machines: machines.into_iter().map(str::to_owned).collect(),
                offers,
            };
            let reason = refusal(join(move |message| match message {
                ClientMessage::Hello { .. } => Some(welcome.clone()),
                other => usual(&other),
            }));
            assert!(reason.contains("sent what cannot be"), "{reason}");
        }
    }

    /// Why a machine is in step no more.
    fn fatal<T>(step: Result<T, StepError>) -> String {
        match step {
            Err(StepError::Sync(error)) => error.to_string(),
            Err(StepError::Failed(reason)) => panic!("only the turn failed: {reason}"),
            Ok(_) => panic!("it did not fail"),
        }
    }

    #[test]
    fn a_begin_far_away_is_refused() {
        let now = now_us();
        for (at_us, when) in [
            (now + 3_600 * SECOND, "vm0 would begin 3600 s from now"),
            (now - 3_600 * SECOND, "vm0 would begin 3600 s ago"),
            (0, "s ago"),
            (u64::MAX, "s from now"),
        ] {
            let others = vec![StepMessage::Ready, StepMessage::Begin { at_us }];
            let mut participant = participant(&Arc::default(), others);
            let reason = fatal(participant.agree_on_begin(Ok(Some(now))));
            assert!(reason.contains(when), "{reason}");
        }
    }

    #[test]
    fn a_clock_that_shows_no_time_of_this_age_is_refused() {
        for server_us in [u64::MAX, i64::MAX as u64, LATEST_US + 1] {
            let joined = join(move |message| match message {
                ClientMessage::Ping { sent_us } => Some(ServerMessage::Pong { sent_us, server_us }),
                other => usual(&other),
            });
            let reason = joined.unwrap().start_turn().unwrap_err().to_string();
            assert!(reason.contains("a time after the year 2200"), "{reason}");
        }
        // One that is merely wrong is read like any other.
        let mut joined = join(|message| match message {
            ClientMessage::Ping { sent_us } => Some(ServerMessage::Pong {
                sent_us,
                server_us: 0,
            }),
            ClientMessage::Step { message } => Some(ServerMessage::All {
                messages: vec![StepMessage::Ready, message],
            }),
            other => usual(&other),
        })
        .unwrap();
        joined.start_turn().unwrap();
    }

    #[test]
    fn what_all_say_has_a_place_for_each_and_this_machines_own_words() {
        for messages in [
            Vec::new(),
            vec![StepMessage::Ready],
            vec![StepMessage::Ready; 3],
            vec![StepMessage::Ready, StepMessage::Begin { at_us: 0 }],
        ] {
            let joined = join(move |message| match message {
                ClientMessage::Step { .. } => Some(ServerMessage::All {
                    messages: messages.clone(),
                }),
                other => usual(&other),
            });
            let reason = joined.unwrap().start_turn().unwrap_err().to_string();
            assert!(reason.contains("another number of machines"), "{reason}");
        }
    }

    #[test]
    fn words_of_others_are_short_and_move_no_cursor() {
        let others = vec![
            StepMessage::Ready,
            StepMessage::Failed {
                reason: "\u{1b}[2J\u{202e}".repeat(1000),
            },
        ];
        let mut participant = participant(&Arc::default(), others);
        let reason = failure(participant.agree_on_begin(Ok(None)));
        assert!(reason.chars().count() < LONGEST_REASON + 10, "{reason}");
        assert!(!reason.contains(['\u{1b}', '\u{202e}']), "{reason:?}");
        let refused = refusal(join(|message| match message {
            ClientMessage::Hello { .. } => Some(ServerMessage::Refused {
                reason: "\u{1b}]0;x\u{7}".to_owned(),
            }),
            other => usual(&other),
        }));
        assert!(!refused.contains('\u{1b}'), "{refused:?}");
    }

    #[test]
    fn a_server_that_says_nothing_more_is_left() {
        let began = Instant::now();
        let mut joined = join(|message| match message {
            ClientMessage::Alive | ClientMessage::Step { .. } => None,
            other => usual(&other),
        })
        .unwrap();
        let reason = joined.start_turn().unwrap_err().to_string();
        assert!(reason.contains("it has said nothing for"), "{reason}");
        assert!(began.elapsed() < SILENCE + Duration::from_secs(5));
        // One that only is slow is waited for.
        let mut joined = join(|message| match message {
            ClientMessage::Step { message } => {
                thread::sleep(SILENCE / 2);
                Some(ServerMessage::All {
                    messages: vec![StepMessage::Ready, message],
                })
            }
            other => usual(&other),
        })
        .unwrap();
        joined.start_turn().unwrap();
    }
}
