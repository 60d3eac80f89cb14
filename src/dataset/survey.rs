//! Surveys a folder of photos before anything is measured: in a stable order, with formats recognised by content, and a
//! reason for each file that is left out.

use std::{
    convert::Infallible,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use walkdir::WalkDir;

use super::{Dataset, Photo};
use crate::{
    text::{ShownPath, file_name, visible},
    vision::{
        encoded::{DecodeError, Limits, probe, sniff},
        pixel_pool::try_map,
    },
};

/// Bytes by which a format is recognised.
const HEAD: usize = 512;

/// Files that lie beside photos and are passed over silently.
const PASSED_OVER: [&str; 5] = ["csv", "json", "toml", "txt", "md"];

/// No photo is longer: a file that claims to be one is skipped before it is read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The photos.
    pub dataset: Dataset,
    /// Files that are not photos or cannot be read: name and reason.
    pub skipped: Vec<(String, String)>,
}

/// Why there are no photos.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// The path leads nowhere.
    #[error("{}: there is no such file or folder", path.shown())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The folder cannot be read.
    #[error("{}: {source}", path.shown())]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The one file is not a photo.
    #[error("{}: {reason}", path.shown())]
    NotAPhoto {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no photo in the folder.
    #[error("{}: no photo in it{}", path.shown(), reasons(skipped))]
    NoPhoto {
        /// The folder.
        path: PathBuf,
        /// What was found instead.
        skipped: Vec<(String, String)>,
    },
}

fn reasons(skipped: &[(String, String)]) -> String {
    const SHOWN: usize = 5;
    if skipped.is_empty() {
        return " (JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content)".to_owned();
    }
    let mut lines: Vec<String> = skipped
        .iter()
        .take(SHOWN)
        .map(|(name, reason)| format!("\n  {}: {}", visible(name), visible(reason)))
        .collect();
    if skipped.len() > SHOWN {
        lines.push(format!("\n  and {} more", skipped.len() - SHOWN));
    }
    lines.concat()
}

impl Survey {
    /// Surveys the folder or the single photo at `path`: headers are read and files hashed, nothing is decoded.
    pub fn of(path: &Path, limits: Limits) -> Result<Self, DatasetError> {
        let in_folder = match std::fs::metadata(path) {
            Ok(facts) => facts.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DatasetError::Missing {
                    path: path.to_path_buf(),
                });
            }
            Err(source) => return Err(unreadable(path, source)),
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let name = absolute
            .file_name()
            .unwrap_or(absolute.as_os_str())
            .to_string_lossy()
            .into_owned();
        let (files, mut skipped) = if in_folder {
            walk(path)?
        } else {
            (
                vec![Candidate {
                    name: name.clone(),
                    path: path.to_path_buf(),
                }],
                Vec::new(),
            )
        };
        let examined = try_map(files, |file| {
            Ok::<_, Infallible>(examine(file, in_folder, limits))
        });
        let mut photos = Vec::new();
        for file in examined.unwrap_or_default() {
            match file {
                Examined::Photo(photo) => photos.push(photo),
                Examined::Skipped(skip) => skipped.push(skip),
                Examined::PassedOver => {}
            }
        }
        photos.sort_by(|a, b| a.name.cmp(&b.name));
        skipped.sort();
        if let Some((_, reason)) = skipped.pop_if(|_| !in_folder) {
            return Err(DatasetError::NotAPhoto {
                path: path.to_path_buf(),
                reason,
            });
        }
        if photos.is_empty() {
            return Err(DatasetError::NoPhoto {
                path: path.to_path_buf(),
                skipped,
            });
        }
        Ok(Self {
            dataset: Dataset { name, photos },
            skipped,
        })
    }
}

fn unreadable(path: &Path, source: io::Error) -> DatasetError {
    DatasetError::Read {
        path: path.to_path_buf(),
        source,
    }
}

/// A file that may be a photo.
struct Candidate {
    /// Its path below the folder, with `/` between parts.
    name: String,
    path: PathBuf,
}

/// A file that is left out: its name and the reason.
type Skip = (String, String);

