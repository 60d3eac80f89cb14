//! The networks that facebench knows by name, one TOML file each under `models/`, embedded in the program.
//!
//! An entry says which family decodes a network's tensors, what it is fed, where its file comes from, how to know that
//! file again, and under which licence it may be used. A network outside the catalog works by path with
//! [`Family::defaults`].

use serde::{Deserialize, Serialize};

use super::{
    family::Family,
    hint::hint,
    settings::{InputSettings, Settings},
};

/// The one list of entries: a new network is a TOML file and its name here.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../models/", $name, ".toml")))),+]
    };
}
const EMBEDDED: &[(&str, &str)] = embedded![
    "facebench-det",
    "facebench-rec",
    "yunet-2023mar",
    "yunet-2023mar-int8",
    "scrfd-500m",
    "scrfd-10g",
    "sface-2021dec",
    "sface-2021dec-int8",
    "w600k-mbf",
    "w600k-r50",
];

/// Why the catalog has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// An embedded file does not follow the format.
    #[error("models/{name}.toml: {source}")]
    Parse {
        /// The entry's name.
        name: &'static str,
        /// What the parser says, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A name that no entry has.
    #[error(
        "no network is called `{name}`{hint}; known: {known}; any other goes by path, as FAMILY:PATH (scrfd:det.onnx)"
    )]
    UnknownName {
        /// The name as given.
        name: String,
        /// "; did you mean ..?", or nothing.
        hint: String,
        /// Every name, joined by commas.
        known: String,
    },
}

/// The terms of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct License {
    /// An SPDX identifier, or the terms in words where none fits.
    pub text: String,
    /// True where the user must accept the terms before a fetch.
    #[serde(default)]
    pub non_commercial: bool,
    /// Where the terms are written.
    pub url: String,
}

/// One network of the catalog. Optional settings are given only where they differ from the family's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// The stem of the TOML file; what users type.
    #[serde(skip_deserializing)]
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Who decodes its tensors.
    pub family: Family,
    /// Name of the ONNX file: in `<home>/models/`, and in the pack where there is one.
    pub file: String,
    /// Page that tells where the network comes from.
    pub source: String,
    /// Where the bare file is served.
    pub url: Option<String>,
    /// Whether the file is inside the program ([`super::embedded`]).
    #[serde(default)]
    pub embedded: bool,
    /// The archive that holds the file, where it is not served bare.
    pub pack: Option<String>,
    /// Length of the file.
    pub bytes: Option<u64>,
    /// Hash of the file, 64 lower-case hex digits; absent where none was checked.
    pub sha256: Option<String>,
    /// Terms of use.
    pub license: License,
    /// Values in an embedding (recognizers).
    pub embedding: Option<u32>,
    /// In place of the family's input.
    pub input: Option<InputSettings>,
    /// In place of the family's score threshold.
    pub score_threshold: Option<f32>,
    /// In place of the family's NMS threshold.
    pub nms_threshold: Option<f32>,
    /// In place of the family's match threshold.
    pub match_threshold: Option<f32>,
}

/// Every known network, in the order in which they are listed.
#[derive(Debug, Clone)]
pub struct Catalog(Vec<CatalogEntry>);

impl CatalogEntry {
    /// The family's defaults with this entry's own values in their place.
    pub fn settings(&self) -> Settings {
        let family = self.family.defaults();
        Settings {
            input: self.input.unwrap_or(family.input),
            score_threshold: self.score_threshold.unwrap_or(family.score_threshold),
            nms_threshold: self.nms_threshold.unwrap_or(family.nms_threshold),
            match_threshold: self.match_threshold.or(family.match_threshold),
        }
    }

    /// How to name this network by path on the command line: `--detector scrfd:PATH`.
    pub fn by_path(&self) -> String {
        format!("--{} {}:PATH", self.family.role(), self.family)
    }
}

