//! The backends of facebench, one row each: adding one is a row here and a file beside it.

#[cfg(feature = "opencv")]
use super::opencv::OpenCv;
#[cfg(feature = "tract")]
use super::tract::Tract;
use super::{
    descriptor::{BackendDescriptor, DeviceArgument, Engine, LinkedRuntime},
    onnxruntime::{
        ExecutionProvider,
        providers::{Cpu, Cuda, OpenVino, TensorRt, Vitis},
    },
    options::DataPath,
};

/// The word of the backend that needs nothing but a processor, and whose answers others are compared with.
pub const REFERENCE: &str = "cpu";

/// The option that names a precision for the detector alone.
pub const DETECTOR_PRECISION: &str = "detector-precision";

/// The options of every backend that runs networks, and those of its own.
macro_rules! network {
    ($($own:literal),*) => {
        &["threads", "streams", "batch", "precision", "reads", "decode", "quota", "label", "channels", $($own),*]
    };
}

/// The function that makes a linked runtime; none where the program was built without its Cargo feature.
macro_rules! linked {
    ($feature:literal, $runtime:ident) => {{
        #[cfg(feature = $feature)]
        let open = Some($runtime::boxed as fn(String) -> _);
        #[cfg(not(feature = $feature))]
        let open = None;
        open
    }};
}

/// CUDA on a share of a GPU, where TensorRT may run the networks instead.
const SHARE_OF_GPU: &[&str] = network!(
    "runtime", "path", "decoders", "fallback", "conv", "graphs", "memory", "engines", "provider"
);

/// The backends, in the order in which lists show them.
pub const BACKENDS: &[BackendDescriptor] = &[
    BackendDescriptor {
        word: REFERENCE,
        summary: "ONNX Runtime, CPU provider",
        device: DeviceArgument::None,
        options: network!("runtime", "path", "decoders", "canvas", "detector-precision"),
        data_path: DataPath::Host,
        engine: Engine::OnnxRuntime(&Cpu),
    },
    BackendDescriptor {
        word: "openvino",
        summary: "ONNX Runtime, OpenVINO provider",
        device: DeviceArgument::Name,
        options: network!(
            "runtime",
            "path",
            "decoders",
            "fallback",
            "canvas",
            "detector-precision"
        ),
        data_path: DataPath::Host,
        engine: Engine::OnnxRuntime(&OpenVino),
    },
    BackendDescriptor {
        word: "cuda",
        summary: "ONNX Runtime, CUDA provider",
        device: DeviceArgument::Gpu,
        options: network!(
            "runtime", "path", "decoders", "fallback", "conv", "graphs", "memory"
        ),
        data_path: DataPath::Device,
        engine: Engine::OnnxRuntime(&Cuda),
    },
    BackendDescriptor {
        word: "tensorrt",
        summary: "ONNX Runtime, TensorRT provider",
        device: DeviceArgument::Gpu,
        options: network!(
            "runtime", "path", "decoders", "fallback", "graphs", "memory", "engines"
        ),
        data_path: DataPath::Device,
        engine: Engine::OnnxRuntime(&TensorRt),
    },
    BackendDescriptor {
        word: "vgpu",
        summary: "CUDA on a device that NVML calls a vGPU",
        device: DeviceArgument::Vgpu,
        options: SHARE_OF_GPU,
        data_path: DataPath::Device,
        engine: Engine::OnnxRuntime(&Cuda),
    },
    BackendDescriptor {
        word: "mig",
        summary: "CUDA on one MIG instance",
        device: DeviceArgument::Mig,
        options: SHARE_OF_GPU,
        data_path: DataPath::Device,
        engine: Engine::OnnxRuntime(&Cuda),
    },
    BackendDescriptor {
        word: "vitis",
        summary: "ONNX Runtime, Vitis AI provider (FPGA)",
        device: DeviceArgument::None,
        options: network!("runtime", "path", "decoders", "fallback", "config"),
        data_path: DataPath::Device,
        engine: Engine::OnnxRuntime(&Vitis),
    },
    BackendDescriptor {
        word: "opencv",
        summary: "OpenCV's DNN module",
        device: DeviceArgument::None,
        options: network!(),
        data_path: DataPath::Host,
        engine: Engine::Linked(LinkedRuntime {
            open: linked!("opencv", OpenCv),
            needs: "OpenCV 4 with its headers, clang and libclang (Debian, Ubuntu: libopencv-dev clang libclang-dev)",
            shares_threads: true,
        }),
    },
    BackendDescriptor {
        word: "tract",
        summary: "tract, pure Rust",
        device: DeviceArgument::None,
        options: network!(),
        data_path: DataPath::Host,
        engine: Engine::Linked(LinkedRuntime {
            open: linked!("tract", Tract),
            needs: "no package of the system",
            shares_threads: false,
        }),
    },
    BackendDescriptor {
        word: "peer",
        summary: "another program that speaks the worker's protocol",
        device: DeviceArgument::Program,
        options: &["threads", "streams", "batch", "label"],
        data_path: DataPath::Host,
        engine: Engine::Peer,
    },
    BackendDescriptor {
        word: "null",
        summary: "no network: answers after a delay, to measure the harness",
        device: DeviceArgument::None,
        options: &[
            "delay",
            "faces",
            "streams",
            "batch",
            "label",
            "jitter",
            "drift",
            "slow-start",
            "stall",
            "crash",
            "hang",
            "wrong",
            "placement",
            "cheat",
            "on",
            "quota",
        ],
        data_path: DataPath::Host,
        engine: Engine::Null,
    },
];

impl BackendDescriptor {
    /// The backend of that word.
    pub fn find(word: &str) -> Option<&'static Self> {
        BACKENDS.iter().find(|backend| backend.word == word)
    }

    /// The backend on CUDA that names devices in this way.
    pub fn for_gpu(device: DeviceArgument) -> Option<&'static Self> {
        BACKENDS.iter().find(|backend| backend.device == device)
    }

    /// Whether it is the one whose answers others are compared with.
    pub fn is_reference(&self) -> bool {
        self.word == REFERENCE
    }
}

/// The execution provider of that name in records and profiles.
pub fn provider_named(name: &str) -> Option<&'static dyn ExecutionProvider> {
    BACKENDS
        .iter()
        .filter_map(BackendDescriptor::provider)
        .find(|provider| provider.name() == name)
}
