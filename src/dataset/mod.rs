//! Which photos: a folder, a file or a manifest, surveyed before anything is measured.

pub mod folder;
pub mod identities;

pub use folder::{Dataset, DatasetError, Photo, Survey};
