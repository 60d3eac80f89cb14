//! What an installation may write: pip and its wheels are pinned by hash, and a mirror, a proxy or another pip in its place
//! must not fill the disk or put anything else on it than plain files.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use walkdir::WalkDir;

use crate::text::{ShownPath, file_name};

/// The most files and folders of an installation; NVIDIA's libraries have some thousands with their headers.
const MOST_FILES: usize = 50_000;
/// How much larger a wheel may become when it is unpacked; libraries shrink to a half or a third.
const MOST_GROWTH: u64 = 10;
/// What there is always room for: pip's own traces.
const SPARE: u64 = 100_000_000;

/// The most bytes that an installation of a download of `bytes` may have on the disk, the download itself counted in.
pub(super) fn most_bytes(bytes: u64) -> u64 {
    bytes.saturating_mul(MOST_GROWTH).saturating_add(SPARE)
}

/// What is too much below `folder`, where pip may be at work at the same moment; `None` where nothing is.
pub(super) fn excess(folder: &Path, most: u64) -> Option<String> {
    let (mut files, mut bytes) = (0, 0);
    // What goes while it is looked at is not there any more.
    for facts in WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
    {
        files += 1;
        // The blocks on the disk: a file with holes fills none.
        bytes += facts.blocks().saturating_mul(512);
        if files > MOST_FILES {
            return Some(format!("more than {MOST_FILES} files"));
        }
        if bytes > most {
            return Some(format!("more than {} MB", most / 1_000_000));
        }
    }
    None
}

/// What is below `folder` that is neither a plain file nor a folder, or would run as its owner; or what lies beside what
/// `expected` names at the top. `None` where there is no such thing.
pub(super) fn foreign(folder: &Path, expected: &[&str]) -> io::Result<Option<String>> {
    const SET_ID: u32 = 0o6000;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !expected.iter().any(|known| name == *known) {
            return Ok(Some(format!("a file beside its folder, {}", file_name(&name))));
        }
    }
    for entry in WalkDir::new(folder).min_depth(2) {
        let entry = entry?;
        let kind = entry.file_type();
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let shown = below.shown();
        if !kind.is_file() && !kind.is_dir() {
            return Ok(Some(format!("{shown}, which is no plain file")));
        }
        let facts = entry.metadata()?;
        if kind.is_file() && facts.mode() & SET_ID != 0 {
            return Ok(Some(format!("{shown} with the mode {:o}", facts.mode() & 0o7777)));
        }
        if kind.is_file() && facts.nlink() > 1 {
            return Ok(Some(format!("{shown}, which is a link to another file")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn plain_files_are_all_that_may_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let path = |name: &str| site.join(name);
        fs::create_dir_all(path("package")).unwrap();
        fs::write(path("package/lib.so"), "x").unwrap();
        let found = || foreign(folder.path(), &["site"]).unwrap();
        assert_eq!(found(), None);
        let refused = |make: &dyn Fn(), clear: &dyn Fn(), why: &str| {
            make();
            let what = found().unwrap_or_default();
            assert!(what.contains(why), "{what:?} lacks {why}");
            clear();
            assert_eq!(found(), None);
        };
        let link = path("package/link");
        let clear = || fs::remove_file(&link).unwrap();
        refused(
            &|| symlink("/etc/passwd", &link).unwrap(),
            &clear,
            "no plain file",
        );
        refused(
            &|| fs::hard_link(path("package/lib.so"), &link).unwrap(),
            &clear,
            "a link to another file",
        );
        for mode in [0o4755, 0o2755] {
            let set = || {
                fs::write(&link, "x").unwrap();
                fs::set_permissions(&link, fs::Permissions::from_mode(mode)).unwrap();
            };
            refused(&set, &clear, &format!("with the mode {mode:o}"));
        }
        let beside = folder.path().join(".bashrc");
        refused(
            &|| fs::write(&beside, "x").unwrap(),
            &|| fs::remove_file(&beside).unwrap(),
            "beside its folder, .bashrc",
        );
    }

    #[test]
    fn what_is_too_much_is_seen_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(excess(folder.path(), 100_000), None);
        fs::write(folder.path().join("large"), vec![1; 200_000]).unwrap();
        assert_eq!(excess(folder.path(), 100_000).as_deref(), Some("more than 0 MB"));
        assert_eq!(excess(folder.path(), 1_000_000), None);
    }
}
