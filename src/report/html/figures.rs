//! The charts of a page: those that the record has figures for.

use std::fmt::Write;

use super::super::{
    chart::{self, ChartError, Kind},
    published::Published,
};
use super::markup::{Links, escape};
use crate::record::Record;

/// Every chart that can be drawn. Where nothing was measured there is none, and the page says so.
pub(super) fn write(
    text: &mut String,
    record: &Record,
    published: &[Published],
    links: &Links,
) -> Result<(), ChartError> {
    links.heading(text, "charts", "Charts");
    if record.arms.iter().all(|arm| arm.throughput.is_none()) && published.is_empty() {
        text.push_str("<p>Nothing was measured that could be drawn.</p>\n");
        return Ok(());
    }
    for kind in Kind::ALL {
        let svg = match chart::draw(kind, record, published) {
            Ok(svg) => svg,
            // The bars are there for every record; all others need figures that not every study has.
            Err(error) if kind == Kind::Throughput => return Err(error),
            Err(_) => continue,
        };
        let _ = writeln!(text, "<figure tabindex=\"0\">{svg}</figure>");
        if let Some(figure) = published.first().filter(|_| kind == Kind::Throughput) {
            let _ = writeln!(
                text,
                "<p class=\"quiet\">Grey bars: {}.</p>",
                escape(figure.source)
            );
        }
    }
    Ok(())
}
