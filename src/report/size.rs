//! How many machines serve a rate of photos, for the terminal.

use std::fmt::Write;

use super::{
    format::{self, NONE, interval, maybe, number},
    grid::{self, Cell, Grid, Row},
    table::plain,
};
use crate::{
    record::{Evidence, Machine, Sizing},
    text::visible,
};

/// The answer as text.
pub fn render(sizing: &Sizing) -> String {
    let mut text = String::new();
    let spare = match sizing.spare {
        0 => String::new(),
        spare => format!(", {spare} spare"),
    };
    let _ = writeln!(
        text,
        "{} photos a second that arrive at random, {}{spare}\n\n{}\n",
        sizing.rate,
        format::bound(&sizing.bound),
        plain(&grid(sizing), "MACHINE")
    );
    let _ = writeln!(text, "{}\n", answer(sizing));
    for machine in &sizing.machines {
        for note in &machine.notes {
            let _ = writeln!(text, "{}: {}", visible(&machine.name), visible(note));
        }
    }
    for remark in &sizing.remarks {
        let _ = writeln!(text, "{}", visible(remark));
    }
    list(&mut text, "What would change the answer", &sizing.changes);
    list(&mut text, "Assumptions", &sizing.assumptions);
    text
}

fn list(text: &mut String, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    let _ = writeln!(text, "{head}:");
    for line in lines {
        let _ = writeln!(text, "  {}", visible(line));
    }
}

fn grid(sizing: &Sizing) -> Grid {
    let unit = match sizing.currency.as_str() {
        "" => String::new(),
        currency => format!(" `{currency}`"),
    };
    let mut columns = vec![grid::column("machine"), grid::numbers("machines")];
    columns.push(grid::column("how sure"));
    columns.extend(["one serves/s", "95 %", "p99 `ms`", "cores", "GPUs"].map(grid::numbers));
    columns.extend([format!("an hour{unit}"), format!("a month{unit}")].map(grid::numbers));
    columns.push(grid::numbers(match sizing.currency.as_str() {
        "" => "images a unit".to_owned(),
        currency => format!("images a `{currency}`"),
    }));
    let rows = sizing.machines.iter().map(|machine| Row {
        anchor: None,
        cells: row(machine).into_iter().map(Cell::plain).collect(),
    });
    Grid {
        title: "machine",
        note: String::new(),
        columns,
        rows: rows.collect(),
    }
}

fn row(machine: &Machine) -> Vec<String> {
    // A figure that is only a limit is marked in every cell that depends on it.
    let least = if machine.count.is_none() { ">= " } else { "" };
    let at_least =
        |value: Option<String>| value.map_or_else(|| NONE.to_owned(), |value| format!("{least}{value}"));
    let whole = |value: Option<usize>| at_least(value.map(|value| value.to_string()));
    let money = |value: Option<f64>| at_least(value.map(|value| format!("{value:.2}")));
    let serves = match (&machine.usable_rate, machine.most_rate) {
        (Some(rate), _) => number(rate.median),
        (None, Some(most)) => format!("<= {}", number(most)),
        (None, None) => NONE.to_owned(),
    };
    vec![
        machine.name.clone(),
        whole(machine.count.or(machine.at_least)),
        sure(machine),
        serves,
        machine
            .usable_rate
            .as_ref()
            .map_or_else(|| NONE.to_owned(), interval),
        maybe(machine.p99_ms),
        whole(machine.cores),
        whole(machine.gpus),
        money(machine.cost_per_hour),
        money(machine.cost_per_month),
        maybe(machine.images_per_unit),
    ]
}

fn sure(machine: &Machine) -> String {
    match (machine.evidence, machine.count_range) {
        (Evidence::None, _) => "not known".to_owned(),
        (Evidence::Offline, _) => "a limit: no latency".to_owned(),
        (Evidence::ClosedLoop, _) => "a limit: closed loop".to_owned(),
        (Evidence::Tenants, _) => "a limit: tenants, closed loop".to_owned(),
        (Evidence::Server, None) => "one process".to_owned(),
        (Evidence::Server, Some([few, many])) if few == many => format!("95 %: {many}"),
        (Evidence::Server, Some([few, many])) => format!("95 %: {few} to {many}"),
    }
}

/// Two sentences: the cheapest, and the break-even rate.
fn answer(sizing: &Sizing) -> String {
    let cheapest = sizing
        .machines
        .iter()
        .find(|machine| Some(&machine.name) == sizing.cheapest.as_ref());
    let first = match cheapest {
        Some(machine) => format!(
            "Cheapest: {} x {}, {:.2}{} an hour.",
            machine.count.unwrap_or_default(),
            visible(&machine.name),
            machine.cost_per_hour.unwrap_or_default(),
            match sizing.currency.as_str() {
                "" => String::new(),
                currency => format!(" {}", visible(currency)),
            }
        ),
        None if sizing.machines.iter().all(|machine| machine.count.is_none()) => {
            "No machine of these records is known to hold the bound.".to_owned()
        }
        None => {
            "The cheapest is not known: no machine that is known to hold the bound has a price.".to_owned()
        }
    };
    let even = match (&sizing.break_even, &sizing.break_even_reason) {
        (Some(even), _) => format!(
            "Above {} a second {} costs less than {} at every rate.",
            number(even.rate),
            visible(&even.above),
            visible(&even.other)
        ),
        (None, Some(why)) => format!("No break-even rate: {}.", visible(why)),
        (None, None) => String::new(),
    };
    format!("{first}\n{even}")
}
