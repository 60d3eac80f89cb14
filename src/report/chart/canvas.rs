//! What all charts share: the sheet, letters, colours and marks that colour-blind readers can distinguish, the legend.

use plotters::{
    coord::Shift,
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::super::format::shorten;
use super::ChartError;
use crate::text;

/// Width of every chart: small enough to be read on a phone, where the whole sheet is made to fit.
pub(super) const WIDTH: i32 = 600;
/// Empty space at the sides.
pub(super) const EDGE: i32 = 16;
/// Where the chart's own part begins, below the title and two lines of subtitle.
pub(super) const TOP: i32 = 86;
/// Letters in a line of subtitle.
const LINE: usize = 72;

/// Lines and letters. A page in dark colours replaces these four.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
/// The colour of less important text.
pub(super) const QUIET: RGBColor = RGBColor(105, 105, 105);
/// Lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(221, 221, 221);
/// Letters on a light colour, whatever the page's colours.
pub(super) const BLACK: RGBColor = RGBColor(1, 1, 1);

/// Okabe and Ito's colours, but for yellow and black, which are hard to see on white or on black.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const VERMILLION: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
/// What others published.
pub(super) const OTHERS: RGBColor = RGBColor(150, 150, 150);

const COLORS: [RGBColor; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// An arm's place among the arms, its label, its points.
pub(super) type Line<'a> = (usize, &'a str, Vec<(f64, f64)>);
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A sheet of `height` with a title (what is shown) and a subtitle (how to read it).
pub(super) fn sheet(
    height: i32,
    title: &'static str,
    subtitle: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, ChartError> {
    let mut svg = String::new();
    let failed = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH.cast_unsigned(), height.cast_unsigned()))
            .into_drawing_area();
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        let head = || -> Drawn {
            write(&area, title, (EDGE, 22), 18.0, INK, HPos::Left)?;
            for (line, y) in wrap(subtitle).iter().zip([46, 65]) {
                write(&area, line, (EDGE, y), 13.0, QUIET, HPos::Left)?;
            }
            draw(&area)
        };
        head().map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    // The label is for screen readers; titles are this program's own.
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
    // XML has no way to write control characters, so nothing of them may be left.
    Ok(text::visible_lines(&svg).into_owned())
}

/// `text` in lines.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= LINE {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// A box on the sheet: left, upper, right, lower.
pub(super) type Place = (i32, i32, i32, i32);

/// The places that lines through `points` take.
pub(super) fn along(points: &[(i32, i32)]) -> Vec<Place> {
    let mut places = Vec::new();
    for pair in points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        let steps = ((to_x - x).abs().max((to_y - y).abs()) / 4).max(1);
        for step in 0..=steps {
            let (x, y) = (x + (to_x - x) * step / steps, y + (to_y - y) * step / steps);
            places.push((x - 2, y - 2, x + 2, y + 2));
        }
    }
    places
}

/// How many of `taken` a place would cover.
pub(super) fn covered(place: &Place, taken: &[Place]) -> usize {
    let touched = |other: &&Place| {
        !(place.2 <= other.0 || other.2 <= place.0 || place.3 <= other.1 || other.3 <= place.1)
    };
    taken.iter().filter(touched).count()
}

/// `text` with its middle at the height of `at`.
pub(super) fn write(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    px: f64,
    color: RGBColor,
    side: HPos,
) -> Drawn {
    // plotters counts a font's size in other units than SVG does.
    let style = ("sans-serif", px * 1.24)
        .into_font()
        .color(&color)
        .pos(Pos::new(side, VPos::Center));
    Ok(area.draw_text(text, &style, at)?)
}

/// How wide `text` may become with an unknown font.
pub(super) fn width(text: &str, px: f64) -> i32 {
    (text.chars().count() as f64 * px * 0.6).ceil() as i32
}

/// `text` in up to `most` pixels.
pub(super) fn fit(text: &str, most: i32, px: f64) -> String {
    shorten(text, (f64::from(most) / (px * 0.6)).floor().max(3.0) as usize)
}

/// What distinguishes one arm from another: colour, mark and dashes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The colour.
    pub(super) color: RGBColor,
    number: usize,
}

impl Look {
    /// The look of the arm at `number`.
    pub(super) fn of(number: usize) -> Self {
        Self {
            color: COLORS[number % COLORS.len()],
            number,
        }
    }

    /// A mark at `at`.
    pub(super) fn mark(self, area: &Area<'_>, (x, y): (i32, i32)) -> Drawn {
        let fill = self.color.filled();
        let polygon = |corners: Vec<(i32, i32)>| area.draw(&Polygon::new(corners, fill));
        match self.number % 5 {
            0 => area.draw(&Circle::new((x, y), 5, fill)),
            1 => area.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], fill)),
            2 => polygon(vec![(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)]),
            3 => polygon(vec![(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)]),
            _ => polygon(vec![(x, y + 6), (x + 6, y - 5), (x - 6, y - 5)]),
        }?;
        Ok(())
    }

    /// A line through `points`.
    pub(super) fn line(self, area: &Area<'_>, points: Vec<(i32, i32)>) -> Drawn {
        let style = self.color.stroke_width(2);
        match self.number % 4 {
            0 => area.draw(&PathElement::new(points, style))?,
            n => {
                let (dash, gap) = [(9, 4), (3, 3), (15, 5)][n - 1];
                area.draw(&DashedPathElement::new(points, dash, gap, style))?;
            }
        }
        Ok(())
    }
}

/// The height of a legend for these labels.
pub(super) fn legend_height(labels: &[&str]) -> i32 {
    let columns = legend_columns(labels);
    i32::try_from(labels.len().div_ceil(columns)).unwrap_or(1) * 22 + 6
}

fn legend_columns(labels: &[&str]) -> usize {
    let half = (WIDTH - 2 * EDGE) / 2 - 44;
    let narrow = labels.iter().all(|label| width(label, 13.0) <= half);
    if narrow && labels.len() > 1 { 2 } else { 1 }
}

/// The labels with their looks; it stands above the data and never covers it.
pub(super) fn legend(area: &Area<'_>, labels: &[&str], looks: &[Look], top: i32) -> Drawn {
    let columns = legend_columns(labels);
    let width_each = (WIDTH - 2 * EDGE) / i32::try_from(columns).unwrap_or(1);
    for (place, (label, look)) in labels.iter().zip(looks).enumerate() {
        let column = i32::try_from(place % columns).unwrap_or(0);
        let row = i32::try_from(place / columns).unwrap_or(0);
        let (x, y) = (EDGE + column * width_each, top + row * 22 + 8);
        look.line(area, vec![(x, y), (x + 32, y)])?;
        look.mark(area, (x + 16, y))?;
        write(
            area,
            &fit(label, width_each - 44, 13.0),
            (x + 40, y),
            13.0,
            INK,
            HPos::Left,
        )?;
    }
    Ok(())
}
