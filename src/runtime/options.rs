//! Options of execution providers: what follows the commas of a SPEC for CUDA, `TensorRT`, `OpenVINO` and Vitis AI.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use super::values::Choice;
use super::values::{choose, parse_size};

/// How cuDNN chooses the algorithm of each convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConvSearch {
    /// cuDNN's better heuristic (mode B), which takes several times as long to plan.
    Exhaustive,
    /// cuDNN's quick heuristic (mode A).
    #[default]
    Heuristic,
    /// cuDNN's fallback, which may be very slow.
    Default,
}

impl Choice for ConvSearch {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("exhaustive", Self::Exhaustive),
        ("heuristic", Self::Heuristic),
        ("default", Self::Default),
    ];
}

/// Where `TensorRT` has its engines from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engines {
    /// From the cache, where one fits; else they are built and kept there.
    #[default]
    Cached,
    /// They are built for this very process.
    Fresh,
}

impl Choice for Engines {
    const WORDS: &'static [(&'static str, Self)] = &[("cached", Self::Cached), ("fresh", Self::Fresh)];
}

/// How photos get to the networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataPath {
    /// For networks that run on the CPU cores: each stream decodes, resizes and normalises for itself, and
    /// hands floats over.
    #[default]
    Host,
    /// For networks that run on a device: all host cores decode and align for any stream that waits, bytes go to the
    /// device and are normalised there, batches come in few fixed sizes.
    Device,
}

impl Choice for DataPath {
    const WORDS: &'static [(&'static str, Self)] = &[("host", Self::Host), ("device", Self::Device)];
}

/// How large JPEGs are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// As large as they are.
    #[default]
    Full,
    /// So small that neither the detector's input nor a face loses resolution.
    Scaled,
}

impl Choice for Decoding {
    const WORDS: &'static [(&'static str, Self)] = &[("full", Self::Full), ("scaled", Self::Scaled)];
}

impl std::str::FromStr for Decoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::choose(text)
    }
}

/// Options of execution providers in a SPEC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProviderOptions {
    /// How cuDNN chooses algorithms.
    pub conv: ConvSearch,
    /// Whether CUDA graphs are captured for each shape and replayed.
    pub graphs: bool,
    /// Bytes of device memory that the runtime's arena (`TensorRT`: its workspace) may take.
    pub memory: Option<u64>,
    /// Whether `TensorRT`'s engines may come from the cache.
    pub engines: Engines,
    /// Whether a vGPU or MIG instance runs `TensorRT` instead of CUDA.
    pub tensorrt: bool,
    /// How photos get to the networks; `None` for what suits the backend.
    pub path: Option<DataPath>,
    /// A planted fault: a provider that cannot be had is left out without a word, and the CPU does its work.
    pub silent: bool,
    /// A configuration file of the provider's own.
    pub config: Option<PathBuf>,
}

impl ProviderOptions {
    /// Sets `option`, if it is one of these; the error is what it takes.
    pub fn set(&mut self, option: &str, value: &str) -> Option<Result<(), String>> {
        Some(match option {
            "conv" => ConvSearch::choose(value).map(|conv| self.conv = conv),
            "graphs" => choose(value, &[("on", true), ("off", false)]).map(|on| self.graphs = on),
            "memory" => parse_size(value).map(|bytes| self.memory = Some(bytes)),
            "engines" => Engines::choose(value).map(|engines| self.engines = engines),
            "provider" => {
                choose(value, &[("cuda", false), ("tensorrt", true)]).map(|tensorrt| self.tensorrt = tensorrt)
            }
            "path" => DataPath::choose(value).map(|path| self.path = Some(path)),
            "fallback" => choose(value, &[("error", false), ("silent", true)])
                .map(|silent| self.silent = silent)
                .map_err(|expected| format!("{expected} (to see whether the placement check notices)")),
            "config" => {
                self.config = Some(PathBuf::from(value));
                Ok(())
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_takes_its_own_words() {
        let mut options = ProviderOptions::default();
        for (option, value) in [
            ("conv", "heuristic"),
            ("graphs", "on"),
            ("memory", "2GB"),
            ("path", "device"),
        ] {
            assert_eq!(options.set(option, value), Some(Ok(())), "{option}");
        }
        assert!(options.graphs && options.conv == ConvSearch::Heuristic);
        assert_eq!(
            (options.memory, options.path),
            (Some(2_000_000_000), Some(DataPath::Device))
        );
        assert_eq!(
            options.set("graphs", "maybe"),
            Some(Err("expected on or off".to_owned()))
        );
        assert_eq!(options.set("delay", "1ms"), None);
    }
}
