//! In a merged record, the study that each arm is from.

use super::super::{
    format::NONE,
    grid::{Cell, Grid, Row, column},
};
use crate::record::{Record, Source};

/// What a study is called: its name, or the beginning of its id.
pub(in crate::report) fn name(source: &Source) -> String {
    source
        .name
        .clone()
        .unwrap_or_else(|| source.id.chars().take(8).collect())
}

/// One row per arm; `None` where the record is of a single study.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    if record.sources.is_empty() {
        return None;
    }
    let unknown = || NONE.to_owned();
    let rows = record.arms.iter().map(|arm| {
        let source = record.source_of(arm);
        let cells = [
            arm.label.clone(),
            source.map_or_else(|| arm.source.clone().unwrap_or_else(unknown), name),
            source
                .and_then(|source| source.host.cpu.model.clone())
                .unwrap_or_else(unknown),
            source.map_or_else(unknown, |source| source.plan.host_cores.to_string()),
            source.map_or_else(unknown, |source| source.created_at.clone()),
        ];
        Row {
            anchor: None,
            cells: cells.map(Cell::plain).to_vec(),
        }
    });
    Some(Grid {
        title: "Where arms are from",
        note: "arms of different studies are compared without pairing their processes".to_owned(),
        columns: ["arm", "study", "processor", "host cores", "measured"]
            .map(column)
            .into(),
        rows: rows.collect(),
    })
}
