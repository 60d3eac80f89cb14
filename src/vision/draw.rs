//! Boxes, landmarks and names drawn on a photo, for people to look at.

use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage};

use super::face::Face;

/// Okabe and Ito's palette, told apart by colour-blind readers too: box, then the five landmarks' order.
const BOX: Rgb<u8> = Rgb([0, 158, 115]);
const LANDMARKS: [Rgb<u8>; 5] = [
    Rgb([213, 94, 0]),
    Rgb([86, 180, 233]),
    Rgb([240, 228, 66]),
    Rgb([204, 121, 167]),
    Rgb([0, 114, 178]),
];
const INK: Rgb<u8> = Rgb([255, 255, 255]);

/// Draws one face: its box, its landmarks and `caption` on a bar above (below, where there is no room).
pub fn draw_face(photo: &mut RgbImage, face: &Face, caption: &str) {
    // Lines and letters grow with the photo, so that they can be read when it is shown small.
    let unit = (photo.width().max(photo.height()) / 640).max(1).cast_signed();
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
    let letters = i32::try_from(caption.chars().count()).unwrap_or(i32::MAX / 64);
    let (width, height) = (letters * 8 * unit + 2 * unit, 10 * unit);
    let left = x1.min(photo.width().cast_signed() - width).max(0);
    let top = if y1 >= height { y1 - height } else { y2 };
    if letters > 0 {
        fill(photo, left, top, left + width, top + height, BOX);
        write(photo, left + unit, top + unit, unit, caption);
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

/// Letters of 8x8 cells, each cell `unit` pixels wide; a letter without a picture is shown as a question mark.
fn write(photo: &mut RgbImage, left: i32, top: i32, unit: i32, text: &str) {
    let mut x = left;
    for letter in text.chars() {
        let glyph = font8x8::BASIC_FONTS
            .get(letter)
            .or_else(|| font8x8::LATIN_FONTS.get(letter));
        for (row, bits) in (0i32..).zip(
            glyph
                .or_else(|| font8x8::BASIC_FONTS.get('?'))
                .unwrap_or_default(),
        ) {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                let (px, py) = (x + column * unit, top + row * unit);
                fill(photo, px, py, px + unit, py + unit, INK);
            }
        }
        x += 8 * unit;
    }
}

#[cfg(test)]
mod tests {
    use super::super::face::Detection;
    use super::*;

    #[test]
    fn a_face_beyond_the_edges_is_drawn_without_panic() {
        let mut photo = RgbImage::new(64, 64);
        let face = Face {
            detection: Detection {
                bounding_box: [-20.0, -20.0, 40.0, 200.0].into(),
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
        };
        draw_face(&mut photo, &face, "Zoë 0.93 漢");
        assert!(photo.pixels().any(|p| *p == BOX) && photo.pixels().any(|p| *p == LANDMARKS[1]));
    }
}
