//! Images a second by kind of photo.

use super::super::{
    grid::{Cell, Grid, Row, numbers, words as column},
    words::maybe,
};
use crate::record::{Record, Stratum};

/// One row a kind, one column an arm; `None` where photos were not told apart.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let measured: Vec<(&str, &Vec<Stratum>)> = record
        .arms
        .iter()
        .filter_map(|arm| Some((arm.label.as_str(), &arm.throughput.as_ref()?.strata)))
        .filter(|(_, strata)| !strata.is_empty())
        .collect();
    let (_, kinds) = measured.first()?;
    let mut columns = vec![column("kind"), numbers("photos")];
    columns.extend(measured.iter().map(|(label, _)| numbers(format!("`{label}`"))));
    let rows = kinds
        .iter()
        .map(|kind| {
            // By name: arms of different studies may know different kinds.
            let figures = measured.iter().map(|(_, strata)| {
                let same = strata.iter().find(|stratum| stratum.name == kind.name);
                Cell::rule(
                    maybe(same.and_then(|stratum| stratum.images_per_second)),
                    "strata",
                )
            });
            let head = [Cell::plain(&kind.name), Cell::plain(kind.images.to_string())];
            Row {
                anchor: None,
                cells: head.into_iter().chain(figures).collect(),
            }
        })
        .collect();
    Some(Grid {
        title: "images/s by kind",
        note: String::new(),
        columns,
        rows,
    })
}
