//! Letterbox: a photo scaled to fit a canvas, and the way back.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use image::RgbImage;

use super::face::{BoundingBox, Detection};

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

/// Scales photos; keeps its buffers between calls.
#[derive(Default)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
    scaled: Vec<u8>,
}

impl Resizer {
    /// `photo` at `width` x `height` by bilinear interpolation without antialiasing, as OpenCV's `INTER_LINEAR`
    /// (within one level). Give the picture back with [`Resizer::recycle`] to reuse its memory.
    pub fn resize(&mut self, photo: &RgbImage, (width, height): (u32, u32)) -> RgbImage {
        let mut pixels = std::mem::take(&mut self.scaled);
        pixels.resize(width as usize * height as usize * 3, 0);
        if photo.dimensions() == (width, height) {
            pixels.copy_from_slice(photo.as_raw());
        } else {
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear));
            let source = TypedImageRef::<U8x3>::from_buffer(photo.width(), photo.height(), photo.as_raw());
            let target = TypedImage::<U8x3>::from_buffer(width, height, &mut pixels);
            // One pixel type by name: left open, the compiler would build the scaler for every type there is.
            if let (Ok(source), Ok(mut target)) = (source, target) {
                // Fails for a crop outside the source alone, and there is no crop.
                let _ = self.inner.resize_typed(&source, &mut target, &options);
            }
        }
        RgbImage::from_raw(width, height, pixels).unwrap_or_default()
    }

    /// Takes back the memory of a picture that [`Resizer::resize`] made.
    pub fn recycle(&mut self, picture: RgbImage) {
        self.scaled = picture.into_raw();
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
