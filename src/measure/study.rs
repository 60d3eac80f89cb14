//! Runs a plan: check passes first, then processes and blocks of all arms, interleaved.
//!
//! Of each arm a first worker makes the check pass: its answers are compared with the reference's, its profile shows
//! where the nodes ran. Then, for each process number, the workers of all arms live side by side, and one block of
//! one of them is measured at a time, in a seeded shuffled order.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;

use super::{
    checks,
    child::{Child, ChildError, unexpected},
    pipeline::Networks,
    plan::{Plan, PlannedArm},
    protocol::{self, Job, Reply, Request, Seen},
    summary::{self, ArmRun, Kind, Known, Promise, Reference},
};
use crate::{
    backend::runtime::RuntimeLibrary,
    backend::spec::Precision,
    dataset::{Dataset, Photo, manifest},
    record::{Block, NetworkFacts, Outcome, Record, Skipped, Stages},
};

/// Loading and a first run of a network may take long and show no progress.
const LOAD_PATIENCE: Duration = Duration::from_mins(10);

/// Most faces that are enrolled for matching.
const MAX_ENROLLED: usize = 1000;

/// A study ready to be run.
pub struct Study {
    /// What to do.
    pub plan: Plan,
    /// The runtime's library of each arm of the plan; `None` for `null`.
    pub libraries: Vec<Option<RuntimeLibrary>>,
    /// An arm that answers as reference and is not measured, where the plan has no fp32 CPU arm.
    pub extra_reference: Option<(PlannedArm, RuntimeLibrary)>,
    /// The networks; `None` where only `null` is measured.
    pub networks: Option<Networks>,
    /// The photos.
    pub dataset: Dataset,
    /// What is known of each photo, in the order of the dataset; `None` where nothing is.
    pub truth: Option<Vec<Vec<manifest::Face>>>,
    /// Least figures against ground truth for an arm to count; `None` where the networks promise none.
    pub promise: Option<Promise>,
    /// Bytes of encoded photos that may be held in memory.
    pub preload_budget: u64,
    /// A photo that cannot be read ends the study.
    pub strict: bool,
    /// The program whose `worker` command is run.
    pub program: PathBuf,
    /// Set when the user wants to stop.
    pub interrupted: Arc<AtomicBool>,
}

/// What a study tells while it runs.
pub trait Observer {
    /// A new stretch of work begins.
    fn phase(&self, text: &str);
    /// Something that the user should read.
    fn notice(&self, text: &str);
    /// A block of the arm `label` is measured.
    fn block(&self, label: &str, block: &Block);
}

