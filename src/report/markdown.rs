//! A record as Markdown: the same tables, as GitHub draws them.

use std::fmt::Write;

use super::{
    answer,
    content::{arms, remarks, sections},
    format::headline,
    grid::Grid,
};
use crate::record::Record;

/// `record` as Markdown, the answer first; without one it is drawn from the record.
pub fn render(record: &Record, answer: Option<&str>) -> String {
    let mut text = String::new();
    let sentence = answer.map_or_else(|| answer::general(record), str::to_owned);
    let name = record.name.as_ref().unwrap_or(&record.workload.dataset.name);
    let _ = write!(
        text,
        "# facebench: {}\n\n{}\n\n{}\n",
        escape(name),
        escape(&sentence),
        escape(&headline(record))
    );
    table(&mut text, &arms::grid(record));
    let remarks = remarks::list(record);
    if !remarks.is_empty() {
        text.push_str("\n## Remarks\n\n");
    }
    for remark in remarks {
        let _ = writeln!(text, "- {}", escape(&remark.text));
        for detail in remark.details {
            let _ = writeln!(text, "  - {}", escape(&detail));
        }
    }
    for (_, grid) in sections(record) {
        table(&mut text, &grid);
    }
    text
}

fn table(text: &mut String, grid: &Grid) {
    let _ = writeln!(text, "\n## {}\n", grid.title);
    let line = |text: &mut String, cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(
        text,
        grid.columns
            .iter()
            .map(|column| escape(&column.name.replace('`', "")))
            .collect(),
    );
    let ruled = grid
        .columns
        .iter()
        .map(|column| if column.right { "---:" } else { "---" }.to_owned());
    line(text, ruled.collect());
    for row in &grid.rows {
        line(text, row.cells.iter().map(|cell| escape(&cell.text)).collect());
    }
    if !grid.note.is_empty() {
        let _ = writeln!(text, "\n{}.", escape(&grid.note));
    }
}

/// Text that cannot be mistaken for markup, on one line.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;

    #[test]
    fn a_plain_record_as_markdown() {
        insta::assert_snapshot!("plain", render(&record(fixture::plain()), None));
    }

    #[test]
    fn every_row_has_the_cells_of_its_head() {
        let text = render(&record(fixture::full()), Some("An | answer\nwith <b>"));
        assert!(text.contains("An \\| answer with &lt;b&gt;"), "{text}");
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines
            .windows(2)
            .filter(|pair| pair.iter().all(|line| line.starts_with('|')))
        {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
        }
    }
}
