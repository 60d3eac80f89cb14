//! Encoded bytes to oriented RGB pixels, in memory that is kept from photo to photo; JPEGs smaller than they are where
//! that is enough.

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, RgbImage, metadata::Orientation};

use super::{
    encoded::{DecodeError, Limits, broken, check_size, is_turned, open, orientation, sniff},
    jpeg::{JpegDecoder, Structure},
    photo::{DecodedPhoto, Scale},
    tiff::Tiff,
};

/// Whether this program can decode a JPEG smaller than it is.
pub const SCALES: bool = cfg!(feature = "turbojpeg");

/// The decoder of JPEGs, for the record.
pub const JPEG_DECODER: &str = if SCALES { "libjpeg-turbo" } else { "zune-jpeg" };

/// A decoder with its memory; each stream has one.
pub struct Decoder {
    limits: Limits,
    jpeg: JpegDecoder,
}

impl Decoder {
    /// For photos within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            jpeg: JpegDecoder::new(),
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
        photo.scale = Scale::Full;
        let memory = std::mem::take(&mut photo.pixels).into_raw();
        let (pixels, orientation) = match sniff(bytes)? {
            ImageFormat::Jpeg => {
                let structure = Structure::of(bytes)?;
                let size = check_size((structure.frame.width, structure.frame.height), self.limits)?;
                let orientation = structure.orientation();
                photo.size = as_seen(size, orientation);
                let (pixels, scale) = self.jpeg.decode(bytes, &structure, scale(photo.size), memory)?;
                photo.scale = scale;
                let divided = |side: u32| side.div_ceil(scale.divisor());
                let picture = RgbImage::from_raw(divided(size.0), divided(size.1), pixels);
                (picture.unwrap_or_default(), orientation)
            }
            ImageFormat::Tiff => {
                let tiff = Tiff::open(bytes)?;
                let orientation = tiff.orientation();
                let pixels = tiff.decode(self.limits)?;
                photo.size = as_seen(pixels.dimensions(), orientation);
                (pixels, orientation)
            }
            format => {
                let mut decoder = open(bytes, format)?;
                let size = check_size(decoder.dimensions(), self.limits)?;
                let mut allocation = image::Limits::default();
                // 16-bit RGBA is 8 bytes a pixel; a decoder may hold a second copy.
                allocation.max_alloc = Some(self.limits.max_pixels.saturating_mul(16));
                decoder.set_limits(allocation).map_err(|e| broken(format, &e))?;
                let orientation = orientation(bytes, format);
                photo.size = as_seen(size, orientation);
                let pixels = whole(decoder, memory).map_err(|e| broken(format, &e))?;
                (pixels, orientation)
            }
        };
        photo.pixels = oriented(pixels, orientation);
        Ok(())
    }
}

