//! The same photo with slightly other pixels: as hard to decode, with the same faces, and never seen before.

use std::io::Cursor;

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{decoder::decode, encoded::Limits};

/// Steps of a JPEG's quantization table that are changed.
const STEPS: usize = 6;
/// Steps from this size on change by an eighth of themselves at most.
const COARSE: u16 = 8;
/// Where the finest details of a block begin, in the order of the table.
const FINE: usize = 36;

/// The photo in `bytes` with other pixels, the same for the same `number`; `None` where it cannot be changed. A JPEG keeps all
/// its data but the sizes of a few quantization steps, so that it takes as long to decode; everything else becomes a PNG
/// whose pixels differ by one level here and there.
pub fn slightly_changed(bytes: &[u8], number: u64, limits: Limits) -> Option<Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    if bytes.starts_with(&[0xff, 0xd8]) {
        return with_other_steps(bytes, &mut random);
    }
    let mut pixels = decode(bytes, limits).ok()?;
    let mut noise = vec![0; pixels.as_raw().len().div_ceil(8)];
    random.fill_bytes(&mut noise);
    for (place, value) in pixels.iter_mut().enumerate() {
        // Every other value, up or down by its last bit.
        *value ^= (noise[place / 8] >> (place % 8)) & 1;
    }
    let mut changed = Cursor::new(Vec::new());
    PngEncoder::new_with_quality(&mut changed, CompressionType::Fast, FilterType::Up)
        .write_image(&pixels, pixels.width(), pixels.height(), ExtendedColorType::Rgb8)
        .ok()?;
    Some(changed.into_inner())
}

/// The JPEG in `bytes` with other quantization steps in its first table, that of the luminance.
fn with_other_steps(bytes: &[u8], random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let (place, width) = first_table(bytes)?;
    let mut changed = bytes.to_vec();
    let mut steps: Vec<u16> = changed[place..place + 64 * width]
        .chunks_exact(width)
        .map(|step| step.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
        .collect();
    let largest = if width == 1 { 255 } else { u16::MAX };
    // Not the first, which is the brightness of whole blocks.
    let coarse: Vec<usize> = (1..64).filter(|at| steps[*at] >= COARSE).take(24).collect();
    let mut places = if coarse.len() >= STEPS {
        coarse
    } else {
        (FINE..64).collect()
    };
    places.shuffle(random);
    for at in places.into_iter().take(STEPS) {
        let step = &mut steps[at];
        *step = if *step < largest { *step + 1 } else { *step - 1 };
        let value = step.to_be_bytes();
        changed[place + at * width..place + (at + 1) * width].copy_from_slice(&value[2 - width..]);
    }
    Some(changed)
}

/// Where the first quantization table of a JPEG begins, and how many bytes a step has.
fn first_table(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..at + 2)? else {
            return None;
        };
        match marker {
            // Fill bytes, and markers without a length.
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xda | 0xd9 => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                if marker == 0xdb {
                    let width = if bytes.get(at + 4)? >> 4 == 0 { 1 } else { 2 };
                    let table = at + 5;
                    return (length >= 3 + 64 * width && table + 64 * width <= bytes.len())
                        .then_some((table, width));
                }
                at += 2 + length.max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(64, 48, |x, y| {
            let wave = ((x * 7 + y * 13) % 64) as u8;
            Rgb([100 + wave, 90 + wave / 2, 80 + (y % 32) as u8])
        })
    }

    /// Mean and largest difference of the pixels, and whether the sizes are the same.
    fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
        let [a, b] = [a, b].map(|bytes| decode(bytes, Limits::default()).unwrap());
        assert_eq!(a.dimensions(), b.dimensions());
        let all: Vec<u8> = a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
        let sum: f64 = all.iter().map(|value| f64::from(*value)).sum();
        (sum / all.len() as f64, all.iter().copied().max().unwrap())
    }

    #[test]
    fn a_jpeg_keeps_its_size_and_looks_the_same() {
        for quality in [30, 75, 95, 100] {
            let mut jpeg = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality)
                .encode_image(&picture())
                .unwrap();
            let changed = slightly_changed(&jpeg, 1, Limits::default()).unwrap();
            assert_eq!(changed.len(), jpeg.len());
            let (mean, _) = difference(&jpeg, &changed);
            assert!(mean > 0.0 && mean < 6.0, "quality {quality}: {mean}");
            let other = slightly_changed(&jpeg, 2, Limits::default()).unwrap();
            assert!(other != changed, "another number gives another photo");
            assert_eq!(slightly_changed(&jpeg, 1, Limits::default()).unwrap(), changed);
        }
    }

    #[test]
    fn other_formats_differ_by_a_level() {
        let mut png = Cursor::new(Vec::new());
        picture().write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let changed = slightly_changed(&png, 1, Limits::default()).unwrap();
        let (mean, most) = difference(&png, &changed);
        assert!((0.4..0.6).contains(&mean) && most == 1, "{mean} {most}");
        assert_ne!(slightly_changed(&png, 2, Limits::default()).unwrap(), changed);
    }

    #[test]
    fn what_is_no_photo_is_not_changed() {
        for bytes in [
            &b""[..],
            b"text",
            &[0xff, 0xd8],
            &[0xff, 0xd8, 0xff, 0xdb, 0, 3, 0],
            &[0xff, 0xd8, 0xff, 0xe0, 0xff],
        ] {
            assert_eq!(slightly_changed(bytes, 1, Limits::default()), None);
        }
    }
}
