//! From a request to a plan: streams and threads of each arm on this machine, its cores, prices.

use std::{collections::BTreeSet, io::Write};

use super::{Failure, request::StudyRequest, workload::Workload};
use crate::{
    cli::values::ArmPrice,
    machine::format_cpu_list,
    model::network::Network,
    record::{Host, Price, limits::MARGIN},
    runtime::values::nearest,
    study::{
        plan::{Plan, fresh_seed},
        planned_arm::PlannedArm,
    },
};

/// The plan of what `request` asks for on this `host`. Whether its arms can run is not known yet.
pub fn plan(request: &StudyRequest, host: &Host) -> Result<Plan, Failure> {
    let (host_cores, cores) = cores(request.host_cores.as_deref(), host)?;
    let arms: Vec<PlannedArm> = request
        .backends
        .iter()
        .map(|spec| PlannedArm::resolve(spec.clone(), request.scenario, cores))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        arms,
        scenario: request.scenario,
        processes: request.layout.processes,
        blocks: request.layout.blocks,
        duration: request.layout.duration,
        warmup: request.layout.warmup,
        curve: request.curve,
        ceiling: request.ceiling,
        request_rate: request.request_rate,
        bound: request.bound,
        seed: request.seed.unwrap_or_else(fresh_seed),
        core_list: core_list(&host_cores, host),
        host_cores,
        cores,
        margin: MARGIN,
        noise_floor: None,
        patience: request.patience,
        quick: request.quick,
    })
}

/// The host cores that were asked for (empty for all), and how many an arm may use at a time.
pub fn cores(requested: Option<&[usize]>, host: &Host) -> Result<(Vec<usize>, usize), Failure> {
    let list = requested.unwrap_or_default().to_vec();
    check_cores(&list, host)?;
    if list.is_empty() {
        return Ok((list, host.cpu.usable_cores()));
    }
    let distinct: BTreeSet<usize> = list.iter().copied().collect();
    let quota = host.cpu.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
    Ok((list, distinct.len().min(quota).max(1)))
}

/// The numbers of the cores that arms may use.
fn core_list(requested: &[usize], host: &Host) -> Vec<usize> {
    let mut list = if requested.is_empty() {
        host.cpu.affinity.clone().unwrap_or_default()
    } else {
        requested.to_vec()
    };
    list.sort_unstable();
    list.dedup();
    list
}

fn check_cores(requested: &[usize], host: &Host) -> Result<(), Failure> {
    let Some(allowed) = &host.cpu.affinity else {
        return Ok(());
    };
    match requested.iter().find(|core| !allowed.contains(core)) {
        None => Ok(()),
        Some(core) => Err(Failure::Usage(format!(
            "--host-cores: this process may not use core {core}, only {}",
            format_cpu_list(allowed)
        ))),
    }
}

/// The price of each arm of the plan.
pub fn prices(plan: &Plan, given: &[ArmPrice]) -> Result<Vec<Option<Price>>, Failure> {
    let known: Vec<&str> = plan.arms.iter().map(|arm| arm.label.as_str()).collect();
    for label in given.iter().filter_map(|price| price.label.as_deref()) {
        if !known.contains(&label) {
            let near = nearest(label, known.iter().copied());
            return Err(Failure::Usage(format!(
                "--price-per-hour {label}=...: there is no such arm{near}; there are: {}",
                known.join("; ")
            )));
        }
    }
    // The last one given counts.
    let of = |label: Option<&str>| given.iter().rfind(|price| price.label.as_deref() == label);
    Ok(plan
        .arms
        .iter()
        .map(|arm| of(Some(&arm.label)).or_else(|| of(None)))
        .map(|given| given.map(|given| given.price.clone()))
        .collect())
}

/// The plan for people.
pub fn print_plan(plan: &Plan, workload: &Workload, out: &mut dyn Write) -> Result<(), Failure> {
    let dataset = &workload.dataset;
    writeln!(out, "{} photos ({})", dataset.photos.len(), dataset.name)?;
    let networks = workload.networks.iter();
    for assumption in networks
        .flat_map(|networks| [&networks.detector, &networks.recognizer])
        .filter_map(Network::assumption)
    {
        writeln!(out, "{assumption}")?;
    }
    for arm in &plan.arms {
        writeln!(
            out,
            "{}: {} streams of {} threads, batch {}",
            arm.label, arm.streams, arm.threads, arm.batch
        )?;
    }
    writeln!(
        out,
        "{} processes x {} blocks of {:?} after {:?} of warm-up each, {} host cores, seed {}",
        plan.processes, plan.blocks, plan.duration, plan.warmup, plan.cores, plan.seed
    )?;
    writeln!(
        out,
        "about {:.0} s, without loading and the check passes",
        plan.expected().as_secs_f64()
    )?;
    Ok(())
}
