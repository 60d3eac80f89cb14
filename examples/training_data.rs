//! Draws training data for the networks:
//!
//! ```text
//! training_data faces SEED PEOPLE PER_PERSON DIR     aligned crops, one label per person
//! training_data scenes SEED COUNT DIR                windows with boxes and landmarks
//! ```
//!
//! Each writes raw pixels (`*.rgb`, RGB bytes, row by row, picture after picture) and an index (`*.json`).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use facebench::dataset::manifest::AnnotatedFace;
use facebench::dataset::render::{
    Identity, PortraitStyle, SceneStyle, encode_jpeg, render_photo, render_portrait, render_scene,
};
use facebench::vision::align::{CROP_SIZE, align};
use facebench::vision::mix::rgb;
use facebench::vision::resize::{Letterbox, Resizer};
use image::{RgbImage, imageops};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::json;

/// Smaller seeds belong to the photos that networks are judged by.
const FIRST_TRAINING_SEED: u64 = 1_000_000;

/// Side of a window for the detector, and of the canvas that windows of photos are cut from.
const WINDOW: u32 = 320;
const CANVAS: u32 = 640;

/// Pictures drawn between two writes.
const SHARD: usize = 256;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["faces", seed, people, per, folder] => faces(
            training_seed(seed)?,
            people.parse()?,
            per.parse()?,
            Path::new(folder),
        ),
        ["scenes", seed, count, folder] => scenes(training_seed(seed)?, count.parse()?, Path::new(folder)),
        _ => bail!("usage: training_data faces SEED PEOPLE PER_PERSON DIR | scenes SEED COUNT DIR"),
    }
}

fn training_seed(text: &str) -> anyhow::Result<u64> {
    let seed = text.parse()?;
    ensure!(
        seed >= FIRST_TRAINING_SEED,
        "training seeds start at {FIRST_TRAINING_SEED}"
    );
    Ok(seed)
}

fn faces(seed: u64, people: u32, per: u32, folder: &Path) -> anyhow::Result<()> {
    let draw = |index: usize| {
        let (label, rendering) = (index as u32 / per, index as u32 % per);
        let who = Identity::new(seed, person_number(label));
        Ok((draw_crop(seed, &who, rendering)?, json!(label)))
    };
    write(folder, "faces", (people * per) as usize, CROP_SIZE, draw)
}

/// Of every eight people one without look-alikes and four who look alike: these are the harder ones.
fn person_number(label: u32) -> u32 {
    label / 5 * 8 + 3 + label % 5
}

fn draw_crop(seed: u64, who: &Identity, rendering: u32) -> anyhow::Result<RgbImage> {
    // More small faces than large ones, as in photos.
    let (side, smallest, largest) = match rendering % 8 {
        0..=3 => (160, 72.0, 106.0),
        4..=6 => (250, 100.0, 166.0),
        _ => (400, 160.0, 266.0),
    };
    let style = PortraitStyle {
        side,
        smallest,
        largest,
        pose: 1.0,
        covered: 0.12,
    };
    let (photo, face) = render_portrait(who, seed, rendering, &style).context("no space for the face")?;
    let mut dice = Dice::new(seed, u64::from(who.number()) << 32 | u64::from(rendering));
    let photo = through_jpeg(&photo, dice.quality())?;

    // As a detector errs: all points together, and each for itself.
    let mut landmarks = face.landmarks;
    let [right, left] = [landmarks[0], landmarks[1]];
    let eyes = (right[0] - left[0]).hypot(right[1] - left[1]);
    let alone = dice.uniform(0.0, 0.1);
    let together = [dice.tent(0.06), dice.tent(0.06)];
    for point in &mut landmarks {
        for (value, shift) in point.iter_mut().zip(together) {
            *value += eyes * (shift + dice.tent(alone));
        }
    }
    let mut crop = Vec::new();
    align(&photo, &landmarks, |_, row| crop.extend(rgb(row)));
    Ok(RgbImage::from_raw(CROP_SIZE, CROP_SIZE, crop).unwrap_or_default())
}

fn scenes(seed: u64, count: usize, folder: &Path) -> anyhow::Result<()> {
    let draw = |index: usize| {
        let mut dice = Dice::new(seed, index as u64);
        let (window, faces) = match index % 10 {
            0..=3 => photo_window(seed, index, &mut dice)?,
            4..=6 => scene(seed, index, &mut dice, 8, (12.0, 90.0))?,
            7..=8 => scene(seed, index, &mut dice, 4, (30.0, 180.0))?,
            _ => scene(seed, index, &mut dice, 2, (110.0, 290.0))?,
        };
        let rows: Vec<Vec<f32>> = faces.iter().map(row).collect();
        Ok((window, json!(rows)))
    };
    write(folder, "scenes", count, WINDOW, draw)
}

