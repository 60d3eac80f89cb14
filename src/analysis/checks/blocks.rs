//! Checks of the raw blocks: are they all there, do they agree with each other, do they stay what they are. An audit
//! computes them again.

use std::collections::BTreeMap;

use super::super::{figures, statistics};
use super::{check, check_with, outcome, unknown, unknown_with};
use crate::record::{
    Block, Check, LatencyBound, Outcome,
    limits::{CLOCK, COLD, LATE_MS, LATE_SHARE, PROCESSES, SPREAD, TREND},
};

fn means(blocks: &[Block]) -> Vec<f64> {
    figures::process_means(blocks, |block| block.images)
        .into_values()
        .collect()
}

/// Whether there are blocks enough: all that were planned, from enough processes.
pub fn complete(blocks: &[Block], planned: usize) -> Check {
    let (measured, processes) = (blocks.len(), means(blocks).len());
    check(
        "blocks",
        outcome(measured >= planned && processes >= PROCESSES),
        format!("{measured} of {planned} blocks, from {processes} processes"),
        "measure again, with --processes 3 or more and to the end",
    )
}

/// Whether the processes agree with each other.
pub fn spread(blocks: &[Block], quick: bool) -> Check {
    let advice =
        "the machine is busy, or the work too short: measure when it is quiet, with more or longer blocks";
    let logs: Vec<f64> = means(blocks).iter().map(|mean| mean.ln()).collect();
    let interval = statistics::interval(&logs, 0.95).filter(|_| logs.len() >= PROCESSES);
    let Some((mean, (_, high))) = interval else {
        return unknown("spread", "too few processes");
    };
    let half = (high - mean).exp_m1();
    let observed = format!("{:.1} %", half * 100.0);
    if quick && half > SPREAD {
        return unknown("spread", &format!("{observed}, in a quick study"));
    }
    check("spread", outcome(half <= SPREAD), observed, advice)
}

/// Whether the speed changes from block to block within the processes.
pub fn trend(blocks: &[Block]) -> Check {
    let advice = "something warms up, heats up or fills up: warm up longer (--warmup), cool the machine, \
                  then measure again";
    let mut by_process: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for block in blocks {
        by_process
            .entry(block.process)
            .or_default()
            .push((block.block as f64, speed(block).ln()));
    }
    let slopes: Vec<f64> = by_process.values().filter_map(|points| slope(points)).collect();
    let last = blocks.iter().map(|block| block.block).max().unwrap_or(0) as f64;
    let Some((slope, (low, high))) = statistics::interval(&slopes, 0.99) else {
        return unknown("trend", "too few blocks");
    };
    let change = (slope * last).exp_m1();
    let sure = low > 0.0 || high < 0.0;
    check(
        "trend",
        outcome(!sure || change.abs() < TREND),
        format!(
            "{:+.1} %{}",
            change * 100.0,
            if sure { "" } else { ", which may be chance" }
        ),
        advice,
    )
}

/// How fast a block was: images a second; where they are sent at a rate, one over the mean service time.
fn speed(block: &Block) -> f64 {
    if block.rate.is_none() {
        return block.images as f64 / block.seconds;
    }
    let (time, count) = block
        .service_us
        .iter()
        .fold((0, 0), |(time, count), (micros, times)| {
            (time + micros * times, count + times)
        });
    count as f64 / time.max(1) as f64
}

/// The slope of the line through points by least squares; `None` where all have the same place.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / count, y + point.1 / count)
    });
    let xx: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    let xy: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    (xx > 0.0).then(|| xy / xx)
}

/// Whether the warm-up of each process ended in a steady state.
pub fn steady_state(steady: &[bool], blocks: &[Block]) -> Check {
    let advice = "measuring began while the speed still grew: warm up longer (--warmup)";
    if steady.len() < means(blocks).len().max(1) && steady.iter().all(|steady| *steady) {
        return unknown("steady-state", "too few photos in some warm-ups");
    }
    let ready = steady.iter().filter(|steady| **steady).count();
    check(
        "steady-state",
        outcome(ready == steady.len()),
        format!("{ready} of {} processes were steady", steady.len()),
        advice,
    )
}

