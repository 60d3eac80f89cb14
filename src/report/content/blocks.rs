//! The raw blocks of one arm.

use super::super::{
    format::{maybe, number},
    grid::{Cell, Grid, Row, numbers},
};
use crate::record::Arm;

/// One row per block, in the order in which they were measured.
pub(in crate::report) fn grid(arm: &Arm) -> Option<Grid> {
    let mut blocks: Vec<_> = arm.blocks.iter().collect();
    blocks.sort_by_key(|block| block.order);
    let rated = blocks.iter().any(|block| block.rate.is_some());
    let mut columns: Vec<_> = [
        "order", "process", "block", "photos", "faces", "seconds", "images/s",
    ]
    .map(numbers)
    .into();
    if rated {
        columns.push(numbers("queries/s sent"));
    }
    columns.extend(
        [
            "own CPU `s`",
            "busy `s`",
            "stolen `s`",
            "throttled `s`",
            "clock `MHz`",
            "heat events",
        ]
        .map(numbers),
    );
    let rows: Vec<Row> = blocks
        .iter()
        .map(|block| {
            let seen = &block.conditions;
            let mut cells = vec![
                block.order.to_string(),
                block.process.to_string(),
                block.block.to_string(),
                block.images.to_string(),
                block.faces.to_string(),
                format!("{:.3}", block.seconds),
                number(block.images as f64 / block.seconds),
            ];
            if rated {
                cells.push(maybe(block.rate));
            }
            cells.extend([
                maybe(seen.own_cpu_seconds),
                maybe(seen.busy_seconds),
                maybe(seen.stolen_seconds),
                maybe(seen.throttled_seconds),
                maybe(seen.clock_mhz),
                maybe(seen.thermal_events.map(|events| events as f64)),
            ]);
            Row {
                anchor: None,
                cells: cells.into_iter().map(Cell::plain).collect(),
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        title: "Raw blocks",
        note: String::new(),
        columns,
        rows,
    })
}
