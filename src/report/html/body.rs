//! One record's part of a page: the answer, the first screen, then section by section what is behind it.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::{
    chart::ChartError,
    content::{Section, arms, blocks, remarks, sections},
    format::headline,
    grid::{Grid, blocks_anchor},
    published::Published,
    visible::visible,
};
use super::{decide, figures, links::Links};
use crate::record::Record;

/// What a data address must spell by numbers: all but letters, digits and these.
const CODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b':');

/// All of it; `prefix` stands before its ids.
pub(super) fn part(
    record: &Record,
    answer: &str,
    published: &[Published],
    prefix: &str,
) -> Result<Markup, ChartError> {
    // What is shown; the download is the record as it is.
    let (whole, record) = (record, &*visible(record));
    let arms = arms::grid(record);
    let sections = sections(record);
    let links = &Links::new(record, &arms, &sections, prefix);
    Ok(html! {
        p.answer { (answer) }
        p.quiet { a href={ "#" (prefix) "method" } { (headline(record)) } }
        (decide::first_screen(record, links))
        (contents(prefix, &arms, &sections))
        (figures::section(record, published, links)?)
        @if !arms.rows.is_empty() {
            (links.heading("arms", arms.title))
            (links.table(&arms))
        }
        (remarks_of(record, links))
        @for (section, grid) in &sections {
            (links.heading(section.id, grid.title))
            (links.table(grid))
        }
        (raw(record, links))
        (download(whole, &record.id, links))
    })
}

fn contents(prefix: &str, arms: &Grid, sections: &[(&'static Section, Grid)]) -> Markup {
    let mut entries = vec![("charts", "Charts")];
    if !arms.rows.is_empty() {
        entries.push(("arms", arms.title));
    }
    entries.extend(sections.iter().map(|(section, grid)| (section.id, grid.title)));
    entries.push(("blocks", "Raw blocks"));
    html! {
        nav {
            @for (id, title) in entries {
                a href={ "#" (prefix) (id) } { (title) } " "
            }
            a href="#rules" { "Rules" }
        }
    }
}

fn remarks_of(record: &Record, links: &Links) -> Markup {
    let remarks = remarks::list(record);
    html! {
        (links.heading("remarks", "Remarks"))
        @if remarks.is_empty() {
            p { "None: every check passed, and nothing was left out." }
        } @else {
            ul {
                @for remark in remarks {
                    li {
                        (remark.text)
                        @for detail in remark.details {
                            div.quiet { (detail) }
                        }
                    }
                }
            }
        }
    }
}

fn raw(record: &Record, links: &Links) -> Markup {
    let tables = record
        .arms
        .iter()
        .enumerate()
        .filter_map(|(place, arm)| Some((place, arm, blocks::grid(arm)?)));
    html! {
        (links.heading("blocks", "Raw blocks"))
        @for (place, arm, grid) in tables {
            details id={ (links.prefix) (blocks_anchor(place)) } {
                summary { (arm.label) ": " (arm.blocks.len()) " blocks" }
                (links.table(&grid))
            }
        }
    }
}

fn download(record: &Record, id: &str, links: &Links) -> Markup {
    let json = serde_json::to_string(record).unwrap_or_default();
    let data = utf8_percent_encode(&json, CODED);
    let file = format!("{id}.json");
    html! {
        (links.heading("record", "Record"))
        p {
            a download=(file) href={ "data:application/json;charset=utf-8," (data) } { "The whole record, " (file) }
            ": every raw block, so that each figure here can be computed again."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_in_an_address_ends_nowhere_early() {
        assert_eq!(
            utf8_percent_encode("a b\"%#é", CODED).to_string(),
            "a%20b%22%25%23%C3%A9"
        );
    }
}
