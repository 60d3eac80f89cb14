//! Whether a backend can run here: the runtime it needs, or the reason and the mend.

use std::path::Path;

use crate::{
    backend::{
        runtime::{Flavor, Origin, RuntimeError, RuntimeLibrary, Runtimes},
        spec::BackendSpec,
        table::{BACKENDS, Row},
    },
    record::Unavailable,
};

/// The library that `spec` runs on (`None` for `null`); the cpu's is installed where it is missing.
pub fn library(
    spec: &BackendSpec,
    home: &Path,
    progress: &dyn Fn(&str),
) -> Result<Option<RuntimeLibrary>, Unavailable> {
    let because = |reason: String, mend: String| Unavailable {
        backend: spec.requested.clone(),
        reason,
        mend,
    };
    let row = spec.row();
    if !row.built {
        return Err(because(not_built(row), not_built_mend()));
    }
    if spec.is_null() {
        return Ok(None);
    }
    let found = match &spec.runtime {
        Some(path) => RuntimeLibrary::from_path(path, Flavor::Cpu, Origin::Option),
        None => Runtimes::of_process(home.to_path_buf()).find_or_install(Flavor::Cpu, progress),
    };
    found
        .map(Some)
        .map_err(|error| because(error.fault.to_string(), error.mend()))
}

/// Says that this version has no such backend, which is not the machine's fault.
pub fn not_built(row: &Row) -> String {
    format!(
        "facebench {} does not have the {} backend yet ({}); nothing is wrong with this machine",
        env!("CARGO_PKG_VERSION"),
        row.word,
        row.summary
    )
}

/// What to do about it.
pub fn not_built_mend() -> String {
    let built: Vec<_> = BACKENDS
        .iter()
        .filter(|row| row.built)
        .map(|row| row.word)
        .collect();
    format!("measure with one that it has: {}", built.join(", "))
}

/// In a few words, without installing anything: `ready`, or what is missing.
pub fn state(row: &Row, home: &Path) -> Result<String, (String, String)> {
    if !row.built {
        return Err((not_built(row), not_built_mend()));
    }
    if row.word == "null" {
        return Ok("ready".to_owned());
    }
    let split = |error: RuntimeError| (error.fault.to_string(), error.mend());
    match Runtimes::of_process(home.to_path_buf())
        .find(Flavor::Cpu)
        .map_err(split)?
    {
        Some(library) => {
            let version = library.version.unwrap_or_else(|| "of unknown version".to_owned());
            Ok(format!(
                "ready: ONNX Runtime {version}, {}",
                library.path.display()
            ))
        }
        None => Ok(format!(
            "ready: ONNX Runtime {} will be installed on first use (or by: facebench setup cpu)",
            Flavor::Cpu.version()
        )),
    }
}
