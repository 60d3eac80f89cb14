//! Photos that an arm has not seen: the same ones with slightly changed pixels, each under another one's name, put there just
//! before the arm is asked for them, and timed by the study's own clock. Answers from memory, photos that are counted twice
//! and clocks that run slowly are all faster than that. (MLPerf's caching test, TEST04, compares repeated photos with
//! unique ones in this way.)

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::PathBuf,
    time::Duration,
};

use super::{Study, planned_arm::PlannedArm, recorded_arm::ArmRun};
use crate::{
    analysis::agreement,
    dataset::Photo,
    files::{self, Scratch},
    record::{Unseen, UnseenRound},
    runtime::spec::Reads,
    vision::{changed::slightly_changed, encoded::Limits, face::Face},
    worker::{
        call::Observe,
        environment::ArmEnvironment,
        process::{ProcessError, WorkerProcess},
        protocol::{Job, PhotoAnswer, Reply, WarmUp},
    },
};

/// Most photos that are answered once more.
pub(super) const MOST_PHOTOS: usize = 256;
/// Rounds last this long together, or a block's time where that is shorter; but there are no more than this many.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
const MOST_ROUNDS: usize = 8;

/// A folder of photos under numbers, whose content changes while a worker has their paths.
pub(super) struct ChangingPhotos<'a> {
    photos: Vec<&'a Photo>,
    limits: Limits,
    /// Whether each one's content goes to another one's path.
    exchanged: bool,
    folder: Scratch,
}

impl<'a> ChangingPhotos<'a> {
    /// A folder in which `photos` are still what they are.
    pub(super) fn new(photos: Vec<&'a Photo>, limits: Limits, exchanged: bool) -> io::Result<Self> {
        let folder = Scratch::new()?;
        let here = std::env::current_dir()?;
        let all = Self {
            photos,
            limits,
            exchanged,
            folder,
        };
        for (photo, path) in all.photos.iter().zip(all.paths()) {
            symlink(here.join(&photo.path), path)?;
        }
        Ok(all)
    }

    /// The paths that a worker gets.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let path = |number: usize| self.folder.path().join(format!("{number:06}"));
        (0..self.photos.len()).map(path).collect()
    }

    /// Which photo's content stands at the path `index` in this round, 1 being the first.
    fn content(&self, index: usize, round: usize) -> usize {
        let count = self.photos.len();
        if !self.exchanged || count < 2 {
            return index;
        }
        // Another one in every round, and never itself.
        let shift = 1 + (round * 7) % (count - 1);
        (index + shift) % count
    }

    /// `job` for a worker that answers these photos, whose files it must read each time.
    pub(super) fn job(&self, job: Job) -> Job {
        Job {
            photos: self.paths(),
            reads: Reads::Cached,
            ..job
        }
    }

    /// Puts changed photos there, others in each round.
    fn change(&self, round: usize) -> io::Result<()> {
        for (index, path) in self.paths().iter().enumerate() {
            let content = self.content(index, round);
            let photo = self.photos[content];
            let number = (round * self.photos.len() + content) as u64;
            let bytes = match fs::read(&photo.path) {
                Ok(bytes) => slightly_changed(&bytes, number, self.limits).unwrap_or(bytes),
                // `null` looks at none. A photo that was removed cannot be answered.
                Err(_) => format!("{} {number}", photo.name).into_bytes(),
            };
            // Nobody reads it now, and it need not outlive the study. What is at the path may be a link to the photo itself.
            fs::remove_file(path)?;
            files::create_new(path)?.write_all(&bytes)?;
        }
        Ok(())
    }
}

impl Study {
    /// The limits within which photos are decoded.
    pub(super) fn limits(&self) -> Limits {
        self.networks
            .as_ref()
            .map_or_else(Limits::default, |networks| Limits {
                max_pixels: networks.max_pixels,
            })
    }

    /// Has `worker`, which has answered `photos` once as they are, answer them with other pixels. `own` are its answers of
    /// before.
    pub(super) fn answer_unseen(
        &self,
        worker: &mut WorkerProcess,
        arm: &PlannedArm,
        photos: &ChangingPhotos<'_>,
        own: &[Option<PhotoAnswer>],
    ) -> Result<Unseen, ProcessError> {
        let mut unseen = Unseen {
            in_work: arm.streams * arm.batch,
            rounds: Vec::new(),
            error: None,
            refused: false,
        };
        if own.iter().flatten().count() < 2 && !arm.spec.is_null() {
            unseen.error = Some("one photo cannot take another one's place".to_owned());
            return Ok(unseen);
        }
        let enough = self.plan.duration.min(LONG_ENOUGH).as_secs_f64();
        for round in 1..=MOST_ROUNDS {
            if let Err(error) = photos.change(round) {
                unseen.error = Some(format!("they could not be written: {error}"));
                break;
            }
            let mut answers: Vec<Option<PhotoAnswer>> = vec![None; own.len()];
            let answered = worker.send(Observe).and_then(|()| {
                let answered = worker.receive_with::<Observe>(self.plan.patience, &mut |reply| match reply {
                    Reply::Photo { index, answer } if index < answers.len() => {
                        answers[index] = answer.ok();
                        Ok(())
                    }
                    other => Err(other),
                });
                answered.map(drop)
            });
            match answered {
                Ok(()) => {}
                Err(ProcessError::Interrupted) => return Err(ProcessError::Interrupted),
                Err(error) => {
                    unseen.error = Some(error.to_string());
                    unseen.refused = true;
                    break;
                }
            }
            let seconds = worker.elapsed(false).as_secs_f64();
            unseen.rounds.push(compare(photos, round, own, &answers, seconds));
            if unseen.rounds.iter().map(|round| round.seconds).sum::<f64>() >= enough {
                break;
            }
        }
        Ok(unseen)
    }

