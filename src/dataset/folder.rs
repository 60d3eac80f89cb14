//! A folder of photos: walked in a stable order, told by content, with what is left out and why.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use thiserror::Error;
use walkdir::WalkDir;

use crate::vision::image::{DecodeError, Limits, probe, sniff};

/// Bytes that tell a format.
const HEAD: usize = 64;

/// Files that lie beside photos and are passed over without a word.
const PASSED_OVER: [&str; 5] = ["csv", "json", "toml", "txt", "md"];

/// No photo is longer: a file that claims to be one is skipped before it is read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// One photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its path below the dataset's folder, with `/` between parts.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Width in pixels, after orientation.
    pub width: u32,
    /// Height in pixels, after orientation.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// Hash of the file.
    pub sha256: [u8; 32],
}

/// Photos to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The folder's or file's name.
    pub name: String,
    /// In the order of their names.
    pub photos: Vec<Photo>,
}

/// One of several parts of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0, below `of`.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The photos.
    pub dataset: Dataset,
    /// Files that are none or cannot be read: name and reason.
    pub skipped: Vec<(String, String)>,
}

/// Why there are no photos.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// The path leads nowhere.
    #[error("{}: there is no such file or folder", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The folder cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The one file is no photo.
    #[error("{}: {reason}", path.display())]
    NotAPhoto {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing in it is a photo.
    #[error("{}: no photo in it{}", path.display(), reasons(skipped))]
    NoPhoto {
        /// The folder.
        path: PathBuf,
        /// What was there instead.
        skipped: Vec<(String, String)>,
    },
}

fn reasons(skipped: &[(String, String)]) -> String {
    const SHOWN: usize = 5;
    if skipped.is_empty() {
        return " (JPEG, PNG, WebP, BMP, TIFF and GIF are told by content)".to_owned();
    }
    let mut lines: Vec<String> = skipped
        .iter()
        .take(SHOWN)
        .map(|(name, reason)| format!("\n  {name}: {reason}"))
        .collect();
    if skipped.len() > SHOWN {
        lines.push(format!("\n  and {} more", skipped.len() - SHOWN));
    }
    lines.concat()
}

/// One file of a folder on its way to a survey.
enum Found {
    Photo(Photo),
    Skipped(String, String),
    PassedOver,
}

