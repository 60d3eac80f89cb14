//! Runs a plan: check passes first, then processes and blocks of all arms, interleaved.
//!
//! Of each arm a first worker makes the check pass: its answers are compared with the reference's, its profile shows
//! where the nodes ran. Then, for each process number, the workers of all arms live side by side, and one block of
//! one of them is measured at a time, in a seeded shuffled order.

pub(crate) mod check_pass;
pub(crate) mod describe;
pub mod plan;
pub mod planned_arm;
pub mod recorded_arm;
mod round;
mod search;
pub(crate) mod strata;
pub mod tune;
mod watch;

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use self::{check_pass::Prepared, plan::Plan, planned_arm::PlannedArm, recorded_arm::ArmRun};
use crate::{
    dataset::{Dataset, manifest},
    machine::Nvml,
    pipeline::Networks,
    record::{Block, Gpu, Price, Record},
    runtime::spec::Reads,
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
    /// The person of each photo, where the faces themselves are not known; `None` where nobody is.
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
    /// The record cannot be kept.
    #[error("the record cannot be written: {0}")]
    Save(#[from] io::Error),
}

impl Study {
    /// Runs the study and fills `record`; `save` keeps it after each block, so that nothing measured is lost.
    pub fn run(
        &self,
        mut record: Record,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<StudyRun, StudyError> {
        let mut runs: Vec<ArmRun> = self.plan.arms.iter().map(|_| ArmRun::default()).collect();
        let prepared = self.check_passes(&mut runs, &mut record, observer)?;
        self.describe(&mut record, &prepared, &runs);
        self.fill(&mut record, &prepared, &runs);
        save(&record)?;
        let mut order = 0;
        for process in 0..self.plan.processes {
            if self.interruption.is_asked() || runs.iter().all(|run| run.failed) {
                break;
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
        if self.interruption.is_asked() {
            describe::cut_short(&mut record);
        }
        save(&record)?;
        Ok(StudyRun {
            record,
            check_passes: CheckPasses { prepared, runs },
        })
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
        let mut worker = self.launch(job, environment)?;
        self.await_ready(&mut worker, run)?;
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

    pub(crate) fn await_ready(
        &self,
        worker: &mut WorkerProcess,
        run: &mut ArmRun,
    ) -> Result<(), ProcessError> {
        let patience = self.plan.patience.max(LOAD_PATIENCE);
        run.ready.push(worker.receive::<Prepare>(patience)?);
        Ok(())
    }
}

fn fail(run: &mut ArmRun, label: &str, reason: &str, observer: &dyn Observer) {
    observer.notice(&format!("{label} failed {reason}"));
    run.errors.push(reason.to_owned());
    run.failed = true;
}
