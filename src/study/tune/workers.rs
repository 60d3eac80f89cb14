//! The workers of a search for the best setting. One that has the most streams and the largest batch of those that are
//! still in the search measures all of the same threads and decoders; each round has workers of its own, so that the
//! noise of one process does not carry its candidates through.

use std::{collections::BTreeMap, io, time::Duration};

use super::super::{
    Observer, Study, StudyError, check_pass::Prepared, planned_arm::PlannedArm, recorded_arm::ArmRun,
    round::keep_block, strata::size_stratum,
};
use super::{
    Goal,
    candidates::described,
    halving::{self, Bench},
};
use crate::{
    record::{Block, Candidate, Conditions, Record, Tune},
    worker::{
        process::{ProcessError, WorkerProcess},
        protocol::{BlockSpec, LoadPattern},
    },
};

/// A first block of the search lasts this part of a study's block, and so long the warm-up of its worker.
const PART: u32 = 8;
/// Photos of a pass: at least so many, and so many for each that can be in work at a time. More would make long blocks
/// of the shortest.
const LEAST_PHOTOS: usize = 48;
const PASSES: usize = 2;

impl Study {
    /// Searches among `arms`, settings of the plan's first arm; `save` keeps the record after each round. Returns the
    /// record with the search in it and those arms that came to the end, the best first; none where it was interrupted.
    pub fn tune(
        &self,
        mut record: Record,
        arms: &[PlannedArm],
        goal: Goal,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<(Record, Vec<PlannedArm>), StudyError> {
        let mut runs = vec![ArmRun::default()];
        let mut prepared = self.check_passes(&mut runs, &mut record, false, observer)?;
        self.describe(&mut record, &prepared, &runs);
        let weights = self.sample(&mut prepared, &runs[0], arms);
        let mut candidates = described(arms, self.plan.cores);
        record.tune = Some(Tune {
            hint: goal.hint,
            bound: goal.bound,
            photos: prepared.dataset.photos.len(),
            candidates: candidates.clone(),
            bare: self.plan.arms[0].spec.requested.clone(),
            chosen: None,
        });
        let mut workers = Workers {
            study: self,
            prepared: &prepared,
            weights,
            arms,
            left: Vec::new(),
            alive: BTreeMap::new(),
            last: None,
            observer,
            record: &mut record,
            save,
        };
        let first = self.plan.duration / PART;
        let found = halving::search(&mut candidates, goal, first, self.plan.seed, &mut workers);
        let finalists = match found {
            Ok(finalists) => finalists.into_iter().map(|place| arms[place].clone()).collect(),
            Err(Stop::Interrupted) => Vec::new(),
            Err(Stop::Save(error)) => return Err(error.into()),
        };
        if let Some(tune) = &mut record.tune {
            tune.candidates = candidates;
        }
        save(&record)?;
        Ok((record, finalists))
    }

    /// Leaves a sample of the photos in `prepared`, in their order; returns what each of them is expected to cost.
    fn sample(&self, prepared: &mut Prepared, run: &ArmRun, arms: &[PlannedArm]) -> Vec<f64> {
        let most = arms.iter().map(|arm| arm.streams * arm.batch).max().unwrap_or(1);
        let mut chosen = prepared.dataset.clone();
        chosen.sample(LEAST_PHOTOS.max(PASSES * most), self.plan.seed, size_stratum);
        let is_chosen: Vec<bool> = prepared
            .dataset
            .photos
            .iter()
            .map(|photo| chosen.photos.iter().any(|other| other.name == photo.name))
            .collect();
        let weights = run.photo_seconds().into_iter().zip(&is_chosen);
        let weights = weights.filter(|(_, is_chosen)| **is_chosen);
        let weights = weights.map(|(seconds, _)| seconds).collect();
        let mut keep = is_chosen.iter();
        prepared
            .dataset
            .photos
            .retain(|_| keep.next().is_some_and(|keep| *keep));
        weights
    }
}

/// Why a search ends early.
enum Stop {
    Interrupted,
    Save(io::Error),
}

/// Threads of a stream and decoders: what a worker is loaded for, and cannot change.
type WorkerKey = (usize, Option<usize>);

/// A worker with its streams and its batch.
struct SearchWorker {
    process: WorkerProcess,
    streams: usize,
    batch: usize,
}

struct Workers<'a> {
    study: &'a Study,
    prepared: &'a Prepared,
    weights: Vec<f64>,
    arms: &'a [PlannedArm],
    /// Candidates of this round that can still be measured.
    left: Vec<usize>,
    alive: BTreeMap<WorkerKey, SearchWorker>,
    /// Which worker measured last.
    last: Option<WorkerKey>,
    observer: &'a dyn Observer,
    record: &'a mut Record,
    save: &'a mut dyn FnMut(&Record) -> io::Result<()>,
}

