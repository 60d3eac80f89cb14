//! Checks of what a worker claims by what the study saw itself. All of them rest on evidence that older records do not have:
//! there, they are not made.

use std::fmt::Write as _;

use super::super::figures;
use super::{check, outcome, unknown};
use crate::record::{
    Block, Check, CheckPass, Inputs, Outcome, Resumption, Unseen, UnseenRound,
    limits::{CLAIMED, SEEN, SEEN_BUSY, UNSEEN_COSINE, UNSEEN_MATCHED},
};

/// Seconds of a block that need not be work: until a request is read, and until its answer is written and read.
const BESIDE: f64 = 0.05;
/// Seconds of a block from which on its clock can be judged.
const JUDGED: f64 = 0.2;
/// Seconds of a round of unseen photos that need not be work: streams begin, and the last answer is read.
const UNSEEN_BESIDE: f64 = 0.02;
/// How much longer photos may have been in work, added up, than there was time.
const BUSY: f64 = 1.05;

/// Whether the numbers of each block fit each other, of photos `in_work` at the same time. `None` for older records.
pub fn counts(blocks: &[Block], in_work: usize, pass: &CheckPass) -> Option<Check> {
    if blocks.is_empty() || blocks.iter().any(|block| block.elapsed_seconds.is_none()) {
        return None;
    }
    let advice = "the worker counts what it did not do: its figures are of nothing";
    let wrong = blocks.iter().find_map(|block| misfit(block, in_work, pass));
    let observed = wrong.clone().unwrap_or_else(|| {
        let images: usize = blocks.iter().map(|block| block.images).sum();
        format!("{images} photos in whole passes")
    });
    Some(check("counts", outcome(wrong.is_none()), observed, advice))
}

/// What does not fit in a block.
fn misfit(block: &Block, in_work: usize, pass: &CheckPass) -> Option<String> {
    let place = format!("process {}, block {}", block.process + 1, block.block + 1);
    let (images, photos) = (block.images, pass.photos.max(1));
    if images == 0 || !images.is_multiple_of(photos) {
        return Some(format!(
            "{place}: {images} photos are no whole passes over {photos}"
        ));
    }
    let times: u64 = block.service_us.iter().map(|(_, count)| count).sum();
    if times != images as u64 {
        return Some(format!("{place}: {times} service times of {images} photos"));
    }
    let busy: f64 = block
        .service_us
        .iter()
        .map(|(micros, count)| *micros as f64 * *count as f64 / 1e6)
        .sum();
    let most = (block.seconds * BUSY + BESIDE) * in_work as f64;
    if busy > most {
        return Some(format!(
            "{place}: photos were in work for {busy:.2} s, and {in_work} at a time in {:.2} s",
            block.seconds
        ));
    }
    let embeddings = block.embeddings.filter(|embeddings| *embeddings != block.faces)?;
    Some(format!(
        "{place}: {embeddings} embeddings of {} faces",
        block.faces
    ))
}

/// Whether the time of the blocks is that of the study's clock. `None` for older records.
pub fn worker_clock(blocks: &[Block]) -> Option<Check> {
    let advice =
        "the worker's clock is wrong, or it does not time all of its work: its figures are of nothing";
    let times: Option<Vec<(f64, f64)>> = blocks
        .iter()
        .map(|block| Some((block.seconds, block.elapsed_seconds?)))
        .collect();
    let times = times.filter(|times| !times.is_empty())?;
    let (claimed, elapsed) = times
        .iter()
        .fold((0.0, 0.0), |sum, time| (sum.0 + time.0, sum.1 + time.1));
    let beside = BESIDE * times.len() as f64;
    if elapsed < JUDGED * times.len() as f64 {
        return Some(unknown("worker-clock", "the blocks are too short"));
    }
    let too_long = times
        .iter()
        .any(|(claimed, elapsed)| *claimed > elapsed * 1.01 + BESIDE);
    let too_short = claimed + beside < elapsed * CLAIMED;
    Some(check(
        "worker-clock",
        outcome(!too_long && !too_short),
        format!(
            "{claimed:.2} s of {elapsed:.2} s, {:.1} %",
            claimed / elapsed * 100.0
        ),
        advice,
    ))
}

