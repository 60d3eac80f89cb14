//! Arms compared with each other.

use super::super::{
    format::{interval, ratio, status, verdict},
    grid::{Cell, Grid, Row, anchor, column, numbers},
};
use crate::record::Record;

/// One row per comparison; `None` where there is none.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    if record.comparisons.is_empty() {
        return None;
    }
    let held = record.comparisons.iter().any(|c| c.bounded_ratio.is_some());
    let mut columns = vec![
        column("arm"),
        column("against"),
        numbers("ratio"),
        numbers("95 %"),
        column("verdict"),
    ];
    if held {
        columns.extend([numbers("ratio, latency held"), numbers("95 %")]);
    }
    columns.extend(["processes", "may be quoted", "why not"].map(column));
    let rows = record.comparisons.iter().enumerate().map(|(place, comparison)| {
        let mut cells = vec![
            Cell::plain(&comparison.arm),
            Cell::plain(&comparison.baseline),
            Cell::rule(ratio(comparison.ratio.median), "ratio"),
            Cell::rule(interval(&comparison.ratio), "interval"),
            Cell::rule(verdict(comparison.verdict), "verdict"),
        ];
        if held {
            match &comparison.bounded_ratio {
                Some(held) => cells.extend([
                    Cell::rule(ratio(held.median), "bound"),
                    Cell::rule(interval(held), "interval"),
                ]),
                None => cells.extend([Cell::none(), Cell::none()]),
            }
        }
        let quoted = if comparison.status == crate::record::Status::Valid {
            "yes".to_owned()
        } else {
            format!("no: {}", status(comparison.status))
        };
        cells.extend([
            Cell::rule(if comparison.paired { "paired" } else { "not paired" }, "ratio"),
            Cell::rule(quoted, "status"),
            Cell::plain(comparison.reasons.join("; ")),
        ]);
        Row {
            anchor: Some(anchor("comparison", place)),
            cells,
        }
    });
    Some(Grid {
        title: "Comparisons",
        note: corrected(record).unwrap_or_default(),
        columns,
        rows: rows.collect(),
    })
}

/// What the verdicts are corrected for, where that is more than one comparison.
pub(in crate::report) fn corrected(record: &Record) -> Option<String> {
    let most = record.comparisons.iter().map(|c| c.corrected_for).max()?;
    (most > 1).then(|| format!("verdicts are corrected for {most} comparisons (Holm)"))
}
