//! `facebench run`: from words to a plan, from a plan to a record and a table.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    Failure,
    progress::{Progress, tell},
    ready,
    workload::Workload,
};
use crate::{
    backend::{
        runtime::RuntimeLibrary,
        spec::{BackendSpec, Precision},
    },
    cli::RunArgs,
    dataset::Dataset,
    host::Host,
    measure::{
        plan::{Plan, PlannedArm, fresh_seed, tell_apart},
        study::{Study, size_kind},
    },
    record::{self, PlanSummary, Record, SCHEMA_VERSION, Skipped, Status, Tool, Unavailable},
    report::table,
};

/// Encoded photos up to this size are held in memory while measuring.
const PRELOAD_BYTES: u64 = 1 << 30;
/// Least ratio that counts as a difference.
const MARGIN: f64 = 0.02;

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

const USUAL: Layout = Layout {
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

/// `facebench run`: a study, its table and its record; returns the program's exit status.
pub fn run(args: &RunArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let Some((record, path)) = measure(args, USUAL, home, argv, out)? else {
        return Ok(0);
    };
    show(out, &table::render(&record))?;
    tell(&format!("record: {}", path.display()));
    Ok(exit_code(&record))
}

/// Writes `text` for whoever still reads: a closed pipe changes nothing about what the study's exit status says.
pub fn show(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Makes the study that `args` ask for: its record and where it is kept, or `None` after a dry run.
pub fn measure(
    args: &RunArgs,
    usual: Layout,
    home: &Path,
    argv: Vec<String>,
    out: &mut dyn Write,
) -> Result<Option<(Record, PathBuf)>, Failure> {
    let host = Host::current();
    let mut plan = lay_out(args, usual, &host)?;
    let (libraries, unavailable) = settle_backends(&mut plan, home);
    if !unavailable.is_empty() && (!args.measure.keep_going || plan.arms.is_empty()) {
        return Err(Failure::Unavailable(unavailable));
    }
    let networked = plan.arms.iter().any(|arm| !arm.spec.is_null());
    let mut workload = Workload::gather(
        args.workload,
        args.input.as_deref(),
        &args.networks,
        networked,
        home,
    )?;
    if let Some((photo, reason)) = workload.skipped.first().filter(|_| args.networks.strict) {
        return Err(Failure::Photo(format!(
            "{photo}: {reason} (without --strict it would be skipped)"
        )));
    }
    if let Some(count) = args.measure.photos {
        workload.dataset.sample(count, plan.seed, size_kind);
    }
    if args.measure.dry_run {
        return print_plan(&plan, &workload.dataset, out).map(|()| None);
    }
    let record = blank_record(&plan, host, &workload, unavailable, argv);
    let path = args
        .measure
        .output
        .clone()
        .unwrap_or_else(|| default_output(&record, args.measure.name.as_deref()));
    // Before anything is measured: can the record be kept?
    let unwritable = |source: io::Error| Failure::Output {
        path: path.clone(),
        source,
    };
    try_output(&path).map_err(unwritable)?;
    let study = Study {
        libraries,
        extra_reference: extra_reference(&plan, home)?,
        truth: workload.truth(),
        promise: workload.promise,
        networks: workload.networks,
        dataset: workload.dataset,
        preload_budget: PRELOAD_BYTES,
        strict: args.networks.strict,
        program: std::env::current_exe()?,
        interrupted: on_interrupt(),
        plan,
    };
    let steps = study.plan.arms.len() * study.plan.processes * study.plan.blocks;
    let progress = Progress::new(steps as u64);
    let record = study.run(record, &progress, &mut |record| record.save(&path));
    progress.finish();
    Ok(Some((record?, path)))
}

/// The exit status that a record's arms deserve.
pub fn exit_code(record: &Record) -> u8 {
    let any = |status: Status| record.arms.iter().any(|arm| arm.status == status);
    if record.interrupted || any(Status::Failed) {
        1
    } else if !record.unavailable.is_empty() {
        4
    } else if any(Status::Invalid) || any(Status::Unstable) {
        3
    } else {
        0
    }
}

fn lay_out(args: &RunArgs, usual: Layout, host: &Host) -> Result<Plan, Failure> {
    let scenario = args.scenario.into();
    let (backends, args) = (&args.backends, &args.measure);
    let Layout {
        duration,
        warmup,
        processes,
        blocks,
    } = if args.quick { QUICK } else { usual };
    let host_cores = args.host_cores.clone().map(|list| list.0).unwrap_or_default();
    check_cores(&host_cores, host)?;
    let cores = if host_cores.is_empty() {
        host.cpu.usable_cores()
    } else {
        let distinct: BTreeSet<usize> = host_cores.iter().copied().collect();
        distinct
            .len()
            .min(host.cpu.quota.map_or(usize::MAX, |quota| quota.ceil() as usize))
            .max(1)
    };
    let arms: Vec<PlannedArm> = backends
        .iter()
        .map(|spec| PlannedArm::settle(spec.clone(), scenario, cores))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        arms,
        scenario,
        processes: args.processes.unwrap_or(processes),
        blocks: args.blocks.unwrap_or(blocks),
        duration: args.duration.unwrap_or(duration),
        warmup: args.warmup.unwrap_or(warmup),
        seed: args.seed.unwrap_or_else(fresh_seed),
        host_cores,
        cores,
        margin: MARGIN,
        patience: args.patience,
        quick: args.quick,
    })
}

