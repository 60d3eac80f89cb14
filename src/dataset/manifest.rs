//! The ground truth of a dataset: photos, the faces in them, and pairs to verify.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::write_atomic;

/// The name of the manifest in a dataset's folder.
pub const FILE_NAME: &str = "manifest.json";

/// The version of the format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// What is known about a folder of photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's version, [`FORMAT_VERSION`].
    pub version: u32,
    /// How the photos were made, where a program made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// The people in the photos.
    #[serde(default)]
    pub identities: Vec<Person>,
    /// The photos, in order.
    pub photos: Vec<AnnotatedPhoto>,
    /// Pairs of faces to verify.
    #[serde(default)]
    pub pairs: Vec<Pair>,
}

/// The program and seed that make the same photos again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Version of the renderer: another one draws other pixels.
    pub version: u32,
    /// Seed of people and photos.
    pub seed: u64,
    /// Number of photos.
    pub count: usize,
}

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name that faces refer to.
    pub name: String,
    /// People of one group look alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_alike_group: Option<u32>,
}

/// One photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnotatedPhoto {
    /// File name, relative to the manifest's folder.
    pub file: String,
    /// Width in pixels, after EXIF orientation.
    pub width: u32,
    /// Height in pixels, after EXIF orientation.
    pub height: u32,
    /// The faces, nearest first.
    pub faces: Vec<AnnotatedFace>,
}

/// One face.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnotatedFace {
    /// Left, top, right, bottom in pixels: forehead to chin, ear to ear.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// x and y in pixels of right eye (left in the picture), left eye, nose tip, right and left corner of the mouth.
    pub landmarks: [[f32; 2]; 5],
    /// The person whose face it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Longer side of the box in pixels.
    pub size: f32,
    /// Hidden share of the face, 0 to 1.
    #[serde(default)]
    pub occluded: f32,
}

/// Two faces, and whether they are of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// One face.
    pub a: FaceRef,
    /// The other.
    pub b: FaceRef,
    /// Whether both are of one person.
    pub same: bool,
    /// Whether they are of two people of one look-alike group.
    #[serde(default)]
    pub look_alike: bool,
}

/// A face by its place in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceRef {
    /// Index into [`Manifest::photos`].
    pub photo: usize,
    /// Index into [`AnnotatedPhoto::faces`].
    pub face: usize,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// The file is not a manifest.
    #[error("{}: not a dataset manifest: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        source: serde_json::Error,
    },
    /// The manifest contradicts itself.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first contradiction.
        problem: String,
    },
}

impl Manifest {
    /// Reads and validates a manifest.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read(path).map_err(|source| io_error(path, source))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|source| json_error(path, source))?;
        match manifest.problem() {
            None => Ok(manifest),
            Some(problem) => Err(ManifestError::Invalid {
                path: path.to_owned(),
                problem,
            }),
        }
    }

    /// Writes the manifest in one step: whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        let text = self.to_json().map_err(|source| json_error(path, source))?;
        write_atomic(path, text.as_bytes()).map_err(|source| io_error(path, source))
    }

    /// The manifest as JSON, one photo, person or pair to a line.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let generator = match &self.generator {
            Some(generator) => format!("\"generator\": {},\n", serde_json::to_string(generator)?),
            None => String::new(),
        };
        let lists = [
            format!("\"identities\": [\n{}\n]", lines(&self.identities)?),
            format!("\"photos\": [\n{}\n]", lines(&self.photos)?),
            format!("\"pairs\": [\n{}\n]", lines(&self.pairs)?),
        ];
        Ok(format!(
            "{{\n\"version\": {},\n{generator}{}\n}}\n",
            self.version,
            lists.join(",\n")
        ))
    }

    /// Number of faces in all photos.
    pub fn face_count(&self) -> usize {
        self.photos.iter().map(|photo| photo.faces.len()).sum()
    }

    /// The face that a pair refers to.
    pub fn face(&self, at: FaceRef) -> Option<&AnnotatedFace> {
        self.photos.get(at.photo)?.faces.get(at.face)
    }

    /// The first contradiction, as text.
    fn problem(&self) -> Option<String> {
        if self.version != FORMAT_VERSION {
            return Some(format!(
                "format version {} (this program knows {FORMAT_VERSION})",
                self.version
            ));
        }
        self.photos
            .iter()
            .find_map(|photo| photo.problem().map(|p| format!("photo {}: {p}", photo.file)))
            .or_else(|| {
                self.pairs
                    .iter()
                    .enumerate()
                    .find_map(|(index, pair)| self.pair_problem(pair).map(|p| format!("pair {index}: {p}")))
            })
    }

    fn pair_problem(&self, pair: &Pair) -> Option<String> {
        let (Some(a), Some(b)) = (self.face(pair.a), self.face(pair.b)) else {
            return Some("refers to a face that is not in the manifest".into());
        };
        if pair.a == pair.b {
            return Some("compares a face with itself".into());
        }
        let known = a.identity.is_some() && b.identity.is_some();
        (known && (a.identity == b.identity) != pair.same)
            .then(|| "contradicts the identities of its faces".into())
    }
}

