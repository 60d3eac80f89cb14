//! Decodes one photo after the other into memory that is kept, and JPEGs smaller than they are where that is enough.

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, RgbImage, metadata::Orientation};

use super::{
    image::{DecodeError, Limits, broken, check_size, format_of, is_turned, jpeg_is_whole, open, truncated},
    photo::{Photo, Scale},
};

/// Whether this program can decode a JPEG smaller than it is.
pub const SCALES: bool = cfg!(feature = "turbojpeg");

/// The decoder of JPEGs, for the record.
pub const JPEG_DECODER: &str = if SCALES { "libjpeg-turbo" } else { "zune-jpeg" };

/// A decoder with its memory; each stream has one.
pub struct Decoder {
    limits: Limits,
    #[cfg(feature = "turbojpeg")]
    turbo: Option<turbojpeg::Decompressor>,
}

impl Decoder {
    /// For photos within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            #[cfg(feature = "turbojpeg")]
            turbo: turbojpeg::Decompressor::new().ok(),
        }
    }

    /// Decodes `bytes` to 8-bit RGB as a person sees it, into `photo`, whose memory is used again: EXIF orientation
    /// applied, alpha dropped (as OpenCV does), grey and CMYK converted, 16 bits reduced to 8, the first frame of an
    /// animation. `scale` chooses how much smaller a JPEG may be, from the width and height that a person sees; all
    /// else is decoded as it is, and everything where [`SCALES`] is false.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        scale: impl FnOnce((u32, u32)) -> Scale,
        photo: &mut Photo,
    ) -> Result<(), DecodeError> {
        let format = format_of(bytes)?;
        let mut decoder = open(bytes, format)?;
        let (width, height) = check_size(decoder.dimensions(), self.limits)?;
        // zune-jpeg fills what is missing with grey and says nothing, so a cut JPEG is told by its missing end mark.
        if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
            return Err(truncated(format));
        }
        let mut allocation = image::Limits::default();
        // 16-bit RGBA is 8 bytes a pixel; a decoder may hold a second copy.
        allocation.max_alloc = Some(self.limits.max_pixels.saturating_mul(16));
        decoder.set_limits(allocation).map_err(|e| broken(format, &e))?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        photo.size = if is_turned(orientation) {
            (height, width)
        } else {
            (width, height)
        };
        photo.scale = Scale::Full;
        let memory = std::mem::take(&mut photo.pixels).into_raw();
        let pixels = match self.turbo(bytes, format, scale(photo.size), memory) {
            Ok((pixels, scale)) => {
                photo.scale = scale;
                pixels
            }
            Err(memory) => whole(decoder, memory).map_err(|e| broken(format, &e))?,
        };
        photo.pixels = oriented(pixels, orientation);
        Ok(())
    }

    /// Decodes a JPEG by libjpeg-turbo. Gives the memory back where that is not for it: another format, colours that it
    /// does not convert, data of which it has something to say, which the other decoder then says or forgives.
    #[cfg(feature = "turbojpeg")]
    fn turbo(
        &mut self,
        bytes: &[u8],
        format: ImageFormat,
        scale: Scale,
        mut memory: Vec<u8>,
    ) -> Result<(RgbImage, Scale), Vec<u8>> {
        use turbojpeg::{Image, PixelFormat, ScalingFactor};
        let Some(turbo) = self.turbo.as_mut().filter(|_| format == ImageFormat::Jpeg) else {
            return Err(memory);
        };
        let factor = ScalingFactor::new(1, scale.divisor() as usize);
        let Ok(header) = turbo.read_header(bytes) else {
            return Err(memory);
        };
        if turbo.set_scaling_factor(factor).is_err() {
            return Err(memory);
        }
        let (width, height) = (factor.scale(header.width), factor.scale(header.height));
        memory.resize(width * height * 3, 0);
        let image = Image {
            pixels: &mut memory[..],
            width,
            pitch: width * 3,
            height,
            format: PixelFormat::RGB,
        };
        if turbo.decompress(bytes, image).is_err() {
            return Err(memory);
        }
        let pixels = RgbImage::from_raw(width as u32, height as u32, memory).unwrap_or_default();
        Ok((pixels, scale))
    }

    #[cfg(not(feature = "turbojpeg"))]
    #[expect(clippy::unused_self, reason = "with the feature there is a decoder in it")]
    fn turbo(
        &mut self,
        _: &[u8],
        _: ImageFormat,
        _: Scale,
        memory: Vec<u8>,
    ) -> Result<(RgbImage, Scale), Vec<u8>> {
        Err(memory)
    }
}

/// All of it, into `memory` where the format has 8-bit RGB.
fn whole(decoder: impl ImageDecoder, mut memory: Vec<u8>) -> image::ImageResult<RgbImage> {
    if decoder.color_type() != ColorType::Rgb8 {
        return DynamicImage::from_decoder(decoder).map(DynamicImage::into_rgb8);
    }
    let (width, height) = decoder.dimensions();
    memory.resize(width as usize * height as usize * 3, 0);
    decoder.read_image(&mut memory)?;
    Ok(RgbImage::from_raw(width, height, memory).unwrap_or_default())
}

fn oriented(pixels: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return pixels;
    }
    let mut picture = DynamicImage::from(pixels);
    picture.apply_orientation(orientation);
    picture.into_rgb8()
}
