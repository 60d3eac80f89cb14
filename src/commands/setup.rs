//! `facebench setup`: installs a pinned ONNX Runtime into the cache.

use std::{io::Write, path::Path};

use super::{Failure, machine, progress::notify, ready};
use crate::{
    cli::SetupFlavor,
    runtime::install::{Flavor, LibraryStore},
    text::ShownPath,
};

/// Installs the runtime and writes its library's path.
pub fn setup(flavor: SetupFlavor, home: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let flavor = match flavor {
        SetupFlavor::Cpu => Flavor::Cpu,
        SetupFlavor::Cuda => {
            let (flavor, why) = ready::cuda_flavor(&machine::gpus(&machine::nvml()));
            notify(&format!("{} ({why})", flavor.title()));
            flavor
        }
        SetupFlavor::Cuda12 => Flavor::Cuda12,
        SetupFlavor::Cuda13 => Flavor::Cuda13,
        SetupFlavor::Openvino => Flavor::OpenVino,
    };
    let library = LibraryStore::of_process(home.to_path_buf()).install(flavor, &notify)?;
    Ok(writeln!(out, "{}", library.path.shown())?)
}