impl AnnotatedPhoto {
    fn problem(&self) -> Option<String> {
        let plain = Path::new(&self.file);
        let outside = plain.is_absolute()
            || plain
                .components()
                .any(|part| matches!(part, std::path::Component::ParentDir));
        if self.file.is_empty() || outside {
            return Some("its file must lie in the manifest's folder".into());
        }
        if self.width == 0 || self.height == 0 {
            return Some("has no pixels".into());
        }
        self.faces
            .iter()
            .enumerate()
            .find_map(|(index, face)| face.problem().map(|p| format!("face {index}: {p}")))
    }
}

impl AnnotatedFace {
    fn problem(&self) -> Option<String> {
        let [left, top, right, bottom] = self.bounds;
        let numbers = self.bounds.iter().chain(self.landmarks.iter().flatten());
        if !numbers.chain([&self.size]).all(|v| v.is_finite()) {
            return Some("has a number that is not finite".into());
        }
        if left >= right || top >= bottom {
            return Some("its box is empty (left, top, right, bottom are expected)".into());
        }
        (!(0.0..=1.0).contains(&self.occluded)).then(|| "occluded must lie between 0 and 1".into())
    }
}

fn lines<T: Serialize>(items: &[T]) -> serde_json::Result<String> {
    let lines: Vec<String> = items
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    Ok(lines.join(",\n"))
}

fn io_error(path: &Path, source: std::io::Error) -> ManifestError {
    ManifestError::Io {
        path: path.to_owned(),
        source,
    }
}

fn json_error(path: &Path, source: serde_json::Error) -> ManifestError {
    ManifestError::Json {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Manifest {
        let face = |identity: &str| AnnotatedFace {
            bounds: [1.0, 2.0, 31.5, 42.25],
            landmarks: [
                [10.0, 12.0],
                [20.0, 12.0],
                [15.0, 20.0],
                [11.0, 30.0],
                [19.0, 30.0],
            ],
            identity: Some(identity.into()),
            size: 40.25,
            occluded: 0.1,
        };
        Manifest {
            version: FORMAT_VERSION,
            generator: Some(Generator {
                version: 1,
                seed: 5,
                count: 1,
            }),
            identities: vec![Person {
                name: "one".into(),
                look_alike_group: Some(3),
            }],
            photos: vec![AnnotatedPhoto {
                file: "a.jpg".into(),
                width: 64,
                height: 48,
                faces: vec![face("one"), face("two")],
            }],
            pairs: vec![Pair {
                a: FaceRef { photo: 0, face: 0 },
                b: FaceRef { photo: 0, face: 1 },
                same: false,
                look_alike: true,
            }],
        }
    }

    #[test]
    fn survives_a_round_through_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        small().write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), small());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn contradictions_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let problem = |change: fn(&mut Manifest)| {
            let mut manifest = small();
            change(&mut manifest);
            manifest.write(&path).unwrap();
            Manifest::read(&path).unwrap_err().to_string()
        };
        assert!(problem(|m| m.version = 9).contains("format version 9"));
        assert!(
            problem(|m| m.photos[0].faces[1].bounds = [5.0, 5.0, 5.0, 9.0])
                .contains("face 1: its box is empty")
        );
        assert!(problem(|m| m.photos[0].file = "../a.jpg".into()).contains("folder"));
        assert!(problem(|m| m.pairs[0].b.face = 7).contains("not in the manifest"));
        assert!(problem(|m| m.pairs[0].same = true).contains("contradicts"));
        fs::write(&path, "{}").unwrap();
        assert!(
            Manifest::read(&path)
                .unwrap_err()
                .to_string()
                .contains("not a dataset manifest")
        );
    }
}
