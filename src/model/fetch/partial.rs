//! A download that is not yet whole, kept so that a later run resumes it: `<file>.part`, with the server's `ETag` beside it
//! in `<file>.part.etag`, so that only the rest of the same version is asked for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::error::{FetchError, io_error};
use crate::files::{hash_into, write_atomic};

/// A file that is not yet whole: its bytes so far, their running hash, and the version they belong to.
pub(super) struct PartialFile {
    pub(super) path: PathBuf,
    file: File,
    hasher: Sha256,
    pub(super) bytes: u64,
    /// The version, as the server names it.
    pub(super) etag: Option<String>,
}

impl PartialFile {
    /// Opens what an earlier run left, hashing it, or begins again.
    pub(super) fn open(path: PathBuf) -> Result<Self, FetchError> {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path);
        let mut file = file.map_err(io_error("open", &path))?;
        let mut hasher = Sha256::new();
        let bytes = hash_into(&mut file, &mut hasher).map_err(io_error("read", &path))?;
        let beside = fs::read(beside(&path, ".etag"));
        let etag = beside.as_ref().ok().and_then(|bytes| strong_etag(bytes));
        let mut part = Self {
            path,
            file,
            hasher,
            bytes,
            etag,
        };
        if beside.is_ok() && part.etag.is_none() {
            // Half of one, as a killed run or a full disk leaves it: nobody knows which version the bytes are of.
            part.restart()?;
        }
        Ok(part)
    }

    /// SHA-256 of the bytes so far: 64 lower-case hex digits.
    pub(super) fn sha256(&self) -> String {
        base16ct::lower::encode_string(&self.hasher.clone().finalize())
    }

    pub(super) fn append(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        self.file
            .write_all(chunk)
            .map_err(io_error("write", &self.path))?;
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        self.remember(None)?;
        self.file.set_len(0).map_err(io_error("empty", &self.path))?;
        self.hasher = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Keeps the version beside the bytes, for the run that may have to resume them.
    pub(super) fn remember(&mut self, etag: Option<&str>) -> Result<(), FetchError> {
        let path = beside(&self.path, ".etag");
        match etag {
            Some(etag) => write_atomic(&path, etag.as_bytes()),
            None => remove_if_there(&path),
        }
        .map_err(io_error("write", &path))?;
        self.etag = etag.map(Into::into);
        Ok(())
    }

    pub(super) fn remove(&mut self) -> Result<(), FetchError> {
        self.remember(None)?;
        remove_if_there(&self.path).map_err(io_error("remove", &self.path))
    }

    /// Takes the file's own name, once its bytes are on the disk: after a power cut there is the whole file or none.
    pub(super) fn become_file(mut self, target: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(io_error("write", &self.path))?;
        fs::rename(&self.path, target).map_err(io_error("rename", &self.path))?;
        self.remember(None)
    }
}

/// The path with `suffix` behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The strong `ETag` that `bytes` are: visible characters between quotes, which may stand in a header.
pub(super) fn strong_etag(bytes: &[u8]) -> Option<String> {
    const LONGEST: usize = 1000;
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= LONGEST)?;
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_sound = inside.chars().all(|c| c.is_ascii_graphic() && c != '"');
    is_sound.then(|| text.to_owned())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_stand_in_a_header_is_a_version() {
        assert_eq!(strong_etag(b"\"v1-a\"").as_deref(), Some("\"v1-a\""));
        let long = format!("\"{}\"", "a".repeat(2000));
        for broken in [
            "",
            "\"",
            "\"v1",
            "v1",
            "W/\"v1\"",
            "\"v\r\nX: 1\"",
            "\"a\"b\"",
            "\"\u{e9}\"",
            &long,
        ] {
            assert_eq!(strong_etag(broken.as_bytes()), None, "{broken:?}");
        }
        assert_eq!(strong_etag(b"\"\xff\""), None);
    }
}
