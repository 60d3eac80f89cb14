//! A record as Markdown: the same tables, as GitHub draws them.

use std::fmt::Write;

use super::{
    answer,
    content::{arms, remarks, sections},
    format::headline,
    grid::Grid,
    visible::visible,
};
use crate::{record::Record, text};

/// `record` as Markdown, the answer first; without one it is drawn from the record.
pub fn render(record: &Record, answer: Option<&str>) -> String {
    let record = &*visible(record);
    let mut text = String::new();
    let sentence = answer.map_or_else(|| answer::general(record), str::to_owned);
    let name = record.name.as_ref().unwrap_or(&record.workload.dataset.name);
    let _ = write!(
        text,
        "# facebench: {}\n\n{}\n\n{}\n",
        escape(name),
        paragraph(&sentence),
        paragraph(&headline(record))
    );
    table(&mut text, &arms::grid(record));
    let remarks = remarks::list(record);
    if !remarks.is_empty() {
        text.push_str("\n## Remarks\n\n");
    }
    for remark in remarks {
        let _ = writeln!(text, "- {}", paragraph(&remark.text));
        for detail in remark.details {
            let _ = writeln!(text, "  - {}", paragraph(&detail));
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

/// Text that cannot be mistaken for markup, on one line. GitHub makes links of bare addresses, and calls people and
/// issues by `@name` and `#1`: these are kept from it too.
fn escape(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let text = text::visible(&text);
    let mut safe = String::with_capacity(text.len());
    let mut before = ' ';
    for (place, c) in text.char_indices() {
        let rest = &text[place..];
        match c {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' | '$' | '!' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            ':' if rest.starts_with("://") => safe.push_str("\\:"),
            '.' if before.eq_ignore_ascii_case(&'w') => safe.push_str("\\."),
            // An empty comment parts the sign from the name; `100ms@p99` is neither a person nor an address.
            '@' if calls(before, &rest[1..]) => safe.push_str("@<!-- -->"),
            c => safe.push(c),
        }
        before = c;
    }
    safe
}

/// Whether an `@` between these makes a call of a person or an address of mail.
fn calls(before: char, rest: &str) -> bool {
    let word = rest.split(' ').next().unwrap_or_default();
    !word.is_empty() && (!before.is_alphanumeric() || word.contains('.'))
}

/// [`escape`] for the head of a line, where a list would begin.
fn paragraph(text: &str) -> String {
    let safe = escape(text);
    let digits = safe.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = safe.split_at(digits);
    let begins = |marks: &[&str]| marks.iter().any(|mark| rest.starts_with(mark));
    let is_list = if number.is_empty() {
        begins(&["- ", "+ "])
    } else {
        begins(&[". ", ") "])
    };
    if is_list {
        format!("{number}\\{rest}")
    } else {
        safe
    }
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

    #[test]
    fn nothing_becomes_a_link_a_list_or_a_call() {
        for (text, safe) in [
            ("see https://x.y and www.z", "see https\\://x.y and www\\.z"),
            (
                "@team, a@b.example, 100ms@p99",
                "@<!-- -->team, a@<!-- -->b.example, 100ms@p99",
            ),
            ("#12 $x$ ![a](b)", "\\#12 \\$x\\$ \\!\\[a\\](b)"),
            ("CPU @ 2.5GHz", "CPU @ 2.5GHz"),
            ("a\u{1b}b\nc", "a\\\\u001bb c"),
        ] {
            assert_eq!(escape(text), safe);
        }
        for (text, safe) in [
            ("- one", "\\- one"),
            ("1. one", "1\\. one"),
            ("-1.5", "-1.5"),
            ("12", "12"),
        ] {
            assert_eq!(paragraph(text), safe);
        }
    }
}
