//! The places of a page that links may lead to, and tables whose cells are such links.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::super::{
    content::Section,
    grid::{Cell, Grid, Link, blocks_anchor},
};
use super::rules;
use crate::record::Record;

/// The places of one record's part of the page.
pub(super) struct Links {
    /// Stands before every id of this part.
    pub(super) prefix: String,
    places: BTreeSet<String>,
}

impl Links {
    /// The places of `record`, whose page shows `arms` and `sections`.
    pub(super) fn new(
        record: &Record,
        arms: &Grid,
        sections: &[(&'static Section, Grid)],
        prefix: &str,
    ) -> Self {
        let grids = std::iter::once(arms).chain(sections.iter().map(|(_, grid)| grid));
        let rows = grids.flat_map(|grid| &grid.rows);
        let mut places: BTreeSet<String> = rows.filter_map(|row| row.anchor.clone()).collect();
        let measured = record
            .arms
            .iter()
            .enumerate()
            .filter(|(_, arm)| !arm.blocks.is_empty());
        places.extend(measured.map(|(place, _)| blocks_anchor(place)));
        places.insert("remarks".to_owned());
        Self {
            prefix: prefix.to_owned(),
            places,
        }
    }

    /// Where `link` leads, if that is anywhere.
    fn target(&self, link: &Link) -> Option<String> {
        match link {
            Link::Rule(id) => rules::explains(id).then(|| format!("#rule-{id}")),
            Link::Local(place) => self
                .places
                .contains(place)
                .then(|| format!("#{}{place}", self.prefix)),
        }
    }

    /// A cell's text, as a link where there is something behind it.
    pub(super) fn cell(&self, cell: &Cell) -> Markup {
        match cell.link.as_ref().and_then(|link| self.target(link)) {
            Some(target) if !cell.text.is_empty() => html! { a href=(target) { (breakable(&cell.text)) } },
            _ => breakable(&cell.text),
        }
    }

    /// A section's heading, which a link can lead to.
    pub(super) fn heading(&self, id: &str, title: &str) -> Markup {
        html! { h2 id={ (self.prefix) (id) } { (title) } }
    }

    /// A table that can be moved sideways where the page is narrow.
    pub(super) fn table(&self, grid: &Grid) -> Markup {
        html! {
            div.scroll tabindex="0" {
                table {
                    @if grid.columns.iter().any(|column| !column.name.is_empty()) {
                        tr {
                            @for column in &grid.columns {
                                th.n[column.right] { (column.name.replace('`', "")) }
                            }
                        }
                    }
                    @for row in &grid.rows {
                        tr id=[row.anchor.as_ref().map(|anchor| format!("{}{anchor}", self.prefix))] {
                            @for (cell, column) in row.cells.iter().zip(&grid.columns) {
                                td.n[column.right].bad[is_bad(cell)].doubt[is_doubt(cell)] { (self.cell(cell)) }
                            }
                        }
                    }
                }
            }
            @if !grid.note.is_empty() {
                p.quiet { (grid.note) "." }
            }
        }
    }
}

fn is_bad(cell: &Cell) -> bool {
    ["failed", "FAILED", "INVALID"].contains(&cell.text.as_str())
}

fn is_doubt(cell: &Cell) -> bool {
    ["unknown", "unstable", "not held"].contains(&cell.text.as_str())
}

/// Text that may break after a comma: labels are long and have no spaces.
fn breakable(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split(',').enumerate() {
            @if place > 0 { "," @if !part.starts_with(' ') { wbr; } }
            (part)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_break_after_commas_and_their_markup_stays_text() {
        assert_eq!(
            breakable("a,b, c<b>\"&").into_string(),
            "a,<wbr>b, c&lt;b&gt;&quot;&amp;"
        );
    }
}