/// Whether the latency was held.
pub fn latency_bound(blocks: &[Block], bound: LatencyBound) -> Check {
    let limit = format!("p{} at most {} ms", bound.percentile, bound.ms);
    let advice = "the rate is too high for this bound: ask for fewer a second, or leave --request-rate out and have the \
                  highest rate that holds searched";
    match figures::latency_at(blocks, bound) {
        Some((latency, samples)) if samples >= figures::samples_for(bound.percentile) => check_with(
            "latency-bound",
            outcome(latency <= bound.ms),
            format!("p{} is {latency:.1} ms, of {samples} queries", bound.percentile),
            limit,
            advice,
        ),
        other => {
            let observed = format!(
                "{} queries, and {} are needed",
                other.map_or(0, |(_, samples)| samples),
                figures::samples_for(bound.percentile)
            );
            unknown_with("latency-bound", &observed, limit)
        }
    }
}

/// Whether queries were sent when they were due.
pub fn generator(blocks: &[Block], bound: LatencyBound) -> Check {
    let most = LATE_MS.max(bound.ms * LATE_SHARE);
    let limit = format!("99 % at most {most} ms late");
    let advice = "the machine wakes up late: leave it a core more, or ask for a lower rate";
    match figures::scheduling_delay_ms(blocks) {
        Some(late) => check_with(
            "generator",
            outcome(late <= most),
            format!("99 % at most {late:.2} ms late"),
            limit,
            advice,
        ),
        None => unknown_with("generator", "no stream ever waited", limit),
    }
}

/// Whether there are samples enough for the percentiles.
pub fn samples(blocks: &[Block]) -> Check {
    let count = figures::latency(blocks).map_or(0, |latency| latency.samples);
    let needed = figures::samples_for(99.0);
    check_with(
        "samples",
        outcome(count >= needed),
        format!("{count} timed"),
        format!("{needed} for p99"),
        "percentiles without samples enough are left out: measure longer or more blocks",
    )
}

/// Whether cold reads came from storage; `bytes` is what the photos of one pass weigh, `pass` how many they are.
pub fn page_cache(blocks: &[Block], bytes: u64, pass: usize) -> Check {
    let advice =
        "the file system holds the photos in memory whatever is asked: put them on a disk of its own";
    let read: Option<u64> = blocks.iter().map(|block| block.conditions.storage_bytes).sum();
    let images: usize = blocks.iter().map(|block| block.images).sum();
    match read.filter(|_| images > 0 && bytes > 0 && pass > 0) {
        Some(read) => {
            let share = read as f64 / (bytes as f64 * images as f64 / pass as f64);
            check(
                "page-cache",
                outcome(share >= COLD),
                format!("{:.0} %", share * 100.0),
                advice,
            )
        }
        None => unknown("page-cache", "the kernel does not count it here"),
    }
}

