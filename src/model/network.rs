//! From what the user named (a catalog entry or a file) to an ONNX file with its settings.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    catalog::{Catalog, CatalogEntry},
    detector::Detector,
    embedded,
    error::ModelError,
    family::Family,
    fetch::{self, LocalState},
    identify,
    recognizer::Recognizer,
    settings::{InputChoice, Role, Settings},
};
use crate::{
    runtime::{
        DataPath, DynamicAxis, NetworkFile, OwnNormalization, Runtime, Scaling, Session, SessionSettings,
    },
    text::ShownPath,
};

/// A network as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkName {
    /// A catalog entry, such as `yunet-2023mar`.
    Catalog(String),
    /// A file, with the family where it was named (`yunet:face.onnx`).
    File {
        /// The family before the colon.
        family: Option<Family>,
        /// The ONNX file.
        path: PathBuf,
    },
}

impl FromStr for NetworkName {
    type Err = Infallible;

    /// `FAMILY:PATH` names family and file; a word with a separator or ending in `.onnx` is a file; any other is a
    /// catalog name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Some((word, path)) = text.split_once(':')
            && let Ok(family) = word.parse()
        {
            return Ok(Self::File {
                family: Some(family),
                path: path.into(),
            });
        }
        let is_file = text.contains(std::path::MAIN_SEPARATOR)
            || Path::new(text)
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("onnx"));
        Ok(if is_file {
            Self::File {
                family: None,
                path: text.into(),
            }
        } else {
            Self::Catalog(text.to_owned())
        })
    }
}

/// A network found on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The catalog's name, or the file's.
    pub name: String,
    /// What it was given as.
    pub role: Role,
    /// The ONNX file.
    pub path: PathBuf,
    /// What it is known by, 64 hex digits: the file's hash, or that of the file and those with its weights.
    pub sha256: String,
    /// The files beside it that hold weights, relative to its folder.
    #[serde(default)]
    pub external: Vec<PathBuf>,
    /// Its family, where the user or the catalog says so; else the graph does when it is loaded.
    pub family: Option<Family>,
    /// The catalog's settings, where it knows the file; else the family's defaults hold.
    pub settings: Option<Settings>,
    /// How its graph normalises pixels itself, where it does.
    #[serde(default)]
    pub own_normalization: Option<OwnNormalization>,
    /// What the user says of its input.
    #[serde(default)]
    pub input: InputChoice,
    /// Its licence, where the catalog knows the file.
    pub license: Option<String>,
}

/// How pixels are fed to a network, and who says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The settings that are in force.
    pub settings: Settings,
    /// Who says how pixels become numbers.
    pub source: FeedSource,
}

/// Who says how pixels become numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedSource {
    /// The user.
    Given,
    /// The catalog.
    Catalog,
    /// The graph, by these nodes.
    Graph(String),
    /// Nobody: it is what the family's networks are mostly fed.
    Family,
}

impl fmt::Display for FeedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("as given"),
            Self::Catalog => f.write_str("as the catalog says"),
            Self::Graph(nodes) => write!(f, "its graph normalises inside: {nodes}"),
            Self::Family => f.write_str("as its family is fed"),
        }
    }
}

impl Network {
    /// Finds `name` on this machine: in the catalog's folder under `home`, or by its path. A file whose hash the
    /// catalog knows gets the catalog's settings, whatever it is called.
    pub fn find(name: &NetworkName, role: Role, home: &Path) -> Result<Self, ModelError> {
        let catalog = Catalog::embedded()?;
        let (path, named) = match name {
            NetworkName::Catalog(name) => {
                let entry = catalog.get(name)?;
                let path = match (embedded::find(name), &entry.sha256) {
                    (Some(network), Some(sha256)) => {
                        network
                            .unpack(home, sha256)
                            .map_err(|source| ModelError::Unpack {
                                name: name.clone(),
                                source,
                            })?
                    }
                    _ => fetched(entry, home)?,
                };
                (path, Some(entry.clone()))
            }
            NetworkName::File { path, .. } => (path.clone(), None),
        };
        if let NetworkName::File {
            family: Some(family), ..
        } = name
            && family.role() != role
        {
            return Err(ModelError::WrongRole {
                network: file_name(&path),
                family: *family,
                given: role,
            });
        }
        let NetworkFile {
            sha256,
            external,
            own_normalization,
        } = NetworkFile::read(&path)?;
        let entry = named.or_else(|| catalog.by_sha256(&sha256).cloned());
        let named_family = match name {
            NetworkName::File { family, .. } => *family,
            NetworkName::Catalog(_) => None,
        };
        let family = named_family.or(entry.as_ref().map(|entry| entry.family));
        // What the user names wins over the catalog: its settings then belong to another family.
        let entry = entry.filter(|entry| family == Some(entry.family));
        let network = Self {
            name: entry
                .as_ref()
                .map_or_else(|| file_name(&path), |entry| entry.name.clone()),
            role,
            path,
            sha256,
            external,
            family,
            own_normalization,
            input: InputChoice::default(),
            settings: entry.as_ref().map(CatalogEntry::settings),
            license: entry.map(|entry| entry.license.text),
        };
        match family {
            Some(family) if family.role() != role => Err(ModelError::WrongRole {
                network: network.name,
                family,
                given: role,
            }),
            _ => Ok(network),
        }
    }

