//! How figures and names are written, the same everywhere.

use crate::record::{Arm, Check, Estimate, LatencyBound, Record, Scenario, Status, Verdict};

/// Shown where there is no figure.
pub(super) const NONE: &str = "-";

/// Three significant digits, and no fewer than the whole number has.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The number, or a dash.
pub(super) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

/// The ends of the 95 % interval.
pub(super) fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) if high < 2.0 => format!("{low:.3} - {high:.3}"),
        (Some(low), Some(high)) => format!("{} - {}", number(low), number(high)),
        _ => "one process: none".to_owned(),
    }
}

/// A ratio: near 1 every digit counts.
pub(super) fn ratio(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.3}")
    } else {
        number(value)
    }
}

/// Bytes as a person counts them.
pub(super) fn bytes(bytes: Option<u64>) -> String {
    match bytes {
        None => NONE.to_owned(),
        Some(bytes) if bytes >= 10_000_000_000 => format!("{:.1} GB", bytes as f64 / 1e9),
        Some(bytes) => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}

/// The name of a status; one that forbids quoting is in capitals.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Valid => "valid",
        Status::Unstable => "unstable",
        Status::Invalid => "INVALID",
        Status::Failed => "FAILED",
    }
}

/// The name of a verdict.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Equivalent => "equivalent",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// The name of a scenario.
pub(super) fn scenario(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Offline => "offline",
        Scenario::SingleStream => "single-stream",
        Scenario::MultiStream => "multi-stream",
        Scenario::Server => "server",
    }
}

/// A bound for prose: `p99 <= 100 ms`.
pub(super) fn bound(bound: &LatencyBound) -> String {
    format!("p{} <= {} ms", bound.percentile, bound.ms)
}

/// The latency bound of the arms, if there was one.
pub(super) fn held_bound(record: &Record) -> Option<LatencyBound> {
    record
        .arms
        .iter()
        .find_map(|arm| arm.figures.bounded.as_ref())
        .map(|bounded| bounded.bound)
}

/// The currency of the prices, with a space before it; empty where it is not known.
pub(super) fn currency(record: &Record) -> String {
    let named = record
        .arms
        .iter()
        .filter_map(|arm| arm.price.as_ref())
        .find(|price| !price.currency.is_empty());
    named.map_or_else(String::new, |price| format!(" {}", price.currency))
}

/// Every check, with the arm that it is of; those of the study as a whole come last, without one.
pub(super) fn checks(record: &Record) -> impl Iterator<Item = (Option<&Arm>, &Check)> {
    let of_arms = record
        .arms
        .iter()
        .flat_map(|arm| arm.figures.checks.iter().map(move |check| (Some(arm), check)));
    of_arms.chain(record.checks.iter().map(|check| (None, check)))
}

/// One line: what was measured, and how.
pub(super) fn headline(record: &Record) -> String {
    let (workload, plan) = (&record.workload, &record.plan);
    let dataset = &workload.dataset;
    let faces = dataset
        .faces
        .map_or_else(String::new, |faces| format!(", {faces} faces"));
    format!(
        "{}, {} ({} photos{faces}), {} host cores, {} processes x {} blocks of {} s",
        scenario(workload.scenario),
        dataset.name,
        dataset.images,
        plan.host_cores,
        plan.processes,
        plan.blocks,
        plan.block_seconds
    )
}

/// `text` in up to `most` characters. The middle is left out, because labels of arms differ at their ends.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most || most < 3 {
        return text.to_owned();
    }
    let tail = (most - 1) / 2;
    let head = most - 1 - tail;
    let mut short: String = letters[..head].iter().collect();
    short.push('…');
    short.extend(&letters[letters.len() - tail..]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_lose_their_middle() {
        assert_eq!(shorten("cpu", 10), "cpu");
        assert_eq!(shorten("cpu,precision=int8,streams=2", 13), "cpu,pr…eams=2");
        assert_eq!(shorten("ééééééééééé", 5), "éé…éé");
    }

    #[test]
    fn figures_keep_three_digits() {
        assert_eq!(
            [1234.5, 12.345, 1.2345, 0.12345].map(number),
            ["1234", "12.3", "1.23", "0.123"]
        );
        assert_eq!(ratio(1.4661), "1.466");
        assert_eq!(bytes(None), "-");
    }
}
