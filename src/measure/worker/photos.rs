//! The encoded photos of a job: in memory, or read from their files each time.

use std::{
    borrow::Cow,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{super::protocol::Job, WorkerError};
use crate::backend::spec::Reads;

/// The encoded photos of a job.
pub(super) enum Photos {
    Loaded(Vec<Vec<u8>>),
    Files { paths: Vec<PathBuf>, cold: bool },
}

impl Photos {
    pub(super) fn load(job: &Job) -> Result<Self, WorkerError> {
        let cold = job.reads == Reads::Cold;
        if job.spec.is_null() || job.reads != Reads::Preloaded {
            let photos = Self::Files {
                paths: job.photos.clone(),
                cold: cold && !job.spec.is_null(),
            };
            photos.forget();
            return Ok(photos);
        }
        job.photos
            .iter()
            .map(|path| read(path, false))
            .collect::<Result<_, _>>()
            .map(Self::Loaded)
    }

    pub(super) fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>, WorkerError> {
        match self {
            Self::Loaded(photos) => Ok(Cow::Borrowed(&photos[index])),
            Self::Files { paths, cold } => read(&paths[index], *cold).map(Cow::Owned),
        }
    }

    /// Puts photos that are to be read cold out of the operating system's memory.
    fn forget(&self) {
        if let Self::Files { paths, cold: true } = self {
            // One that cannot be opened is told when it is read.
            for file in paths.iter().filter_map(|path| File::open(path).ok()) {
                put_out_of_memory(&file);
            }
        }
    }
}

fn read(path: &Path, cold: bool) -> Result<Vec<u8>, WorkerError> {
    let unreadable = |error: std::io::Error| WorkerError::Photo {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if cold {
        put_out_of_memory(&file);
    }
    Ok(bytes)
}

/// Asks the operating system to forget `file`. Whether it did shows in what the next read takes from storage.
fn put_out_of_memory(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
