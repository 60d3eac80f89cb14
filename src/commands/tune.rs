//! `facebench tune`: the best setting of what a SPEC leaves open, searched on short blocks and confirmed by a study.

use std::{io::Write, path::Path};

use super::{
    Failure,
    layout::{USUAL, print_plan},
    progress::{Progress, tell},
    run::{Intent, exit_code, export, show, steps, try_output},
};
use crate::{
    analysis::tuned::chosen,
    cli::{RunArgs, TuneArgs},
    record::{Hint, Record, Scenario},
    report::{table, tuned},
    study::{
        Study,
        plan::{PlannedArm, tell_apart},
        tune::{
            Goal,
            candidates::{candidates, is_same},
        },
    },
};

/// Searches, confirms, leaves a record; the last line of the answer is the SPEC to use. Returns the exit status.
pub fn tune(args: TuneArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let (goal, spec_file, args) = understood(args);
    let mut intent = Intent::of(&args, USUAL, home)?;
    // The settings themselves are the points of a curve.
    intent.plan.curve = false;
    let plan = &intent.plan;
    let bare = &plan.arms[0];
    let all = candidates(&bare.spec, plan.scenario, plan.cores, plan.seed)?;
    if all.len() < 2 {
        return Err(Failure::Usage(format!(
            "{}: leaves nothing open that could be searched; leave out streams, threads or batch",
            bare.spec.requested
        )));
    }
    if args.measure.dry_run {
        for arm in &all {
            writeln!(out, "candidate: {}", arm.label)?;
        }
        writeln!(out, "then, together with the best of them:")?;
        return print_plan(plan, &intent.workload.dataset, out).map(|()| 0);
    }
    if let Some(path) = &spec_file {
        try_output(path)?;
    }
    let (study, record, path) = intent.study(&args, "tune", home, argv)?;
    let mut record = searched_and_confirmed(study, record, &all, goal, &path)?;
    let best = if record.interrupted {
        None
    } else {
        chosen(&record.arms, &record.comparisons, goal.bound)
    };
    if let Some(tune) = &mut record.tune {
        tune.chosen.clone_from(&best);
    }
    record.save(&path).map_err(|source| Failure::Output {
        path: path.clone(),
        source,
    })?;
    tell(&format!("record: {}", path.display()));
    if let (Some(file), Some(spec)) = (&spec_file, &best) {
        std::fs::write(file, format!("{spec}\n")).map_err(|source| Failure::Output {
            path: file.clone(),
            source,
        })?;
        tell(&format!("SPEC: {}", file.display()));
    }
    export(&args.measure, &record, None, &[])?;
    show(out, &answer(&record))?;
    Ok(exit_code(&record))
}

/// What the words mean: what is searched for, where the SPEC is written, and the study that confirms it.
fn understood(args: TuneArgs) -> (Goal, Option<std::path::PathBuf>, RunArgs) {
    let goal = Goal {
        hint: args.hint,
        bound: args.hold_latency.then_some(args.measure.latency_bound),
    };
    let run = RunArgs {
        backends: vec![args.backend],
        workload: args.workload,
        scenario: match args.hint {
            Hint::Throughput => Scenario::Offline,
            Hint::Latency => Scenario::SingleStream,
        },
        request_rate: None,
        noise_floor: false,
        ceiling: false,
        measure: args.measure,
    };
    (goal, args.spec_file, run)
}

/// The record of the search, and of the study in which the best stood against the bare SPEC.
fn searched_and_confirmed(
    mut study: Study,
    blank: Record,
    all: &[PlannedArm],
    goal: Goal,
    path: &Path,
) -> Result<Record, Failure> {
    // Half of them come to the second round, a quarter to the third, and so on.
    let progress = Progress::new(2 * all.len() as u64);
    let searched = study.tune(blank.clone(), all, goal, &progress, &mut |record| {
        record.save(path)
    });
    progress.finish();
    let (searched, finalists) = searched?;
    if searched.interrupted {
        return Ok(searched);
    }
    let (bare, cores) = (study.plan.arms[0].clone(), study.plan.cores);
    let others = finalists.into_iter().filter(|arm| !is_same(arm, &bare, cores));
    study.plan.arms.extend(others);
    tell_apart(&mut study.plan.arms);
    // The same backend on the same device at the same price.
    let count = study.plan.arms.len();
    study.places = vec![study.places[0].clone(); count];
    study.prices = vec![study.prices[0].clone(); count];
    let mut record = blank;
    record.tune = searched.tune;
    let progress = Progress::new(steps(&study.plan) as u64);
    let record = study.run(record, &progress, &mut |record| record.save(path));
    progress.finish();
    Ok(record?)
}

/// Tables, what they come to, and last of all the SPEC alone.
fn answer(record: &Record) -> String {
    let tables = table::render(record);
    let Some(tune) = &record.tune else { return tables };
    let sentence = tuned::sentence(record, tune);
    let Some(spec) = &tune.chosen else {
        return format!("{tables}\n{sentence}\n");
    };
    let scenario = match record.workload.scenario {
        Scenario::SingleStream => " --scenario single-stream",
        _ => "",
    };
    let words = quoted(spec);
    format!("{tables}\n{sentence}\n\nfacebench run -b {words}{scenario}\n{spec}\n")
}

/// A SPEC as a shell takes it.
fn quoted(spec: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./@%".contains(c);
    if spec.chars().all(is_plain) {
        spec.to_owned()
    } else {
        format!("'{}'", spec.replace('\'', "'\\''"))
    }
}
