//! From what was observed of an arm while a study runs to the arm in the record, still without figures.

use std::collections::BTreeMap;

use super::{plan::Plan, planned_arm::PlannedArm};
use crate::{
    analysis::{agreement, checks, ground_truth, likeness, statistics},
    dataset::manifest,
    record::{
        Accuracy, Arm, BackendFacts, Block, CeilingRun, CheckPass, Figures, Inputs, Operators, Outcome,
        Placement, Point, Price, RuntimeFacts, Setup, StratumFacts, Trial, Unseen, Verification,
        VerificationAccuracy, limits::FALSE_ACCEPTS,
    },
    runtime::{
        null::Cheat,
        onnxruntime::ExecutionProvider,
        options::DataPath,
        spec::{Precision, Reads},
        table::provider_named,
        values::Choice,
    },
    vision::{decoder, face::Face},
    worker::{
        self,
        environment::ArmEnvironment,
        protocol::{ObservedProfile, PhotoAnswer, Ready},
    },
};

/// All that is known of one arm while a study runs.
#[derive(Debug, Default)]
pub struct ArmRun {
    /// One account for each process, the check pass first.
    pub ready: Vec<Ready>,
    /// What the check pass saw in each photo of the study.
    pub answers: Vec<PhotoAnswer>,
    /// Where the nodes ran.
    pub profile: Option<ObservedProfile>,
    /// Photos of each process's warm-up.
    pub warmup_images: Vec<f64>,
    /// Whether each process was steady when its warm-up ended, where that is known.
    pub steady: Vec<bool>,
    /// Images a second of the last warm-up.
    pub capacity: Option<f64>,
    /// Raw blocks.
    pub blocks: Vec<Block>,
    /// Raw blocks of the other points of the curve, by their number in the plan.
    pub points: BTreeMap<usize, Vec<Block>>,
    /// What each process's stages allow.
    pub ceilings: Vec<CeilingRun>,
    /// Tries of the search for the highest rate.
    pub trials: Vec<Trial>,
    /// The rate that each process found.
    pub rates: Vec<(usize, f64)>,
    /// Peak memory of each process.
    pub rss_peak_bytes: Vec<Result<u64, String>>,
    /// Its answers to photos that it had not seen before.
    pub unseen: Option<Unseen>,
    /// What became of the files that it was measured on.
    pub inputs: Option<Inputs>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Whether the arm ended before its time.
    pub failed: bool,
}

impl ArmRun {
    /// What a record holds of an arm whose study goes on: its blocks and what else was measured in its processes. What a new
    /// check pass finds out again is left out.
    pub fn of(known: &Arm, plan: &Plan, arm: &PlannedArm) -> Self {
        let planned = plan.points(arm);
        let points = known.points.iter().filter_map(|point| {
            let place = planned
                .iter()
                .position(|other| *other == (point.streams, point.batch))?;
            Some((place, point.blocks.clone()))
        });
        Self {
            steady: known.steady.clone(),
            blocks: known.blocks.clone(),
            points: points.collect(),
            ceilings: known.ceiling_runs.clone(),
            trials: known.trials.clone(),
            rates: known
                .blocks
                .iter()
                .filter_map(|block| Some((block.process, block.rate?)))
                .collect(),
            rss_peak_bytes: known.rss_peak_bytes.map(Ok).into_iter().collect(),
            errors: known.errors.clone(),
            failed: known.failed,
            ..Self::default()
        }
    }

    /// The time of each photo in the check pass, seconds.
    pub fn photo_seconds(&self) -> Vec<f64> {
        let seconds = |answer: &PhotoAnswer| answer.time.as_secs_f64();
        self.answers.iter().map(seconds).collect()
    }
}

/// What an arm's answers are compared with.
pub struct Reference<'a> {
    /// The reference arm's label.
    pub label: &'a str,
    /// What it saw.
    pub answers: &'a [PhotoAnswer],
    /// Whether its networks are of 32-bit floats, as far as its profile shows.
    pub is_fp32: bool,
}

