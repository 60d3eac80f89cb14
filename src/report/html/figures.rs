//! The charts of a page: those that the record has figures for.

use maud::{Markup, PreEscaped, html};

use super::super::{
    chart::{self, ChartError, ChartKind},
    published::Published,
};
use super::links::Links;
use crate::record::Record;

/// Every chart that can be drawn. Where nothing was measured there is none, and a sentence in its place.
pub(super) fn section(record: &Record, published: &[Published], links: &Links) -> Result<Markup, ChartError> {
    let mut charts = Vec::new();
    if record.arms.iter().any(|arm| arm.figures.throughput.is_some()) || !published.is_empty() {
        for kind in ChartKind::ALL {
            match chart::draw_visible(kind, record, published) {
                Ok(svg) => charts.push((kind, svg)),
                // The bars are there for every record; all others need figures that not every study has.
                Err(error) if kind == ChartKind::Throughput => return Err(error),
                Err(_) => {}
            }
        }
    }
    Ok(html! {
        (links.heading("charts", "Charts"))
        @if charts.is_empty() {
            p { "Nothing was measured that could be drawn." }
        }
        @for (kind, svg) in &charts {
            figure tabindex="0" { (PreEscaped(svg)) }
            @if let Some(figure) = published.first().filter(|_| *kind == ChartKind::Throughput) {
                p.quiet { "Grey bars: " (figure.source) "." }
            }
        }
    })
}
