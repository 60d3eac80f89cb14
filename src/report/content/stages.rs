//! Where the time of a photo goes.

use super::super::grid::{Cell, Grid, Row, anchor, column, numbers};
use crate::record::{Record, Stages};

/// The names of the stages, in their order.
pub(in crate::report) const NAMES: [&str; 5] = ["decode", "detect", "align", "embed", "match"];

/// The stages' times, in their order.
pub(in crate::report) fn times(stages: &Stages) -> [f64; 5] {
    [
        stages.decode,
        stages.detect,
        stages.align,
        stages.embed,
        stages.matching,
    ]
}

/// One row per arm; `None` where no arm has stages.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let rows: Vec<Row> = record
        .arms
        .iter()
        .enumerate()
        .filter_map(|(place, arm)| {
            let times = times(&arm.stages_ms?).map(|ms| Cell::rule(format!("{ms:.2}"), "stages"));
            Some(Row {
                anchor: Some(anchor("stages", place)),
                cells: std::iter::once(Cell::plain(&arm.label)).chain(times).collect(),
            })
        })
        .collect();
    let mut columns = vec![column("arm")];
    columns.extend(NAMES.map(numbers));
    (!rows.is_empty()).then(|| Grid {
        title: "ms a photo, one stream",
        note: String::new(),
        columns,
        rows,
    })
}
