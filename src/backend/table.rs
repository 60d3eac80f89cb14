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
}

impl Row {
    /// Whether it runs on a device of its own, and not in another way on the processor.
    pub fn is_accelerator(&self) -> bool {
        ["cuda", "tensorrt", "vgpu", "mig", "vitis"].contains(&self.word)
    }
}

const NETWORK: &[&str] = &[
    "threads",
    "streams",
    "batch",
    "precision",
    "reads",
    "label",
    "runtime",
    "channels",
];
const NULL: &[&str] = &[
    "delay",
    "faces",
    "streams",
    "batch",
    "label",
    "jitter",
    "drift",
    "stall",
    "crash",
    "hang",
    "wrong",
    "placement",
];

const fn row(word: &'static str, summary: &'static str, device: DeviceArgument, built: bool) -> Row {
    Row {
        word,
        summary,
        device,
        options: NETWORK,
        built,
    }
}

/// The backends, in the order in which lists show them.
pub const BACKENDS: &[Row] = &[
    row("cpu", "ONNX Runtime, CPU provider", DeviceArgument::None, true),
    row(
        "openvino",
        "ONNX Runtime, OpenVINO provider",
        DeviceArgument::Name,
        false,
    ),
    row(
        "cuda",
        "ONNX Runtime, CUDA provider",
        DeviceArgument::Index,
        false,
    ),
    row(
        "tensorrt",
        "ONNX Runtime, TensorRT provider",
        DeviceArgument::Index,
        false,
    ),
    row(
        "vgpu",
        "CUDA on a device that NVML calls a vGPU",
        DeviceArgument::Index,
        false,
    ),
    row(
        "mig",
        "CUDA on one MIG instance",
        DeviceArgument::RequiredName,
        false,
    ),
    row(
        "vitis",
        "ONNX Runtime, Vitis AI provider (FPGA)",
        DeviceArgument::None,
        false,
    ),
    row("opencv", "OpenCV's DNN module", DeviceArgument::None, false),
    row("tract", "tract, pure Rust", DeviceArgument::None, false),
    Row {
        word: "null",
        summary: "no network: answers after a delay, to measure the harness",
        device: DeviceArgument::None,
        options: NULL,
        built: true,
    },
];

/// The row of `word`.
pub fn find(word: &str) -> Option<&'static Row> {
    BACKENDS.iter().find(|row| row.word == word)
}