/// Width and height of a picture that is stored in `size`.
fn as_seen((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    if is_turned(orientation) {
        (height, width)
    } else {
        (width, height)
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
        super::{
            encoded::{FORMATS, probe},
            jpeg::encoder::{Drawing, segment},
            tiff::tests::file as tiff_file,
        },
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

    /// An EXIF segment with an orientation of this type.
    fn exif(orientation: u8, kind: u8) -> Vec<u8> {
        let head = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01";
        let entry = [kind, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
        segment(0xE1, &[&head[..], &entry].concat())
    }

    #[test]
    fn the_first_exif_counts_of_whatever_type_wherever_it_stands() {
        let drawn = Drawing::new(32, 16, &[(1, 1); 3]);
        let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
        let thumbnail = segment(0xE2, &drawn.write());
        for (segments, turned) in [
            (exif(6, 3), true),
            (exif(6, 4), true),
            (exif(6, 1), true),
            ([exif(6, 3), exif(1, 3)].concat(), true),
            ([exif(1, 3), exif(6, 3)].concat(), false),
            ([jfif.clone(), xmp, thumbnail, exif(8, 4)].concat(), true),
            (jfif, false),
        ] {
            let drawing = Drawing {
                segments,
                ..drawn.clone()
            };
            for (progressive, end) in [(false, true), (true, true), (false, false)] {
                let bytes = Drawing {
                    progressive,
                    end,
                    ..drawing.clone()
                }
                .write();
                let size = if turned { (16, 32) } else { (32, 16) };
                assert_eq!(decode(&bytes, Limits::default()).unwrap().dimensions(), size);
                let header = probe(&bytes, Limits::default()).unwrap();
                assert_eq!((header.width, header.height), size);
            }
        }
    }

    #[test]
    fn png_and_webp_are_turned_by_their_exif() {
        let block = &exif(6, 4)[10..];
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let mut bytes = encode(&DynamicImage::from(gradient(6, 4)), format);
            if format == ImageFormat::Png {
                // After the pixels, before the end.
                let named = [b"eXIf", block].concat();
                let chunk = [
                    &(block.len() as u32).to_be_bytes()[..],
                    &named,
                    &png_crc(&named).to_be_bytes(),
                ];
                let end = bytes.len() - 12;
                bytes.splice(end..end, chunk.concat());
            } else {
                bytes.splice(
                    12..12,
                    [b"VP8X\x0A\0\0\0\x08\0\0\0\x05\0\0\x03\0\0".as_slice()].concat(),
                );
                bytes.extend([b"EXIF", &(block.len() as u32).to_le_bytes()[..], block].concat());
                let length = (bytes.len() as u32 - 8).to_le_bytes();
                bytes[4..8].copy_from_slice(&length);
            }
            let picture = decode(&bytes, Limits::default()).unwrap();
            assert_eq!(picture, image::imageops::rotate90(&gradient(6, 4)), "{format:?}");
            let header = probe(&bytes, Limits::default()).unwrap();
            assert_eq!((header.width, header.height), (4, 6));
        }
    }

    #[test]
    fn formats_that_are_not_read_are_named() {
        let error = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Limits::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "HEIC is not supported (convert it to JPEG or PNG)"
        );
    }

    /// Pictures of all formats and of the kinds of JPEG and TIFF that have code of their own here.
    fn pictures() -> Vec<Vec<u8>> {
        let photo = DynamicImage::from(gradient(24, 16));
        let mut pictures: Vec<_> = FORMATS.map(|format| encode(&photo, format)).into();
        for sampling in [[(1, 1); 3], [(2, 2), (1, 1), (1, 1)], [(1, 1), (2, 2), (2, 1)]] {
            for (progressive, restart) in [(false, 0), (true, 0), (false, 1), (true, 2)] {
                for scans in [vec![vec![0, 1, 2]], vec![vec![0], vec![1, 2]]] {
                    let drawing = Drawing {
                        scans,
                        progressive,
                        restart,
                        segments: exif(6, 4),
                        ..Drawing::new(24, 16, &sampling)
                    };
                    pictures.push(drawing.write());
                    pictures.push(
                        Drawing {
                            end: false,
                            ..drawing
                        }
                        .write(),
                    );
                }
            }
        }
        let jpeg = Drawing::new(24, 16, &[(1, 1); 3]).write();
        let tags = |photometric, compression, bits| {
            [
                (262, vec![photometric]),
                (259, vec![compression]),
                (277, vec![3]),
                (258, vec![bits; 3]),
            ]
        };
        pictures.push(tiff_file((24, 16), &tags(6, 7, 8), &jpeg));
        pictures.push(tiff_file((24, 16), &tags(2, 1, 16), &[77; 24 * 16 * 6]));
        let palette = [(262, vec![3]), (258, vec![4]), (320, vec![999; 48])];
        pictures.push(tiff_file((24, 16), &palette, &[0x5A; 12 * 16]));
        pictures
    }

    /// Changes that break files in the ways in which they break: cuts, bits, bytes that mean something, parts moved.
    fn broken_in_some_way(bytes: &mut Vec<u8>, random: &mut rand_chacha::ChaCha8Rng) {
        use rand::RngExt;
        const MEANINGFUL: [u8; 12] = [0, 1, 2, 0x7F, 0x80, 0xFF, 0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA];
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            let other = random.random_range(0..bytes.len());
            match random.random_range(0..7) {
                0 => bytes.truncate(at.max(4)),
                1 => bytes[at] ^= 1 << (other % 8),
                2 => bytes[at] = MEANINGFUL[other % MEANINGFUL.len()],
                3 => bytes.swap(at, other),
                4 => bytes[at..].rotate_left(1),
                5 => {
                    let part = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => {
                    bytes.drain(at..(at + 1 + other % 16).min(bytes.len()));
                }
            }
            if bytes.len() < 4 || bytes.len() > 100_000 {
                return;
            }
        }
    }

    #[test]
    fn broken_pictures_end_soon_and_in_order() {
        use rand::SeedableRng;
        let limits = Limits {
            max_pixels: 1_000_000,
        };
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(17);
        for picture in pictures() {
            decode(&picture, limits).unwrap();
            for _ in 0..60 {
                let mut bytes = picture.clone();
                broken_in_some_way(&mut bytes, &mut random);
                let begun = std::time::Instant::now();
                let header = probe(&bytes, limits);
                if let Ok(decoded) = decode(&bytes, limits) {
                    let header = header.unwrap();
                    assert_eq!((header.width, header.height), decoded.dimensions());
                }
                assert!(begun.elapsed().as_secs() < 5);
            }
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
