//! `facebench models quantize`: a network in another precision, made by facebench's converter and kept in the home.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    Failure,
    calibrate::{Calibrator, Tensors},
    progress::notify,
};
use crate::{
    cli::QuantizeArgs,
    files,
    model::{
        ModelError, Role,
        derived::{self, Converter, DerivedError, Origin, Target},
        network::{Network, NetworkName},
    },
    runtime::install::{Interpreter, Tool},
    text::ShownPath,
};

/// `scripts/quantize`, so that the program works from any folder.
const SCRIPT: &str = include_str!("../../scripts/quantize/convert.py");
const TOOL: Tool = Tool {
    name: "quantize",
    libraries: "the libraries that convert networks",
    requirements: include_str!("../../scripts/quantize/requirements.txt"),
    pythons: &[11, 12, 13],
    megabytes: 55,
};

/// The script's status for a file that is not what it can convert.
const UNFIT: i32 = 3;

/// Why a network was not converted.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// The file is not what can be converted.
    #[error("{network}: {reason}; give an ONNX network of 32-bit floats")]
    Unfit {
        /// The file.
        network: String,
        /// The script's last line.
        reason: String,
    },
    /// The script cannot be started.
    #[error("cannot run {python}: {cause}")]
    Start {
        /// The program.
        python: String,
        /// The system's error.
        cause: io::Error,
    },
    /// The script failed.
    #[error(
        "{network}: the converter failed; if it fails again, remove {site}, and its libraries are installed again. The end of its output:\n{output}"
    )]
    Script {
        /// The file.
        network: String,
        /// The folder of its libraries.
        site: String,
        /// The end of its stderr.
        output: String,
    },
}

/// What the script prints about its result.
#[derive(Deserialize)]
struct Answer {
    python: String,
    libraries: std::collections::BTreeMap<String, String>,
    kept_fp32: Vec<String>,
}

/// Converts a network unless that has been done before, and writes the path of the result to `out`.
pub fn quantize(args: &QuantizeArgs, home: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let target = args.to.unwrap_or(Target::Int8);
    if target == Target::Fp16 && args.calibrate.is_some() {
        let text = "--calibrate: fp16 needs no photos; leave it out, or give --to int8";
        return Err(Failure::Usage(text.to_owned()));
    }
    let network = find(&args.name, home)?;
    let calibrator = match &args.calibrate {
        Some(folder) => Some(Calibrator::new(&network, folder, args.detector.as_ref(), home)?),
        None => None,
    };
    let calibration = calibrator
        .as_ref()
        .map(|calibrator| calibrator.calibration.clone());
    let converter = converter_sha256();
    let is_current =
        |origin: &Origin| origin.converter.sha256 == converter && origin.calibration == calibration;
    // A damaged one is made again.
    if derived::origin(home, &network.sha256, target)
        .is_ok_and(|origin| origin.as_ref().is_some_and(is_current))
        && let Ok(Some(path)) = derived::find(home, &network.sha256, target)
    {
        notify(&format!("{} already exists in {}", network.name, target.name()));
        return Ok(writeln!(out, "{}", path.shown())?);
    }
    let folder = derived::folder(home);
    fs::create_dir_all(&folder).map_err(unwritable(&folder))?;
    // Photos that cannot be used are reported before anything is installed.
    let tensors = calibrator
        .map(|calibrator| calibrator.tensors(&folder))
        .transpose()?;
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let python = TOOL.ready(home, &search_path, &notify)?;
    let path = convert(&network, target, &python, converter, tensors, home)?;
    Ok(writeln!(out, "{}", path.shown())?)
}

/// The error of the folder of derived networks.
fn unwritable(folder: &Path) -> impl Fn(io::Error) -> DerivedError {
    move |cause| DerivedError::Io {
        doing: "write",
        path: folder.to_owned(),
        cause,
    }
}

/// A network of either role.
fn find(name: &NetworkName, home: &Path) -> Result<Network, ModelError> {
    match Network::find(name, Role::Detector, home) {
        Err(ModelError::WrongRole { .. }) => Network::find(name, Role::Recognizer, home),
        found => found,
    }
}

fn convert(
    network: &Network,
    target: Target,
    python: &Interpreter,
    converter: String,
    tensors: Option<Tensors>,
    home: &Path,
) -> Result<std::path::PathBuf, Failure> {
    let folder = derived::folder(home);
    let made = files::draft(&folder, ".onnx")
        .map_err(unwritable(&folder))?
        .into_temp_path();
    let shown = network.path.shown().to_string();
    let mut command = python.command(SCRIPT);
    command.args(["--to", target.name()]);
    if let Some(tensors) = &tensors {
        command.arg("--tensors").arg(&tensors.file);
        command
            .arg("--shape")
            .args(tensors.shape.map(|side| side.to_string()));
        if tensors.calibration.detector_sha256.is_none() {
            command.arg("--large");
        }
    }
    let ran = command
        // The script may see an option in a path that begins with a dash.
        .arg("--")
        .args([&network.path, &made.to_path_buf()])
        .output()
        .map_err(|cause| QuantizeError::Start {
            python: python.python().shown().to_string(),
            cause,
        })?;
    let stderr = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    if ran.status.code() == Some(UNFIT) {
        let reason = stderr
            .lines()
            .last()
            .unwrap_or("it cannot be converted")
            .to_owned();
        return Err(QuantizeError::Unfit {
            network: shown,
            reason,
        }
        .into());
    }
    let broken = |output: &str| {
        let lines: Vec<&str> = output.lines().collect();
        QuantizeError::Script {
            network: shown.clone(),
            site: python.site().shown().to_string(),
            output: lines[lines.len().saturating_sub(6)..].join("\n"),
        }
    };
    if !ran.status.success() {
        return Err(broken(&stderr).into());
    }
    let answer: Answer =
        serde_json::from_slice(&ran.stdout).map_err(|error| broken(&format!("{stderr}\n{error}")))?;
    let origin = Origin {
        source_name: network.name.clone(),
        source_sha256: network.sha256.clone(),
        target,
        sha256: files::sha256(&made).map_err(unwritable(&folder))?,
        calibration: tensors.map(|tensors| tensors.calibration),
        converter: Converter {
            sha256: converter,
            python: answer.python,
            libraries: answer.libraries,
            kept_fp32: answer.kept_fp32,
        },
    };
    Ok(derived::keep(home, made, &origin)?)
}

/// Changes with everything that decides what the converter makes of a network.
fn converter_sha256() -> String {
    let mut hash = Sha256::new();
    for text in [SCRIPT, TOOL.requirements] {
        hash.update(Sha256::digest(text));
    }
    base16ct::lower::encode_string(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned_with_hashes_for_each_python_and_processor() {
        let pinned: Vec<&str> = TOOL
            .requirements
            .lines()
            .filter(|line| line.contains("=="))
            .collect();
        assert!(pinned.iter().any(|line| line.starts_with("onnx==")));
        let compiled = ["onnxruntime", "numpy", "ml-dtypes"];
        for block in TOOL
            .requirements
            .split('\n')
            .collect::<Vec<_>>()
            .split(|line| !line.starts_with(' '))
        {
            assert!(
                block.iter().all(|line| line.trim().starts_with("--hash=sha256:")),
                "{block:?}"
            );
        }
        for name in compiled {
            let after = TOOL.requirements.split(&format!("\n{name}==")).nth(1).unwrap();
            let hashes = after
                .lines()
                .skip(1)
                .take_while(|line| line.starts_with(' '))
                .count();
            assert_eq!(hashes, 2 * TOOL.pythons.len(), "{name}");
        }
    }
}
