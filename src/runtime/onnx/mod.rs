//! ONNX files as bytes: what they declare, the edits that facebench makes to them, and the few that it makes itself.
//!
//! An ONNX file is one protobuf message. Only the parts that are asked for are taken apart; field numbers are those of
//! `onnx.proto3`.

mod bytes_input;
mod made;
mod open_sides;
#[cfg(feature = "opencv")]
pub(super) mod shape;
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) mod signature;
mod wire;

pub use bytes_input::{BYTES_INPUT, GraphError, Scaling, input, is_half, is_quantized, with_byte_input};
pub use made::{matrix_products, smallest};
pub use open_sides::{Side, with_open};
