//! What tenants of one device did while all of them were at work, and what follows from it.
//!
//! Each tenant tells when it began and ended every photo, by the wall clock of the machine. Only the time in which all
//! streams of all tenants were at work counts: from the last one's first photo to the first one's last.

mod meeting;

use std::collections::BTreeMap;

use super::{
    figures,
    protocol::{Answered, Shared},
    stats,
};
use crate::record::{Company, Estimate, Tenant, Tenants, TenantsRound};

pub use self::meeting::{MeetingError, Part, gathered};

/// From and to when all were at work, microseconds; `None` where they never were at the same time.
pub fn window(shared: &[Shared], begin_us: u64, end_us: u64) -> Option<(u64, u64)> {
    let streams = || shared.iter().flat_map(|shared| &shared.streams);
    let first = |stream: &Vec<Answered>| stream.first().map(|answer| answer.begun_us);
    let last = |stream: &Vec<Answered>| stream.last().map(|answer| answer.ended_us);
    let from = streams().map(first).collect::<Option<Vec<_>>>()?;
    let to = streams().map(last).collect::<Option<Vec<_>>>()?;
    let from = from.into_iter().max()?.max(begin_us);
    let to = to.into_iter().min()?.min(end_us);
    (from < to).then_some((from, to))
}

/// What one tenant did between `from` and `to`. `weights` says what each photo costs alone, in any unit; empty where all
/// are alike.
pub fn within(shared: &Shared, (from, to): (u64, u64), weights: &[f64]) -> Tenant {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let weight = |photo: usize| match weights.get(photo) {
        Some(weight) if mean > 0.0 => weight / mean,
        _ => 1.0,
    };
    let mut tenant = Tenant {
        images: 0.0,
        answered: 0,
        service_us: Vec::new(),
        cpu_seconds: shared.cpu_seconds,
        cores: shared
            .cpu_seconds
            .zip(worked(shared))
            .map(|(cpu, worked)| cpu / worked),
        rss_peak_bytes: None,
        device_memory_bytes: None,
    };
    let mut service: BTreeMap<u64, u64> = BTreeMap::new();
    for answer in shared.streams.iter().flatten() {
        let inside = answer.ended_us.min(to).saturating_sub(answer.begun_us.max(from));
        let length = answer.ended_us.saturating_sub(answer.begun_us).max(1);
        let work: f64 = (answer.photo..answer.photo + answer.photos).map(weight).sum();
        tenant.images += work * inside as f64 / length as f64;
        if (from..=to).contains(&answer.ended_us) {
            tenant.answered += answer.photos;
            *service.entry(three_digits(length)).or_default() += answer.photos as u64;
        }
    }
    tenant.service_us = service.into_iter().collect();
    tenant
}

/// Seconds from the first photo's beginning to the last one's end.
fn worked(shared: &Shared) -> Option<f64> {
    let answers = || shared.streams.iter().flatten();
    let from = answers().map(|answer| answer.begun_us).min()?;
    let to = answers().map(|answer| answer.ended_us).max()?;
    (from < to).then_some((to - from) as f64 / 1e6)
}

/// Times of like length are one: three digits are kept, as in histograms elsewhere in the record.
fn three_digits(micros: u64) -> u64 {
    let step = 10_u64.pow(micros.max(1).ilog10().saturating_sub(2));
    micros / step * step + step / 2
}

