//! Blocks to pixels as libjpeg does it: inverse transform, smooth upsampling, colour conversion in whole numbers.

use super::{
    frame::{Colours, Component, Frame},
    idct,
    planes::{Plane, Workspace},
};

/// Samples of one component, and how they are spread to the size of the picture.
struct Samples {
    levels: Vec<u8>,
    stride: usize,
    width: usize,
    height: usize,
    spread: Spread,
    /// Sampling of this component and of the densest one, along rows and along columns.
    across: (usize, usize),
    down: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// One sample a pixel.
    None,
    /// Twice along rows, weighted 3 to 1 with the neighbour.
    Across,
    /// Twice along columns.
    Down,
    /// Twice along both.
    Both,
    /// Each sample as often as needed.
    Repeat,
}

impl Samples {
    fn of(frame: &Frame, component: &Component, plane: &Plane, mut levels: Vec<u8>) -> Self {
        let stride = plane.stride * 8;
        // Each is written below.
        levels.resize(plane.coefficients.len() * 64, 0);
        let rows = plane.coefficients.chunks(plane.stride);
        for (blocks, out) in rows.zip(levels.chunks_mut(stride * 8)) {
            for (column, block) in blocks.iter().enumerate() {
                idct::block(block, &plane.quantization, &mut out[column * 8..], stride);
            }
        }
        let (width, height) = frame.samples(component);
        let across = (component.across, frame.most_across());
        let down = (component.down, frame.most_down());
        let twice = |(own, most)| own * 2 == most;
        let same = |(own, most)| own == most;
        let spread = match () {
            () if same(across) && same(down) => Spread::None,
            () if twice(across) && same(down) && width > 2 => Spread::Across,
            () if same(across) && twice(down) => Spread::Down,
            () if twice(across) && twice(down) && width > 2 => Spread::Both,
            () => Spread::Repeat,
        };
        Self {
            levels,
            stride,
            width,
            height,
            spread,
            across,
            down,
        }
    }

    fn row(&self, row: usize) -> &[u8] {
        let start = row.min(self.height - 1) * self.stride;
        &self.levels[start..start + self.width]
    }

    /// The two rows that lie nearest to row `y` of a picture of twice as many: nearest first.
    fn nearest(&self, y: usize) -> (&[u8], &[u8]) {
        let other = if y.is_multiple_of(2) {
            (y / 2).saturating_sub(1)
        } else {
            y / 2 + 1
        };
        (self.row(y / 2), self.row(other))
    }

    /// Writes row `y` of the picture to `out`. `sums` is memory for what comes in between.
    fn spread(&self, y: usize, sums: &mut Vec<i16>, out: &mut [u8]) {
        match self.spread {
            Spread::None => out[..self.width].copy_from_slice(self.row(y)),
            Spread::Across => {
                sums.clear();
                sums.extend(self.row(y).iter().map(|level| i16::from(*level)));
                across(sums, 1, 2, 2, out);
            }
            Spread::Down => {
                let (near, far) = self.nearest(y);
                let round = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, near), far) in out.iter_mut().zip(near).zip(far) {
                    *out = ((i16::from(*near) * 3 + i16::from(*far) + round) >> 2) as u8;
                }
            }
            Spread::Both => {
                let (near, far) = self.nearest(y);
                sums.clear();
                let pairs = near.iter().zip(far);
                sums.extend(pairs.map(|(near, far)| i16::from(*near) * 3 + i16::from(*far)));
                across(sums, 8, 7, 4, out);
            }
            Spread::Repeat => {
                let row = self.row(y * self.down.0 / self.down.1);
                for (x, out) in out.iter_mut().enumerate() {
                    *out = row[(x * self.across.0 / self.across.1).min(self.width - 1)];
                }
            }
        }
    }
}

/// Twice as many values along a row, each 3 parts of the nearest and 1 of the next, in parts of `1 << shift`; `left` and
/// `right` round those to the left and right of their own.
fn across(values: &[i16], left: i16, right: i16, shift: u32, out: &mut [u8]) {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return;
    };
    // At the edges there is no neighbour: the value itself stands for it.
    let (before, after) = (
        std::iter::once(first).chain(values),
        values[1..].iter().chain([last]),
    );
    let mut pairs = out.chunks_exact_mut(2);
    for (((out, this), before), after) in pairs.by_ref().zip(values).zip(before).zip(after) {
        out[0] = ((this * 3 + before + left) >> shift) as u8;
        out[1] = ((this * 3 + after + right) >> shift) as u8;
    }
    if let ([out], [.., before, this]) = (pairs.into_remainder(), values) {
        *out = ((this * 3 + before + left) >> shift) as u8;
    }
}

