//! Rows of 8-bit RGB pixels to the numbers that networks read, without a picture in between.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mix::Pixel;

/// The order of a tensor's three planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (OpenCV's habit).
    Bgr,
}

impl std::fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        })
    }
}

/// How a pixel of 0..=255 becomes a number: `(pixel - mean) / divisor`, the same for the three channels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Normalization {
    /// The order of the planes.
    pub channels: ChannelOrder,
    /// Subtracted first, 0 to 255.
    pub mean: f32,
    /// Divided by next; never 0.
    pub divisor: f32,
}

/// A [`Normalization`] ready for use, its division exact.
#[derive(Debug, Clone)]
pub struct Numbers {
    normalization: Normalization,
    /// The factor that gives the same numbers as the division, where there is one: processors take longer to divide.
    factor: Option<f32>,
}

impl Numbers {
    fn black(&self) -> f32 {
        let Normalization { mean, divisor, .. } = self.normalization;
        (0.0 - mean) / divisor
    }
}

impl From<Normalization> for Numbers {
    fn from(normalization: Normalization) -> Self {
        let Normalization { mean, divisor, .. } = normalization;
        let factor = 1.0 / divisor;
        let same = |pixel: u8| {
            let above = f32::from(pixel) - mean;
            (above * factor).to_bits() == (above / divisor).to_bits()
        };
        Self {
            normalization,
            factor: (0..=u8::MAX).all(same).then_some(factor),
        }
    }
}

/// Width and height of the part of a place that a picture has been written to.
pub type Extent = (usize, usize);

/// The place of one picture in a batch; it is written row by row, and around the picture it is black.
pub struct Slot<'a> {
    pixels: Pixels<'a>,
    columns: usize,
    /// What an earlier picture left.
    extent: &'a mut Extent,
}

enum Pixels<'a> {
    /// 3 x height x width.
    Planes(&'a mut [f32], &'a Numbers),
    /// Height x width x 3.
    Bytes(&'a mut [u8], ChannelOrder),
}

impl<'a> Slot<'a> {
    /// A place of planes (3 x height x `columns`). `extent` says what may stand in it; outside it is black already, as
    /// [`Slot::blacken`] leaves it.
    pub fn planes(
        values: &'a mut [f32],
        columns: usize,
        numbers: &'a Numbers,
        extent: &'a mut Extent,
    ) -> Self {
        Self {
            pixels: Pixels::Planes(values, numbers),
            columns,
            extent,
        }
    }

    /// A place of bytes (height x `columns` x 3), for networks that normalise them.
    pub fn bytes(
        values: &'a mut [u8],
        columns: usize,
        channels: ChannelOrder,
        extent: &'a mut Extent,
    ) -> Self {
        Self {
            pixels: Pixels::Bytes(values, channels),
            columns,
            extent,
        }
    }

    /// Begins a picture of `width` x `height` at the top left: what an earlier one left beside and below it becomes
    /// black. Its rows must follow.
    ///
    /// # Panics
    /// Where the picture is larger than the place: the caller has fitted it.
    pub fn begin(&mut self, width: usize, height: usize) {
        let rows = match &self.pixels {
            Pixels::Planes(values, _) => values.len() / (3 * self.columns),
            Pixels::Bytes(values, _) => values.len() / (3 * self.columns),
        };
        assert!(
            width <= self.columns && height <= rows,
            "a {width}x{height} picture in a place of {}x{rows}",
            self.columns
        );
        let (right, bottom) = *self.extent;
        for row in 0..bottom {
            let left = if row < height { width } else { 0 };
            if left < right {
                self.fill(row, left, right);
            }
        }
        *self.extent = (width, height);
    }

    /// Makes all of it black.
    pub fn blacken(&mut self) {
        match &mut self.pixels {
            Pixels::Planes(values, numbers) => values.fill(numbers.black()),
            Pixels::Bytes(values, _) => values.fill(0),
        }
        *self.extent = (0, 0);
    }

    fn fill(&mut self, row: usize, left: usize, right: usize) {
        let columns = self.columns;
        match &mut self.pixels {
            Pixels::Planes(values, numbers) => {
                let area = values.len() / 3;
                for plane in values.chunks_exact_mut(area) {
                    plane[row * columns + left..row * columns + right].fill(numbers.black());
                }
            }
            Pixels::Bytes(values, _) => {
                values[(row * columns + left) * 3..(row * columns + right) * 3].fill(0);
            }
        }
    }

