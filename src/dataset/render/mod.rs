//! Photos with faces, drawn by rule from a seed: the same pixels on every machine.
//!
//! An [`Identity`] is some 95 numbers. A take (pose, expression, clothes) and a light make a picture of it: a head
//! of stacked sections with a relief, cut into triangles, rasterised with a depth buffer, painted and lit point by
//! point, laid over a backdrop, and developed as a camera would. Nothing here uses the platform's own sine.

mod backdrop;
mod bust;
mod canvas;
mod head;
mod identity;
mod light;
mod math;
mod mesh;
mod paint;
mod pairs;
mod person;
mod random;
mod raster;
mod scene;
mod take;

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use thiserror::Error;

pub use identity::{Identity, look_alike_group};
pub use scene::SceneStyle;

use super::manifest::{self, AnnotatedFace, AnnotatedPhoto, Generator, Manifest, ManifestError};
use random::{Purpose, Stream};

use crate::{text::ShownPath, vision::pixel_pool::try_map};

/// Raised whenever a pixel changes.
pub const RENDERER_VERSION: u32 = 1;

/// The number of people of one seed.
pub const POPULATION: u32 = 64;

/// Verification pairs per photo.
const PAIRS_PER_PHOTO: usize = 20;

/// What is in a rendered photo.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoTruth {
    /// The faces, nearest first.
    pub faces: Vec<AnnotatedFace>,
    /// The quality (1 to 100) at which the photo is to be stored.
    pub jpeg_quality: u8,
}

/// Why a dataset was not rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A photo cannot be encoded.
    #[error("{}: {source}", path.shown())]
    Encode {
        /// The photo's file.
        path: PathBuf,
        /// The encoder's message.
        source: image::ImageError,
    },
    /// A file or folder cannot be written.
    #[error("{}: {source}", path.shown())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// The manifest cannot be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Renders `count` photos into `folder` with their manifest, and returns the manifest.
///
/// `progress` is called once for each photo that is done, from any thread.
pub fn render_dataset(
    seed: u64,
    count: usize,
    folder: &Path,
    progress: impl Fn() + Sync,
) -> Result<Manifest, RenderError> {
    fs::create_dir_all(folder).map_err(|source| RenderError::Io {
        path: folder.to_owned(),
        source,
    })?;
    let photos = try_map((0..count).collect(), |index| {
        let photo = store_photo(seed, index, folder)?;
        progress();
        Ok::<_, RenderError>(photo)
    })?;
    let identities: Vec<manifest::Person> = (0..POPULATION)
        .map(|number| manifest::Person {
            name: Identity::new(seed, number).name(),
            look_alike_group: look_alike_group(number),
        })
        .collect();
    let pairs = pairs::draw_pairs(seed, &photos, &identities, count * PAIRS_PER_PHOTO);
    let manifest = Manifest {
        version: manifest::FORMAT_VERSION,
        generator: Some(Generator {
            version: RENDERER_VERSION,
            seed,
            count,
        }),
        identities,
        photos,
        pairs,
    };
    manifest.write(&folder.join(manifest::FILE_NAME))?;
    Ok(manifest)
}

fn store_photo(seed: u64, index: usize, folder: &Path) -> Result<AnnotatedPhoto, RenderError> {
    let (pixels, truth) = render_photo(seed, index);
    let file = format!("photo-{index:05}.jpg");
    let path = folder.join(&file);
    let bytes = encode_jpeg(&pixels, truth.jpeg_quality).map_err(|source| RenderError::Encode {
        path: path.clone(),
        source,
    })?;
    fs::write(&path, bytes).map_err(|source| RenderError::Io { path, source })?;
    Ok(AnnotatedPhoto {
        file,
        width: pixels.width(),
        height: pixels.height(),
        faces: truth.faces,
    })
}

/// The photo as a JPEG file.
pub fn encode_jpeg(pixels: &RgbImage, quality: u8) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(pixels)?;
    Ok(bytes)
}

/// Photo `index` of the dataset that `seed` makes.
pub fn render_photo(seed: u64, index: usize) -> (RgbImage, PhotoTruth) {
    let mut s = Stream::new(Purpose::Scene, seed, index as u64);
    let style = photo_style(&mut s);
    let jpeg_quality = (50 + s.below(46)) as u8;
    let people = cast(&mut s, seed, style.faces);
    let (pixels, faces) = scene::render(&mut s, &style, &people);
    (pixels, PhotoTruth { faces, jpeg_quality })
}

fn photo_style(s: &mut Stream) -> SceneStyle {
    const SIZES: [(u32, u32); 4] = [(1280, 960), (960, 1280), (640, 480), (480, 640)];
    const FACES: [f32; 13] = [
        8.0, 20.0, 16.0, 13.0, 10.0, 8.0, 7.0, 5.0, 4.0, 3.0, 2.0, 2.0, 2.0,
    ];
    let (width, height) = SIZES[s.weighted(&[5.0, 2.5, 1.5, 1.0])];
    let faces = s.weighted(&FACES);
    let share = 0.62 / (1.0 + 0.12 * faces as f32);
    SceneStyle {
        width,
        height,
        faces,
        smallest: 30.0,
        largest: (share * height.min(width) as f32).clamp(60.0, 400.0),
        pose: 1.0,
        covered: 0.12,
    }
}

/// `count` different people of the population, in random order.
fn cast(s: &mut Stream, seed: u64, count: usize) -> Vec<Identity> {
    let mut numbers: Vec<u32> = (0..POPULATION).collect();
    s.shuffle(&mut numbers);
    numbers.truncate(count);
    numbers
        .into_iter()
        .map(|number| Identity::new(seed, number))
        .collect()
}

/// A scene for training a detector: any size, any number of faces, any number of people.
///
/// The numbers of its people are drawn from 0 to 2^24, so that hardly any person appears twice.
pub fn render_scene(seed: u64, index: u64, style: &SceneStyle) -> (RgbImage, Vec<AnnotatedFace>) {
    let mut s = Stream::new(Purpose::TrainingScene, seed, index);
    let people: Vec<Identity> = (0..style.faces)
        .map(|_| Identity::new(seed, s.bits() >> 8))
        .collect();
    scene::render(&mut s, style, &people)
}

/// How a portrait is framed.
#[derive(Clone, Debug)]
pub struct PortraitStyle {
    /// Width and height of the picture in pixels.
    pub side: u32,
    /// Shortest longer side of the face box in pixels; at most two thirds of `side`.
    pub smallest: f32,
    /// Longest longer side of the face box in pixels.
    pub largest: f32,
    /// How far the head turns, as in [`SceneStyle::pose`].
    pub pose: f32,
    /// Share of faces with something in front of their cheek or jaw.
    pub covered: f32,
}

/// One person alone in a square picture, for training a recognizer: rendering `index` of `who`.
///
/// The face lies whole somewhere in the picture; there is no face where `style.smallest` leaves no space for it.
pub fn render_portrait(
    who: &Identity,
    seed: u64,
    index: u32,
    style: &PortraitStyle,
) -> Option<(RgbImage, AnnotatedFace)> {
    let rendering = u64::from(who.number()) << 32 | u64::from(index);
    let mut s = Stream::new(Purpose::Portrait, seed, rendering);
    let scene = SceneStyle {
        width: style.side,
        height: style.side,
        faces: 1,
        smallest: style.smallest,
        largest: style.largest,
        pose: style.pose,
        covered: style.covered,
    };
    let (pixels, faces) = scene::render(&mut s, &scene, std::slice::from_ref(who));
    let face = faces.into_iter().next()?;
    Some((pixels, face))
}

#[cfg(test)]
mod tests;
