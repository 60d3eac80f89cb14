//! What ran, and what it used besides time: loading, memory, energy.

use super::super::{
    format::{self, NONE, maybe},
    grid::{Cell, Grid, Row, column, numbers},
};
use crate::record::{Arm, Record};

/// What ran each arm.
pub(in crate::report) fn backends(record: &Record) -> Grid {
    let rows = record.arms.iter().map(|arm| {
        let backend = &arm.backend;
        let runtime = backend
            .runtime
            .as_ref()
            .map_or_else(|| NONE.to_owned(), |r| format!("{} {}", r.name, r.version));
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
        let cells = [
            arm.label.clone(),
            backend.requested.clone(),
            runtime,
            or_none(&backend.provider),
            or_none(&backend.device),
            precision(arm),
            format!("{} x {}", arm.streams, arm.threads),
            arm.batch.to_string(),
        ];
        let mut cells = cells.map(Cell::plain).to_vec();
        cells.push(Cell::rule(placement(arm), "placement"));
        Row { anchor: None, cells }
    });
    Grid {
        title: "What ran",
        note: String::new(),
        columns: [
            "arm",
            "requested",
            "runtime",
            "provider",
            "device",
            "precision",
            "streams x threads",
            "batch",
            "node time",
        ]
        .map(column)
        .into(),
        rows: rows.collect(),
    }
}

/// The recognizer's precision, and the detector's where it is another.
fn precision(arm: &Arm) -> String {
    match arm.backend.options.get("detector_precision") {
        Some(detector) if *detector != arm.precision => format!("{}, detector {detector}", arm.precision),
        _ => arm.precision.clone(),
    }
}

fn placement(arm: &Arm) -> String {
    let Some(placement) = &arm.backend.placement else {
        return NONE.to_owned();
    };
    let shares = placement.iter().map(|(provider, placed)| {
        let provider = provider.trim_end_matches("ExecutionProvider");
        format!("{provider} {:.1} %", placed.time_share * 100.0)
    });
    shares.collect::<Vec<_>>().join(", ")
}

/// What each arm used besides time.
pub(in crate::report) fn resources(record: &Record) -> Grid {
    let rows = record.arms.iter().map(|arm| {
        let setup = arm.setup.as_ref();
        let steady = if arm.steady.is_empty() {
            NONE.to_owned()
        } else {
            let reached = arm.steady.iter().filter(|steady| **steady).count();
            format!("{reached} of {}", arm.steady.len())
        };
        let energy = match (arm.figures.energy.joules_per_image, &arm.figures.energy.reason) {
            (Some(joules), _) => format::number(joules),
            (None, _) if arm.figures.energy.gpu_joules_per_image.is_some() => NONE.to_owned(),
            (None, Some(reason)) => format!("{NONE} ({reason})"),
            (None, None) => NONE.to_owned(),
        };
        let energy = match arm.figures.energy.gpu_joules_per_image {
            Some(joules) => format!("{energy}, GPU {}", format::number(joules)),
            None => energy,
        };
        Row {
            anchor: None,
            cells: vec![
                Cell::plain(&arm.label),
                Cell::plain(maybe(setup.map(|s| s.load_ms))),
                Cell::plain(maybe(setup.and_then(|s| s.shapes_ms))),
                Cell::plain(maybe(setup.map(|s| s.first_image_ms))),
                Cell::plain(maybe(setup.map(|s| s.warmup_images))),
                Cell::rule(steady, "steady-state"),
                Cell::plain(format::bytes(arm.rss_peak_bytes)),
                Cell::plain(format::bytes(arm.figures.device_peak_bytes)),
                Cell::plain(energy),
            ],
        }
    });
    let mut columns = vec![column("arm")];
    columns.extend(
        [
            "load `ms`",
            "engines, tuning `ms`",
            "first photo `ms`",
            "warm-up photos",
            "steady processes",
            "memory",
            "device memory",
        ]
        .map(numbers),
    );
    columns.push(column("joules an image"));
    Grid {
        title: "Before measuring, memory, energy",
        note: "none of it is counted in images/s".to_owned(),
        columns,
        rows: rows.collect(),
    }
}
