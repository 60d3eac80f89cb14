//! `facebench tune`: the best setting of what a SPEC leaves open, searched on short blocks and confirmed by a study.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    Failure,
    output::{RecordFile, exit_code, export, show, try_export},
    plan::print_plan,
    prepare::PreparedStudy,
    progress::{Progress, notify},
    request::{Layout, StudyRequest},
};
use crate::{
    analysis::tuned::chosen,
    cli::TuneArgs,
    record::{Hint, Record, Scenario},
    report::{table, tuned},
    study::{
        Study, StudyError,
        planned_arm::{PlannedArm, tell_apart},
        tune::{
            Goal,
            candidates::{candidates, is_same},
        },
    },
    text::ShownPath,
};

/// Searches, confirms, writes a record; the last line of the answer is the SPEC to use. Returns the exit status.
pub fn tune(args: TuneArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let (request, goal, spec_file) = request(args);
    let (dry_run, exports) = (request.dry_run, request.output.exports.clone());
    let prepared = PreparedStudy::new(request, home)?;
    let plan = &prepared.plan;
    let bare = &plan.arms[0];
    let candidates = candidates(&bare.spec, plan.scenario, plan.cores, plan.seed)?;
    if candidates.len() < 2 {
        return Err(Failure::Usage(format!(
            "{}: leaves nothing open to search; leave out streams, threads or batch",
            bare.spec.requested
        )));
    }
    if dry_run {
        for arm in &candidates {
            writeln!(out, "candidate: {}", arm.label)?;
        }
        writeln!(out, "then, together with the best of them:")?;
        return print_plan(plan, &prepared.workload, out).map(|()| 0);
    }
    if let Some(path) = &spec_file {
        try_export(path)?;
    }
    let (study, record, mut file) = prepared.into_study("tune", home, argv)?;
    let mut record = search_and_confirm(study, record, &candidates, goal, &mut file)?;
    let best = if record.interrupted {
        None
    } else {
        chosen(&record.arms, &record.comparisons, goal.bound)
    };
    if let Some(tune) = &mut record.tune {
        tune.chosen.clone_from(&best);
    }
    // Only now does the file say that the search is whole.
    file.save(&record).map_err(StudyError::from)?;
    notify(&format!("record: {}", file.path().shown()));
    if let (Some(file), Some(spec)) = (&spec_file, &best) {
        std::fs::write(file, format!("{spec}\n")).map_err(Failure::output(file))?;
        notify(&format!("SPEC: {}", file.shown()));
    }
    export(&exports, &record, None, &[])?;
    show(out, &answer(&record))?;
    Ok(exit_code(&record))
}

/// The study that confirms the best setting, what is searched for, and the file for the SPEC.
fn request(args: TuneArgs) -> (StudyRequest, Goal, Option<PathBuf>) {
    let goal = Goal {
        hint: args.hint,
        bound: args.hold_latency.then_some(args.measure.latency_bound),
    };
    let scenario = match args.hint {
        Hint::Throughput => Scenario::Offline,
        Hint::Latency => Scenario::SingleStream,
    };
    let backends = vec![args.backend];
    let request = StudyRequest {
        // The settings themselves are the points of a curve.
        curve: false,
        ..StudyRequest::new(
            backends,
            args.workload.into(),
            scenario,
            Layout::STANDARD,
            args.measure,
        )
    };
    (request, goal, args.spec_file)
}

/// The record of the search, and of the study that compares the best with the bare SPEC.
fn search_and_confirm(
    mut study: Study,
    blank: Record,
    all: &[PlannedArm],
    goal: Goal,
    file: &mut RecordFile,
) -> Result<Record, Failure> {
    // Half of them come to the second round, a quarter to the third, and so on.
    let progress = Progress::new(2 * all.len() as u64);
    let searched = study.tune(blank.clone(), all, goal, &progress, &mut |record| {
        file.save(record)
    });
    progress.finish();
    let (searched, finalists) = searched?;
    if study.interruption.is_asked() {
        return Ok(searched);
    }
    let (bare, cores) = (study.plan.arms[0].clone(), study.plan.cores);
    let others = finalists.into_iter().filter(|arm| !is_same(arm, &bare, cores));
    study.plan.arms.extend(others);
    tell_apart(&mut study.plan.arms);
    // The same backend on the same device at the same price.
    let count = study.plan.arms.len();
    study.environments = vec![study.environments[0].clone(); count];
    study.prices = vec![study.prices[0].clone(); count];
    let mut record = blank;
    record.tune = searched.tune;
    let progress = Progress::of_study(&study.plan);
    let run = study.run(record, &progress, &mut |record| file.save(record));
    progress.finish();
    let mut record = run?.record;
    study.finish(&mut record);
    Ok(record)
}

/// Tables, a sentence, and on the last line the SPEC alone.
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
    let quoted = quoted(spec);
    format!("{tables}\n{sentence}\n\nfacebench run -b {quoted}{scenario}\n{spec}\n")
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
