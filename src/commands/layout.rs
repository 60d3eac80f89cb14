//! From words to a plan: how a study is laid out, which arms can run, what they cost.

use std::{collections::BTreeSet, io::Write, path::Path, time::Duration};

use super::{Failure, progress::tell, ready};
use crate::{
    cli::{
        RunArgs,
        values::{ArmPrice, CoreList},
    },
    dataset::Dataset,
    machine::{Gpus, Host},
    pipeline::Networks,
    record::{Scenario, Unavailable, limits::MARGIN},
    runtime::spec::{BackendSpec, nearest},
    study::{
        arm_environment::Place,
        plan::{Plan, PlannedArm, fresh_seed, tell_apart},
        summary::Price,
    },
};

/// How a study is laid out where nothing is said.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Least time of a block.
    pub duration: Duration,
    /// Warm-up of each process.
    pub warmup: Duration,
    /// Processes of each arm.
    pub processes: usize,
    /// Blocks of each process.
    pub blocks: usize,
}

/// What `run` does.
pub const USUAL: Layout = Layout {
    duration: Duration::from_secs(3),
    warmup: Duration::from_secs(2),
    processes: 6,
    blocks: 2,
};
const QUICK: Layout = Layout {
    duration: Duration::from_secs(1),
    warmup: Duration::from_millis(500),
    processes: 3,
    blocks: 1,
};

/// The server scenario's: each process searches the highest rate for itself.
const SERVER: Layout = Layout {
    processes: 3,
    ..USUAL
};

/// The plan for what `args` ask of this `host`.
pub fn lay_out(args: &RunArgs, usual: Layout, host: &Host) -> Result<Plan, Failure> {
    let scenario = args.scenario;
    if args.request_rate.is_some() && scenario != Scenario::Server {
        return Err(Failure::Usage(
            "--request-rate: photos arrive at a rate only with --scenario server".to_owned(),
        ));
    }
    let mut backends = args.backends.clone();
    if args.noise_floor {
        let [backend] = &backends[..] else {
            return Err(Failure::Usage(
                "--noise-floor: measures one arm against itself; give one -b".to_owned(),
            ));
        };
        backends.push(backend.clone());
    }
    let (request_rate, ceiling) = (args.request_rate, args.ceiling);
    let args = &args.measure;
    for spec in backends.iter_mut().filter(|spec| spec.takes("decode")) {
        spec.decode = spec.decode.or(args.sample.decode);
    }
    let Layout {
        duration,
        warmup,
        processes,
        blocks,
    } = match scenario {
        _ if args.quick => QUICK,
        Scenario::Server => SERVER,
        _ => usual,
    };
    let (host_cores, cores) = cores(args.host_cores.as_ref(), host)?;
    let arms: Vec<PlannedArm> = backends
        .into_iter()
        .map(|spec| PlannedArm::settle(spec, scenario, cores))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        arms,
        scenario,
        processes: args.processes.unwrap_or(processes),
        blocks: args.blocks.unwrap_or(blocks),
        duration: args.duration.unwrap_or(duration),
        warmup: args.warmup.unwrap_or(warmup),
        curve: !args.no_curve && !args.quick,
        ceiling,
        request_rate,
        bound: args.latency_bound,
        seed: args.seed.unwrap_or_else(fresh_seed),
        core_list: core_list(&host_cores, host),
        host_cores,
        cores,
        margin: MARGIN,
        noise_floor: None,
        patience: args.patience,
        quick: args.quick,
    })
}

/// The host cores that were asked for (none for all), and how many an arm may use at a time.
pub fn cores(wanted: Option<&CoreList>, host: &Host) -> Result<(Vec<usize>, usize), Failure> {
    let list = wanted.map(|list| list.0.clone()).unwrap_or_default();
    check_cores(&list, host)?;
    if list.is_empty() {
        return Ok((list, host.cpu.usable_cores()));
    }
    let distinct: BTreeSet<usize> = list.iter().copied().collect();
    let quota = host.cpu.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
    Ok((list, distinct.len().min(quota).max(1)))
}

/// The numbers of the cores that arms may use.
fn core_list(wanted: &[usize], host: &Host) -> Vec<usize> {
    let mut list = if wanted.is_empty() {
        host.cpu.affinity.clone().unwrap_or_default()
    } else {
        wanted.to_vec()
    };
    list.sort_unstable();
    list.dedup();
    list
}

fn check_cores(wanted: &[usize], host: &Host) -> Result<(), Failure> {
    let Some(allowed) = &host.cpu.affinity else {
        return Ok(());
    };
    match wanted.iter().find(|core| !allowed.contains(core)) {
        None => Ok(()),
        Some(core) => Err(Failure::Usage(format!(
            "--host-cores: core {core} is not one that this process may use ({})",
            crate::machine::format_cpu_list(allowed)
        ))),
    }
}

/// Takes the arms that cannot run out of the plan, and finds the places of those that can.
pub fn settle_backends(plan: &mut Plan, gpus: &Gpus, home: &Path) -> (Vec<Place>, Vec<Unavailable>) {
    let (mut places, mut unavailable) = (Vec::new(), Vec::new());
    plan.arms
        .retain(|arm| match ready::place(&arm.spec, gpus, home, &tell) {
            Ok(place) => {
                places.push(place);
                true
            }
            Err(missing) => {
                unavailable.push(missing);
                false
            }
        });
    tell_apart(&mut plan.arms);
    (places, unavailable)
}

/// Takes the arms whose precision asks for networks that were never made out of the plan; gives the others theirs.
pub fn settle_precisions(
    plan: &mut Plan,
    places: Vec<Place>,
    unavailable: &mut Vec<Unavailable>,
    networks: &Networks,
    home: &Path,
) -> Vec<Place> {
    let mut kept = Vec::new();
    let arms = std::mem::take(&mut plan.arms);
    for (arm, mut place) in arms.into_iter().zip(places) {
        match ready::precision::networks(&arm.spec, networks, home) {
            Ok(own) => {
                place.networks = own;
                kept.push(place);
                plan.arms.push(arm);
            }
            Err(ready::Missing { reason, mend }) => unavailable.push(Unavailable {
                backend: arm.spec.requested.clone(),
                reason,
                mend,
            }),
        }
    }
    kept
}

/// An fp32 CPU arm to compare with, where the plan measures none itself.
pub fn extra_reference(
    plan: &Plan,
    gpus: &Gpus,
    home: &Path,
) -> Result<Option<(PlannedArm, Place)>, Failure> {
    if plan.arms.iter().all(|arm| arm.spec.is_null()) || plan.arms.iter().any(|arm| arm.spec.is_reference()) {
        return Ok(None);
    }
    let mut arm = PlannedArm::settle(BackendSpec::bare("cpu"), plan.scenario, plan.cores)?;
    "cpu fp32 (check pass only)".clone_into(&mut arm.label);
    match ready::place(&arm.spec, gpus, home, &tell) {
        Ok(place) => Ok(Some((arm, place))),
        Err(missing) => Err(Failure::Unavailable(vec![missing])),
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
    let of = |arm: &PlannedArm| {
        let own = given
            .iter()
            .rev()
            .find(|price| price.label.as_deref() == Some(&arm.label));
        let any = given.iter().rev().find(|price| price.label.is_none());
        own.or(any).map(|given| given.price.clone())
    };
    Ok(plan.arms.iter().map(of).collect())
}

/// The plan for people.
pub fn print_plan(plan: &Plan, dataset: &Dataset, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{} photos ({})", dataset.photos.len(), dataset.name)?;
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
