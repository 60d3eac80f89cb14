//! Every kind of JPEG against an independent decoder, libjpeg-turbo, where it is built in, and against what was drawn.

use sha2::{Digest, Sha256};

use super::{
    Colours, Fault, Structure,
    decoder::{JpegDecoder, zune},
    encoder::{Drawing, adobe, level, segment},
    segments::End,
};
use crate::vision::photo::Scale;

const FULL: [(usize, usize); 3] = [(1, 1), (1, 1), (1, 1)];

/// Sampling of three components: usual, of one scan a component, denser in chroma, three to one.
const SAMPLINGS: [[(usize, usize); 3]; 14] = [
    FULL,
    [(2, 1), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(4, 2), (1, 1), (1, 1)],
    [(1, 4), (1, 1), (1, 1)],
    [(3, 1), (1, 1), (1, 1)],
    [(1, 1), (2, 2), (2, 2)],
    [(1, 1), (2, 2), (1, 1)],
    [(2, 1), (1, 2), (1, 1)],
    [(2, 2), (2, 1), (1, 1)],
    [(2, 2), (2, 2), (2, 2)],
    [(2, 2), (1, 2), (1, 2)],
];

/// Sizes: whole MCUs, one pixel, one more than an MCU, narrow.
const SIZES: [(usize, usize); 4] = [(64, 48), (1, 1), (33, 17), (5, 70)];

/// All drawings of the matrix with their names.
fn matrix() -> Vec<(String, Colours, Drawing)> {
    let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let mut all = Vec::new();
    let mut add = |name: &str, colours: Colours, drawing: Drawing| {
        let scans = match drawing.components.len() {
            1 => vec![vec![vec![0]]],
            3 => vec![
                vec![vec![0, 1, 2]],
                vec![vec![0], vec![1], vec![2]],
                vec![vec![0], vec![1, 2]],
            ],
            _ => vec![vec![vec![0, 1, 2, 3]], vec![vec![0], vec![1], vec![2], vec![3]]],
        };
        for scans in scans {
            for (progressive, restart) in [(false, 0), (false, 3), (true, 0), (true, 5)] {
                let drawing = Drawing {
                    scans: scans.clone(),
                    progressive,
                    restart,
                    ..drawing.clone()
                };
                let (width, height) = (drawing.width, drawing.height);
                let name = format!("{name} {width}x{height} scans {scans:?} {progressive} restart {restart}");
                // Ten blocks are the most that an MCU may have.
                let blocks = |scan: &Vec<usize>| {
                    let of = |c: &usize| drawing.components[*c].1 * drawing.components[*c].2;
                    scan.len() == 1 || scan.iter().map(of).sum::<usize>() <= 10
                };
                if scans.iter().all(blocks) {
                    all.push((name, colours, drawing));
                }
            }
        }
    };
    for (width, height) in SIZES {
        for sampling in SAMPLINGS {
            let drawing = Drawing {
                segments: jfif.clone(),
                ..Drawing::new(width, height, &sampling)
            };
            add(&format!("YCbCr {sampling:?}"), Colours::YCbCr, drawing);
        }
        for sampling in [(1, 1), (2, 2), (2, 1)] {
            add(
                &format!("grey {sampling:?}"),
                Colours::Grey,
                Drawing::new(width, height, &[sampling]),
            );
        }
        let rgb = Drawing {
            segments: adobe(0),
            ..Drawing::new(width, height, &FULL)
        };
        add("RGB by Adobe", Colours::Rgb, rgb);
        let mut rgb = Drawing::new(width, height, &FULL);
        for (component, id) in rgb.components.iter_mut().zip(*b"RGB") {
            component.0 = id;
        }
        add("RGB by numbers", Colours::Rgb, rgb);
        let cmyk = Drawing {
            segments: adobe(0),
            ..Drawing::new(width, height, &[(1, 1); 4])
        };
        add("CMYK", Colours::Cmyk, cmyk);
        let ycck = Drawing {
            segments: adobe(2),
            ..Drawing::new(width, height, &[(2, 2), (1, 1), (1, 1), (2, 2)])
        };
        add("YCCK", Colours::Ycck, ycck);
    }
    all
}

