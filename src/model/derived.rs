//! Networks that facebench made of others, in another precision: `<home>/models/derived/<sha256>-fp16.onnx` and
//! `-int8.onnx`, named by the hash of the network that they came from, with a record beside each that proves it whole.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{network::Network, settings::Role};
use crate::{files, text::ShownPath};

/// What a network can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Weights and arithmetic in 16-bit floats; inputs and outputs stay 32-bit.
    Fp16,
    /// 8-bit integers where they pay, with ranges measured on photos; inputs and outputs stay 32-bit floats.
    Int8,
}

impl Target {
    /// Every target.
    pub const ALL: &[Self] = &[Self::Fp16, Self::Int8];

    /// Its name on the command line, in file names and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }

    /// The target of that name; `None` for precisions that need no other network, such as `fp32`.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| target.name() == word)
    }
}

/// Where a derived network came from, as it lies beside it in a `.json` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What the source was called.
    pub source_name: String,
    /// Hash of the source, 64 hex digits.
    pub source_sha256: String,
    /// What it was converted to.
    pub target: Target,
    /// Hash of the derived network itself.
    pub sha256: String,
    /// What its ranges were measured on; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Who converted it.
    pub converter: Converter,
}

/// What decides the ranges of a network of 8-bit integers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Hash of the photos.
    pub photos_sha256: String,
    /// Hash of the detector that found the faces, of a recognizer; `None` of a detector itself.
    pub detector_sha256: Option<String>,
}

/// The script that converted a network, and all that decides its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converter {
    /// Hash of the script and its pinned requirements.
    pub sha256: String,
    /// Version of Python.
    pub python: String,
    /// Versions of the libraries.
    pub libraries: BTreeMap<String, String>,
    /// Kinds of operators that were left in 32-bit floats.
    pub kept_fp32: Vec<String>,
}

/// Why a derived network cannot be used.
#[derive(Debug, Error)]
pub enum DerivedError {
    /// It has not been made.
    #[error("{network} is not on this machine in {}\nmake it: {command}", target.name())]
    Missing {
        /// The source's name.
        network: String,
        /// What was asked for.
        target: Target,
        /// What makes it.
        command: String,
    },
    /// It is not what was made.
    #[error("{}: {reason}; make it again: {command}", path.shown())]
    Damaged {
        /// The derived network.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What makes it, with NAME for the source.
        command: String,
    },
    /// This machine's own files.
    #[error("cannot {doing} {}: {cause}; see that the folder can be written and the disk is not full", path.shown())]
    Io {
        /// A verb.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// The system's message.
        cause: io::Error,
    },
}

/// The file of what was made of the network with hash `sha256`, its own hash checked; `None` where nothing was.
pub fn find(home: &Path, sha256: &str, target: Target) -> Result<Option<PathBuf>, DerivedError> {
    let path = path(home, sha256, target);
    let Some(origin) = origin(home, sha256, target)? else {
        return Ok(None);
    };
    let reason = match files::sha256(&path) {
        Ok(found) if found == origin.sha256 => return Ok(Some(path)),
        Ok(found) => format!("its SHA-256 is {found} where {} belongs", origin.sha256),
        Err(error) => error.to_string(),
    };
    Err(damaged(path, reason, target))
}

/// The record beside what was made of the network with hash `sha256`; `None` where nothing was.
pub fn origin(home: &Path, sha256: &str, target: Target) -> Result<Option<Origin>, DerivedError> {
    let path = path(home, sha256, target);
    let record = path.with_extension("json");
    let bytes = match fs::read(&record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|cause| DerivedError::Io {
            doing: "read",
            path: record.clone(),
            cause,
        })?,
    };
    let origin: Origin =
        serde_json::from_slice(&bytes).map_err(|error| damaged(record.clone(), error.to_string(), target))?;
    if origin.source_sha256 == sha256 && origin.target == target {
        Ok(Some(origin))
    } else {
        Err(damaged(record, "it describes another network".into(), target))
    }
}

/// [`DerivedError::Missing`] for `network`, with the command that makes it. A recognizer of 8-bit integers is calibrated
/// on the faces that `detector` finds.
pub fn missing(home: &Path, network: &Network, target: Target, detector: &Network) -> DerivedError {
    let mut command = command(&word(home, network), target);
    if target == Target::Int8 && network.role == Role::Recognizer {
        let _ = write!(command, " --detector {}", word(home, detector));
    }
    if target == Target::Int8 {
        command.push_str(" (DIR: photos like those to be measured)");
    }
    DerivedError::Missing {
        network: network.name.clone(),
        target,
        command,
    }
}

/// What names `network` on the command line.
fn word(home: &Path, network: &Network) -> String {
    // The catalog's name leads to the file only where the file lies in the catalog's place.
    let by_name = network.settings.is_some() && network.path.starts_with(home.join("models"));
    match network.family {
        _ if by_name => network.name.clone(),
        Some(family) => format!("{family}:{}", network.path.shown()),
        None => network.path.shown().to_string(),
    }
}

