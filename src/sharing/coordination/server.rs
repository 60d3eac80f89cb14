//! The barrier service of a meeting: takes so many machines, tells them the time, and at each step hands what all have said
//! to each of them. One thread a machine; it knows nothing of what is measured.
//!
//! It trusts its network: whoever reaches the port can take part in a meeting, spoil it or end it.

use std::{
    io::{self, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Brings,
    messages::{FromService, Hello, Said, ToService, hear, is_timeout, keep_alive, say},
};
use crate::machine::wall_clock::now_us;

/// How often the service looks whether it is to end.
const GLANCE: Duration = Duration::from_millis(100);
/// Longest time for which the last words of the others are waited for.
const FAREWELL: Duration = Duration::from_secs(10);
/// Longest time in which a machine takes what it is told.
const DEAF: Duration = Duration::from_secs(10);

/// A service that listens until it is dropped.
pub struct Service {
    hall: Arc<Hall>,
    address: SocketAddr,
}

const LONGEST_NAME: usize = 100;
const MOST_COMPANIES: usize = 100;

/// What all threads share.
struct Hall {
    id: String,
    count: usize,
    key: String,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Those who are here, in their places; the service's own machine is the first.
    guests: Vec<Guest>,
    /// Whether all have been told so.
    begun: bool,
    /// What each has said at this step.
    said: Vec<Option<Said>>,
    /// Machines that have said goodbye.
    left: usize,
    /// Whether one was gone without.
    broken: bool,
}

struct Guest {
    hello: Hello,
    stream: TcpStream,
    /// Its connection's number, for places change until all are here.
    number: usize,
}

impl Service {
    /// Listens at `address` for `count` machines, this one included, which proves itself by `key`. `tell` hears who comes.
    pub fn start(
        address: SocketAddr,
        count: usize,
        id: String,
        key: String,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let hall = Arc::new(Hall {
            id,
            count,
            key,
            tell: Box::new(tell),
            state: Mutex::default(),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let door = Arc::clone(&hall);
        thread::spawn(move || door.receive(&listener));
        Ok(Self { hall, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Service {
    /// Waits for the others' last words: a socket that closes over unread words takes back what it has sent.
    fn drop(&mut self) {
        let until = Instant::now() + FAREWELL;
        let mut state = self.hall.lock();
        while state.begun && !state.broken && state.left < self.hall.count && Instant::now() < until {
            state = self
                .hall
                .changed
                .wait_timeout(state, GLANCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.hall.ended.store(true, Ordering::Relaxed);
    }
}

impl Hall {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Takes connections until the service ends.
    fn receive(self: &Arc<Self>, listener: &TcpListener) {
        let mut number = 0;
        while !self.ended() {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(GLANCE / 4);
                continue;
            };
            number += 1;
            let hall = Arc::clone(self);
            thread::spawn(move || {
                // A stranger's half words are no concern of the meeting.
                let _ = hall.attend(&stream, number);
                hall.leave(number);
            });
        }
    }

    /// Listens to one machine until it says goodbye, is gone, or the service ends.
    fn attend(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GLANCE))?;
        stream.set_write_timeout(Some(DEAF))?;
        keep_alive(stream);
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream.try_clone()?;
        let mut held = Vec::new();
        while !self.ended() {
            let word = match hear::<ToService>(&mut reader, &mut held) {
                Ok(Some(word)) => word,
                Ok(None) => return Ok(()),
                Err(error) if is_timeout(&error) => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let version = env!("CARGO_PKG_VERSION");
                    let reason = format!(
                        "it does not speak as facebench {version} does: have the same on all machines"
                    );
                    let _state = self.lock();
                    return say(&mut writer, &FromService::Refused { reason });
                }
                Err(error) => return Err(error),
            };
            match word {
                ToService::Hello(hello) => {
                    if let Err(reason) = self.welcome(hello, stream, number)? {
                        return say(&mut writer, &FromService::Refused { reason });
                    }
                }
                ToService::Ping { sent_us } => {
                    let pong = FromService::Pong {
                        sent_us,
                        here_us: now_us(),
                    };
                    // Others' words go to the same socket.
                    let _state = self.lock();
                    say(&mut writer, &pong)?;
                }
                ToService::Said(said) => self.gather(said, number),
                ToService::Bye => {
                    let mut state = self.lock();
                    // A stranger's goodbye is nobody's.
                    if state.begun && state.guests.iter().any(|guest| guest.number == number) {
                        state.left += 1;
                        self.changed.notify_all();
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes a machine in, or says why not. The service's own machine comes first, the others wait for it.
    fn welcome(&self, hello: Hello, stream: &TcpStream, number: usize) -> io::Result<Result<(), String>> {
        let host = hello.key == self.key;
        let mut state = self.lock();
        while state.guests.is_empty() && !host && !self.ended() {
            state = self
                .changed
                .wait_timeout(state, GLANCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if let Some(reason) = unfit(&hello) {
            return Ok(Err(reason));
        }
        if state.guests.iter().any(|guest| guest.number == number) {
            return Ok(Err("it has said hello already".to_owned()));
        }
        if state.begun || state.guests.len() == self.count {
            return Ok(Err(format!("its {} machines are all here", self.count)));
        }
        if let Some(first) = state.guests.first() {
            let differing = differences(&first.hello.terms, &hello.terms);
            if !differing.is_empty() {
                let name = &first.hello.name;
                (self.tell)(&format!(
                    "{} is refused: other {}",
                    hello.name,
                    differing.join("; ")
                ));
                return Ok(Err(format!(
                    "it would not measure what {name} does: {}; give all machines the same",
                    differing.join("; ")
                )));
            }
        }
        if !host {
            let here = state.guests.len() + 1;
            (self.tell)(&format!("{} is here ({here} of {})", hello.name, self.count));
        }
        state.guests.push(Guest {
            hello,
            stream: stream.try_clone()?,
            number,
        });
        self.changed.notify_all();
        if state.guests.len() == self.count {
            state.begun = true;
            state.said = vec![None; self.count];
            let all = || state.guests.iter().map(|guest| &guest.hello);
            let machines: Vec<String> = all().map(|hello| hello.name.clone()).collect();
            let brings: Vec<Brings> = all().map(|hello| hello.brings).collect();
            for (place, guest) in state.guests.iter_mut().enumerate() {
                // One that cannot be told is gone, which its own thread will find out.
                let _ = say(
                    &mut guest.stream,
                    &FromService::Welcome {
                        id: self.id.clone(),
                        place,
                        machines: machines.clone(),
                        brings: brings.clone(),
                    },
                );
            }
        }
        Ok(Ok(()))
    }

    /// Keeps what one said, and tells all once all have spoken.
    fn gather(&self, said: Said, number: usize) {
        let mut state = self.lock();
        let Some(place) = state.guests.iter().position(|guest| guest.number == number) else {
            return;
        };
        if !state.begun {
            return;
        }
        state.said[place] = Some(said);
        if state.said.iter().all(Option::is_some) {
            let said: Vec<Said> = state.said.iter_mut().filter_map(Option::take).collect();
            state.tell(&FromService::All { said });
        }
    }

    /// A connection is over. Before all are here its machine is merely not here yet; afterwards the meeting is at its end,
    /// unless it said goodbye.
    fn leave(&self, number: usize) {
        let mut state = self.lock();
        let Some(place) = state.guests.iter().position(|guest| guest.number == number) else {
            return;
        };
        if !state.begun {
            let guest = state.guests.remove(place);
            (self.tell)(&format!("{} has gone again", guest.hello.name));
        } else if state.left == 0 && !self.ended() {
            // Once one has said goodbye all steps are done.
            let name = state.guests[place].hello.name.clone();
            state.broken = true;
            state.tell(&FromService::Gone { name });
        }
        self.changed.notify_all();
    }
}

impl State {
    fn tell(&mut self, word: &FromService) {
        for guest in &mut self.guests {
            let _ = say(&mut guest.stream, word);
        }
    }
}

/// Why nobody could work with what a machine says of itself: names are shown on others' terminals, and turns are counted by
/// companies.
fn unfit(hello: &Hello) -> Option<String> {
    let name = &hello.name;
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Some(format!(
            "a name has 1 to {LONGEST_NAME} characters that can be shown: give --name"
        ));
    }
    let Brings { companies, neighbour } = hello.brings;
    if !(1..=MOST_COMPANIES).contains(&companies) {
        return Some(format!(
            "{companies} kinds of tenants; 1 to {MOST_COMPANIES} can be"
        ));
    }
    let share = neighbour.filter(|share| !(*share > 0.0 && *share <= 1.0))?;
    Some(format!("a neighbour of {share}; above 0 and up to 1 can be"))
}

/// What is not the same, each with both values.
fn differences(first: &[(String, String)], other: &[(String, String)]) -> Vec<String> {
    fn value<'a>(terms: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let (_, value) = terms.iter().find(|(other, _)| other == name)?;
        Some(value)
    }
    let only_there = other.iter().filter(|(name, _)| value(first, name).is_none());
    let names = first.iter().chain(only_there).map(|(name, _)| name);
    let unlike = |name: &String| {
        let (here, there) = (value(first, name), value(other, name));
        let told = |value: Option<&str>| value.unwrap_or("none").to_owned();
        (here != there).then(|| format!("{name} ({} against {})", told(there), told(here)))
    };
    names.filter_map(unlike).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_that_nobody_could_work_with_are_refused() {
        let hello = |name: &str, companies| Hello {
            name: name.to_owned(),
            brings: Brings {
                companies,
                neighbour: None,
            },
            terms: Vec::new(),
            key: String::new(),
        };
        assert_eq!(unfit(&hello("vm1", 1)), None);
        assert_eq!(unfit(&hello("K\u{f6}ln 2", 100)), None);
        assert!(unfit(&hello("", 1)).is_some() && unfit(&hello("\u{1b}[2J", 1)).is_some());
        assert!(unfit(&hello(&"a".repeat(101), 1)).is_some());
        assert!(unfit(&hello("vm1", 0)).is_some() && unfit(&hello("vm1", usize::MAX)).is_some());
        let with = |share| {
            let mut hello = hello("vm1", 1);
            hello.brings.neighbour = Some(share);
            unfit(&hello)
        };
        assert_eq!(with(1.0), None);
        assert!(with(0.0).is_some() && with(1.5).is_some() && with(f64::NAN).is_some());
    }

    #[test]
    fn what_differs_is_told_with_both_values() {
        let terms = |seconds: &str| vec![("--duration".to_owned(), seconds.to_owned())];
        assert!(differences(&terms("3 s"), &terms("3 s")).is_empty());
        assert_eq!(
            differences(&terms("3 s"), &terms("2 s")),
            ["--duration (2 s against 3 s)"]
        );
        assert_eq!(differences(&terms("3 s"), &[]), ["--duration (none against 3 s)"]);
        assert_eq!(differences(&[], &terms("3 s")), ["--duration (3 s against none)"]);
    }

    /// A connection and what it hears.
    struct Line(TcpStream, BufReader<TcpStream>);

    impl Line {
        fn to(service: &Service) -> Self {
            let stream = TcpStream::connect(service.address()).unwrap();
            let patience = Some(Duration::from_secs(20));
            stream.set_read_timeout(patience).unwrap();
            let reader = BufReader::new(stream.try_clone().unwrap());
            Self(stream, reader)
        }

        fn say(&mut self, word: &ToService) {
            say(&mut self.0, word).unwrap();
        }

        fn hear(&mut self) -> Option<FromService> {
            hear(&mut self.1, &mut Vec::new()).unwrap()
        }

        fn hello(service: &Service, name: &str, key: &str) -> Self {
            let mut line = Self::to(service);
            line.say(&ToService::Hello(Hello {
                name: name.to_owned(),
                brings: Brings {
                    companies: 1,
                    neighbour: None,
                },
                terms: Vec::new(),
                key: key.to_owned(),
            }));
            line
        }
    }

    #[test]
    fn a_strangers_goodbye_hides_nobodys_leaving() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let service = Service::start(any, 2, "m".to_owned(), "key".to_owned(), |_| {}).unwrap();
        let mut lead = Line::hello(&service, "vm0", "key");
        let mut other = Line::hello(&service, "vm1", "");
        for line in [&mut lead, &mut other] {
            assert!(matches!(line.hear(), Some(FromService::Welcome { .. })));
        }
        let mut stranger = Line::to(&service);
        stranger.say(&ToService::Bye);
        assert_eq!(stranger.hear(), None, "its connection is closed");
        lead.say(&ToService::Said(Said::Here));
        drop(other);
        let gone = FromService::Gone {
            name: "vm1".to_owned(),
        };
        assert_eq!(lead.hear(), Some(gone));
    }
}
