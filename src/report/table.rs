//! A record as a table for the terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::record::{Arm, Estimate, Outcome, Record, Scenario, Status, Verdict};

/// Most skipped photos that are named.
const NAMED: usize = 5;

/// `record` as text, a line break at its end.
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", headline(record));
    let _ = writeln!(text, "{}\n", arms(record));
    if let Some(stages) = stages(record) {
        let _ = writeln!(text, "{stages}\n");
    }
    if let Some(strata) = strata(record) {
        let _ = writeln!(text, "{strata}\n");
    }
    remarks(record, &mut text);
    text
}

fn headline(record: &Record) -> String {
    let (workload, plan) = (&record.workload, &record.plan);
    let dataset = &workload.dataset;
    let faces = dataset
        .faces
        .map_or(String::new(), |faces| format!(", {faces} faces"));
    let scenario = match workload.scenario {
        Scenario::Offline => "offline",
        Scenario::SingleStream => "single-stream",
    };
    format!(
        "{scenario}, {} ({} photos{faces}), {} host cores, {} processes x {} blocks of {} s",
        dataset.name, dataset.images, plan.host_cores, plan.processes, plan.blocks, plan.block_seconds
    )
}

/// A table without lines, numbers to the right; its rows end where their last cell ends.
fn plain(header: Vec<String>, rows: Vec<Vec<String>>, left: usize) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header)
        .add_rows(rows);
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn arms(record: &Record) -> String {
    let baseline = record.arms.first().map_or("", |arm| arm.label.as_str());
    let compared = record.arms.len() > 1;
    let mut header: Vec<String> = ["ARM", "STATUS", "IMAGES/S", "95 %", "FACES/S"]
        .map(str::to_owned)
        .into();
    if compared {
        header.extend([format!("x {baseline}"), "95 %".to_owned(), "VERDICT".to_owned()]);
    }
    header.extend(["P50 ms", "P99 ms", "MEMORY"].map(str::to_owned));
    let rows = record.arms.iter().map(|arm| row(record, arm, compared)).collect();
    plain(header, rows, 2)
}

fn row(record: &Record, arm: &Arm, compared: bool) -> Vec<String> {
    let mut row = vec![arm.label.clone(), status(arm.status).to_owned()];
    match &arm.throughput {
        Some(throughput) => row.extend([
            number(throughput.images_per_second.median),
            interval(&throughput.images_per_second),
            number(throughput.faces_per_second.median),
        ]),
        None => row.extend(["-"; 3].map(str::to_owned)),
    }
    if compared {
        match record
            .comparisons
            .iter()
            .find(|comparison| comparison.arm == arm.label)
        {
            Some(comparison) => row.extend([
                format!("{:.3}", comparison.ratio.median),
                interval(&comparison.ratio),
                verdict(comparison.verdict).to_owned(),
            ]),
            None => row.extend(["-"; 3].map(str::to_owned)),
        }
    }
    let percentile = |value: Option<f64>| value.map_or("-".to_owned(), number);
    row.push(percentile(arm.latency_ms.and_then(|latency| latency.p50)));
    row.push(percentile(arm.latency_ms.and_then(|latency| latency.p99)));
    let memory = arm.memory.rss_peak_bytes;
    row.push(memory.map_or("-".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6)));
    row
}

fn stages(record: &Record) -> Option<String> {
    let rows: Vec<Vec<String>> = record
        .arms
        .iter()
        .filter_map(|arm| {
            let s = arm.stages_ms?;
            let times = [s.decode, s.detect, s.align, s.embed, s.matching].map(|ms| format!("{ms:.2}"));
            Some(std::iter::once(arm.label.clone()).chain(times).collect())
        })
        .collect();
    let header = [
        "MS A PHOTO, ONE STREAM",
        "DECODE",
        "DETECT",
        "ALIGN",
        "EMBED",
        "MATCH",
    ]
    .map(str::to_owned);
    (!rows.is_empty()).then(|| plain(header.into(), rows, 1))
}

fn strata(record: &Record) -> Option<String> {
    let measured: Vec<(&str, &Vec<crate::record::Stratum>)> = record
        .arms
        .iter()
        .filter_map(|arm| Some((arm.label.as_str(), &arm.throughput.as_ref()?.strata)))
        .filter(|(_, strata)| !strata.is_empty())
        .collect();
    let (_, kinds) = measured.first()?;
    let mut header = vec!["IMAGES/S BY KIND".to_owned(), "PHOTOS".to_owned()];
    header.extend(measured.iter().map(|(label, _)| (*label).to_owned()));
    let rows = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| {
            let figures = measured.iter().map(|(_, strata)| {
                let figure = strata.get(place).and_then(|stratum| stratum.images_per_second);
                figure.map_or("-".to_owned(), number)
            });
            [kind.name.clone(), kind.images.to_string()]
                .into_iter()
                .chain(figures)
                .collect()
        })
        .collect();
    Some(plain(header, rows, 1))
}

/// All that a reader must know before believing a figure.
fn remarks(record: &Record, text: &mut String) {
    for arm in &record.arms {
        for error in &arm.errors {
            let _ = writeln!(text, "{}: failed {error}", arm.label);
        }
        for check in arm.checks.iter().filter(|check| check.outcome != Outcome::Passed) {
            let outcome = if check.outcome == Outcome::Failed {
                "failed"
            } else {
                "unknown"
            };
            let _ = writeln!(
                text,
                "{}: {} {outcome}: {} (limit: {}); {}",
                arm.label, check.id, check.observed, check.limit, check.advice
            );
        }
    }
    for missing in &record.unavailable {
        let _ = writeln!(
            text,
            "{}: not measured: {}; {}",
            missing.backend, missing.reason, missing.mend
        );
    }
    if !record.skipped.is_empty() {
        let _ = writeln!(text, "skipped {} files:", record.skipped.len());
        for skipped in record.skipped.iter().take(NAMED) {
            let _ = writeln!(text, "  {}: {}", skipped.photo, skipped.reason);
        }
        if record.skipped.len() > NAMED {
            let _ = writeln!(
                text,
                "  and {} more (all are in the record)",
                record.skipped.len() - NAMED
            );
        }
    }
    if record.interrupted {
        let _ = writeln!(
            text,
            "interrupted: the figures are of what was measured until then"
        );
    }
    if record.quick {
        let _ = writeln!(
            text,
            "quick: a first look, not a figure to quote; measure without --quick for that"
        );
    }
}

/// Three significant digits, and no fewer than the whole number has.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) if high < 2.0 => format!("{low:.3} - {high:.3}"),
        (Some(low), Some(high)) => format!("{} - {}", number(low), number(high)),
        _ => "one process: none".to_owned(),
    }
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Valid => "valid",
        Status::Unstable => "unstable",
        Status::Invalid => "INVALID",
        Status::Failed => "FAILED",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Equivalent => "equivalent",
        Verdict::Inconclusive => "inconclusive",
    }
}
