//! The barrier server of a coordinated run: takes so many machines, answers with its time, and at each step sends what all
//! have sent to each of them. One thread a connection; it knows nothing of what is measured.
//!
//! Every machine that has the run's token ([`super::auth`]) may take part: it can end the run, and no more. All others can hold
//! one of `MOST_STRANGERS` connections for `AUTHENTICATION_TIMEOUT`, and learn nothing. What is sent is not encrypted.

use std::{
    collections::VecDeque,
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Offer,
    admission::{differences, unfit},
    auth::{self, Challenges, Side, Token},
    messages::{
        ClientMessage, Hello, LONGEST_LINE, Received, Receiver, SILENCE, ServerMessage, StepMessage,
        WRITE_TIMEOUT, send, shown,
    },
    participant::LONGEST_REASON,
};
use crate::machine::wall_clock::now_us;

/// How often the server looks whether it is to end.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Longest time for which the last messages of the others are waited for.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which a connection proves that it has the token and says who it is. Tests do not wait for it as long.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });
/// Connections that have not proved it; one more closes the oldest of them.
const MOST_STRANGERS: usize = 32;
/// The longest line of one that has not proved it, with room for a hello.
const LONGEST_HELLO: usize = 16 << 10;

/// A server that listens until it is dropped.
pub struct BarrierServer {
    state: Arc<ServerState>,
    address: SocketAddr,
}

/// What a server is for.
pub struct Settings {
    /// The coordinated run's name.
    pub id: String,
    /// How many machines take part, the server's own included.
    pub count: usize,
    /// What the others prove to have.
    pub token: Token,
    /// What the server's own machine proves to have instead: it is the first.
    pub own: Token,
}