/// The ordinary files below `root` with their names, and everything else that is not a folder.
fn walk(root: &Path) -> Result<(Vec<Candidate>, Vec<Skip>), DatasetError> {
    // The walk itself reports a folder that cannot be read as one entry among others.
    std::fs::read_dir(root).map_err(|source| unreadable(root, source))?;
    let mut files = Vec::new();
    let mut skipped = Vec::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if !entry.file_type().is_file() => {
                skipped.push((relative(entry.path(), root), "not an ordinary file".to_owned()));
            }
            // Workers get the names of photos in JSON, which cannot carry such a name.
            Ok(entry) if entry.path().to_str().is_none() => {
                let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
                skipped.push((file_name(below.as_os_str()), "its name is not UTF-8".to_owned()));
            }
            Ok(entry) => files.push(Candidate {
                name: relative(entry.path(), root),
                path: entry.into_path(),
            }),
            Err(error) => {
                let at = error.path().map_or_else(String::new, |at| relative(at, root));
                let reason = error
                    .io_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                skipped.push((at, reason));
            }
        }
    }
    Ok((files, skipped))
}

fn relative(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// The result for one file.
enum Examined {
    Photo(Photo),
    Skipped(Skip),
    /// A file that often lies beside photos.
    PassedOver,
}

fn examine(file: Candidate, in_folder: bool, limits: Limits) -> Examined {
    let extension = file
        .path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match read(&file, limits) {
        Ok(photo) => Examined::Photo(photo),
        Err(Refusal::NotAnImage(_)) if in_folder && PASSED_OVER.contains(&extension.as_str()) => {
            Examined::PassedOver
        }
        Err(Refusal::NotAnImage(reason) | Refusal::Other(reason)) => Examined::Skipped((file.name, reason)),
    }
}

enum Refusal {
    NotAnImage(String),
    Other(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

fn read(candidate: &Candidate, limits: Limits) -> Result<Photo, Refusal> {
    let mut file = File::open(&candidate.path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(HEAD);
    (&mut file).take(HEAD as u64).read_to_end(&mut bytes)?;
    match sniff(&bytes) {
        Ok(_) => {}
        Err(error @ (DecodeError::Empty | DecodeError::NotAnImage)) => {
            return Err(Refusal::NotAnImage(error.to_string()));
        }
        Err(error) => return Err(Refusal::Other(error.to_string())),
    }
    if length > MAX_FILE_BYTES {
        return Err(Refusal::Other(format!(
            "is {} MB long; no photo is so large",
            length / 1_000_000
        )));
    }
    file.read_to_end(&mut bytes)?;
    let header = probe(&bytes, limits).map_err(|e| Refusal::Other(e.to_string()))?;
    Ok(Photo {
        name: candidate.name.clone(),
        path: candidate.path.clone(),
        width: header.width,
        height: header.height,
        bytes: bytes.len() as u64,
        sha256: Sha256::digest(&bytes).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(3, 2)
            .save_with_format(path, image::ImageFormat::Png)
            .unwrap();
    }

    #[test]
    fn a_folder_is_walked_in_a_stable_order_and_told_by_content() {
        let folder = tempfile::tempdir().unwrap();
        png(&folder.path().join("b.jpg"));
        png(&folder.path().join("a/z.anything"));
        std::fs::write(folder.path().join("list.csv"), "photo,person").unwrap();
        std::fs::write(folder.path().join("text.jpg"), "no photo").unwrap();
        std::fs::write(folder.path().join("empty.png"), "").unwrap();
        let survey = Survey::of(folder.path(), Limits::default()).unwrap();
        let names: Vec<_> = survey.dataset.photos.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a/z.anything", "b.jpg"]);
        assert_eq!(
            (survey.dataset.photos[0].width, survey.dataset.photos[0].height),
            (3, 2)
        );
        let skipped: Vec<_> = survey.skipped.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(skipped, ["empty.png", "text.jpg"]);
    }

    #[test]
    fn what_holds_no_photo_says_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Survey::of(&folder.path().join("none"), Limits::default()).unwrap_err();
        assert!(matches!(missing, DatasetError::Missing { .. }));
        let empty = Survey::of(folder.path(), Limits::default())
            .unwrap_err()
            .to_string();
        assert!(empty.contains("no photo in it"), "{empty}");
        std::fs::write(folder.path().join("text.jpg"), "no photo").unwrap();
        let wrong = Survey::of(folder.path(), Limits::default())
            .unwrap_err()
            .to_string();
        assert!(wrong.contains("text.jpg: not an image"), "{wrong}");
    }
}
