//! A picture in linear light, and the effects of a camera on it.

use image::RgbImage;

use super::{
    math::{Rgb, lattice_hash, pow},
    person::Sprite,
};

/// A picture in linear light, row by row.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Rgb>,
}

/// A shape to fill: a box or an ellipse, turned about its centre.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) round: bool,
    pub(super) centre: (f32, f32),
    pub(super) half: (f32, f32),
    /// Sine and cosine of the turn.
    pub(super) turn: (f32, f32),
}

impl Shape {
    pub(super) fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self {
            round: false,
            centre: (0.5 * (left + right), 0.5 * (top + bottom)),
            half: (0.5 * (right - left), 0.5 * (bottom - top)),
            turn: (0.0, 1.0),
        }
    }

    pub(super) fn ellipse(centre: (f32, f32), half_width: f32, half_height: f32) -> Self {
        Self {
            round: true,
            centre,
            half: (half_width, half_height),
            turn: (0.0, 1.0),
        }
    }

    pub(super) fn turned(self, turn: (f32, f32)) -> Self {
        Self { turn, ..self }
    }
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![Rgb::ZERO; width * height],
        }
    }

    /// Fills a shape; `colour` is called with positions from -1 to 1 along its own axes.
    pub(super) fn fill(&mut self, shape: &Shape, opacity: f32, colour: impl Fn(f32, f32) -> Rgb) {
        self.fill_marking(shape, opacity, colour, |_| {});
    }

    /// Fills a shape and gives `mark` the index of every pixel that it covers at least half.
    pub(super) fn fill_marking(
        &mut self,
        shape: &Shape,
        opacity: f32,
        colour: impl Fn(f32, f32) -> Rgb,
        mut mark: impl FnMut(usize),
    ) {
        let (half_width, half_height) = (shape.half.0.max(0.3), shape.half.1.max(0.3));
        let (sine, cosine) = shape.turn;
        let reach_x = (half_width * cosine).abs() + (half_height * sine).abs() + 1.0;
        let reach_y = (half_width * sine).abs() + (half_height * cosine).abs() + 1.0;
        let start = |centre: f32, reach: f32| (centre - reach).max(0.0) as usize;
        let end =
            |centre: f32, reach: f32, limit: usize| (centre + reach + 1.0).clamp(0.0, limit as f32) as usize;
        let narrow = half_width.min(half_height);
        let (per_width, per_height) = (1.0 / half_width, 1.0 / half_height);
        for y in start(shape.centre.1, reach_y)..end(shape.centre.1, reach_y, self.height) {
            for x in start(shape.centre.0, reach_x)..end(shape.centre.0, reach_x, self.width) {
                let (dx, dy) = (x as f32 + 0.5 - shape.centre.0, y as f32 + 0.5 - shape.centre.1);
                let (u, v) = (dx * cosine + dy * sine, dy * cosine - dx * sine);
                let (along, down) = (u * per_width, v * per_height);
                let inside = if shape.round {
                    (1.0 - (along * along + down * down).sqrt()) * narrow
                } else {
                    (half_width - u.abs()).min(half_height - v.abs())
                };
                let coverage = (inside + 0.5).clamp(0.0, 1.0) * opacity;
                if coverage > 0.0 {
                    let index = y * self.width + x;
                    let paint = colour(along, down);
                    self.pixels[index] = self.pixels[index].mix(paint, coverage);
                    if coverage >= 0.5 {
                        mark(index);
                    }
                }
            }
        }
    }

    /// Lays a drawn person over the picture.
    pub(super) fn lay(&mut self, sprite: &Sprite) {
        for row in 0..sprite.height {
            let from = row * sprite.width;
            let to = (sprite.top + row) * self.width + sprite.left;
            let line = &sprite.pixels[from..from + sprite.width];
            for (pixel, (light, coverage)) in self.pixels[to..].iter_mut().zip(line) {
                if *coverage > 0.0 {
                    *pixel = *pixel * (1.0 - coverage) + *light;
                }
            }
        }
    }

    /// The picture at `width` x `height`, between pixels by bilinear interpolation.
    pub(super) fn enlarged(&self, width: usize, height: usize) -> Self {
        let step = |small: usize, large: usize| small as f32 / large as f32;
        let (sx, sy) = (step(self.width, width), step(self.height, height));
        let locate = |i: usize, scale: f32, limit: usize| {
            let at = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, (limit - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(limit - 1), at - low as f32)
        };
        let columns: Vec<_> = (0..width).map(|x| locate(x, sx, self.width)).collect();
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom, ty) = locate(y, sy, self.height);
            let (top, bottom) = (top * self.width, bottom * self.width);
            for (left, right, tx) in &columns {
                let above = self.pixels[top + left].mix(self.pixels[top + right], *tx);
                let below = self.pixels[bottom + left].mix(self.pixels[bottom + right], *tx);
                pixels.push(above.mix(below, ty));
            }
        }
        Self {
            width,
            height,
            pixels,
        }
    }

    /// A box blur of `2 * radius + 1` pixels each way, twice: close to a Gaussian.
    pub(super) fn blur_widely(&mut self, radius: usize) {
        for _ in 0..2 {
            self.box_blur(radius);
        }
    }

    fn box_blur(&mut self, radius: usize) {
        let (width, height) = (self.width, self.height);
        let share = 1.0 / (2 * radius + 1) as f32;
        let mut line = vec![Rgb::ZERO; width.max(height)];
        for y in 0..height {
            let row = &mut self.pixels[y * width..(y + 1) * width];
            line[..width].copy_from_slice(row);
            let mut sum = line[0] * radius as f32;
            for i in 0..radius {
                sum = sum + line[i.min(width - 1)];
            }
            for (x, pixel) in row.iter_mut().enumerate() {
                sum = sum + line[(x + radius).min(width - 1)];
                *pixel = sum * share;
                sum = sum - line[x.saturating_sub(radius)];
            }
        }
        // Columns, a whole row of running sums at a time.
        let source = self.pixels.clone();
        let at = |y: usize| &source[y * width..(y + 1) * width];
        let mut sums: Vec<Rgb> = at(0).iter().map(|p| *p * radius as f32).collect();
        for i in 0..radius {
            for (sum, pixel) in sums.iter_mut().zip(at(i.min(height - 1))) {
                *sum = *sum + *pixel;
            }
        }
        for y in 0..height {
            let entering = at((y + radius).min(height - 1));
            let leaving = at(y.saturating_sub(radius));
            let row = &mut self.pixels[y * width..(y + 1) * width];
            for x in 0..width {
                let sum = sums[x] + entering[x];
                row[x] = sum * share;
                sums[x] = sum - leaving[x];
            }
        }
    }

    /// A lens slightly out of focus: neighbours weigh `spread` (0 to 0.33) against 1 - 2 `spread`.
    pub(super) fn soften(&mut self, spread: f32) {
        let (width, height) = (self.width, self.height);
        let keep = 1.0 - 2.0 * spread;
        for y in 0..height {
            let row = &mut self.pixels[y * width..(y + 1) * width];
            let mut left = row[0];
            for x in 0..width {
                let here = row[x];
                let right = row[(x + 1).min(width - 1)];
                row[x] = here * keep + (left + right) * spread;
                left = here;
            }
        }
        let mut previous = self.pixels[..width].to_vec();
        for y in 0..height {
            let (upper, lower) = self.pixels.split_at_mut((y + 1) * width);
            let row = &mut upper[y * width..];
            for (x, (pixel, above)) in row.iter_mut().zip(&mut previous).enumerate() {
                let here = *pixel;
                let below = lower.get(x).copied().unwrap_or(here);
                *pixel = here * keep + (*above + below) * spread;
                *above = here;
            }
        }
    }

    /// Exposes the picture: display gamma, then grain of the given deviation in levels of 255.
    pub(super) fn develop(&self, grain: f32, seed: u32) -> RgbImage {
        let curve = gamma_curve();
        let tone = |light: f32| curve[curve_index(light)];
        // The sum of two bytes has deviation 104.5; neighbouring channels share one, as sensors' channels do.
        let gain = grain / 104.5;
        let level = |light: f32, bytes: u32| {
            let speck = (bytes as f32 - 255.0) * gain;
            (tone(light) + speck + 0.5).clamp(0.0, 255.0) as u8
        };
        let mut samples = vec![0; self.pixels.len() * 3];
        let lines = samples.chunks_exact_mut(3 * self.width);
        for (y, (row, line)) in self.pixels.chunks_exact(self.width).zip(lines).enumerate() {
            for (x, (light, sample)) in row.iter().zip(line.chunks_exact_mut(3)).enumerate() {
                let [a, b, c, d] = lattice_hash(x as u32, y as u32, seed)
                    .to_le_bytes()
                    .map(u32::from);
                sample[0] = level(light.x, a + b);
                sample[1] = level(light.y, b + c);
                sample[2] = level(light.z, c + d);
            }
        }
        // The buffer holds three samples for every pixel, so it always fits.
        RgbImage::from_raw(self.width as u32, self.height as u32, samples).unwrap_or_default()
    }
}

