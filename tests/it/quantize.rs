//! `facebench models quantize`: the embedded networks in fp16 and int8 give the answers of fp32, and obstacles
//! are reported with their fix.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use crate::common::{self, Answer, facebench, run};
use facebench::{
    analysis::agreement,
    dataset::render::{encode_jpeg, render_dataset, render_photo},
    model::{
        Role,
        derived::{self, Target},
        gallery::Gallery,
        network::Network,
    },
    pipeline::{Loading, Networks, Pipeline},
    record::{Accuracy, Outcome},
    runtime::{onnx, spec::Precision},
    vision::{encoded::Limits, face::Face},
};

const PHOTOS: usize = 24;

fn quantize(network: &str) -> Answer {
    quantize_with(network, &["--to", "fp16"])
}

fn quantize_with(network: &str, how: &[&str]) -> Answer {
    run(facebench().args(["models", "quantize", network]).args(how))
}

fn found(name: &str, role: Role) -> Network {
    Network::find(&name.parse().unwrap(), role, &common::home()).unwrap()
}

/// The network in fp16; `None`, with a printed line, where it cannot be converted here.
fn converted(network: &Network) -> Option<Network> {
    converted_with(network, Target::Fp16, &["--to", "fp16"])
}

fn converted_with(network: &Network, target: Target, how: &[&str]) -> Option<Network> {
    let answer = quantize_with(&network.name, how);
    let missing = [
        "need Python 3",
        "are pinned for CPython",
        "has no pip",
        "cannot reach its package index",
        "does not offer",
    ];
    if missing.iter().any(|text| answer.stderr().contains(text)) {
        common::skip(answer.stderr());
        return None;
    }
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let path = derived::find(&common::home(), &network.sha256, target)
        .unwrap()
        .unwrap();
    assert_eq!(answer.stdout().trim(), path.display().to_string());
    Some(Network {
        path,
        ..network.clone()
    })
}

fn see(detector: &Network, recognizer: &Network, photos: &[Vec<u8>]) -> Vec<Vec<Face>> {
    let networks = Networks {
        detector: detector.clone(),
        recognizer: recognizer.clone(),
        score: None,
        max_pixels: Limits::default().max_pixels,
        swap_channels: false,
    };
    let gallery = Arc::new(Gallery::default());
    let (mut pipeline, _) = Pipeline::load(
        &common::runtime(),
        &networks,
        gallery,
        &Loading {
            threads: 2,
            ..Loading::default()
        },
    )
    .unwrap();
    let mut look = |photo: &Vec<u8>| {
        let mut faces = [Vec::new()];
        pipeline.run(&[photo], &mut faces).unwrap();
        let [faces] = faces;
        faces
    };
    photos.iter().map(&mut look).collect()
}

/// How near the answers of `small` networks are to the `reference`'s.
fn compared(reference: &[Vec<Face>], small: &[Vec<Face>]) -> Accuracy {
    let photos = reference.iter().zip(small);
    agreement::compare("fp32", photos.map(|(a, b)| (a.as_slice(), b.as_slice())))
}

#[test]
fn the_embedded_networks_in_fp16_see_what_they_see_in_fp32() {
    let (detector, recognizer) = (
        found("facebench-det", Role::Detector),
        found("facebench-rec", Role::Recognizer),
    );
    let (Some(small_detector), Some(small_recognizer)) = (converted(&detector), converted(&recognizer))
    else {
        return;
    };
    for (small, large) in [(&small_detector, &detector), (&small_recognizer, &recognizer)] {
        let bytes = |network: &Network| fs::metadata(&network.path).unwrap().len() as f64;
        let share = bytes(small) / bytes(large);
        assert!((0.45..0.6).contains(&share), "{}: {share}", small.path.display());
    }
    let photos: Vec<Vec<u8>> = (0..PHOTOS)
        .map(|index| {
            let (pixels, truth) = render_photo(91, index);
            encode_jpeg(&pixels, truth.jpeg_quality).unwrap()
        })
        .collect();
    let reference = see(&detector, &recognizer, &photos);
    let faces: usize = reference.iter().map(Vec::len).sum();
    assert!(faces > 30, "only {faces} faces to compare");
    let small = see(&small_detector, &small_recognizer, &photos);
    let accuracy = compared(&reference, &small);
    println!("{faces} faces: {accuracy:?}");
    let check = agreement::check(&accuracy, &agreement::Limits::of_precision(Precision::Fp16));
    assert_eq!(check.outcome, Outcome::Passed, "{}", check.observed);
    // Equal to the last bit would mean that nothing was converted.
    assert!(accuracy.cosine_p01.unwrap() < 1.0 - 1e-7, "{accuracy:?}");

    let twice = quantize(&small_detector.path.display().to_string());
    assert_eq!(twice.code(), 1);
    assert!(
        twice.stderr().contains("it has weights of 16 bits already"),
        "{}",
        twice.all()
    );
    // A second time nothing is converted.
    let before = fs::metadata(&small_detector.path).unwrap().modified().unwrap();
    let again = quantize("facebench-det");
    assert!(
        again.stderr().contains("already exists in fp16"),
        "{}",
        again.all()
    );
    assert_eq!(
        before,
        fs::metadata(&small_detector.path).unwrap().modified().unwrap()
    );
}

