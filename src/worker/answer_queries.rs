//! A worker for load generators of others: photos by number come in, answers go out, in the order in which they came, by
//! as many streams as the job has.

use std::{
    io::{self, BufRead, Read, Write},
    sync::{atomic::AtomicUsize, mpsc::Receiver},
};

use super::{
    WorkerError, load_generator::ExternalQueries, loaded_arm::LoadedArm, parallel::on_each,
    protocol::Request, stream::Stream, stream_loop::StreamLoop,
};

impl LoadedArm {
    /// Answers `input` on `output` until the input ends. `failed` is called as soon as a photo cannot be answered: the
    /// other streams may be waiting for input then.
    pub(super) fn answer_queries(
        &mut self,
        input: &mut (dyn BufRead + Send),
        output: &mut (dyn Write + Send),
        failed: &(dyn Fn(&WorkerError) + Sync),
    ) -> Result<(), WorkerError> {
        let photos = self.job.photos.len();
        let done = AtomicUsize::new(0);
        let stream_loop = StreamLoop {
            schedule: &ExternalQueries::new(input, output, photos),
            batch: 1,
            done: &done,
        };
        let answer = |stream: &mut Box<dyn Stream>| {
            let answered = stream_loop.run(stream.as_mut(), &mut |_| ());
            answered.inspect_err(failed)
        };
        on_each(&mut self.streams, answer, |_| Ok(())).map(drop)
    }
}

/// The lines of queries among the requests to a worker, until the one to finish.
pub(super) struct QueryLines<'a> {
    requests: &'a mut Receiver<String>,
    line: Vec<u8>,
    /// How much of the line has been read.
    read: usize,
    is_over: bool,
}

impl<'a> QueryLines<'a> {
    pub(super) fn new(requests: &'a mut Receiver<String>) -> Self {
        Self {
            requests,
            line: Vec::new(),
            read: 0,
            is_over: false,
        }
    }
}

impl BufRead for QueryLines<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.line.len() && !self.is_over {
            self.line.clear();
            self.read = 0;
            match self.requests.recv() {
                Ok(line) if !is_finish(&line) => {
                    self.line.extend_from_slice(line.as_bytes());
                    self.line.push(b'\n');
                }
                _ => self.is_over = true,
            }
        }
        Ok(&self.line[self.read..])
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes;
    }
}

impl Read for QueryLines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}

fn is_finish(line: &str) -> bool {
    line.starts_with('{') && matches!(serde_json::from_str(line), Ok(Request::Finish))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::worker::protocol::Job;

    #[test]
    fn all_that_comes_is_answered_and_a_wrong_line_is_named() {
        let mut job = null_job();
        let mut output = Vec::new();
        let mut input: &[u8] = b"7 0\n8 1 9 2\n";
        let load = |job: &Job| LoadedArm::load(job.clone(), &|| Ok(())).unwrap().1;
        load(&job)
            .answer_queries(&mut input, &mut output, &|_| ())
            .unwrap();
        let text = String::from_utf8(output).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["7", "8", "9"]);
        job.streams = 1;
        let mut input: &[u8] = b"7 3\n";
        let called = std::sync::atomic::AtomicBool::new(false);
        let failed = |_: &WorkerError| called.store(true, std::sync::atomic::Ordering::Relaxed);
        let answered = load(&job).answer_queries(&mut input, &mut Vec::new(), &failed);
        let error = answered.unwrap_err();
        assert!(
            error.to_string().contains("7 3") && called.into_inner(),
            "{error}"
        );
    }

    #[test]
    fn queries_end_with_the_request_to_finish() {
        let (sender, mut requests) = mpsc::channel();
        for line in ["7 0", "8 1 9 2", r#"{"type":"finish"}"#, "10 0"] {
            sender.send(line.to_owned()).unwrap();
        }
        let mut text = String::new();
        QueryLines::new(&mut requests).read_to_string(&mut text).unwrap();
        assert_eq!(text, "7 0\n8 1 9 2\n");
        assert_eq!(requests.recv().as_deref(), Ok("10 0"));
    }

    fn null_job() -> Job {
        let mut spec = crate::runtime::spec::BackendSpec::bare("null");
        spec.null.delay = std::time::Duration::from_micros(100);
        Job {
            photos: vec!["a".into(), "b".into(), "c".into()],
            streams: 2,
            cores: 2,
            ..Job::new(spec)
        }
    }
}
