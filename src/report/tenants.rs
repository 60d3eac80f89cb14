//! What a study of tenants comes to, in sentences.

use super::words::{bytes, maybe};
use crate::record::{Company, Record, Tenants};

/// All that can be said of a record's tenants; nothing where it has none.
pub fn sentences(record: &Record) -> Vec<String> {
    let Some(tenants) = &record.tenants else {
        return Vec::new();
    };
    let mut sentences = packing(tenants);
    sentences.extend(memory(record, tenants));
    sentences
}

/// What the largest tenant of the largest even company held of its part of the device's memory, one over their number.
fn memory(record: &Record, tenants: &Tenants) -> Option<String> {
    let company = tenants
        .companies
        .iter()
        .filter(|company| even(company) && !company.rounds.is_empty())
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

/// Tenants of one kind, and no neighbour.
fn even(company: &Company) -> bool {
    company.neighbour.is_none() && company.tenants.iter().all(|label| *label == company.tenants[0])
}

/// How many tenants the device serves, for each kind of company; nothing where no least rate was asked for.
fn packing(tenants: &Tenants) -> Vec<String> {
    let Some(least) = tenants.least_rate else {
        return Vec::new();
    };
    let wanted = maybe(Some(least));
    let mut kinds: Vec<&str> = Vec::new();
    for company in tenants.companies.iter().filter(|company| even(company)) {
        if !kinds.contains(&company.tenants[0].as_str()) {
            kinds.push(&company.tenants[0]);
        }
    }
    kinds
        .into_iter()
        .map(|kind| {
            let of_kind = |company: &&Company| even(company) && company.tenants[0] == kind;
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
                        "this device serves {count} tenant{plural} of {kind} at {wanted} images/s or more each (of the numbers \
                         that were tried; by the lower end of the slowest one's interval)"
                    )
                }
                None => format!("this device serves not even one tenant of {kind} at {wanted} images/s"),
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
