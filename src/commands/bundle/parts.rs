//! A stream of bytes as numbered files of limited size, each with its hash; nothing of it is kept in memory.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// One finished part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartFile {
    /// Its file name: `facebench.tar.gz.000`.
    pub(super) name: String,
    /// Bytes.
    pub(super) length: u64,
    /// 64 hex digits.
    pub(super) sha256: String,
}

/// Writes `<folder>/<stem>.000`, `.001` and so on. What was written is removed again unless [`Parts::finish`] is
/// reached.
pub(super) struct Parts {
    folder: PathBuf,
    stem: &'static str,
    limit: u64,
    open: Option<Open>,
    done: Vec<PartFile>,
}

struct Open {
    name: String,
    file: File,
    length: u64,
    hash: Sha256,
}

impl Parts {
    /// Parts of at most `limit` bytes (1 or more).
    pub(super) fn new(folder: &Path, stem: &'static str, limit: u64) -> Self {
        Self {
            folder: folder.to_path_buf(),
            stem,
            limit,
            open: None,
            done: Vec::new(),
        }
    }

    /// Closes the last part and lists all.
    pub(super) fn finish(mut self) -> io::Result<Vec<PartFile>> {
        self.close()?;
        Ok(std::mem::take(&mut self.done))
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        open.file.sync_all()?;
        let part = PartFile {
            name: open.name.clone(),
            length: open.length,
            sha256: base16ct::lower::encode_string(&open.hash.clone().finalize()),
        };
        self.open = None;
        self.done.push(part);
        Ok(())
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.as_ref().is_some_and(|open| open.length == self.limit) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            closed => {
                let name = format!("{}.{:03}", self.stem, self.done.len());
                let file = File::create_new(self.folder.join(&name))?;
                closed.insert(Open {
                    name,
                    file,
                    length: 0,
                    hash: Sha256::new(),
                })
            }
        };
        let room = usize::try_from(self.limit - open.length).unwrap_or(usize::MAX);
        let written = open.file.write(&bytes[..bytes.len().min(room)])?;
        open.hash.update(&bytes[..written]);
        open.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.file.flush())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let names = self.done.iter().map(|part| &part.name);
        for name in names.chain(self.open.as_ref().map(|open| &open.name)) {
            // Nothing better can be done while another failure is on its way to the user.
            let _ = fs::remove_file(self.folder.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn bytes_are_split_at_the_limit_and_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), "x", 4);
        parts.write_all(b"abcdefgh").unwrap();
        parts.write_all(b"ij").unwrap();
        let list = parts.finish().unwrap();
        let expected = [("x.000", "abcd"), ("x.001", "efgh"), ("x.002", "ij")];
        assert_eq!(
            files(folder.path()),
            expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        );
        for (part, (name, text)) in list.iter().zip(expected) {
            let hash = base16ct::lower::encode_string(&Sha256::digest(text));
            assert_eq!(
                (part.name.as_str(), part.length, &part.sha256),
                (name, text.len() as u64, &hash)
            );
        }
        // No empty part follows where the bytes end with a full one.
        let full = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(full.path(), "x", 4);
        parts.write_all(b"abcdefgh").unwrap();
        assert_eq!(parts.finish().unwrap().len(), 2);
    }

    #[test]
    fn what_was_not_finished_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::new(folder.path(), "x", 4);
        parts.write_all(b"abcdefghij").unwrap();
        assert_eq!(files(folder.path()).len(), 3);
        drop(parts);
        assert_eq!(files(folder.path()), []);
    }
}
