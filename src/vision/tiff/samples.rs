//! The samples of a TIFF as levels of 8 bits, and pixels made of them.

use image::RgbImage;
use tiff::decoder::DecodingResult;

/// Levels of all pixels.
pub(super) struct Samples {
    pub(super) levels: Vec<u8>,
    /// Samples of a pixel.
    pub(super) channels: usize,
    /// Whether all first samples come before all second ones.
    pub(super) planes: bool,
}

/// What was read as 8-bit levels, a byte each; numbers in a palette stay as they are, of whatever bits, which the caller
/// knows. `None` for other samples than those that are read.
pub(super) fn levels(
    buffer: DecodingResult,
    bits: u8,
    (width, height): (u32, u32),
    channels: usize,
) -> Option<Vec<u8>> {
    match buffer {
        DecodingResult::U8(levels) if bits == 8 => Some(levels),
        DecodingResult::U8(packed) if bits < 8 && channels == 1 => {
            let row_bytes = (width as usize * usize::from(bits)).div_ceil(8);
            let per_byte = usize::from(8 / bits);
            let mask = (1_u16 << bits) as u8 - 1;
            let mut levels = Vec::with_capacity(width as usize * height as usize);
            for row in packed.chunks_exact(row_bytes) {
                let samples = (0..width as usize).map(|x| {
                    let shift = 8 - bits as usize * (1 + x % per_byte);
                    row[x / per_byte] >> shift & mask
                });
                levels.extend(samples);
            }
            Some(levels)
        }
        DecodingResult::U16(levels) => {
            // As the image crate reduces it, so that all formats do alike.
            let reduced = |level: u16| ((u32::from(level) + 128) / 257) as u8;
            Some(levels.into_iter().map(reduced).collect())
        }
        DecodingResult::F32(levels) => {
            let reduced = |level: f32| (level.clamp(0.0, 1.0) * 255.0).round() as u8;
            Some(levels.into_iter().map(reduced).collect())
        }
        _ => None,
    }
}

impl Samples {
    /// Makes each pixel of its first `N` samples. `None` where there are too few.
    fn pixels<const N: usize>(
        &self,
        (width, height): (u32, u32),
        colour: impl Fn([u8; N]) -> [u8; 3],
    ) -> Option<RgbImage> {
        let count = width as usize * height as usize;
        let (step, plane) = if self.planes {
            (1, count)
        } else {
            (self.channels, 1)
        };
        if self.channels < N || self.levels.len() < count.checked_mul(self.channels)? {
            return None;
        }
        let mut pixels = Vec::with_capacity(count * 3);
        for index in 0..count {
            let samples = std::array::from_fn(|channel| self.levels[index * step + channel * plane]);
            pixels.extend(colour(samples));
        }
        RgbImage::from_raw(width, height, pixels)
    }

    pub(super) fn rgb(&self, size: (u32, u32)) -> Option<RgbImage> {
        self.pixels(size, |rgb| rgb)
    }

    pub(super) fn grey(&self, size: (u32, u32), scale: u8) -> Option<RgbImage> {
        self.pixels(size, |[grey]| [grey.wrapping_mul(scale); 3])
    }

    pub(super) fn cmyk(&self, size: (u32, u32)) -> Option<RgbImage> {
        self.pixels(size, |[c, m, y, k]: [u8; 4]| {
            [c, m, y].map(|ink| {
                let light = u32::from(255 - ink) * u32::from(255 - k) + 128;
                ((light + (light >> 8)) >> 8) as u8
            })
        })
    }

    /// `palette` has all reds, then all greens, then all blues, of 16 bits.
    pub(super) fn by_palette(&self, size: (u32, u32), palette: &[u16]) -> Option<RgbImage> {
        let count = palette.len() / 3;
        // A number that the palette does not have is black, as in Pillow.
        self.pixels(size, |[index]| {
            [0, 1, 2].map(|colour| {
                let at = usize::from(index);
                if at < count {
                    (palette[colour * count + at] >> 8) as u8
                } else {
                    0
                }
            })
        })
    }
}
