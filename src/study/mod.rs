//! Runs a plan: check passes first, then processes and blocks of all arms, interleaved.
//!
//! Of each arm a first worker makes the check pass: its answers are compared with the reference's, its profile shows
//! where the nodes ran. Then, for each process number, the workers of all arms live side by side, and one block of
//! one of them is measured at a time, in a seeded shuffled order.

pub(crate) mod check_pass;
pub(crate) mod describe;
mod inputs;
pub mod plan;
pub mod planned_arm;
pub mod recorded_arm;
mod round;
mod search;
pub(crate) mod strata;
pub mod tune;
mod unseen;
mod watch;

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use self::{
    check_pass::Prepared, inputs::InputFiles, plan::Plan, planned_arm::PlannedArm, recorded_arm::ArmRun,
};
use crate::{
    analysis::derive::{Context, derive_record, looks_cached},
    dataset::{Dataset, manifest},
    machine::Nvml,
    pipeline::Networks,
    record::{Block, Gpu, NetworkFacts, Price, Record, Workload},
    runtime::spec::{BackendSpec, Reads},
    worker::{
        call::Prepare,
        environment::ArmEnvironment,
        interruption::Interruption,
        process::{ProcessError, WorkerProcess},
        protocol::Job,
    },
};

pub use self::strata::size_stratum;

/// Loading and a first run of a network may take long and show no progress.
pub(crate) const LOAD_PATIENCE: Duration = Duration::from_mins(10);

/// A study ready to be run.
pub struct Study {
    /// What to do.
    pub plan: Plan,
    /// Where each arm of the plan runs.
    pub environments: Vec<ArmEnvironment>,
    /// An arm that answers as reference and is not measured, where the plan has no fp32 CPU arm.
    pub extra_reference: Option<(PlannedArm, ArmEnvironment)>,
    /// The driver of the GPUs, where there is one.
    pub nvml: Option<Nvml>,
    /// The networks; `None` where only `null` is measured.
    pub networks: Option<Networks>,
    /// The photos.
    pub dataset: Dataset,
    /// What is known of each photo, in the order of the dataset; `None` where nothing is.
    pub truth: Option<Vec<Vec<manifest::AnnotatedFace>>>,
    /// The person of each photo, where the faces themselves are not known; `None` where none is.
    pub people: Option<Vec<Option<String>>>,
    /// What an hour of each arm of the plan costs; `None` where no price was given.
    pub prices: Vec<Option<Price>>,
    /// Bytes of encoded photos that may be held in memory.
    pub preload_budget: u64,
    /// A photo that cannot be read ends the study.
    pub strict: bool,
    /// The program whose `worker` command is run.
    pub program: PathBuf,
    /// What ends it early.
    pub interruption: Interruption,
}

/// A study that was run.
pub struct StudyRun {
    /// What it measured.
    pub record: Record,
    /// What its check passes saw, for what is measured after it.
    pub check_passes: CheckPasses,
}

/// What the check passes of a study saw.
pub struct CheckPasses {
    pub(crate) prepared: Prepared,
    /// One for each arm of the plan.
    pub(crate) runs: Vec<ArmRun>,
}

