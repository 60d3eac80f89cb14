//! facebench measures face recognition: find the faces in a photo, turn each into an embedding, match it.
//!
//! The rooms, in the order in which a photo passes through them:
//!
//! - [`vision`]: pixels and geometry; knows no network, no runtime
//! - [`model`]: what a network's tensors mean; knows the [`backend::Session`] trait and no runtime
//! - [`backend`]: where a network runs; knows no face
//! - [`dataset`]: which photos, and who is in them
//! - [`host`]: what this machine is
//! - [`measure`]: the stages joined, worker processes, studies, statistics, checks
//! - [`record`]: what a study leaves; plain data
//! - [`report`]: what people read; drawn from records and nothing else
//! - [`commands`] and [`cli`]: the rooms joined, and the words for it
//!
//! Imports point one way; `tests/layering.rs` holds them to it.

pub mod backend;
pub mod cli;
pub mod commands;
pub mod dataset;
pub mod host;
pub mod measure;
pub mod model;
pub mod record;
pub mod report;
pub mod vision;
