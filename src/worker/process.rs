//! The study's end of a worker: starts the process, speaks with it, notices when it dies or falls silent.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{call::Call, interruption::Interruption, protocol::Reply};
use crate::machine::Quota;

/// Lines of a worker's standard error that are kept for the reason of its exit.
const KEPT_LINES: usize = 8;

/// Bytes of a line of it; the rest of a longer one is passed over.
const LONGEST_WORD: u64 = 4096;
/// Bytes of a reply: a block of a million photos has less.
const LONGEST_REPLY: u64 = 256 << 20;

/// How soon an interruption is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Why a worker gives no more answers.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The process could not be started.
    #[error("the worker could not be started: {0}")]
    Spawn(io::Error),
    /// The process is gone.
    #[error("the worker died ({status}){stderr}")]
    Died {
        /// How it ended.
        status: String,
        /// The end of its standard error, after a colon; or nothing.
        stderr: String,
    },
    /// The process lives and does not answer.
    #[error("the worker showed no progress for {} s and was ended", patience.as_secs_f32())]
    Silent {
        /// How long was waited.
        patience: Duration,
    },
    /// The worker itself gave up.
    #[error("{0}")]
    Refused(String),
    /// Something that is no answer to the request.
    #[error("the worker's answer does not belong to the request: {0}")]
    Protocol(String),
    /// The user stopped the study, or its time is over.
    #[error("interrupted")]
    Interrupted,
}

/// A running worker; ended when dropped.
pub struct WorkerProcess {
    process: std::process::Child,
    requests: Option<ChildStdin>,
    /// Each line with the time when it came.
    replies: Receiver<(Instant, String)>,
    /// When the last call was sent, when its worker said that it began, and when the last reply came.
    sent: Instant,
    begun: Option<Instant>,
    received: Instant,
    stderr: Arc<Mutex<VecDeque<String>>>,
    interruption: Interruption,
    /// Goes after the process.
    quota: Option<Quota>,
}

