//! Every backend word of facebench in one table: what it runs on, what it accepts, whether it is built.

/// What may follow the word after a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceArgument {
    /// Nothing.
    None,
    /// A device number, such as `cuda:1`; 0 where it is left out.
    Index,
    /// A name, such as `openvino:GPU`; the runtime's default where it is left out.
    Name,
    /// A name that must be given, such as `mig:MIG-1234`.
    RequiredName,
    /// The path of a program, such as `peer:./bridge`.
    Program,
}

/// One backend.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The word on the command line and in records.
    pub word: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// What may follow the word.
    pub device: DeviceArgument,
    /// The options that it accepts after commas.
    pub options: &'static [&'static str],
    /// Whether this version of facebench can run it at all.
    pub built: bool,
    /// Where its runtime is linked into the program, by a Cargo feature of the backend's name: what building it needs.
    pub linked: Option<&'static str>,
}

impl Row {
    /// Whether it runs on a device of its own, and not in another way on the processor.
    pub fn is_accelerator(&self) -> bool {
        ["cuda", "tensorrt", "vgpu", "mig", "vitis"].contains(&self.word)
    }

    /// Whether it runs on a library of ONNX Runtime.
    pub fn needs_onnx_runtime(&self) -> bool {
        self.linked.is_none() && !["null", "peer"].contains(&self.word)
    }

    /// Whether all streams of a process share one pool of threads, which one of them at a time can use.
    pub fn shares_threads(&self) -> bool {
        self.word == "opencv"
    }
}

/// The options of every backend that runs networks, and those of its own.
macro_rules! network {
    ($($own:literal),*) => {
        &["threads", "streams", "batch", "precision", "reads", "decode", "quota", "label", "channels", $($own),*]
    };
}

/// The option that names a precision for the detector alone.
pub const DETECTOR_PRECISION: &str = "detector-precision";

const CPU: &[&str] = network!("runtime", "path", "decoders", "canvas", "detector-precision");
const LINKED: &[&str] = network!();
const OPENVINO: &[&str] = network!(
    "runtime",
    "path",
    "decoders",
    "fallback",
    "canvas",
    "detector-precision"
);
const CUDA: &[&str] = network!(
    "runtime", "path", "decoders", "fallback", "conv", "graphs", "memory"
);
const TENSORRT: &[&str] = network!(
    "runtime", "path", "decoders", "fallback", "graphs", "memory", "engines"
);
const SHARED: &[&str] = network!(
    "runtime", "path", "decoders", "fallback", "conv", "graphs", "memory", "engines", "provider"
);
const VITIS: &[&str] = network!("runtime", "path", "decoders", "fallback", "config");
const PEER: &[&str] = &["threads", "streams", "batch", "label"];
const NULL: &[&str] = &[
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
    "on",
    "quota",
];

const fn row(
    word: &'static str,
    summary: &'static str,
    device: DeviceArgument,
    options: &'static [&'static str],
) -> Row {
    Row {
        word,
        summary,
        device,
        options,
        built: true,
        linked: None,
    }
}

const fn linked(word: &'static str, summary: &'static str, built: bool, needs: &'static str) -> Row {
    Row {
        built,
        linked: Some(needs),
        ..row(word, summary, DeviceArgument::None, LINKED)
    }
}

/// The backends, in the order in which lists show them.
pub const BACKENDS: &[Row] = &[
    row("cpu", "ONNX Runtime, CPU provider", DeviceArgument::None, CPU),
    row(
        "openvino",
        "ONNX Runtime, OpenVINO provider",
        DeviceArgument::Name,
        OPENVINO,
    ),
    row("cuda", "ONNX Runtime, CUDA provider", DeviceArgument::Index, CUDA),
    row(
        "tensorrt",
        "ONNX Runtime, TensorRT provider",
        DeviceArgument::Index,
        TENSORRT,
    ),
    row(
        "vgpu",
        "CUDA on a device that NVML calls a vGPU",
        DeviceArgument::Index,
        SHARED,
    ),
    row(
        "mig",
        "CUDA on one MIG instance",
        DeviceArgument::RequiredName,
        SHARED,
    ),
    row(
        "vitis",
        "ONNX Runtime, Vitis AI provider (FPGA)",
        DeviceArgument::None,
        VITIS,
    ),
    linked(
        "opencv",
        "OpenCV's DNN module",
        cfg!(feature = "opencv"),
        "OpenCV 4 with its headers, clang and libclang (Debian, Ubuntu: libopencv-dev clang libclang-dev)",
    ),
    linked(
        "tract",
        "tract, pure Rust",
        cfg!(feature = "tract"),
        "no package of the system",
    ),
    row(
        "peer",
        "another program that speaks the worker's protocol",
        DeviceArgument::Program,
        PEER,
    ),
    row(
        "null",
        "no network: answers after a delay, to measure the harness",
        DeviceArgument::None,
        NULL,
    ),
];

/// The row of `word`.
pub fn find(word: &str) -> Option<&'static Row> {
    BACKENDS.iter().find(|row| row.word == word)
}