/// Whether the blocks are no faster than work on photos that were not seen before. Where it is not certain that the machine
/// was `quiet`, more is allowed: either may have been slowed down.
pub fn caching(unseen: &Unseen, blocks: &[Block], quiet: bool) -> Check {
    let advice = "the arm does not do the work that it counts: it answers from memory, counts photos that it did not work \
                  on, or leaves work out";
    if let Some(error) = &unseen.error
        && (unseen.refused || unseen.rounds.is_empty())
    {
        let observed = format!("photos that it had not seen before: {error}");
        return if unseen.refused {
            check("caching", Outcome::Failed, observed, advice)
        } else {
            unknown("caching", &observed)
        };
    }
    let speed = figures::images_per_second(blocks).map(|speed| speed.median);
    let best = unseen.rounds.iter().map(|round| speed_of(round, unseen.in_work));
    let (Some(speed), Some(best)) = (speed, best.reduce(f64::max)) else {
        return unknown("caching", "nothing was measured");
    };
    let ratio = speed / best;
    let worst = |value: fn(&UnseenRound) -> Option<f64>| {
        let values = unseen.rounds.iter().filter_map(value);
        values.reduce(|a, b| if b >= a { a } else { b })
    };
    let (matched, cosine) = (
        worst(|round| round.faces_matched),
        worst(|round| round.cosine_median),
    );
    let is_same = matched.is_none_or(|matched| matched >= UNSEEN_MATCHED)
        && cosine.is_none_or(|cosine| cosine >= UNSEEN_COSINE);
    let mut observed = if best.is_finite() {
        format!("blocks {speed:.1} images/s, unseen photos {best:.1}: {ratio:.2} times as fast")
    } else {
        "unseen photos were answered too fast for a speed".to_owned()
    };
    if let Some(matched) = matched {
        let cosine = cosine.map_or_else(|| "none".to_owned(), |cosine| format!("{cosine:.3}"));
        let _ = write!(
            observed,
            "; {:.1} % of its faces found again, cosine median {cosine}",
            matched * 100.0
        );
    }
    let limit = if quiet { SEEN } else { SEEN_BUSY };
    check("caching", outcome(is_same && ratio <= limit), observed, advice)
}

/// Images a second of a round. At its end not all streams have work, which in a block they have: as many photos as may be
/// in work are added.
fn speed_of(round: &UnseenRound, in_work: usize) -> f64 {
    let seconds = round.seconds - UNSEEN_BESIDE;
    if seconds <= 0.0 {
        return f64::INFINITY;
    }
    (round.images + in_work.min(round.images)) as f64 / seconds
}

/// Whether no file changed.
pub fn inputs(inputs: &Inputs) -> Check {
    let advice = "nobody knows which file was measured: leave photos and networks alone, and measure again";
    let observed = match inputs.changed.split_first() {
        None => format!("{} files, none changed", inputs.files),
        Some((first, [])) => format!("{} {}", first.file, first.change),
        Some((first, more)) => format!("{} {}, and {} more", first.file, first.change, more.len()),
    };
    check("inputs", outcome(inputs.changed.is_empty()), observed, advice)
}

