//! Queries of another program's load generator: photos by number come in, answers go out, one a line.

use std::{
    collections::VecDeque,
    io::{BufRead, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Batch, Schedule};
use crate::worker::WorkerError;

/// Photos in the order in which they are asked for, until the input ends.
pub(crate) struct ExternalQueries<'a> {
    queue: Mutex<Queue<'a>>,
    output: Mutex<&'a mut (dyn Write + Send)>,
    over: AtomicBool,
}

/// Queries that came and are not taken up.
struct Queue<'a> {
    input: &'a mut (dyn BufRead + Send),
    line: String,
    waiting: VecDeque<(u64, usize)>,
    photos: usize,
}

impl<'a> ExternalQueries<'a> {
    /// Each line of `input` is an id and the number of one of `photos` (`17 3`), or several such pairs; each line of
    /// `output` is the id of an answered photo.
    pub(crate) fn new(
        input: &'a mut (dyn BufRead + Send),
        output: &'a mut (dyn Write + Send),
        photos: usize,
    ) -> Self {
        Self {
            queue: Mutex::new(Queue {
                input,
                line: String::new(),
                waiting: VecDeque::new(),
                photos,
            }),
            output: Mutex::new(output),
            over: AtomicBool::new(false),
        }
    }
}

impl Schedule for ExternalQueries<'_> {
    /// The free stream reads for itself: handing a query over would cost a wake-up more.
    fn next_batch(&self) -> Result<Option<Batch>, WorkerError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if self.over.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let next = queue.next()?;
        Ok(next.map(|(query, photo)| Batch {
            query,
            ..Batch::of(photo..photo + 1)
        }))
    }

    fn completed(
        &self,
        batch: &Batch,
        _: Instant,
        _: Instant,
        _: &mut Vec<Duration>,
    ) -> Result<(), WorkerError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(format!("{}\n", batch.query).as_bytes())?;
        Ok(output.flush()?)
    }

    /// A stream that waits for input goes on waiting.
    fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Queue<'_> {
    fn next(&mut self) -> Result<Option<(u64, usize)>, WorkerError> {
        while self.waiting.is_empty() {
            self.line.clear();
            if self.input.read_line(&mut self.line)? == 0 {
                return Ok(None);
            }
            self.waiting.extend(queries(&self.line, self.photos)?);
        }
        Ok(self.waiting.pop_front())
    }
}

/// The pairs of id and photo of one line.
fn queries(line: &str, photos: usize) -> Result<Vec<(u64, usize)>, WorkerError> {
    let wrong = || {
        WorkerError::Protocol(format!(
            "expected pairs of an id and a photo's number below {photos}, such as \"17 3\", not \"{}\"",
            line.trim()
        ))
    };
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map(|word| word.parse().map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    if !numbers.len().is_multiple_of(2) {
        return Err(wrong());
    }
    numbers
        .chunks_exact(2)
        .map(|pair| {
            let photo = usize::try_from(pair[1]).ok().filter(|photo| *photo < photos);
            Ok((pair[0], photo.ok_or_else(wrong)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_pairs_of_id_and_photo() {
        assert_eq!(queries("17 3\n", 4).unwrap(), [(17, 3)]);
        assert_eq!(queries("1 0 2 1", 4).unwrap(), [(1, 0), (2, 1)]);
        assert_eq!(queries("\n", 4).unwrap(), []);
        for bad in ["1", "1 4", "a 1", "1 -1"] {
            let error = queries(bad, 4).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("below 4"), "{error}");
        }
    }
}
