//! Tenants at work at the same time: one row per tenant group.

use super::super::{
    format::{bytes, interval, maybe},
    grid::{Cell, Grid, Row, column, numbers},
    tenants::{elsewhere, kind, sentences, title},
};
use crate::record::{Estimate, Record, TenantGroup, Tenants};

/// One row per tenant group; `None` where the record has no tenants.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let tenants = record.tenants.as_ref()?;
    let has_device = tenants
        .groups
        .iter()
        .flat_map(|group| &group.rounds)
        .flat_map(|round| &round.tenants)
        .any(|tenant| tenant.device_memory_bytes.is_some());
    let has_retained = tenants.groups.iter().any(|group| group.retained.is_some());
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
            "cores of each",
            "memory of each",
        ]
        .map(numbers),
    );
    if has_device {
        columns.push(numbers("device memory of each"));
    }
    if has_retained {
        columns.push(numbers("retained"));
    }
    let rows = tenants.groups.iter().map(|group| Row {
        anchor: None,
        cells: cells(tenants, group, has_device, has_retained),
    });
    let mut note = "only the time in which all tenants were at work counts. Slowdown: a tenant's time per photo over its time \
                    alone. Share: a tenant's speed over its speed alone. Fairness: Jain's index of the shares. Gain: the \
                    sum of the shares"
        .to_owned();
    if has_retained {
        note.push_str(
            ". Retained: the part of its speed that a tenant keeps while the background load works",
        );
    }
    for line in sentences(record) {
        note.push_str(". ");
        note.push_str(&line);
    }
    Some(Grid {
        title: title(record, tenants),
        note,
        columns,
        rows: rows.collect(),
    })
}

/// The kinds of the tenants, and the machines of a coordinated run.
fn who(tenants: &Tenants, group: &TenantGroup) -> String {
    let mut kinds: Vec<&str> = group.tenants.iter().map(|label| kind(label)).collect();
    kinds.dedup();
    let kinds = kinds.join(" + ");
    let Some(run) = &tenants.coordination else {
        return kinds;
    };
    let beside = elsewhere(tenants, group);
    if !beside.is_empty() {
        return format!("{kinds} beside {}", beside.join(", "));
    }
    let names = group.machines.iter().filter_map(|place| run.machines.get(*place));
    let names: Vec<&str> = names.map(String::as_str).collect();
    if run.machine_index.is_some() || names.is_empty() {
        return kinds;
    }
    format!("{kinds} on {}", names.join(", "))
}

/// The machine of the background load, where it is another than the tenants'.
fn load_machine(tenants: &Tenants, group: &TenantGroup) -> String {
    let name = || {
        let machines = &tenants.coordination.as_ref()?.machines;
        machines.get(group.background_load_machine?)
    };
    name().map_or_else(String::new, |name| format!(" on {name}"))
}

fn cells(tenants: &Tenants, group: &TenantGroup, has_device: bool, has_retained: bool) -> Vec<Cell> {
    let kinds = who(tenants, group);
    let kinds = match group.background_load {
        Some(share) => format!(
            "{kinds} beside a background load of {:.0} %{}",
            share * 100.0,
            load_machine(tenants, group)
        ),
        None => kinds,
    };
    let name = match &group.error {
        Some(error) => format!("{kinds} (failed: {error})"),
        None => kinds,
    };
    let middle = |estimate: &Option<Estimate>| estimate.as_ref().map(|estimate| estimate.median);
    let two = |estimate: &Option<Estimate>| match middle(estimate) {
        Some(value) => Cell::plain(format!("{value:.3}")),
        None => Cell::none(),
    };
    let rates: Vec<f64> = group.per_tenant.iter().filter_map(middle).collect();
    let (least, most) = (
        rates.iter().copied().reduce(f64::min),
        rates.iter().copied().reduce(f64::max),
    );
    let range = |least: String, most: String| {
        if least == most {
            least
        } else {
            format!("{least} to {most}")
        }
    };
    let each = range(maybe(least), maybe(most));
    let all = || group.rounds.iter().flat_map(|round| &round.tenants);
    let cores: Vec<f64> = (0..group.tenants.len())
        .filter_map(|place| {
            let of_place = group
                .rounds
                .iter()
                .filter_map(|round| round.tenants.get(place)?.cores);
            let of_place: Vec<f64> = of_place.collect();
            (!of_place.is_empty()).then(|| of_place.iter().sum::<f64>() / of_place.len() as f64)
        })
        .collect();
    let end = |pick: fn(f64, f64) -> f64| {
        let value = cores.iter().copied().reduce(pick);
        value.map_or_else(|| maybe(None), |value| format!("{value:.2}"))
    };
    let cores = range(end(f64::min), end(f64::max));
    let latency = group.latency_ms.as_ref();
    let mut cells = vec![
        Cell::plain(name),
        Cell::plain(group.tenants.len().to_string()),
        Cell::plain(maybe(middle(&group.images_per_second))),
        group
            .images_per_second
            .as_ref()
            .map_or_else(Cell::none, |all| Cell::plain(interval(all))),
        Cell::plain(each),
        two(&group.slowdown),
        two(&group.fairness),
        two(&group.sharing_gain),
        Cell::rule(maybe(latency.and_then(|l| l.p50)), "samples"),
        Cell::rule(maybe(latency.and_then(|l| l.p99)), "samples"),
        Cell::rule(maybe(group.worst_p99_ms), "samples"),
        Cell::plain(cores),
        Cell::plain(bytes(all().filter_map(|tenant| tenant.rss_peak_bytes).max())),
    ];
    if has_device {
        cells.push(Cell::plain(bytes(
            all().filter_map(|tenant| tenant.device_memory_bytes).max(),
        )));
    }
    if has_retained {
        cells.push(two(&group.retained));
    }
    cells
}
