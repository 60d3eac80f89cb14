//! TIFF to 8-bit RGB: which of its many kinds are read, and the names of the others.

mod jpeg_chunks;
mod samples;

use std::io::Cursor;

use image::{RgbImage, metadata::Orientation};
use tiff::{
    TiffError,
    decoder::{Decoder, DecodingResult},
};

use super::{
    encoded::{DecodeError, Limits, check_size},
    foreign::RAW,
    ifd::Directory,
};

type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

const SUBFILE_TYPE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SAMPLES: u16 = 277;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const SUB_DIRECTORIES: u16 = 330;
const SAMPLE_FORMAT: u16 = 339;
const DNG_VERSION: u16 = 50706;

const JPEG: u64 = 7;

/// What the samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grey { inverted: bool },
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// A TIFF file whose kind is one that is read.
pub(super) struct Tiff<'a> {
    bytes: &'a [u8],
    directory: Directory<'a>,
    kind: Kind,
    bits: u64,
    jpeg: bool,
}

fn unsupported(kind: &str) -> DecodeError {
    DecodeError::Unsupported {
        what: format!("TIFF {kind}"),
    }
}

fn broken(reason: &str) -> DecodeError {
    DecodeError::Broken {
        format: "TIFF",
        reason: reason.to_owned(),
    }
}

impl From<TiffError> for DecodeError {
    fn from(error: TiffError) -> Self {
        match error {
            TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Truncated { format: "TIFF" }
            }
            // The only limit that a picture of an allowed size meets: a strip, a tile or a list longer than the file.
            TiffError::LimitsExceeded => Self::Truncated { format: "TIFF" },
            TiffError::UnsupportedError(error) => unsupported(&format!("of this kind ({error})")),
            error => broken(&error.to_string()),
        }
    }
}