/// What is known of an arm before it runs.
#[derive(Debug, Clone, Copy)]
pub struct ArmFacts<'a> {
    /// The study's plan.
    pub plan: &'a Plan,
    /// The arm.
    pub arm: &'a PlannedArm,
    /// Where it runs.
    pub environment: &'a ArmEnvironment,
    /// What an hour costs.
    pub price: Option<&'a Price>,
    /// Where the photos come from.
    pub reads: Reads,
}

/// What is known of a study's photos.
pub struct PhotoFacts<'a> {
    /// The strata that occur.
    pub strata: &'a [StratumFacts],
    /// The reference's answers.
    pub reference: Option<&'a Reference<'a>>,
    /// The true faces of each photo.
    pub truth: Option<&'a [Vec<manifest::AnnotatedFace>]>,
    /// The person of each photo, where the faces themselves are not known.
    pub people: Option<&'a [Option<String>]>,
    /// What the encoded photos of a pass weigh.
    pub bytes: u64,
}

/// The arm as the record holds it, from what `run` has observed so far. Its figures are computed later.
pub fn recorded_arm(facts: &ArmFacts<'_>, run: &ArmRun, photos: &PhotoFacts<'_>) -> Arm {
    let ArmFacts {
        plan,
        arm,
        environment,
        ..
    } = *facts;
    let is_null = arm.spec.is_null();
    let ready = run.ready.last();
    Arm {
        label: arm.label.clone(),
        source: None,
        precision: arm.spec.precision.name().to_owned(),
        threads: arm.threads,
        streams: arm.streams,
        batch: arm.batch,
        backend: BackendFacts {
            requested: arm.spec.requested.clone(),
            runtime: ready.filter(|_| !is_null).map(|ready| RuntimeFacts {
                name: ready.runtime.clone(),
                version: ready.version.clone(),
                library_sha256: environment
                    .library
                    .as_ref()
                    .map(|library| &library.sha256)
                    .or(environment.program.as_ref().map(|program| &program.sha256))
                    .cloned(),
            }),
            provider: ready.map(|ready| ready.provider.clone()),
            device: ready.map(|ready| ready.device.clone()),
            gpu: environment.gpu.clone(),
            options: options(facts, ready),
            placement: run.profile.as_ref().map(placements),
            operators: run.profile.as_ref().and_then(operators),
            placed_by_construction: Some(arm.spec.backend().linked().is_some()),
            accelerator: Some(arm.spec.backend().is_accelerator()),
            reference: Some(arm.spec.backend().is_reference()),
        },
        price: facts.price.cloned(),
        figures: Figures::default(),
        errors: run.errors.clone(),
        failed: run.failed,
        setup: setup(run),
        check_pass: check_pass(arm, run, photos),
        accuracy: accuracy(arm, run, photos),
        rss_peak_bytes: run.rss_peak_bytes.iter().flatten().copied().max(),
        host_log: None,
        steady: run.steady.clone(),
        trials: run.trials.clone(),
        unseen: run.unseen.clone(),
        inputs: run.inputs.clone(),
        ceiling_runs: run.ceilings.clone(),
        strata: photos.strata.to_vec(),
        blocks: run.blocks.clone(),
        points: points(plan, arm, run),
    }
}

/// The other points of the throughput-latency curve, as far as they were measured.
fn points(plan: &Plan, arm: &PlannedArm, run: &ArmRun) -> Vec<Point> {
    let planned = plan.points(arm).into_iter().enumerate();
    planned
        .filter_map(|(number, (streams, batch))| {
            let blocks = run.points.get(&number)?.clone();
            Some(Point {
                streams,
                batch,
                blocks,
            })
        })
        .collect()
}

fn check_pass(arm: &PlannedArm, run: &ArmRun, photos: &PhotoFacts<'_>) -> Option<CheckPass> {
    (!run.answers.is_empty()).then(|| CheckPass {
        photos: run.answers.len(),
        bytes: photos.bytes,
        faces: run.answers.iter().map(|answer| answer.faces.len()).sum(),
        reference_is_fp32: photos.reference.map(|reference| reference.is_fp32),
        likeness: (!arm.spec.is_null()).then(|| {
            let faces: Vec<&Face> = run.answers.iter().flat_map(|answer| &answer.faces).collect();
            likeness::between(&faces)
        }),
    })
}

