//! Brings a catalog network into `<home>/models/`: resumed where it broke off, and never believed before its SHA-256
//! is right.
//!
//! The transfer is in `http`, what a later run resumes in `partial`. A lock on `<file>.lock` makes two fetches take turns;
//! the second then finds the work done.

mod error;
mod http;
mod partial;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::error::FetchError;
use self::{
    error::io_error,
    http::download,
    partial::{PartialFile, beside},
};
use super::catalog::CatalogEntry;
use crate::{files, runtime::NetworkFile};

/// What the user may choose about a fetch.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// The terms of a non-commercial licence are accepted.
    pub accept_license: bool,
    /// The hash that the file must have (64 hex digits), for an entry that has none.
    pub sha256: Option<String>,
    /// A mirror that serves the bare file.
    pub url: Option<String>,
    /// Longest wait for the server: to connect, to answer, and between two reads. In each stretch of this length at least
    /// a thousand bytes a second must come.
    pub timeout: Duration,
    /// Longest time for all of it.
    pub within: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            accept_license: false,
            sha256: None,
            url: None,
            timeout: Duration::from_secs(30),
            within: Duration::from_hours(2),
        }
    }
}

/// What lies in `<home>/models/` under an entry's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalState {
    /// Nothing.
    Absent,
    /// The file, with the catalog's hash.
    Present(PathBuf),
    /// A file, and no hash in the catalog to compare its own with.
    Unchecked {
        /// The file.
        path: PathBuf,
        /// Its hash, 64 lower-case hex digits.
        sha256: String,
    },
    /// A file that is not the entry's, or cannot be read.
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Looks for an entry's file and hashes it.
pub fn local(entry: &CatalogEntry, home: &Path) -> LocalState {
    let path = place(entry, home);
    match (files::sha256(&path), &entry.sha256) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => LocalState::Absent,
        (Err(error), _) => LocalState::Wrong {
            path,
            reason: error.to_string(),
        },
        (Ok(sha256), None) => LocalState::Unchecked {
            // Weights beside it are part of what it is known by.
            sha256: NetworkFile::read(&path).map_or(sha256, |file| file.sha256),
            path,
        },
        (Ok(found), Some(expected)) if found == *expected => LocalState::Present(path),
        (Ok(found), Some(expected)) => LocalState::Wrong {
            path,
            reason: format!("SHA-256 is {found} where {expected} belongs"),
        },
    }
}

/// Brings an entry's file to `<home>/models/<file>` and returns that path.
///
/// `progress` gets the bytes that are there, those of an earlier run among them, and how many there will be where
/// that is known. A right file that is already there costs no request; a wrong one is replaced.
pub fn fetch(
    entry: &CatalogEntry,
    home: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, FetchError> {
    let sha256 = expected_hash(entry, options)?;
    let target = place(entry, home);
    let is_there = || files::sha256(&target).is_ok_and(|found| found == sha256);
    if is_there() {
        return Ok(target);
    }
    let url = permitted_url(entry, options, &target)?;

    let folder = home.join("models");
    fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
    let lock_path = beside(&target, ".lock");
    // Held until the file is closed.
    let _lock = files::lock(&lock_path, options.within, &|| {}).map_err(io_error("lock", &lock_path))?;
    if is_there() {
        return Ok(target);
    }

    let mut part = PartialFile::open(beside(&target, ".part"))?;
    download(&mut part, url, entry.bytes, options, progress)?;
    let found = part.sha256();
    if found != sha256 {
        part.remove()?;
        return Err(FetchError::Hash {
            url: files::without_secrets(url),
            found,
            expected: sha256,
        });
    }
    part.become_file(&target)?;
    Ok(target)
}

/// The hash that the file must have: the catalog's, or the user's where the catalog has none.
fn expected_hash(entry: &CatalogEntry, options: &FetchOptions) -> Result<String, FetchError> {
    let given = options.sha256.as_ref().map(|hex| hex.to_ascii_lowercase());
    match (given, &entry.sha256) {
        (Some(given), _) if given.len() != 64 || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(FetchError::BadHash { given })
        }
        (Some(given), Some(known)) if given != *known => Err(FetchError::OtherHash {
            name: entry.name.clone(),
            given,
            known: known.clone(),
            by_path: entry.by_path(),
        }),
        (Some(given), _) => Ok(given),
        (None, Some(known)) => Ok(known.clone()),
        (None, None) => Err(FetchError::NoHash {
            file: entry.file.clone(),
            by_path: entry.by_path(),
        }),
    }
}

/// Where to fetch from, once the licence is accepted.
fn permitted_url<'a>(
    entry: &'a CatalogEntry,
    options: &'a FetchOptions,
    target: &Path,
) -> Result<&'a str, FetchError> {
    if entry.license.non_commercial && !options.accept_license {
        let license = entry.license.clone();
        return Err(FetchError::License {
            name: entry.name.clone(),
            text: license.text,
            url: license.url,
        });
    }
    match options.url.as_deref().or(entry.url.as_deref()) {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(url),
        Some(url) => Err(FetchError::BadUrl {
            url: files::without_secrets(url),
        }),
        None => Err(FetchError::Packed {
            file: entry.file.clone(),
            pack: entry.pack.clone().unwrap_or_else(|| entry.source.clone()),
            place: target.into(),
            by_path: entry.by_path(),
        }),
    }
}

fn place(entry: &CatalogEntry, home: &Path) -> PathBuf {
    home.join("models").join(&entry.file)
}
