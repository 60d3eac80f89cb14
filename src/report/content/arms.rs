//! The arms' figures: the table that comes first.

use super::super::{
    format::{self, NONE, interval, maybe, number, ratio},
    grid::{Cell, Column, Grid, Row, anchor, blocks_anchor, check_anchor, column, numbers},
};
use crate::record::{Arm, Bounded, Outcome, Record, Scenario, Status};

/// The columns that this record has figures for.
#[allow(clippy::struct_excessive_bools, reason = "each is a column of its own")]
struct Shown {
    bounded: bool,
    bounded_ratio: bool,
    compared: bool,
    latency: bool,
    cost: bool,
}

impl Shown {
    fn of(record: &Record) -> Self {
        Self {
            bounded: record.arms.iter().any(|arm| arm.figures.bounded.is_some()),
            bounded_ratio: record
                .comparisons
                .iter()
                .any(|comparison| comparison.bounded_ratio.is_some()),
            compared: record.arms.len() > 1,
            latency: record.workload.scenario != Scenario::Offline,
            cost: record.arms.iter().any(|arm| arm.figures.cost.is_some()),
        }
    }
}

/// One row per arm.
pub(in crate::report) fn grid(record: &Record) -> Grid {
    let shown = Shown::of(record);
    Grid {
        title: "Arms",
        note: String::new(),
        columns: columns(record, &shown),
        rows: record
            .arms
            .iter()
            .enumerate()
            .map(|(place, arm)| row(record, &shown, place, arm))
            .collect(),
    }
}

fn columns(record: &Record, shown: &Shown) -> Vec<Column> {
    let baseline = record.arms.first().map_or("", |arm| arm.label.as_str());
    let mut columns = vec![column("arm"), column("status")];
    if let Some(bound) = format::held_bound(record).filter(|_| shown.bounded) {
        columns.push(numbers(format!(
            "images/s at p{}<={}`ms`",
            bound.percentile, bound.ms
        )));
        if shown.bounded_ratio {
            columns.push(numbers(format!("`x {baseline}`")));
        }
    }
    columns.extend(["images/s", "95 %", "faces/s"].map(numbers));
    if shown.compared {
        columns.extend([
            numbers(format!("`x {baseline}`")),
            numbers("95 %"),
            numbers("verdict"),
        ]);
    }
    if shown.cost {
        let currency = format::currency(record);
        columns.push(numbers(format!("`{}` a million images", currency.trim())));
        columns.push(numbers(if currency.is_empty() {
            "images a unit of price".to_owned()
        } else {
            format!("images a `{}`", currency.trim())
        }));
    }
    if shown.latency {
        columns.extend(["p50 `ms`", "p99 `ms`"].map(numbers));
    }
    columns.push(numbers("memory"));
    columns
}

fn row(record: &Record, shown: &Shown, place: usize, arm: &Arm) -> Row {
    let mut cells = vec![Cell::plain(&arm.label), status(arm, place)];
    let comparison = record
        .comparisons
        .iter()
        .find(|comparison| comparison.arm == arm.label);
    if shown.bounded {
        cells.push(bounded(arm.figures.bounded.as_ref(), arm, place));
        if shown.bounded_ratio {
            let held = comparison.and_then(|comparison| comparison.bounded_ratio);
            cells.push(held.map_or_else(Cell::none, |held| Cell::rule(ratio(held.median), "bound")));
        }
    }
    match &arm.figures.throughput {
        Some(throughput) => cells.extend([
            Cell::local(number(throughput.images_per_second.median), blocks_anchor(place)),
            Cell::rule(interval(&throughput.images_per_second), "interval"),
            Cell::local(number(throughput.faces_per_second.median), blocks_anchor(place)),
        ]),
        None => cells.extend([Cell::none(), Cell::none(), Cell::none()]),
    }
    if shown.compared {
        match comparison {
            Some(comparison) => {
                let mark = if comparison.status == Status::Valid {
                    ""
                } else {
                    "*"
                };
                cells.extend([
                    Cell::rule(ratio(comparison.ratio.median), "ratio"),
                    Cell::rule(interval(&comparison.ratio), "interval"),
                    Cell::rule(
                        format!("{}{mark}", format::verdict(comparison.verdict)),
                        "verdict",
                    ),
                ]);
            }
            None => cells.extend([Cell::none(), Cell::none(), Cell::none()]),
        }
    }
    if shown.cost {
        let cost = arm.figures.cost.as_ref();
        let of = |estimate: Option<crate::record::Estimate>| {
            estimate.map_or_else(Cell::none, |estimate| Cell::rule(number(estimate.median), "cost"))
        };
        cells.push(of(cost.and_then(|cost| cost.per_million_images)));
        cells.push(of(cost.and_then(|cost| cost.images_per_unit)));
    }
    if shown.latency {
        let of = |value: Option<f64>| Cell::local(maybe(value), anchor("latency", place));
        let latency = arm.figures.latency_ms;
        // Without any time there is no row to point to.
        cells.push(latency.map_or_else(Cell::none, |latency| of(latency.p50)));
        cells.push(latency.map_or_else(Cell::none, |latency| of(latency.p99)));
    }
    cells.push(Cell::plain(format::bytes(arm.rss_peak_bytes)));
    Row {
        anchor: Some(anchor("arm", place)),
        cells,
    }
}

/// The status, and the check behind it.
pub(in crate::report) fn status(arm: &Arm, place: usize) -> Cell {
    let failed = arm.figures.checks.iter().position(|check| {
        check.outcome == Outcome::Failed
            && crate::record::rule(&check.id)
                .is_none_or(|rule| rule.consequence != crate::record::Consequence::Note)
    });
    let text = format::status(arm.figures.status);
    match failed {
        Some(check) => Cell::local(text, check_anchor(Some(place), check)),
        None if arm.figures.status == Status::Failed => Cell::local(text, "remarks"),
        None => Cell::rule(text, "status"),
    }
}

/// Images a second with the latency held, and the measurements behind it.
pub(in crate::report) fn bounded(bounded: Option<&Bounded>, arm: &Arm, place: usize) -> Cell {
    let Some(bounded) = bounded else {
        return Cell::none();
    };
    let text = match bounded.images_per_second {
        Some(estimate) => number(estimate.median),
        None if bounded.is_unknown() => "unknown".to_owned(),
        None => "not held".to_owned(),
    };
    if bounded.images_per_second.is_none() && bounded.reason.is_none() && arm.blocks.is_empty() {
        return Cell::rule(NONE, "bound");
    }
    if !arm.trials.is_empty() {
        Cell::local(text, anchor("search", place))
    } else if arm.figures.curve.len() > 1 {
        Cell::local(text, anchor("curve", place))
    } else {
        Cell::rule(text, "bound")
    }
}
