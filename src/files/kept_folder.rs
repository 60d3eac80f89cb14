//! Folders of files that are made once and used often: made by one process at a time, whole or not at all, and known again by
//! the hash of each file, so that one that was damaged since is made anew.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{folder_of, lock, sha256, sweep};
use crate::text::{ShownPath, visible};

/// The file with the hashes of all others, written last.
const HASHES: &str = "hashes.json";

/// How long another process is waited for that makes the same folder.
const PATIENCE: Duration = Duration::from_mins(15);

/// Why there is no such folder.
#[derive(Debug)]
pub enum KeptFolderError<E> {
    /// It could not be kept.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's message.
        source: io::Error,
    },
    /// What makes it failed.
    Make(E),
}

/// Makes sure that `folder` is whole: where it is missing or damaged, `make` fills an empty folder, which then takes its place.
/// `what` says in messages what is in it; `say` gets one line each about what takes time or was wrong.
pub fn keep<E>(
    folder: &Path,
    what: &str,
    say: &dyn Fn(&str),
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), KeptFolderError<E>> {
    // Before the lock, for a whole folder may lie on a disk that cannot be written.
    if damage(folder).is_none() {
        return Ok(());
    }
    let parent = folder_of(folder);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| KeptFolderError::Io { path, source }
    };
    fs::create_dir_all(parent).map_err(at(parent))?;
    let lock_file = parent.join(format!(".{name}.lock"));
    let waiting = || say(&format!("another facebench is making {what}; waiting for it"));
    let _lock = lock(&lock_file, PATIENCE, &waiting).map_err(at(&lock_file))?;
    let Some(why) = damage(folder) else {
        return Ok(());
    };
    let is_there = fs::symlink_metadata(folder).is_ok();
    if is_there {
        say(&format!(
            "{what} in {} are damaged, and are made again: {why}",
            folder.shown()
        ));
    }
    let prefix = format!(".{name}.making-");
    sweep(parent, &prefix).map_err(at(parent))?;
    let staging = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(parent)
        .map_err(at(parent))?;
    let made = staging.path().join("made");
    // Not the private mode of a temporary folder: a home that root made serves others too, where root's umask lets it.
    fs::create_dir(&made).map_err(at(&made))?;
    make(&made).map_err(KeptFolderError::Make)?;
    seal(&made).map_err(at(&made))?;
    if is_there {
        // Aside, to go with the staging folder.
        fs::rename(folder, staging.path().join("damaged")).map_err(at(folder))?;
    }
    fs::rename(&made, folder).map_err(at(folder))
}

/// Writes the hashes of all files of a folder into it.
fn seal(folder: &Path) -> io::Result<()> {
    let hashes: BTreeMap<String, String> = names(folder)?
        .into_iter()
        .map(|name| Ok((name.clone(), sha256(&folder.join(name))?)))
        .collect::<io::Result<_>>()?;
    super::write_atomic(&folder.join(HASHES), &serde_json::to_vec_pretty(&hashes)?)
}

/// What is wrong with a folder; `None` where it has exactly the files that it had when it was made.
fn damage(folder: &Path) -> Option<String> {
    let unreadable = |name: &str, error: &dyn std::fmt::Display| Some(format!("{}: {error}", visible(name)));
    let path = folder.join(HASHES);
    if fs::symlink_metadata(&path).is_ok_and(|facts| !facts.is_file()) {
        return Some(format!("{HASHES} is no file"));
    }
    let hashes: BTreeMap<String, String> = match fs::read(path) {
        Err(error) => return unreadable(HASHES, &error),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Err(error) => return unreadable(HASHES, &error),
            Ok(hashes) => hashes,
        },
    };
    let there = match names(folder) {
        Err(error) => return unreadable("the folder", &error),
        Ok(names) => names,
    };
    if let Some(name) = there
        .iter()
        .find(|name| *name != HASHES && !hashes.contains_key(*name))
    {
        return Some(format!("{} was never a part of it", visible(name)));
    }
    hashes.iter().find_map(|(name, hash)| {
        // A file of a folder, wherever the name leads.
        if !there.contains(name) {
            return Some(format!("{} is missing", visible(name)));
        }
        let path = folder.join(name);
        // A pipe would be read for ever.
        if !fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_file()) {
            return Some(format!("{} is no file", visible(name)));
        }
        match sha256(&path) {
            Ok(found) if found == *hash => None,
            Ok(_) => Some(format!("{} has changed", visible(name))),
            Err(error) => Some(format!("{}: {error}", visible(name))),
        }
    })
}