/// What all threads share.
struct ServerState {
    settings: Settings,
    report: Box<dyn Fn(&str) + Send + Sync>,
    run: Mutex<RunState>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct RunState {
    /// Connections that have not authenticated, the oldest first.
    strangers: VecDeque<(usize, TcpStream)>,
    /// Those that take part, in their places; the server's own machine is the first.
    participants: Vec<Connection>,
    /// Whether all were there, and were sent so.
    started: bool,
    /// What each has sent at this step.
    messages: Vec<Option<StepMessage>>,
    /// Whether one was gone before.
    broken: bool,
}

/// A machine that takes part.
struct Connection {
    hello: Hello,
    stream: TcpStream,
    /// Its connection's number, for places change until all are there.
    number: usize,
    /// Whether it has left after the last step.
    left: bool,
}

impl BarrierServer {
    /// Listens at `address` for as many machines as `settings` say. `report` gets who comes and who goes.
    pub fn start(
        address: SocketAddr,
        settings: Settings,
        report: impl Fn(&str) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(ServerState {
            settings,
            report: Box::new(report),
            run: Mutex::default(),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::Builder::new().spawn(move || accepting.accept(&listener))?;
        Ok(Self { state, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for BarrierServer {
    /// Waits for the others' last messages: a socket that closes over unread ones takes back what it has sent.
    fn drop(&mut self) {
        let until = Instant::now() + LEAVE_TIMEOUT;
        let count = self.state.settings.count;
        let mut run = self.state.lock();
        while run.started && !run.broken && run.have_left() < count && Instant::now() < until {
            run = self.state.wait(run);
        }
        self.state.ended.store(true, Ordering::Relaxed);
    }
}

impl ServerState {
    fn lock(&self) -> MutexGuard<'_, RunState> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something has changed, at most a moment.
    fn wait<'a>(&self, run: MutexGuard<'a, RunState>) -> MutexGuard<'a, RunState> {
        let waited = self.changed.wait_timeout(run, POLL_INTERVAL);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Takes connections until the server ends.
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut number = 0;
        while !self.ended() {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(POLL_INTERVAL / 4);
                continue;
            };
            number += 1;
            let Ok(kept) = stream.try_clone() else {
                continue;
            };
            let mut run = self.lock();
            run.strangers.push_back((number, kept));
            if run.strangers.len() > MOST_STRANGERS
                && let Some((_, oldest)) = run.strangers.pop_front()
            {
                // Its own thread sees that.
                let _ = oldest.shutdown(Shutdown::Both);
            }
            drop(run);
            let state = Arc::clone(self);
            let spawned = thread::Builder::new().spawn(move || {
                // What is wrong with a connection is no concern of the run, unless it takes part.
                let is_silent = state.attend(&stream, number).unwrap_or(false);
                state.disconnected(number, is_silent);
            });
            if spawned.is_err() {
                self.disconnected(number, false);
            }
        }
    }

    /// Listens to one machine until it leaves, is gone, or the server ends; whether it was there and said nothing any more.
    fn attend(&self, stream: &TcpStream, number: usize) -> io::Result<bool> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(POLL_INTERVAL))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut receiver = Receiver::new(stream.try_clone()?, LONGEST_HELLO);
        let Some((hello, own)) = self.introduced(&mut receiver, stream)? else {
            return Ok(false);
        };
        receiver.allow(LONGEST_LINE);
        self.lock().forget_stranger(number);
        if let Err(reason) = self.admit(hello, own, stream, number)? {
            return refuse(stream, reason).map(|()| false);
        }
        let mut heard = Instant::now();
        while !self.ended() {
            let message = match receiver.receive()? {
                Received::Nothing if heard.elapsed() >= SILENCE => return Ok(true),
                Received::Nothing => continue,
                Received::Closed => return Ok(false),
                Received::Message(message) => message,
            };
            heard = Instant::now();
            match message {
                ClientMessage::Ping { sent_us } => {
                    let pong = ServerMessage::Pong {
                        sent_us,
                        server_us: now_us(),
                    };
                    self.answer(stream, &pong)?;
                }
                ClientMessage::Alive => self.answer(stream, &ServerMessage::Alive)?,
                ClientMessage::Step { message } => self.all_gather(message, number),
                ClientMessage::Leave => {
                    self.leave(number);
                    return Ok(false);
                }
                ClientMessage::Prove { .. } | ClientMessage::Hello { .. } => {
                    return Err(io::Error::other("a second hello"));
                }
            }
        }
        Ok(false)
    }

    /// Answers one machine.
    fn answer(&self, stream: &TcpStream, message: &ServerMessage) -> io::Result<()> {
        // What is sent to all goes to the same socket.
        let _run = self.lock();
        send(&mut &*stream, message)
    }

    /// The hello of a connection that has proved to have the token, and whether it is the server's own machine; `None` where
    /// it does not have the token, or takes too long.
    fn introduced(
        &self,
        receiver: &mut Receiver<TcpStream>,
        stream: &TcpStream,
    ) -> io::Result<Option<(Hello, bool)>> {
        let until = Instant::now() + AUTHENTICATION_TIMEOUT;
        let server = auth::challenge()?;
        send(
            &mut &*stream,
            &ServerMessage::Challenge {
                challenge: server.clone(),
            },
        )?;
        let (participant, proof) = match self.first(receiver, stream, until)? {
            None => return Ok(None),
            Some(ClientMessage::Prove { challenge, proof }) if auth::is_challenge(&challenge) => {
                (challenge, proof)
            }
            Some(_) => {
                return refuse(stream, "a proof of the token comes first".to_owned()).map(|()| None);
            }
        };
        let challenges = Challenges {
            server: &server,
            participant: &participant,
        };
        let Settings { token, own, .. } = &self.settings;
        let has = |token: &Token| token.proves(Side::Participant, challenges, &proof);
        let (is_own, has_token) = (has(own), has(token));
        if !is_own && !has_token {
            let reason = "its token is another one; give all machines the token of the one with --lead";
            return refuse(stream, reason.to_owned()).map(|()| None);
        }
        let proof = if is_own { own } else { token }.proof(Side::Server, challenges);
        send(&mut &*stream, &ServerMessage::Proven { proof })?;
        match self.first(receiver, stream, until)? {
            None => Ok(None),
            Some(ClientMessage::Hello { hello }) => Ok(Some((hello, is_own))),
            Some(_) => refuse(stream, "a hello comes first".to_owned()).map(|()| None),
        }
    }

    /// The next message of a connection that takes no part yet; `None` where it closes or nothing comes `until` then, or what
    /// comes is none.
    fn first(
        &self,
        receiver: &mut Receiver<TcpStream>,
        stream: &TcpStream,
        until: Instant,
    ) -> io::Result<Option<ClientMessage>> {
        while !self.ended() && Instant::now() < until {
            match receiver.receive() {
                Ok(Received::Nothing | Received::Message(ClientMessage::Alive)) => {}
                Ok(Received::Closed) => return Ok(None),
                Ok(Received::Message(message)) => return Ok(Some(message)),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let version = env!("CARGO_PKG_VERSION");
                    let reason = format!(
                        "it does not speak as facebench {version} does: have the same on all machines"
                    );
                    return refuse(stream, reason).map(|()| None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Takes a machine in, or says why not. The server's `own` comes first, the others wait for it.
    fn admit(
        &self,
        hello: Hello,
        own: bool,
        stream: &TcpStream,
        number: usize,
    ) -> io::Result<Result<(), String>> {
        let count = self.settings.count;
        let mut run = self.lock();
        while run.participants.is_empty() && !own && !self.ended() {
            run = self.wait(run);
        }
        if let Some(reason) = unfit(&hello) {
            return Ok(Err(reason));
        }
        if run.started {
            return Ok(Err(format!("its {count} machines are all there")));
        }
        if let Some(first) = run.participants.first() {
            let differing = differences(&first.hello.terms, &hello.terms).join("; ");
            if !differing.is_empty() {
                (self.report)(&format!("{} is refused: other {differing}", hello.name));
                return Ok(Err(format!(
                    "it would not measure what {} does: {differing}; give all machines the same",
                    first.hello.name
                )));
            }
        }
        if !own {
            let there = run.participants.len() + 1;
            (self.report)(&format!("{} is there ({there} of {count})", hello.name));
        }
        run.participants.push(Connection {
            hello,
            stream: stream.try_clone()?,
            number,
            left: false,
        });
        if run.participants.len() == count {
            run.start(&self.settings.id);
        }
        self.changed.notify_all();
        Ok(Ok(()))
    }

    /// Keeps what one sent at this step, and sends all of it to all once all have.
    fn all_gather(&self, message: StepMessage, number: usize) {
        // One that sends long reasons would make the others' line too long.
        let message = match message {
            StepMessage::Failed { reason } => StepMessage::Failed {
                reason: shown(&reason, LONGEST_REASON),
            },
            other => other,
        };
        let mut run = self.lock();
        let Some(place) = run.place(number).filter(|_| run.started) else {
            return;
        };
        run.messages[place] = Some(message);
        if run.messages.iter().all(Option::is_some) {
            let messages = run.messages.iter_mut().filter_map(Option::take).collect();
            run.send_to_all(&ServerMessage::All { messages });
        }
        self.end_if_one_left_early(&mut run);
    }

    /// The machine on the connection `number` has left.
    fn leave(&self, number: usize) {
        let mut run = self.lock();
        if let Some(place) = run.place(number).filter(|_| run.started) {
            run.participants[place].left = true;
            self.end_if_one_left_early(&mut run);
            self.changed.notify_all();
        }
    }

    /// A step that some are at and that a machine which has left will never come to is the end of the run.
    fn end_if_one_left_early(&self, run: &mut RunState) {
        if run.broken || run.messages.iter().all(Option::is_none) {
            return;
        }
        let left = run.participants.iter().find(|connection| connection.left);
        if let Some(name) = left.map(|connection| connection.hello.name.clone()) {
            run.broken = true;
            run.send_to_all(&ServerMessage::Left { name, silent: false });
        }
        self.changed.notify_all();
    }

    /// A connection is over. Before all are there its machine is merely not there yet; afterwards the run is at its end,
    /// unless the machine has left after the last step.
    fn disconnected(&self, number: usize, silent: bool) {
        let mut run = self.lock();
        run.forget_stranger(number);
        let Some(place) = run.place(number) else {
            return;
        };
        let name = run.participants[place].hello.name.clone();
        if silent {
            let limit = SILENCE.as_secs();
            (self.report)(&format!("{name} has said nothing for {limit} s and is dropped"));
        } else if !run.started {
            (self.report)(&format!("{name} has gone again"));
        }
        // Once one has left all steps are done.
        if run.started && run.have_left() == 0 && !self.ended() {
            run.broken = true;
            run.send_to_all(&ServerMessage::Left { name, silent });
        }
        if silent {
            // After that, for it may read what happened when it goes on.
            let _ = run.participants[place].stream.shutdown(Shutdown::Both);
        }
        if !run.started {
            run.participants.remove(place);
        }
        self.changed.notify_all();
    }
}

impl RunState {
    /// The place of the machine on the connection `number`.
    fn place(&self, number: usize) -> Option<usize> {
        self.participants
            .iter()
            .position(|connection| connection.number == number)
    }

    /// How many machines have left after the last step.
    fn have_left(&self) -> usize {
        self.participants
            .iter()
            .filter(|connection| connection.left)
            .count()
    }

    fn forget_stranger(&mut self, number: usize) {
        self.strangers.retain(|(other, _)| *other != number);
    }

    /// All are there: each gets its place, and what the others offer.
    fn start(&mut self, id: &str) {
        self.started = true;
        self.messages = vec![None; self.participants.len()];
        let all = || self.participants.iter().map(|connection| &connection.hello);
        let machines: Vec<String> = all().map(|hello| hello.name.clone()).collect();
        let offers: Vec<Offer> = all().map(|hello| hello.offer).collect();
        for (place, connection) in self.participants.iter_mut().enumerate() {
            // One that cannot be reached is gone, which its own thread will find out.
            let _ = send(
                &mut connection.stream,
                &ServerMessage::Welcome {
                    id: id.to_owned(),
                    place,
                    machines: machines.clone(),
                    offers: offers.clone(),
                },
            );
        }
    }

    fn send_to_all(&mut self, message: &ServerMessage) {
        for connection in &mut self.participants {
            let _ = send(&mut connection.stream, message);
        }
    }
}

/// Says why a machine cannot take part.
fn refuse(stream: &TcpStream, reason: String) -> io::Result<()> {
    send(&mut &*stream, &ServerMessage::Refused { reason })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn hello(name: &str) -> Hello {
        Hello {
            name: name.to_owned(),
            offer: Offer {
                tenant_groups: 1,
                background_load: None,
            },
            terms: Vec::new(),
        }
    }

    const TOKEN: &str = "token of all";
    const OWN: &str = "token of the first";

    fn server(count: usize) -> BarrierServer {
        let settings = Settings {
            id: "m".to_owned(),
            count,
            token: Token::parse(TOKEN).unwrap(),
            own: Token::parse(OWN).unwrap(),
        };
        BarrierServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), settings, |_| {}).unwrap()
    }

    /// A connection, and what comes over it.
    struct Client {
        stream: TcpStream,
        receiver: Receiver<TcpStream>,
        challenge: String,
    }

    impl Client {
        fn connect(server: &BarrierServer) -> Self {
            let stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut client = Self {
                receiver: Receiver::new(stream.try_clone().unwrap(), LONGEST_LINE),
                stream,
                challenge: String::new(),
            };
            match client.receive() {
                Some(ServerMessage::Challenge { challenge }) => client.challenge = challenge,
                other => panic!("{other:?}"),
            }
            client
        }

        fn send(&mut self, message: &ClientMessage) {
            send(&mut self.stream, message).unwrap();
        }

        /// `None` at the end.
        fn receive(&mut self) -> Option<ServerMessage> {
            match self.receiver.receive().unwrap() {
                Received::Message(message) => Some(message),
                Received::Closed => None,
                Received::Nothing => panic!("nothing came"),
            }
        }

        /// The reason of the refusal that comes next; the connection is then closed.
        fn refused(&mut self) -> String {
            let Some(ServerMessage::Refused { reason }) = self.receive() else {
                panic!("not refused");
            };
            assert_eq!(self.receive(), None);
            reason
        }

        /// Sends a proof of `token` over the server's challenge, or over another one.
        fn prove(&mut self, token: &str, server: Option<&str>) {
            let participant = "0".repeat(32);
            let challenges = Challenges {
                server: server.unwrap_or(&self.challenge),
                participant: &participant,
            };
            let proof = Token::parse(token).unwrap().proof(Side::Participant, challenges);
            self.send(&ClientMessage::Prove {
                challenge: participant,
                proof,
            });
        }

        fn hello(server: &BarrierServer, name: &str, token: &str) -> Self {
            Self::with(server, hello(name), token)
        }

        fn with(server: &BarrierServer, hello: Hello, token: &str) -> Self {
            let mut client = Self::connect(server);
            client.prove(token, None);
            let Some(ServerMessage::Proven { proof }) = client.receive() else {
                panic!("no proof");
            };
            let participant = "0".repeat(32);
            let challenges = Challenges {
                server: &client.challenge,
                participant: &participant,
            };
            assert!(
                Token::parse(token)
                    .unwrap()
                    .proves(Side::Server, challenges, &proof)
            );
            client.send(&ClientMessage::Hello { hello });
            client
        }
    }

    /// Both machines of a run that has started.
    fn started(server: &BarrierServer) -> [Client; 2] {
        let mut both = [
            Client::hello(server, "vm0", OWN),
            Client::hello(server, "vm1", TOKEN),
        ];
        for client in &mut both {
            assert!(matches!(client.receive(), Some(ServerMessage::Welcome { .. })));
        }
        both
    }

    fn left(name: &str, silent: bool) -> ServerMessage {
        ServerMessage::Left {
            name: name.to_owned(),
            silent,
        }
    }

    #[test]
    fn without_the_token_nobody_takes_part() {
        let server = server(2);
        let mut first = Client::hello(&server, "vm0", OWN);
        let mut wrong = Client::connect(&server);
        wrong.prove("another token", None);
        let wrong = wrong.refused();
        assert!(wrong.contains("its token is another one"), "{wrong}");
        let mut replayed = Client::connect(&server);
        replayed.prove(TOKEN, Some(&"1".repeat(32)));
        assert!(replayed.refused().contains("its token"));
        let mut none = Client::connect(&server);
        none.send(&ClientMessage::Prove {
            challenge: "0".repeat(32),
            proof: String::new(),
        });
        assert!(none.refused().contains("its token"));
        let mut unfit = Client::connect(&server);
        unfit.send(&ClientMessage::Prove {
            challenge: "short".to_owned(),
            proof: String::new(),
        });
        assert!(unfit.refused().contains("a proof of the token comes first"));
        // The place is still free.
        let mut second = Client::hello(&server, "vm1", TOKEN);
        for client in [&mut first, &mut second] {
            assert!(matches!(client.receive(), Some(ServerMessage::Welcome { .. })));
        }
        let late = Client::hello(&server, "vm2", TOKEN).refused();
        assert!(late.contains("all there"), "{late}");
    }

    #[test]
    fn a_strangers_messages_change_nothing() {
        let server = server(2);
        let [mut first, second] = started(&server);
        for message in [
            ClientMessage::Leave,
            ClientMessage::Ping { sent_us: 1 },
            ClientMessage::Hello { hello: hello("vm1") },
            ClientMessage::Step {
                message: StepMessage::Failed {
                    reason: "spoilt".to_owned(),
                },
            },
        ] {
            let mut stranger = Client::connect(&server);
            stranger.send(&message);
            assert_eq!(stranger.refused(), "a proof of the token comes first");
        }
        let mut browser = Client::connect(&server);
        browser.stream.write_all(b"GET / HTTP/1.1\n").unwrap();
        assert!(browser.refused().contains("does not speak"));
        let mut flood = Client::connect(&server);
        // A line without end is cut off; what is sent after that may meet a closed socket.
        let _ = flood.stream.write_all(&vec![b'a'; LONGEST_HELLO + 1]);
        first.send(&ClientMessage::Step {
            message: StepMessage::Ready,
        });
        drop(second);
        assert_eq!(first.receive(), Some(left("vm1", false)));
    }

    #[test]
    fn strangers_that_say_nothing_make_room_for_those_with_the_token() {
        let server = server(2);
        let mut strangers: Vec<Client> = (0..=MOST_STRANGERS).map(|_| Client::connect(&server)).collect();
        assert_eq!(strangers[0].receive(), None, "the oldest is closed");
        started(&server);
        let state = server.state.lock();
        assert!(state.strangers.len() <= MOST_STRANGERS);
    }

    #[test]
    fn a_stranger_that_trickles_is_closed_in_time() {
        let server = server(2);
        let mut slow = Client::connect(&server);
        let began = Instant::now();
        while began.elapsed() < AUTHENTICATION_TIMEOUT + Duration::from_secs(5) {
            // A byte at a time, faster than a read waits: the time for all of it is what counts.
            if slow.stream.write_all(b"a").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(began.elapsed() >= AUTHENTICATION_TIMEOUT);
        assert!(began.elapsed() < AUTHENTICATION_TIMEOUT + Duration::from_secs(5));
        started(&server);
    }

    #[test]
    fn nobody_learns_the_terms_without_the_token() {
        let server = server(2);
        let secret = Hello {
            terms: vec![("the photos".to_owned(), "secret".to_owned())],
            ..hello("vm0")
        };
        let _first = Client::with(&server, secret, OWN);
        let mut stranger = Client::connect(&server);
        stranger.prove("another token", None);
        assert!(!stranger.refused().contains("secret"));
        // With the token it is told what differs, and in no more than it may have said itself.
        let mut other = Client::with(&server, hello("vm1"), TOKEN);
        assert!(other.refused().contains("the photos (none against secret)"));
    }

    #[test]
    fn a_participant_that_says_nothing_is_dropped_and_named() {
        let server = server(2);
        let [mut first, mut second] = started(&server);
        let began = Instant::now();
        // The first one says that it is there; the second is stopped, and its connection stays.
        let ended = loop {
            first.send(&ClientMessage::Alive);
            match first.receive() {
                Some(ServerMessage::Alive) => thread::sleep(SILENCE / 10),
                other => break other,
            }
            assert!(began.elapsed() < SILENCE + Duration::from_secs(5));
        };
        assert_eq!(ended, Some(left("vm1", true)));
        assert_eq!(second.receive(), Some(left("vm1", true)));
        assert_eq!(second.receive(), None, "its connection is closed");
    }

    #[test]
    fn a_machine_that_says_nothing_while_others_are_awaited_is_dropped_too() {
        let server = server(3);
        let _first = Client::hello(&server, "vm0", OWN);
        let began = Instant::now();
        let mut mute = Client::hello(&server, "vm1", TOKEN);
        assert_eq!(mute.receive(), None, "its connection is closed");
        assert!(began.elapsed() < SILENCE + Duration::from_secs(5));
    }

    #[test]
    fn one_that_leaves_before_the_end_ends_the_run_and_is_named() {
        for at_a_step in [false, true] {
            let server = server(2);
            let [mut first, mut second] = started(&server);
            let ready = ClientMessage::Step {
                message: StepMessage::Ready,
            };
            if at_a_step {
                first.send(&ready);
                thread::sleep(POLL_INTERVAL);
            }
            second.send(&ClientMessage::Leave);
            thread::sleep(POLL_INTERVAL);
            if !at_a_step {
                first.send(&ready);
            }
            assert_eq!(first.receive(), Some(left("vm1", false)));
        }
    }

    #[test]
    fn a_long_reason_of_one_does_not_cut_off_the_others() {
        let server = server(2);
        let mut both = started(&server);
        both[0].send(&ClientMessage::Step {
            message: StepMessage::Failed {
                reason: "\u{1b}".repeat(60_000),
            },
        });
        both[1].send(&ClientMessage::Step {
            message: StepMessage::Ready,
        });
        for client in &mut both {
            let Some(ServerMessage::All { messages }) = client.receive() else {
                panic!("not all");
            };
            let [StepMessage::Failed { reason }, StepMessage::Ready] = &messages[..] else {
                panic!("{messages:?}");
            };
            assert_eq!(*reason, "\\u001b".repeat(LONGEST_REASON / 6));
        }
    }
}
