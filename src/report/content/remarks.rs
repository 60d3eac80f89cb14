//! What a reader must know before believing a figure; failures come first.

use super::super::format::{self, checks};
use crate::record::{Arm, Check, Outcome, Record, Status};

use super::comparisons::corrected;

/// Most skipped photos that are named.
const NAMED: usize = 5;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) struct Remark {
    /// Its sentence.
    pub(in crate::report) text: String,
    /// Its details, one line each.
    pub(in crate::report) details: Vec<String>,
    /// Whether something failed.
    pub(in crate::report) grave: bool,
}

fn remark(grave: bool, text: String) -> Remark {
    Remark {
        text,
        details: Vec::new(),
        grave,
    }
}

/// Every remark of `record`, in the order in which they count.
pub(in crate::report) fn list(record: &Record) -> Vec<Remark> {
    let mut list = Vec::new();
    for arm in &record.arms {
        list.extend(
            arm.errors
                .iter()
                .map(|error| remark(true, format!("{}: failed {error}", arm.label))),
        );
    }
    let failed = checks(record).filter(|(_, check)| check.outcome == Outcome::Failed);
    list.extend(failed.map(|(arm, check)| {
        remark(
            true,
            format!(
                "{}: {} failed: {} (limit: {}); {}",
                name(arm),
                check.id,
                check.observed,
                check.limit,
                check.advice
            ),
        )
    }));
    list.extend(record.unavailable.iter().map(|missing| {
        remark(
            true,
            format!(
                "{}: not measured: {}; {}",
                missing.backend, missing.reason, missing.fix
            ),
        )
    }));
    let doubtful = record
        .comparisons
        .iter()
        .filter(|comparison| comparison.status != Status::Valid);
    list.extend(doubtful.map(|comparison| {
        let reasons = if comparison.reasons.is_empty() {
            format::status(comparison.status).to_owned()
        } else {
            comparison.reasons.join("; ")
        };
        remark(
            true,
            format!(
                "* {} against {}: not a figure to quote: {reasons}",
                comparison.arm, comparison.baseline
            ),
        )
    }));
    let limits = [
        (
            record.interrupted,
            "interrupted: the figures are from what was measured until then",
        ),
        (
            record.quick,
            "quick: a first look, not a figure to quote; measure without --quick for that",
        ),
    ];
    list.extend(
        limits
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, text)| remark(true, (*text).to_owned())),
    );
    list.extend(ceilings(record));
    list.extend(unheld(record));
    list.extend(unknown(record).into_iter().map(|text| remark(false, text)));
    list.extend(corrected(record).map(|text| remark(false, text)));
    list.extend(skipped(record));
    list
}

fn name(arm: Option<&Arm>) -> &str {
    arm.map_or("the study", |arm| &arm.label)
}

/// What the host cores allow arms whose photos they prepare: a device cannot work faster than photos reach it.
fn ceilings(record: &Record) -> impl Iterator<Item = Remark> {
    let passed =
        checks(record).filter(|(_, check)| check.id == "decode-bound" && check.outcome == Outcome::Passed);
    passed.map(|(arm, check)| remark(false, format!("{}: {}", name(arm), check.observed)))
}

/// Why an arm has no figure with the latency held.
fn unheld(record: &Record) -> impl Iterator<Item = Remark> {
    record.arms.iter().filter_map(|arm| {
        let bounded = arm.figures.bounded.as_ref()?;
        let reason = bounded.reason.as_ref()?;
        let bound = format::bound(&bounded.bound);
        Some(remark(
            false,
            format!("{}: no figure at {bound}: {reason}", arm.label),
        ))
    })
}

/// What could not be observed: one line for all arms for which the same is unknown.
fn unknown(record: &Record) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, Vec<&Check>)> = Vec::new();
    let unknown_of = |checks: &'_ [Check]| -> Vec<usize> {
        (0..checks.len())
            .filter(|place| checks[*place].outcome == Outcome::Unknown)
            .collect()
    };
    let owners = record
        .arms
        .iter()
        .map(|arm| (arm.label.as_str(), &arm.figures.checks))
        .chain([("the study", &record.checks)]);
    for (owner, checks) in owners {
        let own: Vec<&Check> = unknown_of(checks)
            .into_iter()
            .map(|place| &checks[place])
            .collect();
        if own.is_empty() {
            continue;
        }
        let same = |other: &[&Check]| {
            other.len() == own.len()
                && other
                    .iter()
                    .zip(&own)
                    .all(|(a, b)| a.id == b.id && a.observed == b.observed)
        };
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((owners, _)) => owners.push(owner),
            None => groups.push((vec![owner], own)),
        }
    }
    groups
        .into_iter()
        .map(|(owners, checks)| {
            let what: Vec<String> = checks.into_iter().map(unobserved).collect();
            format!("{}: not observed: {}", owners.join(", "), what.join("; "))
        })
        .collect()
}

/// A check that is unknown, and why.
fn unobserved(check: &Check) -> String {
    if check.observed.is_empty() {
        check.id.clone()
    } else {
        format!("{} ({})", check.id, check.observed)
    }
}

fn skipped(record: &Record) -> Option<Remark> {
    let files = &record.skipped;
    let mut details: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|skipped| format!("{}: {}", skipped.photo, skipped.reason))
        .collect();
    if files.len() > NAMED {
        details.push(format!(
            "and {} more (all are in the record)",
            files.len() - NAMED
        ));
    }
    (!files.is_empty()).then(|| Remark {
        text: format!("skipped {} files:", files.len()),
        details,
        grave: false,
    })
}