    /// The same, fed as the user says.
    #[must_use]
    pub fn fed(mut self, input: InputChoice) -> Self {
        self.input = input;
        self
    }

    /// Its files as they are now, in place of what was found before: another network may stand there since.
    pub fn sha256_now(&self) -> Result<String, ModelError> {
        Ok(NetworkFile::read(&self.path)?.sha256)
    }

    /// Its settings once its family is known, with `score` (if given) as the score threshold.
    pub fn settings(&self, family: Family, score: Option<f32>) -> Settings {
        let mut settings = self.feed(family).settings;
        if let Some(score) = score {
            settings.score_threshold = score;
        }
        settings
    }

    /// How pixels are fed to it once its family is known: as the user says, else as the catalog does, else as its graph
    /// shows, else as its family is.
    pub fn feed(&self, family: Family) -> Feed {
        let mut settings = self.settings.unwrap_or_else(|| family.defaults());
        let mut source = FeedSource::Family;
        if self.settings.is_some() {
            source = FeedSource::Catalog;
        } else if let Some(own) = &self.own_normalization {
            settings.input.mean = own.mean;
            settings.input.divisor = own.divisor;
            source = FeedSource::Graph(own.nodes.clone());
        }
        if self.input.normalizes() {
            source = FeedSource::Given;
        }
        settings.input = self.input.over(settings.input);
        Feed { settings, source }
    }

    /// What was assumed of its input because its graph shows it, for people; `None` where nothing was.
    pub fn assumption(&self) -> Option<String> {
        let own = self.own_normalization.as_ref()?;
        if self.settings.is_some() || self.input.normalizes() {
            return None;
        }
        let fed = if own.divisor > 1.0 { "0 to 1" } else { "0 to 255" };
        Some(format!(
            "{} {}: its graph normalises pixels itself ({}), so it is fed {fed}; --{}-input mean=...,divisor=... says otherwise",
            self.role, self.name, own.nodes, self.role
        ))
    }

    /// Loads it as a detector for batches of at most `batch`.
    pub fn load_detector(
        &self,
        runtime: &dyn Runtime,
        session: &SessionSettings,
        score: Option<f32>,
        batch: usize,
    ) -> Result<(Detector, Family), ModelError> {
        let (loaded, family) = self.open(runtime, session, Role::Detector, batch)?;
        let settings = self.settings(family, score);
        let decoder = identify::face_decoder(&self.shown(), loaded.signature(), family)?;
        let batch = if family.batches() { batch } else { 1 };
        let detector = Detector::new(self.shown(), loaded, decoder, &settings, batch)?;
        let fixed = detector.canvas();
        match self.input.canvas {
            Some(asked) if (asked.0 as usize, asked.1 as usize) != fixed => {
                let network = self.shown();
                return Err(ModelError::Canvas {
                    network,
                    fixed,
                    asked,
                });
            }
            _ => {}
        }
        let trims = session.dynamic_axis == Some(DynamicAxis::Canvas) && session.path == DataPath::Host;
        Ok((if trims { detector.trimming() } else { detector }, family))
    }

    /// Loads it as a recognizer for batches of at most `batch`.
    pub fn load_recognizer(
        &self,
        runtime: &dyn Runtime,
        session: &SessionSettings,
        batch: usize,
    ) -> Result<(Recognizer, Family), ModelError> {
        let (session, family) = self.open(runtime, session, Role::Recognizer, batch)?;
        let settings = self.settings(family, None);
        let output = identify::embedding_output(&self.shown(), session.signature(), family)?;
        let recognizer = Recognizer::new(self.shown(), session, output, &settings, batch)?;
        Ok((recognizer, family))
    }

