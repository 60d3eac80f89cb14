//! Encoded bytes to an oriented RGB photo: format by content, limits before allocation, EXIF orientation.

use std::io::Cursor;

use image::{ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage, metadata::Orientation};
use thiserror::Error;

use super::{
    decoder::Decoder,
    photo::{Photo, Scale},
};

/// The formats that a photo may have, told by content.
pub const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
    ImageFormat::Gif,
];

/// What a photo may cost before any of it is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (width times height).
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 100 megapixels: every camera's photo, and no bomb.
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
        }
    }
}

/// What the header of an encoded photo says; the sides are those after orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Width in pixels as a person sees it.
    pub width: u32,
    /// Height in pixels as a person sees it.
    pub height: u32,
}

/// Why bytes are no photo. The message follows the file's name and a colon.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// No byte at all.
    #[error("the file is empty")]
    Empty,
    /// The content is none of [`FORMATS`].
    #[error("not an image (JPEG, PNG, WebP, BMP, TIFF and GIF are told by content, not by name)")]
    NotAnImage,
    /// A side is 0.
    #[error("declares {width}x{height} pixels: nothing to see")]
    NoPixels {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
    },
    /// More pixels than [`Limits::max_pixels`].
    #[error(
        "declares {width}x{height} pixels, over the limit of {} MP (raise it with --max-megapixels)",
        limit / 1_000_000
    )]
    TooLarge {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// The limit in pixels.
        limit: u64,
    },
    /// The data stops early.
    #[error("the {format} data stops before its end: the file is cut short")]
    Truncated {
        /// The format's name.
        format: &'static str,
    },
    /// The decoder gave up.
    #[error("broken {format} data: {reason}")]
    Broken {
        /// The format's name.
        format: &'static str,
        /// The decoder's own words.
        reason: String,
    },
}

/// The format of `bytes` by their first bytes, where it is one of [`FORMATS`].
pub fn sniff(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes)
        .ok()
        .filter(|format| FORMATS.contains(format))
}

/// Reads the header alone and holds it against `limits`.
pub fn probe(bytes: &[u8], limits: Limits) -> Result<Header, DecodeError> {
    let format = format_of(bytes)?;
    let mut decoder = open(bytes, format)?;
    let (width, height) = check_size(decoder.dimensions(), limits)?;
    Ok(
        if is_turned(decoder.orientation().unwrap_or(Orientation::NoTransforms)) {
            Header {
                width: height,
                height: width,
            }
        } else {
            Header { width, height }
        },
    )
}

/// Decodes `bytes` to 8-bit RGB as a person sees it; see [`Decoder::decode`].
pub fn decode(bytes: &[u8], limits: Limits) -> Result<RgbImage, DecodeError> {
    let mut photo = Photo::default();
    Decoder::new(limits).decode(bytes, |_| Scale::Full, &mut photo)?;
    Ok(photo.pixels)
}

/// Whether a photo of this orientation is shown with its sides exchanged.
pub(super) fn is_turned(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

pub(super) fn format_of(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    sniff(bytes).ok_or(DecodeError::NotAnImage)
}

pub(super) fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder + '_, DecodeError> {
    ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(|e| broken(format, &e))
}

pub(super) fn check_size((width, height): (u32, u32), limits: Limits) -> Result<(u32, u32), DecodeError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(DecodeError::NoPixels { width, height }),
        pixels if pixels > limits.max_pixels => Err(DecodeError::TooLarge {
            width,
            height,
            limit: limits.max_pixels,
        }),
        _ => Ok((width, height)),
    }
}

/// The data of a photo stops early.
pub(super) fn truncated(format: ImageFormat) -> DecodeError {
    DecodeError::Truncated { format: name(format) }
}

pub(super) fn broken(format: ImageFormat, error: &ImageError) -> DecodeError {
    let reason = error.to_string();
    let format = name(format);
    let cut = matches!(error, ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof)
        || [
            "unexpected end",
            "unexpected eof",
            "exhausted data",
            "no more bytes",
        ]
        .iter()
        .any(|words| reason.to_lowercase().contains(words));
    if cut {
        DecodeError::Truncated { format }
    } else {
        DecodeError::Broken { format, reason }
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Gif => "GIF",
        _ => "image",
    }
}

