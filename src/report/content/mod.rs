//! What reports show: one file per table, and the list of the sections that follow the arms and the remarks. Their
//! layout is decided by the terminal, Markdown and the page.

use super::grid::Grid;
use crate::record::Record;

pub(super) mod arms;
pub(super) mod blocks;
pub(super) mod ceiling;
pub(super) mod checks;
pub(super) mod comparisons;
pub(super) mod curve;
pub(super) mod fleet;
pub(super) mod host_log;
pub(super) mod latency;
pub(super) mod machine;
pub(super) mod method;
pub(super) mod quality;
pub(super) mod remarks;
pub(super) mod search;
pub(super) mod setup;
pub(super) mod sources;
pub(super) mod stages;
pub(super) mod strata;
pub(super) mod tenants;
pub(super) mod tune;

/// One section: a table under a heading.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in links.
    pub(super) id: &'static str,
    /// Where it is shown.
    shown: Shown,
    /// Its table; `None` where the record has nothing for it.
    grid: fn(&Record) -> Option<Grid>,
}

/// Where a section is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// In the terminal too.
    Everywhere,
    /// Only in Markdown and in the page, which can show what is rarely looked up.
    Documents,
}
use Shown::{Documents, Everywhere};

const fn section(id: &'static str, shown: Shown, grid: fn(&Record) -> Option<Grid>) -> Section {
    Section { id, shown, grid }
}

/// Every section, in the order in which reports show them.
const SECTIONS: &[Section] = &[
    section("tenants", Everywhere, tenants::grid),
    section("fleet", Everywhere, fleet::grid),
    section("sources", Everywhere, sources::grid),
    section("host-log", Everywhere, host_log::grid),
    section("comparisons", Documents, comparisons::grid),
    section("curve", Everywhere, curve::grid),
    section("search", Documents, search::grid),
    section("latency", Everywhere, latency::grid),
    section("stages", Everywhere, stages::grid),
    section("ceiling", Everywhere, ceiling::grid),
    section("strata", Everywhere, strata::grid),
    section("tune", Everywhere, tune::grid),
    section("answers", Documents, quality::grid),
    section("checks", Documents, checks::grid),
    section("backends", Documents, |record| Some(setup::backends(record))),
    section("setup", Documents, |record| Some(setup::resources(record))),
    section("machine", Documents, |record| Some(machine::grid(record))),
    section("method", Documents, |record| Some(method::grid(record))),
];

/// The sections that `record` has rows for, with their tables.
pub(super) fn sections(record: &Record) -> Vec<(&'static Section, Grid)> {
    SECTIONS
        .iter()
        .filter_map(|section| Some((section, (section.grid)(record)?)))
        .filter(|(_, grid)| !grid.rows.is_empty())
        .collect()
}

impl Section {
    /// Whether the terminal shows it.
    pub(super) fn in_terminal(&self) -> bool {
        self.shown == Everywhere
    }
}
