//! The pipes between a study and a worker, each with a thread: a worker may read nothing, and its output may have no end, or no
//! line end.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
    thread,
    time::Instant,
};

/// Lines of a worker's standard error that are kept for the reason of its exit.
const KEPT_LINES: usize = 8;

/// Bytes of one of them.
const LONGEST_KEPT_LINE: usize = 2000;

/// A line of a worker's output, without its end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    /// Whether all of it is there.
    pub(super) is_whole: bool,
    /// When it came.
    pub(super) came: Instant,
}

/// Starts a thread for one of a worker's pipes.
pub(super) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Passes on each line of a worker's `output` until nobody listens; one of more than `most` bytes is the last.
pub(super) fn pass_on(output: impl Read, most: usize, replies: &SyncSender<Line>) {
    let mut output = BufReader::new(output);
    while let Ok(Some(line)) = next_line(&mut output, most) {
        let is_whole = line.is_whole;
        if replies.send(line).is_err() || !is_whole {
            break;
        }
    }
}

/// Keeps the last lines of a worker's standard error, however many and however long they are.
pub(super) fn keep_last(errors: impl Read, kept: &Mutex<VecDeque<String>>) {
    let mut errors = BufReader::new(errors);
    let mut continues = false;
    while let Ok(Some(Line { text, is_whole, .. })) = next_line(&mut errors, LONGEST_KEPT_LINE) {
        if !continues {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_back(String::from_utf8_lossy(&text).into_owned());
            if kept.len() > KEPT_LINES {
                kept.pop_front();
            }
        }
        // The rest of a line that was cut off.
        continues = !is_whole;
    }
}

/// Writes `lines` to a worker's `input` until there are no more, or nobody reads: its standard error explains that better.
pub(super) fn write_all(mut input: impl Write, lines: Receiver<Vec<u8>>) {
    for line in lines {
        if input.write_all(&line).and_then(|()| input.flush()).is_err() {
            break;
        }
    }
}

/// The next line of `reader` without its end, and whether all of it is there: of a line of more than `most` bytes these come
/// first, and the rest as if it were further lines. `None` at the end.
fn next_line(reader: &mut impl BufRead, most: usize) -> io::Result<Option<Line>> {
    let mut text = Vec::new();
    reader.by_ref().take(most as u64).read_until(b'\n', &mut text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let ends = text.last() == Some(&b'\n');
    let is_whole = ends || text.len() < most;
    if ends {
        text.pop();
    }
    Ok(Some(Line {
        text,
        is_whole,
        came: Instant::now(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], most: usize) -> Vec<(String, bool)> {
        let mut reader = BufReader::with_capacity(4, text);
        let next = || next_line(&mut reader, most).unwrap();
        std::iter::from_fn(next)
            .map(|line| (String::from_utf8_lossy(&line.text).into_owned(), line.is_whole))
            .collect()
    }

    fn expected(lines: &[(&str, bool)]) -> Vec<(String, bool)> {
        lines
            .iter()
            .map(|(line, is_whole)| ((*line).to_owned(), *is_whole))
            .collect()
    }

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        let whole = expected(&[("one", true), ("", true), ("two", true)]);
        assert_eq!(lines(b"one\n\ntwo", 100), whole);
        assert_eq!(lines(b"one\n\ntwo\n", 100), whole);
        assert_eq!(lines(b"", 100), []);
        // What is no UTF-8 ends nothing.
        assert_eq!(lines(b"\xff\xfe\nx", 100).len(), 2);
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let parts = expected(&[("123", false), ("45", true), ("6", true)]);
        assert_eq!(lines(b"12345\n6\n", 3), parts);
        let mut endless = BufReader::new(io::repeat(b'a'));
        let line = next_line(&mut endless, 1000).unwrap().unwrap();
        assert_eq!((line.text.len(), line.is_whole), (1000, false));
    }
}
