//! Execution providers of ONNX Runtime, with the options that matter here.

use std::path::PathBuf;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch};

use super::super::{
    options::{ConvSearch, DataPath, Engines},
    spec::{BackendSpec, Precision},
};

/// One execution provider as a session gets it.
#[derive(Debug, Clone)]
pub struct Provider {
    spec: BackendSpec,
    /// Where compiled engines and timings are kept between runs; `None` to keep none.
    cache: Option<PathBuf>,
}

impl Provider {
    /// The provider that `spec` asks for; `cache` is a folder for what it compiles.
    pub fn new(spec: &BackendSpec, cache: Option<PathBuf>) -> Self {
        Self {
            spec: spec.clone(),
            cache: cache.filter(|_| spec.provider.engines == Engines::Cached),
        }
    }

    /// Its name in records and profiles.
    pub fn name(&self) -> &'static str {
        match self.spec.word.as_str() {
            _ if self.spec.is_tensorrt() => "TensorrtExecutionProvider",
            "cuda" | "vgpu" | "mig" => "CUDAExecutionProvider",
            "openvino" => "OpenVINOExecutionProvider",
            "vitis" => "VitisAIExecutionProvider",
            _ => super::CPU_PROVIDER,
        }
    }

    /// Whether it runs on a GPU of NVIDIA's.
    pub fn is_nvidia(&self) -> bool {
        self.spec.gpu().is_some()
    }

    /// Whether inputs and outputs are bound: on devices, and where the CPU rehearses one.
    pub fn binds(&self) -> bool {
        self.spec.data_path() == DataPath::Device
    }

    /// Whether CUDA graphs are captured.
    pub fn graphs(&self) -> bool {
        self.spec.provider.graphs && self.is_nvidia()
    }

    /// What to register with a session, the asked one first; empty for the CPU provider, which every session has.
    /// `model` is for engines that are compiled for it; `threads` is how many a run may use.
    pub fn dispatches(&self, threads: usize, model: Option<&Compiled>) -> Vec<ExecutionProviderDispatch> {
        let options = &self.spec.provider;
        let strict = |provider: ExecutionProviderDispatch| {
            if options.silent {
                provider.fail_silently()
            } else {
                provider.error_on_failure()
            }
        };
        match self.spec.word.as_str() {
            // What TensorRT leaves over belongs to CUDA, on the same device.
            _ if self.spec.is_tensorrt() => {
                vec![strict(self.tensorrt(model).build()), strict(self.cuda().build())]
            }
            "cuda" | "vgpu" | "mig" => vec![strict(self.cuda().build())],
            "openvino" => vec![strict(self.openvino(threads).build())],
            "vitis" => vec![strict(self.vitis().build())],
            _ => Vec::new(),
        }
    }

    /// The study has made the wanted device the only one that is seen, so it is number 0.
    fn cuda(&self) -> ep::CUDA {
        let options = &self.spec.provider;
        let mut cuda = ep::CUDA::default()
            .with_device_id(0)
            // To cuDNN "no TF32" means "no tensor cores", for 16-bit floats as well.
            .with_tf32(self.spec.precision != Precision::Fp32)
            .with_conv_algorithm_search(match options.conv {
                ConvSearch::Exhaustive => ep::cuda::ConvAlgorithmSearch::Exhaustive,
                ConvSearch::Heuristic => ep::cuda::ConvAlgorithmSearch::Heuristic,
                ConvSearch::Default => ep::cuda::ConvAlgorithmSearch::Default,
            })
            .with_cuda_graph(options.graphs);
        if let Some(memory) = options.memory {
            cuda = cuda.with_memory_limit(usize::try_from(memory).unwrap_or(usize::MAX));
        }
        cuda
    }

    fn tensorrt(&self, model: Option<&Compiled>) -> ep::TensorRT {
        let options = &self.spec.provider;
        let mut tensorrt = ep::TensorRT::default()
            .with_device_id(0)
            .with_fp16(self.spec.precision == Precision::Fp16)
            .with_int8(self.spec.precision == Precision::Int8)
            .with_cuda_graph(options.graphs);
        if let Some(memory) = options.memory {
            tensorrt = tensorrt.with_max_workspace_size(usize::try_from(memory).unwrap_or(usize::MAX));
        }
        let own_cache = self
            .cache
            .as_ref()
            .zip(model)
            .map(|(cache, model)| cache.join(&model.key));
        // Without the folder the provider builds the engine all the same, and says that it cannot keep it.
        if let Some(cache) = own_cache.filter(|cache| std::fs::create_dir_all(cache).is_ok()) {
            let cache = cache.display().to_string();
            tensorrt = tensorrt
                .with_engine_cache(true)
                .with_engine_cache_path(&cache)
                .with_timing_cache(true)
                .with_timing_cache_path(&cache);
        }
        if let Some(range) = model.and_then(|model| model.range.as_ref()) {
            tensorrt = tensorrt
                .with_profile_min_shapes(range.text(1))
                .with_profile_opt_shapes(range.text(range.batch))
                .with_profile_max_shapes(range.text(range.batch));
        }
        tensorrt
    }

    fn openvino(&self, threads: usize) -> ep::OpenVINO {
        ep::OpenVINO::default()
            .with_device_type(self.openvino_device())
            .with_num_threads(threads.max(1))
            // Each stream of the worker is a session of its own. Left to itself, OpenVINO would pin the thread of each to
            // the same core.
            .with_num_streams(1)
            .with_arbitrary_config("load_config", r#"{"CPU": {"ENABLE_CPU_PINNING": "NO"}}"#)
    }

    fn openvino_device(&self) -> &str {
        self.spec.device.as_deref().unwrap_or("CPU")
    }

    fn vitis(&self) -> ep::Vitis {
        let vitis = ep::Vitis::default();
        match &self.spec.provider.config {
            Some(config) => vitis.with_config_file(config.display()),
            None => vitis,
        }
    }

    fn tf32(&self) -> bool {
        self.spec.precision == Precision::Tf32
    }

    /// What a session was told, in words, for the record.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let options = &self.spec.provider;
        let on = |on: bool| if on { "on" } else { "off" }.to_owned();
        let mut told = Vec::new();
        if self.is_nvidia() {
            told.push(("tf32", on(self.tf32())));
            told.push(("graphs", on(options.graphs)));
            if let Some(memory) = options.memory {
                told.push(("memory", memory.to_string()));
            }
            if self.spec.is_tensorrt() {
                told.push(("fp16", on(self.spec.precision == Precision::Fp16)));
                told.push(("int8", on(self.spec.precision == Precision::Int8)));
                let kept = if self.cache.is_some() { "cached" } else { "fresh" };
                told.push(("engines", kept.to_owned()));
            } else {
                told.push(("conv", options.conv.name().to_owned()));
            }
        }
        if self.spec.word == "openvino" {
            told.push(("device_type", self.openvino_device().to_owned()));
        }
        if let Some(config) = &options.config {
            told.push(("config", config.display().to_string()));
        }
        if options.silent {
            told.push(("fallback", "silent".to_owned()));
        }
        told
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
    /// The sides behind the batch.
    pub sides: Vec<usize>,
    /// The largest batch.
    pub batch: usize,
}

