//! Puts the pinned runtime into the cache: whole or not at all, and once, however many ask for it together.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use walkdir::WalkDir;

use super::{
    Fault, Flavor, cache,
    library::{Origin, RuntimeLibrary},
    pip,
};
use crate::{files, text::ShownPath};

pub(super) fn install(
    flavor: Flavor,
    home: &Path,
    search_path: &OsStr,
    progress: &dyn Fn(&str),
) -> Result<RuntimeLibrary, Fault> {
    let wheel = flavor.wheel()?;
    // Before the lock, for a whole cache may lie on a disk that cannot be written.
    if let Ok(Some(library)) = cache::check(home, flavor) {
        return Ok(library);
    }
    let parent = cache::parent(home);
    fs::create_dir_all(&parent).map_err(Fault::at(&parent))?;
    let name = cache::folder_name(flavor, wheel);
    let folder = parent.join(&name);
    let _lock = lock(&parent.join(format!(".{name}.lock")), "ONNX Runtime", progress)?;
    match cache::check(home, flavor) {
        Ok(Some(library)) => return Ok(library),
        Ok(None) => {}
        Err(why) => progress(&format!(
            "the ONNX Runtime in {} is damaged: {why}",
            folder.shown()
        )),
    }

    let prefix = format!(".{name}.installing-");
    files::sweep(&parent, &prefix).map_err(Fault::at(&parent))?;
    let staging = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&parent)
        .map_err(Fault::at(&parent))?;
    progress(&format!(
        "installing ONNX Runtime {} ({}, {} MB) into {}",
        flavor.version(),
        flavor.name(),
        wheel.bytes.div_ceil(1_000_000),
        folder.shown()
    ));
    let python = pip::find_python(search_path).ok_or(Fault::NoPython)?;
    let mut target: Vec<&str> = wheel
        .platforms
        .iter()
        .flat_map(|tag| ["--platform", tag])
        .collect();
    target.extend([
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
    ]);
    let packages = pip::Packages {
        requirements: flavor.requirements(),
        bytes: flavor.download_bytes().unwrap_or(wheel.bytes),
        target: &target,
    };
    let site = pip::install(python, packages, staging.path(), progress)?;
    prune(&site).map_err(Fault::at(&site))?;
    let library = PathBuf::from(format!("onnxruntime/capi/libonnxruntime.so.{}", flavor.version()));
    cache::write_record(&site, &library, flavor, wheel)?;
    if folder.exists() {
        // Aside, to go with the staging folder; a process that has the old library loaded keeps it.
        fs::rename(&folder, staging.path().join("damaged")).map_err(Fault::at(&folder))?;
    }
    fs::rename(&site, &folder).map_err(Fault::at(&folder))?;
    RuntimeLibrary::read(&folder.join(library), flavor, Origin::Installed)
}

/// How long another installation is waited for: hundreds of megabytes by a slow line.
const LOCK_PATIENCE: Duration = Duration::from_hours(1);

/// Holds until the returned file is dropped, or its process dies; reports the wait for `what`.
pub(super) fn lock(path: &Path, what: &str, progress: &dyn Fn(&str)) -> Result<File, Fault> {
    let waiting = || progress(&format!("another facebench is installing {what}; waiting for it"));
    files::lock(path, LOCK_PATIENCE, &waiting).map_err(Fault::at(path))
}

/// Keeps the libraries and the licences where they lie, and drops the Python around them.
fn prune(site: &Path) -> io::Result<()> {
    for entry in WalkDir::new(site).min_depth(1).contents_first(true) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            match fs::remove_dir(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                    return Err(error);
                }
                _ => {}
            }
        } else if !is_kept(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_kept(name: &str) -> bool {
    let library = name.starts_with("lib") && name.contains(".so");
    let name = name.to_lowercase();
    let legal = ["license", "licence", "copying", "notice", "thirdparty", "privacy"];
    library || legal.iter().any(|word| name.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_licences_are_kept_and_python_is_not() {
        for name in [
            "libonnxruntime.so.1.32.0",
            "libonnxruntime_providers_shared.so",
            "LICENSE",
            "ThirdPartyNotices.txt",
        ] {
            assert!(is_kept(name), "{name}");
        }
        for name in [
            "onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so",
            "METADATA",
            "RECORD",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }
}
