//! The one sentence that counts: which arm is fastest, by how much, how sure, and whether it may be quoted.

use std::fmt::Write;

use super::{
    format::{self, number},
    visible::visible,
};
use crate::record::{Arm, Record, Status, Verdict};

/// Answers "how much faster is an accelerator than the CPU here, and how sure are we" from `record`, whose first arm
/// is the CPU's. Where there is no accelerator, the sentence ends with `missing`: what would be needed for one.
pub fn sentence(record: &Record, missing: &str) -> String {
    let record = &*visible(record);
    let Some((cpu, others)) = record.arms.split_first() else {
        return "Nothing was measured.".to_owned();
    };
    let alone = match &cpu.figures.throughput {
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
            "No accelerator is ready on this machine, so there is nothing to compare the CPU with: {alone}{trust}. {missing}"
        );
    }
    let answers: Vec<String> = others.iter().map(|arm| compared(record, arm)).collect();
    format!("Here {alone}{}; {}.", trust(cpu), answers.join("; "))
}

/// Answers "which arm is fastest, by how much, and how sure are we" from any record.
pub fn general(record: &Record) -> String {
    let record = &*visible(record);
    let speed = |arm: &&Arm| {
        arm.figures
            .throughput
            .as_ref()
            .map(|t| t.images_per_second.median)
    };
    let fastest = |status: Status| {
        let measured = record
            .arms
            .iter()
            .filter(|arm| arm.figures.status == status && speed(arm).is_some());
        measured.max_by(|a, b| speed(a).unwrap_or(0.0).total_cmp(&speed(b).unwrap_or(0.0)))
    };
    // If any arm may be quoted, only such arms are compared.
    let best = [Status::Valid, Status::Unstable, Status::Invalid, Status::Failed]
        .into_iter()
        .find_map(fastest);
    let Some((best, throughput)) = best.and_then(|arm| Some((arm, arm.figures.throughput.as_ref()?))) else {
        return "Nothing was measured.".to_owned();
    };
    let images = &throughput.images_per_second;
    let figure = format!(
        "{} images a second{}",
        number(images.median),
        sureness(images.low, images.high)
    );
    let mut text = if record.arms.len() == 1 {
        format!("{} gives {figure}", best.label)
    } else {
        format!(
            "{} is the fastest of {} arms: {figure}",
            best.label,
            record.arms.len()
        )
    };
    if let Some(comparison) = record.comparisons.iter().find(|c| c.arm == best.label) {
        let ratio = &comparison.ratio;
        text = format!(
            "{text}, {} times {}{}{}",
            format::ratio(ratio.median),
            comparison.baseline,
            sureness(ratio.low, ratio.high),
            meaning(comparison.verdict)
        );
    }
    if let Some(bounded) = &best.figures.bounded {
        let bound = format::bound(&bounded.bound);
        text = match &bounded.images_per_second {
            Some(held) if bounded.streams.is_some() => {
                format!(
                    "{text}; at its best point with {bound} held it gives {}",
                    number(held.median)
                )
            }
            Some(held) => format!("{text}; with {bound} held it gives {}", number(held.median)),
            None if bounded.is_unknown() => {
                format!("{text}; whether it holds {bound} is not known, because there are too few samples")
            }
            None => format!("{text}; it does not hold {bound}"),
        };
    }
    format!("{text}{}.{}{}", trust(best), doubts(record, best), worth(record))
}

/// Names the arms that seemed faster than the one that may be quoted.
fn doubts(record: &Record, best: &Arm) -> String {
    let speed = |arm: &Arm| {
        arm.figures
            .throughput
            .as_ref()
            .map_or(0.0, |t| t.images_per_second.median)
    };
    let mut text = String::new();
    let seemed = |arm: &&Arm| arm.figures.status != best.figures.status && speed(arm) > speed(best);
    for arm in record.arms.iter().filter(seemed) {
        let _ = write!(
            text,
            " {} showed {}{}.",
            arm.label,
            number(speed(arm)),
            trust(arm)
        );
    }
    text
}

/// Why nothing of the study may be quoted, if so.
fn worth(record: &Record) -> &'static str {
    match (record.interrupted, record.quick) {
        (true, _) => " The study was interrupted: its figures are not to be quoted.",
        (false, true) => " It was a quick study: a first look, whose figures are not to be quoted.",
        (false, false) => "",
    }
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster | Verdict::Slower => "",
        Verdict::Equivalent => ", which is no difference",
        Verdict::Inconclusive => ", which proves no difference",
    }
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
    let verdict = meaning(comparison.verdict);
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
        _ => " (from one process: no interval)".to_owned(),
    }
}

fn trust(arm: &Arm) -> &'static str {
    match arm.figures.status {
        Status::Valid => "",
        Status::Unstable => ", but the measurement is unstable",
        Status::Invalid => ", but the measurement is invalid",
        Status::Failed => ", but the arm failed",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;

    #[test]
    fn the_fastest_that_may_be_quoted_is_named() {
        let text = general(&record(fixture::full()));
        assert!(
            text.starts_with("cuda:0 is the fastest of 4 arms: 1460 images a second (95 % sure of"),
            "{text}"
        );
        assert!(
            text.contains("12.4 times cpu")
                && text.contains("at its best point with p99 <= 100 ms held it gives 1830"),
            "{text}"
        );
    }

    #[test]
    fn a_bound_that_nothing_tells_of_is_not_called_missed() {
        let mut full = record(fixture::full());
        for arm in &mut full.arms {
            if let Some(bounded) = &mut arm.figures.bounded {
                (bounded.images_per_second, bounded.latency_ms) = (None, None);
                bounded.reason = Some("the lowest p99 on the curve is 180 ms".to_owned());
            }
        }
        assert!(general(&full).contains("; it does not hold p99 <= 100 ms"));
        for arm in &mut full.arms {
            if let Some(bounded) = &mut arm.figures.bounded {
                bounded.reason = Some("too few samples for p99: 662 are needed".to_owned());
            }
        }
        let text = general(&full);
        assert!(
            text.contains("whether it holds p99 <= 100 ms is not known"),
            "{text}"
        );
    }

    #[test]
    fn what_keeps_a_figure_from_being_quoted_is_said() {
        let mut full = record(fixture::full());
        full.arms[2].figures.status = Status::Invalid;
        full.quick = true;
        let text = general(&full);
        assert!(text.starts_with("cpu is the fastest"), "{text}");
        assert!(
            text.contains("cuda:0 showed 1460, but the measurement is invalid"),
            "{text}"
        );
        assert!(text.contains("whose figures are not to be quoted"), "{text}");
        full.arms.clear();
        assert_eq!(general(&full), "Nothing was measured.");
    }
}
