//! The quality of the embedded networks on people whom they were not trained on, with a control that must miss it.
//! `scripts/model-card` runs this and shows the figures.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use crate::common::{self, shared};
use facebench::{
    analysis::ground_truth::{Sizes, average_precision, people, verify},
    dataset::{
        manifest,
        render::{encode_jpeg, render_photo},
    },
    model::{Role, catalog::Catalog, embedded, gallery::Gallery, network::Network},
    pipeline::{Loading, Networks, Pipeline},
    runtime::{Runtime, SessionSettings, onnxruntime::OnnxRuntime},
    vision::{
        decoder::decode,
        encoded::Limits,
        face::{Detection, Embedding, Face},
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};
use rand::{SeedableRng, seq::SliceRandom};
use rayon::prelude::*;

/// Training uses seeds of a million and more.
const SEED: u64 = 77;
const PHOTOS: usize = 300;
const FAR: f64 = 1e-3;
/// Low enough for the whole precision-recall curve.
const SCORE: f32 = 0.05;

const LEAST_AP: f64 = 0.95;
const LEAST_TAR: f64 = 0.90;
const LEAST_PAIRS: usize = 50_000;

struct Photo {
    bytes: Vec<u8>,
    truth: Vec<manifest::AnnotatedFace>,
}

/// What the networks see in one photo: the faces that they find, and the true ones embedded at true landmarks.
struct Seen {
    found: Vec<Face>,
    given: Vec<Face>,
}

/// Known and seen faces of one photo.
type Known<'a> = (&'a [manifest::AnnotatedFace], &'a [Face]);

/// The figures of a pair of networks on the photos.
struct Figures {
    ap: f64,
    /// On the photos' true landmarks, and on those that the detector found.
    tar: [f64; 2],
    pairs: usize,
}

fn photos() -> Vec<Photo> {
    (0..PHOTOS)
        .into_par_iter()
        .map(|index| {
            let (pixels, truth) = render_photo(SEED, index);
            Photo {
                bytes: encode_jpeg(&pixels, truth.jpeg_quality).unwrap(),
                truth: truth.faces,
            }
        })
        .collect()
}

fn evaluate(runtime: &OnnxRuntime, networks: &Networks, photos: &[Photo]) -> Figures {
    let half = photos.len().div_ceil(2);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let halves: Vec<_> = photos
            .chunks(half)
            .map(|photos| scope.spawn(move || look(runtime, networks, photos)))
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    let sizes = Sizes::default();
    let found: Vec<Known<'_>> = photos
        .iter()
        .zip(&seen)
        .map(|(photo, seen)| (&photo.truth[..], &seen.found[..]))
        .collect();
    let given: Vec<Known<'_>> = photos
        .iter()
        .zip(&seen)
        .map(|(photo, seen)| (&photo.truth[..], &seen.given[..]))
        .collect();
    let tar = |faces: &[Known<'_>]| verify(&people(faces, sizes), FAR);
    let (true_landmarks, own_landmarks) = (tar(&given), tar(&found));
    Figures {
        ap: average_precision(&found, sizes).unwrap(),
        tar: [true_landmarks, own_landmarks].map(|answer| answer.map_or(0.0, |answer| answer.tar)),
        pairs: true_landmarks.map_or(0, |answer| answer.same + answer.different),
    }
}

fn look(runtime: &OnnxRuntime, networks: &Networks, photos: &[Photo]) -> Vec<Seen> {
    let (mut pipeline, _) = Pipeline::load(
        runtime,
        networks,
        Arc::new(Gallery::default()),
        &Loading {
            threads: 1,
            ..Loading::default()
        },
    )
    .unwrap();
    let (mut recognizer, _) = networks
        .recognizer
        .load_recognizer(
            runtime,
            &SessionSettings {
                threads: 1,
                ..SessionSettings::default()
            },
            1,
        )
        .unwrap();
    let mut embed = |photo: &Photo| {
        let pixels = DecodedPhoto::from(decode(&photo.bytes, Limits::default()).unwrap());
        let large = photo
            .truth
            .iter()
            .filter(|face| face.size >= Sizes::default().verification);
        large
            .map(|face| {
                recognizer.align([(&pixels, &face.landmarks)].into_iter(), &PixelPool::default());
                let mut embedding = None;
                recognizer
                    .embed(1, &mut |values| embedding = Some(Embedding::from_raw(values)))
                    .unwrap();
                let (bounding_box, landmarks) = (face.bounds.into(), face.landmarks);
                Face {
                    detection: Detection {
                        bounding_box,
                        landmarks,
                        score: 1.0,
                    },
                    embedding,
                }
            })
            .collect()
    };
    photos
        .iter()
        .map(|photo| {
            let mut faces = [Vec::new()];
            pipeline.run(&[&photo.bytes], &mut faces).unwrap();
            Seen {
                found: std::mem::take(&mut faces[0]),
                given: embed(photo),
            }
        })
        .collect()
}

fn networks(detector: &Path, recognizer: &Path, home: &Path) -> Networks {
    let find = |family: &str, path: &Path, role| {
        Network::find(
            &format!("{family}:{}", path.display()).parse().unwrap(),
            role,
            home,
        )
        .unwrap()
    };
    Networks {
        detector: find("yunet", detector, Role::Detector),
        recognizer: find("arcface", recognizer, Role::Recognizer),
        score: Some(SCORE),
        max_pixels: Limits::default().max_pixels,
        swap_channels: false,
    }
}

fn unpacked(name: &str, home: &Path) -> PathBuf {
    let catalog = Catalog::embedded().unwrap();
    embedded::find(name)
        .unwrap()
        .unpack(home, catalog.get(name).unwrap().sha256.as_deref().unwrap())
        .unwrap()
}

#[test]
fn the_embedded_networks_do_what_their_card_says() {
    let home = common::home();
    let runtime = common::runtime();
    let [detector, recognizer] = ["facebench-det", "facebench-rec"].map(|name| unpacked(name, &home));
    let bytes: usize = embedded::NETWORKS.iter().map(|network| network.bytes.len()).sum();
    let photos = photos();
    let ours = evaluate(&runtime, &networks(&detector, &recognizer, &home), &photos);
    println!("{PHOTOS} photos of seed {SEED}, {bytes} bytes of networks (limit 8,000,000)");
    println!(
        "detection AP at IoU 0.5, faces of 40 px or more: {:.4} (limit {LEAST_AP})",
        ours.ap
    );
    println!(
        "verification TAR at FAR {FAR}, faces of 80 px or more, {} pairs: {:.4} on true landmarks (limit {LEAST_TAR}), \
         {:.4} on the detector's",
        ours.pairs, ours.tar[0], ours.tar[1]
    );
    let folder = tempfile::tempdir().unwrap();
    let [shuffled_detector, shuffled_recognizer] = ["facebench-det", "facebench-rec"].map(|name| {
        let path = folder.path().join(name);
        std::fs::write(&path, permuted(embedded::find(name).unwrap().bytes)).unwrap();
        path
    });
    // Noise finds faces everywhere; a part of the photos shows it.
    let part = &photos[..30];
    let detection = evaluate(
        &runtime,
        &networks(&shuffled_detector, &recognizer, &home),
        &part[..10],
    );
    let verification = evaluate(&runtime, &networks(&detector, &shuffled_recognizer, &home), part);
    println!(
        "control with permuted weights: detection AP {:.4}, verification TAR {:.4} (both must miss)",
        detection.ap, verification.tar[0]
    );
    println!(
        "cost: {}",
        cost(&runtime, &detector, &recognizer).unwrap_or_else(|| "not compared".into())
    );
    assert!(bytes <= 8_000_000 && ours.pairs >= LEAST_PAIRS);
    assert!(
        ours.ap >= LEAST_AP && ours.tar[0] >= LEAST_TAR,
        "below the card's limits"
    );
    assert!(
        detection.ap < LEAST_AP && verification.tar[0] < LEAST_TAR,
        "the control passes, so the figures prove nothing"
    );
}

/// Our networks' time over that of public ones, one thread, runs in turns; only where those are available.
fn cost(runtime: &OnnxRuntime, detector: &Path, recognizer: &Path) -> Option<String> {
    let pairs = [
        (
            "detector / YuNet 2023mar at 640x640",
            detector,
            shared("models/face_detection_yunet_2023mar.onnx")?,
            640,
        ),
        (
            "recognizer / MobileFaceNet at 112x112",
            recognizer,
            shared("models/mobilefacenet_dynbatch.onnx")?,
            112,
        ),
    ];
    let ratios = pairs.map(|(what, own, public, side)| {
        let input = ndarray::Array4::<f32>::zeros((1, 3, side, side));
        let settings = SessionSettings {
            threads: 1,
            ..SessionSettings::default()
        };
        let mut sessions = [own, &public].map(|path| runtime.load(path, &settings).unwrap());
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..30 {
            for (session, times) in sessions.iter_mut().zip(&mut times) {
                let start = Instant::now();
                session.run(input.view(), &mut |_| {}).unwrap();
                times.push(start.elapsed().as_secs_f64());
            }
        }
        let [own, public] = times.map(|times| facebench::analysis::statistics::median(&times).unwrap());
        format!("{what} {:.2}", own / public)
    });
    Some(ratios.join(", "))
}

/// The ONNX file with the numbers of each weight tensor in random order: the same cost, the same distribution, and
/// nothing learnt.
fn permuted(onnx: &[u8]) -> Vec<u8> {
    let mut bytes = onnx.to_vec();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut shuffled = 0;
    // ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.raw_data = 9.
    for graph in fields(&bytes, 0..bytes.len(), 7) {
        for tensor in fields(&bytes, graph, 5) {
            for data in fields(&bytes, tensor.clone(), 9) {
                // TensorProto.data_type = 2: only 32-bit floats (1) are weights.
                let is_float = varint_field(&bytes, tensor.clone(), 2) == Some(1);
                if is_float && data.len() >= 64 {
                    let mut numbers: Vec<[u8; 4]> = bytes[data.clone()]
                        .chunks_exact(4)
                        .map(|four| four.try_into().unwrap())
                        .collect();
                    numbers.shuffle(&mut random);
                    bytes[data].copy_from_slice(&numbers.concat());
                    shuffled += 1;
                }
            }
        }
    }
    assert!(shuffled > 10, "no weights were found");
    bytes
}

type Span = std::ops::Range<usize>;

/// All fields of a protocol-buffers message: number, and the span of length-delimited ones or the value of others.
fn message(bytes: &[u8], span: Span) -> Vec<(u64, Result<Span, u64>)> {
    let mut at = span.start;
    let mut list = Vec::new();
    let varint = |at: &mut usize| {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    while at < span.end {
        let key = varint(&mut at);
        let content = match key & 7 {
            0 => Err(varint(&mut at)),
            1 => {
                at += 8;
                Err(0)
            }
            2 => {
                let length = varint(&mut at) as usize;
                at += length;
                Ok(at - length..at)
            }
            _ => {
                at += 4;
                Err(0)
            }
        };
        list.push((key >> 3, content));
    }
    list
}

fn fields(bytes: &[u8], span: Span, number: u64) -> Vec<Span> {
    message(bytes, span)
        .into_iter()
        .filter(|(found, _)| *found == number)
        .filter_map(|(_, content)| content.ok())
        .collect()
}

fn varint_field(bytes: &[u8], span: Span, number: u64) -> Option<u64> {
    message(bytes, span)
        .into_iter()
        .find(|(found, _)| *found == number)
        .and_then(|(_, content)| content.err())
}
