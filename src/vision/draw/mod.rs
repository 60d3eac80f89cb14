//! Boxes, landmarks and names drawn on a photo, for people to look at.

mod caption;

use ab_glyph::{Font, Glyph};
use image::{Rgb, RgbImage};

use self::caption::{Caption, Letter};
use super::face::Face;

pub use caption::undrawable;

/// Okabe and Ito's palette, which colour-blind readers can distinguish too: box, then the five landmarks' order.
const BOX: Rgb<u8> = Rgb([0, 158, 115]);
const LANDMARKS: [Rgb<u8>; 5] = [
    Rgb([213, 94, 0]),
    Rgb([86, 180, 233]),
    Rgb([240, 228, 66]),
    Rgb([204, 121, 167]),
    Rgb([0, 114, 178]),
];
const INK: Rgb<u8> = Rgb([255, 255, 255]);

/// Height of a caption's line, from the lowest descender to the highest ascender, in pixels of a photo of up to
/// [`SMALL`] pixels.
const LETTERS: f32 = 16.0;
/// Pixels of a photo's longer side above which lines and letters grow with it, so that they can be read when it is
/// shown small.
const SMALL: u32 = 640;

/// Draws one face: its box, its landmarks and `caption` on a bar above (below, where there is no room). A caption that is
/// wider than the photo loses its middle.
pub fn draw_face(photo: &mut RgbImage, face: &Face, caption: &str) {
    let longest = photo.width().max(photo.height());
    let unit = (longest / SMALL).max(1).cast_signed();
    let b = face.detection.bounding_box;
    let (x1, y1, x2, y2) = (b.x1 as i32, b.y1 as i32, b.x2 as i32, b.y2 as i32);
    let line = unit + 1;
    fill(photo, x1, y1, x2, y1 + line, BOX);
    fill(photo, x1, y2 - line, x2, y2, BOX);
    fill(photo, x1, y1, x1 + line, y2, BOX);
    fill(photo, x2 - line, y1, x2, y2, BOX);
    let radius = unit.max((b.width() / 40.0) as i32);
    for (point, color) in face.detection.landmarks.iter().zip(LANDMARKS) {
        disc(photo, point[0] as i32, point[1] as i32, radius, color);
    }
    let size = LETTERS * (longest as f32 / SMALL as f32).max(1.0);
    let (photo_width, photo_height) = (photo.width().cast_signed(), photo.height().cast_signed());
    let room = (photo_width - 4 * unit).max(0) as f32;
    let caption = Caption::new(caption, size, room);
    if caption.letters.is_empty() {
        return;
    }
    let (width, height) = (caption.width.ceil() as i32 + 4 * unit, size.ceil() as i32);
    let left = x1.min(photo_width.saturating_sub(width)).max(0);
    let top = if y1 >= height { y1 - height } else { y2 };
    let top = top.min(photo_height.saturating_sub(height)).max(0);
    fill(photo, left, top, left + width, top.saturating_add(height), BOX);
    let left = left + 2 * unit;
    for letter in caption.letters {
        match letter {
            Letter::Outline(glyph) => ink(photo, left, top, glyph),
            Letter::Bitmap(begin, bitmap) => stamp(photo, (left as f32 + begin, top), size, bitmap),
        }
    }
}

/// Fills the pixels from (x1, y1) up to but not (x2, y2), as far as they lie on the photo.
fn fill(photo: &mut RgbImage, x1: i32, y1: i32, x2: i32, y2: i32, color: Rgb<u8>) {
    let (width, height) = (photo.width().cast_signed(), photo.height().cast_signed());
    for y in y1.max(0)..y2.min(height) {
        for x in x1.max(0)..x2.min(width) {
            photo.put_pixel(x.cast_unsigned(), y.cast_unsigned(), color);
        }
    }
}

fn disc(photo: &mut RgbImage, x: i32, y: i32, radius: i32, color: Rgb<u8>) {
    for dy in -radius..=radius {
        let reach = f64::from(radius * radius - dy * dy).sqrt() as i32;
        fill(photo, x - reach, y + dy, x + reach + 1, y + dy + 1, color);
    }
}

/// Draws one glyph of a line that begins at (left, top), as far as it lies on the photo.
fn ink(photo: &mut RgbImage, left: i32, top: i32, glyph: Glyph) {
    // A space has no outline.
    let Some(outline) = caption::FONT.as_ref().and_then(|font| font.outline_glyph(glyph)) else {
        return;
    };
    let corner = outline.px_bounds().min;
    let (left, top) = (
        left.saturating_add(corner.x as i32),
        top.saturating_add(corner.y as i32),
    );
    outline.draw(|x, y, coverage| {
        let at = (left.saturating_add_unsigned(x), top.saturating_add_unsigned(y));
        let (Ok(x), Ok(y)) = (u32::try_from(at.0), u32::try_from(at.1)) else {
            return;
        };
        if let Some(pixel) = photo.get_pixel_mut_checked(x, y) {
            // The typeface is light: its stems, thinner than a pixel on a small photo, would be pale without the root.
            let coverage = coverage.clamp(0.0, 1.0).sqrt();
            for (channel, ink) in pixel.0.iter_mut().zip(INK.0) {
                let mixed = f32::from(*channel) * (1.0 - coverage) + f32::from(ink) * coverage;
                *channel = mixed.round() as u8;
            }
        }
    });
}