    /// Writes row `y`: 8-bit RGB pixels, as many as the picture is wide.
    pub fn write_row(&mut self, y: usize, row: &[Pixel]) {
        let (start, width) = (y * self.columns, row.len());
        match &mut self.pixels {
            Pixels::Planes(values, numbers) => {
                let (first, rest) = values.split_at_mut(values.len() / 3);
                let (second, third) = rest.split_at_mut(rest.len() / 2);
                let Normalization {
                    channels,
                    mean,
                    divisor,
                } = numbers.normalization;
                let (red, blue) = match channels {
                    ChannelOrder::Rgb => (first, third),
                    ChannelOrder::Bgr => (third, first),
                };
                let planes = [red, second, blue].map(|plane| &mut plane[start..start + width]);
                match numbers.factor {
                    Some(factor) => write_planes(planes, row, |value| (value - mean) * factor),
                    None => write_planes(planes, row, |value| (value - mean) / divisor),
                }
            }
            Pixels::Bytes(values, channels) => {
                let places = values[start * 3..(start + width) * 3].as_chunks_mut::<3>().0;
                for (place, [red, green, blue, _]) in places.iter_mut().zip(row) {
                    *place = match channels {
                        ChannelOrder::Rgb => [*red, *green, *blue],
                        ChannelOrder::Bgr => [*blue, *green, *red],
                    };
                }
            }
        }
    }
}

/// Pixels to rows of red, green and blue. Whole pixels are shifted, so that compilers take several at a time.
fn write_planes([red, green, blue]: [&mut [f32]; 3], row: &[Pixel], number: impl Fn(f32) -> f32) {
    for (((red, green), blue), pixel) in red.iter_mut().zip(green).zip(blue).zip(row) {
        let bits = u32::from_le_bytes(*pixel);
        *red = number(f32::from(bits as u8));
        *green = number(f32::from((bits >> 8) as u8));
        *blue = number(f32::from((bits >> 16) as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMALIZATION: Normalization = Normalization {
        channels: ChannelOrder::Bgr,
        mean: 127.5,
        divisor: 128.0,
    };
    const BLACK: f32 = -0.996_093_75;

    #[test]
    fn planes_follow_the_channel_order_and_are_black_around_the_picture() {
        let (mut planes, mut extent) = ([0f32; 12], (0, 0));
        let numbers = Numbers::from(NORMALIZATION);
        let mut slot = Slot::planes(&mut planes, 2, &numbers, &mut extent);
        slot.blacken();
        slot.begin(2, 1);
        slot.write_row(0, &[[9; 4]; 2]);
        slot.begin(1, 1);
        slot.write_row(0, &[[255, 128, 0, 7]]);
        let want = [BLACK, 0.003_906_25, 0.996_093_75];
        for (plane, want) in planes.chunks_exact(4).zip(want) {
            assert!(
                plane
                    .iter()
                    .zip([want, BLACK, BLACK, BLACK])
                    .all(|(a, b)| (a - b).abs() < 1e-6),
                "{plane:?}"
            );
        }
    }

    #[test]
    fn numbers_are_those_of_the_division_whether_or_not_there_is_a_factor() {
        for (mean, divisor, factor) in [(0.0, 1.0, true), (127.5, 128.0, true), (127.5, 127.5, false)] {
            let numbers = Numbers::from(Normalization {
                channels: ChannelOrder::Rgb,
                mean,
                divisor,
            });
            assert_eq!(numbers.factor.is_some(), factor);
            let (mut planes, mut extent) = (vec![0f32; 3 * 256], (0, 0));
            let row: Vec<Pixel> = (0..=255).map(|v| [v, 255 - v, v ^ 0x55, 7]).collect();
            Slot::planes(&mut planes, 256, &numbers, &mut extent).write_row(0, &row);
            for (plane, channel) in planes.chunks_exact(256).zip(0..) {
                for (value, pixel) in plane.iter().zip(&row) {
                    let want = (f32::from(pixel[channel]) - mean) / divisor;
                    assert_eq!(value.to_bits(), want.to_bits());
                }
            }
        }
    }

    #[test]
    fn bytes_keep_their_values_and_lose_what_an_earlier_picture_left() {
        let (mut bytes, mut extent) = ([7u8; 12], (2, 2));
        let mut slot = Slot::bytes(&mut bytes, 2, ChannelOrder::Bgr, &mut extent);
        slot.begin(1, 1);
        slot.write_row(0, &[[1, 2, 3, 7]]);
        assert_eq!(bytes, [3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(extent, (1, 1));
    }

    #[test]
    #[should_panic(expected = "a 3x1 picture in a place of 2x2")]
    fn a_picture_that_does_not_fit_is_no_accident() {
        let (mut bytes, mut extent) = ([0u8; 12], (0, 0));
        Slot::bytes(&mut bytes, 2, ChannelOrder::Rgb, &mut extent).begin(3, 1);
    }
}
