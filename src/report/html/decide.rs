//! The first screen, for a reader who decides: each arm's figures, whether they may be quoted, what could not be observed.

use maud::{Markup, html};

use super::super::{
    content::{arms, remarks, sources},
    format::{self, bound, interval, number, ratio},
    grid::{Cell, anchor, blocks_anchor, check_anchor},
};
use super::links::Links;
use crate::record::{Arm, Outcome, Record, Scenario, Status};

/// A part of a cell, and how large it is.
enum Line {
    /// The figure.
    Main(Cell),
    /// A detail of it.
    Small(Cell),
}

/// One table, whose rows become cards where the page is narrow, and what makes it doubtful.
pub(super) fn first_screen(record: &Record, links: &Links) -> Markup {
    if record.arms.is_empty() {
        return html! {};
    }
    let heads = heads(record);
    html! {
        table.decide {
            thead { tr { @for head in &heads { th { (head) } } } }
            tbody {
                @for (place, arm) in record.arms.iter().enumerate() {
                    tr {
                        @for (head, lines) in heads.iter().zip(cells(record, arm, place)) {
                            td data-label=(head) {
                                @for line in lines {
                                    (shown(&line, (head == "status").then_some(arm.figures.status), links))
                                }
                            }
                        }
                    }
                }
            }
        }
        (doubts(record, links))
    }
}

/// A part of a cell; a status is shown in its own colour.
fn shown(line: &Line, status: Option<Status>, links: &Links) -> Markup {
    let (class, cell) = match (line, status) {
        (Line::Main(cell), None) => ("main".to_owned(), cell),
        (Line::Main(cell), Some(status)) => (format!("main {}", format::status(status).to_lowercase()), cell),
        (Line::Small(cell), _) => ("small".to_owned(), cell),
    };
    html! { div class=(class) { (links.cell(cell)) } }
}

fn heads(record: &Record) -> Vec<String> {
    let mut heads = vec!["arm".to_owned(), "status".to_owned()];
    if let Some(held) = format::held_bound(record) {
        heads.push(format!("images/s at {}", bound(&held)));
    }
    heads.push(match record.workload.scenario {
        Scenario::Offline => "images/s, offline".to_owned(),
        scenario => format!("images/s, {}", format::scenario(scenario)),
    });
    if record.arms.len() > 1 {
        heads.push(format!("against {}", record.arms[0].label));
    }
    if record.arms.iter().any(|arm| arm.figures.cost.is_some()) {
        heads.push(
            format!("{} a million images", format::currency(record))
                .trim()
                .to_owned(),
        );
    }
    if record.arms.iter().any(on_accelerator) {
        heads.push("one device is worth".to_owned());
    }
    if record.arms.iter().any(unobserved) {
        heads.push("not observed".to_owned());
    }
    heads
}

fn cells(record: &Record, arm: &Arm, place: usize) -> Vec<Vec<Line>> {
    let dash = || vec![Line::Main(Cell::none())];
    let mut label = vec![Line::Main(Cell::local(&arm.label, anchor("arm", place)))];
    if let Some(source) = record.source_of(arm) {
        label.push(Line::Small(Cell::plain(sources::name(source))));
    }
    let mut cells = vec![label, vec![Line::Main(arms::status(arm, place))]];
    if format::held_bound(record).is_some() {
        let mut lines = vec![Line::Main(arms::bounded(
            arm.figures.bounded.as_ref(),
            arm,
            place,
        ))];
        if let Some(estimate) = arm
            .figures
            .bounded
            .as_ref()
            .and_then(|bounded| bounded.images_per_second)
        {
            lines.push(Line::Small(Cell::rule(interval(&estimate), "interval")));
        }
        cells.push(lines);
    }
    cells.push(arm.figures.throughput.as_ref().map_or_else(dash, |throughput| {
        let estimate = &throughput.images_per_second;
        vec![
            Line::Main(Cell::local(number(estimate.median), blocks_anchor(place))),
            Line::Small(Cell::rule(interval(estimate), "interval")),
        ]
    }));
    if record.arms.len() > 1 {
        cells.push(against(record, arm));
    }
    if record.arms.iter().any(|arm| arm.figures.cost.is_some()) {
        let cost = arm.figures.cost.as_ref().and_then(|cost| cost.per_million_images);
        cells.push(cost.map_or_else(dash, |cost| {
            vec![
                Line::Main(Cell::rule(number(cost.median), "cost")),
                Line::Small(Cell::rule(interval(&cost), "interval")),
            ]
        }));
    }
    if record.arms.iter().any(on_accelerator) {
        cells.push(worth(record, arm).map_or_else(dash, |cores| {
            vec![Line::Main(Cell::rule(
                format!("{} cores", number(cores)),
                "cores",
            ))]
        }));
    }
    if record.arms.iter().any(unobserved) {
        let unknown = arm
            .figures
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| check.outcome == Outcome::Unknown)
            .map(|(number, check)| {
                let text = format!("{}: {}", check.id, check.observed);
                Line::Small(Cell::local(text, check_anchor(Some(place), number)))
            });
        let lines: Vec<Line> = unknown.collect();
        cells.push(if lines.is_empty() { dash() } else { lines });
    }
    cells
}