/// Why a study ends without a result.
#[derive(Debug, Error)]
pub enum StudyError {
    /// No photo can be read.
    #[error("none of the {} photos can be read; the first: {photo}: {reason}", count)]
    NoPhoto {
        /// Photos that were tried.
        count: usize,
        /// The first of them.
        photo: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--strict`, and a photo cannot be read.
    #[error("{photo}: {reason} (without --strict it would be skipped)")]
    Strict {
        /// The photo.
        photo: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The record cannot be kept.
    #[error("the record cannot be written: {0}")]
    Save(#[from] io::Error),
}

/// Kinds of photos by the number of faces: name and most faces.
const FACES: [(&str, usize); 5] = [
    ("no face", 0),
    ("1 face", 1),
    ("2-4 faces", 4),
    ("5-16 faces", 16),
    ("over 16 faces", usize::MAX),
];

/// The kind of a photo by its pixels: under 1, 1 to 4, over 4 megapixels.
pub fn size_kind(photo: &Photo) -> usize {
    match u64::from(photo.width) * u64::from(photo.height) {
        0..1_000_000 => 0,
        1_000_000..=4_000_000 => 1,
        _ => 2,
    }
}

const SIZES: [&str; 3] = ["under 1 MP", "1-4 MP", "over 4 MP"];

/// The reference's answers.
#[derive(Clone)]
struct Answers<S = Seen> {
    label: String,
    seen: Vec<S>,
    is_fp32: bool,
}

/// Whether a check pass shows networks of 32-bit floats; without a profile nothing speaks against it.
fn is_fp32(run: &ArmRun) -> bool {
    checks::precision(run.profile.as_ref(), Precision::Fp32).outcome != Outcome::Failed
}

/// What the check passes leave for the measuring.
struct Prepared {
    /// In the order in which every pass takes them.
    dataset: Dataset,
    strata: Vec<Vec<usize>>,
    kinds: Vec<Kind>,
    gallery: Vec<Vec<f32>>,
    reference: Option<Answers>,
    truth: Option<Vec<Vec<manifest::Face>>>,
}

impl Study {
    /// Runs the study and fills `record`; `save` keeps it after each round, so that nothing measured is lost.
    pub fn run(
        &self,
        mut record: Record,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Record, StudyError> {
        let mut runs: Vec<ArmRun> = self.plan.arms.iter().map(|_| ArmRun::default()).collect();
        let prepared = self.check_passes(&mut runs, &mut record, observer)?;
        self.describe(&mut record, &prepared, &runs);
        self.fill(&mut record, &prepared, &runs);
        save(&record)?;
        let mut order = 0;
        for process in 0..self.plan.processes {
            if self.interrupted.load(Ordering::Relaxed) || runs.iter().all(|run| run.failed) {
                break;
            }
            observer.phase(&format!("process {} of {}", process + 1, self.plan.processes));
            let mut keep = |runs: &[ArmRun]| {
                self.fill(&mut record, &prepared, runs);
                save(&record)
            };
            self.round(process, &mut order, &prepared, &mut runs, observer, &mut keep)?;
            self.fill(&mut record, &prepared, &runs);
            save(&record)?;
        }
        record.interrupted = self.interrupted.load(Ordering::Relaxed);
        save(&record)?;
        Ok(record)
    }

    fn job(&self, arm: &PlannedArm, library: Option<&RuntimeLibrary>, dataset: &Dataset) -> Job {
        Job {
            spec: arm.spec.clone(),
            library: library.map(|library| library.path.clone()),
            networks: self.networks.clone().filter(|_| !arm.spec.is_null()),
            photos: dataset.photos.iter().map(|photo| photo.path.clone()).collect(),
            strata: Vec::new(),
            preload: dataset.bytes() <= self.preload_budget,
            scenario: self.plan.scenario,
            streams: arm.streams,
            threads: arm.threads,
            batch: arm.spec.batch,
            host_cores: self.plan.host_cores.clone(),
            gallery: Vec::new(),
        }
    }

    /// One check pass an arm; photos that any arm cannot read are left out for all.
    fn check_passes(
        &self,
        runs: &mut [ArmRun],
        record: &mut Record,
        observer: &dyn Observer,
    ) -> Result<Prepared, StudyError> {
        let count = self.dataset.photos.len();
        let mut bad: BTreeMap<usize, String> = BTreeMap::new();
        let mut seen: Vec<Option<Vec<Option<Seen>>>> = Vec::new();
        for ((arm, library), run) in self.plan.arms.iter().zip(&self.libraries).zip(runs.iter_mut()) {
            observer.phase(&format!("check pass: {}", arm.label));
            match self.check_pass(arm, library.as_ref(), run, &mut bad) {
                Ok(answers) => seen.push(Some(answers)),
                Err(ChildError::Interrupted) => seen.push(None),
                Err(error) => {
                    fail(run, &arm.label, &format!("in the check pass: {error}"), observer);
                    seen.push(None);
                }
            }
        }
        let mut extra = None;
        if let Some((arm, library)) = &self.extra_reference {
            observer.phase("check pass: fp32 CPU reference");
            let mut run = ArmRun::default();
            match self.check_pass(arm, Some(library), &mut run, &mut bad) {
                Ok(seen) => {
                    extra = Some(Answers {
                        label: arm.label.clone(),
                        seen,
                        is_fp32: is_fp32(&run),
                    });
                }
                Err(ChildError::Interrupted) => {}
                Err(error) => observer.notice(&format!("no reference to compare with: {error}")),
            }
        }
        for (index, reason) in &bad {
            let photo = self.dataset.photos[*index].name.clone();
            if self.strict {
                return Err(StudyError::Strict {
                    photo,
                    reason: reason.clone(),
                });
            }
            record.skipped.push(Skipped {
                photo,
                reason: reason.clone(),
            });
        }
        if let Some((first, reason)) = bad.first_key_value().filter(|_| bad.len() == count) {
            let photo = self.dataset.photos[*first].name.clone();
            return Err(StudyError::NoPhoto {
                count,
                photo,
                reason: reason.clone(),
            });
        }
        record.skipped.sort_by(|a, b| a.photo.cmp(&b.photo));
        let mut good: Vec<usize> = (0..count).filter(|index| !bad.contains_key(index)).collect();
        let chosen = self
            .plan
            .arms
            .iter()
            .zip(&seen)
            .zip(runs.iter())
            .find_map(|((arm, seen), run)| {
                let is_reference = arm.spec.word == "cpu" && arm.spec.precision == Precision::Fp32;
                let seen = seen.clone().filter(|_| is_reference)?;
                Some(Answers {
                    label: arm.label.clone(),
                    seen,
                    is_fp32: is_fp32(run),
                })
            });
        let reference = chosen.or(extra);
        if let Some(Answers { seen, .. }) = &reference {
            // The longest first, so that no stream is left alone with a crowd at the end of a block.
            let time = |index: &usize| seen[*index].as_ref().map_or(Duration::ZERO, |seen| seen.time);
            good.sort_by_key(|index| std::cmp::Reverse(time(index)));
        }
        let pick = |seen: &[Option<Seen>]| -> Vec<Seen> {
            good.iter().filter_map(|index| seen[*index].clone()).collect()
        };
        for (run, seen) in runs.iter_mut().zip(&seen) {
            run.seen = seen.as_deref().map(pick).unwrap_or_default();
        }
        let reference = reference.map(|Answers { label, seen, is_fp32 }| Answers {
            label,
            seen: pick(&seen),
            is_fp32,
        });
        Ok(self.prepare(&good, reference))
    }

    fn prepare(&self, good: &[usize], reference: Option<Answers>) -> Prepared {
        let photos: Vec<Photo> = good
            .iter()
            .map(|index| self.dataset.photos[*index].clone())
            .collect();
        let seen = reference.as_ref().map(|answers| answers.seen.as_slice());
        let is_null = self.networks.is_none();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let kinds_of = |(place, photo): (usize, &Photo)| -> Vec<usize> {
            let faces = seen.map(|seen| seen[place].faces.len());
            let by_faces = faces.and_then(|faces| FACES.iter().position(|(_, most)| faces <= *most));
            let by_size = (!is_null).then(|| FACES.len() + size_kind(photo));
            by_faces.into_iter().chain(by_size).collect()
        };
        let all: Vec<Vec<usize>> = photos.iter().enumerate().map(kinds_of).collect();
        for kind in all.iter().flatten() {
            *numbers.entry(*kind).or_default() += 1;
        }
        // Only kinds that occur get a number.
        let places: Vec<usize> = numbers.keys().copied().collect();
        let strata = all
            .iter()
            .map(|kinds| {
                kinds
                    .iter()
                    .filter_map(|kind| places.iter().position(|k| k == kind))
                    .collect()
            })
            .collect();
        let name = |kind: usize| {
            FACES
                .get(kind)
                .map_or_else(|| SIZES[kind - FACES.len()], |(name, _)| name)
        };
        let kinds = numbers
            .iter()
            .map(|(kind, count)| (name(*kind).to_owned(), *count))
            .collect();
        let gallery = seen
            .unwrap_or_default()
            .iter()
            .filter_map(|seen| Some(seen.faces.first()?.embedding.as_ref()?.values().to_vec()))
            .take(MAX_ENROLLED)
            .collect();
        let dataset = Dataset {
            name: self.dataset.name.clone(),
            photos,
        };
        let truth = self
            .truth
            .as_ref()
            .map(|truth| good.iter().map(|index| truth[*index].clone()).collect());
        Prepared {
            dataset,
            strata,
            kinds,
            gallery,
            reference,
            truth,
        }
    }

    fn check_pass(
        &self,
        arm: &PlannedArm,
        library: Option<&RuntimeLibrary>,
        run: &mut ArmRun,
        bad: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<Option<Seen>>, ChildError> {
        let mut child = self.start(self.job(arm, library, &self.dataset), run)?;
        let mut seen: Vec<Option<Seen>> = vec![None; self.dataset.photos.len()];
        child.ask(&Request::Observe)?;
        loop {
            match child.answer(self.plan.patience)? {
                Reply::Photo {
                    index,
                    seen: Ok(answer),
                } if index < seen.len() => seen[index] = Some(answer),
                Reply::Photo {
                    index,
                    seen: Err(reason),
                } if index < seen.len() => {
                    bad.insert(index, reason);
                }
                Reply::Progress { .. } => {}
                Reply::Observed { profile } => {
                    run.profile = profile;
                    break;
                }
                other => return Err(unexpected(&other)),
            }
        }
        // Its memory is not the measured processes' memory.
        let _peak = finish(&mut child, self.plan.patience)?;
        Ok(seen)
    }

    fn start(&self, job: Job, run: &mut ArmRun) -> Result<Child, ChildError> {
        let mut child = Child::spawn(&self.program, &self.interrupted)?;
        child.ask(&Request::Prepare(Box::new(job)))?;
        match child.answer(self.plan.patience.max(LOAD_PATIENCE))? {
            Reply::Ready(ready) => run.ready.push(*ready),
            other => return Err(unexpected(&other)),
        }
        Ok(child)
    }

    /// One process of every arm that still stands: loaded, warmed up, and measured block by block in turns.
    fn round(
        &self,
        process: usize,
        order: &mut usize,
        prepared: &Prepared,
        runs: &mut [ArmRun],
        observer: &dyn Observer,
        save: &mut dyn FnMut(&[ArmRun]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut children: Vec<Option<Child>> = Vec::new();
        for ((arm, library), run) in self.plan.arms.iter().zip(&self.libraries).zip(runs.iter_mut()) {
            if run.failed {
                children.push(None);
                continue;
            }
            let mut job = self.job(arm, library.as_ref(), &prepared.dataset);
            job.strata.clone_from(&prepared.strata);
            job.gallery.clone_from(&prepared.gallery);
            let warm = self.start(job, run).and_then(|mut child| {
                child.ask(&Request::WarmUp {
                    duration: self.plan.warmup,
                })?;
                match self.wait(&mut child)? {
                    Reply::WarmedUp { images } => run.warmup_images.push(images as f64),
                    other => return Err(unexpected(&other)),
                }
                Ok(child)
            });
            children.push(keep(warm, run, &arm.label, process, None, observer));
        }
        for (block, arms) in self.plan.order(process).into_iter().enumerate() {
            for index in arms {
                let Some(mut child) = children[index].take() else {
                    continue;
                };
                let (arm, run) = (&self.plan.arms[index], &mut runs[index]);
                let measured = child
                    .ask(&Request::Block {
                        duration: self.plan.duration,
                    })
                    .and_then(|()| self.wait(&mut child))
                    .and_then(|reply| match reply {
                        Reply::Block(raw) => Ok(*raw),
                        other => Err(unexpected(&other)),
                    });
                let measured = measured.map(|raw| {
                    run.blocks.push(keep_block(raw, process, block, *order));
                    *order += 1;
                    observer.block(&arm.label, &run.blocks[run.blocks.len() - 1]);
                    child
                });
                children[index] = keep(measured, run, &arm.label, process, Some(block), observer);
                // Between blocks nothing is timed: what is measured is kept at once.
                save(runs)?;
            }
        }
        for ((child, run), arm) in children.into_iter().zip(runs.iter_mut()).zip(&self.plan.arms) {
            if let Some(mut child) = child {
                match finish(&mut child, self.plan.patience) {
                    Ok(peak) => run.rss_peak_bytes.push(peak),
                    Err(ChildError::Interrupted) => {}
                    Err(error) => {
                        fail(
                            run,
                            &arm.label,
                            &format!("at the end of process {}: {error}", process + 1),
                            observer,
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// The next reply that is no sign of life; each sign starts the patience anew.
    fn wait(&self, child: &mut Child) -> Result<Reply, ChildError> {
        loop {
            match child.answer(self.plan.patience)? {
                Reply::Progress { .. } => {}
                reply => return Ok(reply),
            }
        }
    }

    fn describe(&self, record: &mut Record, prepared: &Prepared, runs: &[ArmRun]) {
        let dataset = &mut record.workload.dataset;
        dataset.images = prepared.dataset.photos.len();
        dataset.bytes = prepared.dataset.bytes();
        dataset.preloaded = dataset.bytes <= self.preload_budget;
        dataset.faces = prepared
            .reference
            .as_ref()
            .map(|answers| answers.seen.iter().map(|seen| seen.faces.len()).sum());
        record.workload.enrolled = prepared.gallery.len();
        let Some(networks) = &self.networks else { return };
        let mut by_name = prepared.dataset.clone();
        by_name.photos.sort_by(|a, b| a.name.cmp(&b.name));
        dataset.sha256 = Some(by_name.sha256());
        let loaded = runs
            .iter()
            .flat_map(|run| &run.ready)
            .find_map(|ready| ready.loaded.as_ref());
        let detector = &networks.detector;
        record.workload.detector = Some(NetworkFacts {
            name: detector.name.clone(),
            family: loaded.map(|loaded| loaded.detector_family.to_string()),
            sha256: detector.sha256.clone(),
            input: loaded.map(|loaded| loaded.canvas.into()),
            license: detector.license.clone(),
            score_threshold: loaded.map(|loaded| {
                detector
                    .settings(loaded.detector_family, networks.score)
                    .score_threshold
            }),
        });
        let recognizer = &networks.recognizer;
        record.workload.recognizer = Some(NetworkFacts {
            name: recognizer.name.clone(),
            family: loaded.map(|loaded| loaded.recognizer_family.to_string()),
            sha256: recognizer.sha256.clone(),
            input: loaded.map(|loaded| {
                let input = recognizer.settings(loaded.recognizer_family, None).input;
                [input.width as usize, input.height as usize]
            }),
            license: recognizer.license.clone(),
            score_threshold: None,
        });
    }

    fn fill(&self, record: &mut Record, prepared: &Prepared, runs: &[ArmRun]) {
        let reference = prepared.reference.as_ref().map(|answers| Reference {
            label: &answers.label,
            seen: &answers.seen,
            is_fp32: answers.is_fp32,
        });
        let known = Known {
            kinds: &prepared.kinds,
            reference: reference.as_ref(),
            truth: prepared.truth.as_deref(),
            promise: self.promise,
        };
        record.arms = self
            .plan
            .arms
            .iter()
            .zip(&self.libraries)
            .zip(runs)
            .map(|((arm, library), run)| summary::arm(&self.plan, arm, library.as_ref(), run, &known))
            .collect();
        record.comparisons = summary::comparisons(&record.arms, self.plan.margin);
    }
}

/// The worker, or `None` with the reason written down. An interruption is nobody's failure.
fn keep(
    child: Result<Child, ChildError>,
    run: &mut ArmRun,
    label: &str,
    process: usize,
    block: Option<usize>,
    observer: &dyn Observer,
) -> Option<Child> {
    match child {
        Ok(child) => Some(child),
        Err(ChildError::Interrupted) => None,
        Err(error) => {
            let at = block.map_or_else(
                || "before its first block".to_owned(),
                |b| format!("in block {}", b + 1),
            );
            fail(
                run,
                label,
                &format!("process {} {at}: {error}", process + 1),
                observer,
            );
            None
        }
    }
}

fn fail(run: &mut ArmRun, label: &str, reason: &str, observer: &dyn Observer) {
    observer.notice(&format!("{label} failed {reason}"));
    run.errors.push(reason.to_owned());
    run.failed = true;
}

fn finish(child: &mut Child, patience: Duration) -> Result<Result<u64, String>, ChildError> {
    child.ask(&Request::Finish)?;
    match child.answer(patience)? {
        Reply::Finished { rss_peak_bytes } => Ok(rss_peak_bytes),
        other => Err(unexpected(&other)),
    }
}

fn keep_block(raw: protocol::Block, process: usize, block: usize, order: usize) -> Block {
    let protocol::Block {
        seconds,
        images,
        faces,
        stages,
        strata,
        latencies,
    } = raw;
    Block {
        process,
        block,
        order,
        seconds,
        images,
        faces,
        stage_seconds: Stages {
            decode: stages.decode.as_secs_f64(),
            detect: stages.detect.as_secs_f64(),
            align: stages.align.as_secs_f64(),
            embed: stages.embed.as_secs_f64(),
            matching: stages.matching.as_secs_f64(),
        },
        strata,
        latencies_us: latencies,
    }
}
