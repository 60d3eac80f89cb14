//! Runs one stage of the host's own work COUNT times, for scripts/instructions to count its instructions:
//! `host_stages NAME COUNT`. Inputs are made by rule, the same everywhere.

use std::hint::black_box;

use anyhow::{Context, bail};
use facebench::{
    model::{
        gallery::{Gallery, Matcher},
        outputs::{FaceDecoder, Sample},
        scrfd::Scrfd,
        yunet::Yunet,
    },
    runtime::{Output, Signature, TensorInfo},
    vision::{
        align::{TEMPLATE, align},
        face::{Detection, Embedding},
        nms::suppress,
        resize::{Letterbox, Resizer},
        tensor::{ChannelOrder, Normalization, Numbers, Slot},
    },
};
use image::RgbImage;
use ndarray::Array3;

const SIDE: usize = 640;
const STRIDES: [usize; 3] = [8, 16, 32];

/// Numbers that look random: the upper bits of a product.
fn noise(number: usize) -> u32 {
    (number as u32 ^ 0x9e37_79b9).wrapping_mul(2_246_822_519) >> 8
}

fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = noise((y * width + x) as usize);
        image::Rgb([value as u8, (value >> 8) as u8, (value >> 16) as u8])
    })
}

fn numbers() -> Numbers {
    Numbers::from(Normalization {
        channels: ChannelOrder::Bgr,
        mean: 127.5,
        divisor: 128.0,
    })
}

fn letterbox(count: usize) {
    let (photo, numbers) = (photo(1280, 960), numbers());
    let (mut planes, mut extent) = (vec![0.0; 3 * SIDE * SIDE], (0, 0));
    let scaled = Letterbox::fit(photo.dimensions(), (SIDE as u32, SIDE as u32)).scaled;
    let mut resizer = Resizer::default();
    for _ in 0..count {
        let mut slot = Slot::planes(&mut planes, SIDE, &numbers, &mut extent);
        slot.begin(scaled.0 as usize, scaled.1 as usize);
        resizer.rows(black_box(&photo), scaled, |y, row| slot.write_row(y, row));
    }
}

/// `shift` moves the face; below 0 it lies across the photo's edge.
fn aligned(count: usize, shift: f32) {
    let (photo, numbers) = (photo(640, 480), numbers());
    let (mut planes, mut extent) = (vec![0.0; 3 * 112 * 112], (0, 0));
    let landmarks = TEMPLATE.map(|[x, y]| [1.5 * x + shift, 1.5 * y + 100.0]);
    for _ in 0..count {
        let mut slot = Slot::planes(&mut planes, 112, &numbers, &mut extent);
        slot.begin(112, 112);
        align(black_box(&photo), &landmarks, |y, row| slot.write_row(y, row));
    }
}

/// Outputs with a few high scores among low ones, decoded and suppressed.
fn detected(count: usize, family: &dyn FaceDecoder, names: &[String], columns: &[usize], anchors: usize) {
    let tensors: Vec<Array3<f32>> = columns
        .iter()
        .enumerate()
        .map(|(index, columns)| {
            let rows = (SIDE / STRIDES[index % 3]).pow(2) * anchors;
            let mut tensor = Array3::from_shape_fn((1, rows, *columns), |(_, row, column)| {
                (noise(row * columns + column) % 100) as f32 / 200.0
            });
            if *columns == 1 {
                (0..20).for_each(|face| tensor[[0, face * 19 % rows, 0]] = 0.95);
            }
            tensor
        })
        .collect();
    let outputs: Vec<Output<'_>> = names
        .iter()
        .zip(&tensors)
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
    for _ in 0..count {
        found.clear();
        let decoded = family.decode(black_box(&outputs), sample, 0.6, &mut found);
        suppress(&mut found, 0.3);
        let _ = black_box(decoded);
    }
}

fn signature(names: &[String], columns: &[usize]) -> Signature {
    let outputs = names.iter().zip(columns).map(|(name, columns)| TensorInfo {
        name: name.clone(),
        shape: vec![None, Some(*columns)],
        is_f32: true,
    });
    Signature {
        inputs: Vec::new(),
        outputs: outputs.collect(),
    }
}

fn yunet(count: usize) -> anyhow::Result<()> {
    let kinds = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];
    let names: Vec<String> = kinds
        .iter()
        .flat_map(|(kind, _)| STRIDES.map(|stride| format!("{kind}_{stride}")))
        .collect();
    let columns: Vec<usize> = kinds.iter().flat_map(|(_, columns)| [*columns; 3]).collect();
    let family = Yunet::new(&signature(&names, &columns)).map_err(anyhow::Error::msg)?;
    detected(count, &family, &names, &columns, 1);
    Ok(())
}

fn scrfd(count: usize) -> anyhow::Result<()> {
    let names: Vec<String> = (0..9).map(|index| index.to_string()).collect();
    let columns = [1, 1, 1, 4, 4, 4, 10, 10, 10];
    let family = Scrfd::new(&signature(&names, &columns)).map_err(anyhow::Error::msg)?;
    detected(count, &family, &names, &columns, 2);
    Ok(())
}

fn suppressed(count: usize) {
    let boxes: Vec<Detection> = (0..1000)
        .map(|i| {
            let (x, y) = ((noise(i) % 600) as f32, (noise(i + 5000) % 600) as f32);
            Detection {
                bounding_box: [x, y, x + 40.0, y + 50.0].into(),
                landmarks: [[0.0; 2]; 5],
                score: 0.6 + (i % 40) as f32 / 100.0,
            }
        })
        .collect();
    let mut left = Vec::with_capacity(boxes.len());
    for _ in 0..count {
        left.clear();
        left.extend_from_slice(black_box(&boxes));
        suppress(&mut left, 0.3);
    }
}

fn matched(count: usize) {
    let person = |number: usize| {
        let values: [f32; 512] = std::array::from_fn(|i| noise(number * 512 + i) as f32 - 8_388_608.0);
        Embedding::from_raw(&values)
    };
    let gallery =
        Gallery::new((0..2000).map(|number| (String::new(), person(number)))).expect("faces of one length");
    let faces: Vec<Embedding> = (0..4).map(|number| person(number * 7)).collect();
    let mut matcher = Matcher::default();
    for _ in 0..count {
        black_box(matcher.nearest(&gallery, faces.iter()).len());
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, stage, count] = &arguments[..] else {
        bail!("usage: host_stages NAME COUNT");
    };
    let count = count.parse().context("COUNT is not a number")?;
    match stage.as_str() {
        "letterbox" => letterbox(count),
        "align" => aligned(count, 200.0),
        "align-at-edge" => aligned(count, -60.0),
        "yunet" => yunet(count)?,
        "scrfd" => scrfd(count)?,
        "suppress" => suppressed(count),
        "match" => matched(count),
        _ => bail!("no such stage: {stage}"),
    }
    Ok(())
}
