//! The encoded photos of a job: in memory, or read from their files each time.

use std::{
    fs::File,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{WorkerError, protocol::Job};
use crate::runtime::spec::Reads;

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
            .map(|path| {
                let mut bytes = Vec::new();
                read(path, false, &mut bytes).map(|()| bytes)
            })
            .collect::<Result<_, _>>()
            .map(Self::Loaded)
    }

    /// The encoded photos of `range`: those in memory, or read into `memory`, which is used again. Where files need not
    /// be cold, those that come next are read ahead.
    pub(super) fn read<'a>(
        &'a self,
        range: Range<usize>,
        memory: &'a mut Vec<Vec<u8>>,
    ) -> Result<&'a [Vec<u8>], WorkerError> {
        match self {
            Self::Loaded(photos) => Ok(&photos[range]),
            Self::Files { paths, cold } => {
                if !cold {
                    read_ahead(paths, &range);
                }
                memory.resize_with(memory.len().max(range.len()), Vec::new);
                for (path, bytes) in paths[range.clone()].iter().zip(memory.iter_mut()) {
                    read(path, *cold, bytes)?;
                }
                Ok(&memory[..range.len()])
            }
        }
    }

    /// Puts photos that are to be read cold out of the operating system's memory.
    fn forget(&self) {
        if let Self::Files { paths, cold: true } = self {
            // One that cannot be opened is reported when it is read.
            for file in paths.iter().filter_map(|path| File::open(path).ok()) {
                put_out_of_memory(&file);
            }
        }
    }
}

/// How many photos ahead storage works while others are decoded.
const AHEAD: usize = 8;

/// Asks the operating system to have in its memory what is read some photos after `range`; after the last photo comes
/// the first.
fn read_ahead(paths: &[PathBuf], range: &Range<usize>) {
    #[cfg(target_os = "linux")]
    for index in range.clone() {
        // One that cannot be opened is reported when it is read.
        if let Ok(file) = File::open(&paths[(index + AHEAD) % paths.len()]) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::WillNeed);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (paths, range);
}

fn read(path: &Path, cold: bool, bytes: &mut Vec<u8>) -> Result<(), WorkerError> {
    let unreadable = |error: std::io::Error| WorkerError::Photo {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    bytes.clear();
    file.read_to_end(bytes).map_err(unreadable)?;
    if cold {
        put_out_of_memory(&file);
    }
    Ok(())
}

/// Asks the operating system to forget `file`. Whether it did shows in what the next read takes from storage.
fn put_out_of_memory(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
