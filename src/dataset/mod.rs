//! The photos of a study and their ground truth: folders surveyed before anything is measured, the names of people, and
//! faces drawn by rule.

pub mod identities;
pub mod manifest;
pub mod photos;
pub mod render;
pub mod survey;

pub use photos::{Dataset, Photo, Shard};
pub use survey::{DatasetError, Survey};
