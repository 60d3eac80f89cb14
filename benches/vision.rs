//! What each photo and each face cost before and after the networks: decode, letterbox, align, suppress.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::{hint::black_box, io::Cursor};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use facebench::{
    dataset::render::render_photo,
    vision::{
        align::{CROP_SIZE, TEMPLATE, align},
        face::Detection,
        image::{FORMATS, Limits, decode},
        nms::suppress,
        resize::{Letterbox, Resizer},
        tensor::{ChannelOrder, Normalization, write_planes},
    },
};
use image::{ImageFormat, RgbImage};
use ndarray::Array3;

fn photo() -> RgbImage {
    render_photo(1, 0).0
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    let photo = photo();
    for format in FORMATS.into_iter().filter(|format| *format != ImageFormat::Gif) {
        let mut bytes = Cursor::new(Vec::new());
        if photo.write_to(&mut bytes, format).is_err() {
            continue;
        }
        let bytes = bytes.into_inner();
        let name = format!("{format:?} {}x{}", photo.width(), photo.height());
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| decode(black_box(&bytes), Limits::default()));
        });
    }
    group.finish();
}

fn letterbox(c: &mut Criterion) {
    let mut group = c.benchmark_group("letterbox to 640x640 planes");
    group.throughput(Throughput::Elements(1));
    let photo = photo();
    let normalization = Normalization {
        channels: ChannelOrder::Bgr,
        mean: 0.0,
        divisor: 1.0,
    };
    let mut planes = Array3::zeros((3, 640, 640));
    let mut resizer = Resizer::default();
    group.bench_function(format!("{}x{}", photo.width(), photo.height()), |b| {
        b.iter(|| {
            let scaled = resizer.resize(
                black_box(&photo),
                Letterbox::fit(photo.dimensions(), (640, 640)).scaled,
            );
            write_planes(&scaled, normalization, &mut planes.view_mut());
            resizer.recycle(scaled);
        });
    });
    group.finish();
}

fn alignment(c: &mut Criterion) {
    let mut group = c.benchmark_group("align to 112x112");
    group.throughput(Throughput::Elements(1));
    let photo = photo();
    let mut crop = RgbImage::new(CROP_SIZE, CROP_SIZE);
    for scale in [0.5f32, 2.0] {
        let landmarks = TEMPLATE.map(|[x, y]| [200.0 + scale * x, 200.0 + scale * y]);
        group.bench_function(BenchmarkId::new("face of px", 112.0 * scale), |b| {
            b.iter(|| align(black_box(&photo), &landmarks, &mut crop));
        });
    }
    group.finish();
}

fn suppression(c: &mut Criterion) {
    let mut group = c.benchmark_group("suppress");
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
        group.bench_function(BenchmarkId::new("boxes", count), |b| {
            b.iter_batched_ref(
                || boxes.clone(),
                |boxes| suppress(boxes, 0.3),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decoding, letterbox, alignment, suppression);
criterion_main!(benches);
