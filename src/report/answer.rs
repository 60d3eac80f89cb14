//! The one sentence that a demo ends with: how much faster than the CPU, and how sure.

use super::table::number;
use crate::record::{Arm, Record, Status, Verdict};

/// Answers "how much faster is an accelerator than the CPU here, and how sure are we" from `record`, whose first arm
/// is the CPU's. `missing` names what would be needed where there is no accelerator.
pub fn sentence(record: &Record, missing: &str) -> String {
    let Some((cpu, others)) = record.arms.split_first() else {
        return "Nothing was measured.".to_owned();
    };
    let alone = match &cpu.throughput {
        Some(throughput) => format!(
            "the CPU gives {} images a second{}",
            number(throughput.images_per_second.median),
            sureness(
                throughput.images_per_second.low,
                throughput.images_per_second.high
            )
        ),
        None => "the CPU could not be measured".to_owned(),
    };
    if others.is_empty() {
        let trust = trust(cpu);
        return format!(
            "No accelerator is ready on this machine, so there is nothing to set beside it: {alone}{trust}. {missing}"
        );
    }
    let answers: Vec<String> = others.iter().map(|arm| compared(record, arm)).collect();
    format!("Here {alone}{}; {}.", trust(cpu), answers.join("; "))
}

fn compared(record: &Record, arm: &Arm) -> String {
    let Some(comparison) = record
        .comparisons
        .iter()
        .find(|comparison| comparison.arm == arm.label)
    else {
        return format!("{} could not be measured", arm.label);
    };
    let ratio = &comparison.ratio;
    let verdict = match comparison.verdict {
        Verdict::Faster | Verdict::Slower => "",
        Verdict::Equivalent => ", which is no difference",
        Verdict::Inconclusive => ", which proves no difference",
    };
    let sure = sureness(ratio.low, ratio.high);
    format!(
        "{} is {:.2} times as fast{sure}{verdict}{}",
        arm.label,
        ratio.median,
        trust(arm)
    )
}

fn sureness(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!(" (95 % sure of {} to {})", number(low), number(high)),
        _ => " (from one process: how sure cannot be said)".to_owned(),
    }
}

fn trust(arm: &Arm) -> &'static str {
    match arm.status {
        Status::Valid => "",
        Status::Unstable => ", but the measurement is unstable",
        Status::Invalid => ", but the measurement is invalid",
        Status::Failed => ", but the arm failed",
    }
}