impl ShapeRange {
    /// `input:4x3x112x112`, as `TensorRT`'s provider reads it.
    fn text(&self, batch: usize) -> String {
        let sides: Vec<String> = self.sides.iter().map(ToString::to_string).collect();
        format!("{}:{batch}x{}", self.input, sides.join("x"))
    }
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
                (provider.name(), provider.dispatches(1, None).len()),
                (name, count),
                "{spec}"
            );
        }
    }

    #[test]
    fn what_a_session_is_told_stands_in_words() {
        let told = |spec: &str| {
            let told = provider(spec).effective();
            told.iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(told("cpu"), "");
        assert_eq!(
            told("cuda,precision=tf32,memory=2GB"),
            "tf32=on graphs=off memory=2000000000 conv=heuristic"
        );
        assert_eq!(
            told("tensorrt,precision=fp16"),
            "tf32=off graphs=off fp16=on int8=off engines=cached"
        );
        assert_eq!(
            told("openvino,fallback=silent"),
            "device_type=CPU fallback=silent"
        );
    }

    #[test]
    fn ranges_are_written_as_tensorrt_reads_them() {
        let range = ShapeRange {
            input: "x".to_owned(),
            sides: vec![3, 112, 112],
            batch: 16,
        };
        assert_eq!(range.text(1), "x:1x3x112x112");
    }
}