/// An arm's answers compared with the reference's and with the truth. `null` has no networks that could agree. Only if it is
/// made to answer wrongly, its answers are compared with its right ones.
fn accuracy(arm: &PlannedArm, run: &ArmRun, photos: &PhotoFacts<'_>) -> Option<Accuracy> {
    if run.answers.is_empty() {
        return None;
    }
    if arm.spec.is_null() {
        let null = &arm.spec.null;
        let is_planted = null.wrong > 0.0 || null.cheat.is_some_and(Cheat::is_of_embeddings);
        let right = |index: usize| worker::null_answer(null, index);
        let right: Vec<Vec<Face>> = (0..run.answers.len()).map(right).collect();
        let seen = run.answers.iter().map(|answer| answer.faces.as_slice());
        let pairs = right.iter().map(Vec::as_slice).zip(seen);
        return is_planted.then(|| agreement::compare("null without a fault", pairs));
    }
    let reference = photos.reference?;
    let pairs = reference.answers.iter().zip(&run.answers);
    let pairs = pairs.map(|(reference, answer)| (reference.faces.as_slice(), answer.faces.as_slice()));
    let mut accuracy = agreement::compare(reference.label, pairs);
    if let Some(truth) = photos.truth {
        compare_with_truth(&mut accuracy, truth, &run.answers);
    }
    accuracy.verification_accuracy = verification_accuracy(photos, reference.answers, &run.answers);
    Some(accuracy)
}

fn compare_with_truth(accuracy: &mut Accuracy, truth: &[Vec<manifest::AnnotatedFace>], seen: &[PhotoAnswer]) {
    let photos: Vec<(&[manifest::AnnotatedFace], &[Face])> = truth
        .iter()
        .zip(seen)
        .map(|(truth, seen)| (truth.as_slice(), seen.faces.as_slice()))
        .collect();
    let sizes = ground_truth::Sizes::default();
    accuracy.detection_ap = ground_truth::average_precision(&photos, sizes);
    let verified = ground_truth::verify(&ground_truth::people(&photos, sizes), FALSE_ACCEPTS);
    accuracy.verification = verified.map(|verified| Verification {
        tar: verified.tar,
        far: verified.far,
        same_pairs: verified.same,
        different_pairs: verified.different,
    });
}

/// Verification of the people whom both found, as far as anybody is known.
fn verification_accuracy(
    photos: &PhotoFacts<'_>,
    reference: &[PhotoAnswer],
    seen: &[PhotoAnswer],
) -> Option<VerificationAccuracy> {
    let compared = ground_truth::compare(&people(photos, reference)?, &people(photos, seen)?)?;
    Some(VerificationAccuracy {
        arm: compared.arm,
        reference: compared.reference,
        same_pairs: compared.same,
        different_pairs: compared.different,
    })
}

/// Whom an arm saw, as far as anybody is known.
fn people<'a>(photos: &PhotoFacts<'a>, seen: &'a [PhotoAnswer]) -> Option<ground_truth::People<'a>> {
    let faces = seen.iter().map(|seen| seen.faces.as_slice());
    if let Some(truth) = photos.truth {
        let photos: Vec<_> = truth.iter().map(Vec::as_slice).zip(faces).collect();
        return Some(ground_truth::people(&photos, ground_truth::Sizes::default()));
    }
    let names = photos.people?.iter().map(Option::as_deref);
    Some(ground_truth::portrayed(names.zip(faces)))
}

