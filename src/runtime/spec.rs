//! Backend SPECs: `cpu,threads=1,streams=2` as typed values, with errors that name the nearest valid word.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    null::{NullOptions, Stall},
    options::{DataPath, Decoding, ProviderOptions, choose},
    table::{BACKENDS, DETECTOR_PRECISION, DeviceArgument, Row, find},
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

const PRECISIONS: [(&str, Precision); 4] = [
    ("fp32", Precision::Fp32),
    ("tf32", Precision::Tf32),
    ("fp16", Precision::Fp16),
    ("int8", Precision::Int8),
];

impl Precision {
    /// The precision of that word.
    pub fn named(word: &str) -> Option<Self> {
        PRECISIONS.iter().find(|(name, _)| *name == word).map(|(_, p)| *p)
    }

    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        PRECISIONS
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("fp32", |(name, _)| name)
    }
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

const READS: [(&str, Reads); 3] = [
    ("preloaded", Reads::Preloaded),
    ("cached", Reads::Cached),
    ("cold", Reads::Cold),
];

impl Reads {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        READS
            .iter()
            .find(|(_, r)| *r == self)
            .map_or("preloaded", |(name, _)| name)
    }
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
    /// What they are inside the detector, where that was said.
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
    /// What the execution provider is told.
    pub provider: ProviderOptions,
    /// What `null` does.
    pub null: NullOptions,
}

/// Why a SPEC has no meaning. The program exits with 2.
#[derive(Debug, Error, PartialEq)]
pub enum SpecError {
    /// No such backend.
    #[error("unknown backend \"{word}\"{}; known: {}", nearest(word, BACKENDS.iter().map(|r| r.word)), words())]
    UnknownBackend {
        /// What was given.
        word: String,
    },
    /// No such option of this backend.
    #[error("{backend}: unknown option \"{option}\"{}; known: {}", nearest(option, known.iter().copied()), known.join(", "))]
    UnknownOption {
        /// The backend's word.
        backend: String,
        /// What was given.
        option: String,
        /// What the backend accepts.
        known: &'static [&'static str],
    },
    /// An option without a value, or twice.
    #[error("{backend}: {what}")]
    Malformed {
        /// The backend's word.
        backend: String,
        /// What is wrong, with the form that is right.
        what: String,
    },
    /// A value that the option cannot take.
    #[error("{backend}: {option}={value}: {expected}")]
    BadValue {
        /// The backend's word.
        backend: String,
        /// The option.
        option: String,
        /// What was given.
        value: String,
        /// What the option takes.
        expected: String,
    },
}

fn words() -> String {
    BACKENDS.iter().map(|row| row.word).collect::<Vec<_>>().join(", ")
}

/// `, did you mean "x"?` where a known word is near enough to be a slip of the fingers.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 2.max(word.len() / 3) && *distance < word.len())
        .map_or(String::new(), |(_, word)| format!(" (did you mean \"{word}\"?)"))
}

/// Durations as people write them: `10ms`, `1.5s`, `2m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("\"{text}\" is no duration; write it like 10ms, 1.5s or 2m");
    let duration = text.parse::<jiff::SignedDuration>().map_err(|_| expected())?;
    Duration::try_from(duration).map_err(|_| expected())
}

/// Shares as people write them: `3%` or `0.03`, from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |percent| (percent, 100.0));
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number / unit)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("\"{text}\" is no share; write it like 5% or 0.05"))
}

/// `LENGTH/EVERY`, both durations.
fn stall(text: &str) -> Result<Stall, String> {
    let form = "expected such as 200ms/2s";
    let (length, every) = text.split_once('/').ok_or(form)?;
    let stall = Stall {
        length: parse_duration(length)?,
        every: parse_duration(every)?,
    };
    if stall.every.is_zero() {
        return Err(form.to_owned());
    }
    Ok(stall)
}

