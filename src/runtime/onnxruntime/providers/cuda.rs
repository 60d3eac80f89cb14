//! NVIDIA's CUDA provider: whole GPUs, vGPUs and MIG instances.

use std::path::Path;

use ort::ep::{self, ExecutionProviderDispatch};

use super::{ExecutionProvider, Failure, Provider, SessionNeeds, nvidia};
use crate::runtime::{
    install::Flavor,
    options::{Choice, ConvSearch},
    spec::{BackendSpec, Precision},
};

/// The CUDA provider.
#[derive(Debug)]
pub struct Cuda;

impl ExecutionProvider for Cuda {
    fn name(&self) -> &'static str {
        "CUDAExecutionProvider"
    }

    fn flavors(&self) -> &'static [Flavor] {
        nvidia::FLAVORS
    }

    fn captures_graphs(&self) -> bool {
        true
    }

    fn prepare(&self, library: &Path) {
        nvidia::prepare(library);
    }

    fn register(&self, arm: &Provider, _: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        vec![dispatch(&arm.spec)]
    }

    fn effective(&self, arm: &Provider) -> Vec<(&'static str, String)> {
        let mut options = nvidia::effective(&arm.spec);
        options.push(("conv", arm.spec.provider.conv.name().to_owned()));
        options
    }

    fn fix(&self, failure: &Failure, _: &BackendSpec, flavor: Option<Flavor>) -> Option<String> {
        nvidia::fix(failure, flavor)
    }
}

/// The study has made the wanted device the only one that is seen, so it is number 0.
pub(super) fn dispatch(spec: &BackendSpec) -> ExecutionProviderDispatch {
    let options = &spec.provider;
    let mut cuda = ep::CUDA::default()
        .with_device_id(0)
        // To cuDNN "no TF32" means "no tensor cores", for 16-bit floats as well.
        .with_tf32(spec.precision != Precision::Fp32)
        .with_conv_algorithm_search(match options.conv {
            ConvSearch::Exhaustive => ep::cuda::ConvAlgorithmSearch::Exhaustive,
            ConvSearch::Heuristic => ep::cuda::ConvAlgorithmSearch::Heuristic,
            ConvSearch::Default => ep::cuda::ConvAlgorithmSearch::Default,
        })
        .with_cuda_graph(options.graphs);
    if let Some(memory) = options.memory {
        cuda = cuda.with_memory_limit(usize::try_from(memory).unwrap_or(usize::MAX));
    }
    cuda.build()
}
