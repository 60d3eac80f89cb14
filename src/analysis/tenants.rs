//! What tenants of one device did while all of them were at work, and what follows from it.
//!
//! Each tenant reports when it began and ended every photo, by the wall clock of the machine. Only the time in which all
//! streams of all tenants were at work counts: from the last one's first photo to the first one's last.

use std::collections::BTreeMap;

use super::{figures, statistics};
use crate::record::{Estimate, Tenant, TenantGroup, Tenants, TenantsRound};

/// Computes the figures of every tenant group from its rounds. The groups of one tenant are what the others are compared
/// with.
pub fn compute_figures(tenants: &mut Tenants) {
    let alone: BTreeMap<String, BTreeMap<usize, f64>> = tenants
        .groups
        .iter()
        .filter(|group| {
            group.tenants.len() == 1 && group.machines.len() < 2 && group.background_load.is_none()
        })
        .map(|group| {
            let rates = group.rounds.iter().map(|round| (round.round, rates(round)[0]));
            (group.tenants[0].clone(), rates.collect())
        })
        .collect();
    // One machine's own record of a coordinated run has its own tenants only, and shows nothing of all.
    let whole = tenants
        .coordination
        .as_ref()
        .is_none_or(|run| run.machine_index.is_none());
    for group in &mut tenants.groups {
        compute(group, &alone);
        if !whole && group.machines.len() > 1 {
            (group.fairness, group.sharing_gain) = (None, None);
        }
    }
}

/// Images a second of each tenant of a round.
fn rates(round: &TenantsRound) -> Vec<f64> {
    round
        .tenants
        .iter()
        .map(|tenant| tenant.images / round.seconds)
        .collect()
}

fn compute(group: &mut TenantGroup, alone: &BTreeMap<String, BTreeMap<usize, f64>>) {
    let (mut all, mut slowdowns, mut fairness, mut gains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut kept = Vec::new();
    let mut each: Vec<Vec<f64>> = vec![Vec::new(); group.tenants.len()];
    for round in &group.rounds {
        let rates = rates(round);
        all.push(rates.iter().sum());
        each.iter_mut()
            .zip(&rates)
            .for_each(|(each, rate)| each.push(*rate));
        if let Some(before) = &round.before_load {
            let alone_before = before.images.iter().map(|images| images / before.seconds);
            let parts: Vec<f64> = rates
                .iter()
                .zip(alone_before)
                .map(|(now, then)| now / then)
                .collect();
            kept.extend(statistics::median(&parts).filter(|part| part.is_finite()));
        }
        // Of the same round: what the machine did to one it did to the other.
        let bases: Option<Vec<f64>> = group
            .tenants
            .iter()
            .map(|label| alone.get(label)?.get(&round.round).copied())
            .collect();
        let Some(bases) = bases else { continue };
        let shares: Vec<f64> = rates.iter().zip(&bases).map(|(rate, base)| rate / base).collect();
        slowdowns.extend(statistics::median(&shares).map(|share| 1.0 / share));
        fairness.push(jain(&shares));
        gains.push(shares.iter().sum());
    }
    group.images_per_second = statistics::estimate(&all);
    group.per_tenant = each.iter().map(|rates| statistics::estimate(rates)).collect();
    group.slowdown = statistics::estimate(&slowdowns);
    group.fairness = statistics::estimate(&fairness).map(at_most_one);
    group.sharing_gain = statistics::estimate(&gains);
    group.retained = statistics::estimate(&kept);
    let times = |tenants: &mut dyn Iterator<Item = &Tenant>| {
        let counts: Vec<(u64, u64)> = tenants.flat_map(|tenant| tenant.service_us.clone()).collect();
        figures::of_counts(&counts)
    };
    group.latency_ms = times(&mut group.rounds.iter().flat_map(|round| &round.tenants));
    let p99 = (0..group.tenants.len())
        .map(|place| times(&mut group.rounds.iter().filter_map(|round| round.tenants.get(place)))?.p99);
    let p99: Option<Vec<f64>> = p99.collect();
    group.worst_p99_ms = p99.and_then(|all| all.into_iter().reduce(f64::max));
}

/// Jain's fairness index (Jain, Chiu, Hawe 1984): the square of the sum over the number times the sum of squares.
pub fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), share| {
        (sum + share, squares + share * share)
    });
    if squares > 0.0 {
        sum * sum / (shares.len() as f64 * squares)
    } else {
        1.0
    }
}

/// The index is never above 1, whatever an interval of logarithms gives.
fn at_most_one(estimate: Estimate) -> Estimate {
    Estimate {
        median: estimate.median.min(1.0),
        low: estimate.low.map(|low| low.min(1.0)),
        high: estimate.high.map(|high| high.min(1.0)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One that has answered a single photo, whatever work that was.
    pub(crate) fn tenant(images: f64) -> Tenant {
        Tenant {
            images,
            answered: 1,
            service_us: vec![(1000, 1)],
            cpu_seconds: None,
            cores: None,
            rss_peak_bytes: None,
            device_memory_bytes: None,
        }
    }

    #[test]
    fn fairness_is_one_for_equals_and_one_over_n_for_a_glutton() {
        assert!((jain(&[0.5, 0.5, 0.5]) - 1.0).abs() < 1e-12);
        assert!((jain(&[1.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn two_that_halve_each_other_gain_nothing() {
        let group = |images: &[f64]| TenantGroup {
            rounds: (0..3)
                .map(|round| TenantsRound {
                    round,
                    order: round,
                    seconds: 2.0,
                    tenants: images.iter().map(|images| tenant(*images)).collect(),
                    before_load: None,
                    from_us: None,
                    clocks: Vec::new(),
                })
                .collect(),
            ..TenantGroup::new(images.iter().map(|_| "cpu".to_owned()).collect(), None)
        };
        let mut tenants = Tenants {
            least_rate: None,
            groups: vec![group(&[40.0]), group(&[20.0, 20.0])],
            coordination: None,
        };
        compute_figures(&mut tenants);
        let two = &tenants.groups[1];
        let middle = |estimate: &Option<Estimate>| estimate.as_ref().map_or(0.0, |e| e.median);
        assert!((middle(&two.slowdown) - 2.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.sharing_gain) - 1.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.images_per_second) - 20.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.fairness) - 1.0).abs() < 1e-9, "{two:?}");
    }
}
