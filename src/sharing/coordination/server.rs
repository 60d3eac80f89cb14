//! The barrier server of a coordinated run: takes so many machines, answers with its time, and at each step sends what all
//! have sent to each of them. One thread a connection; it knows nothing of what is measured.
//!
//! It trusts every machine that has the run's token ([`super::auth`]). All others can hold one of `MOST_STRANGERS` connections for
//! `AUTHENTICATION_TIMEOUT`, and nothing else. What is sent is not encrypted.

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
    auth::{self, Token},
    messages::{
        ClientMessage, Hello, LONGEST_LINE, Received, Receiver, ServerMessage, StepMessage, keep_alive, send,
    },
};
use crate::machine::wall_clock::now_us;

/// How often the server looks whether it is to end.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Longest time for which the last messages of the others are waited for.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which a machine takes what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which a connection proves that it has the token.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// Machines that have left at the end.
    left: usize,
    /// Whether one was gone before.
    broken: bool,
}

/// A machine that takes part.
struct Connection {
    hello: Hello,
    stream: TcpStream,
    /// Its connection's number, for places change until all are there.
    number: usize,
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
        thread::spawn(move || accepting.accept(&listener));
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
        while run.started && !run.broken && run.left < count && Instant::now() < until {
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
                let _ = state.attend(&stream, number);
                state.disconnected(number);
            });
            if spawned.is_err() {
                self.disconnected(number);
            }
        }
    }

    /// Listens to one machine until it leaves, is gone, or the server ends.
    fn attend(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(POLL_INTERVAL))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        keep_alive(stream);
        let mut receiver = Receiver::new(stream.try_clone()?, LONGEST_HELLO);
        let Some((hello, own)) = self.authenticate(&mut receiver, stream)? else {
            return Ok(());
        };
        receiver.allow(LONGEST_LINE);
        self.lock().forget_stranger(number);
        if let Err(reason) = self.admit(hello, own, stream, number)? {
            return refuse(stream, reason);
        }
        while !self.ended() {
            match receiver.receive()? {
                Received::Nothing => {}
                Received::Closed => return Ok(()),
                Received::Message(ClientMessage::Ping { sent_us }) => {
                    let pong = ServerMessage::Pong {
                        sent_us,
                        server_us: now_us(),
                    };
                    // What is sent to all goes to the same socket.
                    let _run = self.lock();
                    send(&mut &*stream, &pong)?;
                }
                Received::Message(ClientMessage::Step { message }) => self.all_gather(message, number),
                Received::Message(ClientMessage::Leave) => {
                    let mut run = self.lock();
                    if run.started {
                        run.left += 1;
                        self.changed.notify_all();
                    }
                    return Ok(());
                }
                Received::Message(ClientMessage::Hello { .. }) => {
                    return Err(io::Error::other("a second hello"));
                }
            }
        }
        Ok(())
    }

    /// Challenges a connection; its hello and whether it is the server's own machine, or `None` where it does not have the
    /// token, or takes too long to prove it.
    fn authenticate(
        &self,
        receiver: &mut Receiver<TcpStream>,
        stream: &TcpStream,
    ) -> io::Result<Option<(Hello, bool)>> {
        let until = Instant::now() + AUTHENTICATION_TIMEOUT;
        let challenge = auth::challenge()?;
        send(
            &mut &*stream,
            &ServerMessage::Challenge {
                challenge: challenge.clone(),
            },
        )?;
        while !self.ended() && Instant::now() < until {
            let (proof, hello) = match receiver.receive() {
                Ok(Received::Nothing) => continue,
                Ok(Received::Closed) => return Ok(None),
                Ok(Received::Message(ClientMessage::Hello { proof, hello })) => (proof, hello),
                Ok(Received::Message(_)) => {
                    refuse(stream, "a hello comes first".to_owned())?;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let version = env!("CARGO_PKG_VERSION");
                    let reason = format!(
                        "it does not speak as facebench {version} does: have the same on all machines"
                    );
                    refuse(stream, reason)?;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let Settings { token, own, .. } = &self.settings;
            let (is_own, has_token) = (own.proves(&challenge, &proof), token.proves(&challenge, &proof));
            if is_own || has_token {
                return Ok(Some((hello, is_own)));
            }
            refuse(
                stream,
                "its token is another one; give all machines the token of the one with --lead".to_owned(),
            )?;
            return Ok(None);
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
        });
        if run.participants.len() == count {
            run.start(&self.settings.id);
        }
        self.changed.notify_all();
        Ok(Ok(()))
    }

    /// Keeps what one sent at this step, and sends all of it to all once all have.
    fn all_gather(&self, message: StepMessage, number: usize) {
        let mut run = self.lock();
        let Some(place) = run.place(number).filter(|_| run.started) else {
            return;
        };
        run.messages[place] = Some(message);
        if run.messages.iter().all(Option::is_some) {
            let messages = run.messages.iter_mut().filter_map(Option::take).collect();
            run.send_to_all(&ServerMessage::All { messages });
        }
    }

    /// A connection is over. Before all are there its machine is merely not there yet; afterwards the run is at its end,
    /// unless the machine has left after the last step.
    fn disconnected(&self, number: usize) {
        let mut run = self.lock();
        run.forget_stranger(number);
        let Some(place) = run.place(number) else {
            return;
        };
        if !run.started {
            let connection = run.participants.remove(place);
            (self.report)(&format!("{} has gone again", connection.hello.name));
        } else if run.left == 0 && !self.ended() {
            // Once one has left all steps are done.
            let name = run.participants[place].hello.name.clone();
            run.broken = true;
            run.send_to_all(&ServerMessage::Left { name });
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

        fn hello(server: &BarrierServer, name: &str, token: &str) -> Self {
            let mut client = Self::connect(server);
            let proof = Token::parse(token).unwrap().proof(&client.challenge);
            client.send(&ClientMessage::Hello {
                proof,
                hello: hello(name),
            });
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

    #[test]
    fn without_the_token_nobody_takes_part() {
        let server = server(2);
        let mut first = Client::hello(&server, "vm0", OWN);
        let wrong = Client::hello(&server, "vm1", "another token").refused();
        assert!(wrong.contains("its token is another one"), "{wrong}");
        let mut replayed = Client::connect(&server);
        let overheard = Token::parse(TOKEN).unwrap().proof("the challenge of another");
        replayed.send(&ClientMessage::Hello {
            proof: overheard,
            hello: hello("vm1"),
        });
        assert!(replayed.refused().contains("its token"));
        let mut none = Client::connect(&server);
        none.send(&ClientMessage::Hello {
            proof: String::new(),
            hello: hello("vm1"),
        });
        assert!(none.refused().contains("its token"));
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
            ClientMessage::Step {
                message: StepMessage::Failed {
                    reason: "spoilt".to_owned(),
                },
            },
        ] {
            let mut stranger = Client::connect(&server);
            stranger.send(&message);
            assert_eq!(stranger.refused(), "a hello comes first");
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
        let left = ServerMessage::Left {
            name: "vm1".to_owned(),
        };
        assert_eq!(first.receive(), Some(left));
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
}
