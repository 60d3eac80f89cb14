//! The ground truth of a dataset: photos, the faces in them, and pairs to verify.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Dataset;
use crate::{
    files::{read_up_to, write_atomic},
    text::{ShownPath, visible},
};

/// The name of the manifest in a dataset's folder.
pub const FILE_NAME: &str = "manifest.json";

/// The version of the format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// A million photos have less.
const MOST_BYTES: u64 = 1 << 30;

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
    #[error("{}: {source}", path.shown())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// The file is not a manifest, or contradicts itself.
    #[error("{}: {problem}", path.shown())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its key, line and column.
        problem: String,
    },
}

impl Manifest {
    /// Reads and validates a manifest.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = read_up_to(path, MOST_BYTES).map_err(|source| io_error(path, source))?;
        Self::parse(&text).map_err(|problem| invalid(path, problem))
    }

    /// The manifest of `folder`, whose photos are `dataset`, and whose files that are no photos are `skipped`; `None`
    /// where it has none.
    pub fn of(
        folder: &Path,
        dataset: &Dataset,
        skipped: &[(String, String)],
    ) -> Result<Option<Self>, ManifestError> {
        let path = folder.join(FILE_NAME);
        // What is there and cannot be looked at fails when it is read.
        let none = |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if fs::symlink_metadata(&path).is_err_and(|error| none(&error)) {
            return Ok(None);
        }
        let manifest = Self::read(&path)?;
        let listed: BTreeSet<&str> = manifest.photos.iter().map(|photo| photo.file.as_str()).collect();
        let there: BTreeSet<&str> = dataset.photos.iter().map(|photo| photo.name.as_str()).collect();
        // What cannot be read is reported as skipped.
        let missing =
            |name: &&&str| !there.contains(**name) && !skipped.iter().any(|(other, _)| other == **name);
        if let Some(name) = listed.iter().find(missing) {
            let name = visible(name);
            return Err(invalid(
                &path,
                format!("photo {name}: is not in the folder; put it back, or remove it from the manifest"),
            ));
        }
        if let Some(name) = there.difference(&listed).next() {
            let name = visible(name);
            return Err(invalid(
                &path,
                format!(
                    "photo {name} is in the folder, and not in the manifest: nothing is known of its faces; \
                         remove it, or list it"
                ),
            ));
        }
        Ok(Some(manifest))
    }

    /// The manifest in `text`, JSON; the error says what is wrong with it and where.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let no_manifest = |problem: &str| {
            format!(
                "not a dataset manifest: {}; mend it, or move it out of the folder of photos if it is another program's",
                visible(problem)
            )
        };
        let mut json = serde_json::Deserializer::from_slice(text);
        let parsed: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let key = error.path().to_string();
            let reason = error.into_inner();
            no_manifest(&if key == "." {
                reason.to_string()
            } else {
                format!("{key}: {reason}")
            })
        })?;
        json.end().map_err(|error| no_manifest(&error.to_string()))?;
        match parsed.problem() {
            None => Ok(parsed),
            Some((photo, problem)) => Err(match photo.and_then(|name| line_of(text, name)) {
                Some(line) => format!("{problem} (line {line})"),
                None => problem,
            }),
        }
    }

    /// Writes the manifest in one step: whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        let text = self.to_json().map_err(|error| invalid(path, error.to_string()))?;
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

    /// The first contradiction, and the photo that it is in.
    fn problem(&self) -> Option<(Option<&str>, String)> {
        if self.version != FORMAT_VERSION {
            return Some((
                None,
                format!(
                    "version: format version {} (this program knows {FORMAT_VERSION})",
                    self.version
                ),
            ));
        }
        let mut listed = BTreeSet::new();
        for photo in &self.photos {
            let twice = !listed.insert(photo.file.as_str());
            let problem = photo
                .problem()
                .or_else(|| twice.then(|| "is listed twice".to_owned()));
            if let Some(problem) = problem {
                return Some((
                    Some(&photo.file),
                    format!("photo {}: {problem}", visible(&photo.file)),
                ));
            }
        }
        let mut pairs = self.pairs.iter().enumerate();
        pairs.find_map(|(index, pair)| {
            let problem = self.pair_problem(pair)?;
            Some((None, format!("pairs[{index}]: {problem}")))
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

/// The line of `text` that lists the photo `name`; `None` where it is spelled in another way.
fn line_of(text: &[u8], name: &str) -> Option<usize> {
    let name = serde_json::to_string(name).ok()?;
    let place = text
        .windows(name.len())
        .position(|part| part == name.as_bytes())?;
    Some(text[..place].split(|byte| *byte == b'\n').count())
}

fn io_error(path: &Path, source: std::io::Error) -> ManifestError {
    ManifestError::Io {
        path: path.to_owned(),
        source,
    }
}

fn invalid(path: &Path, problem: String) -> ManifestError {
    ManifestError::Invalid {
        path: path.to_owned(),
        problem,
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
        assert!(
            problem(|m| m.photos.push(m.photos[0].clone())).contains("photo a.jpg: is listed twice (line 8)")
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_key_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let sound = small().to_json().unwrap();
        for (from, to, says) in [
            (&sound[..], "{}", "missing field `version` at line 1"),
            (&sound[..], "", "EOF while parsing"),
            (
                "\"width\":64",
                "\"width\":\"64\"",
                "photos[0].width: invalid type: string \"64\", expected u32 at line 8",
            ),
            (
                "\"width\":64",
                "\"breadth\":64",
                "photos[0].breadth: unknown field `breadth`",
            ),
            ("\"occluded\":0.1", "\"occluded\":1e999", "number out of range"),
            ("\n}\n", "\n}\n{}", "trailing characters at line"),
        ] {
            fs::write(&path, sound.replace(from, to)).unwrap();
            let error = Manifest::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("not a dataset manifest") && error.contains(says),
                "{error}"
            );
        }
    }

    #[test]
    fn photos_and_manifest_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let photo = |name: &str| super::super::Photo {
            name: name.to_owned(),
            path: name.into(),
            width: 64,
            height: 48,
            bytes: 1,
            sha256: [0; 32],
        };
        let of = |names: &[&str], skipped: &[(String, String)]| {
            let photos = names.iter().map(|name| photo(name)).collect();
            let name = "photos".to_owned();
            Manifest::of(folder.path(), &Dataset { name, photos }, skipped).map_err(|error| error.to_string())
        };
        assert_eq!(of(&["a.jpg"], &[]), Ok(None));
        small().write(&folder.path().join(FILE_NAME)).unwrap();
        assert_eq!(of(&["a.jpg"], &[]), Ok(Some(small())));
        assert!(
            of(&["a.jpg", "b.jpg"], &[])
                .unwrap_err()
                .contains("b.jpg is in the folder, and not")
        );
        assert!(
            of(&[], &[])
                .unwrap_err()
                .contains("photo a.jpg: is not in the folder")
        );
        assert!(of(&[], &[("a.jpg".to_owned(), "broken".to_owned())]).is_ok());
        fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
        fs::create_dir(folder.path().join(FILE_NAME)).unwrap();
        assert!(of(&["a.jpg"], &[]).unwrap_err().contains("manifest.json: "));
    }
}