/// Whether the entropy-coded data of a JPEG reaches an end-of-image mark. Segments before the first scan are
/// stepped over, for an EXIF thumbnail in them has an end mark of its own.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let mut at = 2;
    while let [0xFF, marker, rest @ ..] = &bytes[at.min(bytes.len())..] {
        match marker {
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            &START_OF_SCAN => return bytes[at..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9]),
            _ => match rest {
                [high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return false,
            },
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, GrayImage, ImageBuffer, Rgb, Rgba};

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 100])
        })
    }

    fn encode(photo: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        photo.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
        assert_eq!(a.dimensions(), b.dimensions());
        a.as_raw()
            .iter()
            .zip(b.as_raw())
            .map(|(a, b)| f64::from(a.abs_diff(*b)))
            .sum::<f64>()
            / a.as_raw().len() as f64
    }

    #[test]
    fn every_format_decodes_to_the_same_picture() {
        let photo = gradient(64, 48);
        for format in FORMATS {
            let bytes = encode(&DynamicImage::from(photo.clone()), format);
            let decoded = decode(&bytes, Limits::default()).unwrap();
            let limit = match format {
                ImageFormat::Jpeg => 3.0,
                ImageFormat::Gif => 8.0,
                _ => 0.0,
            };
            assert!(mean_difference(&photo, &decoded) <= limit, "{format:?}");
        }
    }

    #[test]
    fn alpha_is_dropped_grey_is_spread_and_sixteen_bits_are_reduced() {
        let rgba = ImageBuffer::from_pixel(4, 4, Rgba([10u8, 20, 30, 0]));
        let decoded = decode(
            &encode(&DynamicImage::from(rgba), ImageFormat::Png),
            Limits::default(),
        )
        .unwrap();
        assert_eq!(decoded.get_pixel(0, 0), &Rgb([10, 20, 30]));
        let grey = GrayImage::from_pixel(4, 4, image::Luma([77]));
        let decoded = decode(
            &encode(&DynamicImage::from(grey), ImageFormat::Png),
            Limits::default(),
        )
        .unwrap();
        assert_eq!(decoded.get_pixel(3, 3), &Rgb([77, 77, 77]));
        let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(4, 4, Rgb([0xFFFF, 0x8080, 0]));
        let decoded = decode(
            &encode(&DynamicImage::from(deep), ImageFormat::Png),
            Limits::default(),
        )
        .unwrap();
        assert_eq!(decoded.get_pixel(1, 1), &Rgb([255, 128, 0]));
    }

    #[test]
    fn cmyk_jpeg_becomes_rgb() {
        let mut bytes = Vec::new();
        // Cyan 0, magenta 100 %, yellow 100 %, black 0: a pure red.
        let ink = [0u8, 255, 255, 0].repeat(32 * 32);
        jpeg_encoder::Encoder::new(&mut bytes, 95)
            .encode(&ink, 32, 32, jpeg_encoder::ColorType::Cmyk)
            .unwrap();
        let Rgb([red, green, blue]) = *decode(&bytes, Limits::default()).unwrap().get_pixel(16, 16);
        assert!(red > 200 && green < 50 && blue < 50, "{red} {green} {blue}");
    }

    /// A JPEG with an EXIF block that says `orientation`.
    fn oriented_jpeg(photo: &RgbImage, orientation: u8) -> Vec<u8> {
        let plain = encode(&DynamicImage::from(photo.clone()), ImageFormat::Jpeg);
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut bytes = plain[..2].to_vec();
        bytes.extend([0xFF, 0xE1]);
        bytes.extend(((exif.len() + 2) as u16).to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&plain[2..]);
        bytes
    }

    #[test]
    fn exif_orientation_is_applied() {
        let photo = gradient(64, 48);
        for (orientation, expected) in [
            (1, photo.clone()),
            (2, image::imageops::flip_horizontal(&photo)),
            (3, image::imageops::rotate180(&photo)),
            (6, image::imageops::rotate90(&photo)),
            (8, image::imageops::rotate270(&photo)),
        ] {
            let bytes = oriented_jpeg(&photo, orientation);
            let decoded = decode(&bytes, Limits::default()).unwrap();
            assert!(
                mean_difference(&expected, &decoded) < 3.0,
                "orientation {orientation}"
            );
            let header = probe(&bytes, Limits::default()).unwrap();
            assert_eq!((header.width, header.height), decoded.dimensions());
        }
    }

    #[test]
    fn bytes_that_are_no_photo_say_why() {
        assert!(matches!(decode(b"", Limits::default()), Err(DecodeError::Empty)));
        assert!(matches!(
            decode(b"hello, world", Limits::default()),
            Err(DecodeError::NotAnImage)
        ));
        for format in FORMATS {
            let bytes = encode(&DynamicImage::from(gradient(64, 48)), format);
            let error = decode(&bytes[..bytes.len() / 2], Limits::default()).unwrap_err();
            assert!(
                matches!(error, DecodeError::Truncated { .. } | DecodeError::Broken { .. }),
                "{format:?}: {error}"
            );
        }
    }

    #[test]
    fn a_cut_jpeg_with_a_whole_thumbnail_is_still_cut() {
        let photo = gradient(64, 48);
        let mut bytes = oriented_jpeg(&photo, 1);
        let thumbnail = encode(&DynamicImage::from(gradient(8, 8)), ImageFormat::Jpeg);
        let mut segment = vec![0xFF, 0xE2];
        segment.extend(((thumbnail.len() + 2) as u16).to_be_bytes());
        segment.extend(thumbnail);
        bytes.splice(2..2, segment);
        assert!(decode(&bytes, Limits::default()).is_ok());
        bytes.truncate(bytes.len() - 10);
        assert!(matches!(
            decode(&bytes, Limits::default()),
            Err(DecodeError::Truncated { .. })
        ));
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut bytes = encode(&DynamicImage::from(gradient(8, 8)), ImageFormat::Png);
        bytes[16..24].copy_from_slice(&[0, 0, 0xC3, 0x50, 0, 0, 0xC3, 0x50]); // 50,000 x 50,000
        let crc = png_crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes, Limits::default()).unwrap_err();
        assert!(
            matches!(
                error,
                DecodeError::TooLarge {
                    width: 50_000,
                    height: 50_000,
                    ..
                }
            ),
            "{error}"
        );
        assert!(probe(&bytes, Limits::default()).is_err());
    }

    fn png_crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| {
                if c & 1 == 1 {
                    0xEDB8_8320 ^ (c >> 1)
                } else {
                    c >> 1
                }
            })
        })
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(
            cut in 0usize..2000, flips in proptest::collection::vec((0usize..2000, 0u8..), 0..8), format in 0usize..6
        ) {
            let mut bytes = encode(&DynamicImage::from(gradient(24, 16)), FORMATS[format]);
            for (at, value) in flips {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(cut.max(4));
            let _ = decode(&bytes, Limits { max_pixels: 1_000_000 });
        }
    }
}
