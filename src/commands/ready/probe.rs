//! Tries a backend in a process of its own: a provider that cannot start may take its process with it.

use std::{sync::Arc, time::Duration};

use super::Missing;
use crate::{
    runtime::{onnxruntime::Failure, spec::BackendSpec},
    worker::{
        call::Probe,
        environment::ArmEnvironment,
        interruption::Interruption,
        process::{ProcessError, WorkerProcess},
        protocol::Job,
    },
};

/// A driver that wakes a device up may take a while; one that does not answer for longer is stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// Loads the smallest network on the asked provider, strictly.
pub(super) fn probe(spec: &BackendSpec, environment: &ArmEnvironment) -> Result<(), Missing> {
    ask(environment.job(spec, None), environment).map_err(|error| {
        let failure = Failure::parse(&error.to_string());
        let flavor = environment.library.as_ref().map(|library| library.flavor);
        Missing::new(failure.reason(), failure.fix(spec, flavor))
    })
}

fn ask(job: Job, environment: &ArmEnvironment) -> Result<(), ProcessError> {
    let program = std::env::current_exe().map_err(ProcessError::Spawn)?;
    let mut child = WorkerProcess::spawn(&program, &environment.variables, &never())?;
    child.call(Probe(job), PATIENCE)
}

/// Puts a worker under a quota of `cores`, which ends at once: that it can be made does not show that a process
/// may be moved into it.
pub(super) fn quota(cores: f64) -> Result<(), ProcessError> {
    let program = std::env::current_exe().map_err(ProcessError::Spawn)?;
    WorkerProcess::spawn(&program, &[], &never())?.limit(cores)
}

/// Trying out takes a moment and is never interrupted.
fn never() -> Interruption {
    Interruption::new(Arc::default())
}
