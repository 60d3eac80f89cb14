//! Alignment: a similarity transform from five landmarks to the recognizers' template, and the warp that applies it.
//!
//! Least squares after Umeyama ("Least-squares estimation of transformation parameters between two point patterns",
//! 1991) without reflection; in two dimensions it has the closed form used here. The template is the ArcFace
//! family's for 112x112 crops (`InsightFace`'s `arcface_dst`).

use std::ops::Range;

use image::RgbImage;
use wide::{bytemuck::cast, i16x8, u16x8};

use super::{
    face::Landmarks,
    mix::{Pixel, WEIGHT, across, down},
};

/// Side of an aligned crop in pixels.
pub const CROP_SIZE: u32 = 112;

/// Where the five landmarks lie in an aligned crop, pixels.
pub const TEMPLATE: Landmarks = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// A similarity: `x' = a x - b y + tx`, `y' = b x + a y + ty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Scale times cosine.
    pub a: f32,
    /// Scale times sine.
    pub b: f32,
    /// Shift along x, pixels.
    pub tx: f32,
    /// Shift along y, pixels.
    pub ty: f32,
}

impl Similarity {
    /// The similarity that maps `from` to `to` with the least squared error. Points that all coincide give a
    /// pure shift.
    pub fn between(from: &Landmarks, to: &Landmarks) -> Self {
        let mean =
            |points: &Landmarks, axis: usize| points.iter().map(|p| f64::from(p[axis])).sum::<f64>() / 5.0;
        let (fx, fy, gx, gy) = (mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1));
        let (mut spread, mut dot, mut cross) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p[0]) - fx, f64::from(p[1]) - fy);
            let (qx, qy) = (f64::from(q[0]) - gx, f64::from(q[1]) - gy);
            spread += px * px + py * py;
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
        }
        let (a, b) = if spread > 0.0 {
            (dot / spread, cross / spread)
        } else {
            (1.0, 0.0)
        };
        Self {
            a: a as f32,
            b: b as f32,
            tx: (gx - a * fx + b * fy) as f32,
            ty: (gy - b * fx - a * fy) as f32,
        }
    }

    /// Maps one point.
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [
            self.a * x - self.b * y + self.tx,
            self.b * x + self.a * y + self.ty,
        ]
    }

    /// The way back; `None` where the scale is 0 or not finite.
    pub fn inverse(&self) -> Option<Self> {
        let norm = self.a * self.a + self.b * self.b;
        if !norm.is_normal() {
            return None;
        }
        let (a, b) = (self.a / norm, -self.b / norm);
        Some(Self {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        })
    }
}

/// Fractional bits of a position in the photo: they fill a lane, which runs over into nothing. A step's error becomes no
/// more than a thousandth of a pixel within a row.
const POSITION: u32 = 16;

/// Gives `write` each row of the aligned crop of the face at `landmarks` (pixels of `photo`), [`CROP_SIZE`] pixels of
/// 8-bit RGB, with its number: bilinear, black outside the photo. Landmarks that no similarity can map (all in one
/// point, not finite) give a black crop.
pub fn align(photo: &RgbImage, landmarks: &Landmarks, mut write: impl FnMut(usize, &[Pixel])) {
    let mut row = [Pixel::default(); CROP_SIZE as usize];
    let Some(back) = Similarity::between(landmarks, &TEMPLATE).inverse() else {
        (0..CROP_SIZE as usize).for_each(|y| write(y, &row));
        return;
    };
    for y in 0..CROP_SIZE {
        let Range { start, end } = inside(photo, &back, y);
        sample(photo, &back, (0, y), &mut row[..start]);
        if start < end {
            sample_inside(photo, &back, (start, y), &mut row[start..end]);
        }
        sample(photo, &back, (end, y), &mut row[end..]);
        write(y as usize, &row);
    }
}

/// How many times a crop enlarges the pixels that it is taken from, for a face at `landmarks` of these pixels; 1 or
/// less where none of its resolution is missing. 1 for landmarks that have no size.
pub fn enlargement(landmarks: &Landmarks) -> f32 {
    let Similarity { a, b, .. } = Similarity::between(landmarks, &TEMPLATE);
    a.hypot(b)
}

/// The part of a crop's row that lies so far inside the photo that each sample has four pixels, in whole fours of
/// samples.
fn inside(photo: &RgbImage, back: &Similarity, y: u32) -> Range<usize> {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let is_inside = |x: &usize| {
        let [x, y] = back.apply([*x as f32, y as f32]);
        // A pixel to spare, for what the steps of fixed-point positions add up to.
        x >= 1.0 && y >= 1.0 && x < width - 3.0 && y < height - 3.0
    };
    let mut row = 0..CROP_SIZE as usize;
    let Some(start) = row.find(is_inside) else {
        return 0..0;
    };
    let end = row.rfind(is_inside).map_or(start, |last| last + 1);
    start..start + (end - start) / 4 * 4
}

