//! From raw blocks to an arm's figures.

use std::collections::BTreeMap;

use super::{
    agreement, checks, ground_truth,
    plan::{Plan, PlannedArm},
    protocol::{ObservedProfile, Ready, Seen},
    stats,
};
use crate::{
    backend::runtime::RuntimeLibrary,
    dataset::manifest,
    record::{
        Accuracy, Arm, BackendFacts, Block, Comparison, Energy, Latency, Memory, Placement, RuntimeFacts,
        Setup, Stages, Status, Stratum, Throughput, Verification,
    },
    vision::face::Face,
};

/// Fewest samples for a percentile to be shown: `MLPerf`'s early-stopping counts.
const P90_SAMPLES: u64 = 64;
const P95_SAMPLES: u64 = 130;
const P99_SAMPLES: u64 = 662;

/// All that is known of one arm while a study runs.
#[derive(Debug, Default)]
pub struct ArmRun {
    /// One account for each process, the check pass first.
    pub ready: Vec<Ready>,
    /// What the check pass saw in each photo of the study.
    pub seen: Vec<Seen>,
    /// Where the nodes ran.
    pub profile: Option<ObservedProfile>,
    /// Photos of each process's warm-up.
    pub warmup_images: Vec<f64>,
    /// Raw blocks.
    pub blocks: Vec<Block>,
    /// Peak memory of each process.
    pub rss_peak_bytes: Vec<Result<u64, String>>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Whether the arm ended before its time.
    pub failed: bool,
}

/// What an arm's answers are held against.
pub struct Reference<'a> {
    /// The reference arm's label.
    pub label: &'a str,
    /// What it saw.
    pub seen: &'a [Seen],
    /// Whether its networks are of 32-bit floats, as far as its profile shows.
    pub is_fp32: bool,
}

/// One kind of photo in a study: its name and how many there are.
pub type Kind = (String, usize);

/// Least figures against ground truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// Average precision of detection, at the study's score threshold.
    pub detection_ap: f64,
    /// True accept rate at a false accept rate of [`FAR`].
    pub tar: f64,
}

/// The false accept rate of verification.
pub const FAR: f64 = 1e-3;

/// What is known of a study's photos.
pub struct Known<'a> {
    /// The kinds that occur.
    pub kinds: &'a [Kind],
    /// The reference's answers.
    pub reference: Option<&'a Reference<'a>>,
    /// The true faces of each photo.
    pub truth: Option<&'a [Vec<manifest::Face>]>,
    /// What the networks promise of them.
    pub promise: Option<Promise>,
}

/// The figures of `arm`, as far as `run` has come.
pub fn arm(
    plan: &Plan,
    arm: &PlannedArm,
    library: Option<&RuntimeLibrary>,
    run: &ArmRun,
    known: &Known<'_>,
) -> Arm {
    let is_null = arm.spec.is_null();
    let ready = run.ready.last();
    let mut accuracy = known
        .reference
        .filter(|_| !is_null && !run.seen.is_empty())
        .map(|reference| agreement::compare(reference.label, reference.seen, &run.seen));
    if let (Some(accuracy), Some(truth)) = (&mut accuracy, known.truth) {
        hold_against_truth(accuracy, truth, &run.seen);
    }
    let mut checks = judge(plan, arm, run, accuracy.as_ref());
    if !is_null && !run.seen.is_empty() && !known.reference.is_some_and(|reference| reference.is_fp32) {
        checks.retain(|check| check.id != "agreement");
        checks.push(agreement::without_reference(known.reference.is_some()));
    }
    if let (Some(promise), Some(accuracy)) = (known.promise, &accuracy) {
        checks.push(checks::ground_truth(accuracy, promise));
    }
    let status = if run.failed {
        Status::Failed
    } else {
        checks::status(&checks)
    };
    Arm {
        label: arm.label.clone(),
        status,
        precision: arm.spec.precision.name().to_owned(),
        threads: arm.threads,
        streams: arm.streams,
        batch: arm.spec.batch,
        backend: BackendFacts {
            requested: arm.spec.requested.clone(),
            runtime: ready
                .filter(|_| !is_null)
                .zip(library)
                .map(|(ready, library)| RuntimeFacts {
                    name: ready.runtime.clone(),
                    version: ready.version.clone(),
                    library_sha256: library.sha256.clone(),
                }),
            provider: ready.map(|ready| ready.provider.clone()),
            device: ready.map(|ready| ready.device.clone()),
            options: options(arm, ready),
            placement: run.profile.as_ref().map(placements),
        },
        checks,
        setup: setup(run),
        throughput: throughput(arm, run, known.kinds),
        latency_ms: latency(&run.blocks),
        stages_ms: stages(&run.blocks).filter(|_| !is_null),
        accuracy,
        memory: Memory {
            rss_peak_bytes: run.rss_peak_bytes.iter().flatten().copied().max(),
            device_peak_bytes: None,
        },
        energy: Energy {
            joules_per_image: None,
            reason: Some("this version reads no energy counter".into()),
        },
        blocks: run.blocks.clone(),
        errors: run.errors.clone(),
    }
}

