//! Records from files, and errors that say what to do about a file that is not a record.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    files::read_up_to,
    record::{Record, SCHEMA_VERSION, UnknownVersion, to_current},
    text::{ShownPath, visible},
};

/// Why a file cannot be shown.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file itself.
    #[error("{}: cannot be read: {source}; give the path of a record, the .json file that a study leaves", path.shown())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it.
    #[error("{}: {problem}", path.shown())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: NotARecord,
    },
}

/// Why a text is no record.
#[derive(Debug, Error)]
pub enum NotARecord {
    /// No JSON at all.
    #[error(
        "is not JSON: {0}; give a record, the .json file that a study leaves (its -o), not its table or page"
    )]
    Json(String),
    /// JSON that is not a record.
    #[error(
        "is JSON, but not a record of facebench: it has no schema_version; give the .json file that a study leaves"
    )]
    Other,
    /// A record of another version.
    #[error("is a record of {0}; use the facebench that wrote it, or measure again")]
    Version(UnknownVersion),
    /// A record in which something is missing, or contradicts the rest.
    #[error(
        "is a record, but not a complete one: {0}; it was changed by hand, or written by a development version: \
         measure again"
    )]
    Form(String),
}

/// A study of an hour has a tenth of this.
const MOST_BYTES: u64 = 1 << 27;

/// What is read before all else.
#[derive(Deserialize)]
struct Head {
    schema_version: Option<Value>,
}

/// The record in the file at `path`.
pub fn read(path: &Path) -> Result<Record, ReadError> {
    let bytes = read_up_to(path, MOST_BYTES).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes).map_err(|problem| ReadError::Content {
        path: path.to_owned(),
        problem,
    })
}

/// The record in `bytes`, of this version or an older one.
pub fn parse(bytes: &[u8]) -> Result<Record, NotARecord> {
    let head: Head = serde_json::from_slice(bytes).map_err(|error| {
        // JSON, but no object.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => NotARecord::Other,
            Err(_) => NotARecord::Json(error.to_string()),
        }
    })?;
    let version = head.schema_version.ok_or(NotARecord::Other)?;
    let placed = |error: &serde_path_to_error::Error<serde_json::Error>| {
        let text = match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            key => format!("{key}: {}", error.inner()),
        };
        NotARecord::Form(visible(&text).into_owned())
    };
    let record: Record = if version == SCHEMA_VERSION {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        serde_path_to_error::deserialize(&mut json).map_err(|error| placed(&error))?
    } else {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| NotARecord::Form(error.to_string()))?;
        let value = to_current(value).map_err(NotARecord::Version)?;
        serde_path_to_error::deserialize(value).map_err(|error| placed(&error))?
    };
    match record.contradiction() {
        None => Ok(record),
        Some(problem) => Err(NotARecord::Form(visible(&problem).into_owned())),
    }
}
