//! Which photos and what is in them: folders surveyed before anything is measured, people by name, and faces drawn
//! by rule with their ground truth.

pub mod identities;
pub mod manifest;
pub mod photos;
pub mod render;
pub mod survey;

pub use photos::{Dataset, Photo, Shard};
pub use survey::{DatasetError, Survey};
