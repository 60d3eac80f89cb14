//! Kinds of TIFF: those that are read give the picture that was written, the others are named.

use image::Rgb;

use super::*;
use crate::vision::{
    decoder::decode,
    encoded::probe,
    jpeg::encoder::{Drawing, level},
};

/// A tag and its values, of 16 bits each.
type Tag = (u16, Vec<u16>);

/// A little-endian TIFF of `size` with these tags beside those that every file has, and one strip of `data`.
pub(in super::super) fn file(size: (u16, u16), tags: &[Tag], data: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    for (tag, value) in [(WIDTH, size.0), (HEIGHT, size.1), (COMPRESSION, 1), (278, size.1)] {
        if tags.iter().all(|(other, _)| *other != tag) {
            tags.push((tag, vec![value]));
        }
    }
    tags.sort();
    let mut head = b"II*\0\x08\0\0\0".to_vec();
    let count = tags.len() as u16 + 2;
    let mut after = 8 + 2 + 12 * usize::from(count) + 4;
    let mut values = Vec::new();
    head.extend(count.to_le_bytes());
    for (tag, numbers) in &tags {
        head.extend([tag.to_le_bytes(), 3_u16.to_le_bytes()].concat());
        head.extend((numbers.len() as u32).to_le_bytes());
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        if bytes.len() <= 4 {
            bytes.resize(4, 0);
            head.extend(bytes);
        } else {
            head.extend((after as u32).to_le_bytes());
            after += bytes.len();
            values.extend(bytes);
        }
    }
    for (tag, number) in [(273_u16, after as u32), (279, data.len() as u32)] {
        head.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
        head.extend([1, number].map(u32::to_le_bytes).concat());
    }
    head.extend([0; 4]);
    [head, values, data.to_vec()].concat()
}

fn read(bytes: &[u8]) -> Vec<u8> {
    let picture = decode(bytes, Limits::default()).unwrap();
    let header = probe(bytes, Limits::default()).unwrap();
    assert_eq!((header.width, header.height), picture.dimensions());
    picture.into_raw()
}

fn one(tag: u16, value: u16) -> Tag {
    (tag, vec![value])
}

