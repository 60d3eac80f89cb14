//! Where the time of a photo goes.

use super::super::grid::{Cell, Grid, Row, anchor, column, numbers};
use crate::record::{Record, STAGE_NAMES};

/// One row per arm; `None` where no arm has stages.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let rows: Vec<Row> = record
        .arms
        .iter()
        .enumerate()
        .filter_map(|(place, arm)| {
            let times = arm.figures.stages_ms?.values();
            let times = times.map(|ms| Cell::rule(format!("{:.2}", ms.0), "stages"));
            Some(Row {
                anchor: Some(anchor("stages", place)),
                cells: std::iter::once(Cell::plain(&arm.label)).chain(times).collect(),
            })
        })
        .collect();
    let mut columns = vec![column("arm")];
    columns.extend(STAGE_NAMES.map(numbers));
    (!rows.is_empty()).then(|| Grid {
        title: "ms a photo, one stream",
        note: String::new(),
        columns,
        rows,
    })
}