fn hold_against_truth(accuracy: &mut Accuracy, truth: &[Vec<manifest::Face>], seen: &[Seen]) {
    let photos: Vec<(&[manifest::Face], &[Face])> = truth
        .iter()
        .zip(seen)
        .map(|(truth, seen)| (truth.as_slice(), seen.faces.as_slice()))
        .collect();
    let sizes = ground_truth::Sizes::default();
    accuracy.detection_ap = ground_truth::average_precision(&photos, sizes);
    let verified = ground_truth::verify(&ground_truth::people(&photos, sizes), FAR);
    accuracy.verification = verified.map(|verified| Verification {
        tar: verified.tar,
        far: verified.far,
        same_pairs: verified.same,
        different_pairs: verified.different,
    });
}

fn judge(
    plan: &Plan,
    arm: &PlannedArm,
    run: &ArmRun,
    accuracy: Option<&Accuracy>,
) -> Vec<crate::record::Check> {
    let mut processes: Vec<usize> = run.blocks.iter().map(|block| block.process).collect();
    processes.dedup();
    let mut list = vec![checks::blocks(
        run.blocks.len(),
        plan.processes * plan.blocks,
        processes.len(),
    )];
    if let Some(ready) = run.ready.last().filter(|_| !arm.spec.is_null()) {
        list.push(checks::placement(run.profile.as_ref(), &ready.provider));
        list.push(checks::precision(run.profile.as_ref(), arm.spec.precision));
    }
    if let Some(accuracy) = accuracy {
        list.push(
            if accuracy.reference == arm.label && accuracy.faces_matched.is_some() {
                agreement::reference_itself()
            } else {
                agreement::check(accuracy, arm.spec.precision)
            },
        );
    }
    if !run.seen.is_empty() {
        let expected = run.seen.iter().map(|seen| seen.faces.len()).sum();
        let by_pass = |block: &Block| block.faces as f64 * run.seen.len() as f64 / block.images as f64;
        list.push(checks::repeatable(
            &run.blocks.iter().map(by_pass).collect::<Vec<_>>(),
            expected,
        ));
    }
    list
}

fn options(arm: &PlannedArm, ready: Option<&Ready>) -> BTreeMap<String, String> {
    let spec = &arm.spec;
    let mut options = BTreeMap::from([("streams".to_owned(), arm.streams.to_string())]);
    if spec.is_null() {
        options.insert("delay".into(), format!("{:?}", spec.null.delay));
        options.insert("faces".into(), spec.null.faces.to_string());
        options.extend(spec.null.crash.map(|block| ("crash".into(), block.to_string())));
        options.extend(spec.null.hang.map(|block| ("hang".into(), block.to_string())));
        return options;
    }
    options.insert("threads".into(), arm.threads.to_string());
    options.insert("batch".into(), spec.batch.to_string());
    options.insert("precision".into(), spec.precision.name().into());
    // What the networks allowed of the batch.
    if let Some(loaded) = ready.and_then(|ready| ready.loaded.as_ref()) {
        options.insert("detector_batch".into(), loaded.detector_batch.to_string());
        options.insert("recognizer_batch".into(), loaded.recognizer_batch.to_string());
    }
    options
}

fn placements(profile: &ObservedProfile) -> BTreeMap<String, Placement> {
    let of = |(provider, (nodes, _)): (&String, &(usize, u64))| {
        let time_share = checks::share(profile, provider).unwrap_or(0.0);
        (
            provider.clone(),
            Placement {
                nodes: *nodes,
                time_share,
            },
        )
    };
    profile.providers.iter().map(of).collect()
}

fn setup(run: &ArmRun) -> Option<Setup> {
    let median = |of: fn(&Ready) -> std::time::Duration| {
        stats::median(
            &run.ready
                .iter()
                .map(|ready| of(ready).as_secs_f64() * 1e3)
                .collect::<Vec<_>>(),
        )
    };
    Some(Setup {
        load_ms: median(|ready| ready.load)?,
        first_image_ms: median(|ready| ready.first_image)?,
        warmup_images: stats::median(&run.warmup_images).unwrap_or(0.0),
    })
}

/// Images a second of each process that has blocks, by process.
pub fn process_means(blocks: &[Block], count: impl Fn(&Block) -> usize) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
    for block in blocks {
        let sum = sums.entry(block.process).or_default();
        sum.0 += count(block);
        sum.1 += block.seconds;
    }
    sums.into_iter()
        .map(|(process, (count, seconds))| (process, count as f64 / seconds))
        .collect()
}