/// The names in a folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    const FILES: usize = 5;

    fn path(folder: &Path, number: usize) -> PathBuf {
        folder.join(format!("photo-{number}.jpg"))
    }

    fn fill(folder: &Path) -> io::Result<()> {
        (0..FILES).try_for_each(|number| fs::write(path(folder, number), format!("pixels {number}")))
    }

    /// Keeps the folder, and returns what was said and whether it was made.
    fn kept(folder: &Path) -> (Vec<String>, bool) {
        let (said, made) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let say = |line: &str| said.lock().unwrap().push(line.to_owned());
        keep(folder, "the photos", &say, |folder| {
            made.fetch_add(1, Ordering::Relaxed);
            fill(folder)
        })
        .unwrap();
        for number in 0..FILES {
            assert_eq!(
                fs::read_to_string(path(folder, number)).unwrap(),
                format!("pixels {number}")
            );
        }
        let left: Vec<_> = names(folder.parent().unwrap()).unwrap();
        assert_eq!(
            left.iter().filter(|name| *name != ".photos.lock").count(),
            1,
            "{left:?}"
        );
        (said.into_inner().unwrap(), made.into_inner() == 1)
    }

    #[test]
    fn it_is_made_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/photos");
        assert_eq!(kept(&folder), (Vec::new(), true));
        assert_eq!(kept(&folder), (Vec::new(), false));
    }

    #[test]
    fn whatever_is_damaged_is_made_again_and_said() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("photos");
        kept(&folder);
        let one = path(&folder, 1);
        let outside = home.path().join(".photos.lock");
        let damages: [(&dyn Fn(), &str); 9] = [
            (&|| fs::remove_file(&one).unwrap(), "photo-1.jpg is missing"),
            (
                &|| fs::write(&one, "pixels 9").unwrap(),
                "photo-1.jpg has changed",
            ),
            (&|| fs::write(&one, "pix").unwrap(), "photo-1.jpg has changed"),
            (
                &|| {
                    fs::remove_file(&one).unwrap();
                    fs::create_dir(&one).unwrap();
                },
                "photo-1.jpg",
            ),
            (
                &|| {
                    fs::remove_file(&one).unwrap();
                    symlink(&outside, &one).unwrap();
                },
                "photo-1.jpg is no file",
            ),
            (
                &|| fs::write(folder.join("more.jpg"), "").unwrap(),
                "more.jpg was never a part",
            ),
            (&|| fs::remove_file(folder.join(HASHES)).unwrap(), HASHES),
            (&|| fs::write(folder.join(HASHES), "{\"photo-").unwrap(), HASHES),
            (
                &|| {
                    // What a version left that did not hash.
                    fs::remove_dir_all(&folder).unwrap();
                    fs::create_dir(&folder).unwrap();
                },
                HASHES,
            ),
        ];
        for (damage, why) in damages {
            damage();
            let (said, made) = kept(&folder);
            assert!(made && said.len() == 1, "{said:?}");
            assert!(
                said[0].contains("damaged") && said[0].contains(why),
                "{said:?} lacks {why}"
            );
        }
        // With nothing left it is made in silence.
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(kept(&folder), (Vec::new(), true));
    }

    #[test]
    fn all_at_once_make_it_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("photos");
        let (made, waited) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    let say = |line: &str| {
                        assert!(line.contains("waiting for it"), "{line}");
                        waited.fetch_add(1, Ordering::Relaxed);
                    };
                    keep(&folder, "the photos", &say, |folder| {
                        made.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(200));
                        fill(folder)
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert!(waited.into_inner() > 0);
        assert_eq!(kept(&folder), (Vec::new(), false));
    }

    #[test]
    fn what_fails_or_is_killed_leaves_nothing_that_lasts() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("photos");
        let failed = keep(&folder, "the photos", &|_| {}, |folder| {
            fs::write(path(folder, 0), "half").unwrap();
            Err("no more room")
        });
        assert!(matches!(failed, Err(KeptFolderError::Make("no more room"))));
        assert!(!folder.exists());
        // As a killed process leaves it.
        let killed = home.path().join(".photos.making-abc");
        fs::create_dir(&killed).unwrap();
        fill(&killed).unwrap();
        assert_eq!(kept(&folder), (Vec::new(), true));
        assert!(!killed.exists());
    }
}
