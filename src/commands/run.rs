//! `facebench run`: from words to a plan, from a plan to a record and a table.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Failure,
    blank::blank_record,
    layout::{
        Layout, USUAL, extra_reference, lay_out, prices, print_plan, settle_backends, settle_precisions,
    },
    machine, noise_floor,
    progress::{Progress, tell},
    workload::Workload,
};
use crate::{
    cli::{MeasureArgs, RunArgs},
    dataset::Shard,
    machine::{Gpus, Host, Nvml},
    record::{self, Record, Status, Unavailable, limits::MARGIN},
    report::{self, Format, published::Published, table},
    study::{Study, arm_environment::Place, plan::Plan, strata::size_kind, summary::Price},
    worker::interruption::Interruption,
};

/// `facebench run`: a study, its table and its record; returns the program's exit status.
pub fn run(args: &RunArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let Some((record, path)) = measure(args, USUAL, home, argv, out)? else {
        return Ok(0);
    };
    show(out, &table::render(&record))?;
    if args.noise_floor {
        noise_floor::keep(&record, &args.backends[0].word, home)?;
    }
    tell(&format!("record: {}", path.display()));
    export(&args.measure, &record, None, &[])?;
    Ok(exit_code(&record))
}

/// The files of `--export-csv`, `--export-markdown` and `--export-html`: each has the form of its option, whatever its
/// name ends in.
fn exports(args: &MeasureArgs) -> impl Iterator<Item = (Format, &Path)> {
    [
        (Format::Csv, &args.output.export_csv),
        (Format::Markdown, &args.output.export_markdown),
        (Format::Html, &args.output.export_html),
    ]
    .into_iter()
    .filter_map(|(form, path)| Some((form, path.as_deref()?)))
}

/// Writes what the `--export` options ask for.
pub fn export(
    args: &MeasureArgs,
    record: &Record,
    answer: Option<&str>,
    published: &[Published],
) -> Result<(), Failure> {
    for (form, path) in exports(args) {
        report::export_as(form, record, answer, published, path)?;
        tell(&format!("export: {}", path.display()));
    }
    Ok(())
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
    let intent = Intent::of(args, usual, home)?;
    if args.measure.dry_run {
        return print_plan(&intent.plan, &intent.workload.dataset, out).map(|()| None);
    }
    let (study, record, path) = intent.study(args, "run", home, argv)?;
    let progress = Progress::new(steps(&study.plan) as u64);
    let record = study.run(record, &progress, &mut |record| record.save(&path));
    progress.finish();
    Ok(Some((record?, path)))
}

/// What is to be measured, before anything is written.
pub struct Intent {
    /// What to do.
    pub plan: Plan,
    /// Photos and networks.
    pub workload: Workload,
    places: Vec<Place>,
    prices: Vec<Option<Price>>,
    host: Host,
    gpus: Gpus,
    nvml: Option<Nvml>,
    unavailable: Vec<Unavailable>,
    shard: Option<record::Shard>,
}