/// Largest and mean difference in levels.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap_or(0), sum / a.len() as f64)
}

/// What was drawn, as RGB, without any coding.
fn drawn(drawing: &Drawing, colours: Colours) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..drawing.height {
        for x in 0..drawing.width {
            let (u, v) = (
                (x as f32 + 0.5) / drawing.width as f32,
                (y as f32 + 0.5) / drawing.height as f32,
            );
            let levels = [0, 1, 2, 3].map(|component| level(component, u, v));
            let [luma, cb, cr, black] = levels;
            let ycbcr = [
                luma + 1.402 * (cr - 128.0),
                luma - 0.344_136 * (cb - 128.0) - 0.714_136 * (cr - 128.0),
                luma + 1.772 * (cb - 128.0),
            ]
            .map(|level| level.clamp(0.0, 255.0));
            let rgb = match colours {
                Colours::Grey => [luma; 3],
                Colours::YCbCr => ycbcr,
                Colours::Rgb => [levels[0], levels[1], levels[2]],
                Colours::Cmyk => [levels[0], levels[1], levels[2]].map(|ink| ink * black / 255.0),
                Colours::Ycck => ycbcr.map(|ink| (255.0 - ink) * black / 255.0),
            };
            pixels.extend(rgb.map(|level| level.round() as u8));
        }
    }
    pixels
}

#[cfg(feature = "turbojpeg")]
fn turbo(bytes: &[u8]) -> Option<Vec<u8>> {
    let image = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).ok()?;
    Some(image.pixels)
}

#[test]
fn every_kind_is_what_was_drawn_and_what_libjpeg_turbo_decodes() {
    let matrix = matrix();
    let (mut quick, mut compared) = (0, 0);
    for (name, colours, drawing) in &matrix {
        let bytes = drawing.write();
        let structure = Structure::of(&bytes).unwrap();
        assert_eq!(structure.colours(), *colours, "{name}");
        let exact = super::decode(&bytes, &structure, Vec::new()).unwrap();
        let expected = drawn(drawing, *colours);
        // In the small ones a sample of chroma stands for a quarter of the picture.
        if drawing.width == 64 {
            let (_, mean) = difference(&exact, &expected);
            assert!(mean < 4.0, "{name}: {mean} levels from what was drawn");
        }
        let (all, scale) = JpegDecoder::new()
            .decode(&bytes, &structure, Scale::Full, Vec::new())
            .unwrap();
        assert_eq!(scale, Scale::Full);
        let (largest, mean) = difference(&all, &exact);
        assert!(largest <= 6 && mean <= 1.0, "{name}: {largest} {mean}");
        let End::Marked(end) = structure.end else {
            panic!("{name}: no end")
        };
        if let Ok(pixels) = zune(&bytes, &structure, end, Vec::new()) {
            quick += 1;
            let (largest, mean) = difference(&pixels, &exact);
            assert!(
                largest <= 6 && mean <= 1.0,
                "{name} by zune-jpeg: {largest} {mean}"
            );
        }
        #[cfg(feature = "turbojpeg")]
        if let Some(pixels) = turbo(&bytes) {
            compared += 1;
            assert_eq!(difference(&pixels, &exact), (0, 0.0), "{name}");
        }
        let _ = &mut compared;
    }
    assert!(quick > 20, "zune-jpeg decoded {quick} of {}", matrix.len());
    if cfg!(feature = "turbojpeg") {
        assert!(
            compared > matrix.len() / 2,
            "libjpeg-turbo decoded {compared} of {}",
            matrix.len()
        );
    } else {
        println!("SKIPPED: comparison with libjpeg-turbo, which is not built in (feature turbojpeg)");
    }
}

