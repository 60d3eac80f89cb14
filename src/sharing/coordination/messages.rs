//! What the server and its participants send each other: one JSON value a line.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Offer;
use crate::text::visible;

/// The longest line, with room for what each of many machines sends.
pub(super) const LONGEST_LINE: usize = 512 << 10;
/// Whoever says nothing for so long is gone, whatever its connection looks like: a machine that froze, a process that was
/// stopped, a network that was cut. Tests do not wait for it as long.
pub(super) const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });
/// How often a participant says that it is there, and the server answers.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(SILENCE.as_millis() as u64 / 10);
/// Longest time in which the other side takes what it is sent.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// From a participant to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ClientMessage {
    /// The answer to [`ServerMessage::Challenge`], and the first message.
    Prove {
        /// What the server is to prove that it has the token.
        challenge: String,
        /// That the participant has it.
        proof: String,
    },
    /// Who it is, once the server has proved that it has the token too.
    Hello {
        /// What it is called, and what it measures.
        hello: Hello,
    },
    /// That it is there; answered at once by [`ServerMessage::Alive`].
    Alive,
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
    /// The answer to [`ClientMessage::Prove`].
    Proven {
        /// That the server has the token.
        proof: String,
    },
    /// That it is there.
    Alive,
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
        /// Whether it was dropped, because it said nothing for so long.
        silent: bool,
    },
}

/// `text` of another machine as it may be shown and kept here: the first `most` characters of its visible form.
pub(super) fn shown(text: &str, most: usize) -> String {
    let beginning: String = text.chars().take(most).collect();
    visible(&beginning).chars().take(most).collect()
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
            let text = String::from_utf8_lossy(&line);
            invalid(&shown(text.trim(), 100))
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
    fn what_is_shown_is_short_and_moves_no_cursor() {
        assert_eq!(shown("K\u{f6}ln 2", 100), "K\u{f6}ln 2");
        assert_eq!(shown("\u{1b}[2J", 100), "\\u001b[2J");
        assert_eq!(shown(&"a".repeat(1000), 3), "aaa");
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
