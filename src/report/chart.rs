//! Images a second as bars with intervals, in SVG.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use thiserror::Error;

use super::{
    published::Published,
    table::{number, status},
};
use crate::record::{Record, Status};

/// Why there is no chart.
#[derive(Debug, Error)]
#[error("the chart cannot be drawn: {0}")]
pub struct ChartError(String);

/// One bar: what was measured, or what others published.
struct Bar {
    label: String,
    value: f64,
    shown: String,
    interval: Option<(f64, f64)>,
    note: String,
    color: RGBColor,
    published: bool,
}

/// Okabe and Ito's colours, told apart by colour-blind readers too.
const MEASURED: RGBColor = RGBColor(0, 114, 178);
const DOUBTFUL: RGBColor = RGBColor(213, 94, 0);
const OTHERS: RGBColor = RGBColor(150, 150, 150);
const INK: RGBColor = RGBColor(40, 40, 40);
const QUIET: RGBColor = RGBColor(105, 105, 105);

const WIDTH: i32 = 860;
const ROW: i32 = 54;
const LEFT: i32 = 220;
const RIGHT: i32 = 150;
const TOP: i32 = 56;

/// The arms of `record`, and the `published` figures in grey, one bar each.
pub fn throughput(record: &Record, published: &[Published]) -> Result<String, ChartError> {
    let mut bars: Vec<Bar> = record
        .arms
        .iter()
        .filter_map(|arm| {
            let estimate = arm.throughput.as_ref()?.images_per_second;
            let valid = arm.status == Status::Valid;
            Some(Bar {
                label: arm.label.clone(),
                value: estimate.median,
                shown: number(estimate.median),
                interval: estimate.low.zip(estimate.high),
                note: if valid {
                    "measured here".to_owned()
                } else {
                    status(arm.status).to_owned()
                },
                color: if valid { MEASURED } else { DOUBTFUL },
                published: false,
            })
        })
        .collect();
    bars.extend(published.iter().map(|figure| Bar {
        label: figure.label.to_owned(),
        value: figure.images_per_second,
        // As it was published, digit by digit.
        shown: figure.images_per_second.to_string(),
        interval: None,
        note: "published".to_owned(),
        color: OTHERS,
        published: true,
    }));
    let mut svg = String::new();
    let rows = i32::try_from(bars.len()).unwrap_or(i32::MAX / ROW - 10);
    let height = TOP + ROW * rows + 44;
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH.cast_unsigned(), height.cast_unsigned()))
            .into_drawing_area();
        draw(&area, record, &bars).map_err(|error| ChartError(error.to_string()))?;
        area.present().map_err(|error| ChartError(error.to_string()))?;
    }
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, record: &Record, bars: &[Bar]) -> Drawn {
    area.fill(&WHITE)?;
    let text = |size: i32, color: &RGBColor| ("sans-serif", size).into_font().color(color);
    let anchored = |size: i32, color: &RGBColor, h: HPos| text(size, color).pos(Pos::new(h, VPos::Center));
    area.draw_text("Images per second, more is better", &text(20, &INK), (16, 14))?;
    let longest = bars
        .iter()
        .map(|bar| bar.interval.map_or(bar.value, |(_, high)| high))
        .fold(0.0, f64::max);
    let room = f64::from(WIDTH - LEFT - RIGHT);
    let x = |value: f64| LEFT + (value / longest.max(f64::MIN_POSITIVE) * room).round() as i32;
    let mut top = TOP;
    for bar in bars {
        let middle = top + 19;
        area.draw_text(
            &bar.label,
            &anchored(16, &INK, HPos::Right),
            (LEFT - 12, middle - 8),
        )?;
        area.draw_text(
            &bar.note,
            &anchored(12, &QUIET, HPos::Right),
            (LEFT - 12, middle + 11),
        )?;
        let style = if bar.published {
            bar.color.mix(0.45).filled()
        } else {
            bar.color.filled()
        };
        area.draw(&Rectangle::new(
            [(LEFT, top), (x(bar.value).max(LEFT + 1), top + 38)],
            style,
        ))?;
        let mut end = x(bar.value);
        if let Some((low, high)) = bar.interval {
            let (low, high) = (x(low), x(high));
            let line = INK.stroke_width(2);
            area.draw(&PathElement::new([(low, middle), (high, middle)], line))?;
            for at in [low, high] {
                area.draw(&PathElement::new([(at, middle - 7), (at, middle + 7)], line))?;
            }
            end = end.max(high);
        }
        area.draw_text(&bar.shown, &anchored(16, &INK, HPos::Left), (end + 10, middle))?;
        top += ROW;
    }
    let plan = &record.plan;
    let foot = format!(
        "{} photos, {} host cores, {} processes x {} blocks; whiskers: 95 % interval of the processes' means",
        record.workload.dataset.images, plan.host_cores, plan.processes, plan.blocks
    );
    area.draw_text(&foot, &text(13, &INK), (16, top + 12))?;
    Ok(())
}