impl WorkerProcess {
    /// Starts `program worker` in a process group of its own, so that the terminal's Ctrl-C reaches the study alone;
    /// its environment is this process's and `environment`.
    pub fn spawn(
        program: &Path,
        environment: &[(String, String)],
        interruption: &Interruption,
    ) -> Result<Self, ProcessError> {
        let mut command = Command::new(program);
        // A backtrace would push the reason out of the lines that are kept.
        command
            .arg("worker")
            .env("RUST_BACKTRACE", "0")
            // The arm decides whether TF32 is used, not the shell.
            .env_remove("NVIDIA_TF32_OVERRIDE")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(ProcessError::Spawn)?;
        let missing = || ProcessError::Spawn(io::Error::other("a pipe is missing"));
        let output = process.stdout.take().ok_or_else(missing)?;
        let errors = process.stderr.take().ok_or_else(missing)?;
        let mut failed = |error| {
            let _ = process.kill();
            let _ = process.wait();
            ProcessError::Spawn(error)
        };
        let (sender, replies) = mpsc::channel();
        start(move || {
            for line in lines(BufReader::new(output), LONGEST_REPLY) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        })
        .map_err(&mut failed)?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&stderr);
        start(move || {
            for line in lines(BufReader::new(errors), LONGEST_WORD) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
        })
        .map_err(&mut failed)?;
        let requests = process.stdin.take();
        Ok(Self {
            process,
            requests,
            replies,
            sent: Instant::now(),
            begun: None,
            received: Instant::now(),
            stderr,
            interruption: interruption.clone(),
            quota: None,
        })
    }

    /// Lets it have `cores` host cores' time at most, from now on.
    pub fn limit(&mut self, cores: f64) -> Result<(), ProcessError> {
        let held = Quota::new(cores).and_then(|quota| quota.hold(self.id()).map(|()| quota));
        self.quota = Some(held.map_err(|reason| {
            ProcessError::Spawn(io::Error::other(format!("no quota of {cores} cores: {reason}")))
        })?);
        Ok(())
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// From the last call to the last reply, by this process's clock: without what the worker did before it said that it
    /// begins, where that is `believed`.
    pub fn elapsed(&self, believed: bool) -> Duration {
        let from = self.begun.filter(|_| believed).unwrap_or(self.sent);
        self.received.saturating_duration_since(from)
    }

    /// Sends `call` and waits for its answer.
    pub fn call<C: Call>(&mut self, call: C, patience: Duration) -> Result<C::Answer, ProcessError> {
        self.send(call)?;
        self.receive::<C>(patience)
    }

    /// Sends `call`, whose answer is received later.
    pub fn send<C: Call>(&mut self, call: C) -> Result<(), ProcessError> {
        let mut line =
            serde_json::to_vec(&call.request()).map_err(|e| ProcessError::Protocol(e.to_string()))?;
        line.push(b'\n');
        (self.sent, self.begun) = (Instant::now(), None);
        let sent = match &mut self.requests {
            Some(requests) => requests.write_all(&line).and_then(|()| requests.flush()),
            None => Err(io::Error::other("no pipe")),
        };
        // A broken pipe means a dead worker, and its standard error explains more than the pipe does.
        sent.or_else(|_| {
            self.reply(Duration::from_secs(5))
                .and_then(|reply| Err(unexpected(&reply)))
        })
    }

    /// Waits for the answer to a call that was sent, at most `patience` from each sign of life.
    pub fn receive<C: Call>(&mut self, patience: Duration) -> Result<C::Answer, ProcessError> {
        self.receive_with::<C>(patience, &mut Err)
    }

    /// The same for a call that has other replies before its answer. They go to `before`, which returns a reply that it does
    /// not expect as its error.
    pub fn receive_with<C: Call>(
        &mut self,
        patience: Duration,
        before: &mut dyn FnMut(Reply) -> Result<(), Reply>,
    ) -> Result<C::Answer, ProcessError> {
        loop {
            match C::answer(self.reply(patience)?) {
                Ok(answer) => return Ok(answer),
                Err(Reply::Progress { .. }) => {}
                Err(Reply::Begun) => self.begun = Some(self.received),
                Err(reply) => before(reply).map_err(|reply| unexpected(&reply))?,
            }
        }
    }

    /// The next reply; waits at most `patience` for it.
    fn reply(&mut self, patience: Duration) -> Result<Reply, ProcessError> {
        let asked = Instant::now();
        loop {
            if self.interruption.is_asked() {
                return Err(ProcessError::Interrupted);
            }
            match self.replies.recv_timeout(POLL_INTERVAL.min(patience)) {
                Ok((received, line)) => {
                    self.received = received;
                    return match serde_json::from_str(&line) {
                        Ok(Reply::Failed { reason }) => Err(ProcessError::Refused(reason)),
                        Ok(reply) => Ok(reply),
                        Err(_) => Err(ProcessError::Protocol(line.chars().take(200).collect())),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.exit_reason()),
                Err(RecvTimeoutError::Timeout) if asked.elapsed() >= patience => {
                    let _ = self.process.kill();
                    return Err(ProcessError::Silent { patience });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn exit_reason(&mut self) -> ProcessError {
        // Its output is closed, so it is dead or about to end; it is not waited for longer than this.
        for _ in 0..50 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                break;
            }
            thread::sleep(POLL_INTERVAL / 5);
        }
        let _ = self.process.kill();
        let status = self.process.wait().map_or_else(|e| e.to_string(), describe);
        // The reader of standard error may still be at it.
        thread::sleep(Duration::from_millis(20));
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<_> = kept
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .collect();
        let stderr = if words.is_empty() {
            String::new()
        } else {
            format!(": {}", words.join(" | "))
        };
        ProcessError::Died { status, stderr }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        drop(self.requests.take());
        // A worker that has finished is on its way out; any other is not waited for.
        for _ in 0..20 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of `reader`, which need not be UTF-8, each cut after `most` bytes: what a process prints is its own affair, and
/// no reason for its parent to run out of memory or to stop reading.
fn lines(mut reader: impl BufRead, most: u64) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let got = reader.by_ref().take(most).read_until(b'\n', &mut line).ok()?;
        if got == 0 {
            return None;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else {
            reader.skip_until(b'\n').ok()?;
        }
        Some(String::from_utf8_lossy(&line).into_owned())
    })
}

/// Does `work` on a thread of its own.
fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().spawn(work).map(drop)
}

/// The error for a reply that does not belong here.
fn unexpected(reply: &Reply) -> ProcessError {
    ProcessError::Protocol(format!("{reply:?}").chars().take(200).collect())
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let name = match signal {
            4 => "SIGILL, an instruction that this processor does not have",
            6 => "SIGABRT",
            7 => "SIGBUS",
            9 => "SIGKILL, by hand or for want of memory",
            11 => "SIGSEGV",
            15 => "SIGTERM",
            _ => "a signal",
        };
        return format!("signal {signal}: {name}");
    }
    status.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_need_not_be_utf_8() {
        let text = b"one\nlonger than eight\n\xff\x80\n\nlast";
        let read: Vec<String> = lines(&text[..], 8).collect();
        assert_eq!(read, ["one", "longer t", "\u{fffd}\u{fffd}", "", "last"]);
        let endless = io::repeat(b'x').take(1 << 20);
        assert_eq!(
            lines(BufReader::new(endless), 16).collect::<Vec<_>>(),
            ["x".repeat(16)]
        );
    }
}
