//! Finds the ONNX Runtime shared library, and installs the pinned one where there is none.
//!
//! The order is `ORT_DYLIB_PATH` (cpu only), the cache under facebench's home, then `pip` and a pinned, hashed wheel.
//! Nothing here loads the library: one process can load one only, and which one is the worker's business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod bounds;
mod cache;
mod child;
mod error;
mod library;
mod pins;
mod pip;
mod tool;
mod wheel;

pub use error::{Fault, InstallError};
pub use library::{Origin, RuntimeLibrary};
pub use pins::Flavor;
pub use tool::{Interpreter, Tool, ToolError, ToolFault};

/// Where runtimes are looked for and put. All that the process's environment decides is a field here.
#[derive(Debug, Clone)]
pub struct LibraryStore {
    /// facebench's home; the cache is its `runtimes` folder.
    pub home: PathBuf,
    /// The value of `ORT_DYLIB_PATH`, which wins for [`Flavor::Cpu`].
    pub environment: Option<PathBuf>,
    /// The value of `PATH`, in which Python is looked for.
    pub search_path: OsString,
}

impl LibraryStore {
    /// The runtimes under `home`, by the environment of this process.
    pub fn of_process(home: PathBuf) -> Self {
        Self {
            home,
            environment: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
        }
    }

    /// The library that is there already; changes nothing on the disk and uses no network.
    ///
    /// A damaged cache counts as none, because [`Self::install`] would replace it.
    pub fn find(&self, flavor: Flavor) -> Result<Option<RuntimeLibrary>, InstallError> {
        if let Some(path) = self.environment(flavor) {
            return RuntimeLibrary::from_path(path, flavor, Origin::Environment).map(Some);
        }
        Ok(cache::check(&self.home, flavor).unwrap_or_default())
    }

    /// The library that is there already, or else a fresh installation of the pinned one.
    pub fn find_or_install(
        &self,
        flavor: Flavor,
        progress: &dyn Fn(&str),
    ) -> Result<RuntimeLibrary, InstallError> {
        match self.environment(flavor) {
            Some(path) => RuntimeLibrary::from_path(path, flavor, Origin::Environment),
            None => self.install(flavor, progress),
        }
    }

    /// Makes the cache hold the pinned library, whatever `ORT_DYLIB_PATH` names; a whole one is kept as it is.
    ///
    /// Each thing that takes time, or that the user should know, is reported to `progress` in one line.
    pub fn install(&self, flavor: Flavor, progress: &dyn Fn(&str)) -> Result<RuntimeLibrary, InstallError> {
        wheel::install(flavor, &self.home, &self.search_path, progress)
            .map_err(|fault| InstallError { flavor, fault })
    }

    fn environment(&self, flavor: Flavor) -> Option<&Path> {
        let path = self.environment.as_deref()?;
        (flavor == Flavor::Cpu && !path.as_os_str().is_empty()).then_some(path)
    }
}
