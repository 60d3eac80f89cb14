//! Latency against images a second, by streams and batch.

use std::collections::BTreeMap;

use plotters::style::text_anchor::HPos;

use super::super::format::{bound as bound_text, held_bound};
use super::{
    ChartError,
    canvas::{self, Drawn, INK, Look, Place, TOP, along, legend, legend_height, write},
    plane::{Axis, BELOW, Plane},
};
use crate::record::{Arm, Record};

const HIGH: i32 = 380;

/// One point of a curve.
#[derive(Debug, Clone, Copy)]
struct Dot {
    rate: f64,
    ms: f64,
    streams: usize,
    batch: usize,
}

/// The points of every arm that has more than one, those of one batch joined by a line.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let arms: Vec<(usize, &Arm, Vec<Dot>)> = record
        .arms
        .iter()
        .enumerate()
        .map(|(place, arm)| (place, arm, dots(arm)))
        .filter(|(.., dots)| dots.len() > 1)
        .collect();
    if arms.is_empty() {
        return Err(ChartError(
            "no arm of this record has a curve of more than one point with a 99th percentile".to_owned(),
        ));
    }
    let labels: Vec<&str> = arms.iter().map(|(_, arm, _)| arm.label.as_str()).collect();
    let looks: Vec<Look> = arms.iter().map(|(place, ..)| Look::of(*place)).collect();
    let top = TOP + legend_height(&labels) + 30;
    let bound = held_bound(record);
    canvas::sheet(
        top + HIGH + BELOW,
        "Latency against throughput, right and low are better",
        "Each point: streams x batch. More work at a time gives more images, and each waits longer.",
        |area| {
            legend(area, &labels, &looks, TOP)?;
            let all = arms.iter().flat_map(|(.., dots)| dots.iter());
            let plane = Plane {
                area,
                x: Axis::for_values("images/s", all.clone().map(|dot| dot.rate), 8.0),
                y: Axis::for_values(
                    "p99 of a photo's time, ms",
                    all.map(|dot| dot.ms).chain(bound.map(|bound| bound.ms)),
                    8.0,
                ),
                top,
                bottom: top + HIGH,
            };
            plane.frame()?;
            let mut taken: Vec<Place> = Vec::new();
            for ((.., dots), look) in arms.iter().zip(&looks) {
                taken.extend(lines(&plane, dots, *look)?);
            }
            if let Some(bound) = bound.filter(|bound| plane.y.holds(bound.ms)) {
                let name = format!("bound: {}", bound_text(&bound));
                let named = plane.level(bound.ms, &name, &taken)?;
                taken.push(named);
                let ends = [plane.point(f64::MIN, bound.ms), plane.point(f64::MAX, bound.ms)];
                taken.extend(along(&ends));
            }
            for (.., dots) in &arms {
                names(&plane, dots, &mut taken)?;
            }
            Ok(())
        },
    )
}

fn dots(arm: &Arm) -> Vec<Dot> {
    let dot = |point: &crate::record::CurvePoint| {
        Some(Dot {
            rate: point.images_per_second?.median,
            ms: point.latency_ms?.p99?,
            streams: point.streams,
            batch: point.batch,
        })
    };
    arm.figures.curve.iter().filter_map(dot).collect()
}

/// Draws the lines and marks, and returns the places that they take.
fn lines(plane: &Plane<'_, '_>, dots: &[Dot], look: Look) -> Result<Vec<Place>, Box<dyn std::error::Error>> {
    let mut batches: BTreeMap<usize, Vec<&Dot>> = BTreeMap::new();
    for dot in dots {
        batches.entry(dot.batch).or_default().push(dot);
    }
    let mut taken = Vec::new();
    for mut dots in batches.into_values() {
        dots.sort_by_key(|dot| dot.streams);
        let points: Vec<(i32, i32)> = dots.iter().map(|dot| plane.point(dot.rate, dot.ms)).collect();
        taken.extend(along(&points));
        taken.extend(points.iter().map(|(x, y)| (x - 6, y - 6, x + 6, y + 6)));
        if points.len() > 1 {
            look.line(plane.area, points.clone())?;
        }
        for point in points {
            look.mark(plane.area, point)?;
        }
    }
    Ok(taken)
}

/// The points' names, each where nothing else is; a name without such a place is left to the table.
fn names(plane: &Plane<'_, '_>, dots: &[Dot], taken: &mut Vec<Place>) -> Drawn {
    for dot in dots {
        let name = format!("{}x{}", dot.streams, dot.batch);
        let (x, y) = plane.point(dot.rate, dot.ms);
        let wide = canvas::width(&name, 12.0);
        let beside = |left: i32, middle: i32| (left, middle - 7, left + wide, middle + 7);
        let free = [
            beside(x - wide / 2, y - 15),
            beside(x - wide / 2, y + 15),
            beside(x + 9, y + 9),
            beside(x - 9 - wide, y - 9),
            beside(x + 9, y - 9),
            beside(x - 9 - wide, y + 9),
            beside(x + 10, y),
        ]
        .into_iter()
        .find(|place| {
            place.0 >= Plane::left()
                && place.2 <= Plane::right() + 30
                && place.1 >= plane.top
                && place.3 <= plane.bottom
                && canvas::covered(place, taken) == 0
        });
        if let Some(place) = free {
            write(
                plane.area,
                &name,
                (place.0, i32::midpoint(place.1, place.3)),
                12.0,
                INK,
                HPos::Left,
            )?;
            taken.push(place);
        }
    }
    Ok(())
}
