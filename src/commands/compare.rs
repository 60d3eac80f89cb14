//! `facebench compare`, `merge` and `audit`: work on finished records.

use std::{fmt::Write as _, io::Write, path::Path};

use super::{Failure, blank, output::show};
use crate::{
    analysis::audit,
    cli::{CompareArgs, MergeArgs},
    record::{Arm, Check, Comparison, HostLog, Outcome, Record, Scenario, Source, Status, title},
    report::{comparison, fleet, read, table},
    sharing::merge,
    text::{ShownPath, visible},
};

/// `facebench compare A B`: ratios with intervals; returns 5 for a regression, 3 if no verdict is possible, 6 if one of
/// the studies was measured on a busy machine.
pub fn compare(args: &CompareArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let merged = merge::compare(read(&args.old)?, read(&args.new)?)?;
    if args.json {
        let text = serde_json::to_string_pretty(&merged.comparisons).map_err(std::io::Error::other)?;
        show(out, &(text + "\n"))?;
    } else {
        show(out, &comparison::render(&merged))?;
    }
    let Some(limit) = args.fail_on_regression else {
        return Ok(0);
    };
    let (code, text) = gate(&merged, limit);
    super::progress::notify(&text);
    Ok(code)
}

/// Whether a comparison shows a slowdown of `limit` or more that is not chance: the ratio reaches the limit, and the
/// whole 95 % interval is on the slow side.
pub fn regressed(comparison: &Comparison, limit: f64) -> bool {
    comparison.ratio.median <= 1.0 - limit && comparison.ratio.high.is_some_and(|high| high < 1.0)
}

/// The exit status where one of the studies is not whole, or shows too little for a verdict.
const NO_VERDICT: u8 = 3;
/// The exit status where other processes used the host cores of one of the studies.
const BUSY: u8 = 6;

/// What is wrong with one of the studies, whatever it measured: nothing that it shows may pass a gate, nor fail it.
fn refused(merged: &Record) -> Option<(u8, String)> {
    let study = |arm: &Arm| merged.source_of(arm).map_or_else(String::new, title_of);
    let planned = |arm: &Arm| {
        let plan = merged.source_of(arm).map_or(&merged.plan, |source| &source.plan);
        plan.processes * plan.blocks
    };
    let mut sources = merged.sources.iter();
    if let Some(source) = sources.find(|source| source.interrupted) {
        let why = "it was interrupted or killed before its end";
        return Some((NO_VERDICT, unfinished(&title_of(source), why)));
    }
    let mut arms = merged.arms.iter();
    let short = |arm: &&Arm| !arm.failed && arm.blocks.len() < planned(arm);
    if let Some(arm) = arms.find(short) {
        let (there, of) = (arm.blocks.len(), planned(arm));
        let why = format!("it has {there} of {of} blocks of {}", arm.label);
        return Some((NO_VERDICT, unfinished(&study(arm), &why)));
    }
    let compared = |arm: &Arm| {
        let mut comparisons = merged.comparisons.iter();
        comparisons.any(|c| c.arm == arm.label || c.baseline == arm.label)
    };
    let is_busy = |check: &&Check| check.id == "foreign-load" && check.outcome == Outcome::Failed;
    let mut arms = merged.arms.iter().filter(|arm| compared(arm));
    let (arm, check) = arms.find_map(|arm| Some((arm, arm.figures.checks.iter().find(is_busy)?)))?;
    Some((
        BUSY,
        format!(
            "no verdict on regressions: other processes used the host cores while {} was measured in study {} ({}): \
             measure it again on a quiet machine",
            arm.label,
            study(arm),
            check.observed
        ),
    ))
}

fn title_of(source: &Source) -> String {
    title(source.name.as_deref(), &source.id)
}

fn unfinished(study: &str, why: &str) -> String {
    format!("no verdict on regressions: study {study} is unfinished: {why}; measure it to its end")
}

