//! What the server and its participants send each other: one JSON value a line.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Offer;

/// The longest line, with room for what each of many machines sends.
pub(super) const LONGEST_LINE: usize = 256 << 10;

/// From a participant to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ClientMessage {
    /// The answer to [`ServerMessage::Challenge`], and the first message.
    Hello {
        /// That the participant has the token.
        proof: String,
        /// Who it is.
        hello: Hello,
    },
    /// Answered at once by [`ServerMessage::Pong`].
    Ping {
        /// Comes back.
        sent_us: u64,
    },
    /// At this step; answered by [`ServerMessage::All`] once all have sent theirs.
    Step {
        /// What it sends to all.
        message: StepMessage,
    },
    /// The last message.
    Leave,
}

/// Who a participant is, and what it is about to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// What the machine is called.
    pub name: String,
    /// What it offers.
    pub offer: Offer,
    /// What must be the same on all machines, by name.
    pub terms: Vec<(String, String)>,
}

/// What a participant sends to all at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum StepMessage {
    /// It is there, and has nothing to add.
    Ready,
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

/// From the server to a participant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ServerMessage {
    /// The first message: prove that you have the token.
    Challenge {
        /// New for each connection.
        challenge: String,
    },
    /// All are there.
    Welcome {
        /// The coordinated run's name.
        id: String,
        /// The machine's place.
        place: usize,
        /// All machines' names.
        machines: Vec<String>,
        /// What each offers.
        offers: Vec<Offer>,
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
        /// The server's clock.
        server_us: u64,
    },
    /// What all sent at this step, in their places.
    All {
        /// One a machine.
        messages: Vec<StepMessage>,
    },
    /// A machine has left before the end.
    Left {
        /// Its name.
        name: String,
    },
}

/// What came over a connection.
#[derive(Debug, PartialEq)]
pub(super) enum Received<T> {
    /// A whole message.
    Message(T),
    /// No more than a part of one, in the time that a read waits.
    Nothing,
    /// The other side has closed the connection.
    Closed,
}

/// Takes the lines of a connection apart.
pub(super) struct Receiver<R> {
    reader: BufReader<R>,
    /// What has come of the next line.
    line: Vec<u8>,
    longest: usize,
}

impl<R: Read> Receiver<R> {
    /// Reads from `stream` lines of up to `longest` bytes.
    pub(super) fn new(stream: R, longest: usize) -> Self {
        Self {
            reader: BufReader::new(stream),
            line: Vec::new(),
            longest,
        }
    }

    /// Takes lines of up to `longest` bytes from now on.
    pub(super) fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Reads once: the caller keeps count of the time, however slowly a line comes.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Received<T>> {
        let invalid = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidData, text));
        let bytes = match self.reader.fill_buf() {
            Ok([]) if self.line.is_empty() => return Ok(Received::Closed),
            Ok([]) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half of a line")),
            Ok(bytes) => bytes,
            Err(error) if is_timeout(&error) => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(bytes.len(), |end| end + 1);
        if self.line.len() + count > self.longest {
            return invalid("a line without end");
        }
        self.line.extend_from_slice(&bytes[..count]);
        self.reader.consume(count);
        if end.is_none() {
            return Ok(Received::Nothing);
        }
        let line = std::mem::take(&mut self.line);
        serde_json::from_slice(&line).map(Received::Message).or_else(|_| {
            let text: String = String::from_utf8_lossy(&line).chars().take(100).collect();
            invalid(text.trim())
        })
    }
}

/// Sends `message` as one line.
pub(super) fn send(writer: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}

/// Nothing came in the time that a read waits.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// A machine that vanishes is noticed within half a minute, by the system's own probes.
pub(super) fn keep_alive(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt;
        // Where the system refuses, a lost machine is waited for until the user stops.
        let _ = sockopt::set_socket_keepalive(stream, true);
        let _ = sockopt::set_tcp_keepidle(stream, std::time::Duration::from_secs(10));
        let _ = sockopt::set_tcp_keepintvl(stream, std::time::Duration::from_secs(5));
        let _ = sockopt::set_tcp_keepcnt(stream, 3);
        // The probes are for quiet connections; data that nobody acknowledges have a limit of their own.
        let _ = sockopt::set_tcp_user_timeout(stream, 25_000);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn receiver(bytes: impl AsRef<[u8]>) -> Receiver<Cursor<Vec<u8>>> {
        Receiver::new(Cursor::new(bytes.as_ref().to_vec()), LONGEST_LINE)
    }

    #[test]
    fn messages_come_back_as_they_were_sent() {
        let hello = ClientMessage::Hello {
            proof: "00".to_owned(),
            hello: Hello {
                name: "vm1".to_owned(),
                offer: Offer {
                    tenant_groups: 1,
                    background_load: Some(0.5),
                },
                terms: vec![("the photos".to_owned(), "ab".to_owned())],
            },
        };
        let begin = ClientMessage::Step {
            message: StepMessage::Begin { at_us: 5 },
        };
        let mut bytes = Vec::new();
        for message in [&hello, &begin, &ClientMessage::Leave] {
            send(&mut bytes, message).unwrap();
        }
        let mut receiver = receiver(bytes);
        for message in [hello, begin, ClientMessage::Leave] {
            assert_eq!(receiver.receive().unwrap(), Received::Message(message));
        }
        assert_eq!(receiver.receive::<ClientMessage>().unwrap(), Received::Closed);
    }

    #[test]
    fn what_is_no_message_is_an_error_and_never_fills_the_memory() {
        let http = receiver("GET / HTTP/1.1\r\n\r\n").receive::<ClientMessage>();
        assert_eq!(http.unwrap_err().to_string(), "GET / HTTP/1.1");
        let mut endless = receiver(vec![b'a'; 1 << 20]);
        let error = loop {
            match endless.receive::<ClientMessage>() {
                Ok(Received::Nothing) => assert!(endless.line.len() <= LONGEST_LINE),
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "a line without end");
    }

    #[test]
    fn a_line_may_come_in_pieces_and_half_of_one_is_an_error() {
        /// Gives a byte at a time.
        struct Slow(Cursor<Vec<u8>>);
        impl Read for Slow {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0.read(&mut into[..1])
            }
        }
        let mut bytes = Vec::new();
        send(&mut bytes, &ClientMessage::Leave).unwrap();
        let count = bytes.len();
        bytes.push(b'{');
        let mut receiver = Receiver::new(Slow(Cursor::new(bytes)), LONGEST_LINE);
        for _ in 1..count {
            assert_eq!(receiver.receive::<ClientMessage>().unwrap(), Received::Nothing);
        }
        assert_eq!(
            receiver.receive().unwrap(),
            Received::Message(ClientMessage::Leave)
        );
        assert_eq!(receiver.receive::<ClientMessage>().unwrap(), Received::Nothing);
        assert_eq!(
            receiver.receive::<ClientMessage>().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
