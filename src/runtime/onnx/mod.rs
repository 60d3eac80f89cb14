//! ONNX files as bytes: what they declare, the edits that facebench makes to them, and the few that it makes itself.
//!
//! An ONNX file is one protobuf message. Only the parts that are asked for are taken apart.

mod builtin;
mod bytes_input;
mod dynamic_axes;
mod external;
mod file;
mod graph;
mod normalization;
mod numbers;
mod schema;
#[cfg(feature = "opencv")]
pub(super) mod shape;
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) mod signature;
mod weights;
mod wire;

pub use builtin::{matrix_products, smallest};
pub use bytes_input::{BYTES_INPUT, Scaling, input, with_byte_input};
pub use dynamic_axes::{DynamicAxis, with_dynamic_axis};
pub use file::{FileError, NetworkFile, external_files, identity_of};
pub use graph::GraphError;
pub use normalization::OwnNormalization;
pub use weights::{is_half, is_quantized};