fn gate(merged: &Record, limit: f64) -> (u8, String) {
    if let Some(refused) = refused(merged) {
        return refused;
    }
    let mut text = String::new();
    let percent = limit * 100.0;
    for comparison in merged
        .comparisons
        .iter()
        .filter(|comparison| regressed(comparison, limit))
    {
        let _ = writeln!(
            text,
            "regression: {} is {:.1} % slower than {} (the limit is {percent} %)",
            visible(&comparison.arm),
            (1.0 - comparison.ratio.median) * 100.0,
            visible(&comparison.baseline)
        );
    }
    if !text.is_empty() {
        return (5, text.trim_end().to_owned());
    }
    let fixed = merged.workload.scenario == Scenario::Server && merged.plan.request_rate.is_some();
    let alone = merge::without_partner(merged);
    let no_interval = merged.comparisons.iter().any(|c| c.ratio.low.is_none());
    let broken = merged
        .arms
        .iter()
        .any(|arm| matches!(arm.figures.status, Status::Invalid | Status::Failed));
    let why_not = if merged.quick {
        Some("a quick study is never valid for a comparison: measure without --quick".to_owned())
    } else if fixed {
        Some("at a given rate every arm answers what it is sent: measure without --request-rate".to_owned())
    } else if broken {
        Some("an arm is invalid or failed, so its speed is not compared".to_owned())
    } else if !alone.is_empty() {
        Some(format!("only one of the records has {}", alone.join(", ")))
    } else if merged.comparisons.is_empty() || no_interval {
        Some("there are too few processes for an interval".to_owned())
    } else {
        None
    };
    if let Some(why) = why_not {
        return (NO_VERDICT, format!("no verdict on regressions: {why}"));
    }
    let reach = merged
        .comparisons
        .iter()
        .filter_map(|c| c.ratio.low)
        .fold(1.0, f64::min);
    if reach <= 1.0 - limit {
        let most = (1.0 - reach) * 100.0;
        return (
            0,
            format!("no regression of {percent} % is shown; one of up to {most:.1} % cannot be ruled out"),
        );
    }
    (0, format!("no regression of {percent} % or more"))
}

/// `facebench merge`: one record of several, with what the host logs among them saw; these are known by what is in them.
pub fn merge(args: &MergeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut records, mut logs) = (Vec::new(), Vec::new());
    for path in &args.records {
        let parsed = std::fs::read_to_string(path)
            .ok()
            .and_then(|text| HostLog::parse(&text));
        match parsed {
            // The name without its folder, which may be private.
            Some(Ok(log)) => logs.push((file_name(path), log)),
            Some(Err(error)) => return Err(Failure::Usage(broken_log(path, &error))),
            None => records.push(read(path)?),
        }
    }
    let (merged, notes) = merge::merge_with_host_logs(records, &logs)?;
    for line in &notes {
        super::progress::notify(line);
    }
    merged.save(&args.output).map_err(Failure::output(&args.output))?;
    show(out, &table::render(&merged))?;
    if let Some(fleet) = &merged.fleet {
        show(out, &format!("\nfleet: {}\n", fleet::sentence(fleet)))?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn broken_log(path: &Path, error: &std::io::Error) -> String {
    format!(
        "{}: this log of facebench monitor has a line that cannot be read: {error}; give the file as it was written",
        path.shown()
    )
}

/// `facebench audit`: returns 3 if a figure differs from the recorded one.
pub fn audit(path: &Path, out: &mut dyn Write) -> Result<u8, Failure> {
    let record = read(path)?;
    let found = audit::audit(&record, &blank::tool(Vec::new(), 0)).map_err(std::io::Error::other)?;
    let mut text = String::new();
    for mismatch in &found.mismatches {
        let _ = writeln!(
            text,
            "{}: recorded {}, computed {}",
            visible(&mismatch.place),
            visible(&mismatch.recorded),
            visible(&mismatch.computed)
        );
    }
    let _ = writeln!(
        text,
        "{} figures computed again from {} raw blocks: {}",
        found.figures,
        found.blocks,
        match found.mismatches.len() {
            0 => "all are the same".to_owned(),
            count => format!("{count} differ"),
        }
    );
    show(out, &text)?;
    Ok(if found.mismatches.is_empty() { 0 } else { 3 })
}
