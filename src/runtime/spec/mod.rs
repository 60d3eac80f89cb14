//! Backend SPECs: `cpu,threads=1,streams=2` as typed values, and what follows from them.

mod parse;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::parse::SpecError;
use super::{
    descriptor::{BackendDescriptor, Engine},
    null::NullOptions,
    onnxruntime::{ExecutionProvider, providers::TensorRt},
    options::{DataPath, Decoding, ProviderOptions},
    table::{BACKENDS, DETECTOR_PRECISION, REFERENCE},
    values::Choice,
};

/// What the numbers inside a network are; it decides which agreement limits apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 32-bit floats multiplied with 10-bit mantissas (NVIDIA's tensor cores).
    Tf32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers.
    Int8,
}

impl Choice for Precision {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fp32", Self::Fp32),
        ("tf32", Self::Tf32),
        ("fp16", Self::Fp16),
        ("int8", Self::Int8),
    ];
}

/// Where an arm's encoded photos come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Memory, as far as the study's budget goes.
    #[default]
    Preloaded,
    /// Files that the operating system may hold in memory.
    Cached,
    /// Files that are put out of memory after every read.
    Cold,
}

impl Choice for Reads {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("preloaded", Self::Preloaded),
        ("cached", Self::Cached),
        ("cold", Self::Cold),
    ];
}

/// The GPU that an arm asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuWanted {
    /// Whatever device has this number.
    Any(usize),
    /// The device of this number, which must be a vGPU.
    Vgpu(usize),
    /// The MIG instance of this name.
    Mig(String),
}

/// One arm as asked for: a backend, a device and options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendSpec {
    /// The text as the user gave it.
    pub requested: String,
    /// The backend's word, one of [`BACKENDS`].
    pub word: String,
    /// What followed the word after a colon.
    pub device: Option<String>,
    /// Threads a stream may use.
    pub threads: Option<usize>,
    /// Photos in work at the same time.
    pub streams: Option<usize>,
    /// Photos a detector run and faces a recognizer run may take, where the network allows it; `None` for what suits
    /// the backend.
    pub batch: Option<usize>,
    /// Threads that decode, resize and align beside a device; `None` for one a host core.
    pub decoders: Option<usize>,
    /// What the numbers inside the networks are.
    pub precision: Precision,
    /// What they are inside the detector, if it was given.
    pub detector_precision: Option<Precision>,
    /// Where the encoded photos come from.
    pub reads: Reads,
    /// How large JPEGs are decoded; `None` for as large as they are.
    #[serde(default)]
    pub decode: Option<Decoding>,
    /// Whether the detector sees no more of its canvas than the photo needs.
    #[serde(default)]
    pub fit_canvas: bool,
    /// Host cores whose time its worker gets at most, through a control group; `None` for no limit of its own.
    #[serde(default)]
    pub quota: Option<f64>,
    /// A planted fault: the networks see red and blue exchanged.
    pub swap_channels: bool,
    /// A name for tables instead of the requested text.
    pub label: Option<String>,
    /// A runtime library instead of the pinned one.
    pub runtime: Option<PathBuf>,
    /// Options of the execution provider.
    pub provider: ProviderOptions,
    /// What `null` does.
    pub null: NullOptions,
}

impl BackendSpec {
    /// The backend: its row in the table.
    pub fn backend(&self) -> &'static BackendDescriptor {
        BackendDescriptor::find(&self.word).unwrap_or(&BACKENDS[0])
    }

    /// Whether this is the backend without networks.
    pub fn is_null(&self) -> bool {
        matches!(self.backend().engine, Engine::Null)
    }

    /// The program that runs it in facebench's place; `None` where facebench's own worker does.
    pub fn peer(&self) -> Option<&Path> {
        self.device
            .as_deref()
            .filter(|_| matches!(self.backend().engine, Engine::Peer))
            .map(Path::new)
    }

    /// The GPU that it asks for; `None` where it runs on no GPU of NVIDIA's.
    pub fn gpu(&self) -> Option<GpuWanted> {
        let (word, device) = match &self.null.on {
            Some(on) => on
                .split_once(':')
                .map_or((&on[..], None), |(word, device)| (word, Some(device))),
            None => (&self.word[..], self.device.as_deref()),
        };
        BackendDescriptor::find(word)?.device.gpu(device)
    }

    /// The execution provider of ONNX Runtime that it runs; `None` where it runs on something else.
    pub fn execution_provider(&self) -> Option<&'static dyn ExecutionProvider> {
        let usual = self.backend().provider()?;
        Some(if self.provider.tensorrt { &TensorRt } else { usual })
    }

    /// Whether its runtime compiles the networks to engines of its own, of any precision.
    pub fn compiles(&self) -> bool {
        self.execution_provider().is_some_and(ExecutionProvider::compiles)
    }

    /// How photos get to its networks.
    pub fn data_path(&self) -> DataPath {
        self.provider.path.unwrap_or(self.backend().data_path)
    }

    /// How large JPEGs are decoded.
    pub fn decoding(&self) -> Decoding {
        self.decode.unwrap_or_default()
    }

    /// Whether its answers can be those that others are compared with: fp32 on the CPU, from photos as they are.
    pub fn is_reference(&self) -> bool {
        self.backend().is_reference()
            && self.precision == Precision::Fp32
            && self.decoding() == Decoding::Full
            && !self.fit_canvas
    }

    /// Whether its two networks may differ in precision: `int8` then means the recognizer, and the detector only where
    /// that is asked for.
    pub fn has_own_detector_precision(&self) -> bool {
        self.precision == Precision::Int8 && self.backend().takes(DETECTOR_PRECISION)
    }

    /// What the numbers inside the detector are; those inside the recognizer are of [`BackendSpec::precision`].
    pub fn detector_precision(&self) -> Precision {
        if self.has_own_detector_precision() {
            self.detector_precision.unwrap_or_default()
        } else {
            self.precision
        }
    }

    /// A bare SPEC of the backend whose answers others are compared with.
    pub fn reference() -> Self {
        Self::bare(REFERENCE)
    }

    /// A bare SPEC of `word`, for backends that facebench itself starts.
    pub fn bare(word: &str) -> Self {
        Self {
            requested: word.to_owned(),
            word: word.to_owned(),
            device: None,
            threads: None,
            streams: None,
            batch: None,
            decoders: None,
            precision: Precision::Fp32,
            detector_precision: None,
            reads: Reads::Preloaded,
            decode: None,
            fit_canvas: false,
            quota: None,
            swap_channels: false,
            label: None,
            runtime: None,
            provider: ProviderOptions::default(),
            null: NullOptions::default(),
        }
    }
}

impl fmt::Display for BackendSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label.as_deref().unwrap_or(&self.requested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int8_is_the_recognizer_unless_the_detector_is_named() {
        let detector = |text: &str| text.parse::<BackendSpec>().unwrap().detector_precision();
        assert_eq!(detector("cpu,precision=int8"), Precision::Fp32);
        assert_eq!(
            detector("cpu,precision=int8,detector-precision=fp32"),
            Precision::Fp32
        );
        assert_eq!(
            detector("openvino,detector-precision=int8,precision=int8"),
            Precision::Int8
        );
        assert_eq!(detector("cpu,precision=fp16"), Precision::Fp16);
        assert_eq!(
            detector("tensorrt,precision=int8"),
            Precision::Int8,
            "it makes both itself"
        );
    }
}
