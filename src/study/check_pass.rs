//! The check passes: each arm answers every photo once before anything is measured.

use std::{collections::BTreeMap, time::Duration};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Observer, Study, StudyError, fail,
    planned_arm::PlannedArm,
    recorded_arm::{ArmRun, is_fp32},
    strata,
    unseen::{ChangingPhotos, MOST_PHOTOS, not_written},
};
use crate::{
    dataset::{Dataset, Photo, manifest},
    record::{Record, Scenario, Skipped, StratumFacts},
    worker::{
        call::Observe,
        environment::ArmEnvironment,
        process::ProcessError,
        protocol::{PhotoAnswer, Reply},
    },
};

/// Most faces that are enrolled for matching.
const MAX_ENROLLED: usize = 1000;

/// The reference's answers.
#[derive(Clone)]
pub(crate) struct Answers<S = PhotoAnswer> {
    pub label: String,
    pub photos: Vec<S>,
    pub is_fp32: bool,
}

/// What the check passes leave for the measuring.
pub(crate) struct Prepared {
    /// In the order in which every pass takes them.
    pub dataset: Dataset,
    pub strata: Vec<Vec<usize>>,
    pub strata_facts: Vec<StratumFacts>,
    pub gallery: Vec<Vec<f32>>,
    pub reference: Option<Answers>,
    pub truth: Option<Vec<Vec<manifest::AnnotatedFace>>>,
    pub people: Option<Vec<Option<String>>>,
}

impl Study {
    /// One check pass an arm, `with_unseen` photos where it is measured afterwards; photos that any arm cannot read are left out
    /// for all.
    pub(crate) fn check_passes(
        &self,
        runs: &mut [ArmRun],
        record: &mut Record,
        with_unseen: bool,
        observer: &dyn Observer,
    ) -> Result<Prepared, StudyError> {
        let count = self.dataset.photos.len();
        let mut bad: BTreeMap<usize, String> = BTreeMap::new();
        let mut answers: Vec<Option<Vec<Option<PhotoAnswer>>>> = Vec::new();
        for ((arm, environment), run) in self.plan.arms.iter().zip(&self.environments).zip(runs.iter_mut()) {
            observer.phase(&format!("check pass: {}", arm.label));
            match self.check_pass((arm, environment), with_unseen, run, &mut bad) {
                Ok(photos) => answers.push(Some(photos)),
                Err(ProcessError::Interrupted) => answers.push(None),
                Err(error) => {
                    fail(run, &arm.label, &format!("in the check pass: {error}"), observer);
                    answers.push(None);
                }
            }
        }
        let mut extra = None;
        if let Some((arm, environment)) = &self.extra_reference {
            observer.phase("check pass: fp32 CPU reference");
            let mut run = ArmRun::default();
            match self.check_pass((arm, environment), false, &mut run, &mut bad) {
                Ok(photos) => {
                    extra = Some(Answers {
                        label: arm.label.clone(),
                        photos,
                        is_fp32: is_fp32(&run),
                    });
                }
                Err(ProcessError::Interrupted) => {}
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
            .zip(&answers)
            .zip(runs.iter())
            .find_map(|((arm, photos), run)| {
                let photos = photos.clone().filter(|_| arm.spec.is_reference())?;
                Some(Answers {
                    label: arm.label.clone(),
                    photos,
                    is_fp32: is_fp32(run),
                })
            });
        let reference = chosen.or(extra);
        self.put_in_order(&mut good, reference.as_ref());
        let pick = |photos: &[Option<PhotoAnswer>]| -> Vec<PhotoAnswer> {
            good.iter().filter_map(|index| photos[*index].clone()).collect()
        };
        for (run, photos) in runs.iter_mut().zip(&answers) {
            run.answers = photos.as_deref().map(pick).unwrap_or_default();
        }
        let reference = reference.map(
            |Answers {
                 label,
                 photos,
                 is_fp32,
             }| Answers {
                label,
                photos: pick(&photos),
                is_fp32,
            },
        );
        Ok(self.prepare(&good, reference))
    }

    /// Offline, the longest first, so that no stream is left alone with a crowd at the end of a block; else a seeded
    /// shuffle, for a query of crowds alone is no usual query.
    fn put_in_order(&self, good: &mut [usize], reference: Option<&Answers<Option<PhotoAnswer>>>) {
        if matches!(self.plan.scenario, Scenario::MultiStream | Scenario::Server) {
            good.shuffle(&mut ChaCha8Rng::seed_from_u64(self.plan.seed));
        } else if let Some(Answers { photos, .. }) = reference {
            let time = |index: &usize| {
                photos[*index]
                    .as_ref()
                    .map_or(Duration::ZERO, |answer| answer.time)
            };
            good.sort_by_key(|index| std::cmp::Reverse(time(index)));
        }
    }

    fn prepare(&self, good: &[usize], reference: Option<Answers>) -> Prepared {
        let photos: Vec<Photo> = good
            .iter()
            .map(|index| self.dataset.photos[*index].clone())
            .collect();
        let answers = reference.as_ref().map(|answers| answers.photos.as_slice());
        let (strata_facts, strata) = strata::assign(&photos, answers, self.networks.is_some());
        let gallery = answers
            .unwrap_or_default()
            .iter()
            .filter_map(|answer| Some(answer.faces.first()?.embedding.as_ref()?.values().to_vec()))
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
        let people = self
            .people
            .as_ref()
            .map(|people| good.iter().map(|index| people[*index].clone()).collect());
        Prepared {
            dataset,
            strata,
            strata_facts,
            gallery,
            reference,
            truth,
            people,
        }
    }

    fn check_pass(
        &self,
        (arm, environment): (&PlannedArm, &ArmEnvironment),
        with_unseen: bool,
        run: &mut ArmRun,
        bad: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<Option<PhotoAnswer>>, ProcessError> {
        let job = self.job(arm, environment, &self.dataset);
        let all = &self.dataset.photos;
        let here = with_unseen && all.len() <= MOST_PHOTOS;
        let changing = here.then(|| {
            let photos = all.iter().collect();
            ChangingPhotos::new(photos, self.limits(), !arm.spec.is_null())
        });
        let first = match &changing {
            Some(Ok(changing)) => changing.job(job.clone()),
            _ => job.clone(),
        };
        let mut worker = self.start(first, environment, run)?;
        let mut answers: Vec<Option<PhotoAnswer>> = vec![None; self.dataset.photos.len()];
        worker.send(Observe)?;
        run.profile = worker.receive_with::<Observe>(self.plan.patience, &mut |reply| match reply {
            Reply::Photo { index, answer } if index < answers.len() => {
                match answer {
                    Ok(answer) => answers[index] = Some(answer),
                    Err(reason) => drop(bad.insert(index, reason)),
                }
                Ok(())
            }
            other => Err(other),
        })?;
        match &changing {
            Some(Ok(changing)) => {
                let unseen = self.answer_unseen(&mut worker, arm, changing, &answers)?;
                let refused = unseen.refused;
                run.unseen = Some(unseen);
                if refused {
                    return Ok(answers);
                }
            }
            Some(Err(error)) => run.unseen = Some(not_written(error)),
            None => {}
        }
        // Its memory is not the measured processes' memory.
        let _peak = worker.finish(self.plan.patience)?;
        if with_unseen && !here {
            let both = (arm, environment);
            run.unseen = self.answer_unseen_apart(both, all, &answers, job, false)?;
        }
        Ok(answers)
    }
}
