//! What a network's tensors mean: families of detectors and recognizers, the catalog, the gallery. Knows pixels and
//! the [`Session`](crate::runtime::Session) trait, and no runtime.
//!
//! A new family is one file here, a name and a row in [`family`]; new weights of a known family are one TOML file.

pub mod arcface;
pub mod catalog;
pub mod derived;
pub mod detector;
pub mod embedded;
mod error;
pub mod family;
pub mod fetch;
pub mod gallery;
mod hint;
pub mod identify;
mod input;
pub mod network;
pub mod outputs;
pub mod recognizer;
pub mod scrfd;
pub mod settings;
pub mod yunet;

pub use self::{
    error::ModelError,
    family::Family,
    settings::{InputChoice, Role, Settings},
};
