//! The files that a study measures, looked at before it begins and after its end: photos by size, time and place, what is
//! loaded from a file by its hash too.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Study, planned_arm::PlannedArm};
use crate::{
    files,
    model::network::Network,
    record::{ChangedFile, Inputs},
    runtime::NetworkFile,
    worker::environment::ArmEnvironment,
};

/// What tells a file from one that took its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    bytes: u64,
    /// Device and number of its place on it.
    place: (u64, u64),
    /// When it was last written, seconds and nanoseconds.
    written: (i64, i64),
}

impl Look {
    /// At the file at `path`; the error is why it cannot be seen.
    fn at(path: &Path) -> Result<Self, String> {
        let facts = fs::metadata(path).map_err(|error| error.to_string())?;
        Ok(Self {
            bytes: facts.len(),
            place: (facts.dev(), facts.ino()),
            written: (facts.mtime(), facts.mtime_nsec()),
        })
    }
}

/// A file as it was when the study began.
#[derive(Debug, Clone)]
struct Input {
    /// What a record calls it.
    name: String,
    path: PathBuf,
    look: Result<Look, String>,
    /// The hash that is in the record; `None` for photos.
    sha256: Option<String>,
    /// Whether the hash is a network's, which is over the files beside it too.
    is_network: bool,
}

impl Input {
    fn new(name: String, path: &Path, sha256: Option<String>) -> Self {
        Self {
            name,
            path: path.to_path_buf(),
            look: Look::at(path),
            sha256,
            is_network: false,
        }
    }

    /// The files of a network: its graph, and those with its weights.
    fn network(network: &Network) -> Vec<Self> {
        let beside = files::folder_of(&network.path);
        let external = network
            .external
            .iter()
            .map(|file| Self::new(file.to_string_lossy().into_owned(), &beside.join(file), None));
        let graph = Self {
            is_network: true,
            ..Self::loaded(&network.path, &network.sha256)
        };
        std::iter::once(graph).chain(external).collect()
    }

    /// The hash as it is now.
    fn hash(&self) -> Result<String, String> {
        if self.is_network {
            let network = NetworkFile::read(&self.path);
            network
                .map(|network| network.sha256)
                .map_err(|error| error.to_string())
        } else {
            files::sha256(&self.path).map_err(|error| error.to_string())
        }
    }

    /// A file that is loaded, under its own name.
    fn loaded(path: &Path, sha256: &str) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self::new(name.to_string_lossy().into_owned(), path, Some(sha256.to_owned()))
    }

    /// What happened to it since; `None` where nothing did.
    fn change(&self) -> Option<String> {
        let Ok(before) = &self.look else {
            // It was not there when the study began, and the check pass has said so.
            return None;
        };
        let now = match Look::at(&self.path) {
            Ok(now) => now,
            Err(error) => return Some(format!("is gone ({error})")),
        };
        if let Some(sha256) = &self.sha256 {
            match self.hash() {
                Ok(hash) if hash != *sha256 => return Some("has another content".to_owned()),
                Ok(_) => {}
                Err(error) => return Some(format!("cannot be read any more ({error})")),
            }
        }
        if now.bytes != before.bytes {
            return Some(format!("had {} bytes and has {}", before.bytes, now.bytes));
        }
        if now.place != before.place {
            return Some("was replaced by another file".to_owned());
        }
        (now.written != before.written).then(|| "was written to".to_owned())
    }
}

/// The files of a study as they were when it began.
pub(super) struct InputFiles {
    photos: Vec<Input>,
    /// For each arm, what it loads.
    arms: Vec<Vec<Input>>,
}

impl InputFiles {
    /// Of the arms and photos of `study`.
    pub(super) fn of(study: &Study) -> Self {
        let photos = study.dataset.photos.iter();
        let arms = study.plan.arms.iter().zip(&study.environments);
        Self {
            photos: photos
                .map(|photo| Input::new(photo.name.clone(), &photo.path, None))
                .filter(|photo| photo.look.is_ok())
                .collect(),
            arms: arms
                .map(|(arm, environment)| study.loaded(arm, environment))
                .collect(),
        }
    }

    /// What became of the files of each arm; `None` for an arm without any.
    pub(super) fn look_again(&self) -> Vec<Option<Inputs>> {
        let changes = |inputs: &[Input]| -> Vec<ChangedFile> {
            let changed = inputs.iter().filter_map(|input| {
                let (file, change) = (input.name.clone(), input.change()?);
                Some(ChangedFile { file, change })
            });
            changed.collect()
        };
        let photos = changes(&self.photos);
        let of_arm = |loaded: &Vec<Input>| {
            let files = self.photos.len() + loaded.len();
            (files > 0).then(|| {
                let mut changed = changes(loaded);
                changed.extend(photos.iter().take(MOST_NAMED).cloned());
                Inputs { files, changed }
            })
        };
        self.arms.iter().map(of_arm).collect()
    }
}

/// Most photos that are named: a whole folder may be gone.
const MOST_NAMED: usize = 20;

impl Study {
    /// The files that the worker of an arm loads.
    fn loaded(&self, arm: &PlannedArm, environment: &ArmEnvironment) -> Vec<Input> {
        let networks = environment.networks.as_ref().or(self.networks.as_ref());
        let networks = networks.filter(|_| !arm.spec.is_null());
        let networks = networks
            .into_iter()
            .flat_map(|networks| [&networks.detector, &networks.recognizer]);
        let mut inputs: Vec<Input> = networks.flat_map(Input::network).collect();
        let library = environment.library.as_ref();
        inputs.extend(library.map(|library| Input::loaded(&library.path, &library.sha256)));
        let program = environment.program.as_ref();
        inputs.extend(program.map(|program| Input::loaded(&program.path, &program.sha256)));
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.onnx");
        fs::write(&path, "one").unwrap();
        let hash = files::sha256(&path).unwrap();
        let photo = Input::new("a/b.jpg".to_owned(), &path, None);
        let network = Input::loaded(&path, &hash);
        assert_eq!((photo.change(), network.change()), (None, None));
        assert_eq!(network.name, "net.onnx");
        // The same bytes in another file.
        files::write_atomic(&path, b"one").unwrap();
        let replaced = Some("was replaced by another file".to_owned());
        assert_eq!((photo.change(), network.change()), (replaced.clone(), replaced));
        fs::write(&path, "two").unwrap();
        assert_eq!(network.change().unwrap(), "has another content");
        fs::write(&path, "longer").unwrap();
        assert_eq!(photo.change().unwrap(), "had 3 bytes and has 6");
        fs::remove_file(&path).unwrap();
        assert!(photo.change().unwrap().starts_with("is gone"));
        let never = Input::new("x".to_owned(), &folder.path().join("x"), None);
        assert_eq!(never.change(), None);
    }
}
