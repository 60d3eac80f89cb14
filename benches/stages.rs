//! What each photo and each face cost on the host, before and after the networks. Throughput is in images, boxes,
//! faces or enrolled people, as each group says.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::{hint::black_box, io::Cursor};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use facebench::{
    dataset::render::render_photo,
    model::{
        gallery::{Gallery, Matcher},
        outputs::{FaceDecoder, Sample},
        scrfd::Scrfd,
        yunet::Yunet,
    },
    runtime::{Output, Signature, TensorInfo},
    vision::{
        align::{TEMPLATE, align},
        decoder::{Decoder, JPEG_DECODER, SCALES},
        encoded::{FORMATS, Limits},
        face::{Detection, Embedding},
        nms::suppress,
        photo::{DecodedPhoto, Scale},
        resize::{Letterbox, Resizer},
        tensor::{ChannelOrder, Normalization, Numbers, Slot},
    },
};
use image::{ImageFormat, RgbImage};
use ndarray::Array3;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 640;
const LANDMARKS: usize = 10;

fn photo() -> RgbImage {
    render_photo(1, 0).0
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode, images");
    group.throughput(Throughput::Elements(1));
    let photo = photo();
    let (width, height) = photo.dimensions();
    let mut decoder = Decoder::new(Limits::default());
    let mut into = DecodedPhoto::default();
    for format in FORMATS.into_iter().filter(|format| *format != ImageFormat::Gif) {
        let mut bytes = Cursor::new(Vec::new());
        if photo.write_to(&mut bytes, format).is_err() {
            continue;
        }
        let bytes = bytes.into_inner();
        let scales = match format {
            ImageFormat::Jpeg if SCALES => &Scale::ALL[..],
            _ => &Scale::ALL[..1],
        };
        for scale in scales {
            let by = if format == ImageFormat::Jpeg {
                format!(" by {JPEG_DECODER}, 1/{}", scale.divisor())
            } else {
                String::new()
            };
            group.bench_function(format!("{format:?} {width}x{height}{by}"), |b| {
                b.iter(|| decoder.decode(black_box(&bytes), |_| *scale, &mut into));
            });
        }
    }
    group.finish();
}

fn letterbox(c: &mut Criterion) {
    let mut group = c.benchmark_group("letterbox into 640x640 planes, images");
    group.throughput(Throughput::Elements(1));
    let numbers = Numbers::from(Normalization {
        channels: ChannelOrder::Bgr,
        mean: 0.0,
        divisor: 1.0,
    });
    let mut planes = vec![0.0; 3 * SIDE * SIDE];
    let mut extent = (0, 0);
    let drawn = photo();
    for (width, height) in [(640, 480), (1280, 960), (3880, 5184)] {
        let photo = image::imageops::resize(&drawn, width, height, image::imageops::FilterType::Nearest);
        let scaled = Letterbox::fit((width, height), (SIDE as u32, SIDE as u32)).scaled;
        let mut resizer = Resizer::default();
        group.bench_function(format!("{width}x{height}"), |b| {
            b.iter(|| {
                let mut slot = Slot::planes(&mut planes, SIDE, &numbers, &mut extent);
                slot.begin(scaled.0 as usize, scaled.1 as usize);
                resizer.rows(black_box(&photo), scaled, |y, row| slot.write_row(y, row));
            });
        });
    }
    group.finish();
}

/// Outputs of a detector for one canvas: nothing found but `faces` cells with a high score.
fn outputs(columns: &[usize], cells: impl Fn(usize) -> usize, faces: usize) -> Vec<Array3<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut tensors: Vec<Array3<f32>> = columns
        .iter()
        .enumerate()
        .map(|(index, columns)| {
            Array3::from_shape_fn((1, cells(index), *columns), |_| random.random::<f32>() * 0.5)
        })
        .collect();
    for tensor in tensors.iter_mut().filter(|tensor| tensor.dim().2 == 1) {
        let rows = tensor.dim().1;
        (0..faces).for_each(|face| tensor[[0, face * 37 % rows, 0]] = 0.95);
    }
    tensors
}

