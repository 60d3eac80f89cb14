//! What machines that measured a shard each give together, by kind of machine.

use std::fmt::Write;

use crate::{
    record::{Estimate, Fleet, FleetGroup, Record},
    report::{
        grid::{Cell, Grid, Row, numbers, words as column},
        words::{NONE, maybe},
    },
};

/// One row a kind of machine, and one for all; `None` where the record is no fleet's.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let fleet = record.fleet.as_ref()?;
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
    let mut rows: Vec<Row> = fleet.groups.iter().map(group).collect();
    let all = fleet.images_per_second.as_ref();
    let mut cells = vec![Cell::plain("all")];
    cells.extend((0..3).map(|_| Cell::none()));
    cells.push(Cell::plain(record.arms.len().to_string()));
    cells.push(Cell::plain(maybe(all.map(|all| all.median))));
    cells.extend((0..3).map(|_| Cell::none()));
    rows.push(Row { anchor: None, cells });
    Some(Grid {
        title: "Fleet",
        note: note(fleet),
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

/// The fleet in sentences: its sum, what is missing, who is far from the others, what it costs.
pub(in crate::report) fn note(fleet: &Fleet) -> String {
    let mut text = format!(
        "{} of {} shards of {} photos",
        fleet.shards, fleet.of, fleet.images
    );
    if let Some(all) = &fleet.images_per_second {
        let _ = write!(
            text,
            ": {} images/s in all{}",
            maybe(Some(all.median)),
            interval(all)
        );
    }
    if !fleet.missing.is_empty() {
        let missing: Vec<String> = fleet.missing.iter().map(usize::to_string).collect();
        let _ = write!(text, "; missing: shard {}", missing.join(", "));
    }
    for outlier in &fleet.outliers {
        let _ = write!(
            text,
            "; far from its kind: {} at {:.2} of the median",
            outlier.arm, outlier.ratio
        );
    }
    if let (Some(price), Some(images)) = (fleet.price_per_hour, fleet.images_per_unit) {
        let unit = if fleet.currency.is_empty() {
            "unit of the price"
        } else {
            &fleet.currency
        };
        let _ = write!(
            text,
            "; {price:.2} an hour, {} images for one {unit}",
            maybe(Some(images))
        );
    }
    text
}

fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", maybe(Some(low)), maybe(Some(high))),
        _ => String::new(),
    }
}
