//! An installed runtime on the disk: its folder, and the record that proves it whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Fault, Flavor,
    library::{Origin, RuntimeLibrary},
    pins::Wheel,
};
use crate::text::ShownPath;

/// Written last, inside the folder.
const RECORD: &str = "installed.json";

#[derive(Debug, Serialize, Deserialize)]
struct Installed {
    flavor: String,
    version: String,
    wheel_sha256: String,
    library: PathBuf,
    library_sha256: String,
}

/// The folder of each runtime in `home`.
pub(super) fn parent(home: &Path) -> PathBuf {
    home.join("runtimes")
}

/// `cpu-1.32.0-x86_64`; machines of two architectures may share one home.
pub(super) fn folder_name(flavor: Flavor, wheel: &Wheel) -> String {
    format!("{}-{}-{}", flavor.name(), flavor.version(), wheel.arch)
}

/// The whole library, `None` where nothing is installed, or why what is there cannot be trusted.
pub(super) fn check(home: &Path, flavor: Flavor) -> Result<Option<RuntimeLibrary>, String> {
    let Ok(wheel) = flavor.wheel() else {
        return Ok(None);
    };
    let folder = parent(home).join(folder_name(flavor, wheel));
    let text = match fs::read_to_string(folder.join(RECORD)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
            return Ok(None);
        }
        read => read.map_err(|error| format!("{RECORD}: {error}"))?,
    };
    let record: Installed = serde_json::from_str(&text).map_err(|error| format!("{RECORD}: {error}"))?;
    if record.wheel_sha256 != wheel.sha256 {
        return Err("it comes from another wheel than the pinned one".into());
    }
    let library = RuntimeLibrary::read(&folder.join(&record.library), flavor, Origin::Cache)
        .map_err(|fault| fault.to_string())?;
    if library.sha256 != record.library_sha256 {
        return Err(format!(
            "{} has changed since it was installed",
            record.library.shown()
        ));
    }
    Ok(Some(library))
}

/// Writes the record into `folder`, for the `library` below it.
pub(super) fn write_record(
    folder: &Path,
    library: &Path,
    flavor: Flavor,
    wheel: &Wheel,
) -> Result<(), Fault> {
    let record = Installed {
        flavor: flavor.name().into(),
        version: flavor.version().into(),
        wheel_sha256: wheel.sha256.into(),
        library: library.into(),
        library_sha256: RuntimeLibrary::read(&folder.join(library), flavor, Origin::Installed)?.sha256,
    };
    let path = folder.join(RECORD);
    fs::File::create(&path)
        .and_then(|file| Ok(serde_json::to_writer_pretty(file, &record)?))
        .map_err(Fault::at(&path))
}
