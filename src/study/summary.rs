//! From raw blocks to an arm's figures.

use std::collections::BTreeMap;

use super::plan::{Plan, PlannedArm};
use crate::{
    analysis::{
        agreement, ceiling, checks,
        figures::{self, Kind},
        ground_truth, statistics,
    },
    dataset::manifest,
    machine::Gpu,
    record::{
        Accuracy, Arm, BackendFacts, Block, Bounded, Check, CurvePoint, Energy, LatencyBound, Memory,
        Placement, RuntimeFacts, Scenario, Setup, Status, Verification, VerificationAccuracy,
    },
    runtime::{
        options::{Choice, DataPath},
        spec::Reads,
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
    /// Whether each process was steady when its warm-up ended, where that can be said.
    pub steady: Vec<bool>,
    /// Images a second of the last warm-up.
    pub capacity: Option<f64>,
    /// Raw blocks.
    pub blocks: Vec<Block>,
    /// Raw blocks of the other points of the curve, by their number in the plan.
    pub points: BTreeMap<usize, Vec<Block>>,
    /// What each process's stages allow.
    pub ceilings: Vec<crate::record::CeilingRun>,
    /// Tries of the search for the highest rate.
    pub trials: Vec<crate::record::Trial>,
    /// The rate that each process found.
    pub rates: Vec<(usize, f64)>,
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
    pub seen: &'a [PhotoAnswer],
    /// Whether its networks are of 32-bit floats, as far as its profile shows.
    pub is_fp32: bool,
}

/// What an hour costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// Of what the arm runs on.
    pub per_hour: f64,
    /// What it is counted in; empty where it was not said.
    pub currency: String,
}

/// What an arm is, as planned.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The study's plan.
    pub plan: &'a Plan,
    /// The arm.
    pub arm: &'a PlannedArm,
    /// Where it runs.
    pub environment: &'a ArmEnvironment,
    /// The GPU that this is.
    pub gpu: Option<&'a Gpu>,
    /// What an hour costs.
    pub price: Option<&'a Price>,
    /// Where the photos come from.
    pub reads: Reads,
}

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
    pub truth: Option<&'a [Vec<manifest::AnnotatedFace>]>,
    /// The person of each photo, where the faces themselves are not known.
    pub people: Option<&'a [Option<String>]>,
    /// What the networks promise of them.
    pub promise: Option<Promise>,
    /// What the encoded photos of a pass weigh.
    pub bytes: u64,
    /// Photos of a pass.
    pub photos: usize,
}

/// The figures of an arm, as far as `run` has come.
pub fn arm(source: &Source<'_>, run: &ArmRun, known: &Known<'_>) -> Arm {
    let Source {
        plan,
        arm,
        environment,
        ..
    } = *source;
    let is_null = arm.spec.is_null();
    let ready = run.ready.last();
    let mut accuracy = accuracy(arm, run, known);
    if let (Some(accuracy), Some(truth)) = (&mut accuracy, known.truth.filter(|_| !is_null)) {
        hold_against_truth(accuracy, truth, &run.answers);
    }
    if let (Some(accuracy), Some(reference)) = (&mut accuracy, known.reference.filter(|_| !is_null)) {
        accuracy.verification_accuracy = verification_accuracy(known, reference.seen, &run.answers);
    }
    let checks = judge(source, run, accuracy.as_ref(), known);
    let status = if run.failed {
        Status::Failed
    } else {
        checks::status(&checks)
    };
    let throughput = figures::throughput(&run.blocks, arm.streams, known.kinds);
    let curve = curve(plan, arm, run);
    let decoding = decoding_cores(arm.decoders(plan.cores), plan.cores);
    let joules = figures::joules_per_image(&run.blocks);
    Arm {
        label: arm.label.clone(),
        source: None,
        status,
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
            options: options(source, ready),
            placement: run.profile.as_ref().map(placements),
        },
        checks,
        setup: setup(run),
        steady: run.steady.clone(),
        latency_ms: figures::latency(&run.blocks),
        service_ms: figures::service(&run.blocks),
        bounded: bounded(plan.scenario, plan.bound, &curve, &run.blocks),
        curve,
        trials: run.trials.clone(),
        stages_ms: figures::stages(&run.blocks).filter(|_| !is_null),
        photo_ceiling: figures::photo_ceiling(&run.blocks, decoding),
        ceiling: ceiling::figures(&run.ceilings, &run.blocks, arm.streams, decoding),
        accuracy,
        memory: Memory {
            rss_peak_bytes: run.rss_peak_bytes.iter().flatten().copied().max(),
            device_peak_bytes: run
                .blocks
                .iter()
                .filter_map(|block| block.conditions.gpu.as_ref()?.memory_bytes)
                .max(),
        },
        energy: Energy {
            joules_per_image: joules,
            gpu_joules_per_image: figures::gpu_joules_per_image(&run.blocks),
            reason: joules.is_none().then(|| {
                "no energy counter of the processor can be read here (host.unavailable says why)".into()
            }),
        },
        cost: source.price.map(|price| {
            let speed = throughput.as_ref().map(|throughput| throughput.images_per_second);
            figures::cost(speed, price.per_hour, &price.currency)
        }),
        throughput,
        blocks: run.blocks.clone(),
        errors: run.errors.clone(),
        host_log: None,
    }
}