impl BackendSpec {
    /// The backend's row in the table.
    pub fn row(&self) -> &'static Row {
        find(&self.word).unwrap_or(&BACKENDS[0])
    }

    /// Whether its backend has this option.
    pub fn takes(&self, option: &str) -> bool {
        self.row().options.contains(&option)
    }

    /// Whether this is the backend without networks.
    pub fn is_null(&self) -> bool {
        self.word == "null"
    }

    /// The program that runs it in facebench's place; `None` where facebench's own worker does.
    pub fn peer(&self) -> Option<&Path> {
        self.device
            .as_deref()
            .filter(|_| self.word == "peer")
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
        let index = device.and_then(|device| device.parse().ok()).unwrap_or(0);
        match word {
            "cuda" | "tensorrt" => Some(GpuWanted::Any(index)),
            "vgpu" => Some(GpuWanted::Vgpu(index)),
            "mig" => Some(GpuWanted::Mig(device.unwrap_or_default().to_owned())),
            _ => None,
        }
    }

    /// Whether it runs the `TensorRT` provider.
    pub fn is_tensorrt(&self) -> bool {
        self.word == "tensorrt" || self.provider.tensorrt
    }

    /// How photos get to its networks.
    pub fn data_path(&self) -> DataPath {
        let usual = if self.row().is_accelerator() {
            DataPath::Device
        } else {
            DataPath::Host
        };
        self.provider.path.unwrap_or(usual)
    }

    /// How large JPEGs are decoded.
    pub fn decoding(&self) -> Decoding {
        self.decode.unwrap_or_default()
    }

    /// Whether its answers can be those that others are held against: fp32 on the CPU, from photos as they are.
    pub fn is_reference(&self) -> bool {
        self.word == "cpu"
            && self.precision == Precision::Fp32
            && self.decoding() == Decoding::Full
            && !self.fit_canvas
    }

    /// Whether its two networks may differ in precision: `int8` then means the recognizer, and the detector only where
    /// that is said.
    pub fn tells_precisions_apart(&self) -> bool {
        self.precision == Precision::Int8 && self.row().options.contains(&DETECTOR_PRECISION)
    }

    /// What the numbers inside the detector are; those inside the recognizer are of [`BackendSpec::precision`].
    pub fn detector_precision(&self) -> Precision {
        if self.tells_precisions_apart() {
            self.detector_precision.unwrap_or_default()
        } else {
            self.precision
        }
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

    fn set(&mut self, option: &str, value: &str) -> Result<(), SpecError> {
        let bad = |expected: &str| SpecError::BadValue {
            backend: self.word.clone(),
            option: option.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let count = |most: usize| {
            value
                .parse()
                .ok()
                .filter(|n| (1..=most).contains(n))
                .ok_or_else(|| bad(&format!("expected a whole number from 1 to {most}")))
        };
        match option {
            "threads" => self.threads = Some(count(1024)?),
            "streams" => self.streams = Some(count(1024)?),
            "batch" => self.batch = Some(count(4096)?),
            "decoders" => self.decoders = Some(count(1024)?),
            "precision" => {
                let found = PRECISIONS.iter().find(|(name, _)| *name == value);
                let near = nearest(value, PRECISIONS.iter().map(|(name, _)| *name));
                self.precision = found
                    .ok_or_else(|| bad(&format!("expected fp32, tf32, fp16 or int8{near}")))?
                    .1;
            }
            DETECTOR_PRECISION => {
                let found = Precision::named(value)
                    .filter(|precision| [Precision::Fp32, Precision::Int8].contains(precision));
                self.detector_precision = Some(found.ok_or_else(|| bad("expected fp32 or int8"))?);
            }
            "reads" => {
                let found = READS.iter().find(|(name, _)| *name == value);
                let near = nearest(value, READS.iter().map(|(name, _)| *name));
                self.reads = found
                    .ok_or_else(|| bad(&format!("expected preloaded, cached or cold{near}")))?
                    .1;
            }
            "decode" => self.decode = Some(value.parse().map_err(|expected: String| bad(&expected))?),
            "canvas" => {
                let fits = choose(value, &[("full", false), ("fit", true)]);
                self.fit_canvas = fits.map_err(|expected| bad(&expected))?;
            }
            "quota" => {
                let cores = value.parse().ok().filter(|cores| (0.01..=1024.0).contains(cores));
                self.quota = Some(cores.ok_or_else(|| bad("expected host cores, such as 0.5"))?);
            }
            "channels" => {
                let swapped = choose(value, &[("right", false), ("swapped", true)]);
                self.swap_channels = swapped.map_err(|_| {
                    bad("expected right, or swapped to see whether the agreement check notices")
                })?;
            }
            "label" if value.is_empty() => return Err(bad("expected a name")),
            "label" => self.label = Some(value.to_owned()),
            "runtime" => self.runtime = Some(PathBuf::from(value)),
            "delay" => self.null.delay = parse_duration(value).map_err(|e| bad(&e))?,
            "faces" => {
                let faces = value.parse().ok().filter(|faces| *faces <= 10_000);
                self.null.faces = faces.ok_or_else(|| bad("expected a whole number from 0 to 10000"))?;
            }
            "jitter" => self.null.jitter = share(value).map_err(|e| bad(&e))?,
            "drift" => self.null.drift = share(value).map_err(|e| bad(&e))?,
            "slow-start" => self.null.slow_start = parse_duration(value).map_err(|e| bad(&e))?,
            "wrong" => self.null.wrong = share(value).map_err(|e| bad(&e))?,
            "placement" => self.null.placement = Some(share(value).map_err(|e| bad(&e))?),
            "on" => {
                let on: Self = value.parse().map_err(|_| bad("expected such as vgpu:0"))?;
                if on.gpu().is_none() || value.contains(',') {
                    return Err(bad("expected a GPU: cuda:0, vgpu:0 or mig:UUID"));
                }
                self.null.on = Some(value.to_owned());
            }
            "stall" => {
                let stall = stall(value).map_err(|e| bad(&e))?;
                self.null.stall = Some(stall);
            }
            "crash" => self.null.crash = Some(count(1_000_000)?),
            "hang" => self.null.hang = Some(count(1_000_000)?),
            _ => {
                if let Some(set) = self.provider.set(option, value) {
                    return set.map_err(|expected| bad(&expected));
                }
                return Err(SpecError::UnknownOption {
                    backend: self.word.clone(),
                    option: option.to_owned(),
                    known: self.row().options,
                });
            }
        }
        Ok(())
    }
}

impl FromStr for BackendSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let (word, device) = head
            .split_once(':')
            .map_or((head, None), |(word, device)| (word, Some(device)));
        let row = find(word).ok_or_else(|| SpecError::UnknownBackend {
            word: word.to_owned(),
        })?;
        let malformed = |what: String| SpecError::Malformed {
            backend: word.to_owned(),
            what,
        };
        match (row.device, device) {
            (DeviceArgument::None, Some(device)) => {
                return Err(malformed(format!("takes no device, but \":{device}\" was given")));
            }
            (DeviceArgument::Index, Some(device)) if device.parse::<u32>().is_err() => {
                return Err(malformed(format!(
                    "expected a device number, such as {word}:0, not \"{device}\""
                )));
            }
            (DeviceArgument::RequiredName, None) => {
                return Err(malformed(format!("expected a device, such as {word}:UUID")));
            }
            (DeviceArgument::Program, None) => {
                return Err(malformed(format!("expected a program, such as {word}:./bridge")));
            }
            (_, Some("")) => return Err(malformed("nothing follows the colon".to_owned())),
            _ => {}
        }
        let mut spec = Self {
            requested: text.to_owned(),
            device: device.map(str::to_owned),
            ..Self::bare(word)
        };
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let (option, value) = part
                .split_once('=')
                .ok_or_else(|| malformed(format!("expected option=value after the comma, not \"{part}\"")))?;
            if !spec.takes(option) {
                return Err(SpecError::UnknownOption {
                    backend: word.to_owned(),
                    option: option.to_owned(),
                    known: row.options,
                });
            }
            if seen.contains(&option) {
                return Err(malformed(format!("{option} is given twice")));
            }
            seen.push(option);
            spec.set(option, value)?;
        }
        if spec.detector_precision.is_some() && spec.precision != Precision::Int8 {
            return Err(malformed(format!(
                "{DETECTOR_PRECISION} needs precision=int8: in any other precision both networks are of one"
            )));
        }
        if spec.provider.graphs && spec.data_path() == DataPath::Host {
            return Err(malformed(
                "graphs=on needs path=device: graphs are captured before anything is measured, for batches of one size"
                    .to_owned(),
            ));
        }
        if spec.decoders.is_some() && spec.data_path() == DataPath::Host {
            return Err(malformed(
                "decoders=N needs path=device: on the host's path each stream decodes for itself".to_owned(),
            ));
        }
        Ok(spec)
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
    fn options_become_types() {
        let spec: BackendSpec = "cpu,threads=2,streams=3,batch=8,precision=int8,label=mine"
            .parse()
            .unwrap();
        assert_eq!(
            (spec.threads, spec.streams, spec.batch),
            (Some(2), Some(3), Some(8))
        );
        assert_eq!(
            (spec.precision, spec.to_string().as_str()),
            (Precision::Int8, "mine")
        );
        let spec: BackendSpec = "cuda:1".parse().unwrap();
        assert_eq!((spec.word.as_str(), spec.device.as_deref()), ("cuda", Some("1")));
        let spec: BackendSpec = "null,delay=2.5ms,faces=3,crash=2".parse().unwrap();
        assert_eq!(spec.null.delay, Duration::from_micros(2500));
        assert_eq!((spec.null.faces, spec.null.crash), (3, Some(2)));
        let spec: BackendSpec = "null,stall=200ms/2s,jitter=3%,wrong=0.5".parse().unwrap();
        assert_eq!(spec.null.stall.unwrap().every, Duration::from_secs(2));
        assert!((spec.null.jitter - 0.03).abs() < 1e-12 && (spec.null.wrong - 0.5).abs() < 1e-12);
        let spec: BackendSpec = "cpu,path=device,decoders=2".parse().unwrap();
        assert_eq!(spec.decoders, Some(2));
        assert_eq!(
            "cpu,reads=cold".parse::<BackendSpec>().unwrap().reads,
            Reads::Cold
        );
    }

    #[test]
    fn wrong_words_name_the_nearest_right_one() {
        let message = |text: &str| text.parse::<BackendSpec>().unwrap_err().to_string();
        insta::assert_snapshot!(message("cpuu"), @r#"unknown backend "cpuu" (did you mean "cpu"?); known: cpu, openvino, cuda, tensorrt, vgpu, mig, vitis, opencv, tract, peer, null"#);
        insta::assert_snapshot!(message("cpu,thread=2"), @r#"cpu: unknown option "thread" (did you mean "threads"?); known: threads, streams, batch, precision, reads, decode, quota, label, channels, runtime, path, decoders, canvas, detector-precision"#);
        insta::assert_snapshot!(message("cpu,threads=0"), @"cpu: threads=0: expected a whole number from 1 to 1024");
        insta::assert_snapshot!(message("cpu,threads"), @r#"cpu: expected option=value after the comma, not "threads""#);
        insta::assert_snapshot!(message("cpu,threads=1,threads=2"), @"cpu: threads is given twice");
        insta::assert_snapshot!(message("cpu,precision=int9"), @r#"cpu: precision=int9: expected fp32, tf32, fp16 or int8 (did you mean "int8"?)"#);
        insta::assert_snapshot!(message("cpu,decoders=2"), @"cpu: decoders=N needs path=device: on the host's path each stream decodes for itself");
        insta::assert_snapshot!(message("cpu,precision=int8,detector-precision=fp16"), @"cpu: detector-precision=fp16: expected fp32 or int8");
        insta::assert_snapshot!(message("cpu,detector-precision=int8"), @"cpu: detector-precision needs precision=int8: in any other precision both networks are of one");
        insta::assert_snapshot!(message("cpu:1"), @r#"cpu: takes no device, but ":1" was given"#);
        insta::assert_snapshot!(message("cuda:x"), @r#"cuda: expected a device number, such as cuda:0, not "x""#);
        insta::assert_snapshot!(message("mig"), @"mig: expected a device, such as mig:UUID");
        insta::assert_snapshot!(message("peer"), @"peer: expected a program, such as peer:./bridge");
        insta::assert_snapshot!(message("null,delay=soon"), @r#"null: delay=soon: "soon" is no duration; write it like 10ms, 1.5s or 2m"#);
        insta::assert_snapshot!(message("zebra"), @r#"unknown backend "zebra"; known: cpu, openvino, cuda, tensorrt, vgpu, mig, vitis, opencv, tract, peer, null"#);
    }

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

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(cpu|null|cuda|mig|[a-z]{0,5})[:,=a-z0-9.]{0,24}") {
            let _ = text.parse::<BackendSpec>();
        }
    }
}
