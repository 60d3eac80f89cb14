//! A file system below a chosen root: the real one, or a planted one.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Reading;

/// The largest file that is read. `/proc/cpuinfo` of a machine with thousands of processors has a few megabytes.
const MOST_BYTES: u64 = 32 << 20;

/// Reads absolute paths as if `root` were `/`.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The file's text without the white space around it; a reason names the path without the root.
    pub(super) fn text(&self, path: &str) -> Reading<String> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).trim().to_owned())
    }

    pub(super) fn bytes(&self, path: &str) -> Reading<Vec<u8>> {
        let real = self.real(path);
        let failed = |error: io::Error| format!("cannot read {path}: {error}");
        // A pipe or a device may never end, nor even begin.
        if !fs::metadata(&real).map_err(failed)?.is_file() {
            return Err(format!("cannot read {path}: it is no file"));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&real).map_err(failed)?;
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!(
                "cannot read {path}: it has more than {} MB",
                MOST_BYTES >> 20
            ));
        }
        Ok(bytes)
    }

    /// The last component of a link's target.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.real(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The same, but an empty file counts as a missing one.
    pub(super) fn filled(&self, path: &str) -> Reading<String> {
        let text = self.text(path)?;
        if text.is_empty() {
            Err(format!("{path} is empty"))
        } else {
            Ok(text)
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.real(path).symlink_metadata().is_ok()
    }

    /// The names in a folder, sorted.
    pub(super) fn names(&self, path: &str) -> Reading<Vec<String>> {
        let entries =
            fs::read_dir(self.real(path)).map_err(|error| format!("cannot read {path}: {error}"))?;
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn real(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// The value after `key` and a colon in text of the `/proc` style, first occurrence.
pub(super) fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// A `/proc` size such as `MemTotal:  24684084 kB`, in bytes; `path` is only for the reason.
pub(super) fn kilobytes(text: &str, key: &str, path: &str) -> Reading<u64> {
    let value = field(text, key).ok_or_else(|| format!("{path} has no {key}"))?;
    value
        .strip_suffix("kB")
        .and_then(|number| number.trim().parse::<u64>().ok())
        .and_then(|kilobytes| kilobytes.checked_mul(1024))
        .ok_or_else(|| format!("{path}: {key} is not a size in kB: `{value}`"))
}