#[test]
fn scaled_decoding_of_every_kind_is_as_large_as_it_says() {
    for (name, _, drawing) in matrix().into_iter().filter(|(_, _, drawing)| drawing.width == 64) {
        let bytes = drawing.write();
        let structure = Structure::of(&bytes).unwrap();
        let whole = super::decode(&bytes, &structure, Vec::new()).unwrap();
        let mut decoder = JpegDecoder::new();
        for scale in Scale::ALL {
            let (pixels, scale) = decoder.decode(&bytes, &structure, scale, Vec::new()).unwrap();
            let divisor = scale.divisor() as usize;
            let (width, height) = (64 / divisor, 48 / divisor);
            assert_eq!(pixels.len(), width * height * 3, "{name} {scale:?}");
            // Each pixel is about the mean of those that it stands for: where colours leave the range, the mean of what
            // was cut off is another than what is cut off of the mean. Noise is 40 levels and more.
            let mean_of = |x: usize, y: usize, c: usize| {
                let inside = (0..divisor * divisor).map(|i| {
                    let (x, y) = (x * divisor + i % divisor, y * divisor + i / divisor);
                    f64::from(whole[(y * 64 + x) * 3 + c])
                });
                inside.sum::<f64>() / (divisor * divisor) as f64
            };
            let expected: Vec<u8> = (0..pixels.len())
                .map(|i| mean_of(i / 3 % width, i / 3 / width, i % 3).round() as u8)
                .collect();
            let (_, mean) = difference(&pixels, &expected);
            assert!(mean < 20.0, "{name} {scale:?}: {mean}");
        }
    }
}

/// Kinds that all decoders get: sampling, division into scans, progressive.
fn kinds() -> Vec<Drawing> {
    let mut kinds = Vec::new();
    for sampling in [FULL, [(2, 2), (1, 1), (1, 1)], [(1, 1), (2, 2), (2, 2)]] {
        for scans in [vec![vec![0, 1, 2]], vec![vec![0], vec![1], vec![2]]] {
            for (progressive, restart) in [(false, 0), (false, 4), (true, 0)] {
                kinds.push(Drawing {
                    scans: scans.clone(),
                    progressive,
                    restart,
                    ..Drawing::new(64, 48, &sampling)
                });
            }
        }
    }
    kinds
}

fn decoded(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let structure = Structure::of(bytes)?;
    let (pixels, _) = JpegDecoder::new().decode(bytes, &structure, Scale::Full, Vec::new())?;
    Ok(pixels)
}

#[test]
fn a_whole_picture_without_its_end_is_whole() {
    for drawing in kinds() {
        let whole = decoded(&drawing.write()).unwrap();
        let without_end = Drawing {
            end: false,
            ..drawing
        }
        .write();
        for trailer in [
            &b""[..],
            b"SEFH\0\0\0\0 vendor's data",
            b"\xFF\xD8\xFF\xD9",
            b"\0\0\0\0",
        ] {
            let bytes = [&without_end, trailer].concat();
            let (largest, _) = difference(&decoded(&bytes).unwrap(), &whole);
            assert!(largest <= 6, "{drawing:?}", drawing = without_end.len());
        }
    }
}

#[test]
fn a_cut_picture_is_cut_whatever_comes_behind() {
    for drawing in kinds() {
        let whole = drawing.write();
        let first_scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        for share in 1..10 {
            let cut = &whole[..first_scan + (whole.len() - first_scan - 60) * share / 10];
            for behind in [&b""[..], b"\xFF\xD9", &whole, b"\xFF"] {
                let bytes = [cut, behind].concat();
                let scans = |bytes| Structure::of(bytes).map_or(0, |structure| structure.scans.len());
                if behind == b"\xFF\xD9" && scans(&bytes) < scans(&whole) {
                    // The standard lets a progressive picture end after any scan.
                    continue;
                }
                let answer = decoded(&bytes);
                assert!(
                    matches!(answer, Err(Fault::Short | Fault::Broken(_))),
                    "{:?} progressive {} restart {} cut at {share} tenths, {} bytes behind",
                    drawing.scans,
                    drawing.progressive,
                    drawing.restart,
                    behind.len()
                );
            }
        }
    }
}

