//! The search for the highest rate that holds the latency bound.

use super::super::{
    format::number,
    grid::{Cell, Grid, Row, anchor, column, numbers},
};
use crate::record::Record;

/// Every try of every arm; `None` where nothing was searched.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let mut rows = Vec::new();
    for (place, arm) in record.arms.iter().enumerate() {
        for (count, trial) in arm.trials.iter().enumerate() {
            rows.push(Row {
                anchor: (count == 0).then(|| anchor("search", place)),
                cells: vec![
                    Cell::plain(&arm.label),
                    Cell::plain(trial.process.to_string()),
                    Cell::plain(number(trial.rate)),
                    Cell::plain(trial.queries.to_string()),
                    Cell::rule(number(trial.latency_ms), "latency"),
                    Cell::rule(if trial.met { "held" } else { "not held" }, "bound"),
                ],
            });
        }
    }
    let mut columns = vec![column("arm")];
    columns.extend(["process", "queries/s", "answered", "latency `ms`", "bound"].map(numbers));
    (!rows.is_empty()).then(|| Grid {
        title: "Search for the highest rate",
        note: "latency: at the bound's percentile".to_owned(),
        columns,
        rows,
    })
}
