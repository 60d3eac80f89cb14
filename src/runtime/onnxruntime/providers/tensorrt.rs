//! NVIDIA's `TensorRT` provider, which compiles networks to engines for one GPU.

use std::path::Path;

use ort::ep::{self, ExecutionProviderDispatch};

use super::{ExecutionProvider, Failure, Provider, SessionNeeds, ShapeRange, cuda, nvidia, on};
use crate::runtime::{
    install::Flavor,
    spec::{BackendSpec, Precision},
};

/// The `TensorRT` provider.
#[derive(Debug)]
pub struct TensorRt;

impl ExecutionProvider for TensorRt {
    fn name(&self) -> &'static str {
        "TensorrtExecutionProvider"
    }

    fn flavors(&self) -> &'static [Flavor] {
        nvidia::FLAVORS
    }

    fn compiles(&self) -> bool {
        true
    }

    fn hides_operators(&self) -> bool {
        true
    }

    fn captures_graphs(&self) -> bool {
        true
    }

    fn prepare(&self, library: &Path) {
        nvidia::prepare(library);
    }

    fn register(&self, arm: &Provider, session: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        // What TensorRT leaves over belongs to CUDA, on the same device.
        vec![dispatch(arm, session), cuda::dispatch(&arm.spec)]
    }

    fn effective(&self, arm: &Provider) -> Vec<(&'static str, String)> {
        let precision = arm.spec.precision;
        let kept = if arm.cache.is_some() { "cached" } else { "fresh" };
        let mut options = nvidia::effective(&arm.spec);
        options.push(("fp16", on(precision == Precision::Fp16)));
        options.push(("int8", on(precision == Precision::Int8)));
        options.push(("engines", kept.to_owned()));
        options
    }

    fn fix(&self, failure: &Failure, _: &BackendSpec, flavor: Option<Flavor>) -> Option<String> {
        let of_tensorrt =
            |library: &str| library.starts_with("libnvinfer") || library.starts_with("libnvonnxparser");
        if failure.missing.as_deref().is_some_and(of_tensorrt) {
            let package = if flavor == Some(Flavor::Cuda12) {
                "cu12"
            } else {
                "cu13"
            };
            return Some(format!(
                "install TensorRT 10 (python3 -m pip install tensorrt-{package}, which fetches it from NVIDIA) and name the folder of its libraries in {}, or use -b cuda",
                nvidia::FOLDERS
            ));
        }
        nvidia::fix(failure, flavor)
    }
}

fn dispatch(arm: &Provider, session: &SessionNeeds<'_>) -> ExecutionProviderDispatch {
    let spec = &arm.spec;
    let mut tensorrt = ep::TensorRT::default()
        .with_device_id(0)
        .with_fp16(spec.precision == Precision::Fp16)
        .with_int8(spec.precision == Precision::Int8)
        .with_cuda_graph(spec.provider.graphs);
    if let Some(memory) = spec.provider.memory {
        tensorrt = tensorrt.with_max_workspace_size(usize::try_from(memory).unwrap_or(usize::MAX));
    }
    let own_cache = arm
        .cache
        .as_ref()
        .zip(session.model)
        .map(|(cache, model)| cache.join(&model.key));
    // Without the folder the provider builds the engine all the same, and logs that it cannot keep it.
    if let Some(cache) = own_cache.filter(|cache| std::fs::create_dir_all(cache).is_ok()) {
        let cache = cache.to_string_lossy().into_owned();
        tensorrt = tensorrt
            .with_engine_cache(true)
            .with_engine_cache_path(&cache)
            .with_timing_cache(true)
            .with_timing_cache_path(&cache);
    }
    if let Some(range) = session.model.and_then(|model| model.range.as_ref()) {
        tensorrt = tensorrt
            .with_profile_min_shapes(profile(range, 1))
            .with_profile_opt_shapes(profile(range, range.batch))
            .with_profile_max_shapes(profile(range, range.batch));
    }
    tensorrt.build()
}

/// `input:4x3x112x112`, as `TensorRT`'s provider reads it.
fn profile(range: &ShapeRange, batch: usize) -> String {
    let dimensions: Vec<String> = range.dimensions.iter().map(ToString::to_string).collect();
    format!("{}:{batch}x{}", range.input, dimensions.join("x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_as_tensorrt_reads_them() {
        let range = ShapeRange {
            input: "x".to_owned(),
            dimensions: vec![3, 112, 112],
            batch: 16,
        };
        assert_eq!(profile(&range, 1), "x:1x3x112x112");
    }
}
