//! Images a second as bars with intervals.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::super::{
    format::{interval, number, ratio, status},
    published::Published,
};
use super::{
    ChartError,
    canvas::{self, Area, BLUE, Drawn, EDGE, INK, OTHERS, QUIET, TOP, VERMILLION, WIDTH, fit, write},
};
use crate::record::{Record, Status};

const ROW: i32 = 78;

/// One bar: what was measured, or what others published.
struct Bar {
    label: String,
    value: f64,
    shown: String,
    times: String,
    interval: Option<(f64, f64)>,
    note: String,
    color: RGBColor,
    published: bool,
}

/// The arms of `record`, and the `published` figures in grey, one bar each.
pub(super) fn draw(record: &Record, published: &[Published]) -> Result<String, ChartError> {
    let bars: Vec<Bar> = measured(record).into_iter().chain(others(published)).collect();
    if bars.is_empty() {
        return Err(ChartError("no arm of this record has images a second".to_owned()));
    }
    let rows = i32::try_from(bars.len()).unwrap_or(i32::MAX / ROW - 10);
    let height = TOP + 6 + ROW * rows + 28;
    canvas::sheet(
        height,
        "Images per second, more is better",
        "Whiskers: 95 % interval, from the means of the processes.",
        |area| {
            let mut top = TOP + 6;
            let longest = bars
                .iter()
                .map(|bar| bar.interval.map_or(bar.value, |(_, high)| high.max(bar.value)))
                .fold(f64::MIN_POSITIVE, f64::max);
            for bar in &bars {
                self::bar(area, bar, longest, top)?;
                top += ROW;
            }
            let plan = &record.plan;
            let foot = format!(
                "{} photos, {} host cores, {} processes x {} blocks",
                record.workload.dataset.images, plan.host_cores, plan.processes, plan.blocks
            );
            write(area, &foot, (EDGE, top + 10), 13.0, QUIET, HPos::Left)
        },
    )
}

fn measured(record: &Record) -> Vec<Bar> {
    let bar = |arm: &crate::record::Arm| {
        let estimate = arm.figures.throughput.as_ref()?.images_per_second;
        let valid = arm.figures.status == Status::Valid;
        let comparison = record.comparisons.iter().find(|c| c.arm == arm.label);
        let times = comparison.map_or_else(String::new, |c| {
            let sure = c
                .ratio
                .low
                .map_or_else(String::new, |_| format!(" ({})", interval(&c.ratio)));
            format!(
                "{} x {}{sure}",
                ratio(c.ratio.median),
                fit(&c.baseline, 130, 12.0)
            )
        });
        let worth = if valid { "" } else { status(arm.figures.status) };
        let between = if valid { "" } else { ": " };
        let sure = if estimate.low.is_some() {
            format!("95 %: {}", interval(&estimate))
        } else {
            "no interval from one process".to_owned()
        };
        Some(Bar {
            label: arm.label.clone(),
            value: estimate.median,
            shown: number(estimate.median),
            times,
            interval: estimate.low.zip(estimate.high),
            note: format!("{worth}{between}measured here, {sure}"),
            color: if valid { BLUE } else { VERMILLION },
            published: false,
        })
    };
    record.arms.iter().filter_map(bar).collect()
}

fn others(published: &[Published]) -> impl Iterator<Item = Bar> {
    published.iter().map(|figure| Bar {
        label: figure.label.to_owned(),
        value: figure.images_per_second,
        // With the digits that were published.
        shown: figure.images_per_second.to_string(),
        times: String::new(),
        interval: None,
        note: "published by others, not measured here".to_owned(),
        color: OTHERS,
        published: true,
    })
}

fn bar(area: &Area<'_>, bar: &Bar, longest: f64, top: i32) -> Drawn {
    let full = f64::from(WIDTH - 2 * EDGE);
    let x = |value: f64| EDGE + (value / longest * full).round() as i32;
    let shown = canvas::width(&bar.shown, 15.0);
    let label = fit(&bar.label, WIDTH - 2 * EDGE - shown - 12, 15.0);
    write(area, &label, (EDGE, top + 8), 15.0, INK, HPos::Left)?;
    write(area, &bar.shown, (WIDTH - EDGE, top + 8), 15.0, INK, HPos::Right)?;
    let style = if bar.published {
        bar.color.mix(0.45).filled()
    } else {
        bar.color.filled()
    };
    let (upper, lower) = (top + 20, top + 42);
    area.draw(&Rectangle::new(
        [(EDGE, upper), (x(bar.value).max(EDGE + 1), lower)],
        style,
    ))?;
    if let Some((low, high)) = bar.interval {
        let (low, high, middle) = (x(low), x(high), i32::midpoint(upper, lower));
        let line = INK.stroke_width(2);
        area.draw(&PathElement::new([(low, middle), (high, middle)], line))?;
        for at in [low, high] {
            area.draw(&PathElement::new([(at, middle - 6), (at, middle + 6)], line))?;
        }
    }
    write(
        area,
        &bar.times,
        (WIDTH - EDGE, lower + 12),
        12.0,
        INK,
        HPos::Right,
    )?;
    let free = WIDTH - 2 * EDGE - canvas::width(&bar.times, 12.0) - 12;
    let note = fit(&bar.note, free, 12.0);
    write(area, &note, (EDGE, lower + 12), 12.0, QUIET, HPos::Left)
}
