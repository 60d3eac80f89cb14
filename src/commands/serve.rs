//! `facebench serve`: one arm that answers photos by number over standard input and output, for load generators of
//! others. A worker in a process of its own does the work, so that a crash inside a runtime ends with its reason.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{
    Failure, machine,
    plan::cores,
    progress::notify,
    ready,
    recognition::{in_use, start},
    workload::Workload,
};
use crate::{
    cli::ServeArgs,
    record::Host,
    study::planned_arm::PlannedArm,
    worker::{process::ProcessError, protocol::Job},
};

/// The first line of the output.
#[derive(Serialize)]
struct Ready<'a> {
    photos: usize,
    arm: &'a str,
    streams: usize,
    threads: usize,
    runtime: &'a str,
    version: &'a str,
    provider: &'a str,
}

/// Answers standard input until it ends.
pub fn serve(args: ServeArgs, home: &Path, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    if args.backend.peer().is_some() {
        return Err(Failure::Usage(format!(
            "{}: serve starts facebench's own worker; give another program to the load generator itself",
            args.backend
        )));
    }
    let host = Host::current();
    let (host_cores, count) = cores(args.host_cores.as_ref().map(|list| &list.0[..]), &host)?;
    let arm = PlannedArm::resolve(args.backend, args.scenario, count)?;
    let unavailable = |missing| Failure::Unavailable(vec![missing]);
    let mut environment = ready::environment(&arm.spec, &machine::gpus(&machine::nvml()), home, &notify)
        .map_err(unavailable)?;
    let workload = Workload::load(&args.workload.into(), !arm.spec.is_null(), home)?;
    if let Some(networks) = &workload.networks {
        environment.networks = ready::precision::networks(&arm.spec, networks, home)
            .map_err(|missing| unavailable(missing.of(&arm.spec)))?;
    }
    let photos = workload.dataset.photos.iter();
    let job = Job {
        photos: photos.map(|photo| photo.path.clone()).collect(),
        streams: arm.streams,
        threads: arm.threads,
        host_cores,
        cores: count,
        ..environment.job(&arm.spec, workload.networks.as_ref())
    };
    let photos = job.photos.len();
    let networks = environment.networks.as_ref().or(workload.networks.as_ref());
    let failed = |error| Failure::Recognition {
        networks: networks.map(in_use).unwrap_or_default(),
        error,
    };
    let mut worker = start(job, &environment.variables, args.patience).map_err(failed)?;
    let account = &worker.ready;
    let line = Ready {
        photos,
        arm: &arm.label,
        streams: arm.streams,
        threads: arm.threads,
        runtime: &account.runtime,
        version: &account.version,
        provider: &account.provider,
    };
    writeln!(out, "{}", serde_json::to_string(&line).map_err(io::Error::from)?)?;
    out.flush()?;
    match worker.process.answer_queries(out, args.patience) {
        Err(ProcessError::Output(error)) => Err(error.into()),
        answered => answered.map_err(failed),
    }
}
