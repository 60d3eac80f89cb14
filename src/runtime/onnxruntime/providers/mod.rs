//! Execution providers of ONNX Runtime: one file each, named by a row of the table of backends.

mod cpu;
mod cuda;
mod nvidia;
mod nvidia_libraries;
mod openvino;
mod tensorrt;
mod vitis;

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use ort::ep::ExecutionProviderDispatch;

pub use self::{cpu::Cpu, cuda::Cuda, openvino::OpenVino, tensorrt::TensorRt, vitis::Vitis};
use super::Failure;
use crate::runtime::{
    install::Flavor,
    options::{DataPath, Engines},
    spec::BackendSpec,
};

/// One way in which ONNX Runtime runs networks.
pub trait ExecutionProvider: Debug + Sync {
    /// Its name in records and profiles.
    fn name(&self) -> &'static str;

    /// The builds of ONNX Runtime that have it and can be installed, the best first. Of those for NVIDIA's GPUs, the
    /// device and its driver decide.
    fn flavors(&self) -> &'static [Flavor];

    /// Why there is no build to install, and what to do instead; only where [`ExecutionProvider::flavors`] is empty.
    fn not_installable(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Whether it is tried in a process of its own before a study: it may be missing, or take its process with it.
    fn may_fail(&self) -> bool {
        true
    }

    /// Whether it compiles networks to engines of its own, of any precision, which may be kept between runs.
    fn compiles(&self) -> bool {
        false
    }

    /// Whether it runs a network as one node of its own, so that a profile shows none of its operators.
    fn hides_operators(&self) -> bool {
        false
    }

    /// Whether it can capture a run in a CUDA graph.
    fn captures_graphs(&self) -> bool {
        false
    }

    /// Makes the process ready for it, before ONNX Runtime's library at `library` is loaded.
    fn prepare(&self, _library: &Path) {}

    /// What to register with a session for `arm`, the asked one first; empty where every session has it.
    fn register(&self, arm: &Provider, session: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch>;

    /// The options of `arm` that are in force, for the record.
    fn effective(&self, _arm: &Provider) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What to do about a session that could not be had; `None` where the advice for every provider fits.
    fn fix(&self, _failure: &Failure, _spec: &BackendSpec, _flavor: Option<Flavor>) -> Option<String> {
        None
    }
}

/// What registering a provider must know of the session.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionNeeds<'a> {
    /// How many threads a run may use; 0 leaves it to the runtime.
    pub threads: usize,
    /// For engines that are compiled for the model; `None` where it is read as it is.
    pub model: Option<&'a Compiled>,
}

/// The execution provider of one arm, with the arm's options.
#[derive(Debug, Clone)]
pub struct Provider {
    execution: &'static dyn ExecutionProvider,
    spec: BackendSpec,
    /// Where compiled engines and timings are kept between runs; `None` to keep none.
    cache: Option<PathBuf>,
}

impl Provider {
    /// The provider that `spec` asks for; `cache` is a folder for what it compiles.
    pub fn new(spec: &BackendSpec, cache: Option<PathBuf>) -> Self {
        Self {
            execution: spec.execution_provider().unwrap_or(&Cpu),
            spec: spec.clone(),
            cache: cache.filter(|_| spec.provider.engines == Engines::Cached),
        }
    }

    /// Its name in records and profiles.
    pub fn name(&self) -> &'static str {
        self.execution.name()
    }

    /// Whether inputs and outputs are bound: on devices, and where the CPU rehearses one.
    pub(super) fn binds(&self) -> bool {
        self.spec.data_path() == DataPath::Device
    }

    /// Whether CUDA graphs are captured.
    pub(super) fn graphs(&self) -> bool {
        self.spec.provider.graphs && self.execution.captures_graphs()
    }

    /// Makes the process ready, before ONNX Runtime's library at `library` is loaded.
    pub(super) fn prepare(&self, library: &Path) {
        self.execution.prepare(library);
    }

    /// What to register with a session, the asked one first; empty for the CPU provider, which every session has.
    pub(super) fn dispatches(&self, session: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        let registered = self.execution.register(self, session);
        registered
            .into_iter()
            .map(|provider| {
                if self.spec.provider.silent {
                    provider.fail_silently()
                } else {
                    provider.error_on_failure()
                }
            })
            .collect()
    }

    /// The options that are in force, for the record.
    pub(super) fn effective(&self) -> Vec<(&'static str, String)> {
        let mut options = self.execution.effective(self);
        if self.spec.provider.silent {
            options.push(("fallback", "silent".to_owned()));
        }
        options
    }
}

/// What a provider that compiles must know of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The shapes of its input; `None` where they are fixed or not known.
    pub range: Option<ShapeRange>,
    /// Names the model and its batch, for what is kept of it.
    pub key: String,
}

/// The shapes that an input will have: every batch from 1 to the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeRange {
    /// The input's name in the graph.
    pub input: String,
    /// The dimensions after the batch.
    pub dimensions: Vec<usize>,
    /// The largest batch.
    pub batch: usize,
}

/// An option's value as records show it.
fn on(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(spec: &str) -> Provider {
        Provider::new(&spec.parse().unwrap(), Some("/cache".into()))
    }

    #[test]
    fn words_name_their_providers() {
        for (spec, name, count) in [
            ("cpu", "CPUExecutionProvider", 0),
            ("openvino:GPU", "OpenVINOExecutionProvider", 1),
            ("cuda:1", "CUDAExecutionProvider", 1),
            ("tensorrt", "TensorrtExecutionProvider", 2),
            ("vgpu", "CUDAExecutionProvider", 1),
            ("vgpu:0,provider=tensorrt", "TensorrtExecutionProvider", 2),
            ("mig:MIG-1", "CUDAExecutionProvider", 1),
            ("vitis", "VitisAIExecutionProvider", 1),
        ] {
            let provider = provider(spec);
            assert_eq!(
                (
                    provider.name(),
                    provider.dispatches(&SessionNeeds::default()).len()
                ),
                (name, count),
                "{spec}"
            );
        }
    }

    #[test]
    fn options_in_force_are_recorded() {
        let shown = |spec: &str| {
            let options = provider(spec).effective();
            options
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(shown("cpu"), "");
        assert_eq!(
            shown("cuda,precision=tf32,memory=2GB"),
            "tf32=on graphs=off memory=2000000000 conv=heuristic"
        );
        assert_eq!(
            shown("tensorrt,precision=fp16"),
            "tf32=off graphs=off fp16=on int8=off engines=cached"
        );
        assert_eq!(
            shown("openvino,fallback=silent"),
            "device_type=CPU fallback=silent"
        );
        assert_eq!(shown("vitis,config=/v.json"), "config=/v.json");
    }
}
