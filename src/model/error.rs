//! Why a network cannot be used as asked.

use std::path::PathBuf;

use thiserror::Error;

use super::{
    catalog::CatalogError, family::Family, input::MOST_NUMBERS, outputs::ShapeError, settings::Role,
};
use crate::{
    runtime::{FileError, RuntimeError},
    text::ShownPath,
};

/// Why a network cannot be used as asked.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The catalog has no answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file cannot be taken for a network.
    #[error(transparent)]
    File(#[from] FileError),
    /// A canvas was asked for, and the graph has its own.
    #[error("{network}: its graph fixes the canvas to {}x{}, so that it cannot be {}x{}; leave --canvas out, or export the network with a dynamic width and height", fixed.0, fixed.1, asked.0, asked.1)]
    Canvas {
        /// The network's path.
        network: String,
        /// Width and height that the graph has.
        fixed: (usize, usize),
        /// What was asked for.
        asked: (u32, u32),
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
    #[error("{network}: {source}")]
    Shape {
        /// The network's path.
        network: String,
        /// Which output, and its shape.
        source: ShapeError,
    },
    /// What the network answered are no numbers.
    #[error(
        "{network}: its {what} are not finite numbers (NaN or infinite); the network is broken, or is fed what it was not made for"
    )]
    NotFinite {
        /// The network's path.
        network: String,
        /// What is not finite.
        what: &'static str,
    },
    /// The input is too large to be kept in memory.
    #[error("{network}: its input of {} numbers ({batch} pictures of {width}x{height}) is larger than facebench feeds ({MOST_NUMBERS}); export it for a smaller batch or canvas", 3 * batch * width * height)]
    TooLarge {
        /// The network's path.
        network: String,
        /// Pictures of a run.
        batch: usize,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
}