fn against(record: &Record, arm: &Arm) -> Vec<Line> {
    let Some(comparison) = record.comparisons.iter().find(|c| c.arm == arm.label) else {
        let first = record.arms.first().is_some_and(|first| first.label == arm.label);
        return vec![Line::Main(Cell::plain(if first { "baseline" } else { "-" }))];
    };
    let mark = if comparison.status == Status::Valid {
        ""
    } else {
        "*"
    };
    let verdict = format!("{}{mark}", format::verdict(comparison.verdict));
    let mut lines = vec![
        Line::Main(Cell::rule(
            format!("{} x", ratio(comparison.ratio.median)),
            "ratio",
        )),
        Line::Small(Cell::rule(interval(&comparison.ratio), "interval")),
        Line::Small(Cell::rule(verdict, "verdict")),
    ];
    if let Some(held) = &comparison.bounded_ratio {
        let text = format!("{} x at the bound", ratio(held.median));
        lines.push(Line::Small(Cell::rule(text, "bound")));
    }
    lines
}

/// What makes the figures doubtful, and what is unknown about the study as a whole.
fn doubts(record: &Record, links: &Links) -> Markup {
    let mut grave = remarks::list(record);
    grave.retain(|remark| remark.grave);
    let study = record.checks.iter().enumerate();
    let unknown: Vec<Cell> = study
        .filter(|(_, check)| check.outcome == Outcome::Unknown)
        .map(|(number, check)| {
            let text = format!("{}: {}", check.id, check.observed);
            Cell::local(text, check_anchor(None, number))
        })
        .collect();
    html! {
        @if !grave.is_empty() || !unknown.is_empty() {
            ul.doubts {
                @for remark in &grave { li { (remark.text) } }
                @for cell in &unknown { li { "not observed: " (links.cell(cell)) } }
            }
        }
    }
}

fn unobserved(arm: &Arm) -> bool {
    arm.figures
        .checks
        .iter()
        .any(|check| check.outcome == Outcome::Unknown)
}

fn on_accelerator(arm: &Arm) -> bool {
    arm.backend.accelerator == Some(true)
}

/// How many host cores with the fp32 CPU arm give as many images a second as this arm's device.
fn worth(record: &Record, arm: &Arm) -> Option<f64> {
    if !on_accelerator(arm) {
        return None;
    }
    let speed = |arm: &Arm| {
        arm.figures
            .throughput
            .as_ref()
            .map(|t| t.images_per_second.median)
    };
    let is_cpu = |other: &&Arm| {
        other.backend.reference == Some(true) && other.precision == "fp32" && speed(other).is_some()
    };
    let cpus = || record.arms.iter().filter(is_cpu);
    // In a merged record the CPU of the same machine, where it was measured.
    let cpu = cpus()
        .find(|cpu| cpu.source == arm.source)
        .or_else(|| cpus().next())?;
    let plan = record.source_of(cpu).map_or(&record.plan, |source| &source.plan);
    let one_core = speed(cpu)? / plan.host_cores as f64;
    Some(speed(arm)? / one_core).filter(|cores| cores.is_finite())
}
