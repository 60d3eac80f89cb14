//! Files, folders and texts on their way into the parts: a tar stream, compressed, never whole in memory or on disk.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header, HeaderMode};
use thiserror::Error;
use walkdir::WalkDir;

use super::parts::{PartFile, Parts};
use crate::text::ShownPath;

/// The one folder of a bundle.
pub(super) const ROOT: &str = "facebench-bundle";
/// The stem of the parts' names.
const STEM: &str = "facebench.tar.gz";
/// What the `nvidia` wheels call their folder, of libraries that a machine may have already.
const NVIDIA: &str = "nvidia";
/// Libraries shrink by half at the first level, and hardly further at five times the time.
const LEVEL: Compression = Compression::new(1);
const BUFFER: usize = 1 << 20;

/// A file that could not be packed.
#[derive(Debug, Error)]
#[error("cannot pack {} into {}: {cause}; see that it can be read and the disk is not full", file.shown(), folder.shown())]
pub struct PackError {
    /// What was being packed.
    pub file: PathBuf,
    /// The folder of the parts.
    pub folder: PathBuf,
    /// The system's error.
    pub cause: io::Error,
}

/// A bundle in the making.
pub(super) struct Pack {
    folder: PathBuf,
    tar: Builder<GzEncoder<BufWriter<Parts>>>,
}

impl Pack {
    /// A bundle whose parts, of at most `part_bytes` each, go into `folder`.
    pub(super) fn new(folder: &Path, part_bytes: u64) -> Self {
        let parts = BufWriter::with_capacity(BUFFER, Parts::new(folder, STEM, part_bytes));
        let mut tar = Builder::new(GzEncoder::new(parts, LEVEL));
        // The same files make the same bundle, whoever packs them and when.
        tar.mode(HeaderMode::Deterministic);
        // A bundle has no links: whoever unpacks it need not ask where they lead.
        tar.follow_symlinks(true);
        Self {
            folder: folder.to_path_buf(),
            tar,
        }
    }

    /// Packs the file `from` as `to` (below the bundle's folder), links resolved.
    pub(super) fn file(&mut self, from: &Path, to: impl AsRef<Path>) -> Result<(), PackError> {
        let to = Path::new(ROOT).join(to);
        File::open(from)
            .and_then(|mut file| self.tar.append_file(to, &mut file))
            .map_err(|cause| self.failed(from, cause))
    }

    /// Packs the folder `from` with all below it as `to`, without what lies in a folder called `nvidia` unless
    /// `nvidia` is set. Links are resolved.
    pub(super) fn folder(&mut self, from: &Path, to: &Path, nvidia: bool) -> Result<(), PackError> {
        let is_wanted = |entry: &walkdir::DirEntry| {
            nvidia || !(entry.file_type().is_dir() && entry.file_name() == OsStr::new(NVIDIA))
        };
        for entry in WalkDir::new(from)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(is_wanted)
        {
            let entry = entry.map_err(|error| {
                let file = error.path().unwrap_or(from).to_path_buf();
                self.failed(&file, error.into())
            })?;
            let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
            if below.as_os_str().is_empty() {
                continue;
            }
            let path = Path::new(ROOT).join(to).join(below);
            self.tar
                .append_path_with_name(entry.path(), path)
                .map_err(|cause| self.failed(entry.path(), cause))?;
        }
        Ok(())
    }

    /// Packs `text` as the file `to`.
    pub(super) fn text(&mut self, text: &str, to: &str, executable: bool) -> Result<(), PackError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(text.len() as u64);
        // Some versions of tar warn about the first second of 1970.
        header.set_mtime(1_153_704_088);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        let path = Path::new(ROOT).join(to);
        self.tar
            .append_data(&mut header, path, text.as_bytes())
            .map_err(|cause| self.failed(Path::new(to), cause))
    }

    /// Ends the stream and lists its parts.
    pub(super) fn finish(self) -> Result<Vec<PartFile>, PackError> {
        let folder = self.folder;
        let end = || -> io::Result<Vec<PartFile>> {
            let parts = self.tar.into_inner()?.finish()?;
            parts
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .finish()
        };
        end().map_err(|cause| PackError {
            file: PathBuf::from("the last part"),
            folder,
            cause,
        })
    }

    fn failed(&self, file: &Path, cause: io::Error) -> PackError {
        PackError {
            file: file.to_path_buf(),
            folder: self.folder.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::read::GzDecoder;

    use super::*;

    /// The names of what a runtime's folder leaves in a bundle, and the bytes of its parts.
    fn packed(runtime: &Path, nvidia: bool) -> (Vec<String>, Vec<u8>) {
        let out = tempfile::tempdir().unwrap();
        let mut pack = Pack::new(out.path(), 300);
        pack.folder(runtime, Path::new("home/runtimes/x"), nvidia)
            .unwrap();
        pack.text("run", "start", true).unwrap();
        let parts = pack.finish().unwrap();
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| fs::read(out.path().join(&part.name)).unwrap())
            .collect();
        let mut archive = tar::Archive::new(GzDecoder::new(&bytes[..]));
        let names = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().shown().to_string();
            format!("{path} {:o}", entry.header().mode().unwrap())
        });
        (names.collect(), bytes)
    }

    #[test]
    fn nvidias_libraries_stay_out_on_request_and_the_same_files_make_the_same_bundle() {
        let runtime = tempfile::tempdir().unwrap();
        fs::create_dir_all(runtime.path().join("nvidia/cublas")).unwrap();
        fs::write(runtime.path().join("nvidia/cublas/libcublas.so.13"), "large").unwrap();
        fs::write(runtime.path().join("nvidia.txt"), "a file of that name").unwrap();
        fs::write(runtime.path().join("libonnxruntime.so"), "small").unwrap();
        let (without, _) = packed(runtime.path(), false);
        assert_eq!(
            without,
            [
                "facebench-bundle/home/runtimes/x/libonnxruntime.so 644",
                "facebench-bundle/home/runtimes/x/nvidia.txt 644",
                "facebench-bundle/start 755",
            ]
        );
        let (with, bytes) = packed(runtime.path(), true);
        assert!(
            with.iter()
                .any(|name| name.contains("nvidia/cublas/libcublas.so.13")),
            "{with:?}"
        );
        assert_eq!(packed(runtime.path(), true).1, bytes);
    }

    #[test]
    fn a_file_that_cannot_be_packed_is_named_and_its_parts_are_removed() {
        let out = tempfile::tempdir().unwrap();
        let mut pack = Pack::new(out.path(), 100);
        pack.text("some text", "text", false).unwrap();
        let error = pack
            .file(Path::new("no/such/file"), "file")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot pack no/such/file into "), "{error}");
        drop(pack);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }
}
