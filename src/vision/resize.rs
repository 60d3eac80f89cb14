//! Letterbox: a photo scaled to fit a canvas, and the way back.

use image::RgbImage;
use wide::i16x8;

use super::{
    face::{BoundingBox, Detection},
    mix::{Pixel, WEIGHT, across, rgb, rows_down},
};

/// Where a photo lies on a canvas: scaled by one factor, at the top left, each side rounded to whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Width and height of the photo.
    pub source: (u32, u32),
    /// Width and height of the scaled photo; the rest of the canvas is black.
    pub scaled: (u32, u32),
}

impl Letterbox {
    /// Fits `source` (width, height) into `canvas`. Small photos grow, as the reference detectors have it.
    pub fn fit(source: (u32, u32), canvas: (u32, u32)) -> Self {
        let scale =
            (f64::from(canvas.0) / f64::from(source.0)).min(f64::from(canvas.1) / f64::from(source.1));
        let side = |length: u32, most: u32| ((f64::from(length) * scale + 0.5).floor() as u32).clamp(1, most);
        Self {
            source,
            scaled: (side(source.0, canvas.0), side(source.1, canvas.1)),
        }
    }

    /// Maps a detection on the canvas back to the photo. Each axis has its own exact scale: the rounded sides
    /// would move small boxes otherwise.
    pub fn to_source(&self, detection: &Detection) -> Detection {
        let x = self.source.0 as f32 / self.scaled.0 as f32;
        let y = self.source.1 as f32 / self.scaled.1 as f32;
        let b = detection.bounding_box;
        Detection {
            bounding_box: BoundingBox {
                x1: b.x1 * x,
                y1: b.y1 * y,
                x2: b.x2 * x,
                y2: b.y2 * y,
            },
            landmarks: detection.landmarks.map(|[px, py]| [px * x, py * y]),
            score: detection.score,
        }
    }
}

/// Where a sample lies between two pixels along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tap {
    first: usize,
    /// Of the pixel behind the first, in parts of 2^[`WEIGHT`], below 1; 0 where there is none.
    weight: i16,
}

impl Tap {
    /// The `index`-th of `target` samples of `source` pixels: at `(index + 0.5) * source / target - 0.5`, edges repeated.
    fn at(index: usize, source: usize, target: usize) -> Self {
        let scale = source as f64 / target as f64;
        let position = ((index as f64 + 0.5) * scale - 0.5).clamp(0.0, (source - 1) as f64);
        let first = position as usize;
        let weight = ((position - first as f64) * f64::from(1u32 << WEIGHT)).round();
        Self {
            first,
            weight: weight.min(f64::from(i16::MAX)) as i16,
        }
    }
}

/// Where four samples of a row lie, as [`across`] takes it.
struct Four {
    places: [u32; 4],
    weights: [i16x8; 2],
}

impl Four {
    fn from(taps: [Tap; 4]) -> Self {
        Self {
            places: taps.map(|tap| tap.first as u32 * 3),
            weights: [0, 2].map(|at| i16x8::from(std::array::from_fn(|lane| taps[at + lane / 4].weight))),
        }
    }
}

/// Scales photos row by row; keeps its buffers between calls.
#[derive(Default)]
pub struct Resizer {
    /// Widths of the source and of the target that `columns` belongs to.
    widths: (usize, usize),
    columns: Vec<Four>,
    mixed: Vec<i16>,
    row: Vec<Pixel>,
}

impl Resizer {
    /// Gives `write` each row of `photo` at `width` x `height`, with its number: 8-bit RGB by bilinear interpolation
    /// without antialiasing, as OpenCV's `INTER_LINEAR` (within one level).
    pub fn rows(
        &mut self,
        photo: &RgbImage,
        (width, height): (u32, u32),
        mut write: impl FnMut(usize, &[Pixel]),
    ) {
        let (columns, rows) = (photo.width() as usize, photo.height() as usize);
        let (width, height) = (width as usize, height as usize);
        if [columns, rows, width].contains(&0) {
            return;
        }
        let source = photo.as_raw();
        let stride = columns * 3;
        // The last four may reach beyond the picture.
        self.row.resize(width.next_multiple_of(4), Pixel::default());
        if (columns, rows) == (width, height) {
            for (y, row) in source.chunks_exact(stride).enumerate() {
                for (pixel, [red, green, blue]) in self.row.iter_mut().zip(row.as_chunks().0) {
                    *pixel = [*red, *green, *blue, 0];
                }
                write(y, &self.row[..width]);
            }
            return;
        }
        if self.widths != (columns, width) {
            let tap = |x: usize| Tap::at(x.min(width - 1), columns, width);
            let fours = (0..width).step_by(4);
            self.columns.clear();
            self.columns
                .extend(fours.map(|x| Four::from([0, 1, 2, 3].map(|more| tap(x + more)))));
            self.widths = (columns, width);
        }
        // Behind the last pixel stands one of weight 0.
        self.mixed.resize((stride + 4).next_multiple_of(16), 0);
        for y in 0..height {
            let tap = Tap::at(y, rows, height);
            let first = &source[tap.first * stride..][..stride];
            let second = &source[(tap.first + 1).min(rows - 1) * stride..][..stride];
            self.mix([first, second], tap.weight);
            write(y, &self.row[..width]);
        }
    }

