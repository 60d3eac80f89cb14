//! What would change the answer.

use super::{Candidate, Load, by_cost};
use crate::record::{Evidence, Machine};

/// One sentence for each thing that would; `candidates` are the machines' own, in their order.
pub(super) fn list(
    machines: &[Machine],
    candidates: &[Candidate<'_>],
    load: &Load,
    currency: &str,
) -> Vec<String> {
    let mut changes = Vec::new();
    for (machine, candidate) in machines.iter().zip(candidates) {
        changes.extend(rate(machine, load));
        changes.extend(fewer(machine, candidate, load));
        changes.extend(interval(machine));
        changes.extend(price(machine, machines, currency));
    }
    changes
}

/// The load itself.
fn rate(machine: &Machine, load: &Load) -> Option<String> {
    let usable = machine.usable_rate?;
    let needed = machine.count?.checked_sub(load.spare)?;
    let full = usable.low.unwrap_or(usable.median) * needed as f64;
    let plural = if needed == 1 { "serves" } else { "serve" };
    Some(format!(
        "{}: {needed} {plural} up to {full:.0} photos per second; above that, one more is needed",
        machine.name
    ))
}

/// One machine less.
fn fewer(machine: &Machine, candidate: &Candidate<'_>, load: &Load) -> Option<String> {
    let needed = machine.count?.checked_sub(load.spare)?;
    let left = needed.checked_sub(1).filter(|left| *left > 0)?;
    let share = load.rate / left as f64;
    let tried = tried(candidate, load, share)
        .map(|(at, ms)| format!(" (a trial at {at:.1} had a p99 of {ms:.0} ms)"))
        .unwrap_or_default();
    Some(format!(
        "{}: {left} would be enough if each met the bound at {share:.1} photos per second{tried}",
        machine.name
    ))
}

/// The trial of the search nearest above `share`, and its latency; the search must have looked at the same percentile.
fn tried(candidate: &Candidate<'_>, load: &Load, share: f64) -> Option<(f64, f64)> {
    let same = (candidate.plan.latency_bound.percentile - load.bound.percentile).abs() < 1e-9;
    let trials = candidate.arm.trials.iter().filter(|_| same);
    let above = trials.filter(|trial| trial.rate >= share && trial.latency_ms.is_finite());
    above
        .min_by(|a, b| a.rate.total_cmp(&b.rate))
        .map(|trial| (trial.rate, trial.latency_ms))
}

/// How sure it is.
fn interval(machine: &Machine) -> Option<String> {
    match (machine.count_range, machine.evidence) {
        (Some([few, many]), _) if few != many => Some(format!(
            "{}: the interval allows {few} to {many}; more processes (run --processes) make it narrower",
            machine.name
        )),
        (None, Evidence::Server) => Some(format!(
            "{}: one process gives no interval, so how sure the count is remains unknown; measure with run --processes 3 or more",
            machine.name
        )),
        _ => None,
    }
}

/// The price at which another one becomes the cheapest.
fn price(machine: &Machine, machines: &[Machine], currency: &str) -> Option<String> {
    let sorted = by_cost(machines);
    let cheapest = *sorted.first()?;
    let count = machine.count.filter(|_| machine.name != cheapest.name)?;
    let below = cheapest.cost_per_hour? / count as f64;
    let unit = if currency.is_empty() {
        String::new()
    } else {
        format!(" {currency}")
    };
    Some(format!(
        "{}: cheaper than {} if an hour of one costs less than {below:.2}{unit}",
        machine.name, cheapest.name
    ))
}
