//! The first screen, for whoever decides: each arm's figures, whether they may be quoted, what could not be observed.

use std::fmt::Write;

use super::super::{
    content::{arms, remarks, sources},
    grid::{Cell, anchor, blocks_anchor, check_anchor},
    words::{self, bound, interval, number, ratio},
};
use super::markup::{Links, escape};
use crate::record::{Arm, Outcome, Record, Scenario, Status};

/// A part of a cell, and how large it is.
enum Line {
    /// The figure.
    Main(Cell),
    /// What belongs to it.
    Small(Cell),
}

/// One table, whose rows become cards where the page is narrow.
pub(super) fn write(text: &mut String, record: &Record, links: &Links) {
    if record.arms.is_empty() {
        return;
    }
    let heads = heads(record);
    text.push_str("<table class=\"decide\">\n<thead><tr>");
    for head in &heads {
        let _ = write!(text, "<th>{}</th>", escape(head));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for (place, arm) in record.arms.iter().enumerate() {
        text.push_str("<tr>");
        for (head, lines) in heads.iter().zip(cells(record, arm, place)) {
            let _ = write!(text, "<td data-label=\"{}\">", escape(head));
            for line in lines {
                let (class, cell) = match line {
                    Line::Main(cell) => ("main", cell),
                    Line::Small(cell) => ("small", cell),
                };
                let tone = if head == "status" && matches!(class, "main") {
                    format!(" {}", words::status(arm.status).to_lowercase())
                } else {
                    String::new()
                };
                let _ = write!(text, "<div class=\"{class}{tone}\">{}</div>", links.cell(&cell));
            }
            text.push_str("</td>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table>\n");
    told(text, record, links);
}

fn heads(record: &Record) -> Vec<String> {
    let mut heads = vec!["arm".to_owned(), "status".to_owned()];
    if let Some(held) = words::held_bound(record) {
        heads.push(format!("images/s at {}", bound(&held)));
    }
    heads.push(match record.workload.scenario {
        Scenario::Offline => "images/s, offline".to_owned(),
        scenario => format!("images/s, {}", words::scenario(scenario)),
    });
    if record.arms.len() > 1 {
        heads.push(format!("against {}", record.arms[0].label));
    }
    if record.arms.iter().any(|arm| arm.cost.is_some()) {
        heads.push(
            format!("{} a million images", words::currency(record))
                .trim()
                .to_owned(),
        );
    }
    if record.arms.iter().any(|arm| !on_cpu(arm)) {
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
    if words::held_bound(record).is_some() {
        let mut lines = vec![Line::Main(arms::bounded(arm.bounded.as_ref(), arm, place))];
        if let Some(estimate) = arm.bounded.as_ref().and_then(|bounded| bounded.images_per_second) {
            lines.push(Line::Small(Cell::rule(interval(&estimate), "interval")));
        }
        cells.push(lines);
    }
    cells.push(arm.throughput.as_ref().map_or_else(dash, |throughput| {
        let estimate = &throughput.images_per_second;
        vec![
            Line::Main(Cell::local(number(estimate.median), blocks_anchor(place))),
            Line::Small(Cell::rule(interval(estimate), "interval")),
        ]
    }));
    if record.arms.len() > 1 {
        cells.push(against(record, arm));
    }
    if record.arms.iter().any(|arm| arm.cost.is_some()) {
        let cost = arm.cost.as_ref().and_then(|cost| cost.per_million_images);
        cells.push(cost.map_or_else(dash, |cost| {
            vec![
                Line::Main(Cell::rule(number(cost.median), "cost")),
                Line::Small(Cell::rule(interval(&cost), "interval")),
            ]
        }));
    }
    if record.arms.iter().any(|arm| !on_cpu(arm)) {
        cells.push(worth(record, arm).map_or_else(dash, |cores| {
            vec![Line::Main(Cell::rule(
                format!("{} cores", number(cores)),
                "cores",
            ))]
        }));
    }
    if record.arms.iter().any(unobserved) {
        let unknown = arm
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| check.outcome == Outcome::Unknown)
            .map(|(number, check)| {
                let says = format!("{}: {}", check.id, check.observed);
                Line::Small(Cell::local(says, check_anchor(Some(place), number)))
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
    let verdict = format!("{}{mark}", words::verdict(comparison.verdict));
    let mut lines = vec![
        Line::Main(Cell::rule(
            format!("{} x", ratio(comparison.ratio.median)),
            "ratio",
        )),
        Line::Small(Cell::rule(interval(&comparison.ratio), "interval")),
        Line::Small(Cell::rule(verdict, "verdict")),
    ];
    if let Some(held) = &comparison.bounded_ratio {
        let says = format!("{} x at the bound", ratio(held.median));
        lines.push(Line::Small(Cell::rule(says, "bound")));
    }
    lines
}

/// What makes the figures doubtful, and what is unknown of the study as a whole.
fn told(text: &mut String, record: &Record, links: &Links) {
    let grave: Vec<String> = remarks::list(record)
        .into_iter()
        .filter(|remark| remark.grave)
        .map(|remark| format!("<li>{}</li>", escape(&remark.text)))
        .collect();
    let study = record.checks.iter().enumerate();
    let unknown: Vec<String> = study
        .filter(|(_, check)| check.outcome == Outcome::Unknown)
        .map(|(number, check)| {
            let says = format!("{}: {}", check.id, check.observed);
            format!(
                "<li>not observed: {}</li>",
                links.cell(&Cell::local(says, check_anchor(None, number)))
            )
        })
        .collect();
    if !grave.is_empty() || !unknown.is_empty() {
        let _ = writeln!(
            text,
            "<ul class=\"told\">\n{}\n</ul>",
            [grave, unknown].concat().join("\n")
        );
    }
}

fn unobserved(arm: &Arm) -> bool {
    arm.checks.iter().any(|check| check.outcome == Outcome::Unknown)
}

/// The backend's word, without options.
fn word(arm: &Arm) -> &str {
    let requested = arm.backend.requested.as_str();
    requested.split([',', ':']).next().unwrap_or(requested)
}

fn on_cpu(arm: &Arm) -> bool {
    ["cpu", "openvino", "opencv", "tract", "peer", "null"].contains(&word(arm))
}

/// How many host cores with the fp32 CPU arm give as many images a second as this arm's device.
fn worth(record: &Record, arm: &Arm) -> Option<f64> {
    if on_cpu(arm) {
        return None;
    }
    let speed = |arm: &Arm| arm.throughput.as_ref().map(|t| t.images_per_second.median);
    let is_cpu = |other: &&Arm| word(other) == "cpu" && other.precision == "fp32" && speed(other).is_some();
    let cpus = || record.arms.iter().filter(is_cpu);
    // In a merged record the CPU of the same machine, where it was measured.
    let cpu = cpus()
        .find(|cpu| cpu.source == arm.source)
        .or_else(|| cpus().next())?;
    let plan = record.source_of(cpu).map_or(&record.plan, |source| &source.plan);
    let one_core = speed(cpu)? / plan.host_cores as f64;
    Some(speed(arm)? / one_core).filter(|cores| cores.is_finite())
}
