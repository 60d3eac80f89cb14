//! Arms against each other: ratios with intervals, verdicts, and whether they may be quoted.

use std::collections::BTreeMap;

use super::{
    figures,
    statistics::{self, Difference},
};
use crate::record::{Arm, Comparison, Estimate, Record, Scenario, Status};

/// How the arms' studies stand as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Least ratio that counts as a difference, as a fraction.
    pub margin: f64,
    /// A `--quick` study.
    pub quick: bool,
    /// Stopped before its end.
    pub interrupted: bool,
    /// Whether a ratio of two arms means anything.
    pub comparable: bool,
}

impl Terms {
    /// The terms of `record`. Arms are not comparable at a rate that the user gave, because all of them then answer the same
    /// number of images a second; nor in a record of shards, because each arm then measured other photos.
    pub fn of(record: &Record) -> Self {
        let fixed = record.workload.scenario == Scenario::Server && record.plan.request_rate.is_some();
        Self {
            margin: record.plan.margin,
            quick: record.quick,
            interrupted: record.interrupted,
            comparable: !fixed && record.fleet.is_none(),
        }
    }
}

/// Two arms that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The one.
    pub arm: &'a Arm,
    /// What it is compared with.
    pub baseline: &'a Arm,
}

impl Pair<'_> {
    /// Processes of the same number ran side by side if both arms are of one study.
    fn is_paired(&self) -> bool {
        self.arm.source == self.baseline.source
    }
}

/// Each arm against the first.
pub fn with_first(arms: &[Arm], terms: Terms) -> Vec<Comparison> {
    let Some((baseline, others)) = arms.split_first().filter(|_| terms.comparable) else {
        return Vec::new();
    };
    let pairs: Vec<Pair<'_>> = others.iter().map(|arm| Pair { arm, baseline }).collect();
    compare(&pairs, terms)
}

/// The `pairs` whose figures count. No speed is compared of an arm that computed something else or broke off.
pub fn compare(pairs: &[Pair<'_>], terms: Terms) -> Vec<Comparison> {
    let counts = |arm: &Arm| matches!(arm.figures.status, Status::Valid | Status::Unstable);
    let images = |arm: &Arm| figures::process_means(&arm.blocks, |block| block.images);
    let (pairs, differences): (Vec<&Pair<'_>>, Vec<Difference>) = pairs
        .iter()
        .filter(|pair| counts(pair.arm) && counts(pair.baseline))
        .filter_map(|pair| {
            let difference = difference(&images(pair.arm), &images(pair.baseline), pair.is_paired())?;
            Some((pair, difference))
        })
        .unzip();
    let verdicts = statistics::verdicts(&differences, terms.margin);
    pairs
        .iter()
        .zip(&differences)
        .zip(verdicts)
        .map(|((pair, difference), verdict)| {
            let reasons = reasons(pair, terms);
            Comparison {
                arm: pair.arm.label.clone(),
                baseline: pair.baseline.label.clone(),
                ratio: difference.ratio(),
                verdict,
                paired: pair.is_paired(),
                bounded_ratio: bounded(pair),
                corrected_for: differences.len(),
                status: if reasons.is_empty() {
                    Status::Valid
                } else {
                    Status::Unstable
                },
                reasons,
            }
        })
        .collect()
}

fn difference(
    arm: &BTreeMap<usize, f64>,
    baseline: &BTreeMap<usize, f64>,
    paired: bool,
) -> Option<Difference> {
    if paired {
        // Only processes that both have.
        let (arm, baseline): (Vec<f64>, Vec<f64>) = arm
            .iter()
            .filter_map(|(process, mean)| Some((*mean, *baseline.get(process)?)))
            .unzip();
        Difference::paired(&arm, &baseline)
    } else {
        let values = |means: &BTreeMap<usize, f64>| means.values().copied().collect::<Vec<_>>();
        Difference::unpaired(&values(arm), &values(baseline))
    }
}

fn bounded(pair: &Pair<'_>) -> Option<Estimate> {
    let arm = figures::bounded_means(pair.arm)?;
    let baseline = figures::bounded_means(pair.baseline)?;
    difference(&arm, &baseline, pair.is_paired()).map(|difference| difference.ratio())
}

/// Why a comparison may not be quoted.
fn reasons(pair: &Pair<'_>, terms: Terms) -> Vec<String> {
    let mut reasons = Vec::new();
    if terms.quick {
        reasons.push("a quick study is a first look".to_owned());
    }
    if terms.interrupted {
        reasons.push("the study was interrupted".to_owned());
    }
    for arm in [pair.baseline, pair.arm] {
        if arm.figures.status == Status::Unstable {
            reasons.push(format!("{} is unstable", arm.label));
        }
    }
    reasons
}
