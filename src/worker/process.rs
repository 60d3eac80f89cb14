//! The study's end of a worker: starts the process, speaks with it, notices when it dies or falls silent.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{
    call::{Call, Finish, Serve},
    interruption::Interruption,
    pipes::{self, Line},
    plausible::impossible,
    protocol::{Reply, Request},
};
use crate::{files::Scratch, machine::Quota};

/// Bytes of a reply: a tenant reports every photo of a turn in one. Tests wait for fewer.
const LONGEST_REPLY: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// Characters of a reason that a worker gives.
const LONGEST_REASON: usize = 2000;

/// How long the output of a worker that has ended is listened to.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
    /// A number that cannot be.
    #[error("the worker said what cannot be: {0}")]
    Impossible(String),
    /// Whoever asked takes no answers any more.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
    /// The user stopped the study, or its time is over.
    #[error("interrupted")]
    Interrupted,
}

/// A running worker; ended when dropped.
pub struct WorkerProcess {
    process: std::process::Child,
    /// To a thread that writes them: a worker that reads nothing must not hold up its study.
    requests: Option<Sender<Vec<u8>>>,
    /// One at a time: a worker that says more than it is asked waits.
    replies: Receiver<Line>,
    /// When the last call was sent, when its worker said that it began, and when the last reply came.
    sent: Instant,
    begun: Option<Instant>,
    received: Instant,
    stderr: Arc<Mutex<VecDeque<String>>>,
    interruption: Interruption,
    /// Goes after the process.
    quota: Option<Quota>,
    /// Where it keeps temporary files, which it cannot remove when it is killed.
    _scratch: Option<Scratch>,
}