#[test]
fn grey_of_few_bits_and_both_polarities() {
    // Two rows of three pixels, each row in whole bytes.
    for (bits, data, expected) in [
        (1, vec![0b1010_0000, 0b0100_0000], [255, 0, 255, 0, 255, 0]),
        (2, vec![0b0001_1000, 0b1100_0100], [0, 85, 170, 255, 0, 85]),
        (4, vec![0x0F, 0x80, 0x1F, 0xE0], [0, 255, 136, 17, 255, 238]),
        (8, vec![1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
    ] {
        for inverted in [false, true] {
            let tags = [one(BITS, bits), one(PHOTOMETRIC, u16::from(!inverted))];
            let expected = expected.map(|level| if inverted { 255 - level } else { level });
            let pixels: Vec<u8> = expected.iter().flat_map(|level| [*level; 3]).collect();
            assert_eq!(read(&file((3, 2), &tags, &data)), pixels, "{bits} {inverted}");
        }
    }
}

#[test]
fn palettes_are_looked_up() {
    for (bits, data) in [(8, vec![2, 0, 1]), (4, vec![0x20, 0x10]), (2, vec![0b1000_0100])] {
        let size = 1 << bits;
        let mut palette = vec![0; 3 * size];
        for (index, colour) in [[10, 20, 30], [40, 50, 60], [70, 80, 90]].iter().enumerate() {
            for (channel, level) in colour.iter().enumerate() {
                palette[channel * size + index] = level << 8 | level;
            }
        }
        let tags = [one(BITS, bits), one(PHOTOMETRIC, 3), (320, palette)];
        assert_eq!(
            read(&file((3, 1), &tags, &data)),
            [70, 80, 90, 10, 20, 30, 40, 50, 60],
            "{bits}"
        );
    }
}

#[test]
fn cmyk_alpha_and_planes() {
    let cmyk = [one(PHOTOMETRIC, 5), one(SAMPLES, 4), (BITS, vec![8; 4])];
    assert_eq!(
        read(&file((2, 1), &cmyk, &[0, 255, 255, 0, 0, 0, 0, 155])),
        [255, 0, 0, 100, 100, 100]
    );
    let rgba = [
        one(PHOTOMETRIC, 2),
        one(SAMPLES, 4),
        (BITS, vec![8; 4]),
        one(338, 2),
    ];
    assert_eq!(
        read(&file((2, 1), &rgba, &[1, 2, 3, 0, 4, 5, 6, 9])),
        [1, 2, 3, 4, 5, 6]
    );
    let grey = [
        one(PHOTOMETRIC, 1),
        one(SAMPLES, 2),
        (BITS, vec![8; 2]),
        one(338, 2),
    ];
    assert_eq!(read(&file((2, 1), &grey, &[7, 0, 9, 1])), [7, 7, 7, 9, 9, 9]);
}

#[test]
fn big_tiff_is_read() {
    let mut bytes = Cursor::new(Vec::new());
    tiff::encoder::TiffEncoder::new_big(&mut bytes)
        .unwrap()
        .write_image::<tiff::encoder::colortype::RGB8>(2, 1, &[1, 2, 3, 4, 5, 6])
        .unwrap();
    assert_eq!(read(bytes.get_ref()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn jpeg_in_tiff_is_ycbcr_or_rgb_as_the_file_says() {
    let drawing = Drawing::new(32, 16, &[(2, 2), (1, 1), (1, 1)]);
    let tags = |photometric| {
        [
            one(PHOTOMETRIC, photometric),
            one(SAMPLES, 3),
            (BITS, vec![8; 3]),
            one(COMPRESSION, 7),
        ]
    };
    let ycbcr = read(&file((32, 16), &tags(6), &drawing.write()));
    assert_eq!(ycbcr, read(&drawing.write()).as_slice());
    let drawing = Drawing::new(32, 16, &[(1, 1); 3]);
    let rgb = read(&file((32, 16), &tags(2), &drawing.write()));
    let middle = [0, 1, 2].map(|component| level(component, 16.5 / 32.0, 8.5 / 16.0));
    for (found, expected) in rgb[(8 * 32 + 16) * 3..].iter().zip(middle) {
        assert!((f32::from(*found) - expected).abs() < 4.0, "{found} {expected}");
    }
    let cut = drawing.write();
    let cut = decode(
        &file((32, 16), &tags(2), &cut[..cut.len() - 40]),
        Limits::default(),
    );
    assert!(matches!(cut, Err(DecodeError::Truncated { .. })));
}

#[test]
fn orientation_counts_whatever_its_type() {
    let tags = [one(BITS, 8), one(PHOTOMETRIC, 1), one(274, 6)];
    let bytes = file((3, 1), &tags, &[1, 2, 3]);
    let picture = decode(&bytes, Limits::default()).unwrap();
    assert_eq!(picture.dimensions(), (1, 3));
    assert_eq!(picture.get_pixel(0, 2), &Rgb([3; 3]));
}

#[test]
fn what_is_not_read_is_named() {
    let rgb = |more: &[Tag]| [&[one(SAMPLES, 3)], more].concat();
    for (tags, named) in [
        (
            rgb(&[one(PHOTOMETRIC, 2), (BITS, vec![32; 3])]),
            "TIFF of 32-bit integers",
        ),
        (
            rgb(&[
                one(PHOTOMETRIC, 2),
                (BITS, vec![16; 3]),
                (SAMPLE_FORMAT, vec![2; 3]),
            ]),
            "TIFF of 16-bit signed integers",
        ),
        (
            rgb(&[
                one(PHOTOMETRIC, 2),
                (BITS, vec![64; 3]),
                (SAMPLE_FORMAT, vec![3; 3]),
            ]),
            "TIFF of 64-bit floating point",
        ),
        (
            rgb(&[one(PHOTOMETRIC, 8), (BITS, vec![8; 3])]),
            "TIFF in CIE L*a*b*",
        ),
        (
            rgb(&[one(PHOTOMETRIC, 9), (BITS, vec![8; 3])]),
            "TIFF in CIE L*a*b*",
        ),
        (
            rgb(&[one(PHOTOMETRIC, 6), (BITS, vec![8; 3])]),
            "TIFF in YCbCr without JPEG compression",
        ),
        (
            rgb(&[one(PHOTOMETRIC, 2), (BITS, vec![8; 3]), one(COMPRESSION, 50001)]),
            "TIFF with WebP compression",
        ),
        (vec![one(PHOTOMETRIC, 32803), one(BITS, 16)], "camera raw"),
        (
            rgb(&[one(PHOTOMETRIC, 2), (BITS, vec![8; 3]), one(DNG_VERSION, 1)]),
            "camera raw",
        ),
        (
            rgb(&[
                one(PHOTOMETRIC, 2),
                (BITS, vec![8; 3]),
                one(SUBFILE_TYPE, 1),
                one(SUB_DIRECTORIES, 9),
            ]),
            "camera raw",
        ),
    ] {
        let bytes = file((1, 1), &tags, &[0; 24]);
        let message = format!("{named} is not supported (convert it to JPEG or PNG)");
        assert_eq!(
            decode(&bytes, Limits::default()).unwrap_err().to_string(),
            message
        );
        assert_eq!(probe(&bytes, Limits::default()).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_cut_file_is_cut() {
    let tags = [one(BITS, 8), one(PHOTOMETRIC, 1)];
    let whole = file((20, 20), &tags, &[5; 400]);
    assert_eq!(read(&whole).len(), 1200);
    for length in [whole.len() - 1, whole.len() - 200, whole.len() - 400] {
        let answer = decode(&whole[..length], Limits::default());
        assert!(
            matches!(answer, Err(DecodeError::Truncated { .. })),
            "{length}: {answer:?}"
        );
    }
}

#[test]
fn tiles_far_larger_than_the_picture_are_refused() {
    let tags = [
        one(BITS, 8),
        one(PHOTOMETRIC, 1),
        one(TILE_WIDTH, 65520),
        one(TILE_HEIGHT, 65520),
    ];
    let error = decode(&file((1, 1), &tags, &[0]), Limits::default()).unwrap_err();
    assert!(error.to_string().contains("tiles"), "{error}");
}
