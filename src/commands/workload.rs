//! What a study measures: the embedded workload's photos and networks, or those that the user gives instead.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Failure,
    progress::{Progress, notify},
    request::{NetworkRequest, WorkloadRequest},
};
use crate::{
    dataset::{
        Dataset, Photo, Survey, identities,
        manifest::{self, Manifest},
        render::{RENDERER_VERSION, render_dataset},
    },
    files::{self, KeptFolderError},
    model::{
        InputChoice, Role,
        network::{Network, NetworkName},
    },
    pipeline::Networks,
    record::QualityTarget,
    text::ShownPath,
};

/// Seed and number of the demo's photos. Networks are trained on seeds of a million and more.
const DEMO_SEED: u64 = 2019;
const DEMO_PHOTOS: usize = 120;

/// What the embedded networks reach on the demo's photos, with a margin for other seeds (`models/README.md` has the
/// figures): a lower figure means that something is broken.
const DEMO_TARGET: QualityTarget = QualityTarget {
    detection_ap: 0.90,
    tar: 0.85,
};

/// Photos that `null` pretends to have.
const IMAGINARY: usize = 100;

/// Photos, networks, and what is known of them.
pub struct Workload {
    /// Its name in the record: `demo`, or `custom` where a part was replaced.
    pub name: &'static str,
    /// The photos.
    pub dataset: Dataset,
    /// Files that are no photos.
    pub skipped: Vec<(String, String)>,
    /// The networks; `None` where no arm wants any.
    pub networks: Option<Networks>,
    /// The manifest of the photos' folder, where it has one.
    pub manifest: Option<Manifest>,
    /// The person of each photo that `identities.csv` beside them names: photo name to person.
    pub people: BTreeMap<String, String>,
    /// Figures that the networks must reach on these photos; `None` where the photos or the networks are the user's.
    pub quality_target: Option<QualityTarget>,
}

impl Workload {
    /// The photos and networks that `request` asks for. If no arm needs networks, none are loaded and no photos rendered.
    pub fn load(request: &WorkloadRequest, needs_networks: bool, home: &Path) -> Result<Self, Failure> {
        let networks = if needs_networks {
            Some(networks(&request.networks, home)?)
        } else {
            None
        };
        let rendered;
        let folder = match &request.input {
            Some(input) => input,
            None if !needs_networks => return Ok(Self::imaginary()),
            None => {
                rendered = demo_photos(home)?;
                &rendered
            }
        };
        let Survey { dataset, skipped } = Survey::of(folder, request.networks.limits)?;
        // In a gallery sub-folders name people; here they may mean anything.
        let is_named = folder.join(identities::FILE).is_file();
        let people = if is_named {
            identities::identities(folder, &dataset)?
        } else {
            BTreeMap::new()
        };
        let manifest = Manifest::of(folder, &dataset, &skipped)?;
        // Fed in another way, or on another canvas, they do something else too.
        let inputs = [request.networks.detector_input, request.networks.recognizer_input];
        let own_networks = request.networks.detector.is_some()
            || request.networks.recognizer.is_some()
            || inputs != [InputChoice::default(); 2];
        let is_demo = request.input.is_none() && !own_networks;
        Ok(Self {
            name: if is_demo { "demo" } else { "custom" },
            dataset,
            skipped,
            networks,
            manifest,
            people,
            quality_target: is_demo.then_some(DEMO_TARGET),
        })
    }

    /// For arms that look at no photo.
    fn imaginary() -> Self {
        Self {
            name: "imaginary",
            dataset: Dataset::imaginary(IMAGINARY),
            skipped: Vec::new(),
            networks: None,
            manifest: None,
            people: BTreeMap::new(),
            quality_target: None,
        }
    }

    /// The person of each photo of the dataset; `None` where no person is named.
    pub fn people(&self) -> Option<Vec<Option<String>>> {
        let name = |photo: &Photo| self.people.get(&photo.name).cloned();
        let people: Vec<_> = self.dataset.photos.iter().map(name).collect();
        people.iter().any(Option::is_some).then_some(people)
    }

    /// The true faces of each photo of the dataset; `None` unless all are known.
    pub fn truth(&self) -> Option<Vec<Vec<manifest::AnnotatedFace>>> {
        let photos = &self.manifest.as_ref()?.photos;
        let known: BTreeMap<&str, _> = photos
            .iter()
            .map(|photo| (photo.file.as_str(), &photo.faces))
            .collect();
        let measured = self.dataset.photos.iter();
        measured
            .map(|photo| known.get(photo.name.as_str()).map(|faces| (*faces).clone()))
            .collect()
    }
}

/// The networks inside the program.
pub const DETECTOR: &str = "facebench-det";
const RECOGNIZER: &str = "facebench-rec";

/// The networks that `request` names; those inside the program where it names none.
pub fn networks(request: &NetworkRequest, home: &Path) -> Result<Networks, Failure> {
    let find = |given: &Option<NetworkName>, own: &str, role, input| -> Result<Network, Failure> {
        let own = || NetworkName::Catalog(own.to_owned());
        let network = Network::find(&given.clone().unwrap_or_else(own), role, home)?.fed(input);
        if let Some(assumption) = network.assumption() {
            notify(&assumption);
        }
        Ok(network)
    };
    Ok(Networks {
        detector: find(
            &request.detector,
            DETECTOR,
            Role::Detector,
            request.detector_input,
        )?,
        recognizer: find(
            &request.recognizer,
            RECOGNIZER,
            Role::Recognizer,
            request.recognizer_input,
        )?,
        score: request.score,
        max_pixels: request.limits.max_pixels,
        swap_channels: false,
    })
}

/// The folder of the demo's photos below `home`: as they were drawn, or drawn now.
pub fn demo_photos(home: &Path) -> Result<PathBuf, Failure> {
    let folder = home.join(format!(
        "datasets/demo-v{RENDERER_VERSION}-{DEMO_SEED}-{DEMO_PHOTOS}"
    ));
    let draw = |into: &Path| {
        notify(&format!("rendering {DEMO_PHOTOS} photos into {}", folder.shown()));
        let progress = Progress::new(DEMO_PHOTOS as u64);
        let drawn = render_dataset(DEMO_SEED, DEMO_PHOTOS, into, || progress.step());
        progress.finish();
        drawn.map(drop)
    };
    match files::keep(&folder, "the demo's photos", &notify, draw) {
        Ok(()) => Ok(folder),
        Err(KeptFolderError::Io { path, source }) => Err(Failure::Output { path, source }),
        Err(KeptFolderError::Make(error)) => Err(error.into()),
    }
}