/// A part of a crop's row that lies inside the photo, by whole numbers.
fn sample_inside(photo: &RgbImage, back: &Similarity, (x, y): (usize, u32), row: &mut [Pixel]) {
    let fixed = |v: f32| (f64::from(v) * f64::from(1u32 << POSITION)).round() as i64;
    let weight = |fraction: u16x8| cast::<u16x8, i16x8>(fraction >> (POSITION - WEIGHT));
    let [x0, y0] = back.apply([x as f32, y as f32]);
    let (mut sx, mut sy) = (fixed(x0), fixed(y0));
    let (dx, dy) = (fixed(back.a), fixed(back.b));
    // Of two pixels of the row across, and of one down.
    let mut fx: u16x8 = cast([sx, sx + dx].map(|position| [position as u16; 4]));
    let mut fy = u16x8::splat(sy as u16);
    let stride = photo.width() as usize * 3;
    let below = &photo.as_raw()[stride..];
    let above = &photo.as_raw()[..below.len()];
    for pixels in row.as_chunks_mut::<4>().0 {
        // For each of the four two pixels, one behind the other.
        let mixed: [[i16; 8]; 4] = std::array::from_fn(|_| {
            let at = (sy >> POSITION) as usize * stride + (sx >> POSITION) as usize * 3;
            let [above, below] = [above, below].map(|rows| {
                let eight: [u8; 8] = rows[at..].first_chunk().copied().unwrap_or_default();
                i16x8::from_u8x16_low(cast([eight, [0; 8]]))
            });
            let mixed = down(above, below, weight(fy)).to_array();
            fy += u16x8::splat(dy as u16);
            sx += dx;
            sy += dy;
            mixed
        });
        let mut next = || {
            let now = weight(fx);
            fx += u16x8::splat((2 * dx) as u16);
            now
        };
        *pixels = across(mixed.as_flattened(), [0, 8, 16, 24], [next(), next()]);
    }
}

/// A part of a crop's row that may reach beyond the photo.
fn sample(photo: &RgbImage, back: &Similarity, (x, y): (usize, u32), row: &mut [Pixel]) {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let source = photo.as_raw();
    for (x, pixel) in (x..).zip(row) {
        let [sx, sy] = back.apply([x as f32, y as f32]);
        let (left, top) = (sx.floor(), sy.floor());
        let (fx, fy) = (sx - left, sy - top);
        // Beyond one pixel outside nothing of the photo is touched; the comparison also turns NaN away.
        if !(left >= -1.0 && top >= -1.0 && left < width as f32 && top < height as f32) {
            pixel.fill(0);
            continue;
        }
        let (left, top) = (left as isize, top as isize);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let mut sums = [0.0f32; 3];
        for (weight, (dx, dy)) in weights.into_iter().zip([(0, 0), (1, 0), (0, 1), (1, 1)]) {
            let (px, py) = (left + dx, top + dy);
            if px < 0 || py < 0 || px as usize >= width || py as usize >= height {
                continue;
            }
            let at = (py as usize * width + px as usize) * 3;
            for (sum, value) in sums.iter_mut().zip(&source[at..at + 3]) {
                *sum += weight * f32::from(*value);
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = (sum + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mix::rgb;
    use super::*;
    use proptest::prelude::*;

    fn crop(photo: &RgbImage, landmarks: &Landmarks) -> Vec<u8> {
        let mut crop = Vec::new();
        align(photo, landmarks, |_, row| crop.extend(rgb(row)));
        assert_eq!(crop.len(), (CROP_SIZE * CROP_SIZE * 3) as usize);
        crop
    }

    fn noise(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let v = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
            image::Rgb([(v >> 8) as u8, (v >> 16) as u8, (v >> 24) as u8])
        })
    }

    #[test]
    fn a_photo_already_aligned_stays_as_it_is() {
        let photo = RgbImage::from_fn(112, 112, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, 9]));
        let crop = crop(&photo, &TEMPLATE);
        assert!(photo.as_raw().iter().zip(&crop).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn outside_is_black_and_nonsense_does_not_panic() {
        let photo = RgbImage::from_pixel(10, 10, image::Rgb([255; 3]));
        assert!(
            crop(&photo, &TEMPLATE.map(|[x, y]| [x + 1000.0, y]))
                .iter()
                .all(|v| *v == 0)
        );
        crop(&photo, &[[f32::NAN; 2]; 5]);
        crop(&photo, &[[5.0; 2]; 5]);
        crop(&RgbImage::new(0, 0), &TEMPLATE);
        assert!((enlargement(&[[f32::NAN; 2]; 5]) - 1.0).abs() < f32::EPSILON);
        assert!((enlargement(&TEMPLATE.map(|p| p.map(|v| v / 2.0))) - 2.0).abs() < 1e-4);
    }

    proptest! {
        #[test]
        fn whole_numbers_and_fractions_give_the_same_crop(
            angle in -3.2f32..3.2, scale in 0.2f32..2.5, x in -50f32..600.0, y in -50f32..600.0
        ) {
            let photo = noise(600, 500);
            let turn = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), tx: x, ty: y };
            let landmarks = TEMPLATE.map(|p| turn.apply(p));
            let back = Similarity::between(&landmarks, &TEMPLATE).inverse().unwrap();
            let mut fractions = [Pixel::default(); CROP_SIZE as usize];
            let mut most = 0;
            align(&photo, &landmarks, |y, row| {
                sample(&photo, &back, (0, y as u32), &mut fractions);
                for (whole, fraction) in row.iter().zip(&fractions) {
                    most = (0..3).map(|c| whole[c].abs_diff(fraction[c])).fold(most, u8::max);
                }
            });
            prop_assert!(most <= 1, "{most}");
        }

        #[test]
        fn the_transform_is_found_again_from_its_points(
            angle in -3.0f32..3.0, scale in 0.05f32..20.0, tx in -500f32..500.0, ty in -500f32..500.0
        ) {
            let truth = Similarity { a: scale * angle.cos(), b: scale * angle.sin(), tx, ty };
            let found = Similarity::between(&TEMPLATE, &TEMPLATE.map(|p| truth.apply(p)));
            prop_assert!((found.a - truth.a).abs() < 1e-3 * scale.max(1.0) && (found.b - truth.b).abs() < 1e-3 * scale.max(1.0));
            let back = found.inverse().unwrap();
            for point in TEMPLATE {
                let [x, y] = back.apply(found.apply(point));
                prop_assert!((x - point[0]).abs() < 0.05 && (y - point[1]).abs() < 0.05);
            }
        }
    }
}
