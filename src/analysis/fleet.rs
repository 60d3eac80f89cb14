//! What machines that measured a shard each give together.
//!
//! Machines work side by side and on different photos, so that their rates add up and are compared with no first arm.

use std::collections::{BTreeMap, BTreeSet};

use super::statistics::median;
use crate::record::{Arm, Estimate, Fleet, FleetGroup, Outlier, Record, Shard, Status};

/// An arm is far from its group where its rate is off the median by more than this part and by more than
/// [`DEVIATIONS`] of the group's own spread. Shards hold different photos, which alone moves rates by some per cent.
const FAR: f64 = 0.10;
/// Median absolute deviations, made comparable with a standard deviation by 1.4826.
const DEVIATIONS: f64 = 3.0;
const TO_SIGMA: f64 = 1.4826;
/// Arms of a group that make a spread.
const FEW: usize = 4;

/// The fleet of a merged record whose studies each measured a shard; `None` where one measured all photos.
pub fn fleet(record: &Record) -> Option<Fleet> {
    let shards: Vec<&Shard> = record
        .sources
        .iter()
        .map(|source| source.shard.as_ref())
        .collect::<Option<_>>()?;
    let first = shards.first()?;
    let there: BTreeSet<usize> = shards.iter().map(|shard| shard.index).collect();
    let counted: Vec<&Arm> = record.arms.iter().filter(|arm| rate(arm).is_some()).collect();
    let (price_per_hour, currency) = price(&counted);
    let images_per_second = total(&counted);
    let price_per_hour = price_per_hour.filter(|_| counted.len() == record.arms.len());
    let (groups, outliers) = groups(record);
    Some(Fleet {
        shards: there.len(),
        of: first.of,
        missing: (0..first.of).filter(|index| !there.contains(index)).collect(),
        images: first.whole_images,
        images_per_unit: price_per_hour
            .filter(|price| *price > 0.0)
            .and_then(|price| Some(images_per_second.as_ref()?.median * 3600.0 / price)),
        images_per_second,
        price_per_hour,
        currency,
        groups,
        outliers,
    })
}

/// Images a second, where they count.
fn rate(arm: &Arm) -> Option<&Estimate> {
    let counts = matches!(arm.figures.status, Status::Valid | Status::Unstable);
    let throughput = arm.figures.throughput.as_ref().filter(|_| counts)?;
    Some(&throughput.images_per_second)
}

fn total(arms: &[&Arm]) -> Option<Estimate> {
    let rates: Vec<&Estimate> = arms.iter().copied().filter_map(rate).collect();
    if rates.is_empty() {
        return None;
    }
    let middle: f64 = rates.iter().map(|rate| rate.median).sum();
    let half = |end: fn(&Estimate) -> Option<f64>| {
        let squares: Option<f64> = rates
            .iter()
            .map(|rate| end(rate).map(|end| (end - rate.median).powi(2)))
            .sum();
        squares.map(f64::sqrt)
    };
    Some(Estimate {
        median: middle,
        low: half(|rate| rate.low).map(|half| middle - half),
        high: half(|rate| rate.high).map(|half| middle + half),
    })
}

/// What an hour of all `arms` costs, where all have a price in one currency.
fn price(arms: &[&Arm]) -> (Option<f64>, String) {
    let prices: Option<Vec<_>> = arms.iter().map(|arm| arm.price.as_ref()).collect();
    let Some(prices) = prices.filter(|prices| !prices.is_empty()) else {
        return (None, String::new());
    };
    let currency = prices[0].currency.clone();
    if prices.iter().any(|price| price.currency != currency) {
        return (None, String::new());
    }
    (Some(prices.iter().map(|price| price.per_hour).sum()), currency)
}

/// What makes two arms alike.
type GroupKey = (String, Option<String>, Option<String>, Option<String>);

fn group_key(record: &Record, arm: &Arm) -> GroupKey {
    let source = record.source_of(arm);
    let host = source.map_or(&record.host, |source| &source.host);
    let flavor = host.facts.iter().find(|fact| fact.kind == "openstack-flavor");
    (
        arm.backend.requested.clone(),
        host.cpu.model.clone(),
        flavor.map(|fact| fact.value.clone()),
        record.gpu_of(arm).map(|gpu| gpu.name.clone()),
    )
}

fn groups(record: &Record) -> (Vec<FleetGroup>, Vec<Outlier>) {
    let mut by_key: BTreeMap<GroupKey, Vec<&Arm>> = BTreeMap::new();
    for arm in &record.arms {
        by_key.entry(group_key(record, arm)).or_default().push(arm);
    }
    let mut groups = Vec::new();
    let mut outliers = Vec::new();
    for ((backend, processor, flavor, gpu), arms) in by_key {
        let rated: Vec<(&str, f64)> = arms
            .iter()
            .filter_map(|arm| Some((arm.label.as_str(), rate(arm)?.median)))
            .collect();
        outliers.extend(far(&rated));
        let rates: Vec<f64> = rated.iter().map(|(_, rate)| *rate).collect();
        let any = !rates.is_empty();
        groups.push(FleetGroup {
            backend,
            processor,
            flavor,
            gpu,
            arms: arms.len(),
            not_counted: arms.len() - rates.len(),
            total: any.then(|| rates.iter().sum()),
            least: rates.iter().copied().reduce(f64::min),
            median: median(&rates),
            most: rates.iter().copied().reduce(f64::max),
        });
    }
    (groups, outliers)
}

fn far(rated: &[(&str, f64)]) -> Vec<Outlier> {
    if rated.len() < FEW {
        return Vec::new();
    }
    let logarithms: Vec<f64> = rated.iter().map(|(_, rate)| rate.ln()).collect();
    let middle = median(&logarithms).unwrap_or(0.0);
    let off: Vec<f64> = logarithms.iter().map(|value| (value - middle).abs()).collect();
    let limit = (DEVIATIONS * TO_SIGMA * median(&off).unwrap_or(0.0)).max((1.0 + FAR).ln());
    rated
        .iter()
        .zip(&logarithms)
        .filter(|(_, value)| (*value - middle).abs() > limit)
        .map(|((label, _), value)| Outlier {
            arm: (*label).to_owned(),
            ratio: (value - middle).exp(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_one_among_many_is_far_and_few_have_no_spread() {
        let rated = [("a", 100.0), ("b", 101.0), ("c", 99.0), ("d", 80.0), ("e", 104.0)];
        let found = far(&rated);
        let [one] = &found[..] else { panic!("{found:?}") };
        assert!(one.arm == "d" && (one.ratio - 0.8).abs() < 1e-9, "{one:?}");
        assert!(far(&rated[..3]).is_empty());
        assert!(far(&[("a", 1.0), ("b", 1.05), ("c", 0.95), ("d", 1.0)]).is_empty());
    }
}