#[test]
fn frames_without_huffman_tables_get_the_standards_own() {
    for sampling in [FULL, [(2, 1), (1, 1), (1, 1)]] {
        let with = Drawing::new(64, 48, &sampling);
        let without = Drawing {
            tables: false,
            ..with.clone()
        };
        let (largest, _) = difference(
            &decoded(&without.write()).unwrap(),
            &decoded(&with.write()).unwrap(),
        );
        assert!(largest <= 6);
    }
}

#[test]
fn a_small_file_of_endless_scans_is_refused() {
    // Two thousand scans of a band of 16 megapixels, each of a few bytes.
    let bytes = Drawing {
        progressive: true,
        ..Drawing::new(8, 8, &[(1, 1)])
    }
    .write();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap();
    let mut bytes = bytes[..bytes.len() - 2].to_vec();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x10, 0]);
    for _ in 0..2000 {
        bytes.extend(segment(0xDA, &[1, 1, 0, 1, 63, 0]));
    }
    bytes.extend([0xFF, 0xD9]);
    assert!(matches!(Structure::of(&bytes), Err(Fault::Broken(_))));
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let bytes = Drawing::new(16, 16, &FULL).write();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    for (marker, precision, name) in [
        (0xC3, 8, "lossless JPEG"),
        (0xC5, 8, "hierarchical JPEG"),
        (0xF7, 8, "JPEG-LS"),
        (0xC1, 12, "JPEG of 12 bits a sample"),
    ] {
        let mut bytes = bytes.clone();
        (bytes[frame + 1], bytes[frame + 4]) = (marker, precision);
        assert_eq!(decoded(&bytes), Err(Fault::Unsupported(name)));
    }
}

#[test]
fn pictures_of_libjpegs_own_encoder_are_decoded_to_the_bit() {
    // By scripts/fixtures/pictures.py.
    for (bytes, pixels) in [
        (
            &include_bytes!("../../../tests/fixtures/pictures/progressive-420.jpg")[..],
            "e2f5fd33285a6d149f6c02af40f8c75e9e0365066cb33c2905d680a2afd61d14",
        ),
        (
            include_bytes!("../../../tests/fixtures/pictures/progressive-444-restart.jpg"),
            "9df8f669943fdde5d7a89e2c429c3bb8306bc0e68ff6810f3f64a57ea222dd7f",
        ),
        (
            include_bytes!("../../../tests/fixtures/pictures/progressive-422.jpg"),
            "202d580f108946e502521eee59d15882884ba70ba92fbf8ef013698bbe36c571",
        ),
        (
            include_bytes!("../../../tests/fixtures/pictures/baseline-420-optimized.jpg"),
            "e2f5fd33285a6d149f6c02af40f8c75e9e0365066cb33c2905d680a2afd61d14",
        ),
    ] {
        let structure = Structure::of(bytes).unwrap();
        let decoded = super::decode(bytes, &structure, Vec::new()).unwrap();
        let digest = base16ct::lower::encode_string(&Sha256::digest(decoded));
        assert_eq!(digest, pixels);
        // Cut anywhere after the first scan's head, with or without the mark of an end.
        let first_scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
        for length in (first_scan..bytes.len() - 2).step_by(7) {
            assert_eq!(decoded_or_short(&bytes[..length]), None, "{length}");
        }
    }
}

/// Nothing where the picture is cut.
fn decoded_or_short(bytes: &[u8]) -> Option<Vec<u8>> {
    match decoded(bytes) {
        Ok(pixels) => Some(pixels),
        Err(Fault::Short | Fault::Broken(_)) => None,
        Err(fault) => panic!("{fault}"),
    }
}
