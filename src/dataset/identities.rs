//! Who is in which photo: one sub-folder per person, or a file `identities.csv` of photo and person.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

use csv::{ReaderBuilder, StringRecord, Trim};
use thiserror::Error;

use super::Dataset;
use crate::text::{ShownPath, visible};

/// The file beside the photos.
pub const FILE: &str = "identities.csv";

/// The names of its columns, in any order.
const COLUMNS: [&str; 2] = ["photo", "person"];

/// Why the people in the photos are not known.
#[derive(Debug, Error)]
pub enum IdentitiesError {
    /// The file cannot be understood.
    #[error("{path}: {reason}; expected the header photo,person and lines of that form")]
    Csv {
        /// The file.
        path: String,
        /// What is wrong, and in which line.
        reason: String,
    },
    /// Neither a file nor sub-folders.
    #[error(
        "{path}: names no person: give each person a sub-folder, or add {FILE} with lines of photo,person"
    )]
    NoNames {
        /// The folder.
        path: String,
    },
}

/// The person in each photo of `dataset`, which was surveyed from `folder`: photo name to person.
pub fn identities(folder: &Path, dataset: &Dataset) -> Result<BTreeMap<String, String>, IdentitiesError> {
    let file = folder.join(FILE);
    let people = if file.is_file() {
        read(&file, folder, dataset).map_err(|reason| IdentitiesError::Csv {
            path: file.shown().to_string(),
            reason,
        })?
    } else {
        let named = dataset.photos.iter();
        named
            .filter_map(|photo| Some((photo.name.clone(), photo.name.split_once('/')?.0.to_owned())))
            .collect()
    };
    if people.is_empty() {
        return Err(IdentitiesError::NoNames {
            path: folder.shown().to_string(),
        });
    }
    Ok(people)
}

/// The lines of `file`; the error names the line.
fn read(file: &Path, folder: &Path, dataset: &Dataset) -> Result<BTreeMap<String, String>, String> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_path(file)
        .map_err(|error| error.to_string())?;
    let header = reader.headers().map_err(|error| error.to_string())?;
    let [photo, person] = columns(header)?;
    let photos: BTreeSet<&str> = dataset.photos.iter().map(|photo| photo.name.as_str()).collect();
    let mut people: BTreeMap<String, String> = BTreeMap::new();
    for line in reader.records() {
        let line = line.map_err(|error| error.to_string())?;
        let number = line.position().map_or(0, csv::Position::line);
        let wrong = |what: String| format!("line {number}: {what}");
        let (photo, person) = (&line[photo], &line[person]);
        if person.is_empty() || photo.is_empty() {
            return Err(wrong("a photo or a person is missing".to_owned()));
        }
        let steps_out = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
        if Path::new(photo).components().any(steps_out) {
            return Err(wrong(format!("photo {} lies outside the folder", visible(photo))));
        }
        // A file that is there and is no photo was reported when the folder was surveyed.
        if !photos.contains(photo) && !folder.join(photo).is_file() {
            return Err(wrong(if photos.contains(person) {
                "photo and person are exchanged".to_owned()
            } else {
                format!("there is no photo {} in the folder", visible(photo))
            }));
        }
        match people.insert(photo.to_owned(), person.to_owned()) {
            Some(other) if other != person => {
                return Err(wrong(format!(
                    "photo {} is of {} in an earlier line, and of {} here",
                    visible(photo),
                    visible(&other),
                    visible(person)
                )));
            }
            _ => {}
        }
    }
    people.retain(|photo, _| photos.contains(photo.as_str()));
    Ok(people)
}

/// Where photo and person stand in a line.
fn columns(header: &StringRecord) -> Result<[usize; 2], String> {
    // Spreadsheets write a mark of the encoding before the first letter.
    let plain = |cell: &str| cell.trim_start_matches('\u{feff}').to_lowercase();
    let found = COLUMNS.map(|name| header.iter().position(|cell| plain(cell) == name));
    if let [Some(photo), Some(person)] = found {
        return Ok([photo, person]);
    }
    let cells: Vec<_> = header.iter().map(visible).collect();
    Err(format!("line 1: \"{}\" is not the header", cells.join(",")))
}

#[cfg(test)]
mod tests {
    use super::super::Survey;
    use super::*;
    use crate::vision::encoded::Limits;

    fn folder(photos: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in photos {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::new(2, 2)
                .save_with_format(path, image::ImageFormat::Png)
                .unwrap();
        }
        folder
    }

    fn read(folder: &Path) -> Result<BTreeMap<String, String>, IdentitiesError> {
        identities(folder, &Survey::of(folder, Limits::default()).unwrap().dataset)
    }

    #[test]
    fn sub_folders_or_a_file_name_people() {
        let by_folder = folder(&["ann/1.png", "ann/2.png", "bob/1.png", "loose.png"]);
        let people = read(by_folder.path()).unwrap();
        assert_eq!(people.len(), 3);
        assert_eq!(people["ann/2.png"], "ann");
        let by_file = folder(&["1.png", "2.png"]);
        std::fs::write(by_file.path().join(FILE), "photo,person\n1.png,\"Doe, Ann\"\n").unwrap();
        assert_eq!(read(by_file.path()).unwrap()["1.png"], "Doe, Ann");
    }

    #[test]
    fn nobody_and_broken_files_are_reported() {
        let unnamed = folder(&["1.png"]);
        assert!(matches!(
            read(unnamed.path()),
            Err(IdentitiesError::NoNames { .. })
        ));
        std::fs::write(unnamed.path().join(FILE), "photo,person\nonly-one\n").unwrap();
        assert!(matches!(read(unnamed.path()), Err(IdentitiesError::Csv { .. })));
    }

    #[test]
    fn columns_go_by_their_names() {
        let folder = folder(&["1.png", "2.png"]);
        std::fs::write(folder.path().join(FILE), "\u{feff}Person,photo\nann,1.png\n").unwrap();
        assert_eq!(read(folder.path()).unwrap()["1.png"], "ann");
    }

    #[test]
    fn a_line_that_names_nothing_is_an_error_with_its_number() {
        let folder = folder(&["1.png", "2.png"]);
        std::fs::write(folder.path().join("broken.png"), "no photo").unwrap();
        for (text, says) in [
            (
                "1.png,ann\n2.png,bob\n",
                "line 1: \"1.png,ann\" is not the header",
            ),
            (
                "photo,person\nann,1.png\n",
                "line 2: photo and person are exchanged",
            ),
            (
                "photo,person\n1.png,ann\n3.png,bob\n",
                "line 3: there is no photo 3.png",
            ),
            ("photo,person\n1.png,\n", "line 2: a photo or a person is missing"),
            (
                "photo,person\n../1.png,ann\n",
                "line 2: photo ../1.png lies outside",
            ),
            (
                "photo,person\n/etc/hosts,ann\n",
                "line 2: photo /etc/hosts lies outside",
            ),
            (
                "photo,person\n1.png,ann\n1.png,bob\n",
                "line 3: photo 1.png is of ann",
            ),
            ("photo,person\n1.png,ann,x\n", "line: 2"),
            ("photo,person\n", "names no person"),
            ("photo,person\nbroken.png,ann\n", "names no person"),
            ("", "is not the header"),
        ] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
