//! What the bytes of a photo say before any of it is decoded: format by content, size by the header, limits.

use std::io::Cursor;

use image::{ImageDecoder, ImageError, ImageFormat, ImageReader, metadata::Orientation};
use thiserror::Error;

/// The formats that a photo may have, recognised by content.
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
    #[error("not an image (JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content, not by name)")]
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
        /// The decoder's own message.
        reason: String,
    },
}

/// The format of `bytes` by their first bytes, where it is one of [`FORMATS`].
pub fn sniff(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes)
        .ok()
        .filter(|format| FORMATS.contains(format))
}

/// Reads the header alone and checks it against `limits`.
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
