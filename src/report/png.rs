//! A chart as PNG: the same SVG, with letters as outlines from a typeface inside the program, the same on any machine.

use std::fmt::Write as _;

use ab_glyph::{Font, FontRef, OutlineCurve, Point};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, roxmltree},
};

use super::chart::ChartError;

/// Pixels for each unit of the SVG: sharp on dense screens.
const SCALE: f32 = 2.0;

/// `svg` as the bytes of a PNG.
pub fn render(svg: &str) -> Result<Vec<u8>, ChartError> {
    let failed = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    let svg = outlined(svg).map_err(|error| failed(&error))?;
    let tree = Tree::from_str(&svg, &Options::default()).map_err(|error| failed(&error))?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(SCALE)
        .ok_or_else(|| ChartError("it has no size".to_owned()))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| ChartError("it is too large for an image".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(&error))
}

/// `svg` with a path for each of its texts. resvg shapes text by itself, with a dozen crates for scripts that our
/// typeface does not have.
fn outlined(svg: &str) -> Result<String, Box<dyn std::error::Error>> {
    let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT)?;
    let document = roxmltree::Document::parse(svg)?;
    let mut drawn = String::with_capacity(svg.len() * 4);
    let mut done = 0;
    for text in document.descendants().filter(|node| node.has_tag_name("text")) {
        let range = text.range();
        drawn.push_str(&svg[done..range.start]);
        done = range.end;
        let attribute = |name| text.attribute(name);
        let number = |name| attribute(name).and_then(|value| value.parse::<f32>().ok());
        let (Some(x), Some(y), Some(size)) = (number("x"), number("y"), number("font-size")) else {
            continue;
        };
        // The middle of small letters, as the SVG asks for by a half of their height.
        let below = if attribute("dy") == Some("0.5ex") {
            size / 4.0
        } else {
            0.0
        };
        let anchor = attribute("text-anchor").unwrap_or("start");
        let path = path(
            &font,
            text.text().unwrap_or_default().trim(),
            size,
            anchor,
            [x, y + below],
        )?;
        write!(drawn, "<path d=\"{path}\"")?;
        for name in ["fill", "opacity", "transform"] {
            if let Some(value) = attribute(name) {
                write!(drawn, " {name}=\"{value}\"")?;
            }
        }
        drawn.push_str("/>");
    }
    drawn.push_str(&svg[done..]);
    Ok(drawn)
}

/// The outline of one line of `text`, in the words of SVG's paths; `at` is on its base line, at its `anchor`.
fn path(
    font: &FontRef<'_>,
    text: &str,
    size: f32,
    anchor: &str,
    at: [f32; 2],
) -> Result<String, std::fmt::Error> {
    let scale = size / font.units_per_em().unwrap_or(1000.0);
    let glyphs: Vec<_> = text.chars().map(|letter| font.glyph_id(letter)).collect();
    let length: f32 = glyphs.iter().map(|id| font.h_advance_unscaled(*id) * scale).sum();
    let mut left = match anchor {
        "middle" => at[0] - length / 2.0,
        "end" => at[0] - length,
        _ => at[0],
    };
    let mut path = String::new();
    for id in glyphs {
        let place = |point: Point| (left + point.x * scale, at[1] - point.y * scale);
        let mut end = None;
        for curve in font.outline(id).iter().flat_map(|outline| &outline.curves) {
            let (OutlineCurve::Line(begin, _)
            | OutlineCurve::Quad(begin, ..)
            | OutlineCurve::Cubic(begin, ..)) = *curve;
            if end != Some(begin) {
                let (x, y) = place(begin);
                write!(path, "M{x:.3} {y:.3}")?;
            }
            let (letter, points): (_, &[Point]) = match curve {
                OutlineCurve::Line(_, to) => ('L', &[*to]),
                OutlineCurve::Quad(_, by, to) => ('Q', &[*by, *to]),
                OutlineCurve::Cubic(_, by, then, to) => ('C', &[*by, *then, *to]),
            };
            path.push(letter);
            for point in points {
                let (x, y) = place(*point);
                write!(path, "{x:.3} {y:.3} ")?;
            }
            end = points.last().copied();
        }
        left += font.h_advance_unscaled(id) * scale;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::super::{chart, fixture, tests::record};
    use super::*;

    #[test]
    fn letters_need_no_font_of_the_machine() {
        let svg = chart::throughput(&record(fixture::plain()), &[]).unwrap();
        let png = render(&svg).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        assert_eq!(picture.width(), 1200, "twice the SVG's");
        // The title: its left half has ink, and all else there is paper.
        let title = image::imageops::crop_imm(&picture, 30, 20, 500, 48).to_image();
        let dark = title.pixels().filter(|pixel| pixel.0[0] < 110).count();
        assert!(
            (300..8000).contains(&dark),
            "{dark} dark pixels where the title is"
        );
        assert_eq!(picture.get_pixel(2, 2).0[0], 255);
    }

    /// Where the ink of `text` lies on a sheet of 200 x 40: its first and last column, in units of the SVG.
    fn columns(anchor: &str, text: &str) -> (u32, u32) {
        let svg = format!(
            "<svg width=\"200\" height=\"40\" viewBox=\"0 0 200 40\" xmlns=\"http://www.w3.org/2000/svg\">\
             <rect x=\"0\" y=\"0\" width=\"200\" height=\"40\" fill=\"#FFFFFF\"/>\
             <text x=\"100\" y=\"20\" dy=\"0.5ex\" text-anchor=\"{anchor}\" font-size=\"16\" fill=\"#000000\">\n{text}\n</text></svg>"
        );
        let picture = image::load_from_memory(&render(&svg).unwrap())
            .unwrap()
            .to_luma8();
        let ink = || {
            picture
                .enumerate_pixels()
                .filter(|(_, _, pixel)| pixel.0[0] < 128)
                .map(|(x, ..)| x)
        };
        (ink().min().unwrap() / 2, ink().max().unwrap() / 2)
    }

    #[test]
    fn letters_stand_at_their_anchor() {
        let (start, middle, end) = (
            columns("start", "HIH"),
            columns("middle", "HIH"),
            columns("end", "HIH"),
        );
        assert!(
            (100..104).contains(&start.0) && end.1.abs_diff(98) < 4,
            "{start:?} {end:?}"
        );
        let (left, right) = (100 - middle.0, middle.1 - 100);
        assert!(left.abs_diff(right) <= 2, "{middle:?}");
        assert_eq!(
            columns("start", "&lt;&amp;").0,
            columns("start", "&lt;").0,
            "entities are letters"
        );
    }
}
