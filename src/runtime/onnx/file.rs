//! A network's file as a whole: what it is known by, what else it needs, what its graph says of its input.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    external,
    graph::{GraphError, graph_of},
    normalization::{OwnNormalization, own_normalization},
};
use crate::{files, text::ShownPath};

/// Largest file: no protobuf message can be larger.
const MOST_BYTES: u64 = 1 << 31;

/// Why a file cannot be taken for a network.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}", path.shown())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a pipe, a device or a folder.
    #[error("{}: is {what}, not a regular file; give an ONNX file", path.shown())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is larger than any ONNX file.
    #[error("{}: has {bytes} bytes, and no ONNX file has more than {MOST_BYTES}: large weights lie in files beside it", path.shown())]
    Large {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// It is not ONNX.
    #[error("{}: {source}", path.shown())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GraphError,
    },
    /// What it needs beside it is not there, or not what it was.
    #[error("{}: {reason}", path.shown())]
    External {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A network's file, and those beside it that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkFile {
    /// What the network is known by: 64 hex digits. The hash of the file where it holds all weights; else see
    /// [`NetworkFile::read`].
    pub sha256: String,
    /// The files beside it that hold weights, relative to its folder, sorted.
    pub external: Vec<PathBuf>,
    /// How its graph normalises pixels inside, where it does.
    pub own_normalization: Option<OwnNormalization>,
}

impl NetworkFile {
    /// Reads the network at `path`. Where weights lie in other files, its hash is that of a text: the file's own hash in a
    /// line, then for each other file, sorted by name, a line of its hash, two spaces and its name.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let model = read_model(path)?;
        Self::of(path, &model)
    }

    /// The same of the file at `path` whose bytes are `model`.
    pub fn of(path: &Path, model: &[u8]) -> Result<Self, FileError> {
        let broken = |source| FileError::Graph {
            path: path.to_path_buf(),
            source,
        };
        graph_of(model).map_err(broken)?;
        let folder = files::folder_of(path);
        let external = external_files(path, model)?;
        Ok(Self {
            sha256: identity(folder, model, &external)?,
            own_normalization: own_normalization(model, folder).map_err(broken)?,
            external,
        })
    }
}

/// The files beside the network at `path`, whose file holds `model`, that hold weights: relative to its folder, sorted.
pub fn external_files(path: &Path, model: &[u8]) -> Result<Vec<PathBuf>, FileError> {
    let places = external::places(model).map_err(|source| FileError::Graph {
        path: path.to_path_buf(),
        source,
    })?;
    external::files(files::folder_of(path), places).map_err(|reason| FileError::External {
        path: path.to_path_buf(),
        reason,
    })
}

/// What the network at `path` is known by, whose file holds `model`: see [`NetworkFile::read`].
pub fn identity_of(path: &Path, model: &[u8]) -> Result<String, FileError> {
    identity(files::folder_of(path), model, &external_files(path, model)?)
}

/// The bytes of the regular file at `path`, which is no larger than an ONNX file can be.
fn read_model(path: &Path) -> Result<Vec<u8>, FileError> {
    let unread = |source| FileError::Read {
        path: path.to_path_buf(),
        source,
    };
    // Opening a pipe would wait for its other end.
    let facts = fs::metadata(path).map_err(unread)?;
    if let Some(what) = files::special(&facts) {
        return Err(FileError::Kind {
            path: path.to_path_buf(),
            what,
        });
    }
    if facts.len() > MOST_BYTES {
        return Err(FileError::Large {
            path: path.to_path_buf(),
            bytes: facts.len(),
        });
    }
    fs::read(path).map_err(unread)
}

/// What the network whose file holds `model` is known by, with the `external` files of its `folder`.
fn identity(folder: &Path, model: &[u8], external: &[PathBuf]) -> Result<String, FileError> {
    let own = base16ct::lower::encode_string(&Sha256::digest(model));
    if external.is_empty() {
        return Ok(own);
    }
    let mut lines = format!("{own}\n");
    for file in external {
        let path = folder.join(file);
        let sha256 = files::sha256(&path).map_err(|source| FileError::Read { path, source })?;
        let _ = writeln!(lines, "{sha256}  {}", file.to_string_lossy());
    }
    Ok(base16ct::lower::encode_string(&Sha256::digest(lines)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            builtin::{node, one_node, smallest},
            external::tests::elsewhere,
            schema::FLOAT,
        },
        *,
    };

    fn network(entries: &[(&str, &str)]) -> Vec<u8> {
        let add = node("Add", &["x", "w"], "y", &[]);
        one_node(&add, [1, 3, 8, 8], FLOAT, Some(&elsewhere("w", entries)), None)
    }

    #[test]
    fn weights_beside_the_graph_are_part_of_what_a_network_is_known_by() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, data: &[u8]| {
            let folder = folder.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("net.onnx"), network(&[("location", "net.data")])).unwrap();
            fs::write(folder.join("net.data"), data).unwrap();
            NetworkFile::read(&folder.join("net.onnx")).unwrap()
        };
        let (a, b) = (read("a", b"weights!"), read("b", b"others!!"));
        assert_eq!(a.external, [PathBuf::from("net.data")]);
        assert_ne!(a.sha256, b.sha256);
        assert_eq!(read("c", b"weights!").sha256, a.sha256);
        fs::remove_file(folder.path().join("a/net.data")).unwrap();
        let error = NetworkFile::read(&folder.path().join("a/net.onnx"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a/net.onnx: its weights lie in net.data: No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_network_in_one_file_is_known_by_that_files_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.onnx");
        fs::write(&path, smallest()).unwrap();
        assert_eq!(
            NetworkFile::read(&path).unwrap().sha256,
            files::sha256(&path).unwrap()
        );
    }

    #[test]
    fn what_is_no_regular_file_or_no_network_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.onnx");
        fs::write(&text, "text").unwrap();
        let fifo = folder.path().join("fifo.onnx");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        for (path, words) in [
            (Path::new("/dev/zero"), "is a device"),
            (&fifo, "is a pipe"),
            (folder.path(), "is a folder"),
            (&text, "not an ONNX file"),
            (&folder.path().join("none"), "No such file"),
        ] {
            let error = NetworkFile::read(path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
