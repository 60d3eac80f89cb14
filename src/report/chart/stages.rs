//! Where the time of a photo goes, as bars of stages.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::super::format::number;
use super::{
    ChartError,
    canvas::{
        self, Area, BLACK, BLUE, Drawn, EDGE, GREEN, INK, ORANGE, PURPLE, QUIET, SKY, TOP, WIDTH, fit, write,
    },
};
use crate::record::{Record, STAGE_NAMES};

const ROW: i32 = 82;
const COLORS: [RGBColor; 5] = [ORANGE, BLUE, PURPLE, GREEN, SKY];
/// Letters that can be read on those.
const LETTERS: [RGBColor; 5] = [BLACK, WHITE, BLACK, WHITE, BLACK];

/// One bar per arm.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let arms: Vec<(&str, [f64; 5])> = record
        .arms
        .iter()
        .filter_map(|arm| Some((arm.label.as_str(), arm.figures.stages_ms?.values().map(|ms| ms.0))))
        .collect();
    let longest = arms
        .iter()
        .map(|(_, times)| times.iter().sum::<f64>())
        .fold(0.0, f64::max);
    if longest <= 0.0 {
        return Err(ChartError(
            "no arm of this record has times of its stages".to_owned(),
        ));
    }
    let rows = i32::try_from(arms.len()).unwrap_or(i32::MAX / ROW - 10);
    canvas::sheet(
        TOP + 30 + ROW * rows,
        "Where the time of a photo goes, shorter is better",
        "Milliseconds a photo spends in each stage, in one stream; streams work side by side.",
        |area| {
            let mut x = EDGE;
            for (name, color) in STAGE_NAMES.iter().zip(COLORS) {
                area.draw(&Rectangle::new([(x, TOP), (x + 14, TOP + 14)], color.filled()))?;
                write(area, name, (x + 20, TOP + 8), 13.0, INK, HPos::Left)?;
                x += 104;
            }
            for (place, (label, times)) in arms.iter().enumerate() {
                bar(
                    area,
                    label,
                    times,
                    longest,
                    TOP + 34 + ROW * i32::try_from(place).unwrap_or(0),
                )?;
            }
            Ok(())
        },
    )
}

fn bar(area: &Area<'_>, label: &str, times: &[f64; 5], longest: f64, top: i32) -> Drawn {
    let total: f64 = times.iter().sum();
    let shown = format!("{} ms", number(total));
    let free = WIDTH - 2 * EDGE - canvas::width(&shown, 15.0) - 12;
    write(
        area,
        &fit(label, free, 15.0),
        (EDGE, top + 6),
        15.0,
        INK,
        HPos::Left,
    )?;
    write(area, &shown, (WIDTH - EDGE, top + 6), 15.0, INK, HPos::Right)?;
    let scale = f64::from(WIDTH - 2 * EDGE) / longest;
    let (upper, lower) = (top + 18, top + 42);
    let mut before = 0.0;
    for ((ms, name), (color, letters)) in times.iter().zip(STAGE_NAMES).zip(COLORS.into_iter().zip(LETTERS)) {
        let (from, to) = (
            EDGE + (before * scale).round() as i32,
            EDGE + ((before + ms) * scale).round() as i32,
        );
        before += ms;
        area.draw(&Rectangle::new([(from, upper), (to, lower)], color.filled()))?;
        let inside = format!("{name} {}", number(*ms));
        if canvas::width(&inside, 13.0) + 8 <= to - from {
            let middle = (i32::midpoint(from, to), i32::midpoint(upper, lower));
            write(area, &inside, middle, 13.0, letters, HPos::Center)?;
        }
    }
    let all: Vec<String> = STAGE_NAMES
        .iter()
        .zip(times)
        .map(|(name, ms)| format!("{name} {}", number(*ms)))
        .collect();
    write(area, &all.join(", "), (EDGE, lower + 12), 12.0, QUIET, HPos::Left)
}
