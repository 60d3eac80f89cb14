//! What tenants of one device show about the rate that it serves.

use super::{
    Shared,
    evidence::{Finding, unusable},
};
use crate::record::{Arm, Estimate, Evidence, LatencyBound, Record, TenantGroup, Tenants};

/// For each backend, the group of its tenants that suits `bound` best.
pub(super) fn of(record: &Record, bound: LatencyBound) -> Vec<(&Arm, Shared, Finding)> {
    let Some(tenants) = &record.tenants else {
        return Vec::new();
    };
    let groups: Vec<(&Arm, &TenantGroup)> = tenants
        .groups
        .iter()
        .filter_map(|group| Some((common_arm(record, tenants, group)?, group)))
        .collect();
    let mut arms: Vec<&Arm> = Vec::new();
    for (arm, _) in &groups {
        if arms.iter().all(|other| !same_backend(other, arm)) {
            arms.push(arm);
        }
    }
    arms.into_iter()
        .filter_map(|arm| {
            let of_arm = groups.iter().filter(|(other, _)| same_backend(other, arm));
            let of_arm: Vec<&TenantGroup> = of_arm.map(|(_, group)| *group).collect();
            let group = best(&of_arm, bound)?;
            let shared = Shared {
                tenants: group.tenants.len(),
                machines: group.machines.len().max(1),
                one_device: record.one_device(group) != Some(false),
            };
            Some((arm, shared, finding(record, arm, group, shared, bound)))
        })
        .collect()
}

fn same_backend(a: &Arm, b: &Arm) -> bool {
    a.backend.requested == b.backend.requested
}

/// The first tenant's arm, if two or more tenants all have its backend, without background load, and all of them are in
/// this record.
fn common_arm<'a>(record: &'a Record, tenants: &Tenants, group: &TenantGroup) -> Option<&'a Arm> {
    let of_one_machine = tenants
        .coordination
        .as_ref()
        .is_some_and(|coordination| coordination.machine_index.is_some());
    let partial = of_one_machine && group.machines.len() > 1;
    if group.tenants.len() < 2 || group.background_load.is_some() || group.error.is_some() || partial {
        return None;
    }
    let first = record.arm(&group.tenants[0])?;
    let alike = |label: &String| record.arm(label).is_some_and(|arm| same_backend(arm, first));
    group.tenants.iter().all(alike).then_some(first)
}

/// Of the groups whose slowest tenant met the bound, the one with the highest rate; else of those whose latency is not
/// known; else the one that came nearest.
fn best<'a>(groups: &[&'a TenantGroup], bound: LatencyBound) -> Option<&'a TenantGroup> {
    let rate = |group: &&&TenantGroup| group.images_per_second.as_ref().map_or(0.0, |all| all.median);
    let fastest = |keep: &dyn Fn(Option<f64>) -> bool| {
        let kept = groups.iter().filter(|group| keep(group.worst_p99_ms));
        kept.max_by(|a, b| rate(a).total_cmp(&rate(b))).copied()
    };
    let p99 = |group: &TenantGroup| group.worst_p99_ms.unwrap_or(f64::INFINITY);
    fastest(&|p99| p99.is_some_and(|p99| p99 <= bound.ms))
        .or_else(|| fastest(&|p99| p99.is_none()))
        .or_else(|| groups.iter().copied().min_by(|a, b| p99(a).total_cmp(&p99(b))))
}

fn finding(record: &Record, arm: &Arm, group: &TenantGroup, shared: Shared, bound: LatencyBound) -> Finding {
    let mut arms = group.tenants.iter().filter_map(|label| record.arm(label));
    if let Some(why) = arms.find_map(unusable) {
        return Finding::nothing(why);
    }
    let Some(all) = group.images_per_second else {
        return Finding::nothing("nothing was measured of them together".to_owned());
    };
    let machines = shared.machines as f64;
    let each = Estimate {
        median: all.median / machines,
        low: all.low.map(|low| low / machines),
        high: all.high.map(|high| high / machines),
    };
    let p99_ms = group.worst_p99_ms;
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