impl Survey {
    /// Surveys the folder or the single photo at `path`: headers are read and files hashed, nothing is decoded.
    pub fn of(path: &Path, limits: Limits) -> Result<Self, DatasetError> {
        let metadata = match std::fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(DatasetError::Missing {
                    path: path.to_path_buf(),
                });
            }
            Err(source) => {
                return Err(DatasetError::Read {
                    path: path.to_path_buf(),
                    source,
                });
            }
            Ok(metadata) => metadata,
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let name = absolute
            .file_name()
            .unwrap_or(absolute.as_os_str())
            .to_string_lossy()
            .into_owned();
        let mut files = Vec::new();
        let mut skipped = Vec::new();
        if metadata.is_dir() {
            std::fs::read_dir(path).map_err(|source| DatasetError::Read {
                path: path.to_path_buf(),
                source,
            })?;
            for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
                match entry {
                    Ok(entry) if entry.file_type().is_dir() => {}
                    Ok(entry) if !entry.file_type().is_file() => {
                        skipped.push((relative(entry.path(), path), "not an ordinary file".to_owned()));
                    }
                    // Workers are told of photos in JSON, which cannot carry such a name.
                    Ok(entry) if entry.path().to_str().is_none() => {
                        skipped.push((relative(entry.path(), path), "its name is not UTF-8".to_owned()));
                    }
                    Ok(entry) => files.push((relative(entry.path(), path), entry.into_path())),
                    Err(error) => {
                        let at = error.path().map_or_else(String::new, |at| relative(at, path));
                        let reason = error
                            .io_error()
                            .map_or_else(|| error.to_string(), ToString::to_string);
                        skipped.push((at, reason));
                    }
                }
            }
        } else {
            files.push((name.clone(), path.to_path_buf()));
        }
        let found: Vec<Found> = files
            .into_par_iter()
            .map(|(name, path)| look(name, path, metadata.is_dir(), limits))
            .collect();
        let mut photos = Vec::new();
        for found in found {
            match found {
                Found::Photo(photo) => photos.push(photo),
                Found::Skipped(name, reason) => skipped.push((name, reason)),
                Found::PassedOver => {}
            }
        }
        photos.sort_by(|a, b| a.name.cmp(&b.name));
        skipped.sort();
        if let Some((_, reason)) = skipped.pop_if(|_| !metadata.is_dir()) {
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

fn relative(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

fn look(name: String, path: PathBuf, in_folder: bool, limits: Limits) -> Found {
    let extension = path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match open(&path, limits) {
        Ok((width, height, bytes, sha256)) => Found::Photo(Photo {
            name,
            path,
            width,
            height,
            bytes,
            sha256,
        }),
        Err(Refusal::NotAnImage(_)) if in_folder && PASSED_OVER.contains(&extension.as_str()) => {
            Found::PassedOver
        }
        Err(Refusal::NotAnImage(reason) | Refusal::Other(reason)) => Found::Skipped(name, reason),
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

type Opened = (u32, u32, u64, [u8; 32]);

fn open(path: &Path, limits: Limits) -> Result<Opened, Refusal> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(HEAD);
    (&mut file).take(HEAD as u64).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(Refusal::NotAnImage(DecodeError::Empty.to_string()));
    }
    if sniff(&bytes).is_none() {
        return Err(Refusal::NotAnImage(DecodeError::NotAnImage.to_string()));
    }
    if length > MAX_FILE_BYTES {
        return Err(Refusal::Other(format!(
            "is {} MB long, and no photo is",
            length / 1_000_000
        )));
    }
    file.read_to_end(&mut bytes)?;
    let header = probe(&bytes, limits).map_err(|e| Refusal::Other(e.to_string()))?;
    Ok((
        header.width,
        header.height,
        bytes.len() as u64,
        Sha256::digest(&bytes).into(),
    ))
}

impl Dataset {
    /// Photos that are not there, for a backend that looks at none.
    pub fn imaginary(count: usize) -> Self {
        let photo = |number: usize| {
            let name = format!("imaginary-{number:03}");
            Photo {
                path: name.clone().into(),
                name,
                width: 0,
                height: 0,
                bytes: 0,
                sha256: [0; 32],
            }
        };
        Self {
            name: "imaginary".to_owned(),
            photos: (0..count).map(photo).collect(),
        }
    }

    /// Bytes of all photos.
    pub fn bytes(&self) -> u64 {
        self.photos.iter().map(|photo| photo.bytes).sum()
    }

    /// One hash over names and contents, so that two records can say whether they speak of the same photos.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for photo in &self.photos {
            hash.update(photo.name.as_bytes());
            hash.update([0]);
            hash.update(photo.sha256);
        }
        base16ct::lower::encode_string(&hash.finalize())
    }

    /// Keeps one of `shard.of` parts. They share no photo, are all photos together, and are alike: photos are dealt out by
    /// their size in pixels, then by name, there and back, so that numbers of photos differ by one at most.
    pub fn deal(&mut self, shard: Shard) {
        let mut photos = std::mem::take(&mut self.photos);
        photos.sort_by(|a, b| {
            let pixels = |photo: &Photo| u64::from(photo.width) * u64::from(photo.height);
            pixels(b).cmp(&pixels(a)).then_with(|| a.name.cmp(&b.name))
        });
        let mine = |place: usize| {
            let (turn, place) = (place / shard.of, place % shard.of);
            let dealt = if turn.is_multiple_of(2) {
                place
            } else {
                shard.of - 1 - place
            };
            dealt == shard.index
        };
        let kept = photos.into_iter().enumerate().filter(|(place, _)| mine(*place));
        self.photos = kept.map(|(_, photo)| photo).collect();
        self.photos.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// A seeded sample of `count` photos in which each kind (by `kind_of`) keeps its share as nearly as whole photos
    /// allow. All photos where there are not more.
    pub fn sample(&mut self, count: usize, seed: u64, kind_of: impl Fn(&Photo) -> usize) {
        let total = self.photos.len();
        if count >= total {
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut kinds: std::collections::BTreeMap<usize, Vec<Photo>> = std::collections::BTreeMap::new();
        for photo in self.photos.drain(..) {
            kinds.entry(kind_of(&photo)).or_default().push(photo);
        }
        // Largest remainders: whole shares first, then one more for those that lost most in rounding.
        let mut shares: Vec<(usize, usize, usize)> = kinds
            .iter()
            .map(|(kind, photos)| (*kind, photos.len() * count / total, photos.len() * count % total))
            .collect();
        shares.sort_by_key(|&(kind, _, remainder)| (std::cmp::Reverse(remainder), kind));
        let mut left = count - shares.iter().map(|(_, share, _)| share).sum::<usize>();
        for (kind, share, _) in &mut shares {
            let extra = usize::from(left > 0);
            left -= extra;
            let photos = kinds.entry(*kind).or_default();
            photos.shuffle(&mut random);
            photos.truncate(*share + extra);
        }
        self.photos = kinds.into_values().flatten().collect();
        self.photos.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(name: &str, width: u32) -> Photo {
        Photo {
            name: name.into(),
            path: name.into(),
            width,
            height: 1,
            bytes: 1,
            sha256: [0; 32],
        }
    }

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

    #[test]
    fn shards_are_even_disjoint_and_all_there_is() {
        let photos: Vec<_> = (0..23)
            .map(|i| photo(&format!("{i:02}"), 1 + (i * 7) % 5))
            .collect();
        let whole = Dataset {
            name: "d".into(),
            photos,
        };
        let mut names = Vec::new();
        for index in 0..4 {
            let mut part = whole.clone();
            part.deal(Shard { index, of: 4 });
            assert!((5..=6).contains(&part.photos.len()));
            assert!(part.photos.is_sorted_by(|a, b| a.name < b.name));
            names.extend(part.photos.into_iter().map(|photo| photo.name));
        }
        names.sort();
        let all: Vec<_> = whole.photos.into_iter().map(|photo| photo.name).collect();
        assert_eq!(names, all);
    }

    #[test]
    fn a_sample_keeps_each_kinds_share() {
        let photos: Vec<_> = (0..30)
            .map(|i| photo(&format!("{i:02}"), if i < 20 { 1 } else { 2 }))
            .collect();
        let mut sample = Dataset {
            name: "d".into(),
            photos,
        };
        let mut again = sample.clone();
        sample.sample(9, 7, |photo| photo.width as usize);
        again.sample(9, 7, |photo| photo.width as usize);
        assert_eq!(sample, again);
        assert_eq!(sample.photos.len(), 9);
        assert_eq!(sample.photos.iter().filter(|p| p.width == 1).count(), 6);
    }
}
