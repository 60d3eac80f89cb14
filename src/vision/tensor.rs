//! 8-bit RGB pixels to the float planes that networks read.

use image::RgbImage;
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of a tensor's three planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (OpenCV's habit).
    Bgr,
}

/// How a pixel of 0..=255 becomes a number: `(pixel - mean) / divisor`, the same for the three channels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Normalization {
    /// The order of the planes.
    pub channels: ChannelOrder,
    /// Subtracted first, 0 to 255.
    pub mean: f32,
    /// Divided by next; never 0.
    pub divisor: f32,
}

/// Writes `photo` to the top left of `planes` (3 x height x width) and fills the rest with what a black pixel gives.
///
/// # Panics
/// Where the photo is larger than the planes: the caller has resized it to fit.
pub fn write_planes(photo: &RgbImage, normalization: Normalization, planes: &mut ArrayViewMut3<'_, f32>) {
    let Normalization {
        channels,
        mean,
        divisor,
    } = normalization;
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let (_, rows, columns) = planes.dim();
    assert!(
        width <= columns && height <= rows,
        "a {width}x{height} photo in {columns}x{rows} planes"
    );
    // One multiplication and one addition a value; the table keeps the division exact for each of 256 pixels.
    let table: [f32; 256] = std::array::from_fn(|pixel| (pixel as f32 - mean) / divisor);
    for (plane, mut rows) in planes.outer_iter_mut().enumerate() {
        let channel = match channels {
            ChannelOrder::Rgb => plane,
            ChannelOrder::Bgr => 2 - plane,
        };
        for (y, mut row) in rows.outer_iter_mut().enumerate() {
            let filled = if y < height { width } else { 0 };
            if filled > 0 {
                let pixels = &photo.as_raw()[y * width * 3..(y + 1) * width * 3];
                for (value, pixel) in row.iter_mut().zip(pixels[channel..].iter().step_by(3)) {
                    *value = table[usize::from(*pixel)];
                }
            }
            row.slice_mut(ndarray::s![filled..]).fill(table[0]);
        }
    }
}

/// Writes `photo` to the top left of `canvas` (height x width x 3) in the given order, and fills the rest with black.
///
/// # Panics
/// Where the photo is larger than the canvas: the caller has resized it to fit.
pub fn write_bytes(photo: &RgbImage, channels: ChannelOrder, canvas: &mut ArrayViewMut3<'_, u8>) {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let (rows, columns, _) = canvas.dim();
    assert!(
        width <= columns && height <= rows,
        "a {width}x{height} photo on a {columns}x{rows} canvas"
    );
    let mut rows = canvas.outer_iter_mut();
    for (row, pixels) in rows.by_ref().zip(photo.as_raw().chunks_exact(width.max(1) * 3)) {
        let Some(row) = row.into_slice() else { continue };
        let (filled, rest) = row.split_at_mut(pixels.len());
        filled.copy_from_slice(pixels);
        if channels == ChannelOrder::Bgr {
            filled.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
        rest.fill(0);
    }
    rows.for_each(|mut row| row.fill(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn planes_follow_the_channel_order_and_pad_with_black() {
        let photo = RgbImage::from_pixel(1, 1, image::Rgb([255, 128, 0]));
        let mut planes = Array3::zeros((3, 2, 2));
        let normalization = Normalization {
            channels: ChannelOrder::Bgr,
            mean: 127.5,
            divisor: 128.0,
        };
        write_planes(&photo, normalization, &mut planes.view_mut());
        assert!((planes[[0, 0, 0]] - -0.996_093_75).abs() < 1e-6);
        assert!((planes[[1, 0, 0]] - 0.003_906_25).abs() < 1e-6);
        assert!((planes[[2, 0, 0]] - 0.996_093_75).abs() < 1e-6);
        assert!((planes[[2, 1, 1]] - -0.996_093_75).abs() < 1e-6);
        assert!((planes[[0, 0, 1]] - -0.996_093_75).abs() < 1e-6);
    }
}