/// An arm's answers against the reference's. `null` has no networks that could agree; only where it is told to answer
/// wrongly it is held against what it would answer else.
fn accuracy(arm: &PlannedArm, run: &ArmRun, known: &Known<'_>) -> Option<Accuracy> {
    if run.answers.is_empty() {
        return None;
    }
    if arm.spec.is_null() {
        let right = PhotoAnswer {
            faces: worker::null_answer(&arm.spec.null),
            time: std::time::Duration::ZERO,
        };
        let right = vec![right; run.answers.len()];
        return (arm.spec.null.wrong > 0.0)
            .then(|| agreement::compare("null without a fault", &right, &run.answers));
    }
    let reference = known.reference?;
    Some(agreement::compare(reference.label, reference.seen, &run.answers))
}

/// The throughput-latency curve: the points that were measured for it, and the arm's own.
fn curve(plan: &Plan, arm: &PlannedArm, run: &ArmRun) -> Vec<CurvePoint> {
    if plan.scenario == Scenario::Server || run.blocks.is_empty() {
        return Vec::new();
    }
    let points = plan.points(arm);
    let mut curve: Vec<CurvePoint> = points
        .iter()
        .enumerate()
        .filter_map(|(number, (streams, batch))| {
            Some(figures::point(*streams, *batch, run.points.get(&number)?, false))
        })
        .collect();
    curve.push(figures::point(arm.streams, arm.batch, &run.blocks, true));
    curve.sort_by_key(|point| (point.batch, point.streams));
    curve
}

/// The most images a second with the latency held, by the scenario's own way of finding it.
pub fn bounded(
    scenario: Scenario,
    bound: LatencyBound,
    curve: &[CurvePoint],
    blocks: &[Block],
) -> Option<Bounded> {
    if scenario == Scenario::Server {
        figures::bounded_rate(blocks, bound)
    } else {
        figures::bounded(curve, blocks, bound)
    }
}

/// The checks of what the machine did during the blocks of an arm that had so many host cores.
pub fn conditions(blocks: &[Block], threads: usize, cores: usize) -> [Check; 4] {
    [
        checks::blocks::clock(blocks),
        checks::machine::foreign_load(blocks, cores),
        checks::machine::steal(blocks, cores),
        checks::machine::throttled(blocks, threads),
    ]
}

