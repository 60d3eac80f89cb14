//! Why a worker cannot go on.

use std::{io, path::PathBuf};

use super::parallel::NoThread;
use crate::{
    model::{ModelError, gallery::GalleryError},
    runtime::RuntimeError,
    text::ShownPath,
};

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A request that makes no sense here.
    #[error("the study's request cannot be understood: {0}")]
    Protocol(String),
    /// The study is gone.
    #[error("the study is gone: {0}")]
    Output(#[from] io::Error),
    /// The host cores cannot be had.
    #[error("cannot run on the host cores {cores:?}: {reason}")]
    Cores {
        /// What was asked.
        cores: Vec<usize>,
        /// What the system said.
        reason: String,
    },
    /// The backend's word has no code behind it in this process.
    #[error("this worker cannot run the backend {0}")]
    Backend(String),
    /// A file of the dataset.
    #[error("{}: {reason}", path.shown())]
    Photo {
        /// The photo.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Numbers that are none.
    #[error("the networks answered photo {0} with numbers that are not finite")]
    NotFinite(usize),
    /// No thread for a stream.
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// A network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Faces that cannot be matched with.
    #[error("the enrolled faces: {0}")]
    Gallery(#[from] GalleryError),
}

impl From<RuntimeError> for WorkerError {
    fn from(error: RuntimeError) -> Self {
        Self::Model(error.into())
    }
}