/// The clock: its drop from the best block, and thermal events.
pub fn clock(blocks: &[Block]) -> Check {
    let advice = "the cores were slowed down: cool the machine, fix its clock, or measure shorter";
    let clocks: Option<Vec<f64>> = blocks.iter().map(|block| block.conditions.clock_mhz).collect();
    let events: Option<u64> = blocks.iter().map(|block| block.conditions.thermal_events).sum();
    let range = clocks.and_then(|clocks| {
        let most = clocks.iter().copied().reduce(f64::max)?;
        Some((clocks.iter().copied().reduce(f64::min)?, most))
    });
    let dropped = range.map(|(least, most)| 1.0 - least / most);
    let came_out = match (dropped, events) {
        (Some(drop), _) if drop > CLOCK => Outcome::Failed,
        (_, Some(events)) if events > 0 => Outcome::Failed,
        (Some(_), _) => Outcome::Passed,
        (None, _) => Outcome::Unknown,
    };
    let observed = match range {
        Some((least, most)) => format!(
            "{least:.0} to {most:.0} MHz, thermal events: {}",
            events.map_or("unknown".to_owned(), |events| events.to_string())
        ),
        None => "this machine does not show its clock".into(),
    };
    if came_out == Outcome::Unknown {
        return unknown("clock", &observed);
    }
    check("clock", came_out, observed, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::figures::tests::block;

    /// Six processes of three blocks whose speed is `speed(process, block)`.
    fn study(speed: impl Fn(usize, usize) -> f64) -> Vec<Block> {
        (0..6)
            .flat_map(|process| (0..3).map(move |number| (process, number)))
            .map(|(process, number)| block(process, number, 100.0 / speed(process, number), 100))
            .collect()
    }

    #[test]
    fn a_drift_is_a_trend_and_noise_is_none() {
        let drift = study(|process, number| 100.0 * 0.97f64.powf(number as f64) + process as f64 * 0.01);
        let found = trend(&drift);
        assert_eq!(found.outcome, Outcome::Failed);
        assert!(found.observed.starts_with("-5.9 %"), "{}", found.observed);
        let noise = study(|process, number| 100.0 + ((process * 7 + number * 5) % 4) as f64);
        assert_eq!(trend(&noise).outcome, Outcome::Passed);
        assert_eq!(trend(&noise[..1]).outcome, Outcome::Unknown);
    }

    #[test]
    fn processes_that_disagree_are_a_spread() {
        let wild = study(|process, _| if process % 2 == 0 { 100.0 } else { 140.0 });
        assert_eq!(spread(&wild, false).outcome, Outcome::Failed);
        assert_eq!(spread(&wild, true).outcome, Outcome::Unknown);
        assert_eq!(
            spread(&study(|process, _| 100.0 + process as f64), false).outcome,
            Outcome::Passed
        );
        assert_eq!(spread(&[], false).outcome, Outcome::Unknown);
    }

    #[test]
    fn whole_is_what_was_planned() {
        let blocks = study(|_, _| 100.0);
        assert_eq!(complete(&blocks, 18).outcome, Outcome::Passed);
        assert_eq!(complete(&blocks, 19).outcome, Outcome::Failed);
        assert_eq!(
            complete(&blocks[..6], 6).outcome,
            Outcome::Failed,
            "two processes"
        );
    }

    #[test]
    fn a_bound_wants_samples() {
        let bound = LatencyBound {
            ms: 10.0,
            percentile: 99.0,
        };
        let timed = |micros, count| Block {
            response_us: vec![(micros, count)],
            ..block(0, 0, 1.0, 1)
        };
        assert_eq!(latency_bound(&[timed(9000, 700)], bound).outcome, Outcome::Passed);
        assert_eq!(
            latency_bound(&[timed(11_000, 700)], bound).outcome,
            Outcome::Failed
        );
        assert_eq!(latency_bound(&[timed(9000, 70)], bound).outcome, Outcome::Unknown);
        let late = |micros| Block {
            scheduling_delay_us: vec![(micros, 9)],
            ..block(0, 0, 1.0, 1)
        };
        assert_eq!(generator(&[late(500)], bound).outcome, Outcome::Passed);
        assert_eq!(generator(&[late(1500)], bound).outcome, Outcome::Failed);
        assert_eq!(generator(&[], bound).outcome, Outcome::Unknown);
        assert_eq!(samples(&[timed(1, 661)]).outcome, Outcome::Failed);
    }

    #[test]
    fn warm_reads_are_not_cold() {
        let read = |bytes| {
            let mut block = block(0, 0, 1.0, 20);
            block.conditions.storage_bytes = bytes;
            page_cache(&[block], 1000, 10).outcome
        };
        assert_eq!(read(Some(2000)), Outcome::Passed);
        assert_eq!(read(Some(900)), Outcome::Failed);
        assert_eq!(read(None), Outcome::Unknown);
    }

    #[test]
    fn a_clock_that_drops_is_found() {
        let clocks = |clocks: [Option<f64>; 2], events| {
            let blocks: Vec<Block> = clocks
                .into_iter()
                .map(|clock| {
                    let mut block = block(0, 0, 1.0, 1);
                    block.conditions.clock_mhz = clock;
                    block.conditions.thermal_events = events;
                    block
                })
                .collect();
            clock(&blocks).outcome
        };
        assert_eq!(clocks([Some(3000.0), Some(2900.0)], None), Outcome::Passed);
        assert_eq!(clocks([Some(3000.0), Some(2800.0)], Some(0)), Outcome::Failed);
        assert_eq!(clocks([Some(3000.0), Some(3000.0)], Some(1)), Outcome::Failed);
        assert_eq!(clocks([None, None], None), Outcome::Unknown);
    }
}