impl Catalog {
    /// The catalog inside the program.
    pub fn embedded() -> Result<Self, CatalogError> {
        let parse = |&(name, text): &(&'static str, &str)| match toml::from_str::<CatalogEntry>(text) {
            Ok(entry) => Ok(CatalogEntry {
                name: name.into(),
                ..entry
            }),
            Err(source) => Err(CatalogError::Parse {
                name,
                source: Box::new(source),
            }),
        };
        EMBEDDED.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The entry of that name; the error suggests the nearest one.
    pub fn get(&self, name: &str) -> Result<&CatalogEntry, CatalogError> {
        self.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.iter().map(|entry| entry.name.as_str()).collect();
            CatalogError::UnknownName {
                name: name.into(),
                hint: hint(name, &known),
                known: known.join(", "),
            }
        })
    }

    /// The entry whose file has that hash (hex, either case), by which a file given by path is known again.
    pub fn by_sha256(&self, hex: &str) -> Option<&CatalogEntry> {
        self.iter().find(|entry| {
            entry
                .sha256
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(hex))
        })
    }

    /// Every entry, in the order in which they are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, CatalogEntry> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Catalog {
    type Item = &'a CatalogEntry;
    type IntoIter = std::slice::Iter<'a, CatalogEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{super::settings::Role, *};

    #[test]
    fn every_file_under_models_is_embedded_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let files = files.filter(|file| file.extension().is_some_and(|end| end == "toml"));
        let stems: BTreeSet<String> = files
            .map(|file| file.file_stem().unwrap().to_str().unwrap().into())
            .collect();
        let names: BTreeSet<String> = EMBEDDED.iter().map(|(name, _)| (*name).into()).collect();
        assert_eq!(stems, names);
        assert_eq!(names.len(), EMBEDDED.len(), "a name stands twice");
    }

    #[test]
    fn every_entry_is_sound() {
        let catalog = Catalog::embedded().unwrap();
        let files: BTreeSet<&str> = catalog.iter().map(|entry| entry.file.as_str()).collect();
        assert_eq!(files.len(), EMBEDDED.len(), "two entries would share one file");
        for entry in &catalog {
            let name = &entry.name;
            let mut links = [
                Some(&entry.source),
                Some(&entry.license.url),
                entry.url.as_ref(),
                entry.pack.as_ref(),
            ]
            .into_iter()
            .flatten();
            assert!(
                entry.embedded || links.all(|url| url.starts_with("https://")),
                "{name}: a link is not https"
            );
            assert!(
                usize::from(entry.embedded)
                    + usize::from(entry.url.is_some())
                    + usize::from(entry.pack.is_some())
                    == 1,
                "{name}: inside the program, or a url, or a pack"
            );
            assert!(
                Path::new(&entry.file)
                    .extension()
                    .is_some_and(|end| end == "onnx")
                    && !entry.file.contains(['/', '\\']),
                "{name}: file"
            );
            assert!(
                entry.url.as_ref().is_none_or(|url| url.ends_with(&entry.file)),
                "{name}: url and file differ"
            );
            assert_eq!(
                entry.bytes.is_some(),
                entry.sha256.is_some(),
                "{name}: bytes and sha256 go together"
            );
            let is_hash =
                |hex: &String| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            assert!(entry.sha256.as_ref().is_none_or(is_hash), "{name}: sha256");
            let recognizer = entry.family.role() == Role::Recognizer;
            assert_eq!(
                entry.embedding.is_some(),
                recognizer,
                "{name}: embedding belongs to recognizers"
            );
            assert!(
                recognizer || entry.match_threshold.is_none(),
                "{name}: match_threshold belongs to recognizers"
            );
            let settings = entry.settings();
            for threshold in [
                settings.score_threshold,
                settings.nms_threshold,
                settings.match_threshold.unwrap_or(0.5),
            ] {
                assert!(
                    threshold > 0.0 && threshold < 1.0,
                    "{name}: a threshold is out of range"
                );
            }
            assert!(
                settings.input.width > 0 && settings.input.height > 0 && settings.input.divisor > 0.0,
                "{name}"
            );
        }
    }

    #[test]
    fn an_entry_overrides_its_family_where_it_says_so_and_nowhere_else() {
        let catalog = Catalog::embedded().unwrap();
        let sface = catalog.get("sface-2021dec").unwrap().settings();
        assert_eq!(
            (sface.input.mean, sface.input.divisor, sface.match_threshold),
            (0.0, 1.0, Some(0.363))
        );
        assert_eq!(
            catalog.get("w600k-r50").unwrap().settings(),
            Family::Arcface.defaults()
        );
        assert_eq!(
            catalog.get("scrfd-500m").unwrap().by_path(),
            "--detector scrfd:PATH"
        );
        assert_eq!(
            catalog.get("w600k-mbf").unwrap().by_path(),
            "--recognizer arcface:PATH"
        );
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_nearest() {
        let catalog = Catalog::embedded().unwrap();
        let message = catalog.get("yunet-2023").unwrap_err().to_string();
        assert!(
            message.contains("did you mean `yunet-2023mar`?") && message.contains("w600k-r50"),
            "{message}"
        );
        assert!(
            !catalog
                .get("qqq")
                .unwrap_err()
                .to_string()
                .contains("did you mean")
        );
    }

    #[test]
    fn a_file_is_known_again_by_its_hash_in_either_case() {
        let catalog = Catalog::embedded().unwrap();
        let hash = "5E4447F50245BBD7966BD6C0FA52938C61474A04EC7DEF48753668A9D8B4EA3A";
        assert_eq!(catalog.by_sha256(hash).unwrap().name, "scrfd-500m");
        assert!(catalog.by_sha256(&"0".repeat(64)).is_none());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = format!("colour = 1\n{}", EMBEDDED[0].1);
        assert!(
            toml::from_str::<CatalogEntry>(&text)
                .unwrap_err()
                .to_string()
                .contains("colour")
        );
    }
}