/// Light below this is black.
const BLACK: f32 = 1.0 / 8192.0;
/// The bits of a float that select its display level: the exponent and eight bits of the mantissa.
const CURVE_SHIFT: u32 = 15;

/// Where the display level of `light` is in [`gamma_curve`].
fn curve_index(light: f32) -> usize {
    let bits = light.clamp(BLACK, 1.0).to_bits();
    ((bits >> CURVE_SHIFT) - (BLACK.to_bits() >> CURVE_SHIFT)) as usize
}

/// Display levels (0 to 255) of linear light from [`BLACK`] to 1, in steps of a 256th of the light.
fn gamma_curve() -> Vec<f32> {
    let first = BLACK.to_bits() >> CURVE_SHIFT;
    (0..=curve_index(1.0) as u32)
        .map(|step| {
            let light = f32::from_bits((first + step) << CURVE_SHIFT);
            255.0 * pow(light, 1.0 / 2.2)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::math::vec3;
    use super::*;

    #[test]
    fn blurs_keep_the_light() {
        let mut canvas = Canvas::new(31, 23);
        for pixel in &mut canvas.pixels {
            *pixel = vec3(0.4, 0.5, 0.6);
        }
        canvas.blur_widely(3);
        canvas.soften(0.25);
        for pixel in &canvas.pixels {
            assert!((pixel.x - 0.4).abs() < 1e-4 && (pixel.z - 0.6).abs() < 1e-4);
        }
    }

    #[test]
    fn the_curve_reaches_from_black_to_white_without_steps() {
        let curve = gamma_curve();
        assert!((curve[curve_index(2.0)] - 255.0).abs() < 0.1);
        assert!(curve[curve_index(-1.0)] < 5.0);
        assert!(curve.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] < 1.0));
    }

    #[test]
    fn a_filled_box_covers_its_area() {
        let mut canvas = Canvas::new(40, 40);
        canvas.fill(&Shape::rect(5.0, 10.0, 25.0, 20.0), 1.0, |_, _| {
            vec3(1.0, 1.0, 1.0)
        });
        let sum: f32 = canvas.pixels.iter().map(|p| p.x).sum();
        assert!((sum - 200.0).abs() < 1.0);
    }
}
