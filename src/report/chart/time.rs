//! Images a second of each block, in the order in which they were measured.

use super::{
    ChartError,
    canvas::{self, Line, Look, TOP, legend, legend_height},
    plane::{Axis, BELOW, Plane},
};
use crate::record::{Arm, Record};

const HIGH: i32 = 280;

/// One line per arm.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let arms: Vec<Line<'_>> = record
        .arms
        .iter()
        .enumerate()
        .map(|(place, arm)| (place, arm.label.as_str(), speeds(arm)))
        .filter(|(.., speeds)| !speeds.is_empty())
        .collect();
    if arms.is_empty() {
        return Err(ChartError("no arm of this record has raw blocks".to_owned()));
    }
    let labels: Vec<&str> = arms.iter().map(|(_, label, _)| *label).collect();
    let looks: Vec<Look> = arms.iter().map(|(place, ..)| Look::of(*place)).collect();
    let top = TOP + legend_height(&labels) + 30;
    let last = arms
        .iter()
        .flat_map(|(.., speeds)| speeds.iter().map(|(order, _)| *order))
        .fold(0.0, f64::max);
    canvas::sheet(
        top + HIGH + BELOW,
        "Speed over the study, level is better",
        "Each mark is a block. A line that climbs or falls: the machine changed while it was measured.",
        |area| {
            legend(area, &labels, &looks, TOP)?;
            let values = arms
                .iter()
                .flat_map(|(.., speeds)| speeds.iter().map(|(_, speed)| *speed));
            let step = (last / 12.0).ceil().max(1.0);
            let ticks = (0..=12)
                .map(|n| 1.0 + f64::from(n) * step)
                .filter(|at| *at <= last)
                .map(|at| (at, format!("{at}")))
                .collect();
            let plane = Plane {
                area,
                x: Axis::with_ticks(
                    "block, in the order of measuring",
                    false,
                    (0.0, last + 1.0),
                    ticks,
                ),
                y: Axis::for_values("images/s", values, 8.0),
                top,
                bottom: top + HIGH,
            };
            plane.frame()?;
            for ((.., speeds), look) in arms.iter().zip(&looks) {
                let points: Vec<(i32, i32)> = speeds
                    .iter()
                    .map(|(order, speed)| plane.point(*order, *speed))
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

/// Order from 1, and images a second.
fn speeds(arm: &Arm) -> Vec<(f64, f64)> {
    let mut speeds: Vec<(f64, f64)> = arm
        .blocks
        .iter()
        .filter(|block| block.seconds > 0.0)
        .map(|block| (block.order as f64 + 1.0, block.images as f64 / block.seconds))
        .collect();
    speeds.sort_by(|a, b| a.0.total_cmp(&b.0));
    speeds
}