/// All pixels of a frame as 8-bit RGB.
pub(super) fn rgb(
    frame: &Frame,
    colours: Colours,
    planes: Vec<Plane>,
    workspace: &mut Workspace,
    mut memory: Vec<u8>,
) -> Vec<u8> {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut samples = Vec::new();
    for (component, plane) in frame.components.iter().zip(planes) {
        let levels = workspace.levels.pop().unwrap_or_default();
        samples.push(Samples::of(frame, component, &plane, levels));
        workspace.coefficients.push(plane.coefficients);
    }
    memory.clear();
    memory.resize(width * height * 3, 0);
    let mut rows = vec![vec![0; width]; samples.len()];
    let mut sums = Vec::new();
    for (y, out) in memory.chunks_exact_mut(width * 3).enumerate() {
        for (samples, row) in samples.iter().zip(&mut rows) {
            samples.spread(y, &mut sums, row);
        }
        if let (Colours::YCbCr, [y, cb, cr, ..]) = (colours, &rows[..]) {
            row_from_ycbcr(y, cb, cr, out);
            continue;
        }
        let pixels = out.as_chunks_mut::<3>().0.iter_mut();
        match (colours, &rows[..]) {
            (Colours::Rgb, [r, g, b, ..]) => {
                for (((pixel, r), g), b) in pixels.zip(r).zip(g).zip(b) {
                    *pixel = [*r, *g, *b];
                }
            }
            (Colours::Cmyk, [c, m, y, k]) => {
                for ((((pixel, c), m), y), k) in pixels.zip(c).zip(m).zip(y).zip(k) {
                    *pixel = [*c, *m, *y].map(|ink| times(ink, *k));
                }
            }
            (Colours::Ycck, [y, cb, cr, k]) => {
                for ((((pixel, y), cb), cr), k) in pixels.zip(y).zip(cb).zip(cr).zip(k) {
                    *pixel = from_ycbcr(*y, *cb, *cr).map(|ink| times(255 - ink, *k));
                }
            }
            (_, [grey, ..]) => {
                for (pixel, grey) in pixels.zip(grey) {
                    *pixel = [*grey; 3];
                }
            }
            (_, []) => {}
        }
    }
    workspace
        .levels
        .extend(samples.into_iter().map(|samples| samples.levels));
    memory
}

/// The product of two levels as parts of 255, rounded.
fn times(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

fn from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    /// Constants have 16 bits behind the point.
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|level| level.clamp(0, 255) as u8)
}

/// The same for a row, 16 pixels at once in numbers of 16 bits. `out` has 3 bytes for each of the pixels.
fn row_from_ycbcr(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let (blocks, rest) = y.as_chunks::<16>();
    let done = blocks.len() * 16;
    let blocks = blocks
        .iter()
        .zip(cb.as_chunks::<16>().0)
        .zip(cr.as_chunks::<16>().0);
    for (((y, cb), cr), out) in blocks.zip(out.as_chunks_mut::<48>().0) {
        let rgb = sixteen_from_ycbcr(y, cb, cr);
        for (index, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [rgb[0][index], rgb[1][index], rgb[2][index]];
        }
    }
    let rest = rest.iter().zip(&cb[done..]).zip(&cr[done..]);
    for (((y, cb), cr), out) in rest.zip(out[done * 3..].as_chunks_mut::<3>().0) {
        *out = from_ycbcr(*y, *cb, *cr);
    }
}

/// All reds, greens and blues of 16 pixels, the same to the bit as [`from_ycbcr`]: 1.402 is 1 and 0.402, 1.772 is 2 less
/// 0.228, 0.714 is 1 less 0.286, so that the factors have 16 bits.
fn sixteen_from_ycbcr(y: &[u8; 16], cb: &[u8; 16], cr: &[u8; 16]) -> [[u8; 16]; 3] {
    const HALF: i32 = 1 << 15;
    let upper = |a: i16, b: i16| ((i32::from(a) * i32::from(b)) >> 16) as i16;
    let level = |value: i16| value.clamp(0, 255) as u8;
    let mut rgb = [[0; 16]; 3];
    for index in 0..16 {
        let y = i16::from(y[index]);
        let (cb, cr) = (i16::from(cb[index]) - 128, i16::from(cr[index]) - 128);
        let green = i32::from(cb) * -22_554 + i32::from(cr) * 18_734 + HALF;
        rgb[0][index] = level(y + cr + ((upper(2 * cr, 26_345) + 1) >> 1));
        rgb[1][index] = level(y - cr + (green >> 16) as i16);
        rgb[2][index] = level(y + 2 * cb + ((upper(2 * cb, -14_942) + 1) >> 1));
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_at_once_are_as_one_by_one() {
        for cb in 0..=255 {
            for cr in 0..=255 {
                let y = std::array::from_fn(|index| (index * 17) as u8);
                let rgb = sixteen_from_ycbcr(&y, &[cb; 16], &[cr; 16]);
                for (index, y) in y.into_iter().enumerate() {
                    assert_eq!(
                        rgb.map(|colour| colour[index]),
                        from_ycbcr(y, cb, cr),
                        "{y} {cb} {cr}"
                    );
                }
            }
        }
    }
}
