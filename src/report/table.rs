//! A record as tables for the terminal: the headline, its remarks, then what is behind it.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{
    content::{arms, remarks, sections},
    format::headline,
    grid::{Column, Grid},
    visible::visible,
};
use crate::{record::Record, text};

/// `record` as text, a line break at its end.
pub fn render(record: &Record) -> String {
    let record = &*visible(record);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}\n\n{}\n",
        headline(record),
        plain(&arms::grid(record), "ARM")
    );
    let remarks = remarks::list(record);
    for remark in &remarks {
        let _ = writeln!(text, "{}", remark.text);
        for detail in &remark.details {
            let _ = writeln!(text, "  {detail}");
        }
    }
    if !remarks.is_empty() {
        text.push('\n');
    }
    for (section, grid) in sections(record) {
        if section.in_terminal() {
            let _ = writeln!(text, "{}\n", plain(&grid, &capitals(grid.title)));
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A table without lines, numbers to the right; its rows end where their last cell ends.
pub(super) fn plain(grid: &Grid, title: &str) -> String {
    let head = |(place, column): (usize, &Column)| {
        if place == 0 {
            title.to_owned()
        } else {
            text::visible(&capitals(&column.name)).into_owned()
        }
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(grid.columns.iter().enumerate().map(head).collect::<Vec<_>>())
        .add_rows(
            grid.rows
                .iter()
                .map(|row| row.cells.iter().map(|cell| text::visible(&cell.text))),
        );
    for (column, made) in grid.columns.iter().zip(table.column_iter_mut()) {
        if column.right {
            made.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The head of a column in capitals, but for labels and units, which stand between backticks.
fn capitals(name: &str) -> String {
    let parts = name.split('`').enumerate();
    parts
        .map(|(place, part)| {
            if place % 2 == 1 {
                part.to_owned()
            } else {
                part.to_uppercase()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{content::tune, fixture, tests::record};
    use super::*;

    #[test]
    fn a_full_record_as_tables() {
        insta::assert_snapshot!("full", render(&record(fixture::full())));
    }

    #[test]
    fn a_plain_record_as_tables() {
        insta::assert_snapshot!("plain", render(&record(fixture::plain())));
    }

    #[test]
    fn a_server_study_tells_response_from_service() {
        let text = render(&record(fixture::server()));
        assert!(
            text.contains("QUERIES/S") && text.contains("response") && text.contains("service"),
            "{text}"
        );
        assert!(text.contains("IMAGES/S AT P99<=100ms"), "{text}");
    }

    #[test]
    fn arms_of_a_merged_record_name_their_study() {
        let text = render(&record(fixture::merged()));
        assert!(
            text.contains("metal") && text.contains("Other CPU") && text.contains("01234567"),
            "{text}"
        );
    }

    #[test]
    fn a_search_is_a_table_too() {
        let record = record(fixture::tuned());
        let grid = plain(&tune::grid(&record).unwrap(), "SEARCH");
        insta::assert_snapshot!(grid, @r"
        SEARCH                    STREAMS  THREADS  BATCH  ROUNDS  IMAGES/S  P50 ms  P99 ms  OUTCOME
        cpu,streams=4,threads=1         4        1      1       2       173    5.78    11.0  chosen
        cpu,streams=8,threads=1         8        1      1       2       118    8.47    16.1  came to the end
        cpu,streams=1,threads=1         1        1      1       1      22.0    45.5    86.4  dropped after round 1
        cpu,streams=16,threads=1       16        1      1       0         -       -       -  failed: the worker died
        ");
        assert!(render(&record).contains("SEARCH FOR THE BEST SETTING"));
    }

    #[test]
    fn labels_and_units_keep_their_letters() {
        assert_eq!(capitals("`x cpu,batch=2`"), "x cpu,batch=2");
        assert_eq!(capitals("p50 `ms`"), "P50 ms");
    }
}
