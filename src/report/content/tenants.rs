//! Tenants of one device: one row a company.

use crate::{
    record::{Company, Estimate, Record},
    report::{
        grid::{Cell, Grid, Row, numbers, words as column},
        tenants::sentences,
        words::{bytes, interval, maybe},
    },
};

/// One row a company; `None` where the record has no tenants.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let tenants = record.tenants.as_ref()?;
    let has_device = tenants
        .companies
        .iter()
        .flat_map(|company| &company.rounds)
        .flat_map(|round| &round.tenants)
        .any(|tenant| tenant.device_memory_bytes.is_some());
    let has_kept = tenants.companies.iter().any(|company| company.kept.is_some());
    let mut columns = vec![column("tenants"), numbers("n")];
    columns.extend(
        [
            "images/s of all",
            "`95 %`",
            "of each",
            "slowdown",
            "fairness",
            "gain",
            "p50 `ms`",
            "p99 `ms`",
            "worst p99",
            "memory of each",
        ]
        .map(numbers),
    );
    if has_device {
        columns.push(numbers("device memory of each"));
    }
    if has_kept {
        columns.push(numbers("kept"));
    }
    let rows = tenants.companies.iter().map(|company| Row {
        anchor: None,
        cells: cells(company, has_device, has_kept),
    });
    let mut note = "only the time in which all tenants were at work counts. Slowdown: how many times as long as alone a tenant \
                    takes. Fairness: Jain's index of what each gets of its speed alone. Gain: images/s of all over the mean \
                    of their speeds alone"
        .to_owned();
    if has_kept {
        note.push_str(". Kept: the part of its speed that a tenant keeps when the load beside it begins");
    }
    for line in sentences(record) {
        note.push_str(". ");
        note.push_str(&line);
    }
    Some(Grid {
        title: "Tenants of one device",
        note,
        columns,
        rows: rows.collect(),
    })
}

fn cells(company: &Company, has_device: bool, has_kept: bool) -> Vec<Cell> {
    let kinds = {
        let mut kinds = company.tenants.clone();
        kinds.dedup();
        kinds.join(" + ")
    };
    let kinds = match company.neighbour {
        Some(share) => format!("{kinds} beside a load of {:.0} %", share * 100.0),
        None => kinds,
    };
    let name = match &company.error {
        Some(error) => format!("{kinds} (failed: {error})"),
        None => kinds,
    };
    let middle = |estimate: &Option<Estimate>| estimate.as_ref().map(|estimate| estimate.median);
    let two = |estimate: &Option<Estimate>| match middle(estimate) {
        Some(value) => Cell::plain(format!("{value:.3}")),
        None => Cell::none(),
    };
    let rates: Vec<f64> = company.each.iter().filter_map(middle).collect();
    let (least, most) = (
        rates.iter().copied().reduce(f64::min),
        rates.iter().copied().reduce(f64::max),
    );
    let each = match (maybe(least), maybe(most)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least} to {most}"),
    };
    let all = || company.rounds.iter().flat_map(|round| &round.tenants);
    let latency = company.latency_ms.as_ref();
    let mut cells = vec![
        Cell::plain(name),
        Cell::plain(company.tenants.len().to_string()),
        Cell::plain(maybe(middle(&company.images_per_second))),
        company
            .images_per_second
            .as_ref()
            .map_or_else(Cell::none, |all| Cell::plain(interval(all))),
        Cell::plain(each),
        two(&company.slowdown),
        two(&company.fairness),
        two(&company.sharing_gain),
        Cell::rule(maybe(latency.and_then(|l| l.p50)), "samples"),
        Cell::rule(maybe(latency.and_then(|l| l.p99)), "samples"),
        Cell::rule(maybe(company.worst_p99_ms), "samples"),
        Cell::plain(bytes(all().filter_map(|tenant| tenant.rss_peak_bytes).max())),
    ];
    if has_device {
        cells.push(Cell::plain(bytes(
            all().filter_map(|tenant| tenant.device_memory_bytes).max(),
        )));
    }
    if has_kept {
        cells.push(two(&company.kept));
    }
    cells
}
