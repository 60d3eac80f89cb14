//! Files written whole or not at all, and known again by their hash. It stands at the crate's root because every module
//! that keeps something needs these rules, and they share no other.

mod address;
mod kept_folder;
mod lock;
mod scratch;

pub use self::{
    address::without_secrets,
    kept_folder::{KeptFolderError, keep},
    lock::{lock, sweep},
    scratch::Scratch,
};

use std::{
    fs::{File, Metadata, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile, TempPath};

/// Writes `bytes` to `path` in one step: a reader sees the old file or the new one, never half of one, and whatever fails
/// leaves the old one. Makes the folder where it is missing.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let mut file = draft(folder, "")?;
    file.write_all(bytes)?;
    put_in_place(file.into_temp_path(), path)
}

/// An empty file at `path`, where nothing is yet: of several programs that try, one gets it. Makes the folder where it is
/// missing.
pub fn create_new(path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder_of(path))?;
    File::options().write(true).create_new(true).open(path)
}

/// An empty file in `folder` whose name ends in `suffix`. It goes when it is dropped, unless [`put_in_place`] takes it.
pub fn draft(folder: &Path, suffix: &str) -> io::Result<NamedTempFile> {
    // Temporary files are private by default. The umask is taken from these permissions, as from those of
    // every new file: a home that root made then serves others too, where root's umask lets it.
    Builder::new()
        .prefix(".draft-")
        .suffix(suffix)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

/// Renames a finished [`draft`] to `path`, on the same disk, in place of what stands there; its bytes are on the disk
/// before its name is.
pub fn put_in_place(draft: TempPath, path: &Path) -> io::Result<()> {
    File::open(&draft)?.sync_all()?;
    draft.persist(path).map_err(|failed| failed.error)
}

/// The folder that `path` lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What a file is that is no regular one, in words; `None` for a regular file. Pipes and devices may never end.
pub fn special(facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// SHA-256 of the file at `path`: 64 lower-case hex digits, as `sha256sum` prints them.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_into(&mut File::open(path)?, &mut hasher)?;
    Ok(base16ct::lower::encode_string(&hasher.finalize()))
}

/// The bytes of the file at `path`, which has `most` at most: a device or a pipe that never ends is an error.
pub fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let megabytes = most / 1_000_000;
        return Err(io::Error::other(format!("it is longer than {megabytes} MB")));
    }
    Ok(bytes)
}

/// Feeds what is left of `file` to `hasher`; returns how many bytes that was.
pub fn hash_into(file: &mut File, hasher: &mut Sha256) -> io::Result<u64> {
    let mut chunk = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let got = file.read(&mut chunk)?;
        if got == 0 {
            return Ok(bytes);
        }
        hasher.update(&chunk[..got]);
        bytes += got as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_gets_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let facts = fs::metadata(folder.path().join(name)).unwrap();
            facts.permissions().mode()
        };
        File::create(folder.path().join("plain")).unwrap();
        write_atomic(&folder.path().join("new"), b"1").unwrap();
        assert_eq!(mode("new"), mode("plain"));
        // What an earlier version left private is put right.
        fs::write(folder.path().join("old"), "0").unwrap();
        fs::set_permissions(folder.path().join("old"), Permissions::from_mode(0o600)).unwrap();
        write_atomic(&folder.path().join("old"), b"1").unwrap();
        assert_eq!(mode("old"), mode("plain"));
    }

    #[test]
    fn what_fails_leaves_the_old_and_nothing_else() {
        // Not even root writes here.
        assert!(write_atomic(Path::new("/proc/facebench"), b"1").is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_atomic(&file, b"old").unwrap();
        assert!(write_atomic(&file.join("inside"), b"new").is_err());
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_atomic(&folder.path().join("taken"), b"new").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a draft is left");
    }

    #[test]
    fn a_reader_sees_the_old_or_the_new_and_never_half() {
        const LENGTH: usize = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        write_atomic(&path, &vec![0; LENGTH]).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for value in 1..=30 {
                    write_atomic(&path, &vec![value; LENGTH]).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read(&path).unwrap();
                assert!(seen.len() == LENGTH && seen.iter().all(|byte| *byte == seen[0]));
            }
        });
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn what_never_ends_is_not_read_to_its_end() {
        let error = read_up_to(Path::new("/dev/zero"), 1_000_000).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 1 MB");
        assert_eq!(read_up_to(Path::new("/dev/null"), 0).unwrap(), b"");
    }

    #[test]
    fn a_hash_is_written_as_sha256sum_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        write_atomic(&path, b"").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(&path).unwrap(), empty);
    }
}
