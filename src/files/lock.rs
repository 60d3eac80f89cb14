//! One process at a time, and what those left that were killed at it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How often it is tried again.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The lock of the file at `path`, which is made where it is missing: held until the returned file is dropped or its process
/// ends, however it ends. Calls `waiting` once where another process holds it, and waits for it at most for `patience`.
pub fn lock(path: &Path, patience: Duration, waiting: &dyn Fn()) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let began = Instant::now();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() >= patience => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "another process has held this lock for {} s; end that one, or wait for it and run the command again",
                        patience.as_secs()
                    ),
                ));
            }
            Err(TryLockError::WouldBlock) => {
                if !said {
                    waiting();
                    said = true;
                }
                thread::sleep(POLL_INTERVAL.min(patience));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Removes the folders and files in `folder` whose names begin with `prefix`: what killed processes have left, where the
/// caller holds the lock that those had.
pub fn sweep(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs};

    use super::*;

    #[test]
    fn one_holds_it_and_the_next_waits_and_says_so_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let patience = Duration::from_secs(20);
        let held = lock(&path, patience, &|| panic!("nobody holds it")).unwrap();
        let said = Cell::new(0);
        let refused = lock(&path, Duration::from_millis(300), &|| said.set(said.get() + 1));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(said.get(), 1);
        thread::scope(|scope| {
            let next = scope.spawn(|| lock(&path, patience, &|| {}).is_ok());
            thread::sleep(POLL_INTERVAL);
            assert!(!next.is_finished());
            drop(held);
            assert!(next.join().unwrap());
        });
    }

    #[test]
    fn only_what_has_the_prefix_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path(".a-1")).unwrap();
        fs::write(path(".a-1").join("file"), "").unwrap();
        for name in [".a-2", ".b-1", "a-1"] {
            fs::write(path(name), "").unwrap();
        }
        sweep(folder.path(), ".a-").unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".b-1", "a-1"]);
        assert!(sweep(&path("none"), ".a-").is_err());
    }
}
