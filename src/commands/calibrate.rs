//! Calibration data for a quantizer: a folder of photos goes through facebench's own pipeline, and the tensors that enter
//! the network are recorded. In them the quantizer finds the ranges of values.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ndarray::{ArrayView4, Axis, s};
use tempfile::TempPath;
use thiserror::Error;

use super::{Failure, cpu, progress::notify, workload::DETECTOR};
use crate::{
    dataset::{Dataset, Photo, Survey},
    model::{
        ModelError, Role,
        derived::{Calibration, DerivedError},
        detector::Detector,
        network::{Network, NetworkName},
        recognizer::Recognizer,
    },
    record::Host,
    runtime::{
        Identity, Output, Runtime, RuntimeError, Session, SessionSettings, Signature,
        onnxruntime::OnnxRuntime,
    },
    text::ShownPath,
    vision::{decoder::decode, encoded::Limits, pixel_pool::PixelPool},
};

/// Most photos for a detector: more change its ranges little, and each is 5 MB of numbers.
const PHOTOS: usize = 48;
/// Most photos in which faces are looked for.
const FACE_PHOTOS: usize = 400;
/// Most crops for a recognizer.
const CROPS: usize = 400;

/// Why the photos cannot be used.
#[derive(Debug, Error)]
pub enum CalibrateError {
    /// No photo could be decoded.
    #[error("{}: none of its photos can be read", folder.shown())]
    NoPhoto {
        /// The photos.
        folder: PathBuf,
    },
    /// No faces in the photos.
    #[error("{}: {detector} found no face in it; give photos with faces, or another --detector", folder.shown())]
    NoFace {
        /// The photos.
        folder: PathBuf,
        /// The detector.
        detector: String,
    },
    /// `--detector` for a network that is a detector itself.
    #[error(
        "--detector: {network} is a detector itself, which is calibrated on whole photos; leave the option out"
    )]
    DetectorForDetector {
        /// The network to calibrate.
        network: String,
    },
}

/// A network whose input is recorded, and the photos for it.
pub struct Calibrator {
    folder: PathBuf,
    dataset: Dataset,
    input: CalibrationInput,
    samples: Arc<Mutex<Samples>>,
    /// What decided the ranges, for the file beside the network.
    pub calibration: Calibration,
}

/// How photos enter the network.
enum CalibrationInput {
    /// Whole, into a detector.
    Photos(Detector),
    /// As the aligned crops of the faces that another network finds.
    Crops {
        finder: Detector,
        name: String,
        recognizer: Recognizer,
    },
}

/// Tensors for the quantizer: a file of 32-bit floats, little end first, one sample after the other.
pub struct Tensors {
    /// The file.
    pub file: TempPath,
    /// Channels, height and width of one.
    pub shape: [usize; 3],
    /// What they come from.
    pub calibration: Calibration,
}

impl Calibrator {
    /// Surveys `folder` for `network`; `finder`, or else facebench's own detector, finds the faces for a recognizer.
    pub fn new(
        network: &Network,
        folder: &Path,
        finder: Option<&NetworkName>,
        home: &Path,
    ) -> Result<Self, Failure> {
        let Survey { mut dataset, skipped } = Survey::of(folder, Limits::default())?;
        for (name, reason) in skipped {
            notify(&format!("skipped {name}: {reason}"));
        }
        let photos_sha256 = dataset.sha256();
        let runtime = cpu(home)?;
        let samples = Arc::new(Mutex::new(Samples::new(CROPS)));
        let recorder = Recorder {
            runtime: &runtime,
            samples: Arc::clone(&samples),
        };
        let settings = SessionSettings {
            threads: Host::current().cpu.usable_cores(),
            ..SessionSettings::default()
        };
        let (input, detector_sha256) = match network.load_detector(&recorder, &settings, None, 1) {
            Ok(_) if finder.is_some() => {
                let network = network.name.clone();
                return Err(CalibrateError::DetectorForDetector { network }.into());
            }
            Ok((detector, _)) => (CalibrationInput::Photos(detector), None),
            Err(ModelError::WrongRole { .. }) => {
                let own = NetworkName::Catalog(DETECTOR.to_owned());
                let found = Network::find(finder.unwrap_or(&own), Role::Detector, home)?;
                let recognizer = Network {
                    role: Role::Recognizer,
                    ..network.clone()
                };
                let input = CalibrationInput::Crops {
                    finder: found.load_detector(&runtime, &settings, None, 1)?.0,
                    name: found.name,
                    recognizer: recognizer.load_recognizer(&recorder, &settings, 1)?.0,
                };
                (input, Some(found.sha256))
            }
            Err(error) => return Err(error.into()),
        };
        let most = match input {
            CalibrationInput::Photos(_) => PHOTOS,
            CalibrationInput::Crops { .. } => FACE_PHOTOS,
        };
        dataset.photos = spread(dataset.photos, most);
        Ok(Self {
            folder: folder.to_owned(),
            dataset,
            input,
            samples,
            calibration: Calibration {
                photos_sha256,
                detector_sha256,
            },
        })
    }

