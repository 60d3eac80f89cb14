//! What an arm's stages allow, and the share of it that the arm reaches.

use super::super::{
    format::{interval, number},
    grid::{Cell, Grid, Row, column, numbers},
};
use crate::record::{Record, STAGE_NAMES};

/// One row per arm; `None` where it was not measured.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let rows: Vec<Row> = record
        .arms
        .iter()
        .filter_map(|arm| {
            let ceiling = arm.figures.ceiling.as_ref()?;
            let mut cells = vec![
                Cell::plain(&arm.label),
                Cell::rule(number(ceiling.images_per_second.median), "ceiling"),
                Cell::plain(&ceiling.resource),
                Cell::rule(format!("{:.3}", ceiling.reached.median), "ceiling"),
                Cell::rule(interval(&ceiling.reached), "interval"),
                Cell::rule(number(ceiling.networks_images_per_second.median), "ceiling"),
                Cell::rule(format!("{:.2} %", ceiling.harness_overhead * 100.0), "ceiling"),
            ];
            let times = ceiling.stages_ms.values();
            cells.extend(times.map(|ms| Cell::rule(format!("{:.2}", ms.0), "ceiling")));
            Some(Row { anchor: None, cells })
        })
        .collect();
    let mut columns = vec![column("arm"), numbers("allowed images/s"), column("by")];
    columns.extend(["reached", "95 %", "networks alone", "harness"].map(numbers));
    columns.extend(STAGE_NAMES.map(|name| numbers(format!("{name} `ms`"))));
    (!rows.is_empty()).then(|| Grid {
        title: "What the stages allow",
        note: "each stage alone, all streams at work".to_owned(),
        columns,
        rows,
    })
}