/// Computes the figures of every company from its rounds. The companies of one are what the others are held against.
pub fn settle(tenants: &mut Tenants) {
    let alone: BTreeMap<String, BTreeMap<usize, f64>> = tenants
        .companies
        .iter()
        .filter(|company| {
            company.tenants.len() == 1 && company.machines.len() < 2 && company.neighbour.is_none()
        })
        .map(|company| {
            let rates = company.rounds.iter().map(|round| (round.round, rates(round)[0]));
            (company.tenants[0].clone(), rates.collect())
        })
        .collect();
    // One machine's own record of a meeting holds its own tenants only, and says nothing of all.
    let whole = tenants
        .meeting
        .as_ref()
        .is_none_or(|meeting| meeting.place.is_none());
    for company in &mut tenants.companies {
        compute(company, &alone);
        if !whole && company.machines.len() > 1 {
            (company.fairness, company.sharing_gain) = (None, None);
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

fn compute(company: &mut Company, alone: &BTreeMap<String, BTreeMap<usize, f64>>) {
    let (mut all, mut slowdowns, mut fairness, mut gains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut kept = Vec::new();
    let mut each: Vec<Vec<f64>> = vec![Vec::new(); company.tenants.len()];
    for round in &company.rounds {
        let rates = rates(round);
        all.push(rates.iter().sum());
        each.iter_mut()
            .zip(&rates)
            .for_each(|(each, rate)| each.push(*rate));
        if let Some(before) = &round.before {
            let unburdened = before.images.iter().map(|images| images / before.seconds);
            let parts: Vec<f64> = rates
                .iter()
                .zip(unburdened)
                .map(|(now, then)| now / then)
                .collect();
            kept.extend(stats::median(&parts).filter(|part| part.is_finite()));
        }
        // Of the same round: what the machine did to one it did to the other.
        let bases: Option<Vec<f64>> = company
            .tenants
            .iter()
            .map(|label| alone.get(label)?.get(&round.round).copied())
            .collect();
        let Some(bases) = bases else { continue };
        let shares: Vec<f64> = rates.iter().zip(&bases).map(|(rate, base)| rate / base).collect();
        slowdowns.extend(stats::median(&shares).map(|share| 1.0 / share));
        fairness.push(jain(&shares));
        gains.push(shares.iter().sum());
    }
    company.images_per_second = stats::estimate(&all);
    company.each = each.iter().map(|rates| stats::estimate(rates)).collect();
    company.slowdown = stats::estimate(&slowdowns);
    company.fairness = stats::estimate(&fairness).map(at_most_one);
    company.sharing_gain = stats::estimate(&gains);
    company.kept = stats::estimate(&kept);
    let times = |tenants: &mut dyn Iterator<Item = &Tenant>| {
        let counts: Vec<(u64, u64)> = tenants.flat_map(|tenant| tenant.service_us.clone()).collect();
        figures::of_counts(&counts)
    };
    company.latency_ms = times(&mut company.rounds.iter().flat_map(|round| &round.tenants));
    let p99 = (0..company.tenants.len())
        .map(|place| times(&mut company.rounds.iter().filter_map(|round| round.tenants.get(place)))?.p99);
    let p99: Option<Vec<f64>> = p99.collect();
    company.worst_p99_ms = p99.and_then(|all| all.into_iter().reduce(f64::max));
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

/// The index is never above 1, whatever an interval of logarithms says.
fn at_most_one(estimate: Estimate) -> Estimate {
    Estimate {
        median: estimate.median.min(1.0),
        low: estimate.low.map(|low| low.min(1.0)),
        high: estimate.high.map(|high| high.min(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has answered a single photo, whatever work that was.
    pub(super) fn tenant(images: f64) -> Tenant {
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

    fn stream(answers: &[(u64, u64)]) -> Shared {
        let answer = |(photo, (begun_us, ended_us)): (usize, &(u64, u64))| Answered {
            photo,
            photos: 1,
            begun_us: *begun_us,
            ended_us: *ended_us,
        };
        Shared {
            streams: vec![answers.iter().enumerate().map(answer).collect()],
            cpu_seconds: None,
        }
    }

    #[test]
    fn only_the_time_in_which_all_worked_counts() {
        let early = stream(&[(0, 100), (100, 200), (200, 300), (300, 400)]);
        let late = stream(&[(150, 250), (250, 350), (350, 450)]);
        let all = [early, late];
        let window = window(&all, 0, 1000).unwrap();
        assert_eq!(window, (150, 400));
        let (early, late) = (within(&all[0], window, &[]), within(&all[1], window, &[]));
        assert!(
            (early.images - 2.5).abs() < 1e-9 && early.answered == 3,
            "{early:?}"
        );
        assert!((late.images - 2.5).abs() < 1e-9 && late.answered == 2, "{late:?}");
        assert_eq!(super::window(&[stream(&[(0, 1)]), stream(&[(2, 3)])], 0, 9), None);
    }

    #[test]
    fn a_dear_photo_is_more_work_than_a_cheap_one() {
        let shared = stream(&[(0, 300), (300, 400)]);
        let tenant = within(&shared, (0, 300), &[3.0, 1.0]);
        assert!((tenant.images - 1.5).abs() < 1e-9, "{tenant:?}");
    }

    #[test]
    fn fairness_is_one_for_equals_and_one_over_n_for_a_glutton() {
        assert!((jain(&[0.5, 0.5, 0.5]) - 1.0).abs() < 1e-12);
        assert!((jain(&[1.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn two_that_halve_each_other_gain_nothing() {
        let company = |images: &[f64]| Company {
            rounds: (0..3)
                .map(|round| TenantsRound {
                    round,
                    order: round,
                    seconds: 2.0,
                    tenants: images.iter().map(|images| tenant(*images)).collect(),
                    before: None,
                    from_us: None,
                    clocks: Vec::new(),
                })
                .collect(),
            ..Company::new(images.iter().map(|_| "cpu".to_owned()).collect(), None)
        };
        let mut tenants = Tenants {
            least_rate: None,
            companies: vec![company(&[40.0]), company(&[20.0, 20.0])],
            meeting: None,
        };
        settle(&mut tenants);
        let two = &tenants.companies[1];
        let middle = |estimate: &Option<Estimate>| estimate.as_ref().map_or(0.0, |e| e.median);
        assert!((middle(&two.slowdown) - 2.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.sharing_gain) - 1.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.images_per_second) - 20.0).abs() < 1e-9, "{two:?}");
        assert!((middle(&two.fairness) - 1.0).abs() < 1e-9, "{two:?}");
    }
}