    /// Its session and family. For a device, the network is loaded so that it normalises bytes itself, which takes
    /// its family's settings: one that only its graph shows is loaded for that first.
    fn open(
        &self,
        runtime: &dyn Runtime,
        session: &SessionSettings,
        role: Role,
        batch: usize,
    ) -> Result<(Box<dyn Session>, Family), ModelError> {
        let resolve = |session: &dyn Session| {
            session.signature().reads_colours(&self.path)?;
            identify::family_of(&self.shown(), session.signature(), self.family, role)
        };
        if session.path == DataPath::Host {
            let loaded = runtime.load(&self.path, session)?;
            let family = resolve(loaded.as_ref())?;
            return Ok((loaded, family));
        }
        let family = match self.family {
            Some(family) => family,
            None => resolve(runtime.load(&self.path, &SessionSettings::default())?.as_ref())?,
        };
        let input = self.settings(family, None).input;
        let normalization = input.normalization();
        let for_device = SessionSettings {
            bytes: Some(Scaling {
                mean: normalization.mean,
                divisor: normalization.divisor,
            }),
            batch,
            canvas: Some((input.width as usize, input.height as usize)),
            // A device that runs one photo at a time does little but start kernels.
            dynamic_axis: (batch > 1 && role == Role::Detector && family.batches())
                .then_some(DynamicAxis::Batch),
            ..session.clone()
        };
        let loaded = runtime.load(&self.path, &for_device)?;
        let family = resolve(loaded.as_ref())?;
        Ok((loaded, family))
    }

    fn shown(&self) -> String {
        self.path.shown().to_string()
    }
}

/// The file of a catalog entry that is fetched; the error says how to get it.
fn fetched(entry: &CatalogEntry, home: &Path) -> Result<PathBuf, ModelError> {
    let name = entry.name.clone();
    match fetch::local(entry, home) {
        LocalState::Present(path) | LocalState::Unchecked { path, .. } => Ok(path),
        LocalState::Wrong { path, .. } => Err(ModelError::WrongFile { name, path }),
        LocalState::Absent => Err(match &entry.pack {
            None => ModelError::Absent { name },
            Some(pack) => ModelError::AbsentPack {
                name,
                pack: pack.clone(),
                file: entry.file.clone(),
                by_path: entry.by_path(),
            },
        }),
    }
}

fn file_name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_and_families_are_told_apart() {
        let parse = |text: &str| text.parse::<NetworkName>().unwrap();
        assert_eq!(
            parse("yunet-2023mar"),
            NetworkName::Catalog("yunet-2023mar".into())
        );
        assert_eq!(
            parse("net.onnx"),
            NetworkName::File {
                family: None,
                path: "net.onnx".into()
            }
        );
        assert_eq!(
            parse("a/net"),
            NetworkName::File {
                family: None,
                path: "a/net".into()
            }
        );
        assert_eq!(
            parse("scrfd:det"),
            NetworkName::File {
                family: Some(Family::Scrfd),
                path: "det".into()
            }
        );
    }

    #[test]
    fn what_is_absent_says_how_to_get_it() {
        let home = tempfile::tempdir().unwrap();
        let message = |name: &str, role| {
            Network::find(&name.parse().unwrap(), role, home.path())
                .unwrap_err()
                .to_string()
        };
        insta::assert_snapshot!(message("yunet-2023mar", Role::Detector), @"yunet-2023mar is not on this machine; fetch it: facebench models fetch yunet-2023mar");
        insta::assert_snapshot!(message("scrfd-500m", Role::Detector), @"scrfd-500m is not on this machine; it comes in an archive (https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_s.zip): unpack det_500m.onnx and give it as --detector scrfd:PATH");
        insta::assert_snapshot!(message("no/such.onnx", Role::Detector), @"no/such.onnx: No such file or directory (os error 2)");
    }

    #[test]
    fn a_family_of_the_other_role_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.onnx");
        std::fs::write(&path, b"x").unwrap();
        let name = NetworkName::File {
            family: Some(Family::Yunet),
            path,
        };
        let error = Network::find(&name, Role::Recognizer, folder.path()).unwrap_err();
        assert!(matches!(error, ModelError::WrongRole { .. }), "{error}");
    }
}
