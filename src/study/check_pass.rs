//! The check passes: each arm answers every photo once before anything is measured.

use std::{collections::BTreeMap, time::Duration};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Observer, Study, StudyError, arm_environment::Place, fail, finish, plan::PlannedArm, strata,
    summary::ArmRun,
};
use crate::{
    analysis::{checks, figures::Kind},
    dataset::{Dataset, Photo, manifest},
    record::{Outcome, Record, Scenario, Skipped},
    runtime::spec::Precision,
    worker::{
        child::{ChildError, unexpected},
        protocol::{Reply, Request, Seen},
    },
};

/// Most faces that are enrolled for matching.
const MAX_ENROLLED: usize = 1000;

/// The reference's answers.
#[derive(Clone)]
pub(crate) struct Answers<S = Seen> {
    pub label: String,
    pub seen: Vec<S>,
    pub is_fp32: bool,
}

/// Whether a check pass shows networks of 32-bit floats; without a profile nothing speaks against it.
fn is_fp32(run: &ArmRun) -> bool {
    checks::precision(run.profile.as_ref(), Precision::Fp32, Precision::Fp32).outcome != Outcome::Failed
}

/// What the check passes leave for the measuring.
pub(crate) struct Prepared {
    /// In the order in which every pass takes them.
    pub dataset: Dataset,
    pub strata: Vec<Vec<usize>>,
    pub kinds: Vec<Kind>,
    pub gallery: Vec<Vec<f32>>,
    pub reference: Option<Answers>,
    pub truth: Option<Vec<Vec<manifest::Face>>>,
    pub people: Option<Vec<Option<String>>>,
}

impl Study {
    /// One check pass an arm; photos that any arm cannot read are left out for all.
    pub(crate) fn check_passes(
        &self,
        runs: &mut [ArmRun],
        record: &mut Record,
        observer: &dyn Observer,
    ) -> Result<Prepared, StudyError> {
        let count = self.dataset.photos.len();
        let mut bad: BTreeMap<usize, String> = BTreeMap::new();
        let mut seen: Vec<Option<Vec<Option<Seen>>>> = Vec::new();
        for ((arm, place), run) in self.plan.arms.iter().zip(&self.places).zip(runs.iter_mut()) {
            observer.phase(&format!("check pass: {}", arm.label));
            match self.check_pass(arm, place, run, &mut bad) {
                Ok(answers) => seen.push(Some(answers)),
                Err(ChildError::Interrupted) => seen.push(None),
                Err(error) => {
                    fail(run, &arm.label, &format!("in the check pass: {error}"), observer);
                    seen.push(None);
                }
            }
        }
        let mut extra = None;
        if let Some((arm, place)) = &self.extra_reference {
            observer.phase("check pass: fp32 CPU reference");
            let mut run = ArmRun::default();
            match self.check_pass(arm, place, &mut run, &mut bad) {
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
                let seen = seen.clone().filter(|_| arm.spec.is_reference())?;
                Some(Answers {
                    label: arm.label.clone(),
                    seen,
                    is_fp32: is_fp32(run),
                })
            });
        let reference = chosen.or(extra);
        self.put_in_order(&mut good, reference.as_ref());
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

    /// Offline, the longest first, so that no stream is left alone with a crowd at the end of a block; else a seeded
    /// shuffle, for a query of crowds alone would say nothing about queries.
    fn put_in_order(&self, good: &mut [usize], reference: Option<&Answers<Option<Seen>>>) {
        if matches!(self.plan.scenario, Scenario::MultiStream | Scenario::Server) {
            good.shuffle(&mut ChaCha8Rng::seed_from_u64(self.plan.seed));
        } else if let Some(Answers { seen, .. }) = reference {
            let time = |index: &usize| seen[*index].as_ref().map_or(Duration::ZERO, |seen| seen.time);
            good.sort_by_key(|index| std::cmp::Reverse(time(index)));
        }
    }

    fn prepare(&self, good: &[usize], reference: Option<Answers>) -> Prepared {
        let photos: Vec<Photo> = good
            .iter()
            .map(|index| self.dataset.photos[*index].clone())
            .collect();
        let seen = reference.as_ref().map(|answers| answers.seen.as_slice());
        let (kinds, strata) = strata::sort(&photos, seen, self.networks.is_some());
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
        let people = self
            .people
            .as_ref()
            .map(|people| good.iter().map(|index| people[*index].clone()).collect());
        Prepared {
            dataset,
            strata,
            kinds,
            gallery,
            reference,
            truth,
            people,
        }
    }

    fn check_pass(
        &self,
        arm: &PlannedArm,
        place: &Place,
        run: &mut ArmRun,
        bad: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<Option<Seen>>, ChildError> {
        let mut child = self.start(self.job(arm, place, &self.dataset), place, run)?;
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
}
