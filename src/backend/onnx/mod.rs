//! ONNX files as bytes: what they declare, and the one edit that facebench makes to them.
//!
//! An ONNX file is one protobuf message. Only the parts that are asked for are taken apart; field numbers are those of
//! `onnx.proto3`.

mod bytes_input;
#[cfg(feature = "opencv")]
pub(super) mod shape;
#[cfg(any(feature = "opencv", feature = "tract"))]
pub(super) mod signature;
mod wire;

pub use bytes_input::{
    BYTES_INPUT, GraphError, Scaling, input, is_half, is_quantized, smallest, with_byte_input,
};
