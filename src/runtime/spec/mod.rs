//! Backend SPECs: `cpu,threads=1,streams=2` as typed values.

mod backend;
mod parse;

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use self::parse::SpecError;
use super::{
    null::NullOptions,
    options::{Decoding, ProviderOptions},
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
    /// The backend's word, one of [`super::table::BACKENDS`].
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
    /// How large JPEGs are decoded.
    pub fn decoding(&self) -> Decoding {
        self.decode.unwrap_or_default()
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
