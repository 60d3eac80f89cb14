//! Tables as plain data: the same content for the terminal, Markdown and the page.

use super::format::NONE;

/// One table.
#[derive(Debug)]
pub(super) struct Grid {
    /// Its title: a heading in pages, the first column's head in the terminal.
    pub(super) title: &'static str,
    /// How to read it; may be empty.
    pub(super) note: String,
    /// Its columns, that of the arms first.
    pub(super) columns: Vec<Column>,
    /// Its rows.
    pub(super) rows: Vec<Row>,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    /// Its head.
    pub(super) name: String,
    /// Whether it holds numbers, which are aligned to the right.
    pub(super) right: bool,
}

/// One row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Where links to this row lead.
    pub(super) anchor: Option<String>,
    /// One for each column.
    pub(super) cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// The text shown.
    pub(super) text: String,
    /// The check, rule or measurement behind it.
    pub(super) link: Option<Link>,
}

/// Where a number comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// A rule, by its name.
    Rule(&'static str),
    /// A place in the record's own part of the page.
    Local(String),
}

/// A column of text.
pub(super) fn column(name: impl Into<String>) -> Column {
    Column {
        name: name.into(),
        right: false,
    }
}

/// A column of numbers.
pub(super) fn numbers(name: impl Into<String>) -> Column {
    Column {
        name: name.into(),
        right: true,
    }
}

impl Cell {
    /// Text without a link.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            link: None,
        }
    }

    /// Text with a link to a rule.
    pub(super) fn rule(text: impl Into<String>, rule: &'static str) -> Self {
        Self {
            text: text.into(),
            link: Some(Link::Rule(rule)),
        }
    }

    /// Text with a link to a place in the record's part.
    pub(super) fn local(text: impl Into<String>, place: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            link: Some(Link::Local(place.into())),
        }
    }

    /// An empty cell: no figure.
    pub(super) fn none() -> Self {
        Self::plain(NONE)
    }
}

/// Where links find the raw blocks of an arm.
pub(super) fn blocks_anchor(arm: usize) -> String {
    format!("blocks-{arm}")
}

/// Where links find a check of an arm, or of the study.
pub(super) fn check_anchor(arm: Option<usize>, check: usize) -> String {
    arm.map_or_else(
        || format!("check-study-{check}"),
        |arm| format!("check-{arm}-{check}"),
    )
}

/// Where links find an arm's points of the curve, its search, its latency or its stages.
pub(super) fn anchor(what: &str, arm: usize) -> String {
    format!("{what}-{arm}")
}
