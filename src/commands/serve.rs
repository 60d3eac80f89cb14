//! `facebench serve`: one arm that answers photos by number over standard input and output, for load generators of
//! others.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{Failure, machine, plan::cores, progress::notify, ready, workload::Workload};
use crate::{
    cli::ServeArgs,
    record::Host,
    study::planned_arm::PlannedArm,
    worker::{self, protocol::Job},
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
    restart_with(&environment.variables)?;
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
    let ready = |account: &crate::worker::protocol::Ready| {
        let line = Ready {
            photos,
            arm: &arm.label,
            streams: arm.streams,
            threads: arm.threads,
            runtime: &account.runtime,
            version: &account.version,
            provider: &account.provider,
        };
        serde_json::to_string(&line).unwrap_or_default()
    };
    let mut input = io::BufReader::new(io::stdin());
    // Streams that wait for input cannot be stopped, and the sender should learn of the failure at once.
    let failed = |error: &worker::WorkerError| {
        notify(&format!("error: {error}"));
        std::process::exit(1);
    };
    worker::answer_queries(job, ready, failed, &mut input, out)?;
    Ok(())
}

/// Starts this program again in the same process where its environment lacks what the device needs: it is read once,
/// when the runtime is loaded.
fn restart_with(environment: &[(String, String)]) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    if environment
        .iter()
        .all(|(name, value)| std::env::var(name).is_ok_and(|there| there == *value))
    {
        return Ok(());
    }
    let error = std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(error.into())
}
