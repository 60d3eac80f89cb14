//! Charts in SVG, one file each: what a record shows better than its tables.

mod canvas;
mod curve;
mod latency;
mod plane;
mod scaling;
mod stages;
mod tenants;
mod throughput;
mod time;

use thiserror::Error;

use super::{published::Published, visible::visible};
use crate::record::Record;

/// Why there is no chart.
#[derive(Debug, Error)]
#[error("the chart cannot be drawn: {0}")]
pub struct ChartError(pub(super) String);

/// What a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// Images a second of each arm.
    Throughput,
    /// Latency by percentile.
    Latency,
    /// Where the time of a photo goes.
    Stages,
    /// Images a second of each block, in the order in which they were measured.
    Time,
    /// Latency against images a second.
    Curve,
    /// Images a second against streams.
    Scaling,
    /// Tenants of one device against their number.
    Tenants,
}

impl ChartKind {
    /// Every chart, in the order in which pages show them.
    pub const ALL: [Self; 7] = [
        Self::Throughput,
        Self::Latency,
        Self::Curve,
        Self::Scaling,
        Self::Tenants,
        Self::Stages,
        Self::Time,
    ];
}

/// One chart of `record`; `published` figures stand in that of the throughput, in grey.
pub fn draw(kind: ChartKind, record: &Record, published: &[Published]) -> Result<String, ChartError> {
    draw_visible(kind, &visible(record), published)
}

/// The same of a record that [`visible`] gave.
pub(super) fn draw_visible(
    kind: ChartKind,
    record: &Record,
    published: &[Published],
) -> Result<String, ChartError> {
    match kind {
        ChartKind::Throughput => throughput::draw(record, published),
        ChartKind::Latency => latency::draw(record),
        ChartKind::Stages => stages::draw(record),
        ChartKind::Time => time::draw(record),
        ChartKind::Curve => curve::draw(record),
        ChartKind::Scaling => scaling::draw(record),
        ChartKind::Tenants => tenants::draw(record),
    }
}

/// The arms of `record`, and the `published` figures in grey, one bar each.
pub fn throughput(record: &Record, published: &[Published]) -> Result<String, ChartError> {
    draw(ChartKind::Throughput, record, published)
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, published::DEMO_2019, tests::record};
    use super::*;

    #[test]
    fn a_full_record_has_every_chart() {
        let full = record(fixture::full());
        // The chart of tenants needs a study of tenants.
        for kind in ChartKind::ALL
            .into_iter()
            .filter(|kind| *kind != ChartKind::Tenants)
        {
            let svg = draw(kind, &full, &DEMO_2019).unwrap();
            assert!(svg.starts_with("<svg") && svg.contains("aria-label"), "{kind:?}");
            assert!(
                svg.contains("is better") || svg.contains("are better"),
                "{kind:?} says no direction"
            );
            // Nothing is drawn left of the picture, above it or at no number.
            assert!(!svg.contains("NaN") && !svg.contains("x=\"-"), "{kind:?}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_says_why() {
        let plain = record(fixture::plain());
        for kind in [ChartKind::Curve, ChartKind::Scaling] {
            let why = draw(kind, &plain, &[]).unwrap_err().to_string();
            assert!(why.contains("more than one point"), "{why}");
        }
        let mut empty = plain;
        empty.arms.clear();
        for kind in ChartKind::ALL {
            assert!(draw(kind, &empty, &[]).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn markup_in_labels_stays_text() {
        let mut full = record(fixture::full());
        for (place, arm) in full.arms.iter_mut().enumerate() {
            arm.label = format!("<script>{place}&");
        }
        for kind in ChartKind::ALL
            .into_iter()
            .filter(|kind| *kind != ChartKind::Tenants)
        {
            let svg = draw(kind, &full, &[]).unwrap();
            assert!(!svg.contains("<script"), "{kind:?}");
        }
    }
}
