//! Whether networks that were trained on real people treat the drawn ones as people. Skipped where those networks are not
//! available.

use std::sync::Arc;

use crate::common::{self, shared};
use facebench::{
    dataset::render::{Identity, PortraitStyle, encode_jpeg, render_photo, render_portrait},
    model::{Role, gallery::Gallery, network::Network},
    pipeline::{Loading, Networks, Pipeline},
    runtime::{SessionSettings, onnxruntime::OnnxRuntime},
    vision::{
        decoder::decode,
        encoded::Limits,
        face::{BoundingBox, Embedding, Face},
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};
use rayon::prelude::*;

const SEED: u64 = 1;
const PHOTOS: usize = 200;
const PEOPLE: u32 = 50;
const RENDERINGS: u32 = 6;

/// YuNet and MobileFaceNet at the usual threshold, where they are at hand.
fn critics() -> Option<(OnnxRuntime, Networks)> {
    let (detector, recognizer) = (
        shared("models/face_detection_yunet_2023mar.onnx")?,
        shared("models/mobilefacenet_dynbatch.onnx")?,
    );
    let home = common::home();
    let find = |family: &str, path: std::path::PathBuf, role| {
        Network::find(
            &format!("{family}:{}", path.display()).parse().unwrap(),
            role,
            &home,
        )
        .unwrap()
    };
    let networks = Networks {
        detector: find("yunet", detector, Role::Detector),
        recognizer: find("arcface", recognizer, Role::Recognizer),
        score: Some(0.6),
        max_pixels: Limits::default().max_pixels,
        swap_channels: false,
    };
    Some((common::runtime(), networks))
}

fn look(pipeline: &mut Pipeline, photo: &[u8]) -> Vec<Face> {
    let mut faces = [Vec::new()];
    pipeline.run(&[photo], &mut faces).unwrap();
    std::mem::take(&mut faces[0])
}

#[test]
fn yunet_finds_drawn_faces_where_they_are() {
    let Some((runtime, networks)) = critics() else {
        return;
    };
    let (mut pipeline, _) = Pipeline::load(
        &runtime,
        &networks,
        Arc::new(Gallery::default()),
        &Loading {
            threads: 2,
            ..Loading::default()
        },
    )
    .unwrap();
    let photos: Vec<_> = (0..PHOTOS)
        .into_par_iter()
        .map(|index| {
            let (pixels, truth) = render_photo(SEED, index);
            (encode_jpeg(&pixels, truth.jpeg_quality).unwrap(), truth.faces)
        })
        .collect();
    // Known and found, of 40 to 60 px and of 60 px or more; found faces that are none; landmark errors.
    let (mut known, mut hit, mut all, mut right) = ([0usize; 2], [0usize; 2], 0usize, 0usize);
    let mut errors = Vec::new();
    for (photo, truth) in &photos {
        let found = look(&mut pipeline, photo);
        let iou = |face: &Face, bounds: [f32; 4]| face.detection.bounding_box.iou(&BoundingBox::from(bounds));
        all += found.len();
        right += found
            .iter()
            .filter(|face| truth.iter().any(|known| iou(face, known.bounds) >= 0.5))
            .count();
        for face in truth.iter().filter(|face| face.size >= 40.0) {
            let large = usize::from(face.size >= 60.0);
            known[large] += 1;
            let best = found
                .iter()
                .max_by(|a, b| iou(a, face.bounds).total_cmp(&iou(b, face.bounds)));
            let Some(best) = best.filter(|best| iou(best, face.bounds) >= 0.5) else {
                continue;
            };
            hit[large] += 1;
            let distance = |(a, b): (&[f32; 2], &[f32; 2])| (a[0] - b[0]).hypot(a[1] - b[1]);
            let sum: f32 = best
                .detection
                .landmarks
                .iter()
                .zip(&face.landmarks)
                .map(distance)
                .sum();
            errors.push(sum / 5.0 / (face.bounds[2] - face.bounds[0]));
        }
    }
    let recall = [0, 1].map(|large| hit[large] as f64 / known[large] as f64);
    let precision = right as f64 / all as f64;
    let error = errors.iter().sum::<f32>() / errors.len() as f32;
    println!(
        "YuNet on {PHOTOS} drawn photos: finds {:.4} of {} faces of 60 px or more (0.97), {:.4} of {} of 40 to 60 px \
         (0.75), precision {precision:.4} (0.97), landmarks {error:.4} of the width (0.10)",
        recall[1], known[1], recall[0], known[0]
    );
    assert!(known[0] > 30 && known[1] > 300);
    assert!(recall[1] >= 0.97 && recall[0] >= 0.75 && precision >= 0.97 && error <= 0.10);
}

#[test]
fn mobilefacenet_distinguishes_drawn_people() {
    let Some((runtime, networks)) = critics() else {
        return;
    };
    let (mut pipeline, _) = Pipeline::load(
        &runtime,
        &networks,
        Arc::new(Gallery::default()),
        &Loading {
            threads: 2,
            ..Loading::default()
        },
    )
    .unwrap();
    let session = SessionSettings {
        threads: 2,
        ..SessionSettings::default()
    };
    let (mut recognizer, _) = networks
        .recognizer
        .load_recognizer(&runtime, &session, 1)
        .unwrap();
    let style = PortraitStyle {
        side: 240,
        smallest: 80.0,
        largest: 110.0,
        pose: 1.0,
        covered: 0.12,
    };
    let portraits: Vec<_> = (0..PEOPLE * RENDERINGS)
        .into_par_iter()
        .map(|number| {
            let person = number / RENDERINGS;
            let who = Identity::new(SEED, person);
            let (pixels, face) = render_portrait(&who, SEED, number % RENDERINGS, &style).unwrap();
            (person, encode_jpeg(&pixels, 85).unwrap(), face)
        })
        .collect();
    let (mut on_true, mut on_found) = (Vec::new(), Vec::new());
    for (person, photo, face) in &portraits {
        let pixels = DecodedPhoto::from(decode(photo, Limits::default()).unwrap());
        recognizer.align([(&pixels, &face.landmarks)].into_iter(), &PixelPool::default());
        recognizer
            .embed(1, &mut |values| {
                on_true.push((*person, Embedding::from_raw(values)));
            })
            .unwrap();
        let bounds = BoundingBox::from(face.bounds);
        let found = look(&mut pipeline, photo)
            .into_iter()
            .find(|f| f.detection.bounding_box.iou(&bounds) >= 0.5);
        on_found.extend(
            found
                .and_then(|found| found.embedding)
                .map(|embedding| (*person, embedding)),
        );
    }
    let (by_truth, by_yunet) = (auc(&on_true), auc(&on_found));
    println!(
        "MobileFaceNet on {PEOPLE} drawn people x {RENDERINGS}: AUC {by_truth:.4} on true landmarks (0.97), \
         {by_yunet:.4} on YuNet's (0.93), {} of {} found",
        on_found.len(),
        on_true.len()
    );
    assert!(on_found.len() * 100 >= on_true.len() * 95);
    assert!(by_truth >= 0.97 && by_yunet >= 0.93);
}

/// The probability that a pair of one person is more alike than a pair of two, by ranks.
fn auc(people: &[(u32, Embedding)]) -> f64 {
    let mut pairs: Vec<(f32, bool)> = Vec::new();
    for (place, (person, a)) in people.iter().enumerate() {
        pairs.extend(
            people[..place]
                .iter()
                .map(|(other, b)| (a.cosine(b), person == other)),
        );
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut different, mut below) = (0usize, 0usize);
    for (_, same) in &pairs {
        if *same {
            below += different;
        } else {
            different += 1;
        }
    }
    below as f64 / (different as f64 * (pairs.len() - different) as f64)
}
