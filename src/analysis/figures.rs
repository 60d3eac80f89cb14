//! Figures from raw blocks, and from nothing else: what a study shows and what an audit computes again.

use std::collections::BTreeMap;

use super::statistics;
use crate::record::{
    Arm, Block, Bounded, Conditions, Cost, CurvePoint, Estimate, Latency, LatencyBound, Milliseconds, Price,
    Stages, Stratum, StratumFacts, TOO_FEW_SAMPLES, Throughput, limits,
};

/// Images (or whatever `count` counts) a second of each process that has blocks, by process.
pub fn process_means(blocks: &[Block], count: impl Fn(&Block) -> usize) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
    for block in blocks {
        let sum = sums.entry(block.process).or_default();
        sum.0 += count(block);
        sum.1 += block.seconds;
    }
    sums.into_iter()
        .map(|(process, (count, seconds))| (process, count as f64 / seconds))
        .collect()
}

/// Images a second with its interval; `None` without blocks.
pub fn images_per_second(blocks: &[Block]) -> Option<Estimate> {
    let means: Vec<f64> = process_means(blocks, |block| block.images)
        .into_values()
        .collect();
    statistics::estimate(&means)
}

/// Images and faces a second, all together and by stratum.
pub fn throughput(blocks: &[Block], streams: usize, strata: &[StratumFacts]) -> Option<Throughput> {
    let none = Estimate {
        median: 0.0,
        low: None,
        high: None,
    };
    let stratum = |(number, StratumFacts { name, images }): (usize, &StratumFacts)| {
        let (done, seconds) = blocks
            .iter()
            .filter_map(|block| block.strata.get(number))
            .fold((0, 0.0), |sum, (images, seconds)| {
                (sum.0 + images, sum.1 + seconds)
            });
        let images_per_second = (seconds > 0.0).then(|| done as f64 * streams as f64 / seconds);
        Stratum {
            name: name.clone(),
            images: *images,
            images_per_second,
        }
    };
    let faces: Vec<f64> = process_means(blocks, |block| block.faces).into_values().collect();
    Some(Throughput {
        images_per_second: images_per_second(blocks)?,
        // Photos without any face give none a second.
        faces_per_second: statistics::estimate(&faces).unwrap_or(none),
        strata: strata.iter().enumerate().map(stratum).collect(),
    })
}

/// Service time of a photo.
pub fn service(blocks: &[Block]) -> Option<Latency> {
    percentiles(&Times::of(blocks, |block| &block.service_us))
}

/// The percentiles of times: microseconds and how often.
pub fn of_counts(counts: &[(u64, u64)]) -> Option<Latency> {
    percentiles(&Times::count(counts.iter().copied()))
}

/// Response time: that of queries where there are any, else the service time of a photo.
pub fn latency(blocks: &[Block]) -> Option<Latency> {
    percentiles(&waits(blocks))
}

fn waits(blocks: &[Block]) -> Times {
    if blocks.iter().any(|block| !block.response_us.is_empty()) {
        Times::of(blocks, |block| &block.response_us)
    } else {
        Times::of(blocks, |block| &block.service_us)
    }
}

/// The 99th percentile of the scheduling delay, milliseconds; `None` where no query was waited for.
pub fn scheduling_delay_ms(blocks: &[Block]) -> Option<f64> {
    Times::of(blocks, |block| &block.scheduling_delay_us).quantile_ms(0.99)
}

/// The latency at the percentile of `bound`, milliseconds, and how many were timed; `None` where nothing was timed.
pub fn latency_at(blocks: &[Block], bound: LatencyBound) -> Option<(f64, u64)> {
    let times = waits(blocks);
    Some((times.quantile_ms(bound.percentile / 100.0)?, times.samples))
}

/// Fewest samples for a percentile: `MLPerf`'s early-stopping count, of the next percentile that has one.
pub fn samples_for(percentile: f64) -> u64 {
    let known = limits::SAMPLES.iter().find(|(known, _)| percentile <= *known);
    match known {
        _ if percentile <= 50.0 => 1,
        Some((_, samples)) => *samples,
        // As many beyond the percentile as p99.9 has.
        None => (6.6 / (1.0 - percentile / 100.0)).ceil() as u64,
    }
}

/// Times of many blocks: microseconds and how often.
struct Times {
    counts: BTreeMap<u64, u64>,
    samples: u64,
}

impl Times {
    fn of<'a>(blocks: &'a [Block], pick: impl Fn(&'a Block) -> &'a Vec<(u64, u64)>) -> Self {
        Self::count(blocks.iter().flat_map(pick).copied())
    }

