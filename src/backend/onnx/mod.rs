//! ONNX files as bytes: what they declare, and the one edit that facebench makes to them.
//!
//! An ONNX file is one protobuf message. Only the parts that are asked for are taken apart; field numbers are those of
//! `onnx.proto3`.

mod bytes_input;
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) mod signature;
#[cfg(feature = "opencv")]
pub(super) mod shape;
mod wire;

pub use bytes_input::{BYTES_INPUT, GraphError, Scaling, input, is_half, smallest, with_byte_input};
