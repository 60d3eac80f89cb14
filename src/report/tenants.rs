//! What a study of tenants comes to, in sentences.

use super::words::{bytes, maybe};
use crate::record::{ClockReading, Company, Keeper, Record, Tenants};

/// All that can be said of a record's tenants; nothing where it has none.
pub fn sentences(record: &Record) -> Vec<String> {
    let Some(tenants) = &record.tenants else {
        return Vec::new();
    };
    let mut sentences = packing(tenants);
    sentences.extend(memory(record, tenants));
    sentences.extend(clocks(tenants));
    sentences
}

/// What is known of the clocks of machines that met.
fn clocks(tenants: &Tenants) -> Option<String> {
    let meeting = tenants.meeting.as_ref()?;
    let met: Vec<&ClockReading> = tenants
        .companies
        .iter()
        .filter(|company| company.machines.len() > 1)
        .flat_map(|company| &company.rounds)
        .flat_map(|round| &round.clocks)
        .collect();
    if meeting.keeper == Keeper::Timetable {
        return Some(
            "the machines began together by their own clocks: how far these are apart, nothing here shows"
                .to_owned(),
        );
    }
    let offset = met
        .iter()
        .filter_map(|clock| clock.offset_us)
        .map(i64::unsigned_abs)
        .max()?;
    let within = met.iter().filter_map(|clock| clock.within_us).max()?;
    Some(format!(
        "the machines' clocks were up to {} from that of {}, which was read to within {}, and taken into account",
        span(offset),
        meeting.machines.first().map_or("the first", String::as_str),
        span(within)
    ))
}

/// Microseconds as people read them.
fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", maybe(Some(micros as f64 / 1e3))),
        _ => format!("{} s", maybe(Some(micros as f64 / 1e6))),
    }
}

/// What the largest tenant of the largest even company held of its part of the device's memory, one over their number.
fn memory(record: &Record, tenants: &Tenants) -> Option<String> {
    let company = tenants
        .companies
        .iter()
        .filter(|company| even(tenants, company) && !company.rounds.is_empty())
        .max_by_key(|company| company.tenants.len())?;
    let arm = record.arms.iter().find(|arm| arm.label == company.tenants[0])?;
    let gpu = record
        .gpus
        .iter()
        .find(|gpu| gpu.uuid.is_some() && gpu.uuid == arm.backend.gpu)?;
    let all = company.rounds.iter().flat_map(|round| &round.tenants);
    let held = all.filter_map(|tenant| tenant.device_memory_bytes).max()?;
    let count = company.tenants.len();
    let part = gpu.memory_bytes? as f64 / count as f64;
    let share = held as f64 / part;
    let verdict = if share <= 0.5 {
        "half of it would do"
    } else {
        "half of it would not do"
    };
    Some(format!(
        "of its part of the device's memory, {} where {count} share it evenly, a tenant of {} held {} at most, {:.0} %: {verdict}",
        bytes(Some(part as u64)),
        company.tenants[0],
        bytes(Some(held)),
        share * 100.0
    ))
}

/// Tenants of one kind, no neighbour, and all of them in this record.
fn even(tenants: &Tenants, company: &Company) -> bool {
    let first = kind(&company.tenants[0]);
    company.neighbour.is_none()
        && elsewhere(tenants, company).is_empty()
        && company.tenants.iter().all(|label| kind(label) == first)
}

/// What a tenant is, whichever machine it is on: its arm's label without the machine that `merge` adds.
pub(super) fn kind(label: &str) -> &str {
    label.split_once(" @ ").map_or(label, |(kind, _)| kind)
}

/// Names of the machines of a meeting that were at work beside these tenants and have a record of their own.
pub(super) fn elsewhere<'a>(tenants: &'a Tenants, company: &Company) -> Vec<&'a str> {
    let Some((meeting, place)) = tenants
        .meeting
        .as_ref()
        .and_then(|meeting| Some((meeting, meeting.place?)))
    else {
        return Vec::new();
    };
    let others = company.machines.iter().filter(|other| **other != place);
    others
        .filter_map(|other| meeting.machines.get(*other))
        .map(String::as_str)
        .collect()
}

/// How many tenants the device serves, for each kind of company; nothing where no least rate was asked for.
fn packing(tenants: &Tenants) -> Vec<String> {
    let Some(least) = tenants.least_rate else {
        return Vec::new();
    };
    let wanted = maybe(Some(least));
    let mut kinds: Vec<&str> = Vec::new();
    for company in tenants.companies.iter().filter(|company| even(tenants, company)) {
        let kind = kind(&company.tenants[0]);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
        .into_iter()
        .map(|one| {
            let of_kind =
                |company: &&Company| even(tenants, company) && kind(&company.tenants[0]) == one;
            let serve = |company: &&Company| slowest(company).is_some_and(|rate| rate >= least);
            let most = tenants
                .companies
                .iter()
                .filter(of_kind)
                .filter(serve)
                .max_by_key(|company| company.tenants.len());
            match most {
                Some(company) => {
                    let count = company.tenants.len();
                    let plural = if count == 1 { "" } else { "s" };
                    format!(
                        "this device serves {count} tenant{plural} of {one} at {wanted} images/s or more each (of the numbers \
                         that were tried; by the lower end of the slowest one's interval)"
                    )
                }
                None => format!("this device serves not even one tenant of {one} at {wanted} images/s"),
            }
        })
        .collect()
}

/// The lower end of the slowest tenant's images a second; its middle where there is no interval.
fn slowest(company: &Company) -> Option<f64> {
    let rates: Option<Vec<f64>> = company
        .each
        .iter()
        .map(|each| each.as_ref().map(|each| each.low.unwrap_or(each.median)))
        .collect();
    rates?.into_iter().reduce(f64::min)
}
