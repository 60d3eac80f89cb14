//! What the bytes of a photo say before any of it is decoded: format by content, size by the header, limits.

use std::io::Cursor;

use image::{ImageDecoder, ImageError, ImageFormat, ImageReader, metadata::Orientation};
use thiserror::Error;

use super::{
    foreign, ifd,
    jpeg::{self, Fault},
    metadata::{png_exif, webp_exif},
    tiff::Tiff,
};

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
    /// A whole picture of a kind that is not read.
    #[error("{what} is not supported (convert it to JPEG or PNG)")]
    Unsupported {
        /// The kind's name.
        what: String,
    },
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

/// The format of `bytes` by their first few hundred, where it is one of [`FORMATS`].
pub fn sniff(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    // Some raw files begin as TIFF does.
    if let Some(name) = foreign::name(bytes) {
        let what = name.to_owned();
        return Err(DecodeError::Unsupported { what });
    }
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    }
    image::guess_format(bytes)
        .ok()
        .filter(|format| FORMATS.contains(format))
        .ok_or(DecodeError::NotAnImage)
}

/// Reads the header alone and checks it against `limits`.
pub fn probe(bytes: &[u8], limits: Limits) -> Result<Header, DecodeError> {
    let (size, orientation) = match sniff(bytes)? {
        ImageFormat::Jpeg => {
            let header = jpeg::header(bytes)?;
            ((header.frame.width, header.frame.height), header.orientation())
        }
        ImageFormat::Tiff => {
            let tiff = Tiff::open(bytes)?;
            (tiff.size()?, tiff.orientation())
        }
        format => (open(bytes, format)?.dimensions(), orientation(bytes, format)),
    };
    let (width, height) = check_size(size, limits)?;
    Ok(if is_turned(orientation) {
        Header {
            width: height,
            height: width,
        }
    } else {
        Header { width, height }
    })
}

/// The orientation of a picture that is neither JPEG nor TIFF.
pub(super) fn orientation(bytes: &[u8], format: ImageFormat) -> Orientation {
    let exif = match format {
        ImageFormat::Png => png_exif(bytes),
        ImageFormat::WebP => webp_exif(bytes),
        _ => None,
    };
    exif.map_or(Orientation::NoTransforms, ifd::orientation)
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Short => truncated(ImageFormat::Jpeg),
            Fault::Unsupported(what) => Self::Unsupported {
                what: what.to_owned(),
            },
            Fault::Broken(reason) => Self::Broken {
                format: name(ImageFormat::Jpeg),
                reason: reason.to_owned(),
            },
        }
    }
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
fn truncated(format: ImageFormat) -> DecodeError {
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