/// That a study was not measured in one go; of a study, not of an arm. `None` where it was.
pub fn resumed(resumed: &[Resumption]) -> Option<Check> {
    let advice = "the machine may have been another one in between: compare the blocks before and after";
    let times: Vec<String> = resumed
        .iter()
        .map(|resumption| {
            format!(
                "at {}, with {} blocks from before",
                resumption.at, resumption.blocks
            )
        })
        .collect();
    (!times.is_empty()).then(|| check("resumed", Outcome::Failed, times.join("; "), advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::figures::tests::block, record::ChangedFile};

    const PASS: CheckPass = CheckPass {
        photos: 10,
        bytes: 1000,
        faces: 20,
        reference_is_fp32: Some(true),
        likeness: None,
    };

    /// A block of one stream that did 100 photos of 10 ms in a second.
    fn honest() -> Block {
        Block {
            elapsed_seconds: Some(1.01),
            faces: 200,
            embeddings: Some(200),
            service_us: vec![(9_990, 100)],
            ..block(0, 0, 1.0, 100)
        }
    }

    #[test]
    fn counts_that_do_not_fit_are_found() {
        let outcome = |change: &dyn Fn(&mut Block)| {
            let mut block = honest();
            change(&mut block);
            counts(&[honest(), block], 1, &PASS).map(|check| check.outcome)
        };
        assert_eq!(outcome(&|_| ()), Some(Outcome::Passed));
        assert_eq!(outcome(&|block| block.embeddings = None), Some(Outcome::Passed));
        assert_eq!(
            outcome(&|block| block.elapsed_seconds = None),
            None,
            "an older record"
        );
        let failed = Some(Outcome::Failed);
        assert_eq!(outcome(&|block| block.embeddings = Some(100)), failed);
        assert_eq!(outcome(&|block| block.images = 200), failed);
        assert_eq!(outcome(&|block| block.images = 105), failed);
        assert_eq!(
            outcome(&|block| (block.images, block.service_us) = (200, vec![(9_990, 200)])),
            failed
        );
    }

    #[test]
    fn a_clock_that_runs_slowly_is_found() {
        let with = |seconds, elapsed| {
            let block = Block {
                elapsed_seconds: elapsed,
                ..block(0, 0, seconds, 100)
            };
            worker_clock(&[block.clone(), block]).map(|check| check.outcome)
        };
        assert_eq!(with(1.0, Some(1.005)), Some(Outcome::Passed));
        assert_eq!(with(1.0, Some(2.0)), Some(Outcome::Failed));
        assert_eq!(with(1.0, Some(0.9)), Some(Outcome::Failed), "more than there was");
        assert_eq!(with(0.05, Some(0.1)), Some(Outcome::Unknown), "too short");
        assert_eq!(with(0.2, Some(0.24)), Some(Outcome::Passed));
        assert_eq!(with(1.0, None), None);
    }

    /// What comes of blocks that are so many times as fast as work.
    fn faster(times: f64, quiet: bool) -> Outcome {
        let round = UnseenRound {
            images: 1000,
            seconds: 10.0 * times,
            faces_matched: None,
            cosine_median: None,
        };
        let unseen = Unseen {
            in_work: 1,
            rounds: vec![round],
            error: None,
            refused: false,
        };
        caching(&unseen, &[honest()], quiet).outcome
    }

    #[test]
    fn blocks_that_are_faster_than_work_are_found() {
        assert_eq!(faster(1.1, true), Outcome::Passed);
        assert_eq!(
            (faster(1.4, true), faster(1.4, false)),
            (Outcome::Failed, Outcome::Passed)
        );
        assert_eq!(faster(2.0, false), Outcome::Failed);
        let round = |images, seconds| UnseenRound {
            images,
            seconds,
            faces_matched: Some(1.0),
            cosine_median: Some(0.99),
        };
        let with = |rounds: &[UnseenRound], error: Option<&str>, refused| {
            let unseen = Unseen {
                in_work: 1,
                rounds: rounds.to_vec(),
                error: error.map(str::to_owned),
                refused,
            };
            // 100 images a second.
            caching(&unseen, &[honest()], true).outcome
        };
        assert_eq!(with(&[round(100, 1.05)], None, false), Outcome::Passed);
        assert_eq!(with(&[round(100, 2.0)], None, false), Outcome::Failed);
        // The fastest one counts.
        assert_eq!(
            with(&[round(100, 2.0), round(100, 1.1)], None, false),
            Outcome::Passed
        );
        // Too short to be judged.
        assert_eq!(with(&[round(1, 0.01)], None, false), Outcome::Passed);
        let other = UnseenRound {
            faces_matched: Some(0.1),
            ..round(100, 0.1)
        };
        assert_eq!(with(&[round(100, 1.0), other], None, false), Outcome::Failed);
        let turned = UnseenRound {
            cosine_median: Some(f64::NAN),
            ..round(100, 1.0)
        };
        assert_eq!(with(&[turned], None, false), Outcome::Failed);
        assert_eq!(with(&[], Some("a full disk"), false), Outcome::Unknown);
        assert_eq!(with(&[round(100, 1.0)], Some("it died"), true), Outcome::Failed);
    }

    #[test]
    fn a_file_that_changed_is_named() {
        let changed = ChangedFile {
            file: "net.onnx".to_owned(),
            change: "was replaced".to_owned(),
        };
        let check = inputs(&Inputs {
            files: 3,
            changed: vec![changed.clone(), changed],
        });
        assert_eq!(check.outcome, Outcome::Failed);
        assert_eq!(check.observed, "net.onnx was replaced, and 1 more");
        assert_eq!(inputs(&Inputs::default()).outcome, Outcome::Passed);
    }
}
