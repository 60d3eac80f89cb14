//! `facebench faces` on unusual pictures: those that are read give the picture that others see, the rest are named.

use crate::common::{self, facebench, run, shared};
use facebench::vision::decoder::SCALES;
use serde_json::Value;

/// `faces` with the networks of the program on some files, drawn where a folder is given.
fn faces(files: &[std::path::PathBuf]) -> std::process::Command {
    let mut command = facebench();
    command.arg("faces").args(files);
    command
}

#[test]
fn unusual_jpegs_give_the_faces_that_are_in_them() {
    let Some(cases) = shared("cases/jpeg") else {
        return;
    };
    let expected = [
        ("dupexif_6_1", 320, 240, 3),
        ("long_6", 320, 240, 3),
        ("lumasub", 633, 475, 10),
        ("nonint420", 633, 475, 10),
        ("nonint440", 633, 475, 10),
        ("plain", 633, 475, 10),
        ("s31", 633, 475, 10),
    ];
    let files: Vec<_> = expected
        .iter()
        .map(|(name, ..)| cases.join(format!("{name}.jpg")))
        .collect();
    let answer = run(&mut faces(&files));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    for (line, (name, width, height, faces)) in answer.stdout().lines().zip(expected) {
        let line: Value = serde_json::from_str(line).unwrap();
        let found = line["faces"].as_array().unwrap().len();
        let seen = (line["width"].as_u64(), line["height"].as_u64(), found);
        assert_eq!(seen, (Some(width), Some(height), faces), "{name}");
    }
    let whole = ["samsung_pano", "noeoi", "mjpeg_nodht"];
    let answer = run(&mut faces(&whole.map(|name| cases.join(format!("{name}.jpg")))));
    assert_eq!(
        (answer.code(), answer.stdout().lines().count()),
        (0, 3),
        "{}",
        answer.all()
    );
    let answer = run(&mut faces(&[cases.join("mpo_primary_cut.jpg")]));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("the file is cut short"),
        "{}",
        answer.all()
    );
    let answer = run(&mut faces(&[cases.join("arith.jpg")]));
    let named = answer.stderr().contains("arithmetic coding is not supported");
    assert!(
        if SCALES { answer.code() == 0 } else { named },
        "{}",
        answer.all()
    );
}

#[test]
fn unusual_tiffs_are_the_expected_picture_or_named() {
    let Some(cases) = shared("cases/tiff") else {
        return;
    };
    let drawn = tempfile::tempdir().unwrap();
    let files = [
        "expected.png",
        "bigtiff.tif",
        "t_pal_pil.tif",
        "t_jpeg_ycbcr420.tif",
    ];
    let mut command = faces(&files.map(|name| cases.join(name)));
    // No face is so sure that a box is drawn.
    let answer = run(command.arg("--draw").arg(drawn.path()).args(["--score", "1.0"]));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    for (name, kind) in [("u32.tif", "of 32-bit integers"), ("lab.tif", "in CIE L*a*b*")] {
        let answer = run(&mut faces(&[cases.join(name)]));
        let message = format!("{name}: TIFF {kind} is not supported (convert it to JPEG or PNG)");
        assert_eq!(answer.code(), 1, "{}", answer.all());
        assert!(answer.stderr().contains(&message), "{}", answer.all());
    }
    let open = |name: &str| {
        image::open(drawn.path().join(format!("{name}.png")))
            .unwrap()
            .into_rgb8()
    };
    assert_eq!(open("bigtiff.tif"), open("expected.png"));
    for name in ["t_pal_pil.tif", "t_jpeg_ycbcr420.tif"] {
        assert_eq!(open(name).dimensions(), (320, 240), "{name}");
    }
}

#[test]
fn names_as_long_as_file_systems_allow_do_not_end_drawing() {
    let photos = tempfile::tempdir().unwrap();
    let drawn = tempfile::tempdir().unwrap();
    for last in ["a", "b"] {
        let name = format!("{}{last}.png", "n".repeat(250));
        common::write(&image::RgbImage::new(8, 8), &photos.path().join(name));
    }
    let mut command = faces(&[photos.path().to_path_buf()]);
    let answer = run(command.arg("--draw").arg(drawn.path()));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert_eq!(std::fs::read_dir(drawn.path()).unwrap().count(), 2);
}

#[test]
fn pictures_of_other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.heic", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..]),
        ("b.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
        ("c.jxl", b"\xFF\x0A\xFA\x1F\x40"),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let answer = run(&mut faces(&[folder.path().to_path_buf()]));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    for named in ["a.heic: HEIC", "b.avif: AVIF", "c.jxl: JPEG XL"] {
        let message = format!("{named} is not supported (convert it to JPEG or PNG)");
        assert!(answer.stderr().contains(&message), "{}", answer.all());
    }
}