    /// The same in a process of its own, on a part of `all` photos where they are many. Where it is to be `warm`, it works as
    /// long before as one that measures.
    pub(super) fn answer_unseen_apart(
        &self,
        (arm, environment): (&PlannedArm, &ArmEnvironment),
        all: &[Photo],
        own: &[Option<PhotoAnswer>],
        job: Job,
        warm: bool,
    ) -> Result<Option<Unseen>, ProcessError> {
        let every = all.len().div_ceil(MOST_PHOTOS).max(1);
        let chosen: Vec<&Photo> = all.iter().step_by(every).collect();
        let own: Vec<Option<PhotoAnswer>> = own.iter().step_by(every).cloned().collect();
        let photos = match ChangingPhotos::new(chosen, self.limits(), !arm.spec.is_null()) {
            Ok(photos) => photos,
            Err(error) => return Ok(Some(not_written(&error))),
        };
        let job = Job {
            strata: Vec::new(),
            weights: Vec::new(),
            ..photos.job(job)
        };
        let mut worker = self.start(job, environment, &mut ArmRun::default())?;
        if warm {
            let (least, most) = (self.plan.warmup, self.plan.most_warmup());
            worker.call(WarmUp { least, most }, self.plan.patience)?;
        } else {
            worker.send(Observe)?;
            worker.receive_with::<Observe>(self.plan.patience, &mut |reply| match reply {
                Reply::Photo { .. } => Ok(()),
                other => Err(other),
            })?;
        }
        let unseen = self.answer_unseen(&mut worker, arm, &photos, &own)?;
        // Its memory is not the measured processes' memory, and whether it ends well is no part of its answers.
        let _ = worker.finish(self.plan.patience);
        Ok(Some(unseen))
    }

    /// Once more for an arm whose blocks look faster than its work: a machine that was busy for a moment, or an arm that
    /// needs its warm-up, is no cheat.
    pub(super) fn answer_unseen_again(
        &self,
        (arm, environment): (&PlannedArm, &ArmEnvironment),
        photos: &[Photo],
        job: Job,
        run: &mut ArmRun,
    ) -> Result<(), ProcessError> {
        let Some(first) = run.unseen.clone() else {
            return Ok(());
        };
        let own: Vec<Option<PhotoAnswer>> = run.answers.iter().cloned().map(Some).collect();
        if let Some(again) = self.answer_unseen_apart((arm, environment), photos, &own, job, true)? {
            let rounds = first.rounds.into_iter().chain(again.rounds).collect();
            run.unseen = Some(Unseen { rounds, ..again });
        }
        Ok(())
    }
}

/// The account of photos that could not be changed.
pub(super) fn not_written(error: &io::Error) -> Unseen {
    Unseen {
        in_work: 1,
        rounds: Vec::new(),
        error: Some(format!("they could not be written: {error}")),
        refused: false,
    }
}

/// A round, in which each answer is compared with the arm's own of before, for the photo whose content it was given.
fn compare(
    photos: &ChangingPhotos<'_>,
    round: usize,
    own: &[Option<PhotoAnswer>],
    answers: &[Option<PhotoAnswer>],
    seconds: f64,
) -> UnseenRound {
    let faces = |answer: &'_ Option<PhotoAnswer>| -> Vec<Face> {
        answer
            .as_ref()
            .map_or_else(Vec::new, |answer| answer.faces.clone())
    };
    let pairs: Vec<(Vec<Face>, Vec<Face>)> = answers
        .iter()
        .enumerate()
        .map(|(index, answer)| (faces(&own[photos.content(index, round)]), faces(answer)))
        .collect();
    let compared = agreement::compare("itself", pairs.iter().map(|(a, b)| (a.as_slice(), b.as_slice())));
    // JSON knows no other numbers.
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    UnseenRound {
        images: answers.iter().flatten().count(),
        seconds,
        faces_matched: compared.faces_matched,
        cosine_median: compared.cosine_median.map(finite),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn photos(folder: &Path) -> Vec<Photo> {
        let photo = |number: usize| {
            let name = format!("{number}.txt");
            let path = folder.join(&name);
            fs::write(&path, &name).unwrap();
            Photo {
                name,
                path,
                width: 1,
                height: 1,
                bytes: 1,
                sha256: [0; 32],
            }
        };
        (0..5).map(photo).collect()
    }

    #[test]
    fn every_photo_stands_under_another_ones_name() {
        let folder = tempfile::tempdir().unwrap();
        let all = photos(folder.path());
        let changing = ChangingPhotos::new(all.iter().collect(), Limits::default(), true).unwrap();
        let read = || -> Vec<String> {
            let paths = changing.paths();
            paths
                .iter()
                .map(|path| fs::read_to_string(path).unwrap())
                .collect()
        };
        assert_eq!(read()[..2], ["0.txt", "1.txt"]);
        for round in 1..=MOST_ROUNDS {
            changing.change(round).unwrap();
            let there = read();
            for (index, text) in there.iter().enumerate() {
                assert_eq!(*text, all[changing.content(index, round)].name);
                assert_ne!(*text, all[index].name, "round {round}");
            }
        }
        // The originals are what they were.
        assert_eq!(fs::read_to_string(&all[0].path).unwrap(), "0.txt");
    }
}
