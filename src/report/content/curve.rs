//! Images a second against latency, by photos in work and batch.

use super::super::{
    format::{self, NONE, interval, maybe, number},
    grid::{Cell, Grid, Row, anchor, column, numbers},
};
use crate::record::{CurvePoint, Latency, LatencyBound, Record};

/// The points of every arm that has more than one; `None` where none has.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let bound = format::held_bound(record);
    let mut columns = vec![column("arm")];
    columns.extend(["streams", "batch", "images/s", "95 %", "p50 `ms`", "p99 `ms`"].map(numbers));
    if let Some(bound) = &bound {
        columns.push(numbers(format!("p{}<={}`ms`", bound.percentile, bound.ms)));
    }
    let mut rows = Vec::new();
    for (place, arm) in record
        .arms
        .iter()
        .enumerate()
        .filter(|(_, arm)| arm.figures.curve.len() > 1)
    {
        for (number, point) in arm.figures.curve.iter().enumerate() {
            rows.push(Row {
                anchor: (number == 0).then(|| anchor("curve", place)),
                cells: cells(&arm.label, point, bound.as_ref()),
            });
        }
    }
    (!rows.is_empty()).then(|| Grid {
        title: "Throughput against latency",
        note: "each point: a number of streams and a batch size; each stream takes its next batch when the last is answered"
            .to_owned(),
        columns,
        rows,
    })
}

fn cells(label: &str, point: &CurvePoint, bound: Option<&LatencyBound>) -> Vec<Cell> {
    let latency = point.latency_ms;
    let mut cells = vec![
        Cell::plain(label),
        Cell::plain(point.streams.to_string()),
        Cell::plain(point.batch.to_string()),
    ];
    match &point.images_per_second {
        Some(estimate) => cells.extend([
            Cell::rule(number(estimate.median), "interval"),
            Cell::rule(interval(estimate), "interval"),
        ]),
        None => cells.extend([Cell::none(), Cell::none()]),
    }
    cells.push(Cell::rule(maybe(latency.and_then(|l| l.p50)), "samples"));
    cells.push(Cell::rule(maybe(latency.and_then(|l| l.p99)), "samples"));
    if let Some(bound) = bound {
        let held = latency.and_then(|latency| percentile(&latency, bound.percentile));
        cells.push(Cell::rule(
            held.map_or(NONE, |ms| if ms <= bound.ms { "held" } else { "not held" }),
            "bound",
        ));
    }
    cells
}

/// The latency at a percentile that records hold.
pub(in crate::report) fn percentile(latency: &Latency, percentile: f64) -> Option<f64> {
    let known = [
        (50.0, latency.p50),
        (90.0, latency.p90),
        (95.0, latency.p95),
        (99.0, latency.p99),
        (99.9, latency.p999),
    ];
    known
        .into_iter()
        .find(|(at, _)| (at - percentile).abs() < 1e-9)
        .and_then(|(_, value)| value)
}
