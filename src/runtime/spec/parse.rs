//! From the text of a SPEC to its values, with errors that name the nearest valid word.

use std::{path::PathBuf, str::FromStr};

use thiserror::Error;

use super::{BackendSpec, Precision, Reads};
use crate::{
    runtime::{
        descriptor::BackendDescriptor,
        options::{DataPath, Decoding},
        table::{BACKENDS, DETECTOR_PRECISION},
        values::{Choice, choose, count, nearest},
    },
    text,
};

/// Why a SPEC has no meaning. The program exits with 2.
#[derive(Debug, Error, PartialEq)]
pub enum SpecError {
    /// No such backend.
    #[error("unknown backend \"{word}\"{}; known: {}", nearest(word, BACKENDS.iter().map(|backend| backend.word)), words())]
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
    BACKENDS
        .iter()
        .map(|backend| backend.word)
        .collect::<Vec<_>>()
        .join(", ")
}

impl BackendSpec {
    /// Sets an option that the backend has; the error is what it takes.
    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match option {
            "threads" => self.threads = Some(count(value, 1024)?),
            "streams" => self.streams = Some(count(value, 1024)?),
            "batch" => self.batch = Some(count(value, 4096)?),
            "decoders" => self.decoders = Some(count(value, 1024)?),
            "precision" => self.precision = Precision::choose(value)?,
            DETECTOR_PRECISION => {
                let precisions = [("fp32", Precision::Fp32), ("int8", Precision::Int8)];
                let chosen = choose(value, &precisions).map_err(|_| "expected fp32 or int8")?;
                self.detector_precision = Some(chosen);
            }
            "reads" => self.reads = Reads::choose(value)?,
            "decode" => self.decode = Some(Decoding::choose(value)?),
            "canvas" => self.fit_canvas = choose(value, &[("full", false), ("fit", true)])?,
            "quota" => {
                let cores = value.parse().ok().filter(|cores| (0.01..=1024.0).contains(cores));
                self.quota = Some(cores.ok_or("expected host cores, such as 0.5")?);
            }
            "channels" => {
                self.swap_channels = choose(value, &[("right", false), ("swapped", true)])
                    .map_err(|_| "expected right, or swapped to see whether the agreement check notices")?;
            }
            "label" if value.is_empty() => return Err("expected a name".to_owned()),
            "label" if !text::is_visible(value) => {
                return Err("a label may not hold control characters or signs that are not seen".to_owned());
            }
            "label" => self.label = Some(value.to_owned()),
            "runtime" => self.runtime = Some(PathBuf::from(value)),
            _ => {
                return self
                    .provider
                    .set(option, value)
                    .or_else(|| self.null.set(option, value))
                    .unwrap_or_else(|| Err("no such option".to_owned()));
            }
        }
        Ok(())
    }

    /// Checks options together; the error is which needs what.
    fn check_together(&self) -> Result<(), String> {
        let on_host = self.data_path() == DataPath::Host;
        if self.detector_precision.is_some() && self.precision != Precision::Int8 {
            return Err(format!(
                "{DETECTOR_PRECISION} needs precision=int8: in any other precision both networks are of one"
            ));
        }
        if self.provider.graphs && on_host {
            return Err(
                "graphs=on needs path=device: graphs are captured before anything is measured, for batches of one size"
                    .to_owned(),
            );
        }
        if self.decoders.is_some() && on_host {
            return Err(
                "decoders=N needs path=device: on the host's path each stream decodes for itself".to_owned(),
            );
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
        let backend = BackendDescriptor::find(word).ok_or_else(|| SpecError::UnknownBackend {
            word: word.to_owned(),
        })?;
        let malformed = |what: String| SpecError::Malformed {
            backend: word.to_owned(),
            what,
        };
        backend.device.check(word, device).map_err(malformed)?;
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
            if !backend.takes(option) {
                return Err(SpecError::UnknownOption {
                    backend: word.to_owned(),
                    option: option.to_owned(),
                    known: backend.options,
                });
            }
            if seen.contains(&option) {
                return Err(malformed(format!("{option} is given twice")));
            }
            seen.push(option);
            spec.set(option, value).map_err(|expected| SpecError::BadValue {
                backend: word.to_owned(),
                option: option.to_owned(),
                value: value.to_owned(),
                expected,
            })?;
        }
        spec.check_together().map_err(malformed)?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn an_unknown_word_names_the_nearest_known_one() {
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

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(cpu|null|cuda|mig|[a-z]{0,5})[:,=a-z0-9.]{0,24}") {
            let _ = text.parse::<BackendSpec>();
        }
    }
}
