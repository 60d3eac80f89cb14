//! facebench measures face recognition: find the faces in a photo, turn each into an embedding, match it.
//!
//! The modules, in the order in which a photo passes through them:
//!
//! - [`vision`]: pixels and geometry; knows no network, no runtime
//! - [`model`]: what a network's tensors mean; knows the [`runtime::Session`] trait and no runtime
//! - [`runtime`]: where a network runs; knows no face
//! - [`dataset`]: which photos, and who is in them
//! - [`machine`]: what this machine is
//! - [`pipeline`]: the stages joined, each timed
//! - [`worker`]: the child process that runs the pipeline of one arm and times it
//! - [`study`]: which arms, in which order, in which processes
//! - [`analysis`]: from raw blocks to figures and checks; pure functions
//! - [`sharing`]: tenants on one device, machines in step, shards
//! - [`sizing`]: how many machines serve a load
//! - [`record`]: what a study writes; plain data
//! - [`report`]: what people read; drawn from records and nothing else
//! - [`files`]: how all of them write a file and know one again
//! - [`commands`] and [`cli`]: what each command does with the modules above, and its arguments
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
pub mod vision;
pub mod worker;