fn scene(
    seed: u64,
    index: usize,
    dice: &mut Dice,
    most: usize,
    (smallest, largest): (f32, f32),
) -> anyhow::Result<(RgbImage, Vec<AnnotatedFace>)> {
    let faces = 1 + dice.below(most);
    let style = SceneStyle {
        width: WINDOW,
        height: WINDOW,
        faces,
        smallest,
        largest,
        pose: 1.0,
        covered: 0.12,
    };
    let (photo, faces) = render_scene(seed, index as u64, &style);
    Ok((through_jpeg(&photo, dice.quality())?, faces))
}

/// A window of a photo as the letterbox shows it to the detector.
fn photo_window(seed: u64, index: usize, dice: &mut Dice) -> anyhow::Result<(RgbImage, Vec<AnnotatedFace>)> {
    let (photo, truth) = render_photo(seed, index);
    let photo = through_jpeg(&photo, truth.jpeg_quality)?;
    let letterbox = Letterbox::fit(photo.dimensions(), (CANVAS, CANVAS));
    let small = Resizer::default().resize(&photo, letterbox.scaled);
    let mut canvas = RgbImage::new(CANVAS, CANVAS);
    imageops::replace(&mut canvas, &small, 0, 0);
    let corner = [0, 1].map(|_| dice.below((CANVAS - WINDOW) as usize) as u32);
    let window = imageops::crop_imm(&canvas, corner[0], corner[1], WINDOW, WINDOW).to_image();

    let scale = [
        letterbox.scaled.0 as f32 / photo.width() as f32,
        letterbox.scaled.1 as f32 / photo.height() as f32,
    ];
    let place = |value: f32, axis: usize| value * scale[axis] - corner[axis] as f32;
    let faces = truth
        .faces
        .into_iter()
        .map(|face| AnnotatedFace {
            bounds: std::array::from_fn(|side| place(face.bounds[side], side % 2)),
            landmarks: face.landmarks.map(|[x, y]| [place(x, 0), place(y, 1)]),
            ..face
        })
        .filter(|face| shown(face) > 0.0)
        .collect();
    Ok((window, faces))
}

/// Box, landmarks and the shown share of a face: 15 numbers.
fn row(face: &AnnotatedFace) -> Vec<f32> {
    let numbers = face
        .bounds
        .into_iter()
        .chain(face.landmarks.into_iter().flatten());
    numbers
        .chain([shown(face)])
        .map(|v| (v * 100.0).round() / 100.0)
        .collect()
}

/// The share of a face's box that lies in the window.
fn shown(face: &AnnotatedFace) -> f32 {
    let [left, top, right, bottom] = face.bounds;
    let [inner_left, inner_top, inner_right, inner_bottom] = face.bounds.map(|v| v.clamp(0.0, WINDOW as f32));
    (inner_right - inner_left) * (inner_bottom - inner_top) / ((right - left) * (bottom - top))
}

fn through_jpeg(photo: &RgbImage, quality: u8) -> anyhow::Result<RgbImage> {
    Ok(image::load_from_memory(&encode_jpeg(photo, quality)?)?.into_rgb8())
}

/// Draws `count` pictures of `side` x `side` and writes `NAME.rgb` and `NAME.json` into `folder`.
fn write(
    folder: &Path,
    name: &str,
    count: usize,
    side: u32,
    draw: impl Fn(usize) -> anyhow::Result<(RgbImage, serde_json::Value)> + Sync,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut pixels = File::create(folder.join(format!("{name}.rgb")))?;
    let mut truth = Vec::with_capacity(count);
    for first in (0..count).step_by(SHARD) {
        let shard: anyhow::Result<Vec<_>> = (first..count.min(first + SHARD))
            .into_par_iter()
            .map(&draw)
            .collect();
        for (picture, known) in shard? {
            pixels.write_all(&picture)?;
            truth.push(known);
        }
        eprintln!("{}/{count} {name}", truth.len());
    }
    let index = json!({ "count": count, "side": side, "truth": truth });
    fs::write(folder.join(format!("{name}.json")), index.to_string())?;
    Ok(())
}

/// Random numbers, the same on every machine.
struct Dice(ChaCha8Rng);

impl Dice {
    fn new(seed: u64, index: u64) -> Self {
        let mut key = *b"training data: quality, jitter..";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Between `-extent` and `extent`, the middle likelier than the ends.
    fn tent(&mut self, extent: f32) -> f32 {
        extent * (self.unit() + self.unit() - 1.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f32) as usize
    }

    /// The range of a rendered photo's JPEG quality.
    fn quality(&mut self) -> u8 {
        50 + self.below(46) as u8
    }
}
