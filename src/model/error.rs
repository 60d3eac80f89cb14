//! Why a network cannot be used as asked.

use std::path::PathBuf;

use thiserror::Error;

use super::{catalog::CatalogError, family::Family, outputs::ShapeError, settings::Role};
use crate::{runtime::RuntimeError, text::ShownPath};

/// Why a network cannot be used as asked.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The catalog has no answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file cannot be read.
    #[error("{}: {source}", path.shown())]
    Read {
        /// The ONNX file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A network inside the program that cannot be put on the disk.
    #[error("{name} cannot be unpacked: {source}")]
    Unpack {
        /// The entry's name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A catalog network that is not on this machine.
    #[error("{name} is not on this machine; fetch it: facebench models fetch {name}")]
    Absent {
        /// The entry's name.
        name: String,
    },
    /// A catalog network without a file that can be fetched as it is.
    #[error(
        "{name} is not on this machine; it comes in an archive ({pack}): unpack {file} and give it as {by_path}"
    )]
    AbsentPack {
        /// The entry's name.
        name: String,
        /// Where the archive is.
        pack: String,
        /// The member's name.
        file: String,
        /// How to name it on the command line.
        by_path: String,
    },
    /// A catalog network whose file here is not the one the catalog means.
    #[error("{}: is not {name} as the catalog knows it; fetch it again: facebench models fetch {name}", path.shown())]
    WrongFile {
        /// The entry's name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A detector where a recognizer belongs, or the other way round.
    #[error("{network} is a {} ({family}) and was given as the {}: give it as --{} instead", family.role(), given, family.role())]
    WrongRole {
        /// The network's name or path.
        network: String,
        /// What it is.
        family: Family,
        /// What it was given as.
        given: Role,
    },
    /// The graph looks like none of the families.
    #[error("{network}: {reason}")]
    UnknownGraph {
        /// The network's name or path.
        network: String,
        /// What does not fit, by family where nothing better is known.
        reason: String,
    },
    /// The graph is not of the family that was named.
    #[error("{network}: does not look like a network of the {family} family: {reason}")]
    NotOfFamily {
        /// The network's name or path.
        network: String,
        /// The family that was named.
        family: Family,
        /// What does not fit.
        reason: String,
    },
    /// The runtime could not load or run it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The outputs of a run do not have the family's shapes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}
