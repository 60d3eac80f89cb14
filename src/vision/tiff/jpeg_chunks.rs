//! TIFF with JPEG compression: each strip or tile is a JPEG, whose tables stand apart.

use image::RgbImage;
use tiff::tags::Tag;

use super::{Kind, Limits, Tiff, broken, unsupported};
use crate::vision::{
    encoded::DecodeError,
    jpeg::{self, Colours, Structure, Workspace},
};

const PLANAR: u16 = 284;

impl Tiff<'_> {
    /// An error for the kinds of JPEG in TIFF that are not read.
    pub(super) fn check_jpeg(&self) -> Result<(), DecodeError> {
        let planes = self.directory.first(PLANAR).unwrap_or(1) != 1 && self.samples() > 1;
        match (self.kind, self.samples()) {
            _ if self.bits != 8 => Err(unsupported("with JPEG compression of more than 8 bits")),
            _ if planes => Err(unsupported("with JPEG compression in planes")),
            (Kind::Grey { inverted: false }, 1) | (Kind::Rgb | Kind::YCbCr, 3) => Ok(()),
            _ => Err(unsupported(
                "with JPEG compression that is neither grey nor RGB nor YCbCr",
            )),
        }
    }

    /// Decodes the strips or tiles of a picture of `size`.
    pub(super) fn jpeg_chunks(&self, size: (u32, u32)) -> Result<RgbImage, DecodeError> {
        let mut reader = self.reader(self.bytes, Limits::default())?;
        let (offsets, lengths) = if reader.find_tag(Tag::TileOffsets)?.is_some() {
            (Tag::TileOffsets, Tag::TileByteCounts)
        } else {
            (Tag::StripOffsets, Tag::StripByteCounts)
        };
        let (offsets, lengths) = (reader.get_tag_u64_vec(offsets)?, reader.get_tag_u64_vec(lengths)?);
        let tables = match reader.find_tag(Tag::JPEGTables)? {
            Some(tables) => tables.into_u8_vec()?,
            None => Vec::new(),
        };
        let chunk = reader.chunk_dimensions();
        let across = size.0.div_ceil(chunk.0) as usize;
        let mut picture = RgbImage::new(size.0, size.1);
        let mut workspace = Workspace::default();
        for (index, (&offset, &length)) in offsets.iter().zip(&lengths).enumerate() {
            let place = (
                (index % across) as u32 * chunk.0,
                (index / across) as u32 * chunk.1,
            );
            if place.1 >= size.1 {
                break;
            }
            let part = self.jpeg_chunk((offset, length), &tables, chunk, &mut workspace)?;
            let needed = (chunk.0.min(size.0 - place.0), chunk.1.min(size.1 - place.1));
            if part.width() < needed.0 || part.height() < needed.1 {
                return Err(broken("a strip or tile is smaller than its place"));
            }
            image::imageops::replace(&mut picture, &part, place.0.into(), place.1.into());
        }
        Ok(picture)
    }

    fn jpeg_chunk(
        &self,
        (offset, length): (u64, u64),
        tables: &[u8],
        chunk: (u32, u32),
        workspace: &mut Workspace,
    ) -> Result<RgbImage, DecodeError> {
        let data = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(length).ok())
            .and_then(|(offset, length)| self.bytes.get(offset..offset.checked_add(length)?))
            .ok_or(DecodeError::Truncated { format: "TIFF" })?;
        // Both have the mark of a start, and the tables that of an end.
        let tables = tables.strip_suffix(&[0xFF, 0xD9]).unwrap_or(tables);
        let whole = match data.get(2..) {
            Some(rest) if !tables.is_empty() => [tables, rest].concat(),
            _ => data.to_vec(),
        };
        let structure = Structure::of(&whole).map_err(|fault| in_tiff(&fault))?;
        let (width, height) = (structure.frame.width, structure.frame.height);
        let fits = (1..=chunk.0.next_multiple_of(8)).contains(&width)
            && (1..=chunk.1.next_multiple_of(8)).contains(&height);
        if !fits {
            return Err(broken("a strip or tile is not as large as its place"));
        }
        let colours = match (self.kind, structure.frame.components.len()) {
            (Kind::YCbCr, 3) => Colours::YCbCr,
            (Kind::Rgb, 3) => Colours::Rgb,
            (Kind::Grey { .. }, 1) => Colours::Grey,
            _ => return Err(broken("a strip or tile has other components than the file says")),
        };
        let pixels = jpeg::decode_as(&whole, &structure, colours, workspace, Vec::new())
            .map_err(|fault| in_tiff(&fault))?;
        RgbImage::from_raw(width, height, pixels).ok_or_else(|| broken("a strip or tile has no size"))
    }
}

fn in_tiff(fault: &jpeg::Fault) -> DecodeError {
    match fault {
        jpeg::Fault::Short => DecodeError::Truncated { format: "TIFF" },
        jpeg::Fault::Unsupported(what) => unsupported(&format!("with {what}")),
        jpeg::Fault::Broken(reason) => broken(reason),
    }
}
