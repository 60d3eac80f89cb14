//! Pixels and geometry: decode, resize, align, suppress, draw. Knows no network and no runtime.

pub mod align;
pub mod changed;
pub mod decoder;
pub mod draw;
pub mod encoded;
pub mod face;
mod foreign;
mod ifd;
mod jpeg;
mod metadata;
pub mod mix;
pub mod nms;
pub mod photo;
pub mod pixel_pool;
pub mod resize;
pub mod tensor;
mod tiff;