/// What a study reports while it runs.
pub trait Observer {
    /// A new part of the work begins.
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
    /// What was measured before the study was resumed is of something else.
    #[error("it cannot be resumed: {0} other than before; measure it anew")]
    OtherWork(String),
    /// The record cannot be kept.
    #[error("the record cannot be written: {0}")]
    Save(#[from] io::Error),
}

impl Study {
    /// Runs the study and fills `record`; `save` keeps it after each block, so that nothing measured is lost. The record says
    /// that it is unfinished until [`Study::finish`]: whatever ends the program, it is never taken for a whole one.
    pub fn run(
        &self,
        mut record: Record,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<StudyRun, StudyError> {
        // What was measured before the study was resumed.
        let earlier = record.clone();
        let before = |arm: &PlannedArm| {
            earlier
                .arm(&arm.label)
                .map(|known| ArmRun::of(known, &self.plan, arm))
        };
        let arms = self.plan.arms.iter();
        let mut runs: Vec<ArmRun> = arms.map(|arm| before(arm).unwrap_or_default()).collect();
        let inputs = InputFiles::of(self);
        let prepared = self.check_passes(&mut runs, &mut record, true, observer)?;
        self.describe(&mut record, &prepared, &runs);
        self.fill(&mut record, &prepared, &runs);
        if !earlier.resumed.is_empty() {
            same_work(&earlier, &record)?;
        }
        save(&record)?;
        let orders = runs
            .iter()
            .flat_map(|run| &run.blocks)
            .map(|block| block.order + 1);
        let mut order = orders.max().unwrap_or(0);
        for process in 0..self.plan.processes {
            if self.interruption.is_asked() || runs.iter().all(|run| run.failed) {
                break;
            }
            if self.is_measured(process, &runs) {
                continue;
            }
            observer.phase(&format!("process {} of {}", process + 1, self.plan.processes));
            let mut keep = |runs: &[ArmRun]| {
                self.fill(&mut record, &prepared, runs);
                save(&record)
            };
            self.round(process, &mut order, &prepared, &mut runs, observer, &mut keep)?;
            self.look_at_licenses(&mut record);
            self.fill(&mut record, &prepared, &runs);
            save(&record)?;
        }
        self.doubt(&record, &prepared, &mut runs, observer);
        for (run, inputs) in runs.iter_mut().zip(inputs.look_again()) {
            run.inputs = inputs;
        }
        self.fill(&mut record, &prepared, &runs);
        save(&record)?;
        Ok(StudyRun {
            record,
            check_passes: CheckPasses { prepared, runs },
        })
    }

    /// Looks again at arms whose blocks seem faster than their work.
    fn doubt(&self, record: &Record, prepared: &Prepared, runs: &mut [ArmRun], observer: &dyn Observer) {
        let arms = self.plan.arms.iter().zip(&self.environments);
        for ((here, run), arm) in arms.zip(runs).zip(&record.arms) {
            if !looks_cached(arm, &Context::of(record, arm)) {
                continue;
            }
            let job = self.job(here.0, here.1, &prepared.dataset);
            match self.answer_unseen_again(here, &prepared.dataset.photos, job, run) {
                Ok(()) | Err(ProcessError::Interrupted) => {}
                // What was seen before stands.
                Err(error) => observer.notice(&format!("{}: {error}", here.0.label)),
            }
        }
    }

    /// Marks `record` as that of a study that came to its end, unless the user ended it.
    pub fn finish(&self, record: &mut Record) {
        record.interrupted = self.interruption.is_asked();
        derive_record(record);
    }

    /// Reads the vGPUs' licences again. One that was gone once is gone for the study.
    fn look_at_licenses(&self, record: &mut Record) {
        let Some(nvml) = &self.nvml else { return };
        let lost = |gpu: &Gpu| {
            gpu.license
                .as_ref()
                .is_some_and(|license| license.after == Some(false))
        };
        let gone: Vec<bool> = record.gpus.iter().map(lost).collect();
        nvml.close_licenses(&mut record.gpus);
        for (gpu, gone) in record.gpus.iter_mut().zip(gone) {
            if let Some(license) = gpu.license.as_mut().filter(|_| gone) {
                license.after = Some(false);
            }
        }
    }

    pub(crate) fn job(&self, arm: &PlannedArm, environment: &ArmEnvironment, dataset: &Dataset) -> Job {
        Job {
            photos: dataset.photos.iter().map(|photo| photo.path.clone()).collect(),
            reads: self.reads(arm, dataset),
            streams: arm.streams,
            threads: arm.threads,
            batch: arm.batch,
            host_cores: self.plan.host_cores.clone(),
            cores: self.plan.cores,
            ..environment.job(&arm.spec, self.networks.as_ref())
        }
    }

    /// Where an arm's photos come from: as asked, and from files where they are too many for memory.
    fn reads(&self, arm: &PlannedArm, dataset: &Dataset) -> Reads {
        match arm.spec.reads {
            Reads::Preloaded if dataset.bytes() > self.preload_budget => Reads::Cached,
            reads => reads,
        }
    }

    fn start(
        &self,
        job: Job,
        environment: &ArmEnvironment,
        run: &mut ArmRun,
    ) -> Result<WorkerProcess, ProcessError> {
        let patience = self.load_patience(&job.spec);
        let mut worker = self.launch(job, environment)?;
        Self::await_ready(&mut worker, run, patience)?;
        Ok(worker)
    }

    /// A worker that is asked to load.
    pub(crate) fn launch(
        &self,
        job: Job,
        environment: &ArmEnvironment,
    ) -> Result<WorkerProcess, ProcessError> {
        let program = environment
            .program
            .as_ref()
            .map_or(&self.program, |program| &program.path);
        let mut worker = WorkerProcess::spawn(program, &environment.variables, &self.interruption)?;
        if let Some(cores) = job.spec.quota {
            worker.limit(cores)?;
        }
        worker.send(Prepare(job))?;
        Ok(worker)
    }

    /// How long a worker for `spec` may be silent while it loads: ONNX Runtime on the processor has nothing to compile, and
    /// a network that does not end there ends by the plan's patience.
    pub(crate) fn load_patience(&self, spec: &BackendSpec) -> Duration {
        if spec.backend().is_reference() {
            self.plan.patience
        } else {
            self.plan.patience.max(LOAD_PATIENCE)
        }
    }

    pub(crate) fn await_ready(
        worker: &mut WorkerProcess,
        run: &mut ArmRun,
        patience: Duration,
    ) -> Result<(), ProcessError> {
        run.ready.push(worker.receive::<Prepare>(patience)?);
        Ok(())
    }
}

/// Whether the photos and networks of `record` are those of its `earlier` part.
fn same_work(earlier: &Record, record: &Record) -> Result<(), StudyError> {
    // One that was ended before its check passes knows none.
    if earlier.arms.is_empty() {
        return Ok(());
    }
    let (old, new) = (&earlier.workload, &record.workload);
    let hash = |network: &Option<NetworkFacts>| network.as_ref().map(|network| network.sha256.clone());
    let photos = |workload: &Workload| (workload.dataset.images, workload.dataset.sha256.clone());
    let library = |record: &Record| -> Vec<Option<String>> {
        let runtimes = record.arms.iter().map(|arm| arm.backend.runtime.as_ref());
        runtimes.map(|runtime| runtime?.library_sha256.clone()).collect()
    };
    let faces = |record: &Record| -> Vec<Option<usize>> {
        let arms = record.arms.iter().filter(|arm| !arm.failed);
        arms.map(|arm| Some(arm.check_pass.as_ref()?.faces)).collect()
    };
    let what = if photos(old) != photos(new) {
        "the photos are"
    } else if hash(&old.detector) != hash(&new.detector) {
        "the detector is"
    } else if hash(&old.recognizer) != hash(&new.recognizer) {
        "the recognizer is"
    } else if library(earlier) != library(record) {
        "a runtime is"
    } else if faces(earlier) != faces(record) {
        "the faces found are"
    } else {
        return Ok(());
    };
    Err(StudyError::OtherWork(what.to_owned()))
}

fn fail(run: &mut ArmRun, label: &str, reason: &str, observer: &dyn Observer) {
    observer.notice(&format!("{label} failed {reason}"));
    run.errors.push(reason.to_owned());
    run.failed = true;
}