impl Intent {
    /// What `args` ask for, with the arms that can run.
    pub fn of(args: &RunArgs, usual: Layout, home: &Path) -> Result<Self, Failure> {
        let host = machine::host(false);
        let mut plan = lay_out(args, usual, &host)?;
        let words: Vec<&str> = plan.arms.iter().map(|arm| arm.spec.word.as_str()).collect();
        plan.noise_floor =
            noise_floor::known(&host, &plan.core_list, &words, home).filter(|_| !args.noise_floor);
        plan.margin = plan.noise_floor.unwrap_or(0.0).max(MARGIN);
        let nvml = machine::nvml();
        let gpus = machine::gpus(&nvml);
        let (mut places, mut unavailable) = settle_backends(&mut plan, &gpus, home);
        if !unavailable.is_empty() && (!args.measure.keep_going || plan.arms.is_empty()) {
            return Err(Failure::Unavailable(unavailable));
        }
        let networked = plan.arms.iter().any(|arm| !arm.spec.is_null());
        let mut workload = Workload::gather(
            &args.workload,
            networked,
            home,
        )?;
        if let Some(networks) = &workload.networks {
            places = settle_precisions(&mut plan, places, &mut unavailable, networks, home);
            if !unavailable.is_empty() && (!args.measure.keep_going || plan.arms.is_empty()) {
                return Err(Failure::Unavailable(unavailable));
            }
        }
        let prices = prices(&plan, &args.measure.price_per_hour)?;
        if let Some((photo, reason)) = workload.skipped.first().filter(|_| args.workload.networks.strict) {
            return Err(Failure::Photo(format!(
                "{photo}: {reason} (without --strict it would be skipped)"
            )));
        }
        if let Some(count) = args.measure.sample.photos {
            // Shards of one sample are of one seed, whoever measures them.
            let seed = match (args.measure.sample.shard, args.measure.seed) {
                (Some(_), None) => 0,
                _ => plan.seed,
            };
            workload.dataset.sample(count, seed, size_kind);
        }
        let shard = args.measure.sample.shard.map(|shard| take_shard(&mut workload, shard));
        let shard = shard.transpose()?;
        Ok(Self {
            plan,
            workload,
            places,
            prices,
            host,
            gpus,
            nvml: nvml.ok(),
            unavailable,
            shard,
        })
    }

    /// The study, its record with nothing in it yet, and where that is kept: named after `word` where nothing is said.
    pub fn study(
        self,
        args: &RunArgs,
        word: &str,
        home: &Path,
        argv: Vec<String>,
    ) -> Result<(Study, Record, PathBuf), Failure> {
        let Self { plan, workload, .. } = self;
        let name = args.measure.output.name.as_deref();
        let mut record = blank_record(
            &plan,
            self.host,
            self.gpus,
            &workload,
            self.unavailable,
            argv,
            name,
        );
        record.workload.dataset.shard = self.shard;
        let path = args
            .measure
            .output
            .output
            .clone()
            .unwrap_or_else(|| default_output(&record, name.unwrap_or(word)));
        // Before anything is measured: can the record be kept?
        try_output(&path)?;
        for (_, path) in exports(&args.measure) {
            try_output(path)?;
        }
        let study = Study {
            places: self.places,
            nvml: self.nvml,
            prices: self.prices,
            extra_reference: extra_reference(&plan, &Gpus::default(), home)?,
            truth: workload.truth(),
            people: workload.people(),
            promise: workload.promise,
            networks: workload.networks,
            dataset: workload.dataset,
            preload_budget: args.measure.sample.preload.0,
            strict: args.workload.networks.strict,
            program: std::env::current_exe()?,
            interruption: Interruption::new(on_interrupt()),
            plan,
        };
        Ok((study, record, path))
    }
}

/// Leaves `workload` its part of the photos; what is recorded of it.
fn take_shard(workload: &mut Workload, shard: Shard) -> Result<record::Shard, Failure> {
    let dataset = &mut workload.dataset;
    let (images, sha256) = (dataset.photos.len(), dataset.sha256());
    if images < shard.of {
        return Err(Failure::Usage(format!(
            "--shard {}/{}: there are {images} photos only; make fewer shards",
            shard.index, shard.of
        )));
    }
    dataset.deal(shard);
    Ok(record::Shard {
        index: shard.index,
        of: shard.of,
        whole_images: images,
        whole_sha256: sha256,
    })
}

/// How many blocks a study measures.
pub fn steps(plan: &Plan) -> usize {
    let blocks = |arm| plan.blocks + plan.points(arm).len();
    plan.arms.iter().map(blocks).sum::<usize>() * plan.processes
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

fn default_output(record: &Record, name: &str) -> PathBuf {
    let time: String = record
        .created_at
        .chars()
        .take(19)
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    Path::new("results").join(format!("{time}-{name}.json"))
}

/// Makes sure that `path` can be written, and leaves nothing behind.
pub fn try_output(path: &Path) -> Result<(), Failure> {
    attempt(path).map_err(|source| Failure::Output {
        path: path.to_path_buf(),
        source,
    })
}

fn attempt(path: &Path) -> io::Result<()> {
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
pub fn on_interrupt() -> Arc<AtomicBool> {
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