/// Draws a letter of 16 rows at `at`, `size` pixels high, as far as it lies on the photo.
fn stamp(photo: &mut RgbImage, at: (f32, i32), size: f32, letter: &unifont::Glyph) {
    let scale = size / caption::ROWS as f32;
    let edge = |place: usize| (place as f32 * scale).round() as i32;
    let left = at.0.round() as i32;
    for y in 0..caption::ROWS {
        for x in 0..letter.get_width() {
            if letter.get_pixel(x, y) {
                let (x1, x2) = (left + edge(x), left + edge(x + 1));
                fill(photo, x1, at.1 + edge(y), x2, at.1 + edge(y + 1), INK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::face::Detection;
    use super::*;

    fn face(bounding_box: [f32; 4]) -> Face {
        Face {
            detection: Detection {
                bounding_box: bounding_box.into(),
                landmarks: [
                    [-5.0, 3.0],
                    [10.0, 10.0],
                    [70.0, 2.0],
                    [1e9, 0.0],
                    [f32::NAN, 4.0],
                ],
                score: 0.9,
            },
            embedding: None,
        }
    }

    #[test]
    fn a_face_beyond_the_edges_is_drawn_without_panic() {
        for bounding_box in [[-20.0, -20.0, 40.0, 200.0], [500.0, 500.0, 600.0, 600.0]] {
            let mut photo = RgbImage::new(64, 64);
            draw_face(
                &mut photo,
                &face(bounding_box),
                "Zoë 0.93 漢, longer than the photo is wide",
            );
            assert!(photo.pixels().any(|p| *p == LANDMARKS[1]));
        }
    }

    /// The caption's bar on a photo of nothing.
    fn bar(caption: &str) -> RgbImage {
        let mut photo = RgbImage::new(320, 240);
        draw_face(&mut photo, &face([100.0, 100.0, 200.0, 200.0]), caption);
        image::imageops::crop_imm(&photo, 100, 84, 220, 16).to_image()
    }

    #[test]
    fn letters_of_names_are_drawn_each_in_its_own_form() {
        let letters = [
            "e",
            "ë",
            "Ł",
            "ß",
            "Ж",
            "ж",
            "Ω",
            "ώ",
            "?",
            "ქ",
            "Ժ",
            "ש",
            "م",
            "ह",
            "ক",
            "த",
            "ไ",
            "ང",
            "ክ",
            "ខ",
            "漢",
            "字",
            "か",
            "カ",
            "ㄅ",
            "한",
            "\u{20bb7}",
            "\u{1b}",
        ];
        let bars = letters.map(bar);
        for (place, own) in bars.iter().enumerate() {
            assert!(
                own.pixels().any(|p| p.0[0] > 150),
                "{} is not drawn",
                letters[place]
            );
            let same = bars.iter().filter(|other| *other == own);
            assert_eq!(same.count(), 1, "{} looks like another", letters[place]);
        }
    }

    #[test]
    fn a_long_caption_stays_on_the_photo_and_keeps_its_ends() {
        let name = "A name that is longer than any photo is wide, and then some more of it";
        for bounds in [
            [100.0, 100.0, 200.0, 200.0],
            [150.0, 2.0, 159.0, 119.0],
            [-30.0, 110.0, 500.0, 300.0],
        ] {
            let mut photo = RgbImage::new(160, 120);
            let mut plain = photo.clone();
            draw_face(&mut photo, &face(bounds), &format!("{name} 0.93"));
            draw_face(&mut plain, &face(bounds), "");
            let changed = photo
                .enumerate_pixels()
                .filter(|(x, y, pixel)| *pixel != plain.get_pixel(*x, *y));
            // The bar is as high as a line, and lies on the photo as a whole.
            let rows: std::collections::BTreeSet<u32> = changed.map(|(_, y, _)| y).collect();
            assert!((14..=16).contains(&rows.len()), "{rows:?}");
        }
        let mut photo = RgbImage::new(3, 2);
        draw_face(&mut photo, &face([0.0, 0.0, 3.0, 2.0]), name);
    }

    #[test]
    fn edges_of_letters_are_smooth_and_their_stems_clear() {
        let bar = bar("Zoë 0.93");
        let red: Vec<u8> = bar
            .pixels()
            .map(|pixel| pixel.0[0])
            .filter(|red| *red > 0)
            .collect();
        assert!(
            red.iter().any(|red| (60..200).contains(red)),
            "no edge between bar and letter"
        );
        assert!(red.iter().any(|red| *red > 220), "no letter is clear");
    }
}