fn throughput(arm: &PlannedArm, run: &ArmRun, kinds: &[Kind]) -> Option<Throughput> {
    let of = |count: fn(&Block) -> usize| {
        let means: Vec<f64> = process_means(&run.blocks, count).into_values().collect();
        stats::estimate(&means)
    };
    let none = crate::record::Estimate {
        median: 0.0,
        low: None,
        high: None,
    };
    let stratum = |(number, (name, images)): (usize, &Kind)| {
        let (done, seconds) = run
            .blocks
            .iter()
            .filter_map(|block| block.strata.get(number))
            .fold((0, 0.0), |sum, (images, seconds)| {
                (sum.0 + images, sum.1 + seconds)
            });
        let images_per_second = (seconds > 0.0).then(|| done as f64 * arm.streams as f64 / seconds);
        Stratum {
            name: name.clone(),
            images: *images,
            images_per_second,
        }
    };
    Some(Throughput {
        images_per_second: of(|block| block.images)?,
        // Photos without any face give none a second.
        faces_per_second: of(|block| block.faces).unwrap_or(none),
        strata: kinds.iter().enumerate().map(stratum).collect(),
    })
}

fn latency(blocks: &[Block]) -> Option<Latency> {
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for (micros, count) in blocks.iter().flat_map(|block| &block.latencies_us) {
        *times.entry(*micros).or_default() += count;
    }
    let samples: u64 = times.values().sum();
    let max = *times.keys().last()? as f64 / 1e3;
    let percentile = |share: f64, least: u64| {
        let rank = (samples as f64 * share).ceil() as u64;
        let mut below = 0;
        let value = times.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        value
            .filter(|_| samples >= least)
            .map(|(micros, _)| *micros as f64 / 1e3)
    };
    Some(Latency {
        p50: percentile(0.5, 1),
        p90: percentile(0.9, P90_SAMPLES),
        p95: percentile(0.95, P95_SAMPLES),
        p99: percentile(0.99, P99_SAMPLES),
        max,
        samples,
    })
}

fn stages(blocks: &[Block]) -> Option<Stages> {
    let images: usize = blocks.iter().map(|block| block.images).sum();
    let mean = |of: fn(&Stages) -> f64| {
        blocks.iter().map(|block| of(&block.stage_seconds)).sum::<f64>() * 1e3 / images as f64
    };
    (images > 0).then(|| Stages {
        decode: mean(|s| s.decode),
        detect: mean(|s| s.detect),
        align: mean(|s| s.align),
        embed: mean(|s| s.embed),
        matching: mean(|s| s.matching),
    })
}

/// Each arm whose figures count against the first arm, paired by the processes that both have. No speed is compared of
/// an arm that computed something else or broke off.
pub fn comparisons(arms: &[Arm], margin: f64) -> Vec<Comparison> {
    let Some((baseline, others)) = arms.split_first() else {
        return Vec::new();
    };
    let base = process_means(&baseline.blocks, |block| block.images);
    let counts = |arm: &&Arm| matches!(arm.status, Status::Valid | Status::Unstable);
    if !counts(&baseline) {
        return Vec::new();
    }
    let compare = |arm: &Arm| {
        let own = process_means(&arm.blocks, |block| block.images);
        let (own, base): (Vec<f64>, Vec<f64>) = own
            .iter()
            .filter_map(|(process, mean)| Some((*mean, *base.get(process)?)))
            .unzip();
        let (ratio, verdict) = stats::compare(&own, &base, margin)?;
        Some(Comparison {
            arm: arm.label.clone(),
            baseline: baseline.label.clone(),
            ratio,
            verdict,
        })
    };
    others.iter().filter(counts).filter_map(compare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(process: usize, seconds: f64, images: usize, latencies_us: Vec<(u64, u64)>) -> Block {
        Block {
            process,
            block: 0,
            order: 0,
            seconds,
            images,
            faces: 0,
            stage_seconds: Stages::default(),
            strata: Vec::new(),
            latencies_us,
        }
    }

    #[test]
    fn a_process_is_all_its_blocks_together() {
        let blocks = [
            block(0, 1.0, 10, vec![]),
            block(0, 3.0, 10, vec![]),
            block(1, 2.0, 20, vec![]),
        ];
        let means = process_means(&blocks, |block| block.images);
        assert_eq!(means, BTreeMap::from([(0, 5.0), (1, 10.0)]));
    }

    #[test]
    fn percentiles_want_samples() {
        let few = latency(&[block(0, 1.0, 50, vec![(1000, 49), (9000, 1)])]).unwrap();
        assert_eq!(
            (few.p50, few.p90, few.p99, few.samples),
            (Some(1.0), None, None, 50)
        );
        let many = latency(&[
            block(0, 1.0, 500, vec![(1000, 500)]),
            block(1, 1.0, 500, vec![(1000, 480), (9000, 20)]),
        ])
        .unwrap();
        assert_eq!((many.p50, many.p95, many.p99), (Some(1.0), Some(1.0), Some(9.0)));
        assert!((many.max - 9.0).abs() < 1e-9);
        assert_eq!(latency(&[]), None);
    }
}