    /// Runs the photos through the network and writes its inputs into a file of `folder`.
    pub fn tensors(mut self, folder: &Path) -> Result<Tensors, Failure> {
        for photo in &self.dataset.photos {
            let bytes = std::fs::read(&photo.path).map_err(|error| error.to_string());
            let decoded =
                bytes.and_then(|bytes| decode(&bytes, Limits::default()).map_err(|error| error.to_string()));
            match decoded {
                Ok(pixels) => self.input.run(pixels)?,
                Err(reason) => notify(&format!("skipped {}: {reason}", photo.name)),
            }
        }
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = samples.take();
        if samples.is_empty() {
            let folder = self.folder;
            return Err(match self.input {
                CalibrationInput::Photos(_) => CalibrateError::NoPhoto { folder },
                CalibrationInput::Crops { name: detector, .. } => CalibrateError::NoFace { folder, detector },
            }
            .into());
        }
        notify(&match self.input {
            CalibrationInput::Photos(_) => format!("calibrating on {} photos", samples.len()),
            CalibrationInput::Crops { .. } => format!(
                "calibrating on {} faces of {} photos",
                samples.len(),
                self.dataset.photos.len()
            ),
        });
        write(&samples, self.calibration, folder).map_err(|cause| {
            let doing = "write";
            let path = folder.to_owned();
            DerivedError::Io { doing, path, cause }.into()
        })
    }
}

impl CalibrationInput {
    fn run(&mut self, photo: image::RgbImage) -> Result<(), ModelError> {
        let pixel_pool = PixelPool::default();
        let photo = &[photo.into()];
        let mut found = [Vec::new()];
        match self {
            Self::Photos(detector) => detector.detect(photo, &mut found, &pixel_pool),
            Self::Crops {
                finder, recognizer, ..
            } => {
                finder.detect(photo, &mut found, &pixel_pool)?;
                for face in &found[0] {
                    recognizer.align(std::iter::once((&photo[0], &face.landmarks)), &pixel_pool);
                    recognizer.embed(1, &mut |_| {})?;
                }
                Ok(())
            }
        }
    }
}

/// At most `most` photos, evenly over all.
fn spread(photos: Vec<Photo>, most: usize) -> Vec<Photo> {
    let all = photos.len();
    if all <= most {
        return photos;
    }
    let mut chosen: Vec<usize> = (0..most).map(|number| number * all / most).collect();
    chosen.dedup();
    photos
        .into_iter()
        .enumerate()
        .filter(|(place, _)| chosen.binary_search(place).is_ok())
        .map(|(_, photo)| photo)
        .collect()
}

fn write(samples: &[Sample], calibration: Calibration, folder: &Path) -> std::io::Result<Tensors> {
    let file = tempfile::Builder::new()
        .prefix(".calibrating-")
        .tempfile_in(folder)?;
    let mut writer = BufWriter::new(file);
    for value in samples.iter().flat_map(|sample| &sample.values) {
        writer.write_all(&value.to_le_bytes())?;
    }
    let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(Tensors {
        file: file.into_temp_path(),
        shape: samples.first().map_or([0; 3], |sample| sample.shape),
        calibration,
    })
}

/// The input of one picture.
#[derive(Clone)]
struct Sample {
    shape: [usize; 3],
    values: Vec<f32>,
}

/// An evenly spaced sample of a stream of unknown length: whenever twice as many as needed are kept, every second one is
/// dropped, and from then on only every second one is kept.
struct Samples {
    most: usize,
    every: usize,
    passed: usize,
    kept: Vec<Sample>,
}

impl Samples {
    fn new(most: usize) -> Self {
        Self {
            most,
            every: 1,
            passed: 0,
            kept: Vec::new(),
        }
    }

    fn offer(&mut self, sample: impl FnOnce() -> Sample) {
        if self.passed.is_multiple_of(self.every) {
            self.kept.push(sample());
        }
        self.passed += 1;
        if self.kept.len() >= 2 * self.most {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// At most as many as are needed.
    fn take(&mut self) -> Vec<Sample> {
        let kept = std::mem::take(&mut self.kept);
        let (all, most) = (kept.len(), self.most);
        let is_chosen = |place: usize| all <= most || (place + 1) * most / all > place * most / all;
        let chosen = kept
            .into_iter()
            .enumerate()
            .filter(|(place, _)| is_chosen(*place));
        chosen.map(|(_, sample)| sample).collect()
    }
}

/// A runtime whose sessions record their inputs.
struct Recorder<'a> {
    runtime: &'a OnnxRuntime,
    samples: Arc<Mutex<Samples>>,
}

impl Runtime for Recorder<'_> {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError> {
        Ok(Box::new(Recording {
            session: self.runtime.load(network, settings)?,
            samples: Arc::clone(&self.samples),
        }))
    }

    fn identity(&self) -> &Identity {
        self.runtime.identity()
    }
}

struct Recording {
    session: Box<dyn Session>,
    samples: Arc<Mutex<Samples>>,
}

impl Session for Recording {
    fn signature(&self) -> &Signature {
        self.session.signature()
    }

    fn run(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        // Pictures come one by one: if the graph has a fixed larger batch, only its first item is new.
        let first = input.slice(s![0, .., .., ..]);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.offer(|| Sample {
            shape: [
                first.len_of(Axis(0)),
                first.len_of(Axis(1)),
                first.len_of(Axis(2)),
            ],
            values: first.iter().copied().collect(),
        });
        drop(samples);
        self.session.run(input, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_evenly_whatever_their_number() {
        for (count, most) in [(3, 10), (10, 10), (27, 10), (1000, 10), (999, 16)] {
            let mut samples = Samples::new(most);
            for number in 0..count {
                samples.offer(|| Sample {
                    shape: [1, 1, 1],
                    values: vec![number as f32],
                });
            }
            let kept: Vec<usize> = samples.take().iter().map(|s| s.values[0] as usize).collect();
            assert_eq!(kept.len(), count.min(most), "{count} {most}");
            let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(widest <= 2 * count.div_ceil(most), "{count} {most}: {kept:?}");
            assert!(kept[0] <= widest && count - kept[kept.len() - 1] <= 2 * widest);
        }
    }
}
