//! The pipeline against other programs' answers on real photos: `../shared/golden/reference.json`, which not every
//! machine has. `scripts/conformance` runs this and shows the figures.

use std::{collections::BTreeMap, path::Path};

use crate::common::{self, facebench, run, shared};
use facebench::{
    model::{Role, network::Network},
    runtime::SessionSettings,
    vision::{
        decoder::decode,
        encoded::Limits,
        face::{BoundingBox, Detection, Embedding, Face, Landmarks},
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Reference {
    photos: BTreeMap<String, Photo>,
}

#[derive(Deserialize)]
struct Photo {
    yunet: Vec<Known>,
    scrfd: Vec<Known>,
}

#[derive(Deserialize, Clone)]
struct Known {
    #[serde(rename = "box")]
    bounding_box: BoundingBox,
    landmarks: Landmarks,
    score: f32,
    embedding: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Line {
    photo: String,
    faces: Vec<Face>,
}

/// How near our faces are to known ones.
#[derive(Debug)]
struct Figures {
    faces: usize,
    found: f64,
    extra: f64,
    landmarks: f64,
    cosines: Vec<f32>,
}

/// Known faces of at least `sure` must be ours too; ours of at least `sure` must be known with at least 0.5.
fn compare(known: &BTreeMap<String, Vec<Known>>, ours: &BTreeMap<String, Vec<Face>>, sure: f32) -> Figures {
    let (mut faces, mut found, mut mine, mut extra) = (0usize, 0usize, 0usize, 0usize);
    let (mut landmarks, mut cosines) = (Vec::new(), Vec::new());
    for (photo, known) in known {
        let ours = &ours[photo];
        for face in known.iter().filter(|face| face.score >= sure) {
            faces += 1;
            let iou = |other: &&Face| other.detection.bounding_box.iou(&face.bounding_box);
            let Some(best) = ours
                .iter()
                .max_by(|a, b| iou(a).total_cmp(&iou(b)))
                .filter(|best| iou(best) >= 0.9)
            else {
                continue;
            };
            found += 1;
            let distance = |(a, b): (&[f32; 2], &[f32; 2])| f64::from((a[0] - b[0]).hypot(a[1] - b[1]));
            let sum: f64 = best
                .detection
                .landmarks
                .iter()
                .zip(&face.landmarks)
                .map(distance)
                .sum();
            landmarks.push(sum / 5.0 / f64::from(face.bounding_box.width()));
            if let (Some(ours), Some(known)) = (&best.embedding, &face.embedding) {
                cosines.push(ours.cosine(&Embedding::from_raw(known)));
            }
        }
        for Detection { bounding_box, .. } in ours.iter().map(|f| f.detection).filter(|d| d.score >= sure) {
            mine += 1;
            extra += usize::from(
                known
                    .iter()
                    .all(|known| known.bounding_box.iou(&bounding_box) < 0.5),
            );
        }
    }
    cosines.sort_by(f32::total_cmp);
    Figures {
        faces,
        found: found as f64 / faces as f64,
        extra: extra as f64 / mine as f64,
        landmarks: landmarks.iter().sum::<f64>() / landmarks.len() as f64,
        cosines,
    }
}

fn share(values: &[f32], q: f64) -> f32 {
    values[((values.len() as f64 * q) as usize).min(values.len() - 1)]
}

fn reference() -> Option<Reference> {
    let text = std::fs::read(shared("golden/reference.json")?).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// What `facebench faces` finds in the shared photos.
fn seen(detector: &Path) -> Option<BTreeMap<String, Vec<Face>>> {
    let (photos, recognizer) = (shared("photos")?, shared("models/mobilefacenet_dynbatch.onnx")?);
    let mut command = facebench();
    command
        .arg("faces")
        .arg(photos)
        .arg("--detector")
        .arg(detector)
        .arg("--recognizer")
        .arg(recognizer);
    let answer = run(&mut command);
    assert_eq!(answer.code(), 0, "{}", answer.stderr());
    let lines = answer.stdout();
    Some(
        lines
            .lines()
            .map(|line| serde_json::from_str::<Line>(line).unwrap())
            .map(|line| (line.photo, line.faces))
            .collect(),
    )
}

#[test]
fn yunet_sees_what_opencv_sees() {
    let Some((reference, detector)) = reference().zip(shared("models/face_detection_yunet_2023mar.onnx"))
    else {
        return;
    };
    let Some(ours) = seen(&detector) else { return };
    let known = reference
        .photos
        .into_iter()
        .map(|(name, photo)| (name, photo.yunet))
        .collect();
    let figures = compare(&known, &ours, 0.8);
    let cosines = &figures.cosines;
    let low = cosines.iter().filter(|cosine| **cosine < 0.97).count() as f64 / cosines.len() as f64;
    println!(
        "yunet: {} faces, found {:.4} (0.99), extra {:.4} (0.01), landmarks {:.4} (0.02); end to end: cosine median \
         {:.5} (0.998), 5th percentile {:.5} (0.99), below 0.97 {low:.4} (0.03)",
        figures.faces,
        figures.found,
        figures.extra,
        figures.landmarks,
        share(cosines, 0.5),
        share(cosines, 0.05)
    );
    assert!(
        figures.faces > 250 && figures.found >= 0.99 && figures.extra <= 0.01 && figures.landmarks <= 0.02
    );
    assert!(share(cosines, 0.5) >= 0.998 && share(cosines, 0.05) >= 0.99 && low <= 0.03);
}

#[test]
fn scrfd_sees_what_insightface_sees() {
    let Some((reference, detector)) = reference().zip(shared("models/det_500m.onnx")) else {
        return;
    };
    let Some(ours) = seen(&detector) else { return };
    let known = reference
        .photos
        .into_iter()
        .map(|(name, photo)| (name, photo.scrfd))
        .collect();
    let figures = compare(&known, &ours, 0.7);
    println!(
        "scrfd: {} faces, found {:.4} (0.99), extra {:.4} (0.01), landmarks {:.4} (0.02)",
        figures.faces, figures.found, figures.extra, figures.landmarks
    );
    assert!(
        figures.faces > 250 && figures.found >= 0.99 && figures.extra <= 0.01 && figures.landmarks <= 0.02
    );
}

#[test]
fn embeddings_from_known_landmarks_are_the_known_ones() {
    let Some(((reference, photos), network)) = reference()
        .zip(shared("photos"))
        .zip(shared("models/mobilefacenet_dynbatch.onnx"))
    else {
        return;
    };
    let home = common::home();
    let runtime = common::runtime();
    let name = format!("arcface:{}", network.display()).parse().unwrap();
    let network = Network::find(&name, Role::Recognizer, &home).unwrap();
    let (mut recognizer, _) = network
        .load_recognizer(
            &runtime,
            &SessionSettings {
                threads: 2,
                ..SessionSettings::default()
            },
            4,
        )
        .unwrap();
    let mut cosines = Vec::new();
    for (name, photo) in reference.photos {
        let known: Vec<Known> = photo
            .yunet
            .into_iter()
            .filter(|face| face.embedding.is_some())
            .collect();
        if known.is_empty() {
            continue;
        }
        let picture = DecodedPhoto::from(
            decode(&std::fs::read(photos.join(name)).unwrap(), Limits::default()).unwrap(),
        );
        for faces in known.chunks(4) {
            let mut ours = Vec::new();
            let places = faces.iter().map(|face| (&picture, &face.landmarks));
            recognizer.align(places, &PixelPool::default());
            recognizer
                .embed(faces.len(), &mut |values| ours.push(Embedding::from_raw(values)))
                .unwrap();
            let pairs = ours.iter().zip(faces);
            cosines.extend(
                pairs.map(|(ours, face)| ours.cosine(&Embedding::from_raw(face.embedding.as_ref().unwrap()))),
            );
        }
    }
    cosines.sort_by(f32::total_cmp);
    println!(
        "embeddings of {} known faces: cosine 1st percentile {:.5} (0.995), median {:.5}",
        cosines.len(),
        share(&cosines, 0.01),
        share(&cosines, 0.5)
    );
    assert!(cosines.len() > 150 && share(&cosines, 0.01) >= 0.995);
}

#[test]
fn the_shared_people_are_distinguished() {
    let (Some(photos), Some(detector)) = (
        shared("photos"),
        shared("models/face_detection_yunet_2023mar.onnx"),
    ) else {
        return;
    };
    let Some(ours) = seen(&detector) else { return };
    let text = std::fs::read_to_string(photos.join("identities.csv")).unwrap();
    let people: Vec<(&str, Embedding)> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(photo, person)| {
            let largest = ours[photo].iter().max_by(|a, b| {
                a.detection
                    .bounding_box
                    .area()
                    .total_cmp(&b.detection.bounding_box.area())
            });
            (person, largest.and_then(|face| face.embedding.clone()).unwrap())
        })
        .collect();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (i, (person, a)) in people.iter().enumerate() {
        for (other, b) in &people[..i] {
            if person == other {
                same.push(a.cosine(b));
            } else {
                different.push(a.cosine(b));
            }
        }
    }
    let (lowest, highest) = (
        same.iter().copied().fold(1.0, f32::min),
        different.iter().copied().fold(-1.0, f32::max),
    );
    println!(
        "people: {} same-person pairs, lowest cosine {lowest:.4}; {} different-person pairs, highest {highest:.4}",
        same.len(),
        different.len()
    );
    assert!(same.len() > 30 && different.len() > 150 && lowest > highest);
}

#[test]
fn real_networks_on_real_photos_make_a_valid_record() {
    let (Some(photos), Some(detector), Some(recognizer)) = (
        shared("photos"),
        shared("models/face_detection_yunet_2023mar.onnx"),
        shared("models/mobilefacenet_dynbatch.onnx"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let mut command = common::run_with(&photos, &path, &detector, &recognizer);
    command.args(["-b", "cpu", "-b", "cpu,batch=8,threads=2", "--photos", "8"]);
    let answer = run(&mut command);
    let record: Value = common::sound(&answer, &path);
    assert_eq!(
        record["workload"]["detector"]["name"], "yunet-2023mar",
        "known by its hash"
    );
    assert_eq!(record["workload"]["detector"]["license"], "MIT");
    for arm in record["arms"].as_array().unwrap() {
        let cosine = arm["accuracy"]["cosine_median"].as_f64().unwrap();
        assert!(cosine > 0.9999, "{cosine}");
    }
}
