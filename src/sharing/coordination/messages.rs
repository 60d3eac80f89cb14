//! What machines and the service say to each other, one JSON value a line, and the line that they say it on.

use std::{
    io::{self, BufRead, Read, Write},
    net::TcpStream,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Brings;

/// The longest line, with room for what each of many machines says: what is longer is no meeting's.
const LONGEST: u64 = 256 << 10;

/// From a machine to the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ToService {
    /// The first word.
    Hello(Hello),
    /// Answered at once by [`FromService::Pong`].
    Ping {
        /// Comes back.
        sent_us: u64,
    },
    /// At this step; answered by [`FromService::All`] once all are.
    Said(Said),
    /// The last word.
    Bye,
}

/// Who comes, and what it is about to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// What the machine is called.
    pub(super) name: String,
    /// What it brings.
    pub(super) brings: Brings,
    /// What must be the same on all machines, by name.
    pub(super) terms: Vec<(String, String)>,
    /// The service's own machine proves by this that it is the first; empty for others.
    pub(super) key: String,
}

/// What a machine brings to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Said {
    /// It is here, and has nothing to add.
    Here,
    /// It could begin then, by the common clock.
    Begin {
        /// Microseconds since 1970.
        at_us: u64,
    },
    /// It was at work, by the common clock.
    Worked {
        /// From, microseconds since 1970.
        from_us: u64,
        /// To.
        to_us: u64,
    },
    /// It could not do its part.
    Failed {
        /// Why.
        reason: String,
    },
}

/// From the service to a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum FromService {
    /// All are here.
    Welcome {
        /// The meeting's name.
        id: String,
        /// The machine's place.
        place: usize,
        /// All machines' names.
        machines: Vec<String>,
        /// What each brings.
        brings: Vec<Brings>,
    },
    /// The machine cannot take part.
    Refused {
        /// Why.
        reason: String,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's own.
        sent_us: u64,
        /// The service's clock.
        here_us: u64,
    },
    /// What all said, in their places.
    All {
        /// One a machine.
        said: Vec<Said>,
    },
    /// A machine has left before the end.
    Gone {
        /// Its name.
        name: String,
    },
}

/// The next line; `None` at the end. A line cut short by a timeout stays in `held` for the next call.
pub(super) fn hear<T: DeserializeOwned>(
    reader: &mut impl BufRead,
    held: &mut Vec<u8>,
) -> io::Result<Option<T>> {
    let room = LONGEST.saturating_sub(held.len() as u64);
    reader.by_ref().take(room).read_until(b'\n', held)?;
    match held.last() {
        Some(b'\n') => {}
        None => return Ok(None),
        Some(_) if held.len() as u64 >= LONGEST => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end"));
        }
        Some(_) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half of a line")),
    }
    let word = serde_json::from_slice(held).map_err(|_| {
        let said = String::from_utf8_lossy(held)
            .chars()
            .take(100)
            .collect::<String>();
        io::Error::new(io::ErrorKind::InvalidData, said.trim().to_owned())
    });
    held.clear();
    word.map(Some)
}

/// Says `word` as one line.
pub(super) fn say(writer: &mut impl Write, word: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}

/// Nothing came in the time that a read waits.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// A machine that is gone without a word is found out within half a minute, by the system's own probes.
pub(super) fn keep_alive(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt;
        // Where the system refuses, a lost machine is waited for until the user stops.
        let _ = sockopt::set_socket_keepalive(stream, true);
        let _ = sockopt::set_tcp_keepidle(stream, std::time::Duration::from_secs(10));
        let _ = sockopt::set_tcp_keepintvl(stream, std::time::Duration::from_secs(5));
        let _ = sockopt::set_tcp_keepcnt(stream, 3);
        // The probes are for quiet connections; words that nobody acknowledges have a limit of their own.
        let _ = sockopt::set_tcp_user_timeout(stream, 25_000);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn words_come_back_as_they_were_said() {
        let hello = ToService::Hello(Hello {
            name: "vm1".to_owned(),
            brings: Brings {
                companies: 1,
                neighbour: Some(0.5),
            },
            terms: vec![("the photos".to_owned(), "ab".to_owned())],
            key: String::new(),
        });
        let mut line = Vec::new();
        for word in [
            &hello,
            &ToService::Said(Said::Begin { at_us: 5 }),
            &ToService::Bye,
        ] {
            say(&mut line, word).unwrap();
        }
        let (mut reader, mut held) = (Cursor::new(line), Vec::new());
        assert_eq!(hear::<ToService>(&mut reader, &mut held).unwrap(), Some(hello));
        assert!(matches!(
            hear::<ToService>(&mut reader, &mut held).unwrap(),
            Some(ToService::Said(Said::Begin { at_us: 5 }))
        ));
        assert!(matches!(
            hear::<ToService>(&mut reader, &mut held).unwrap(),
            Some(ToService::Bye)
        ));
        assert!(hear::<ToService>(&mut reader, &mut held).unwrap().is_none());
    }

    #[test]
    fn what_is_no_word_is_an_error_and_never_fills_the_memory() {
        let mut held = Vec::new();
        let http = hear::<ToService>(&mut Cursor::new("GET / HTTP/1.1\r\n\r\n"), &mut held);
        assert_eq!(http.unwrap_err().to_string(), "GET / HTTP/1.1");
        let endless = vec![b'a'; 1 << 20];
        let mut held = Vec::new();
        assert!(hear::<ToService>(&mut Cursor::new(endless), &mut held).is_err());
        assert!(held.len() as u64 <= LONGEST);
    }
}
