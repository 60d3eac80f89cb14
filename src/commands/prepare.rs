//! From a plan to a study that can begin: arms that can run here, photos, networks, and files that can be written.

use std::path::Path;

use super::{
    Failure,
    blank::blank_record,
    machine, noise_floor,
    output::{RecordFile, default_output, try_export},
    plan::{plan, prices},
    progress::{notify, on_interrupt},
    ready,
    request::{OutputRequest, StudyRequest},
    workload::Workload,
};
use crate::{
    dataset::Shard,
    machine::{Gpus, Nvml, Quota},
    pipeline::Networks,
    record::{self, Host, Price, Record, Unavailable, limits::MARGIN},
    runtime::spec::BackendSpec,
    study::{
        Study, StudyError,
        plan::Plan,
        planned_arm::{PlannedArm, tell_apart},
        strata::size_stratum,
    },
    worker::{environment::ArmEnvironment, interruption::Interruption},
};

/// A study with everything that it needs; nothing has been written or measured.
pub struct PreparedStudy {
    /// What to do.
    pub plan: Plan,
    /// Photos and networks.
    pub workload: Workload,
    environments: Vec<ArmEnvironment>,
    prices: Vec<Option<Price>>,
    host: Host,
    gpus: Gpus,
    nvml: Option<Nvml>,
    unavailable: Vec<Unavailable>,
    shard: Option<record::Shard>,
    preload_bytes: u64,
    strict: bool,
    output: OutputRequest,
}

impl PreparedStudy {
    /// What `request` asks for, with the arms that can run.
    pub fn new(request: StudyRequest, home: &Path) -> Result<Self, Failure> {
        // What killed studies have left.
        Quota::sweep();
        let host = machine::host(false);
        let mut plan = plan(&request, &host)?;
        let backends: Vec<&str> = plan.arms.iter().map(|arm| arm.spec.word.as_str()).collect();
        plan.noise_floor =
            noise_floor::known(&host, &plan.core_list, &backends, home).filter(|_| !request.noise_floor);
        plan.margin = plan.noise_floor.unwrap_or(0.0).max(MARGIN);
        let nvml = machine::nvml();
        let gpus = machine::gpus(&nvml);
        let mut unavailable = Vec::new();
        let enough_can_run = |plan: &Plan, unavailable: &Vec<Unavailable>| {
            if unavailable.is_empty() || (request.keep_going && !plan.arms.is_empty()) {
                Ok(())
            } else {
                Err(Failure::Unavailable(unavailable.clone()))
            }
        };
        let mut environments = find_environments(&mut plan, &mut unavailable, &gpus, home);
        enough_can_run(&plan, &unavailable)?;
        let needs_networks = plan.arms.iter().any(|arm| !arm.spec.is_null());
        let mut workload = Workload::load(&request.workload, needs_networks, home)?;
        if let Some(networks) = &workload.networks {
            environments = find_precisions(&mut plan, environments, &mut unavailable, networks, home);
            enough_can_run(&plan, &unavailable)?;
        }
        let prices = prices(&plan, &request.prices)?;
        let strict = request.workload.networks.strict;
        if let Some((photo, reason)) = workload.skipped.first().filter(|_| strict) {
            let (photo, reason) = (photo.clone(), reason.clone());
            return Err(StudyError::Strict { photo, reason }.into());
        }
        if let Some(count) = request.sample {
            workload
                .dataset
                .sample(count, request.sample_seed(plan.seed), size_stratum);
        }
        let shard = request.shard.map(|shard| take_shard(&mut workload, shard));
        Ok(Self {
            plan,
            workload,
            environments,
            prices,
            host,
            gpus,
            nvml: nvml.ok(),
            unavailable,
            shard: shard.transpose()?,
            preload_bytes: request.preload_bytes,
            strict,
            output: request.output,
        })
    }

