//! Which decoder a JPEG gets: a quick one where its answer can be trusted, else the one that follows the standard.
//!
//! libjpeg-turbo (feature `turbojpeg`) says when data lacks or is damaged. zune-jpeg fills up what lacks and decodes some
//! divisions into scans to noise: it gets sequential files of one scan in the usual samplings, and these without the
//! mark of their end, so that it cannot take the mark for the data that lacks.

use zune_jpeg::{
    JpegDecoder as Zune,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{Fault, Structure, Workspace, frame::Colours, segments::End};
use crate::vision::photo::Scale;

/// Pixels of a JPEG as 8-bit RGB, and how much smaller they are.
pub(in super::super) type Pixels = (Vec<u8>, Scale);

/// A decoder of JPEGs with its memory.
pub(in super::super) struct JpegDecoder {
    #[cfg(feature = "turbojpeg")]
    turbo: Option<turbojpeg::Decompressor>,
    workspace: Workspace,
}

impl JpegDecoder {
    pub(in super::super) fn new() -> Self {
        Self {
            #[cfg(feature = "turbojpeg")]
            turbo: turbojpeg::Decompressor::new().ok(),
            workspace: Workspace::default(),
        }
    }

    /// Decodes `bytes`, smaller by `scale` where that can be, into `memory`.
    pub(in super::super) fn decode(
        &mut self,
        bytes: &[u8],
        structure: &Structure<'_>,
        scale: Scale,
        memory: Vec<u8>,
    ) -> Result<Pixels, Fault> {
        let End::Marked(end) = structure.end else {
            return self.exactly(bytes, structure, memory);
        };
        match self.quickly(bytes, structure, end, scale, memory) {
            Ok(pixels) => Ok(pixels),
            Err(memory) => self.exactly(bytes, structure, memory),
        }
    }

    /// By the decoder that follows the standard, in full size.
    fn exactly(&mut self, bytes: &[u8], structure: &Structure<'_>, memory: Vec<u8>) -> Result<Pixels, Fault> {
        let colours = structure.colours();
        let pixels = super::decode_as(bytes, structure, colours, &mut self.workspace, memory)?;
        Ok((pixels, Scale::Full))
    }

    /// By libjpeg-turbo. Gives the memory back where it cannot do it or warns.
    #[cfg(feature = "turbojpeg")]
    fn quickly(
        &mut self,
        bytes: &[u8],
        structure: &Structure<'_>,
        _end: usize,
        scale: Scale,
        mut memory: Vec<u8>,
    ) -> Result<Pixels, Vec<u8>> {
        use turbojpeg::{Image, PixelFormat, ScalingFactor};
        // It does not convert CMYK.
        let Some(turbo) = self
            .turbo
            .as_mut()
            .filter(|_| structure.frame.components.len() < 4)
        else {
            return Err(memory);
        };
        let factor = ScalingFactor::new(1, scale.divisor() as usize);
        if turbo.set_scaling_factor(factor).is_err() {
            return Err(memory);
        }
        let width = factor.scale(structure.frame.width as usize);
        let height = factor.scale(structure.frame.height as usize);
        memory.resize(width * height * 3, 0);
        let image = Image {
            pixels: &mut memory[..],
            width,
            pitch: width * 3,
            height,
            format: PixelFormat::RGB,
        };
        match turbo.decompress(bytes, image) {
            Ok(()) => Ok((memory, scale)),
            Err(_) => Err(memory),
        }
    }

    /// By zune-jpeg. Gives the memory back where that cannot be trusted with it or complains.
    #[cfg(not(feature = "turbojpeg"))]
    #[expect(clippy::unused_self, reason = "with the feature there is a decoder in it")]
    fn quickly(
        &mut self,
        bytes: &[u8],
        structure: &Structure<'_>,
        end: usize,
        _scale: Scale,
        memory: Vec<u8>,
    ) -> Result<Pixels, Vec<u8>> {
        zune(bytes, structure, end, memory).map(|pixels| (pixels, Scale::Full))
    }
}

/// Decodes what zune-jpeg is known to decode rightly.
#[cfg_attr(feature = "turbojpeg", allow(dead_code, reason = "only tests call it then"))]
pub(super) fn zune(
    bytes: &[u8],
    structure: &Structure<'_>,
    end: usize,
    mut memory: Vec<u8>,
) -> Result<Vec<u8>, Vec<u8>> {
    let colours = structure.colours();
    let (colours, usual) = match structure.frame.sampling()[..] {
        [(1, 1)] => (ColorSpace::Luma, colours == Colours::Grey),
        [(1 | 2, 1 | 2), (1, 1), (1, 1)] => (ColorSpace::YCbCr, colours == Colours::YCbCr),
        _ => (ColorSpace::Unknown, false),
    };
    if !usual || !structure.in_one_scan() || !structure.has_tables {
        return Err(memory);
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = Zune::new_with_options(ZCursor::new(&bytes[..end]), options);
    if decoder.decode_headers().is_err() || decoder.input_colorspace() != Some(colours) {
        return Err(memory);
    }
    memory.resize(
        structure.frame.width as usize * structure.frame.height as usize * 3,
        0,
    );
    match decoder.decode_into(&mut memory) {
        Ok(()) => Ok(memory),
        Err(_) => Err(memory),
    }
}
