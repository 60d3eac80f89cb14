//! Options of execution providers: what follows the commas of a SPEC for CUDA, `TensorRT`, `OpenVINO` and Vitis AI.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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

impl ConvSearch {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exhaustive => "exhaustive",
            Self::Heuristic => "heuristic",
            Self::Default => "default",
        }
    }
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

/// How photos get to the networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataPath {
    /// For networks that run on the host's own cores: each stream decodes, resizes and normalises for itself, and
    /// hands floats over.
    #[default]
    Host,
    /// For networks that run on a device: all host cores decode and align for whoever is waiting, bytes go to the
    /// device and are normalised there, batches come in few fixed sizes.
    Device,
}

impl DataPath {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Device => "device",
        }
    }
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

impl Decoding {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Scaled => "scaled",
        }
    }
}

impl std::str::FromStr for Decoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        choose(text, &[("full", Self::Full), ("scaled", Self::Scaled)])
    }
}

/// What a SPEC says about its execution provider.
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
    /// Sets `option`, if it is one of these; the error says what it takes.
    pub fn set(&mut self, option: &str, value: &str) -> Option<Result<(), String>> {
        let switch = || choose(value, &[("on", true), ("off", false)]);
        Some(match option {
            "conv" => choose(
                value,
                &[
                    ("exhaustive", ConvSearch::Exhaustive),
                    ("heuristic", ConvSearch::Heuristic),
                    ("default", ConvSearch::Default),
                ],
            )
            .map(|conv| self.conv = conv),
            "graphs" => switch().map(|on| self.graphs = on),
            "memory" => bytes(value).map(|bytes| self.memory = Some(bytes)),
            "engines" => choose(value, &[("cached", Engines::Cached), ("fresh", Engines::Fresh)])
                .map(|engines| self.engines = engines),
            "provider" => {
                choose(value, &[("cuda", false), ("tensorrt", true)]).map(|tensorrt| self.tensorrt = tensorrt)
            }
            "path" => choose(value, &[("host", DataPath::Host), ("device", DataPath::Device)])
                .map(|path| self.path = Some(path)),
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

/// The choice that `value` names; the error lists them all.
pub(super) fn choose<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == value);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let (last, first) = names
            .split_last()
            .map_or(("", &[][..]), |(last, first)| (*last, first));
        format!("expected {} or {last}", first.join(", "))
    })
}

/// Sizes as people write them: `4GB`, `512MiB`, `1000000`; more than nothing, decimal unless the unit says otherwise.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("", 1.0),
        ("B", 1.0),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("KIB", 1024.0),
        ("MIB", 1_048_576.0),
        ("GIB", 1_073_741_824.0),
    ];
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    number
        .parse::<f64>()
        .ok()
        .zip(factor)
        .map(|(number, (_, factor))| number * factor)
        .filter(|bytes| (1.0..1e18).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| format!("\"{text}\" is no size; write it like 60MB or 60MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("4GB"), Ok(4_000_000_000));
        assert_eq!(bytes("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(bytes("60MB"), Ok(60_000_000));
        assert_eq!(bytes("512"), Ok(512));
        for wrong in ["", "GB", "-1GB", "0", "4TB", "NaN", "inf"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

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