    /// The study, its record without results, and the record's file: without a name, `command` is part of the file's.
    pub fn into_study(
        self,
        command: &str,
        home: &Path,
        argv: Vec<String>,
    ) -> Result<(Study, Record, RecordFile), Failure> {
        let Self { plan, workload, .. } = self;
        let name = self.output.name.as_deref();
        let mut record = blank_record(
            &plan,
            self.host,
            self.gpus,
            &workload,
            self.unavailable,
            argv,
            name,
        );
        record.workload.dataset.shard = self.shard;
        // Before anything is measured: can the results be written?
        for (_, path) in &self.output.exports {
            try_export(path)?;
        }
        let OutputRequest {
            record: given,
            new_record,
            beside,
            continues,
            ..
        } = &self.output;
        let file = if let Some(path) = given {
            RecordFile::given(path.clone(), *continues)?
        } else {
            let new = new_record.clone();
            let new = new.unwrap_or_else(|| default_output(&record, name.unwrap_or(command)));
            RecordFile::new(&new, beside, &record)?
        };
        let study = Study {
            environments: self.environments,
            nvml: self.nvml,
            prices: self.prices,
            extra_reference: extra_reference(&plan, &Gpus::default(), home)?,
            truth: workload.truth(),
            people: workload.people(),
            networks: workload.networks,
            dataset: workload.dataset,
            preload_budget: self.preload_bytes,
            strict: self.strict,
            program: std::env::current_exe()?,
            interruption: Interruption::new(on_interrupt()),
            plan,
        };
        Ok((study, record, file))
    }
}

/// Finds the environments of the arms; those that cannot run leave the plan.
fn find_environments(
    plan: &mut Plan,
    unavailable: &mut Vec<Unavailable>,
    gpus: &Gpus,
    home: &Path,
) -> Vec<ArmEnvironment> {
    let mut environments = Vec::new();
    plan.arms
        .retain(|arm| match ready::environment(&arm.spec, gpus, home, &notify) {
            Ok(environment) => {
                environments.push(environment);
                true
            }
            Err(missing) => {
                unavailable.push(missing);
                false
            }
        });
    tell_apart(&mut plan.arms);
    environments
}

/// Finds the networks of arms with a precision of their own; arms whose networks were never made leave the plan.
fn find_precisions(
    plan: &mut Plan,
    environments: Vec<ArmEnvironment>,
    unavailable: &mut Vec<Unavailable>,
    networks: &Networks,
    home: &Path,
) -> Vec<ArmEnvironment> {
    let mut kept = Vec::new();
    let arms = std::mem::take(&mut plan.arms);
    for (arm, mut environment) in arms.into_iter().zip(environments) {
        match ready::precision::networks(&arm.spec, networks, home) {
            Ok(own) => {
                environment.networks = own;
                kept.push(environment);
                plan.arms.push(arm);
            }
            Err(missing) => unavailable.push(missing.of(&arm.spec)),
        }
    }
    kept
}

/// An fp32 CPU arm to compare with, where the plan measures none itself.
fn extra_reference(
    plan: &Plan,
    gpus: &Gpus,
    home: &Path,
) -> Result<Option<(PlannedArm, ArmEnvironment)>, Failure> {
    if plan.arms.iter().all(|arm| arm.spec.is_null()) || plan.arms.iter().any(|arm| arm.spec.is_reference()) {
        return Ok(None);
    }
    let mut arm = PlannedArm::resolve(BackendSpec::reference(), plan.scenario, plan.cores)?;
    "cpu fp32 (check pass only)".clone_into(&mut arm.label);
    match ready::environment(&arm.spec, gpus, home, &notify) {
        Ok(environment) => Ok(Some((arm, environment))),
        Err(missing) => Err(Failure::Unavailable(vec![missing])),
    }
}

/// Reduces the photos of `workload` to its shard, and describes it for the record.
fn take_shard(workload: &mut Workload, shard: Shard) -> Result<record::Shard, Failure> {
    let dataset = &mut workload.dataset;
    let (images, sha256) = (dataset.photos.len(), dataset.sha256());
    if images < shard.of {
        return Err(Failure::Usage(format!(
            "--shard {}/{}: there are only {images} photos; make fewer shards",
            shard.index, shard.of
        )));
    }
    dataset.deal(shard);
    Ok(record::Shard {
        index: shard.index,
        of: shard.of,
        whole_images: images,
        whole_sha256: sha256,
    })
}
