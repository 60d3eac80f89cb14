//! The reader of ONNX files: what a network is known by, how it normalises, and the edits that are made to it.
#![no_main]

use std::path::Path;

use facebench::runtime::{DynamicAxis, NetworkFile, Scaling, onnx};
use libfuzzer_sys::fuzz_target;

const SCALING: Scaling = Scaling {
    mean: 127.5,
    divisor: 128.0,
};

fuzz_target!(|model: &[u8]| {
    // A folder without files: weights elsewhere are looked for, and not found.
    let _ = NetworkFile::of(Path::new("/proc/self/task/net.onnx"), model);
    let _ = onnx::input(model);
    let _ = onnx::is_half(model);
    let _ = onnx::is_quantized(model);
    if let Ok(edited) = onnx::with_byte_input(model, SCALING) {
        // What is edited is read again.
        let _ = onnx::with_byte_input(&edited, SCALING);
        let _ = NetworkFile::of(Path::new("/proc/self/task/net.onnx"), &edited);
    }
    for axis in [DynamicAxis::Batch, DynamicAxis::Canvas] {
        let _ = onnx::with_dynamic_axis(axis, model).and_then(|opened| onnx::input(&opened));
    }
});
