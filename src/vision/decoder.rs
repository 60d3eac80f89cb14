//! Encoded bytes to oriented RGB pixels, in memory that is kept from photo to photo; JPEGs smaller than they are where
//! that is enough.

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, RgbImage, metadata::Orientation};

use super::{
    encoded::{
        DecodeError, Limits, broken, check_size, format_of, is_turned, jpeg_is_whole, open, truncated,
    },
    photo::{DecodedPhoto, Scale},
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
        photo: &mut DecodedPhoto,
    ) -> Result<(), DecodeError> {
        let format = format_of(bytes)?;
        let mut decoder = open(bytes, format)?;
        let (width, height) = check_size(decoder.dimensions(), self.limits)?;
        // zune-jpeg fills what is missing with grey and says nothing, so a cut JPEG is recognised by its missing end mark.
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
    /// does not convert, data that it warns of, which the other decoder then reports or accepts.
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

/// Decodes `bytes` to 8-bit RGB as a person sees it; one photo, for what needs no
/// speed; see [`Decoder::decode`].
pub fn decode(bytes: &[u8], limits: Limits) -> Result<RgbImage, DecodeError> {
    let mut photo = DecodedPhoto::default();
    Decoder::new(limits).decode(bytes, |_| Scale::Full, &mut photo)?;
    Ok(photo.pixels)
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{GrayImage, ImageBuffer, Rgb, Rgba};

    use super::{
        super::encoded::{FORMATS, probe},
        *,
    };

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
