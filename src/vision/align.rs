//! Alignment: a similarity transform from five landmarks to the recognizers' template, and the warp that applies it.
//!
//! Least squares after Umeyama ("Least-squares estimation of transformation parameters between two point patterns",
//! 1991) without reflection; in two dimensions it has the closed form used here. The template is the ArcFace
//! family's for 112x112 crops (`InsightFace`'s `arcface_dst`).

use image::RgbImage;

use super::face::Landmarks;

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

/// Writes the aligned crop of the face at `landmarks` into `crop`: bilinear, black outside the photo.
/// Landmarks that no similarity can map (all in one point, not finite) give a black crop.
pub fn align(photo: &RgbImage, landmarks: &Landmarks, crop: &mut RgbImage) {
    let Some(back) = Similarity::between(landmarks, &TEMPLATE).inverse() else {
        crop.fill(0);
        return;
    };
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let source = photo.as_raw();
    let columns = crop.width() as usize;
    for (y, row) in crop.chunks_exact_mut(columns * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_photo_already_aligned_stays_as_it_is() {
        let photo = RgbImage::from_fn(112, 112, |x, y| image::Rgb([(x * 2) as u8, (y * 2) as u8, 9]));
        let mut crop = RgbImage::new(CROP_SIZE, CROP_SIZE);
        align(&photo, &TEMPLATE, &mut crop);
        assert!(
            photo
                .as_raw()
                .iter()
                .zip(crop.as_raw())
                .all(|(a, b)| a.abs_diff(*b) <= 1)
        );
    }

    #[test]
    fn outside_is_black_and_nonsense_does_not_panic() {
        let photo = RgbImage::from_pixel(10, 10, image::Rgb([255; 3]));
        let mut crop = RgbImage::from_pixel(CROP_SIZE, CROP_SIZE, image::Rgb([7; 3]));
        align(&photo, &TEMPLATE.map(|[x, y]| [x + 1000.0, y]), &mut crop);
        assert!(crop.as_raw().iter().all(|v| *v == 0));
        align(&photo, &[[f32::NAN; 2]; 5], &mut crop);
        align(&photo, &[[5.0; 2]; 5], &mut crop);
    }

    proptest! {
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
