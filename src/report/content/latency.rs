//! The latency of answers.

use super::super::{
    format::{maybe, number},
    grid::{Cell, Grid, Row, anchor, column, numbers},
};
use crate::record::{Arm, Latency, Record, Scenario};

/// A percentile's name and where records keep it.
type Percentile = (&'static str, fn(&Latency) -> Option<f64>);

const PERCENTILES: [Percentile; 5] = [
    ("p50", |l| l.p50),
    ("p90", |l| l.p90),
    ("p95", |l| l.p95),
    ("p99", |l| l.p99),
    ("p99.9", |l| l.p999),
];

/// The percentiles that any arm has samples enough for; response and service apart where they differ.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let apart = matches!(record.workload.scenario, Scenario::Server | Scenario::MultiStream);
    let mut times: Vec<(usize, &Arm, &str, Latency)> = Vec::new();
    for (place, arm) in record.arms.iter().enumerate() {
        let response = arm
            .figures
            .latency_ms
            .map(|latency| (place, arm, "response", latency));
        let service = arm
            .figures
            .service_ms
            .map(|latency| (place, arm, "service", latency));
        times.extend(response);
        if apart {
            times.extend(service);
        }
    }
    let shown: Vec<&Percentile> = PERCENTILES
        .iter()
        .filter(|(_, of)| times.iter().any(|(.., latency)| of(latency).is_some()))
        .collect();
    let rated = record
        .arms
        .iter()
        .any(|arm| arm.blocks.iter().any(|block| block.rate.is_some()));
    let mut columns = vec![column("arm")];
    if apart {
        columns.push(column("time of"));
    }
    if rated {
        columns.push(numbers("queries/s"));
    }
    columns.extend(shown.iter().map(|(name, _)| numbers(*name)));
    columns.extend(["max", "samples"].map(numbers));
    let mut last = None;
    let rows: Vec<Row> = times
        .iter()
        .map(|(place, arm, kind, latency)| {
            let mut cells = vec![Cell::plain(&arm.label)];
            if apart {
                cells.push(Cell::rule(*kind, "latency"));
            }
            if rated {
                let rate = arm.blocks.iter().find_map(|block| block.rate);
                cells.push(Cell::plain(maybe(rate)));
            }
            cells.extend(
                shown
                    .iter()
                    .map(|(_, of)| Cell::rule(maybe(of(latency)), "samples")),
            );
            cells.push(Cell::rule(number(latency.max), "latency"));
            cells.push(Cell::rule(latency.samples.to_string(), "samples"));
            let first = last.replace(*place) != Some(*place);
            Row {
                anchor: first.then(|| anchor("latency", *place)),
                cells,
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        title: "Latency, ms",
        note: match record.workload.scenario {
            Scenario::Server => {
                "response: from the scheduled arrival to the answer; service: the work on one photo"
                    .to_owned()
            }
            Scenario::MultiStream => {
                "response: of a whole query of photos; service: the work on one photo".to_owned()
            }
            Scenario::Offline | Scenario::SingleStream => "of one photo; in a batch, of the batch".to_owned(),
        },
        columns,
        rows,
    })
}
