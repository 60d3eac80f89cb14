//! Folders for what a process needs while it runs. Its owner removes them, or the next process where the owner was killed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// How the names of such folders begin.
const PREFIX: &str = "facebench-";
/// The file in each that its owner holds a lock of, which the kernel takes back when the owner is gone.
const LOCK: &str = ".owner";

/// A folder in the system's place for temporary files. Removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    _owner: File,
}

impl Scratch {
    /// A new one, in which only this user may read.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let owner = lock_file(folder.path(), true)?;
            if let Some(scratch) = Self::owned(folder, owner)? {
                return Ok(scratch);
            }
        }
    }

    /// The folder, once `owner` is locked; `None` where another process swept it between its making and the lock. While one
    /// sweeps it holds the lock, so that this waits until the folder is gone.
    fn owned(folder: tempfile::TempDir, owner: File) -> io::Result<Option<Self>> {
        owner.lock()?;
        Ok(folder.path().join(LOCK).exists().then_some(Self {
            folder,
            _owner: owner,
        }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the folders whose owners are gone, as far as this user may.
    pub fn sweep() {
        sweep_in(&std::env::temp_dir());
    }
}

fn sweep_in(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_if_abandoned(&entry.path());
        }
    }
}

fn remove_if_abandoned(folder: &Path) {
    // One without the file was made this moment, or by something else.
    if let Ok(owner) = lock_file(folder, false)
        && owner.try_lock().is_ok()
    {
        let _ = fs::remove_dir_all(folder);
    }
}

fn lock_file(folder: &Path, make: bool) -> io::Result<File> {
    let path: PathBuf = folder.join(LOCK);
    if !make && !fs::symlink_metadata(&path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().create(make).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lasts_as_long_as_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        let own = Scratch::new_in(parent.path()).unwrap();
        // As a killed process leaves it: the file is there, and nobody holds it.
        let abandoned = path("facebench-abandoned");
        fs::create_dir_all(abandoned.join("deep")).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        // Another program's, and one without the file.
        for other in ["other-1", "facebench-other"] {
            fs::create_dir(path(other)).unwrap();
        }
        std::os::unix::fs::symlink(path("other-1"), path("facebench-link")).unwrap();
        sweep_in(parent.path());
        assert!(own.path().is_dir() && path("other-1").is_dir() && path("facebench-other").is_dir());
        assert!(!abandoned.exists());
        let own_path = own.path().to_owned();
        drop(own);
        assert!(!own_path.exists());
    }

    #[test]
    fn a_folder_that_is_swept_before_it_is_locked_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let made = || {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(parent.path())
                .unwrap();
            let owner = lock_file(folder.path(), true).unwrap();
            (folder, owner)
        };
        let (folder, owner) = made();
        sweep_in(parent.path());
        assert!(Scratch::owned(folder, owner).unwrap().is_none());
        let (folder, owner) = made();
        assert!(Scratch::owned(folder, owner).unwrap().is_some());
    }

    #[test]
    fn many_that_make_and_sweep_at_once_keep_their_own() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let own = Scratch::new_in(parent.path()).unwrap();
                        sweep_in(parent.path());
                        assert!(own.path().is_dir());
                    }
                });
            }
        });
    }
}
