//! The search for the best setting: what was tried, how long each candidate stayed, and the result.

use super::super::{
    format::{bound, maybe},
    grid::{Cell, Grid, Row, column, numbers},
    tuned,
};
use crate::record::{Candidate, Record, Tune};

/// Every candidate, those that stayed longest first; `None` where nothing was searched.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let tune = record.tune.as_ref()?;
    let has_decoders = tune.candidates.iter().any(|c| c.decoders.is_some());
    let mut columns = vec![
        column("search"),
        numbers("streams"),
        numbers("threads"),
        numbers("batch"),
    ];
    if has_decoders {
        columns.push(numbers("decoders"));
    }
    columns.extend(["rounds", "images/s", "p50 `ms`", "p99 `ms`"].map(numbers));
    columns.push(column("outcome"));
    let mut sorted: Vec<&Candidate> = tune.candidates.iter().collect();
    let speed = |candidate: &Candidate| {
        let last = candidate.rounds.last();
        last.map_or(0.0, |round| round.images_per_second)
    };
    // Only figures of one round compare: all candidates had the same time in it.
    sorted.sort_by(|a, b| {
        let by_rounds = b.rounds.len().cmp(&a.rounds.len());
        by_rounds.then(speed(b).total_cmp(&speed(a)))
    });
    let rows = sorted
        .into_iter()
        .map(|candidate| Row {
            anchor: None,
            cells: cells(tune, candidate, has_decoders),
        })
        .collect();
    let what = match tune.bound {
        Some(held) => format!(", {} to be held", bound(&held)),
        None => String::new(),
    };
    Some(Grid {
        title: "Search for the best setting",
        note: format!(
            "the figures are of each candidate's last round, over {} photos{what}. {}",
            tune.photos,
            tuned::sentence(record, tune).trim_end_matches('.')
        ),
        columns,
        rows,
    })
}

fn cells(tune: &Tune, candidate: &Candidate, has_decoders: bool) -> Vec<Cell> {
    let last = candidate.rounds.last();
    let latency = last.and_then(|round| round.latency_ms);
    let mut cells = vec![Cell::plain(&candidate.spec)];
    let counts = [candidate.streams, candidate.threads, candidate.batch];
    cells.extend(counts.map(|count| Cell::plain(count.to_string())));
    if has_decoders {
        cells.push(
            candidate
                .decoders
                .map_or_else(Cell::none, |count| Cell::plain(count.to_string())),
        );
    }
    cells.push(Cell::plain(candidate.rounds.len().to_string()));
    cells.push(Cell::plain(maybe(last.map(|round| round.images_per_second))));
    cells.push(Cell::rule(maybe(latency.and_then(|l| l.p50)), "samples"));
    cells.push(Cell::rule(maybe(latency.and_then(|l| l.p99)), "samples"));
    cells.push(Cell::plain(outcome(tune, candidate)));
    cells
}

fn outcome(tune: &Tune, candidate: &Candidate) -> String {
    match (&candidate.error, candidate.dropped_after) {
        (Some(error), _) => format!("failed: {error}"),
        _ if tune.chosen.as_ref() == Some(&candidate.spec) => "chosen".to_owned(),
        (None, Some(round)) => format!("dropped after round {round}"),
        (None, None) if candidate.rounds.is_empty() => "not measured".to_owned(),
        (None, None) => "came to the end".to_owned(),
    }
}