fn hold_against_truth(accuracy: &mut Accuracy, truth: &[Vec<manifest::AnnotatedFace>], seen: &[PhotoAnswer]) {
    let photos: Vec<(&[manifest::AnnotatedFace], &[Face])> = truth
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

/// Verification of the people whom both found, as far as anybody is known.
fn verification_accuracy(
    known: &Known<'_>,
    reference: &[PhotoAnswer],
    seen: &[PhotoAnswer],
) -> Option<VerificationAccuracy> {
    let compared = ground_truth::compare(&people(known, reference)?, &people(known, seen)?)?;
    Some(VerificationAccuracy {
        arm: compared.arm,
        reference: compared.reference,
        same_pairs: compared.same,
        different_pairs: compared.different,
    })
}

/// Whom an arm saw, as far as anybody is known.
fn people<'a>(known: &Known<'a>, seen: &'a [PhotoAnswer]) -> Option<ground_truth::People<'a>> {
    let faces = seen.iter().map(|seen| seen.faces.as_slice());
    if let Some(truth) = known.truth {
        let photos: Vec<_> = truth.iter().map(Vec::as_slice).zip(faces).collect();
        return Some(ground_truth::people(&photos, ground_truth::Sizes::default()));
    }
    let names = known.people?.iter().map(Option::as_deref);
    Some(ground_truth::portrayed(names.zip(faces)))
}

fn judge(source: &Source<'_>, run: &ArmRun, accuracy: Option<&Accuracy>, known: &Known<'_>) -> Vec<Check> {
    let Source { plan, arm, .. } = *source;
    let is_null = arm.spec.is_null();
    let mut list = Vec::new();
    if let Some(ready) = run.ready.last() {
        if arm.spec.backend().linked().is_some() {
            list.push(checks::placed_by_construction(&ready.provider));
        } else if !is_null || arm.spec.null.placement.is_some() {
            list.push(checks::placement(run.profile.as_ref(), &ready.provider));
        }
        if !is_null {
            list.push(checks::precision(
                run.profile.as_ref(),
                arm.spec.detector_precision(),
                arm.spec.precision,
            ));
        }
    }
    let reference_is_fp32 = is_null || known.reference.is_some_and(|reference| reference.is_fp32);
    match accuracy {
        _ if !run.answers.is_empty() && !reference_is_fp32 => {
            list.push(agreement::without_reference(known.reference.is_some()));
        }
        Some(accuracy) if accuracy.reference == arm.label && accuracy.faces_matched.is_some() => {
            list.push(agreement::reference_itself());
        }
        Some(accuracy) => list.push(agreement::check(
            accuracy,
            &agreement::Limits::of(&arm.spec.requested, arm.spec.precision, arm.spec.decoding()),
        )),
        None => {}
    }
    if !run.answers.is_empty() {
        let expected = run.answers.iter().map(|seen| seen.faces.len()).sum();
        let by_pass = |block: &Block| block.faces as f64 * run.answers.len() as f64 / block.images as f64;
        list.push(checks::repeatable(
            &run.blocks.iter().map(by_pass).collect::<Vec<_>>(),
            expected,
        ));
    }
    if let (Some(promise), Some(accuracy)) = (known.promise.filter(|_| !is_null), accuracy) {
        list.push(checks::ground_truth(accuracy, promise));
    }
    if source.reads == Reads::Cold && !is_null {
        list.push(checks::blocks::page_cache(&run.blocks, known.bytes, known.photos));
    }
    let planned = plan.processes * plan.blocks;
    list.extend(checks::blocks::all(
        &run.blocks,
        planned,
        plan.quick,
        plan.scenario,
        plan.bound,
    ));
    list.extend(decode_bound(
        &run.blocks,
        decoding_cores(arm.decoders(plan.cores), plan.cores),
    ));
    list.push(checks::blocks::steady_state(&run.steady, &run.blocks));
    // What is counted on these cores is a share of their time, however few of them a quota allows.
    let cores = match plan.core_list.len() {
        0 => plan.cores,
        count => count,
    };
    list.extend(conditions(&run.blocks, arm.streams * arm.threads, cores));
    list.extend(source.gpu.into_iter().flat_map(|gpu| on_gpu(&run.blocks, gpu)));
    list
}

/// Host cores, of so many, that can decode for a device at a time.
pub fn decoding_cores(decoders: Option<usize>, cores: usize) -> usize {
    decoders.unwrap_or(cores).min(cores)
}

/// The check of the photos' ceiling, where there is one.
pub fn decode_bound(blocks: &[Block], cores: usize) -> Option<Check> {
    let ceiling = figures::photo_ceiling(blocks, cores)?;
    let reached = figures::images_per_second(blocks)?;
    Some(checks::decode_bound(reached.median, ceiling, cores))
}

/// The checks of the GPU that an arm's blocks ran on.
pub fn on_gpu(blocks: &[Block], gpu: &Gpu) -> Vec<Check> {
    let license = gpu.license.as_ref().map(checks::license);
    license
        .into_iter()
        .chain([checks::gpu::clock(blocks), checks::gpu::co_tenants(gpu)])
        .collect()
}

fn options(source: &Source<'_>, ready: Option<&Ready>) -> BTreeMap<String, String> {
    let (arm, spec) = (source.arm, &source.arm.spec);
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
    options.insert("reads".into(), source.reads.name().into());
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
    if let Some(decoders) = arm.decoders(source.plan.cores) {
        options.insert("decoders".into(), decoders.to_string());
    }
    options.extend(ready.iter().flat_map(|ready| ready.options.iter().cloned()));
    if let Some(networks) = &source.environment.networks {
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