#[test]
fn the_embedded_networks_in_int8_see_what_they_see_in_fp32() {
    let (detector, recognizer) = (
        found("facebench-det", Role::Detector),
        found("facebench-rec", Role::Recognizer),
    );
    let folder = tempfile::tempdir().unwrap();
    render_dataset(93, PHOTOS, folder.path(), || ()).unwrap();
    let shown = folder.path().display().to_string();
    let how = ["--calibrate", &shown];
    let convert = |network| converted_with(network, Target::Int8, &how);
    let (Some(small_detector), Some(small_recognizer)) = (convert(&detector), convert(&recognizer)) else {
        return;
    };
    for (small, large) in [(&small_detector, &detector), (&small_recognizer, &recognizer)] {
        let bytes = |network: &Network| fs::metadata(&network.path).unwrap().len() as f64;
        let share = bytes(small) / bytes(large);
        assert!((0.2..0.4).contains(&share), "{}: {share}", small.path.display());
        // The file itself shows that it is quantized, for users who give it as a network.
        assert!(onnx::is_quantized(&fs::read(&small.path).unwrap()).unwrap());
    }
    // Other people than those whom the networks were calibrated on.
    let photos: Vec<Vec<u8>> = (0..PHOTOS)
        .map(|index| {
            let (pixels, truth) = render_photo(94, index);
            encode_jpeg(&pixels, truth.jpeg_quality).unwrap()
        })
        .collect();
    let reference = see(&detector, &recognizer, &photos);
    for detector in [&detector, &small_detector] {
        let small = see(detector, &small_recognizer, &photos);
        let accuracy = compared(&reference, &small);
        println!("{accuracy:?}");
        let mut limits = agreement::Limits::of_precision(Precision::Int8);
        if std::ptr::eq(detector, &raw const small_detector) {
            // With so few faces the 1st percentile is the worst face: one moved landmark decides it.
            limits.cosines.p01 = 0.8;
        }
        let check = agreement::check(&accuracy, &limits);
        assert_eq!(check.outcome, Outcome::Passed, "{}", check.observed);
        assert!(
            accuracy.cosine_p01.unwrap() < 0.9999,
            "nothing was quantized: {accuracy:?}"
        );
    }
    let origin = derived::origin(&common::home(), &recognizer.sha256, Target::Int8)
        .unwrap()
        .unwrap();
    assert_eq!(
        origin.calibration.unwrap().detector_sha256,
        Some(detector.sha256.clone())
    );

    let again = quantize_with("facebench-rec", &how);
    assert!(
        again.stderr().contains("facebench-rec already exists in int8"),
        "{}",
        again.all()
    );
    // Other photos have other ranges.
    fs::remove_file(folder.path().join("photo-00003.jpg")).unwrap();
    let other = quantize_with("facebench-rec", &how);
    assert!(
        other.stderr().contains("calibrating on") && other.stderr().contains("of 23 photos"),
        "{}",
        other.all()
    );
}