fn check_cores(wanted: &[usize], host: &Host) -> Result<(), Failure> {
    let Some(allowed) = &host.cpu.affinity else {
        return Ok(());
    };
    match wanted.iter().find(|core| !allowed.contains(core)) {
        None => Ok(()),
        Some(core) => Err(Failure::Usage(format!(
            "--host-cores: core {core} is not one that this process may use ({})",
            crate::host::format_cpu_list(allowed)
        ))),
    }
}

/// Takes the arms that cannot run out of the plan, and finds the libraries of those that can.
fn settle_backends(plan: &mut Plan, home: &Path) -> (Vec<Option<RuntimeLibrary>>, Vec<Unavailable>) {
    let (mut libraries, mut unavailable) = (Vec::new(), Vec::new());
    plan.arms
        .retain(|arm| match ready::library(&arm.spec, home, &tell) {
            Ok(library) => {
                libraries.push(library);
                true
            }
            Err(missing) => {
                unavailable.push(missing);
                false
            }
        });
    tell_apart(&mut plan.arms);
    (libraries, unavailable)
}

/// An fp32 CPU arm to compare with, where the plan measures none itself.
fn extra_reference(plan: &Plan, home: &Path) -> Result<Option<(PlannedArm, RuntimeLibrary)>, Failure> {
    let is_reference = |arm: &PlannedArm| arm.spec.word == "cpu" && arm.spec.precision == Precision::Fp32;
    if plan.arms.iter().all(|arm| arm.spec.is_null()) || plan.arms.iter().any(is_reference) {
        return Ok(None);
    }
    let mut arm = PlannedArm::settle(BackendSpec::bare("cpu"), plan.scenario, plan.cores)?;
    "cpu fp32 (check pass only)".clone_into(&mut arm.label);
    match ready::library(&arm.spec, home, &tell) {
        Ok(library) => Ok(library.map(|library| (arm, library))),
        Err(missing) => Err(Failure::Unavailable(vec![missing])),
    }
}

fn print_plan(plan: &Plan, dataset: &Dataset, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{} photos ({})", dataset.photos.len(), dataset.name)?;
    for arm in &plan.arms {
        writeln!(
            out,
            "{}: {} streams of {} threads, batch {}",
            arm.label, arm.streams, arm.threads, arm.spec.batch
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

fn blank_record(
    plan: &Plan,
    host: Host,
    workload: &Workload,
    unavailable: Vec<Unavailable>,
    argv: Vec<String>,
) -> Record {
    let Workload { dataset, skipped, .. } = workload;
    let created_at = jiff::Timestamp::now().to_string();
    let mut hash = Sha256::new();
    for part in argv.iter().chain([&created_at, &std::process::id().to_string()]) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let id = base16ct::lower::encode_string(&hash.finalize())[..16].to_owned();
    Record {
        schema_version: SCHEMA_VERSION,
        id,
        created_at,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("FACEBENCH_COMMIT").map(str::to_owned),
            argv,
            seed: plan.seed,
        },
        host,
        gpus: Vec::new(),
        workload: record::Workload {
            name: workload.name.to_owned(),
            scenario: plan.scenario,
            stage: "end-to-end".to_owned(),
            dataset: record::Dataset {
                name: dataset.name.clone(),
                images: dataset.photos.len(),
                faces: None,
                sha256: None,
                bytes: dataset.bytes(),
                preloaded: true,
            },
            detector: None,
            recognizer: None,
            enrolled: 0,
        },
        plan: PlanSummary {
            processes: plan.processes,
            blocks: plan.blocks,
            block_seconds: plan.duration.as_secs_f64(),
            warmup_seconds: plan.warmup.as_secs_f64(),
            host_cores: plan.cores,
            margin: plan.margin,
        },
        skipped: skipped
            .iter()
            .map(|(photo, reason)| Skipped {
                photo: photo.clone(),
                reason: reason.clone(),
            })
            .collect(),
        unavailable,
        quick: plan.quick,
        interrupted: false,
        arms: Vec::new(),
        comparisons: Vec::new(),
        checks: Vec::new(),
    }
}

fn default_output(record: &Record, name: Option<&str>) -> PathBuf {
    let time: String = record
        .created_at
        .chars()
        .take(19)
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    let name = name.unwrap_or("run");
    Path::new("results").join(format!("{time}-{name}.json"))
}

/// Makes sure that `path` can be written, and leaves nothing behind.
fn try_output(path: &Path) -> io::Result<()> {
    // A record replaces what stands there as a whole, which only an ordinary file may suffer.
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("what stands there is not an ordinary file"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    tempfile::NamedTempFile::new_in(folder).map(drop)
}

/// A flag that Ctrl-C (or a polite kill) sets; what has been measured is then kept. The second time ends the program.
fn on_interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let armed = ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        tell("stopping; what has been measured is kept (again to leave at once)");
    });
    if let Err(error) = armed {
        tell(&format!("Ctrl-C will not keep what has been measured: {error}"));
    }
    flag
}