fn options(facts: &ArmFacts<'_>, ready: Option<&Ready>) -> BTreeMap<String, String> {
    let (arm, spec) = (facts.arm, &facts.arm.spec);
    let mut options = BTreeMap::from([
        ("streams".to_owned(), arm.streams.to_string()),
        ("batch".to_owned(), arm.batch.to_string()),
    ]);
    if let Some(cores) = spec.quota {
        options.insert("quota".into(), cores.to_string());
    }
    if spec.is_null() {
        options.insert("delay".into(), format!("{:?}", spec.null.delay));
        options.insert("faces".into(), spec.null.faces.to_string());
        // Planted faults stand in the request, word by word.
        return options;
    }
    options.insert("threads".into(), arm.threads.to_string());
    options.insert("precision".into(), spec.precision.name().into());
    if spec.has_own_detector_precision() {
        let detector = spec.detector_precision().name();
        options.insert("detector_precision".into(), detector.into());
    }
    options.insert("reads".into(), facts.reads.name().into());
    options.insert("decode".into(), spec.decoding().name().into());
    if spec.backend().takes("canvas") {
        let canvas = if spec.fit_canvas { "fit" } else { "full" };
        options.insert("canvas".into(), canvas.into());
    }
    options.insert("jpeg_decoder".into(), decoder::JPEG_DECODER.into());
    if spec.swap_channels {
        options.insert("channels".into(), "swapped".into());
    }
    if spec.data_path() == DataPath::Device || spec.provider.path.is_some() {
        options.insert("path".into(), spec.data_path().name().into());
    }
    if let Some(decoders) = arm.decoders(facts.plan.cores) {
        options.insert("decoders".into(), decoders.to_string());
    }
    options.extend(ready.iter().flat_map(|ready| ready.options.iter().cloned()));
    if let Some(networks) = &facts.environment.networks {
        options.insert("detector_sha256".into(), networks.detector.sha256.clone());
        options.insert("recognizer_sha256".into(), networks.recognizer.sha256.clone());
    }
    // What the networks allowed of the batch.
    if let Some(loaded) = ready.and_then(|ready| ready.loaded.as_ref()) {
        options.insert("detector_batch".into(), loaded.detector_batch.to_string());
        options.insert("recognizer_batch".into(), loaded.recognizer_batch.to_string());
        if spec.data_path() == DataPath::Device {
            let upload = if loaded.reads_bytes { "bytes" } else { "floats" };
            options.insert("upload".into(), upload.into());
        }
        if let Some(pinned) = loaded.pinned {
            let memory = if pinned { "pinned" } else { "pageable" };
            options.insert("host_memory".into(), memory.into());
        }
    }
    options
}

/// The share of node time on each provider, 0 where no node was timed.
fn placements(profile: &ObservedProfile) -> BTreeMap<String, Placement> {
    let total: u64 = profile.providers.values().map(|(_, time)| time).sum();
    let of = |(provider, (nodes, time)): (&String, &(usize, u64))| {
        let placement = Placement {
            nodes: *nodes,
            time_share: *time as f64 / total.max(1) as f64,
        };
        (provider.clone(), placement)
    };
    profile.providers.iter().map(of).collect()
}

/// `None` where a provider runs a network as one node of its own, and so shows no operators.
fn operators(profile: &ObservedProfile) -> Option<Operators> {
    let hides_operators =
        |name: &String| provider_named(name).is_some_and(ExecutionProvider::hides_operators);
    if profile.providers.keys().any(hides_operators) {
        return None;
    }
    Some(Operators {
        detector: profile.detector,
        recognizer: profile.recognizer,
    })
}

/// Whether a check pass shows networks of 32-bit floats; without a profile nothing speaks against it.
pub fn is_fp32(run: &ArmRun) -> bool {
    let Some(profile) = &run.profile else { return true };
    let fp32 = (Precision::Fp32, Precision::Fp32);
    let check = checks::precision(Some(&placements(profile)), operators(profile).as_ref(), fp32);
    check.outcome != Outcome::Failed
}

fn setup(run: &ArmRun) -> Option<Setup> {
    let median = |of: fn(&Ready) -> std::time::Duration| {
        statistics::median(
            &run.ready
                .iter()
                .map(|ready| of(ready).as_secs_f64() * 1e3)
                .collect::<Vec<_>>(),
        )
    };
    Some(Setup {
        load_ms: median(|ready| ready.load)?,
        shapes_ms: median(|ready| ready.shapes).filter(|ms| *ms > 0.0),
        first_image_ms: median(|ready| ready.first_image)?,
        warmup_images: statistics::median(&run.warmup_images).unwrap_or(0.0),
    })
}