impl<'a> Tiff<'a> {
    /// Reads the first directory. An error for what is not read.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let directory = Directory::of(bytes).ok_or(DecodeError::Truncated { format: "TIFF" })?;
        let first = |tag, default| directory.first(tag).unwrap_or(default);
        let photometric = first(PHOTOMETRIC, u64::MAX);
        // The first directory of a raw file has a thumbnail, the picture itself is elsewhere.
        let thumbnail = first(SUBFILE_TYPE, 0) & 1 == 1 && directory.has(SUB_DIRECTORIES);
        if thumbnail || directory.has(DNG_VERSION) || [32803, 34892].contains(&photometric) {
            return Err(DecodeError::Unsupported { what: RAW.to_owned() });
        }
        let compression = first(COMPRESSION, 1);
        if let Some(name) = unread_compression(compression) {
            return Err(unsupported(&format!("with {name} compression")));
        }
        let jpeg = compression == JPEG;
        let kind = match photometric {
            0 => Kind::Grey { inverted: true },
            1 => Kind::Grey { inverted: false },
            2 => Kind::Rgb,
            3 => Kind::Palette,
            5 => Kind::Cmyk,
            6 if jpeg => Kind::YCbCr,
            6 => return Err(unsupported("in YCbCr without JPEG compression")),
            8..=10 => return Err(unsupported("in CIE L*a*b*")),
            4 => return Err(unsupported("that is a mask")),
            32844 | 32845 => return Err(unsupported("in LogLuv")),
            u64::MAX => return Err(broken("it does not say what its samples are")),
            other => return Err(unsupported(&format!("of photometric interpretation {other}"))),
        };
        let bits = first(BITS, 1);
        let words = match (first(SAMPLE_FORMAT, 1), bits, kind) {
            // 4 is "undefined": libtiff takes it for the first.
            (1 | 4, 1 | 2 | 4, Kind::Palette | Kind::Grey { .. }) | (1 | 4, 8, _) | (3, 32, Kind::Rgb) => {
                None
            }
            (1 | 4, 16, kind) if kind != Kind::Palette => None,
            (1 | 4, ..) => Some("integers"),
            (2, ..) => Some("signed integers"),
            (3, ..) => Some("floating point"),
            _ => Some("complex numbers"),
        };
        if let Some(words) = words {
            let of = match kind {
                Kind::Grey { .. } => " in grey",
                Kind::Palette => " in a palette",
                _ => "",
            };
            return Err(unsupported(&format!("of {bits}-bit {words}{of}")));
        }
        let tiff = Self {
            bytes,
            directory,
            kind,
            bits,
            jpeg,
        };
        if jpeg {
            tiff.check_jpeg()?;
        }
        Ok(tiff)
    }

    /// Width and height in pixels as they are stored.
    pub(super) fn size(&self) -> Result<(u32, u32), DecodeError> {
        let side = |tag| {
            self.directory
                .first(tag)
                .and_then(|side| u32::try_from(side).ok())
        };
        side(WIDTH)
            .zip(side(HEIGHT))
            .ok_or_else(|| broken("it does not say how large it is"))
    }

    /// How the picture must be turned.
    pub(super) fn orientation(&self) -> Orientation {
        self.directory.orientation()
    }

    /// Samples of a pixel.
    fn samples(&self) -> usize {
        self.directory.first(SAMPLES).unwrap_or(1) as usize
    }

    /// Decodes all of it to 8-bit RGB as it is stored.
    pub(super) fn decode(&self, limits: Limits) -> Result<RgbImage, DecodeError> {
        let size = check_size(self.size()?, limits)?;
        self.check_tiles(size, limits)?;
        if self.jpeg {
            return self.jpeg_chunks(size);
        }
        // The crate reads no palettes: as grey, the numbers in the palette remain.
        let patched = (self.kind == Kind::Palette).then(|| self.as_grey());
        let mut reader = self.reader(patched.as_deref().unwrap_or(self.bytes), limits)?;
        let mut buffer = DecodingResult::U8(Vec::new());
        let layout = reader.read_image_to_buffer(&mut buffer)?;
        if buffer.as_buffer(0).as_bytes().len() < layout.complete_len {
            return Err(broken("it needs more memory than its size allows"));
        }
        let channels = usize::from(reader.colortype()?.num_samples());
        let samples = samples::Samples {
            levels: samples::levels(buffer, self.bits as u8, size, channels)
                .ok_or_else(|| unsupported("of this kind of samples"))?,
            channels,
            planes: layout.planes > 1,
        };
        match self.kind {
            Kind::Palette => {
                let palette = reader.get_tag_u16_vec(tiff::tags::Tag::ColorMap)?;
                samples.by_palette(size, &palette)
            }
            // Fewer bits are spread over all levels.
            Kind::Grey { .. } => samples.grey(
                size,
                if self.bits < 8 {
                    255 / ((1 << self.bits) - 1)
                } else {
                    1
                },
            ),
            Kind::Cmyk => samples.cmyk(size),
            Kind::Rgb | Kind::YCbCr => samples.rgb(size),
        }
        .ok_or_else(|| broken("it has fewer samples than it says"))
    }

    fn reader<'b>(&self, bytes: &'b [u8], limits: Limits) -> Result<Reader<'b>, DecodeError> {
        let mut allowed = tiff::decoder::Limits::default();
        // 16-bit RGBA is 8 bytes a pixel.
        allowed.decoding_buffer_size =
            usize::try_from(limits.max_pixels.saturating_mul(16)).unwrap_or(usize::MAX);
        allowed.intermediate_buffer_size = self.bytes.len();
        allowed.ifd_value_size = self.bytes.len().saturating_mul(8);
        Ok(Decoder::new(Cursor::new(bytes))?.with_limits(allowed))
    }

    /// A copy that says that its samples are grey.
    fn as_grey(&self) -> Vec<u8> {
        let mut copy = self.bytes.to_vec();
        if let Some((at, width)) = self.directory.place(PHOTOMETRIC)
            && let Some(value) = copy.get_mut(at..at + width)
        {
            value.fill(0);
            let lowest = if self.directory.is_little_endian() {
                0
            } else {
                width - 1
            };
            value[lowest] = 1;
        }
        copy
    }

    /// Tiles may reach over the edges, but not to many times the size of the picture.
    fn check_tiles(&self, (width, height): (u32, u32), limits: Limits) -> Result<(), DecodeError> {
        let side = |tag| self.directory.first(tag).filter(|side| *side > 0);
        let Some((across, down)) = side(TILE_WIDTH).zip(side(TILE_HEIGHT)) else {
            return Ok(());
        };
        let covered = |side: u32, tile: u64| u64::from(side).div_ceil(tile).checked_mul(tile);
        let area = covered(width, across)
            .zip(covered(height, down))
            .and_then(|(across, down)| across.checked_mul(down));
        match area {
            Some(area) if area <= limits.max_pixels.saturating_mul(2) => Ok(()),
            _ => Err(broken("its tiles are far larger than the picture")),
        }
    }
}

/// The name of a compression that is not read.
fn unread_compression(number: u64) -> Option<String> {
    Some(match number {
        1 | 4 | 5 | 7 | 8 | 32773 | 32946 => return None,
        2 | 3 => "fax (CCITT group 3)".to_owned(),
        6 => "old-style JPEG".to_owned(),
        33003 | 33004 | 33005 | 34712 => "JPEG 2000".to_owned(),
        34887 => "LERC".to_owned(),
        34925 => "LZMA".to_owned(),
        50000 => "Zstandard".to_owned(),
        50001 => "WebP".to_owned(),
        50002 | 52546 => "JPEG XL".to_owned(),
        34676 | 34677 => "SGI Log".to_owned(),
        other => format!("its own ({other})"),
    })
}

#[cfg(test)]
pub(super) mod tests;
