//! ONNX files as bytes: what they declare, the edits that facebench makes to them, and the few that it makes itself.
//!
//! An ONNX file is one protobuf message. Only the parts that are asked for are taken apart.

mod builtin;
mod bytes_input;
mod graph;
mod open_sides;
mod schema;
#[cfg(feature = "opencv")]
pub(super) mod shape;
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) mod signature;
mod weights;
mod wire;

pub use builtin::{matrix_products, smallest};
pub use bytes_input::{BYTES_INPUT, Scaling, input, with_byte_input};
pub use graph::GraphError;
pub use open_sides::{Side, with_open};
pub use weights::{is_half, is_quantized};
