//! Text, links and tables as HTML.

use std::{collections::BTreeSet, fmt::Write};

use super::super::{
    content::{arms, ceiling, checks, comparisons, curve, latency, search, stages},
    grid::{Cell, Grid, Link, blocks_anchor},
};
use super::rules::METHODS;
use crate::record::{Record, rule};

/// The places of one record's part of the page that links may lead to.
pub(super) struct Links {
    /// Stands before every id of this part.
    pub(super) prefix: String,
    places: BTreeSet<String>,
}

impl Links {
    /// The places that `record` has.
    pub(super) fn new(record: &Record, prefix: &str) -> Self {
        let grids = [
            Some(arms::grid(record)),
            comparisons::grid(record),
            latency::grid(record),
            curve::grid(record),
            search::grid(record),
            stages::grid(record),
            ceiling::grid(record),
            checks::grid(record),
        ];
        let rows = grids.into_iter().flatten().flat_map(|grid| grid.rows);
        let mut places: BTreeSet<String> = rows.filter_map(|row| row.anchor).collect();
        let measured = record
            .arms
            .iter()
            .enumerate()
            .filter(|(_, arm)| !arm.blocks.is_empty());
        places.extend(measured.map(|(place, _)| blocks_anchor(place)));
        places.extend(["remarks", "made", "checks"].map(str::to_owned));
        Self {
            prefix: prefix.to_owned(),
            places,
        }
    }

    /// Where `link` leads, if that is anywhere.
    fn target(&self, link: &Link) -> Option<String> {
        match link {
            Link::Rule(id) => {
                let known = rule(id).is_some() || METHODS.iter().any(|method| method.id == *id);
                known.then(|| format!("rule-{id}"))
            }
            Link::Local(place) => self
                .places
                .contains(place)
                .then(|| format!("{}{place}", self.prefix)),
        }
    }

    /// A cell's text, as a link where there is something behind it.
    pub(super) fn cell(&self, cell: &Cell) -> String {
        // Labels are long words that may break after a comma.
        let text = escape(&cell.text).replace(',', ",<wbr>").replace(",<wbr> ", ", ");
        match cell.link.as_ref().and_then(|link| self.target(link)) {
            Some(target) if !cell.text.is_empty() => format!("<a href=\"#{target}\">{text}</a>"),
            _ => text,
        }
    }

    /// A section's heading, which a link can lead to.
    pub(super) fn heading(&self, text: &mut String, id: &str, title: &str) {
        let _ = writeln!(text, "<h2 id=\"{}{id}\">{}</h2>", self.prefix, escape(title));
    }

    /// A table that can be moved sideways where the page is narrow.
    pub(super) fn table(&self, text: &mut String, grid: &Grid) {
        let class = |right: bool| if right { " class=\"n\"" } else { "" };
        text.push_str("<div class=\"scroll\" tabindex=\"0\"><table>\n");
        if grid.columns.iter().any(|column| !column.name.is_empty()) {
            text.push_str("<tr>");
            for column in &grid.columns {
                let name = escape(&column.name.replace('`', ""));
                let _ = write!(text, "<th{}>{name}</th>", class(column.right));
            }
            text.push_str("</tr>\n");
        }
        for row in &grid.rows {
            match &row.anchor {
                Some(anchor) => {
                    let _ = write!(text, "<tr id=\"{}{anchor}\">", self.prefix);
                }
                None => text.push_str("<tr>"),
            }
            for (cell, column) in row.cells.iter().zip(&grid.columns) {
                let tone = match cell.text.as_str() {
                    "failed" | "FAILED" | "INVALID" => Some("bad"),
                    "unknown" | "unstable" | "not held" => Some("doubt"),
                    _ => None,
                };
                let class = match (column.right, tone) {
                    (true, Some(tone)) => format!(" class=\"n {tone}\""),
                    (false, Some(tone)) => format!(" class=\"{tone}\""),
                    (right, None) => class(right).to_owned(),
                };
                let _ = write!(text, "<td{class}>{}</td>", self.cell(cell));
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</table></div>\n");
        if !grid.note.is_empty() {
            let _ = writeln!(text, "<p class=\"quiet\">{}.</p>", escape(&grid.note));
        }
    }
}

/// Text that cannot be mistaken for markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Text for a data address: all but plain letters and digits by their numbers.
pub(super) fn percent(text: &str) -> String {
    let mut coded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~,:".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            let _ = write!(coded, "%{byte:02X}");
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("<b>\"&"), "&lt;b&gt;&quot;&amp;");
        assert_eq!(percent("a b\"%"), "a%20b%22%25");
    }
}
