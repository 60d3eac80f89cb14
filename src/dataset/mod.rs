//! Which photos and what is in them: folders surveyed before anything is measured, people by name, and faces drawn
//! by rule with their ground truth.

pub mod folder;
pub mod identities;
pub mod manifest;
pub mod render;

pub use folder::{Dataset, DatasetError, Photo, Shard, Survey};
