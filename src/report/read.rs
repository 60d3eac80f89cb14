//! Records from files, and errors that say what to do about a file that is not a record.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use serde_json::Value;

use crate::record::{Record, UnknownVersion, to_current};

/// Why a file cannot be shown.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file itself.
    #[error("{}: cannot be read: {source}; give the path of a record, the .json file that a study leaves", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No JSON at all.
    #[error(
        "{}: is not JSON: {reason}; give a record, the .json file that a study leaves (its -o), not its table or page",
        path.display()
    )]
    Json {
        /// Which.
        path: PathBuf,
        /// Where it breaks.
        reason: String,
    },
    /// JSON that is not a record.
    #[error(
        "{}: is JSON, but not a record of facebench: it has no schema_version; give the .json file that a study leaves",
        path.display()
    )]
    Other {
        /// Which.
        path: PathBuf,
    },
    /// A record of another version.
    #[error(
        "{}: is a record of {version}; use the facebench that wrote it, or measure again",
        path.display()
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: UnknownVersion,
    },
    /// A record in which something is missing.
    #[error(
        "{}: is a record, but not a complete one: {reason}; it was changed by hand, or written \
         by a development version: measure again",
        path.display()
    )]
    Form {
        /// Which.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
}

/// The record in the file at `path`.
pub fn read(path: &Path) -> Result<Record, ReadError> {
    let owned = || path.to_owned();
    let bytes = std::fs::read(path).map_err(|source| ReadError::File {
        path: owned(),
        source,
    })?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| ReadError::Json {
        path: owned(),
        reason: error.to_string(),
    })?;
    if value.get("schema_version").is_none() {
        return Err(ReadError::Other { path: owned() });
    }
    let value = to_current(value).map_err(|version| ReadError::Version {
        path: owned(),
        version,
    })?;
    serde_json::from_value(value).map_err(|error| ReadError::Form {
        path: owned(),
        reason: error.to_string(),
    })
}