    fn count(all: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (micros, count) in all {
            *counts.entry(micros).or_default() += count;
        }
        let samples = counts.values().sum();
        Self { counts, samples }
    }

    fn quantile_ms(&self, share: f64) -> Option<f64> {
        let rank = ((self.samples as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let value = self.counts.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        value.map(|(micros, _)| *micros as f64 / 1e3)
    }
}

fn percentiles(times: &Times) -> Option<Latency> {
    let max = *times.counts.keys().last()? as f64 / 1e3;
    let percentile = |percent: f64| {
        times
            .quantile_ms(percent / 100.0)
            .filter(|_| times.samples >= samples_for(percent))
    };
    Some(Latency {
        p50: percentile(50.0),
        p90: percentile(90.0),
        p95: percentile(95.0),
        p99: percentile(99.0),
        p999: percentile(99.9),
        max,
        samples: times.samples,
    })
}

/// Mean time of a photo in each stage, of one stream, milliseconds.
pub fn stages(blocks: &[Block]) -> Option<Stages<Milliseconds>> {
    let images = blocks.iter().map(|block| block.images).sum();
    Stages::mean(blocks.iter().map(|block| block.stage_seconds), images)
}

/// Images a second that `cores` host cores can decode, resize and align at most, by the time that it took them; `None`
/// where each stream did that for itself.
pub fn photo_ceiling(blocks: &[Block], cores: usize) -> Option<f64> {
    let images: usize = blocks.iter().map(|block| block.images).sum();
    let seconds: f64 = blocks
        .iter()
        .map(|block| block.pixel_seconds)
        .sum::<Option<f64>>()?;
    (images > 0 && seconds > 0.0).then(|| images as f64 * cores as f64 / seconds)
}

/// Joules an image, of the processor packages or the GPU as `of` says; `None` unless every block has them.
fn per_image(blocks: &[Block], of: fn(&Conditions) -> Option<f64>) -> Option<f64> {
    let images: usize = blocks.iter().map(|block| block.images).sum();
    let joules: f64 = blocks
        .iter()
        .map(|block| of(&block.conditions))
        .sum::<Option<f64>>()?;
    (images > 0).then(|| joules / images as f64)
}

/// Joules of the processor packages an image; `None` unless every block has them.
pub fn joules_per_image(blocks: &[Block]) -> Option<f64> {
    per_image(blocks, |conditions| conditions.joules)
}

/// Joules of the arm's GPU an image; `None` unless every block has them.
pub fn gpu_joules_per_image(blocks: &[Block]) -> Option<f64> {
    per_image(blocks, |conditions| conditions.gpu.as_ref()?.joules)
}

/// Most device memory of the arm's own workers; `None` where the driver does not show it.
pub fn device_peak_bytes(blocks: &[Block]) -> Option<u64> {
    let of = |block: &Block| block.conditions.gpu.as_ref()?.memory_bytes;
    blocks.iter().filter_map(of).max()
}

/// A point of the curve, from its blocks.
pub fn point(streams: usize, batch: usize, blocks: &[Block]) -> CurvePoint {
    CurvePoint {
        streams,
        batch,
        images_per_second: images_per_second(blocks),
        latency_ms: latency(blocks),
    }
}

/// The most images a second on the `curve` of an arm with the latency held.
pub fn bounded(arm: &Arm, curve: &[CurvePoint], bound: LatencyBound) -> Option<Bounded> {
    let mut best: Option<(f64, &CurvePoint, f64)> = None;
    let (mut enough, mut lowest) = (false, f64::INFINITY);
    for point in curve {
        let blocks = arm.blocks_at(point.streams, point.batch);
        let Some((latency, samples)) = latency_at(blocks, bound) else {
            continue;
        };
        if samples < samples_for(bound.percentile) {
            continue;
        }
        enough = true;
        lowest = lowest.min(latency);
        let speed = point.images_per_second.map_or(0.0, |speed| speed.median);
        if latency <= bound.ms && best.is_none_or(|(most, ..)| speed > most) {
            best = Some((speed, point, latency));
        }
    }
    let reason = match best {
        Some(_) => None,
        None if curve.is_empty() || arm.blocks.is_empty() => return None,
        None if enough => Some(format!(
            "the lowest p{} on the curve is {lowest:.0} ms",
            bound.percentile
        )),
        None => Some(format!(
            "{TOO_FEW_SAMPLES} for p{}: {} are needed",
            bound.percentile,
            samples_for(bound.percentile)
        )),
    };
    Some(Bounded {
        bound,
        images_per_second: best.and_then(|(_, point, _)| point.images_per_second),
        latency_ms: best.map(|(_, _, latency)| latency),
        streams: best.map(|(_, point, _)| point.streams),
        batch: best.map(|(_, point, _)| point.batch),
        reason,
    })
}

/// The same in the server scenario, where every process was sent its own highest rate.
pub fn bounded_rate(blocks: &[Block], bound: LatencyBound) -> Option<Bounded> {
    let (latency, samples) = latency_at(blocks, bound)?;
    let held = latency <= bound.ms && samples >= samples_for(bound.percentile);
    Some(Bounded {
        bound,
        images_per_second: images_per_second(blocks).filter(|_| held),
        latency_ms: Some(latency),
        streams: None,
        batch: None,
        reason: (!held).then(|| {
            if latency > bound.ms {
                format!("p{} is {latency:.0} ms at this rate", bound.percentile)
            } else {
                format!("{samples} samples are too few for p{}", bound.percentile)
            }
        }),
    })
}

/// The images a second of each process at the point where an arm holds the bound, by process.
pub fn bounded_means(arm: &Arm) -> Option<BTreeMap<usize, f64>> {
    let bounded = arm.figures.bounded.as_ref();
    let bounded = bounded.filter(|bounded| bounded.images_per_second.is_some())?;
    let blocks = match (bounded.streams, bounded.batch) {
        (Some(streams), Some(batch)) => arm.blocks_at(streams, batch),
        _ => &arm.blocks,
    };
    Some(process_means(blocks, |block| block.images))
}

/// What images cost at that price.
pub fn cost(speed: Option<Estimate>, price: &Price) -> Cost {
    let per_hour = speed.map(|speed| scaled(speed, 3600.0));
    Cost {
        images_per_unit: per_hour
            .filter(|_| price.per_hour > 0.0)
            .map(|images| scaled(images, 1.0 / price.per_hour)),
        per_million_images: per_hour.map(|images| Estimate {
            median: price.per_hour * 1e6 / images.median,
            // Fewer images are dearer ones: the ends change places.
            low: images.high.map(|high| price.per_hour * 1e6 / high),
            high: images.low.map(|low| price.per_hour * 1e6 / low),
        }),
    }
}

fn scaled(estimate: Estimate, factor: f64) -> Estimate {
    Estimate {
        median: estimate.median * factor,
        low: estimate.low.map(|low| low * factor),
        high: estimate.high.map(|high| high * factor),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::{BackendFacts, Conditions, Figures, Point};

    /// A block of `images` photos in `seconds`.
    pub(crate) fn block(process: usize, number: usize, seconds: f64, images: usize) -> Block {
        Block {
            process,
            block: number,
            order: 0,
            began_at: None,
            seconds,
            images,
            faces: 0,
            stage_seconds: Stages::default(),
            elapsed_seconds: None,
            embeddings: None,
            pixel_seconds: None,
            strata: Vec::new(),
            service_us: Vec::new(),
            response_us: Vec::new(),
            scheduling_delay_us: Vec::new(),
            rate: None,
            conditions: Conditions::default(),
        }
    }

    /// An arm of which only these blocks are known.
    pub(crate) fn arm(blocks: Vec<Block>) -> Arm {
        Arm {
            label: "cpu".to_owned(),
            source: None,
            precision: "fp32".to_owned(),
            threads: 1,
            streams: 4,
            batch: 1,
            backend: BackendFacts {
                requested: "cpu".to_owned(),
                runtime: None,
                provider: None,
                device: None,
                gpu: None,
                options: BTreeMap::new(),
                placement: None,
                operators: None,
                placed_by_construction: Some(false),
                accelerator: Some(false),
                reference: Some(true),
            },
            price: None,
            figures: Figures::default(),
            errors: Vec::new(),
            failed: false,
            setup: None,
            check_pass: None,
            accuracy: None,
            rss_peak_bytes: None,
            host_log: None,
            steady: Vec::new(),
            trials: Vec::new(),
            unseen: None,
            inputs: None,
            ceiling_runs: Vec::new(),
            strata: Vec::new(),
            blocks,
            points: Vec::new(),
        }
    }

    fn timed(process: usize, images: usize, service_us: Vec<(u64, u64)>) -> Block {
        Block {
            service_us,
            ..block(process, 0, 1.0, images)
        }
    }

    #[test]
    fn a_process_is_all_its_blocks_together() {
        let blocks = [block(0, 0, 1.0, 10), block(0, 1, 3.0, 10), block(1, 0, 2.0, 20)];
        let means = process_means(&blocks, |block| block.images);
        assert_eq!(means, BTreeMap::from([(0, 5.0), (1, 10.0)]));
    }

    #[test]
    fn percentiles_want_samples() {
        let few = service(&[timed(0, 50, vec![(1000, 49), (9000, 1)])]).unwrap();
        assert_eq!(
            (few.p50, few.p90, few.p99, few.samples),
            (Some(1.0), None, None, 50)
        );
        let many = [
            timed(0, 500, vec![(1000, 500)]),
            timed(1, 500, vec![(1000, 480), (9000, 20)]),
        ];
        let service_ms = service(&many).unwrap();
        assert_eq!(
            (service_ms.p50, service_ms.p95, service_ms.p99),
            (Some(1.0), Some(1.0), Some(9.0))
        );
        assert!((service_ms.max - 9.0).abs() < 1e-9);
        assert_eq!(service(&[]), None);
        assert_eq!(
            latency(&many),
            service(&many),
            "only the photo itself is waited for"
        );
        assert_eq!([99.0, 98.0, 99.9, 50.0].map(samples_for), [662, 662, 6636, 1]);
    }

    const BOUND: LatencyBound = LatencyBound {
        ms: 5.0,
        percentile: 99.0,
    };

    #[test]
    fn the_best_point_holds_the_bound() {
        let mut arm = arm(vec![timed(0, 1000, vec![(9000, 1000)])]);
        let at = |streams, blocks| Point {
            streams,
            batch: 1,
            blocks,
        };
        arm.points = vec![
            at(2, vec![timed(0, 800, vec![(4000, 800)])]),
            at(1, vec![timed(0, 700, vec![(2000, 700)])]),
            at(3, vec![timed(0, 900, vec![(1000, 9)])]),
        ];
        let curve = [4, 2, 1, 3].map(|streams| point(streams, 1, arm.blocks_at(streams, 1)));
        let best = bounded(&arm, &curve, BOUND).unwrap();
        assert_eq!(
            (best.streams, best.batch, best.latency_ms),
            (Some(2), Some(1), Some(4.0))
        );
        assert!((best.images_per_second.unwrap().median - 800.0).abs() < 1e-9);
        let none = bounded(&arm, &curve[..1], BOUND).unwrap();
        assert_eq!(
            none.reason.as_deref(),
            Some("the lowest p99 on the curve is 9 ms")
        );
        assert!(!best.is_unknown() && !none.is_unknown());
        let few = bounded(&arm, &curve[3..], BOUND).unwrap();
        assert!(few.is_unknown() && few.reason.unwrap().contains("662"));
    }

    #[test]
    fn a_rate_of_few_photos_neither_holds_nor_misses_the_bound() {
        let at = |micros, count| {
            let block = timed(0, count as usize, vec![(micros, count)]);
            bounded_rate(&[block], BOUND).unwrap()
        };
        assert!(at(2000, 700).images_per_second.is_some() && !at(2000, 700).is_unknown());
        assert!(at(2000, 9).images_per_second.is_none() && at(2000, 9).is_unknown());
        assert!(at(9000, 700).images_per_second.is_none() && !at(9000, 700).is_unknown());
    }

    #[test]
    fn dear_is_few() {
        let speed = Estimate {
            median: 100.0,
            low: Some(50.0),
            high: Some(200.0),
        };
        let price = |per_hour| Price {
            per_hour,
            currency: "EUR".to_owned(),
        };
        let cost = cost(Some(speed), &price(0.36));
        let per_unit = cost.images_per_unit.unwrap();
        assert!((per_unit.median - 1e6).abs() < 1e-3 && (per_unit.low.unwrap() - 5e5).abs() < 1e-3);
        let million = cost.per_million_images.unwrap();
        assert!((million.median - 1.0).abs() < 1e-9 && (million.high.unwrap() - 2.0).abs() < 1e-9);
        assert!(super::cost(Some(speed), &price(0.0)).images_per_unit.is_none());
    }

    #[test]
    fn joules_want_every_block() {
        let mut blocks = [block(0, 0, 1.0, 10), block(1, 0, 1.0, 30)];
        assert_eq!(joules_per_image(&blocks), None);
        blocks[0].conditions.joules = Some(20.0);
        assert_eq!(joules_per_image(&blocks), None);
        blocks[1].conditions.joules = Some(60.0);
        assert_eq!(joules_per_image(&blocks), Some(2.0));
    }
}
