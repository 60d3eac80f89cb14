//! Photos recognised without measuring, by a worker in a process of its own: a network may crash its runtime or run for
//! ever, and costs no more than that process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{Failure, progress::notify, ready};
use crate::{
    machine::Gpus,
    model::{embedded, network::Network},
    pipeline::Networks,
    record::Host,
    runtime::spec::{BackendSpec, Reads},
    text::ShownPath,
    vision::face::Face,
    worker::{
        call::{Finish, Prepare, Recognize},
        interruption::Interruption,
        process::{ProcessError, WorkerProcess},
        protocol::{Job, Ready, Reply},
    },
};

/// A worker that has loaded its job.
pub struct ReadyWorker {
    /// Its process.
    pub process: WorkerProcess,
    /// Its account of loading.
    pub ready: Ready,
}

/// What was seen in a photo, or why it cannot be read.
pub type Answer = Result<Vec<Face>, String>;

/// Starts a worker for `job`, with this program's environment and `variables`; it may be silent for `patience` at a time.
pub fn start(
    job: Job,
    variables: &[(String, String)],
    patience: Duration,
) -> Result<ReadyWorker, ProcessError> {
    let program = std::env::current_exe().map_err(ProcessError::Spawn)?;
    // Ctrl-C ends this program, and the worker ends with it.
    let never = Interruption::new(Arc::new(AtomicBool::new(false)));
    let mut process = WorkerProcess::spawn(&program, variables, &never)?;
    let ready = process.call(Prepare(job), patience)?;
    Ok(ReadyWorker { process, ready })
}

/// Recognises `photos` on all cores of the processor and gives each answer to `then` with the photo's number, in the order
/// of the photos.
pub fn recognize(
    photos: Vec<PathBuf>,
    networks: &Networks,
    patience: Duration,
    home: &Path,
    then: &mut dyn FnMut(usize, Answer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if photos.is_empty() {
        return Ok(());
    }
    let spec = BackendSpec::reference();
    let environment = ready::environment(&spec, &Gpus::default(), home, &notify)
        .map_err(|missing| Failure::Unavailable(vec![missing]))?;
    let count = photos.len();
    let cores = Host::current().cpu.usable_cores();
    let job = Job {
        photos,
        reads: Reads::Cached,
        streams: cores.min(count).max(1),
        cores,
        ..environment.job(&spec, Some(networks))
    };
    let failed = |error| Failure::Recognition {
        networks: in_use(networks),
        error,
    };
    let ReadyWorker { mut process, ready } = start(job, &environment.variables, patience).map_err(failed)?;
    if let Some(output) = ready.loaded.and_then(|loaded| loaded.embedding_output) {
        notify(&format!(
            "recognizer {}: it has several outputs; the embedding is {output}",
            networks.recognizer.name
        ));
    }
    process.send(Recognize).map_err(failed)?;
    let mut in_order = InOrder::default();
    // What `then` found; the worker ends when it is dropped.
    let mut stopped = Ok(());
    let received = process.receive_with::<Recognize>(patience, &mut |reply| match reply {
        Reply::Photo { index, answer } if index < count => {
            let answer = answer.map(|answer| answer.faces);
            stopped = in_order.give(index, answer, then);
            if stopped.is_err() {
                return Err(Reply::Served);
            }
            Ok(())
        }
        other => Err(other),
    });
    stopped?;
    received.map_err(failed)?;
    process.call(Finish, patience).map_err(failed).map(drop)
}

/// Answers that came before their turn.
#[derive(Default)]
struct InOrder {
    waiting: BTreeMap<usize, Answer>,
    turn: usize,
}

impl InOrder {
    fn give(
        &mut self,
        index: usize,
        answer: Answer,
        then: &mut dyn FnMut(usize, Answer) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.waiting.insert(index, answer);
        while let Some(answer) = self.waiting.remove(&self.turn) {
            then(self.turn, answer)?;
            self.turn += 1;
        }
        Ok(())
    }
}

/// The networks that may be to blame, for errors: those that the user gave, else both.
pub fn in_use(networks: &Networks) -> String {
    let both = [&networks.detector, &networks.recognizer];
    let shown = |network: &&Network| format!("the {} {}", network.role, network.path.shown());
    let is_own = |network: &&&Network| embedded::find(&network.name).is_some();
    let given: Vec<String> = both
        .iter()
        .filter(|network| !is_own(network))
        .map(shown)
        .collect();
    if given.is_empty() {
        return both.iter().map(shown).collect::<Vec<_>>().join(" or ");
    }
    given.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_photos() {
        let mut seen = Vec::new();
        let mut in_order = InOrder::default();
        for index in [2, 0, 3, 1] {
            in_order
                .give(index, Ok(Vec::new()), &mut |index, _| {
                    seen.push(index);
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(seen, [0, 1, 2, 3]);
        let error = in_order.give(4, Err("no".into()), &mut |_, _| Err(Failure::NoHome));
        assert!(error.is_err());
    }
}