    /// Two rows of the source to one of the target.
    fn mix(&mut self, rows: [&[u8]; 2], weight: i16) {
        rows_down(rows, weight, &mut self.mixed);
        for (pixels, four) in self.row.as_chunks_mut::<4>().0.iter_mut().zip(&self.columns) {
            *pixels = across(&self.mixed, four.places.map(|place| place as usize), four.weights);
        }
    }

    /// `photo` at `width` x `height`, as [`Resizer::rows`] gives it.
    pub fn resize(&mut self, photo: &RgbImage, (width, height): (u32, u32)) -> RgbImage {
        let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
        self.rows(photo, (width, height), |_, row| pixels.extend(rgb(row)));
        RgbImage::from_raw(width, height, pixels).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sides_are_rounded_and_never_vanish() {
        assert_eq!(Letterbox::fit((1280, 960), (640, 640)).scaled, (640, 480));
        assert_eq!(Letterbox::fit((1, 1), (640, 640)).scaled, (640, 640));
        assert_eq!(Letterbox::fit((10_000, 3), (640, 640)).scaled, (640, 1));
    }

    /// OpenCV's `INTER_LINEAR` by its definition: the sample at `(x + 0.5) * scale - 0.5`, edges repeated.
    fn bilinear(photo: &RgbImage, (width, height): (u32, u32)) -> RgbImage {
        let at = |i: u32, n: u32, m: u32| ((f64::from(i) + 0.5) * f64::from(n) / f64::from(m) - 0.5).max(0.0);
        RgbImage::from_fn(width, height, |x, y| {
            let (sx, sy) = (at(x, photo.width(), width), at(y, photo.height(), height));
            let (x0, y0) = (
                (sx as u32).min(photo.width() - 1),
                (sy as u32).min(photo.height() - 1),
            );
            let (x1, y1) = ((x0 + 1).min(photo.width() - 1), (y0 + 1).min(photo.height() - 1));
            let (fx, fy) = (sx - f64::from(x0), sy - f64::from(y0));
            image::Rgb(std::array::from_fn(|c| {
                let p = |x, y| f64::from(photo.get_pixel(x, y)[c]);
                let top = p(x0, y0) * (1.0 - fx) + p(x1, y0) * fx;
                let bottom = p(x0, y1) * (1.0 - fx) + p(x1, y1) * fx;
                (top * (1.0 - fy) + bottom * fy).round() as u8
            }))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn resize_is_bilinear_within_one_level(
            w in 1u32..90, h in 1u32..90, tw in 1u32..90, th in 1u32..90, seed in any::<u32>()
        ) {
            let photo = RgbImage::from_fn(w, h, |x, y| {
                let v = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ seed).wrapping_mul(2_246_822_519);
                image::Rgb([(v >> 8) as u8, (v >> 16) as u8, (v >> 24) as u8])
            });
            let got = Resizer::default().resize(&photo, (tw, th));
            let want = bilinear(&photo, (tw, th));
            for (a, b) in got.as_raw().iter().zip(want.as_raw()) {
                prop_assert!(a.abs_diff(*b) <= 1, "{a} {b}");
            }
        }

        #[test]
        fn the_way_back_ends_at_the_photos_corner(w in 1u32..6000, h in 1u32..6000) {
            let letterbox = Letterbox::fit((w, h), (640, 640));
            let (sw, sh) = letterbox.scaled;
            prop_assert!(sw <= 640 && sh <= 640 && (sw == 640 || sh == 640));
            let corner = Detection {
                bounding_box: [0.0, 0.0, sw as f32, sh as f32].into(),
                landmarks: [[sw as f32, sh as f32]; 5],
                score: 1.0,
            };
            let back = letterbox.to_source(&corner);
            prop_assert!((back.bounding_box.x2 - w as f32).abs() < 0.01 && (back.bounding_box.y2 - h as f32).abs() < 0.01);
            prop_assert!((back.landmarks[4][0] - w as f32).abs() < 0.01);
        }
    }
}
