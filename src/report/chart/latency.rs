//! Latency by percentile, from the raw blocks' histograms.

use std::collections::BTreeMap;

use super::super::format::{bound as bound_text, held_bound};
use super::{
    ChartError,
    canvas::{self, Line, Look, Place, TOP, along, legend, legend_height},
    plane::{Axis, BELOW, Plane},
};
use crate::record::{Arm, Record, limits};

const HIGH: i32 = 300;

/// One line per arm, from p50 to the highest percentile that it has samples enough for.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let lines: Vec<Line<'_>> = record
        .arms
        .iter()
        .enumerate()
        .map(|(place, arm)| (place, arm.label.as_str(), percentiles(arm)))
        .filter(|(.., line)| line.len() > 1)
        .collect();
    if lines.is_empty() {
        return Err(ChartError(
            "no arm of this record has enough timed photos for percentiles (64 and more)".to_owned(),
        ));
    }
    let labels: Vec<&str> = lines.iter().map(|(_, label, _)| *label).collect();
    let looks: Vec<Look> = lines.iter().map(|(place, ..)| Look::of(*place)).collect();
    let top = TOP + legend_height(&labels) + 30;
    let bound = held_bound(record);
    canvas::sheet(
        top + HIGH + BELOW,
        "Latency by percentile, lower is better",
        "The line's height: the time within which that percentage of the answers came. The right end: the slow ones.",
        |area| {
            legend(area, &labels, &looks, TOP)?;
            let values = lines.iter().flat_map(|(.., line)| line.iter().map(|(_, ms)| *ms));
            let most = lines
                .iter()
                .filter_map(|(.., line)| line.last().map(|(x, _)| *x))
                .fold(0.0, f64::max);
            let ticks: Vec<(f64, String)> = [50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9]
                .into_iter()
                .map(|p| (place_of(p), format!("p{p}")))
                .filter(|(x, _)| *x <= most * 1.0001)
                .collect();
            let plane = Plane {
                area,
                x: Axis::with_ticks(
                    "percentile (the slow ones spread out)",
                    false,
                    (place_of(50.0), most),
                    ticks,
                ),
                y: Axis::for_values("ms", values.chain(bound.map(|bound| bound.ms)), 12.0),
                top,
                bottom: top + HIGH,
            };
            plane.frame()?;
            let points = |line: &[(f64, f64)]| -> Vec<(i32, i32)> {
                line.iter().map(|(x, ms)| plane.point(*x, *ms)).collect()
            };
            let taken: Vec<Place> = lines.iter().flat_map(|(.., line)| along(&points(line))).collect();
            if let Some(bound) = bound.filter(|bound| plane.y.holds(bound.ms)) {
                plane.level(bound.ms, &format!("bound: {}", bound_text(&bound)), &taken)?;
            }
            for ((.., line), look) in lines.iter().zip(&looks) {
                look.line(area, points(line))?;
                for marked in [50.0, 90.0, 95.0, 99.0, 99.9].map(place_of) {
                    let found = line.iter().find(|(x, _)| (x - marked).abs() < 1e-9);
                    if let Some((x, ms)) = found {
                        look.mark(area, plane.point(*x, *ms))?;
                    }
                }
            }
            Ok(())
        },
    )
}

/// Where a percentile stands: each step to the right leaves a tenth of the answers.
fn place_of(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

/// Points of an arm's line: place and milliseconds.
fn percentiles(arm: &Arm) -> Vec<(f64, f64)> {
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for block in &arm.blocks {
        let waited = if block.response_us.is_empty() {
            &block.service_us
        } else {
            &block.response_us
        };
        for (micros, count) in waited {
            *times.entry(*micros).or_default() += count;
        }
    }
    let samples: u64 = times.values().sum();
    let most = limits::SAMPLES
        .iter()
        .filter(|(_, least)| samples >= *least)
        .map(|(percentile, _)| *percentile)
        .fold(0.0, f64::max);
    let steps = [
        50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 96.5, 98.0, 99.0, 99.3, 99.5, 99.7,
        99.8, 99.9,
    ];
    steps
        .into_iter()
        .filter(|percentile| *percentile <= most)
        .filter_map(|percentile| {
            let rank = (samples as f64 * percentile / 100.0).ceil() as u64;
            let mut below = 0;
            let (micros, _) = times.iter().find(|(_, count)| {
                below += **count;
                below >= rank
            })?;
            Some((place_of(percentile), *micros as f64 / 1e3))
        })
        .collect()
}
