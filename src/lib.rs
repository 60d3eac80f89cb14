//! facebench measures face recognition: find the faces in a photo, turn each into an embedding, match it.
//!
//! The modules, from what knows least of the others to what knows most:
//!
//! - [`files`]: how all of them write a file and know one again
//! - [`text`]: how all of them show text from outside
//! - [`vision`]: pixels and geometry; knows no network, no runtime
//! - [`record`]: what a study writes; plain data
//! - [`machine`]: what this machine is
//! - [`runtime`]: where a network runs; knows no face
//! - [`dataset`]: which photos, and who is in them
//! - [`model`]: what a network's tensors mean; knows the [`runtime::Session`] trait and no runtime
//! - [`pipeline`]: the stages joined, each timed
//! - [`analysis`]: from raw blocks to figures and checks; pure functions
//! - [`sizing`]: how many machines serve a load
//! - [`report`]: what people read; drawn from records and nothing else
//! - [`worker`]: the child process that runs the pipeline of one arm and times it
//! - [`study`]: which arms, in which order, in which processes
//! - [`sharing`]: tenants on one device, machines in step, shards
//! - [`commands`] and [`cli`]: what each command does with the modules above, and its arguments
//!
//! The way of a photo through them is in `docs/design/data-flow.md`.
//!
//! Imports point one way; `tests/it/layering.rs` checks it.

pub mod analysis;
pub mod cli;
pub mod commands;
pub mod dataset;
pub mod files;
pub mod machine;
pub mod model;
pub mod pipeline;
pub mod record;
pub mod report;
pub mod runtime;
pub mod sharing;
pub mod sizing;
pub mod study;
pub mod text;
pub mod vision;
pub mod worker;
