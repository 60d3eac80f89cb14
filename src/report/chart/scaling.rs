//! Images a second against streams, beside what streams without any loss would give.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    ChartError,
    canvas::{self, Line, Look, QUIET, TOP, legend, legend_height, write},
    plane::{Axis, BELOW, Plane},
};
use crate::record::{Arm, Record};

const HIGH: i32 = 320;

/// One line for each arm, of the points with a batch of 1, and a thin line for its ideal.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let arms: Vec<Line<'_>> = record
        .arms
        .iter()
        .enumerate()
        .map(|(place, arm)| (place, arm.label.as_str(), points(arm)))
        .filter(|(.., points)| points.len() > 1)
        .collect();
    if arms.is_empty() {
        return Err(ChartError(
            "no arm of this record has a curve of more than one point with a batch of 1".to_owned(),
        ));
    }
    let labels: Vec<&str> = arms.iter().map(|(_, label, _)| *label).collect();
    let looks: Vec<Look> = arms.iter().map(|(place, ..)| Look::of(*place)).collect();
    let top = TOP + legend_height(&labels) + 22 + 30;
    canvas::sheet(
        top + HIGH + BELOW,
        "Images per second by streams, more is better",
        "One photo at a time in each stream. Where the line leaves its ideal, more streams stop helping.",
        |area| {
            legend(area, &labels, &looks, TOP)?;
            let note = "thin grey: the ideal, twice the streams twice the images";
            write(area, note, (canvas::EDGE, top - 46), 13.0, QUIET, HPos::Left)?;
            let plane = Plane {
                area,
                x: streams_axis(&arms),
                y: Axis::for_values(
                    "images/s",
                    arms.iter().flat_map(|(.., points)| {
                        let ends = points.first().zip(points.last());
                        let ideal = ends.map(|(first, last)| first.1 * last.0 / first.0);
                        points.iter().map(|(_, rate)| *rate).chain(ideal)
                    }),
                    // Both axes by multiples: then the ideal is straight, and arms of any speed can be compared.
                    1.0,
                ),
                top,
                bottom: top + HIGH,
            };
            plane.frame()?;
            for ((.., points), look) in arms.iter().zip(&looks) {
                let (first, last) = (points[0], points[points.len() - 1]);
                let ideal = [
                    plane.point(first.0, first.1),
                    plane.point(last.0, first.1 * last.0 / first.0),
                ];
                area.draw(&PathElement::new(ideal, QUIET.stroke_width(1)))?;
                let points: Vec<(i32, i32)> = points
                    .iter()
                    .map(|(streams, rate)| plane.point(*streams, *rate))
                    .collect();
                look.line(area, points.clone())?;
                for point in points {
                    look.mark(area, point)?;
                }
            }
            Ok(())
        },
    )
}

/// Ticks at the numbers of streams that were measured.
fn streams_axis(arms: &[Line<'_>]) -> Axis {
    let mut streams: Vec<f64> = arms
        .iter()
        .flat_map(|(.., points)| points.iter().map(|(streams, _)| *streams))
        .collect();
    streams.sort_by(f64::total_cmp);
    streams.dedup();
    let ends = (streams[0], streams[streams.len() - 1]);
    // Numbers close to the one before would be written over it.
    let mut last = 0.0;
    streams.retain(|at| {
        let far = *at >= last * 1.15;
        if far {
            last = *at;
        }
        far
    });
    let ticks = streams.into_iter().map(|at| (at, format!("{at}"))).collect();
    Axis::with_ticks("streams (logarithmic scale)", true, ends, ticks)
}

/// Streams and images a second.
fn points(arm: &Arm) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = arm
        .figures
        .curve
        .iter()
        .filter(|point| point.batch == 1 && point.streams > 0)
        .filter_map(|point| Some((point.streams as f64, point.images_per_second?.median)))
        .filter(|(_, rate)| *rate > 0.0)
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| (a.0 - b.0).abs() < 0.5);
    points
}