impl WorkerProcess {
    /// Starts `program worker` in a process group of its own, so that the terminal's Ctrl-C reaches the study alone;
    /// its environment is this process's and `environment`.
    pub fn spawn(
        program: &Path,
        environment: &[(String, String)],
        interruption: &Interruption,
    ) -> Result<Self, ProcessError> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(Scratch::sweep);
        let mut command = Command::new(program);
        // Where none can be made the worker finds out whether it needs one.
        let scratch = Scratch::new().ok();
        if let Some(scratch) = &scratch {
            command.env("TMPDIR", scratch.path());
        }
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
        let input = process.stdin.take().ok_or_else(missing)?;
        let (sender, replies) = mpsc::sync_channel(1);
        let (requests, unsent) = mpsc::channel::<Vec<u8>>();
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&stderr);
        // Ended when dropped, should a thread be refused.
        let worker = Self {
            process,
            requests: Some(requests),
            replies,
            sent: Instant::now(),
            begun: None,
            received: Instant::now(),
            stderr,
            interruption: interruption.clone(),
            quota: None,
            _scratch: scratch,
        };
        let started = pipes::start("replies", move || pipes::pass_on(output, LONGEST_REPLY, &sender))
            .and_then(|()| pipes::start("standard error", move || pipes::keep_last(errors, &kept)))
            .and_then(|()| pipes::start("requests", move || pipes::write_all(input, unsent)));
        started.map_err(ProcessError::Spawn)?;
        Ok(worker)
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
        self.send_request(&call.request())
    }

    fn send_request(&mut self, request: &Request) -> Result<(), ProcessError> {
        let mut line = serde_json::to_vec(request).map_err(|e| ProcessError::Protocol(e.to_string()))?;
        line.push(b'\n');
        (self.sent, self.begun) = (Instant::now(), None);
        // What is there already answers no request: it would be taken for the answer to this one.
        while let Ok(line) = self.replies.try_recv() {
            match parse(&line)? {
                Reply::Progress { .. } => {}
                reply => return Err(unasked(&reply)),
            }
        }
        // Where nobody writes any more the worker is gone, which its reply will tell.
        if let Some(requests) = &self.requests {
            let _ = requests.send(line);
        }
        Ok(())
    }

    /// Lets it end: its peak of memory, or why that is not known. It has nothing to say after that.
    pub fn finish(&mut self, patience: Duration) -> Result<Result<u64, String>, ProcessError> {
        let rss_peak_bytes = self.call(Finish, patience)?;
        match self.replies.recv_timeout(LAST_WORDS) {
            Ok(line) => Err(unasked(&parse(&line)?)),
            Err(_) => Ok(rss_peak_bytes),
        }
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

    /// Has the worker answer the lines of queries that come on standard input, until that ends, on `output`; at most
    /// `patience` from one answer to the next while any is due.
    pub fn answer_queries(&mut self, output: &mut dyn Write, patience: Duration) -> Result<(), ProcessError> {
        self.send(Serve)?;
        let asked = Arc::new(AtomicUsize::new(0));
        if let Some(requests) = self.requests.clone() {
            let counted = Arc::clone(&asked);
            // It may wait for input that never comes, and ends with the program.
            pipes::start("queries", move || pass_on_queries(&requests, &counted))
                .map_err(ProcessError::Spawn)?;
        }
        let (mut answered, mut waited_since) = (0, Instant::now());
        loop {
            match self.replies.recv_timeout(POLL_INTERVAL.min(patience)) {
                Ok(line) if line.text.starts_with(b"{") => match parse(&line)? {
                    Reply::Served => return Ok(()),
                    reply => return Err(unexpected(&reply)),
                },
                Ok(mut line) => {
                    line.text.push(b'\n');
                    output
                        .write_all(&line.text)
                        .and_then(|()| output.flush())
                        .map_err(ProcessError::Output)?;
                    answered += 1;
                    waited_since = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.exit_reason()),
                Err(RecvTimeoutError::Timeout) if answered >= asked.load(Ordering::Relaxed) => {
                    waited_since = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) if waited_since.elapsed() >= patience => {
                    let _ = self.process.kill();
                    return Err(ProcessError::Silent { patience });
                }
                Err(RecvTimeoutError::Timeout) => {}
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
                Ok(line) => {
                    self.received = line.came;
                    return parse(&line);
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

/// Gives the lines of standard input to a worker, and counts the photos that they ask for; then asks it to finish.
fn pass_on_queries(requests: &Sender<Vec<u8>>, asked: &AtomicUsize) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        // Pairs of an id and a photo.
        asked.fetch_add(line.split_whitespace().count() / 2, Ordering::Relaxed);
        if requests.send(format!("{line}\n").into_bytes()).is_err() {
            // Whoever waits for answers sees that it is gone, and why.
            return;
        }
    }
    let finish = serde_json::to_string(&Request::Finish).unwrap_or_default();
    let _ = requests.send(format!("{finish}\n").into_bytes());
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

/// The reply in a line.
fn parse(line: &Line) -> Result<Reply, ProcessError> {
    let Line { text, is_whole, .. } = line;
    if !is_whole {
        return Err(ProcessError::Protocol(format!(
            "a line of more than {} MB that begins {}",
            LONGEST_REPLY >> 20,
            beginning(text)
        )));
    }
    match serde_json::from_slice(text) {
        Ok(Reply::Failed { reason }) => Err(ProcessError::Refused(
            reason.chars().take(LONGEST_REASON).collect(),
        )),
        Ok(reply) => match impossible(&reply) {
            None => Ok(reply),
            Some(what) => Err(ProcessError::Impossible(what)),
        },
        Err(_) => Err(ProcessError::Protocol(beginning(text))),
    }
}

/// Takes any bytes for what a worker says: for fuzzing.
#[doc(hidden)]
pub fn read_untrusted(line: &[u8]) {
    let line = Line {
        text: line.to_vec(),
        is_whole: true,
        came: Instant::now(),
    };
    match parse(&line) {
        Ok(reply) => drop(unexpected(&reply)),
        Err(error) => assert!(error.to_string().len() < 10 * LONGEST_REASON),
    }
}

/// The beginning of what a worker said.
fn beginning(line: &[u8]) -> String {
    let few = &line[..line.len().min(800)];
    String::from_utf8_lossy(few).chars().take(200).collect()
}

/// The error for a reply that was not asked for.
fn unasked(reply: &Reply) -> ProcessError {
    let text: String = format!("{reply:?}").chars().take(200).collect();
    ProcessError::Protocol(format!("it said what it was not asked: {text}"))
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
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{
        runtime::spec::BackendSpec,
        worker::{call::Probe, protocol::Job},
    };

    /// A worker that does what a shell script says.
    fn worker(script: &str) -> (WorkerProcess, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let never = Interruption::new(Arc::default());
        (WorkerProcess::spawn(&program, &[], &never).unwrap(), folder)
    }

    fn probe() -> Probe {
        Probe(Job::new(BackendSpec::reference()))
    }

    const PATIENCE: Duration = Duration::from_secs(20);
    const PROBED: &str = r#"read request; echo '{"type":"probed"}'"#;

    /// Why a worker that does what `script` says has not answered.
    fn reason(script: &str, patience: Duration) -> String {
        worker(script).0.call(probe(), patience).unwrap_err().to_string()
    }

    #[test]
    fn output_without_end_is_an_error_at_once() {
        let reason = reason("read request; exec cat /dev/zero", PATIENCE);
        assert!(reason.contains("a line of more than 1 MB"), "{reason}");
    }

    #[test]
    fn what_is_no_reply_is_shown_in_part_whatever_its_bytes() {
        let reason = reason(r"read request; printf '\377\376%01000d\n' 7", PATIENCE);
        assert!(
            reason.contains("does not belong to the request") && reason.len() < 400,
            "{reason}"
        );
    }

    #[test]
    fn standard_error_without_end_is_cut_off() {
        let reason = reason(
            "head -c 3000000 /dev/zero | tr '\\0' a >&2; echo last >&2; exit 7",
            PATIENCE,
        );
        assert!(
            reason.contains("the worker died (exit status: 7): "),
            "{reason:.200}"
        );
        assert!(reason.len() < 20_000, "{} bytes", reason.len());
    }

    #[test]
    fn a_worker_that_reads_nothing_holds_nobody_up() {
        let (mut silent, _folder) = worker("exec sleep 60");
        let mut job = Job::new(BackendSpec::reference());
        // More than a pipe holds.
        job.weights = vec![1.0; 1_000_000];
        let began = Instant::now();
        let reason = silent.call(Probe(job), Duration::from_millis(300)).unwrap_err();
        assert!(matches!(reason, ProcessError::Silent { .. }), "{reason}");
        drop(silent);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_was_not_asked_is_no_answer_to_the_next_request() {
        let (mut eager, _folder) = worker(&format!(
            "{PROBED}; echo '{{\"type\":\"probed\"}}'; read more; sleep 60"
        ));
        eager.call(probe(), PATIENCE).unwrap();
        thread::sleep(Duration::from_millis(300));
        let reason = eager.call(probe(), PATIENCE).unwrap_err().to_string();
        assert!(
            reason.contains("it said what it was not asked: Probed"),
            "{reason}"
        );
        // That it is alive it may say at any time.
        let alive = format!("{PROBED}; echo '{{\"type\":\"progress\",\"images\":1}}'; {PROBED}");
        let (mut alive, _folder) = worker(&alive);
        alive.call(probe(), PATIENCE).unwrap();
        thread::sleep(Duration::from_millis(300));
        alive.call(probe(), PATIENCE).unwrap();
    }

    #[test]
    fn nothing_comes_after_the_end() {
        const FINISHED: &str = r#"read request; echo '{"type":"finished","rss_peak_bytes":{"Ok":5}}'"#;
        assert_eq!(worker(FINISHED).0.finish(PATIENCE).unwrap(), Ok(5));
        let (mut late, _folder) = worker(&format!("{FINISHED}; echo '{{\"type\":\"probed\"}}'"));
        let reason = late.finish(PATIENCE).unwrap_err().to_string();
        assert!(reason.contains("not asked"), "{reason}");
    }

    #[test]
    fn numbers_that_cannot_be_are_an_error_that_names_them() {
        let reason = reason(
            r#"read request; echo '{"type":"warmed-up","images":1,"seconds":-5.0,"steady":null}'"#,
            PATIENCE,
        );
        assert_eq!(reason, "the worker said what cannot be: seconds is -5");
    }
}
