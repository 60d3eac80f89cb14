//! Records from files, and what to do about a file that is none.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::record::{Record, SCHEMA_VERSION};

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
    /// JSON of something else.
    #[error(
        "{}: is JSON, but no record of facebench: it has no schema_version; give the .json file that a study leaves",
        path.display()
    )]
    Other {
        /// Which.
        path: PathBuf,
    },
    /// A record of another version.
    #[error(
        "{}: is a record of schema version {found}, and this facebench reads version {SCHEMA_VERSION}; use the facebench \
         that wrote it, or measure again",
        path.display()
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// A record that lacks something.
    #[error(
        "{}: is a record of version {SCHEMA_VERSION}, but not a whole one: {reason}; it was changed by hand, or written \
         by a development version: measure again",
        path.display()
    )]
    Form {
        /// Which.
        path: PathBuf,
        /// What it lacks.
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
    let failed = match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.schema_version == SCHEMA_VERSION => return Ok(record),
        Ok(record) => {
            return Err(ReadError::Version {
                path: owned(),
                found: record.schema_version.to_string(),
            });
        }
        Err(failed) => failed,
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| ReadError::Json {
        path: owned(),
        reason: error.to_string(),
    })?;
    Err(match value.get("schema_version") {
        None => ReadError::Other { path: owned() },
        Some(version) if *version != SCHEMA_VERSION => ReadError::Version {
            path: owned(),
            found: version.to_string(),
        },
        Some(_) => ReadError::Form {
            path: owned(),
            reason: failed.to_string(),
        },
    })
}
