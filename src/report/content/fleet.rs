//! What the machines of a fleet, each of which measured a shard, give together: by group of like machines.

use super::super::{
    fleet,
    format::{NONE, maybe},
    grid::{Cell, Grid, Row, column, numbers},
};
use crate::record::{FleetGroup, Record};

/// One row per group, and one for all; `None` where the record is no fleet's.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let all_of_it = record.fleet.as_ref()?;
    let columns = vec![
        column("machines"),
        column("processor"),
        column("flavor"),
        column("gpu"),
        numbers("arms"),
        numbers("images/s"),
        numbers("least"),
        numbers("median"),
        numbers("most"),
    ];
    let mut rows: Vec<Row> = all_of_it.groups.iter().map(group).collect();
    let all = all_of_it.images_per_second.as_ref();
    let mut cells = vec![Cell::plain("all")];
    cells.extend((0..3).map(|_| Cell::none()));
    cells.push(Cell::plain(record.arms.len().to_string()));
    cells.push(Cell::plain(maybe(all.map(|all| all.median))));
    cells.extend((0..3).map(|_| Cell::none()));
    rows.push(Row { anchor: None, cells });
    Some(Grid {
        title: "Fleet",
        note: fleet::sentence(all_of_it),
        columns,
        rows,
    })
}

fn group(group: &FleetGroup) -> Row {
    let text = |text: &Option<String>| Cell::plain(text.as_deref().unwrap_or(NONE));
    let counted = match group.not_counted {
        0 => group.arms.to_string(),
        some => format!("{} ({some} not counted)", group.arms),
    };
    let mut cells = vec![
        Cell::plain(&group.backend),
        text(&group.processor),
        text(&group.flavor),
        text(&group.gpu),
        Cell::plain(counted),
    ];
    let figures = [group.total, group.least, group.median, group.most];
    cells.extend(figures.map(|figure| Cell::plain(maybe(figure))));
    Row { anchor: None, cells }
}
