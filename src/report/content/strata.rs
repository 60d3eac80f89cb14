//! Images a second by stratum of photos: by number of faces, or by size.

use super::super::{
    format::maybe,
    grid::{Cell, Grid, Row, column, numbers},
};
use crate::record::{Record, Stratum};

/// One row per stratum, one column per arm; `None` where the photos are in no strata.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let measured: Vec<(&str, &Vec<Stratum>)> = record
        .arms
        .iter()
        .filter_map(|arm| Some((arm.label.as_str(), &arm.figures.throughput.as_ref()?.strata)))
        .filter(|(_, strata)| !strata.is_empty())
        .collect();
    let (_, strata) = measured.first()?;
    let mut columns = vec![column("stratum"), numbers("photos")];
    columns.extend(measured.iter().map(|(label, _)| numbers(format!("`{label}`"))));
    let rows = strata
        .iter()
        .map(|stratum| {
            // By name: arms of different studies may have different strata.
            let figures = measured.iter().map(|(_, others)| {
                let same = others.iter().find(|other| other.name == stratum.name);
                Cell::rule(maybe(same.and_then(|same| same.images_per_second)), "strata")
            });
            let head = [
                Cell::plain(&stratum.name),
                Cell::plain(stratum.images.to_string()),
            ];
            Row {
                anchor: None,
                cells: head.into_iter().chain(figures).collect(),
            }
        })
        .collect();
    Some(Grid {
        title: "images/s by stratum",
        note: String::new(),
        columns,
        rows,
    })
}
