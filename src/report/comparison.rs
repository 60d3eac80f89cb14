//! Two records compared, for the terminal.

use std::fmt::Write;

use super::{
    format::{self, interval, number, ratio, verdict},
    grid::{self, Cell, Column, Grid, Row},
    table::plain,
    visible::visible,
};
use crate::record::{Comparison, Estimate, Outcome, Record, Source, Status};

/// The comparisons of `merged`, a record of two, as text.
pub fn render(merged: &Record) -> String {
    let merged = &*visible(merged);
    let mut text = String::new();
    for (letter, source) in ["A", "B"].into_iter().zip(&merged.sources) {
        let _ = writeln!(text, "{letter}: {}", described(source));
    }
    let _ = writeln!(text, "\n{}\n", plain(&grid(merged), "ARM"));
    remarks(merged, &mut text);
    text
}

fn grid(merged: &Record) -> Grid {
    let with_bound = merged
        .comparisons
        .iter()
        .any(|comparison| comparison.bounded_ratio.is_some());
    let mut columns: Vec<Column> = vec![grid::column("arm")];
    columns.extend(["A images/s", "95 %", "B images/s", "95 %"].map(grid::numbers));
    if with_bound {
        let bound = merged.plan.latency_bound;
        columns.push(grid::numbers(format!(
            "B / A at `p{}<={}ms`",
            bound.percentile, bound.ms
        )));
        columns.push(grid::numbers("95 %"));
    }
    columns.extend(["B / A", "95 %"].map(grid::numbers));
    columns.push(grid::column("verdict"));
    let rows = merged.comparisons.iter().map(|comparison| Row {
        anchor: None,
        cells: row(merged, comparison, with_bound)
            .into_iter()
            .map(Cell::plain)
            .collect(),
    });
    Grid {
        title: "arm",
        note: String::new(),
        columns,
        rows: rows.collect(),
    }
}

fn row(merged: &Record, comparison: &Comparison, with_bound: bool) -> Vec<String> {
    let speed = |label: &str| {
        let arm = merged.arm(label);
        arm.and_then(|arm| Some(arm.figures.throughput.as_ref()?.images_per_second))
    };
    let pair = |estimate: Option<Estimate>, show: fn(f64) -> String| match estimate {
        Some(estimate) => [show(estimate.median), interval(&estimate)],
        None => [format::NONE.to_owned(), format::NONE.to_owned()],
    };
    let mut row = vec![comparison.arm.clone()];
    row.extend(pair(speed(&comparison.baseline), number));
    row.extend(pair(speed(&comparison.arm), number));
    if with_bound {
        row.extend(pair(comparison.bounded_ratio, ratio));
    }
    row.extend(pair(Some(comparison.ratio), ratio));
    let mark = if comparison.status == Status::Valid {
        ""
    } else {
        "*"
    };
    row.push(format!("{}{mark}", verdict(comparison.verdict)));
    row
}

fn described(source: &Source) -> String {
    let name = source.name.as_deref().unwrap_or(&source.id);
    let cpu = source.host.cpu.model.as_deref().unwrap_or("unknown processor");
    format!(
        "{name}, {} ({cpu}, {} host cores, facebench {})",
        source.created_at, source.plan.host_cores, source.tool.version
    )
}

fn remarks(merged: &Record, text: &mut String) {
    let machine = |source: &Source| {
        (
            source.host.cpu.model.clone(),
            source.plan.host_cores,
            source.host.kernel.clone(),
        )
    };
    if let [a, b] = &merged.sources[..]
        && machine(a) != machine(b)
    {
        let _ = writeln!(
            text,
            "A and B are of different machines: the ratio is theirs, not only the program's"
        );
    }
    let _ = writeln!(
        text,
        "Two studies, compared without pairing (Welch's t on the logarithms of process means); margin {:.1} %.",
        merged.plan.margin * 100.0
    );
    if let Some(count) = merged
        .comparisons
        .first()
        .map(|c| c.corrected_for)
        .filter(|count| *count > 1)
    {
        let _ = writeln!(text, "Verdicts are corrected for {count} comparisons (Holm).");
    }
    for comparison in merged
        .comparisons
        .iter()
        .filter(|comparison| comparison.status != Status::Valid)
    {
        let _ = writeln!(text, "* {}: {}", comparison.arm, comparison.reasons.join("; "));
    }
    for arm in &merged.arms {
        let compared = merged
            .comparisons
            .iter()
            .any(|comparison| comparison.arm == arm.label || comparison.baseline == arm.label);
        if matches!(arm.figures.status, Status::Valid | Status::Unstable) && !compared {
            let _ = writeln!(
                text,
                "{} is not compared: nothing of the same label to compare it with",
                arm.label
            );
        }
        if matches!(arm.figures.status, Status::Invalid | Status::Failed) {
            let failed = arm
                .figures
                .checks
                .iter()
                .filter(|check| check.outcome == Outcome::Failed);
            let names: Vec<&str> = failed.map(|check| check.id.as_str()).collect();
            let _ = writeln!(
                text,
                "{} is {} and not compared: {}",
                arm.label,
                format::status(arm.figures.status),
                if names.is_empty() {
                    arm.errors.join("; ")
                } else {
                    names.join(", ")
                }
            );
        }
    }
}
