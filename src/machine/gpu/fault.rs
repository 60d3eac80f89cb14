//! Why NVML, the driver's own library of facts, does not answer.

use std::path::PathBuf;

use nvml_wrapper::error::NvmlError;
use thiserror::Error;

use crate::text::ShownPath;

/// NVML cannot be opened. What the user can do about it depends on the machine: see [`super::find`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NvmlFault {
    /// There is no library.
    #[error(
        "there is no NVML library (libnvidia-ml.so.1) on the loader's path or in the driver's usual places"
    )]
    NotFound,
    /// A file that the loader refuses.
    #[error("{}: cannot be loaded as the NVML library: {reason}", path.shown())]
    Unloadable {
        /// The file.
        path: PathBuf,
        /// The loader's message.
        reason: String,
    },
    /// A library without the functions that NVML starts with.
    #[error("{}: not an NVML library, or one that is too old: {reason}", path.shown())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The kernel has no driver, or this process cannot reach it.
    #[error("{}: the NVIDIA kernel driver is not loaded, or cannot be reached from here", path.shown())]
    DriverNotLoaded {
        /// The library that reports it.
        path: PathBuf,
    },
    /// The library is of another version than the kernel's driver.
    #[error("{}: the library is of another version than the kernel's driver", path.shown())]
    VersionMismatch {
        /// The library that reports it.
        path: PathBuf,
    },
    /// This user may not use the driver.
    #[error("{}: this user may not use the NVIDIA driver", path.shown())]
    NoPermission {
        /// The library that reports it.
        path: PathBuf,
    },
    /// Any other error.
    #[error("{}: NVML does not start: {reason}", path.shown())]
    Other {
        /// The library that reports it.
        path: PathBuf,
        /// Its message.
        reason: String,
    },
}

impl NvmlFault {
    pub(super) fn new(path: PathBuf, error: &NvmlError) -> Self {
        match error {
            NvmlError::LibloadingError(reason) => Self::Unloadable {
                path,
                reason: reason.to_string(),
            },
            NvmlError::FailedToLoadSymbol(reason) => Self::TooOld {
                path,
                reason: reason.clone(),
            },
            NvmlError::DriverNotLoaded => Self::DriverNotLoaded { path },
            NvmlError::LibRmVersionMismatch => Self::VersionMismatch { path },
            NvmlError::NoPermission => Self::NoPermission { path },
            other => Self::Other {
                path,
                reason: other.to_string(),
            },
        }
    }
}

/// Why the driver does not report a value of a device that it shows.
pub(super) fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::NotSupported => "the driver does not report this for this device".to_owned(),
        NvmlError::FailedToLoadSymbol(symbol) => {
            format!("this driver's NVML is too old to report it: {symbol}")
        }
        NvmlError::FunctionNotFound => "this driver's NVML is too old to report it".to_owned(),
        NvmlError::NoPermission => "this user may not read it from the driver".to_owned(),
        other => format!("NVML: {other}"),
    }
}