impl Bench for Workers<'_> {
    type Error = Stop;

    fn begin(&mut self, candidates: &[usize]) -> Result<(), Stop> {
        self.left = candidates.to_vec();
        self.end();
        let plural = if candidates.len() == 1 { "" } else { "s" };
        self.observer
            .phase(&format!("search: {} candidate{plural}", candidates.len()));
        Ok(())
    }

    fn measure(
        &mut self,
        candidate: usize,
        round: usize,
        length: Duration,
    ) -> Result<Result<Block, String>, Stop> {
        match self.block(candidate, round, length) {
            Ok(block) => {
                self.observer.block(&self.arms[candidate].label, &block);
                Ok(Ok(block))
            }
            Err(ProcessError::Interrupted) => Err(Stop::Interrupted),
            Err(error) => {
                let label = &self.arms[candidate].label;
                self.observer.notice(&format!("{label} is out: {error}"));
                self.left.retain(|other| *other != candidate);
                self.alive.remove(&self.key(candidate));
                Ok(Err(error.to_string()))
            }
        }
    }

    fn keep(&mut self, candidates: &[Candidate]) -> Result<(), Stop> {
        self.end();
        if let Some(tune) = &mut self.record.tune {
            tune.candidates = candidates.to_vec();
        }
        (self.save)(self.record).map_err(Stop::Save)
    }
}

impl Workers<'_> {
    fn key(&self, candidate: usize) -> WorkerKey {
        let arm = &self.arms[candidate];
        (arm.threads, arm.decoders(self.study.plan.cores))
    }

    fn block(&mut self, candidate: usize, round: usize, length: Duration) -> Result<Block, ProcessError> {
        let key = self.key(candidate);
        let (streams, batch) = (self.arms[candidate].streams, self.arms[candidate].batch);
        let fits = |worker: &SearchWorker| worker.streams >= streams && worker.batch >= batch;
        if !self.alive.get(&key).is_some_and(fits) {
            self.alive.remove(&key);
            let worker = self.start(candidate)?;
            self.alive.insert(key, worker);
            self.last = Some(key);
        }
        let Some(worker) = self.alive.get_mut(&key) else {
            return Err(ProcessError::Protocol("no worker".to_owned()));
        };
        if self.last.replace(key) != Some(key) {
            let lead_in = self.study.plan.lead_in();
            self.study.unmeasured(&mut worker.process, lead_in, lead_in)?;
        }
        let spec = BlockSpec {
            duration: length,
            images: 0,
            streams,
            batch,
            pattern: LoadPattern::Closed,
            counts: false,
        };
        let raw = worker.process.call(spec, self.study.plan.patience)?;
        Ok(keep_block(raw, (round, 0), None, Conditions::default()))
    }

    /// A worker for all candidates like this one; where there is no room for so many streams or so large a batch, for
    /// this one alone.
    fn start(&self, candidate: usize) -> Result<SearchWorker, ProcessError> {
        let own = &self.arms[candidate];
        let key = self.key(candidate);
        let like = self.left.iter().filter(|other| self.key(**other) == key);
        let (streams, batch) = like.fold((own.streams, own.batch), |(streams, batch), other| {
            let arm = &self.arms[*other];
            (streams.max(arm.streams), batch.max(arm.batch))
        });
        match self.start_with(own, streams, batch) {
            Err(ProcessError::Interrupted) => Err(ProcessError::Interrupted),
            Err(_) if (streams, batch) != (own.streams, own.batch) => {
                self.start_with(own, own.streams, own.batch)
            }
            started => started,
        }
    }

    fn start_with(
        &self,
        arm: &PlannedArm,
        streams: usize,
        batch: usize,
    ) -> Result<SearchWorker, ProcessError> {
        let environment = &self.study.environments[0];
        let arm = PlannedArm {
            streams,
            batch,
            ..arm.clone()
        };
        let mut job = self.study.job(&arm, environment, &self.prepared.dataset);
        job.gallery.clone_from(&self.prepared.gallery);
        job.weights.clone_from(&self.weights);
        let mut process = self.study.start(job, environment, &mut ArmRun::default())?;
        let warmup = self.study.plan.warmup / PART;
        self.study
            .unmeasured(&mut process, warmup, warmup * crate::study::plan::MOST_WARMUP)?;
        Ok(SearchWorker {
            process,
            streams,
            batch,
        })
    }

    /// Ends the workers of a round, which are in no block now.
    fn end(&mut self) {
        self.last = None;
        for (_, mut worker) in std::mem::take(&mut self.alive) {
            // Their peak of memory is of no use.
            let _ = worker.process.finish(self.study.plan.patience);
        }
    }
}