#[test]
fn an_arm_whose_network_was_never_quantized_names_the_command() {
    let folder = tempfile::tempdir().unwrap();
    common::photo(&[(3, 3)], 1)
        .save(folder.path().join("a.png"))
        .unwrap();
    let of = |family: &str, name: &str| format!("{family}:{}", common::network(name).display());
    let (detector, recognizer) = (of("yunet", "spots.onnx"), of("arcface", "tiles.onnx"));
    let say = |backend: &str| {
        let answer = run(facebench()
            .args(["run", "--dry-run", "-b", backend, "-i"])
            .arg(folder.path())
            .args(["--detector", &detector, "--recognizer", &recognizer]));
        assert_eq!(answer.code(), 4, "{}", answer.all());
        last_message(&answer).replace(&common::network("").display().to_string(), "NETWORKS/")
    };
    insta::assert_snapshot!(say("cpu,precision=int8"), @r"
    error: cpu,precision=int8: tiles is not on this machine in int8
    make it: facebench models quantize arcface:NETWORKS/tiles.onnx --calibrate DIR --detector yunet:NETWORKS/spots.onnx (DIR: photos like those to be measured)
    ");
    insta::assert_snapshot!(say("cpu,precision=int8,detector-precision=int8"), @r"
    error: cpu,precision=int8,detector-precision=int8: spots is not on this machine in int8
    make it: facebench models quantize yunet:NETWORKS/spots.onnx --calibrate DIR (DIR: photos like those to be measured)
    ");
}

#[test]
fn photos_that_cannot_calibrate_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display().to_string();
    let say = |network: &str, how: &[&str], code| {
        let answer = quantize_with(network, how);
        assert_eq!(answer.code(), code, "{}", answer.all());
        last_message(&answer).replace(&shown, "DIR")
    };
    let calibrate = ["--calibrate", &shown];
    insta::assert_snapshot!(say("facebench-det", &calibrate, 1), @"error: DIR: no photo in it (JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content)");
    common::photo(&[], 1).save(folder.path().join("a.png")).unwrap();
    let with = |more: [&'static str; 2]| [calibrate[0], calibrate[1], more[0], more[1]];
    insta::assert_snapshot!(say("facebench-det", &with(["--detector", "facebench-det"]), 2), @"error: --detector: facebench-det is a detector itself, which is calibrated on whole photos; leave the option out");
    insta::assert_snapshot!(say("facebench-det", &with(["--to", "fp16"]), 2), @"error: --calibrate: fp16 needs no photos; leave it out, or give --to int8");
    insta::assert_snapshot!(say("facebench-rec", &calibrate, 1), @"error: DIR: facebench-det found no face in it; give photos with faces, or another --detector");
    let nowhere = quantize_with("facebench-det", &["--to", "int8"]);
    assert_eq!(nowhere.code(), 2);
    assert!(
        nowhere.stderr().contains("--calibrate <DIR>"),
        "{}",
        nowhere.all()
    );
}

/// The last message of an answer, without its progress lines.
fn last_message(answer: &Answer) -> String {
    let said = answer.stderr();
    said[said.find("error:").unwrap_or_default()..].trim().to_owned()
}

#[test]
fn a_network_that_is_damaged_is_made_again() {
    let network = Network::find(
        &common::network("tiles.onnx")
            .display()
            .to_string()
            .parse()
            .unwrap(),
        Role::Recognizer,
        &common::home(),
    )
    .unwrap();
    let Some(made) = converted(&Network {
        name: network.path.display().to_string(),
        ..network.clone()
    }) else {
        return;
    };
    fs::write(&made.path, b"spoilt").unwrap();
    assert!(derived::find(&common::home(), &network.sha256, Target::Fp16).is_err());
    assert_eq!(quantize(&network.path.display().to_string()).code(), 0);
    assert!(
        derived::find(&common::home(), &network.sha256, Target::Fp16)
            .unwrap()
            .is_some()
    );
}

#[test]
fn what_is_no_network_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.onnx");
    fs::write(&text, "not a network").unwrap();
    let answer = quantize(&text.display().to_string());
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("text.onnx: it is not an ONNX file"),
        "{}",
        answer.all()
    );
    let derived: Vec<_> = fs::read_dir(derived::folder(&common::home()))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
        .unwrap_or_default();
    assert!(derived.iter().all(|name| name != "text.onnx"), "{derived:?}");

    let unknown = quantize("facebench-dett");
    assert_eq!(unknown.code(), 2);
    assert!(
        unknown.stderr().contains("did you mean `facebench-det`?"),
        "{}",
        unknown.all()
    );
    let absent = quantize("yunet:no/such.onnx");
    assert_eq!(absent.code(), 1);
    assert!(
        absent.stderr().contains("no/such.onnx: No such file"),
        "{}",
        absent.all()
    );
    let wrong = run(facebench().args(["models", "quantize", "facebench-det", "--to", "fp8"]));
    assert_eq!(wrong.code(), 2);
}

/// The answer of `quantize` in an empty home where `python3` is this shell script, or where there is none.
fn with_python(script: Option<&str>) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    if let Some(script) = script {
        executable(&bin.join("python3"), &format!("#!/bin/sh\n{script}\n"));
    }
    run(facebench()
        .args(["models", "quantize", "facebench-det", "--to", "fp16"])
        .env("PATH", &bin)
        .env("FACEBENCH_HOME", folder.path().join("home")))
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn what_python_lacks_is_reported_with_its_fix() {
    // With -I it reports Python 3.12; with other arguments it runs the rest of the script.
    let modern = |rest: &str| format!("[ \"$1\" = -I ] && echo 3 12 x86_64 && exit\n{rest}");
    let cases = [
        (
            None,
            "need Python 3 (3.11, 3.12, 3.13), which is not on PATH",
            "install one of these with pip",
        ),
        (
            Some("echo 3 8 x86_64".to_owned()),
            "are pinned for CPython 3.11, 3.12, 3.13, and PATH has only 3.8 (",
            "install one of these with pip",
        ),
        (
            Some(modern("echo 'python3: No module named pip' >&2; exit 1")),
            "has no pip to install them with",
            "apt install python3-pip",
        ),
        (
            Some(modern(
                "echo 'connection broken by NewConnectionError' >&2; exit 1",
            )),
            "pip cannot reach its package index: connection broken by NewConnectionError",
            "give pip its proxy or mirror",
        ),
        (
            Some(modern(
                "echo 'ERROR: No matching distribution found for onnx' >&2; exit 1",
            )),
            "does not offer the libraries that convert networks as they are pinned",
            "use an index that has them",
        ),
    ];
    for (script, reason, fix) in cases {
        let answer = with_python(script.as_deref());
        assert_eq!(answer.code(), 1, "{}", answer.all());
        for text in [reason, fix, "copy the models/derived folder of its home here"] {
            assert!(answer.stderr().contains(text), "{text:?}: {}", answer.all());
        }
    }
}
