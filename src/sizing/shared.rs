//! What tenants of one device show about the rate that it serves.

use super::{
    Shared,
    evidence::{Finding, unusable},
};
use crate::record::{Arm, Estimate, Evidence, LatencyBound, Record, TenantGroup, Tenants};

/// For each kind of tenant, the company that suits `bound` best: of those whose slowest tenant held it, the one that
/// gives most together.
pub(super) fn of(record: &Record, bound: LatencyBound) -> Vec<(&Arm, Shared, Finding)> {
    let Some(tenants) = &record.tenants else {
        return Vec::new();
    };
    let companies: Vec<(&Arm, &TenantGroup)> = tenants
        .groups
        .iter()
        .filter_map(|company| Some((kind(record, tenants, company)?, company)))
        .collect();
    let mut kinds: Vec<&Arm> = Vec::new();
    for (arm, _) in &companies {
        if kinds
            .iter()
            .all(|other| other.backend.requested != arm.backend.requested)
        {
            kinds.push(arm);
        }
    }
    kinds
        .into_iter()
        .filter_map(|arm| {
            let of_kind: Vec<&TenantGroup> = companies
                .iter()
                .filter(|(other, _)| other.backend.requested == arm.backend.requested)
                .map(|(_, company)| *company)
                .collect();
            let company = chosen(&of_kind, bound)?;
            let shared = Shared {
                tenants: company.tenants.len(),
                machines: company.machines.len().max(1),
                one_device: record.one_device(company) != Some(false),
            };
            Some((arm, shared, finding(record, arm, company, shared, bound)))
        })
        .collect()
}

/// The first tenant's arm, of a company of two or more of one kind, without a neighbour, and whole in this record.
fn kind<'a>(record: &'a Record, tenants: &Tenants, company: &TenantGroup) -> Option<&'a Arm> {
    let part = tenants
        .coordination
        .as_ref()
        .is_some_and(|meeting| meeting.machine_index.is_some());
    let partial = part && company.machines.len() > 1;
    if company.tenants.len() < 2 || company.background_load.is_some() || company.error.is_some() || partial {
        return None;
    }
    let first = record.arm(&company.tenants[0])?;
    let alike = |label: &String| {
        record
            .arm(label)
            .is_some_and(|arm| arm.backend.requested == first.backend.requested)
    };
    company.tenants.iter().all(alike).then_some(first)
}

/// Of those that held the bound the one that gives most; else, of those whose latency is not known, likewise; else the one
/// that came nearest.
fn chosen<'a>(companies: &[&'a TenantGroup], bound: LatencyBound) -> Option<&'a TenantGroup> {
    let rate = |company: &&&TenantGroup| company.images_per_second.as_ref().map_or(0.0, |all| all.median);
    let most = |keep: &dyn Fn(Option<f64>) -> bool| {
        let kept = companies.iter().filter(|company| keep(company.worst_p99_ms));
        kept.max_by(|a, b| rate(a).total_cmp(&rate(b))).copied()
    };
    most(&|p99| p99.is_some_and(|p99| p99 <= bound.ms))
        .or_else(|| most(&|p99| p99.is_none()))
        .or_else(|| {
            let late = |company: &&&TenantGroup| company.worst_p99_ms.unwrap_or(f64::INFINITY);
            companies
                .iter()
                .min_by(|a, b| late(a).total_cmp(&late(b)))
                .copied()
        })
}

fn finding(
    record: &Record,
    arm: &Arm,
    company: &TenantGroup,
    shared: Shared,
    bound: LatencyBound,
) -> Finding {
    let mut arms = company.tenants.iter().filter_map(|label| record.arm(label));
    if let Some(why) = arms.find_map(unusable) {
        return Finding::nothing(why);
    }
    let Some(all) = company.images_per_second else {
        return Finding::nothing("nothing was measured of them together".to_owned());
    };
    let machines = shared.machines as f64;
    let each = Estimate {
        median: all.median / machines,
        low: all.low.map(|low| low / machines),
        high: all.high.map(|high| high / machines),
    };
    let p99_ms = company.worst_p99_ms;
    match p99_ms {
        Some(p99) if p99 > bound.ms => Finding::nothing(format!(
            "the slowest of {} tenants had a p99 of {p99:.0} ms even without a queue; let fewer share a device",
            shared.tenants
        )),
        Some(_) => Finding {
            evidence: Evidence::Tenants,
            rate: Some(each),
            p99_ms,
            notes: vec![format!(
                "closed loop: {} tenants at work at the same time, and no photo waited in a queue; {}",
                shared.tenants,
                more_evidence(arm)
            )],
        },
        None => Finding {
            evidence: Evidence::Offline,
            rate: Some(each),
            p99_ms: None,
            notes: vec![format!(
                "{} tenants at work at the same time, too few photos for a p99: measure longer (tenants --duration)",
                shared.tenants
            )],
        },
    }
}

/// How to find out more.
fn more_evidence(arm: &Arm) -> String {
    format!(
        "to find out more: `run --scenario server -b {}` on one of them while the others work",
        arm.backend.requested
    )
}