fn detectors(c: &mut Criterion) {
    let mut group = c.benchmark_group("detector outputs to candidates at 640x640, images");
    group.throughput(Throughput::Elements(1));
    let strides = [8, 16, 32];
    let cells = |stride: usize| (SIDE / stride) * (SIDE / stride);
    let kinds = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", LANDMARKS)];
    let yunet_names: Vec<String> = kinds
        .iter()
        .flat_map(|(kind, _)| strides.map(|stride| format!("{kind}_{stride}")))
        .collect();
    let yunet_columns: Vec<usize> = kinds.iter().flat_map(|(_, columns)| [*columns; 3]).collect();
    let scrfd_names: Vec<String> = (0..9).map(|index| index.to_string()).collect();
    let scrfd_columns = [1, 1, 1, 4, 4, 4, LANDMARKS, LANDMARKS, LANDMARKS];
    let signature = |names: &[String], columns: &[usize]| Signature {
        inputs: Vec::new(),
        outputs: names
            .iter()
            .zip(columns)
            .map(|(name, columns)| TensorInfo {
                name: name.clone(),
                shape: vec![None, Some(*columns)],
                is_f32: true,
            })
            .collect(),
    };
    let mut bench = |name: &str, family: &dyn FaceDecoder, names: &[String], tensors: &[Array3<f32>]| {
        let outputs: Vec<Output<'_>> = names
            .iter()
            .zip(tensors)
            .map(|(name, tensor)| Output {
                name,
                values: tensor.view().into_dyn(),
            })
            .collect();
        let sample = Sample {
            index: 0,
            batch: 1,
            canvas: (SIDE, SIDE),
        };
        let mut found = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                found.clear();
                family.decode(black_box(&outputs), sample, 0.6, &mut found)
            });
        });
    };
    for faces in [1, 64] {
        if let Ok(yunet) = Yunet::new(&signature(&yunet_names, &yunet_columns)) {
            let tensors = outputs(&yunet_columns, |index| cells(strides[index % 3]), faces);
            bench(&format!("YuNet, {faces} faces"), &yunet, &yunet_names, &tensors);
        }
        if let Ok(scrfd) = Scrfd::new(&signature(&scrfd_names, &scrfd_columns)) {
            let tensors = outputs(&scrfd_columns, |index| 2 * cells(strides[index % 3]), faces);
            bench(&format!("SCRFD, {faces} faces"), &scrfd, &scrfd_names, &tensors);
        }
    }
    group.finish();
}

fn suppression(c: &mut Criterion) {
    let mut group = c.benchmark_group("suppress, boxes");
    for count in [10u32, 100, 1000, 10_000] {
        group.throughput(Throughput::Elements(count.into()));
        let boxes: Vec<Detection> = (0..count)
            .map(|i| {
                let (x, y) = ((i * 37 % 600) as f32, (i * 91 % 600) as f32);
                Detection {
                    bounding_box: [x, y, x + 40.0, y + 50.0].into(),
                    landmarks: [[0.0; 2]; 5],
                    score: 0.6 + (i % 40) as f32 / 100.0,
                }
            })
            .collect();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_batched_ref(
                || boxes.clone(),
                |boxes| suppress(boxes, 0.3),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn alignment(c: &mut Criterion) {
    let mut group = c.benchmark_group("align into 112x112 planes, faces");
    group.throughput(Throughput::Elements(1));
    let photo = photo();
    let numbers = Numbers::from(Normalization {
        channels: ChannelOrder::Rgb,
        mean: 127.5,
        divisor: 127.5,
    });
    let mut planes = vec![0.0; 3 * 112 * 112];
    let mut extent = (0, 0);
    for (what, scale, shift) in [
        ("56 px", 0.5f32, 200.0),
        ("224 px", 2.0, 200.0),
        ("at the edge", 1.0, -20.0),
    ] {
        let landmarks = TEMPLATE.map(|[x, y]| [shift + scale * x, 200.0 + scale * y]);
        group.bench_function(what, |b| {
            b.iter(|| {
                let mut slot = Slot::planes(&mut planes, 112, &numbers, &mut extent);
                slot.begin(112, 112);
                align(black_box(&photo), &landmarks, |y, row| slot.write_row(y, row));
            });
        });
    }
    group.finish();
}

fn matching(c: &mut Criterion) {
    const LENGTH: usize = 512;
    let mut group = c.benchmark_group("match 8 faces against a gallery of 512 numbers each, faces");
    group.sample_size(20).throughput(Throughput::Elements(8));
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut person = || {
        let values: Vec<f32> = (0..LENGTH).map(|_| random.random::<f32>() - 0.5).collect();
        Embedding::from_raw(&values)
    };
    let faces: Vec<Embedding> = (0..8).map(|_| person()).collect();
    for people in [1000, 10_000, 100_000] {
        let gallery = Gallery::new((0..people).map(|_| (String::new(), person()))).unwrap_or_default();
        let mut matcher = Matcher::default();
        group.bench_function(format!("{people} people"), |b| {
            b.iter(|| black_box(matcher.nearest(&gallery, faces.iter()).len()));
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    decoding,
    letterbox,
    detectors,
    suppression,
    alignment,
    matching
);
criterion_main!(benches);
