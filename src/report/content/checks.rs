//! Every check of every arm, failed ones first, then those that could not be observed.

use super::super::grid::{Cell, Grid, Row, check_anchor, column};
use crate::record::{Outcome, Record, rule};

/// One row per check; `None` where there is none.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let arms = record
        .arms
        .iter()
        .enumerate()
        .map(|(place, arm)| (Some(place), arm.label.as_str(), &arm.figures.checks));
    let mut checks: Vec<_> = arms
        .chain([(None, "the study", &record.checks)])
        .flat_map(|(place, label, checks)| {
            checks
                .iter()
                .enumerate()
                .map(move |(number, check)| (place, label, number, check))
        })
        .collect();
    checks.sort_by_key(|(.., check)| match check.outcome {
        Outcome::Failed => 0,
        Outcome::Unknown => 1,
        Outcome::Passed => 2,
    });
    let rows: Vec<Row> = checks
        .into_iter()
        .map(|(place, label, number, check)| {
            let id = match rule(&check.id) {
                Some(rule) => Cell::rule(&check.id, rule.id),
                None => Cell::plain(&check.id),
            };
            let makes = rule(&check.id)
                .filter(|_| check.outcome == Outcome::Failed)
                .map_or("", |rule| rule.consequence.name());
            Row {
                anchor: Some(check_anchor(place, number)),
                cells: vec![
                    Cell::plain(label),
                    id,
                    Cell::plain(check.outcome.name()),
                    Cell::plain(&check.observed),
                    Cell::plain(&check.limit),
                    Cell::plain(makes),
                    Cell::plain(&check.advice),
                ],
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        title: "Checks",
        note: String::new(),
        columns: [
            "arm",
            "check",
            "outcome",
            "observed",
            "limit",
            "makes it",
            "what to do",
        ]
        .map(column)
        .into(),
        rows,
    })
}