/// Where the network made of the one with hash `sha256` lies.
pub fn path(home: &Path, sha256: &str, target: Target) -> PathBuf {
    folder(home).join(format!("{sha256}-{}.onnx", target.name()))
}

/// The folder of all derived networks.
pub fn folder(home: &Path) -> PathBuf {
    home.join("models/derived")
}

/// Keeps `made`, a [draft](files::draft) in [`folder`], and its record: the record last, so that where it stands, the
/// network does.
pub fn keep(home: &Path, made: tempfile::TempPath, origin: &Origin) -> Result<PathBuf, DerivedError> {
    let path = path(home, &origin.source_sha256, origin.target);
    let record = path.with_extension("json");
    let io = |doing, path: &Path| {
        let path = path.to_owned();
        move |cause| DerivedError::Io { doing, path, cause }
    };
    // Or an older record would for a moment stand beside the new file.
    match fs::remove_file(&record) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io("replace", &record)(error));
        }
        _ => {}
    }
    files::put_in_place(made, &path).map_err(io("write", &path))?;
    let text = serde_json::to_vec_pretty(origin).map_err(io::Error::from);
    text.and_then(|text| files::write_atomic(&record, &text))
        .map_err(io("write", &record))?;
    Ok(path)
}

fn command(name: &str, target: Target) -> String {
    let how = match target {
        Target::Fp16 => "--to fp16",
        Target::Int8 => "--calibrate DIR",
    };
    format!("facebench models quantize {name} {how}")
}

fn damaged(path: PathBuf, reason: String, target: Target) -> DerivedError {
    DerivedError::Damaged {
        path,
        reason,
        command: command("NAME", target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "cafe";

    fn made(home: &Path, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(folder(home)).unwrap();
        let file = files::draft(&folder(home), ".onnx").unwrap();
        fs::write(file.path(), bytes).unwrap();
        let origin = Origin {
            source_name: "net".into(),
            source_sha256: SOURCE.into(),
            target: Target::Fp16,
            calibration: None,
            sha256: files::sha256(file.path()).unwrap(),
            converter: Converter {
                sha256: String::new(),
                python: "3.11".into(),
                libraries: BTreeMap::new(),
                kept_fp32: Vec::new(),
            },
        };
        keep(home, file.into_temp_path(), &origin).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_and_what_has_changed_is_not() {
        let home = tempfile::tempdir().unwrap();
        let find = || find(home.path(), SOURCE, Target::Fp16);
        assert_eq!(find().unwrap(), None);
        let path = made(home.path(), b"one");
        assert_eq!(find().unwrap(), Some(path.clone()));
        assert_eq!(made(home.path(), b"two"), path);
        assert_eq!(fs::read(find().unwrap().unwrap()).unwrap(), b"two");

        fs::write(&path, b"spoilt").unwrap();
        let error = find().unwrap_err().to_string();
        assert!(
            error.contains("its SHA-256 is") && error.contains("models quantize NAME --to fp16"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        assert!(matches!(find(), Err(DerivedError::Damaged { .. })));
        fs::write(path.with_extension("json"), "{").unwrap();
        assert!(matches!(find(), Err(DerivedError::Damaged { .. })));
    }

    #[test]
    fn what_is_missing_names_the_command_that_makes_it() {
        let home = tempfile::tempdir().unwrap();
        let find = |name: &str, role| Network::find(&name.parse().unwrap(), role, home.path()).unwrap();
        let detector = find("facebench-det", Role::Detector);
        let text = |name: &str, role, target| {
            missing(home.path(), &find(name, role), target, &detector)
                .to_string()
                .replace(&home.path().shown().to_string(), "HOME")
        };
        insta::assert_snapshot!(text("facebench-det", Role::Detector, Target::Fp16), @r"
        facebench-det is not on this machine in fp16
        make it: facebench models quantize facebench-det --to fp16
        ");
        let own = home.path().join("own.onnx");
        let detector_file = &find("facebench-det", Role::Detector).path;
        fs::copy(detector_file, &own).unwrap();
        // Another file than the catalog's.
        fs::OpenOptions::new()
            .append(true)
            .open(&own)
            .and_then(|mut file| io::Write::write_all(&mut file, &[0x12, 0]))
            .unwrap();
        let own = format!("arcface:{}", own.shown());
        insta::assert_snapshot!(text(&own, Role::Recognizer, Target::Fp16), @r"
        own is not on this machine in fp16
        make it: facebench models quantize arcface:HOME/own.onnx --to fp16
        ");
        insta::assert_snapshot!(text("facebench-det", Role::Detector, Target::Int8), @r"
        facebench-det is not on this machine in int8
        make it: facebench models quantize facebench-det --calibrate DIR (DIR: photos like those to be measured)
        ");
        insta::assert_snapshot!(text(&own, Role::Recognizer, Target::Int8), @r"
        own is not on this machine in int8
        make it: facebench models quantize arcface:HOME/own.onnx --calibrate DIR --detector facebench-det (DIR: photos like those to be measured)
        ");
    }
}
