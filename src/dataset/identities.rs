//! Who is in which photo: one sub-folder per person, or a file `identities.csv` of photo and person.

use std::{collections::BTreeMap, path::Path};

use thiserror::Error;

use super::Dataset;

/// The file beside the photos.
pub const FILE: &str = "identities.csv";

/// Why the people in the photos are not known.
#[derive(Debug, Error)]
pub enum IdentitiesError {
    /// The file cannot be understood.
    #[error("{path}: {reason}; expected the header photo,person and lines of that form")]
    Csv {
        /// The file.
        path: String,
        /// What is wrong.
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
    if file.is_file() {
        let failed = |error: csv::Error| IdentitiesError::Csv {
            path: file.display().to_string(),
            reason: error.to_string(),
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(&file)
            .map_err(failed)?;
        return reader
            .deserialize::<(String, String)>()
            .collect::<Result<_, _>>()
            .map_err(failed);
    }
    let people: BTreeMap<String, String> = dataset
        .photos
        .iter()
        .filter_map(|photo| Some((photo.name.clone(), photo.name.split_once('/')?.0.to_owned())))
        .collect();
    if people.is_empty() {
        return Err(IdentitiesError::NoNames {
            path: folder.display().to_string(),
        });
    }
    Ok(people)
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
}
