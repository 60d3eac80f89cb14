//! A worker for load generators of others: photos by number come in, answers go out, one a line.
//!
//! Each line of the input is an id and a photo's number (`17 3`), or several such pairs; each line of the output is the
//! id of an answered photo. Photos are answered by as many streams as the job has, in the order in which they came.

use std::{
    collections::VecDeque,
    io::{BufRead, Write},
    sync::{Mutex, PoisonError},
    thread,
};

use super::{
    Worker, WorkerError,
    protocol::{Job, Ready},
};

/// Loads `job`, writes what `ready` makes of it as a first line, and answers `input` on `output` until the input ends.
/// `failed` is called as soon as a photo cannot be answered: the other streams may be waiting for input then.
pub fn answer_queries(
    job: Job,
    ready: impl FnOnce(&Ready) -> String,
    failed: impl Fn(&WorkerError) + Sync,
    input: &mut (dyn BufRead + Send),
    output: &mut (dyn Write + Send),
) -> Result<(), WorkerError> {
    let photos = job.photos.len();
    let (account, mut worker) = Worker::prepare(job)?;
    writeln!(output, "{}", ready(&account))?;
    output.flush()?;
    let queue = Mutex::new(Queue {
        input,
        line: String::new(),
        waiting: VecDeque::new(),
        photos,
    });
    let output = Mutex::new(output);
    thread::scope(|scope| {
        let streams: Vec<_> = worker
            .streams
            .iter_mut()
            .map(|stream| {
                let (queue, output, failed) = (&queue, &output, &failed);
                scope.spawn(move || -> Result<(), WorkerError> {
                    let mut faces = [Vec::new()];
                    // The free stream reads for itself: handing a query over would cost a wake-up more.
                    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let mut answer = || -> Result<bool, WorkerError> {
                        let Some((id, photo)) = next()? else {
                            return Ok(false);
                        };
                        stream.process(photo..photo + 1, &mut faces)?;
                        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                        output.write_all(format!("{id}\n").as_bytes())?;
                        output.flush()?;
                        Ok(true)
                    };
                    loop {
                        match answer() {
                            Ok(true) => {}
                            Ok(false) => return Ok(()),
                            Err(error) => {
                                failed(&error);
                                return Err(error);
                            }
                        }
                    }
                })
            })
            .collect();
        for stream in streams {
            stream
                .join()
                .map_err(|_| WorkerError::Protocol("a stream panicked".into()))??;
        }
        Ok(())
    })
}

/// Queries that came and are not taken up.
struct Queue<'a> {
    input: &'a mut (dyn BufRead + Send),
    line: String,
    waiting: VecDeque<(u64, usize)>,
    photos: usize,
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
    fn all_that_comes_is_answered_and_a_wrong_line_is_named() {
        let mut job = null_job();
        let mut output = Vec::new();
        let mut input: &[u8] = b"7 0\n8 1 9 2\n";
        answer_queries(
            job.clone(),
            |_| "ready".to_owned(),
            |_| (),
            &mut input,
            &mut output,
        )
        .unwrap();
        let text = String::from_utf8(output).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].sort_unstable();
        assert_eq!(lines, ["ready", "7", "8", "9"]);
        job.streams = 1;
        let mut input: &[u8] = b"7 3\n";
        let told = std::sync::atomic::AtomicBool::new(false);
        let tell = |_: &WorkerError| told.store(true, std::sync::atomic::Ordering::Relaxed);
        let error = answer_queries(job, |_| String::new(), tell, &mut input, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("7 3") && told.into_inner(), "{error}");
    }

    fn null_job() -> Job {
        let mut spec = crate::runtime::spec::BackendSpec::bare("null");
        spec.null.delay = std::time::Duration::from_micros(100);
        Job {
            spec,
            library: None,
            device: None,
            cache: None,
            networks: None,
            photos: vec!["a".into(), "b".into(), "c".into()],
            strata: Vec::new(),
            weights: Vec::new(),
            reads: crate::runtime::spec::Reads::Preloaded,
            streams: 2,
            threads: 1,
            batch: 1,
            host_cores: Vec::new(),
            cores: 2,
            gallery: Vec::new(),
        }
    }

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
