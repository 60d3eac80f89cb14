//! From what was observed to figures and checks, by one function that studies, merges and audits share.

use super::{
    agreement, ceiling, checks,
    comparisons::{self, Terms},
    figures, fleet, likeness, tenants,
};
use crate::{
    record::{
        Accuracy, Arm, Check, CurvePoint, Energy, Figures, Gpu, Outcome, PlanSummary, Record, Scenario,
        Status, Unseen,
    },
    runtime::{
        spec::{Precision, Reads},
        values::Choice,
    },
};

/// What an arm's figures depend on besides the arm itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The plan of its study.
    pub plan: &'a PlanSummary,
    /// Whether the study was a `--quick` one.
    pub quick: bool,
    /// How photos arrived.
    pub scenario: Scenario,
    /// The GPU that it ran on; `None` where it ran on none that is known.
    pub gpu: Option<&'a Gpu>,
}

impl<'a> Context<'a> {
    /// The context of `arm`, which is one of `record`.
    pub fn of(record: &'a Record, arm: &Arm) -> Self {
        let own = (&record.plan, record.quick);
        let (plan, quick) = record
            .source_of(arm)
            .map_or(own, |source| (&source.plan, source.quick));
        Self {
            plan,
            quick,
            scenario: record.workload.scenario,
            gpu: record.gpu_of(arm),
        }
    }

    /// Host cores whose time the kernel counted. What is counted on them is a share of their time, however few of them a
    /// quota allows.
    fn counted_cores(&self) -> usize {
        match self.plan.host_core_list.len() {
            0 => self.plan.host_cores,
            count => count,
        }
    }

    /// Host cores that can decode for a device at a time.
    fn decoding_cores(&self, arm: &Arm) -> usize {
        let decoders = option::<usize>(arm, "decoders");
        decoders.unwrap_or(self.plan.host_cores).min(self.plan.host_cores)
    }
}

/// An option of the arm's, where it has one.
fn option<T: std::str::FromStr>(arm: &Arm, name: &str) -> Option<T> {
    arm.backend.options.get(name)?.parse().ok()
}

/// The figures of `arm`, whose own `figures` are not looked at.
pub fn derive(arm: &Arm, context: &Context<'_>) -> Figures {
    let blocks = &arm.blocks;
    let decoding = context.decoding_cores(arm);
    let throughput = figures::throughput(blocks, arm.streams, &arm.strata);
    let curve = curve(arm, context.scenario);
    let joules = figures::joules_per_image(blocks);
    let checks = all_checks(arm, context);
    Figures {
        status: status(arm, &checks),
        checks,
        latency_ms: figures::latency(blocks),
        service_ms: figures::service(blocks),
        bounded: match context.scenario {
            Scenario::Server => figures::bounded_rate(blocks, context.plan.latency_bound),
            _ => figures::bounded(arm, &curve, context.plan.latency_bound),
        },
        curve,
        stages_ms: figures::stages(blocks).filter(|_| !arm.is_null()),
        photo_ceiling: figures::photo_ceiling(blocks, decoding),
        ceiling: ceiling::figures(&arm.ceiling_runs, blocks, arm.streams, decoding),
        device_peak_bytes: figures::device_peak_bytes(blocks),
        energy: Energy {
            joules_per_image: joules,
            gpu_joules_per_image: figures::gpu_joules_per_image(blocks),
            reason: joules.is_none().then(|| {
                "no energy counter of the processor can be read here (host.unavailable says why)".into()
            }),
        },
        cost: arm.price.as_ref().map(|price| {
            let speed = throughput.as_ref().map(|throughput| throughput.images_per_second);
            figures::cost(speed, price)
        }),
        throughput,
    }
}

/// The figures of an arm that already has some, computed again from what was observed. Records of version 1 do not hold
/// what the checks of networks and answers rest on: there, these checks stay as they are, but for `agreement`, which
/// follows from the comparison that they do hold.
pub fn derive_again(arm: &Arm, context: &Context<'_>) -> Figures {
    let mut figures = derive(arm, context);
    if arm.is_converted() {
        figures.checks.extend(agreement_of_version_1(arm));
        let is_new = |old: &&Check| figures.checks.iter().all(|new| new.id != old.id);
        let mut checks: Vec<Check> = arm.figures.checks.iter().filter(is_new).cloned().collect();
        checks.append(&mut figures.checks);
        figures.status = status(arm, &checks);
        figures.checks = checks;
    }
    figures
}

/// The check `agreement` of an arm of version 1, where one was judged: whether there was a reference of 32-bit floats is not
/// in these records, so that an unknown outcome stays what it is.
fn agreement_of_version_1(arm: &Arm) -> Option<Check> {
    let judged = |check: &Check| check.id == "agreement" && check.outcome != Outcome::Unknown;
    let accuracy = arm.accuracy.as_ref()?;
    arm.figures
        .checks
        .iter()
        .any(judged)
        .then(|| compared(arm, accuracy))
}

/// An arm's answers judged by its limits; those of the reference are not compared with themselves.
fn compared(arm: &Arm, accuracy: &Accuracy) -> Check {
    if accuracy.reference == arm.label && accuracy.faces_matched.is_some() {
        return agreement::reference_itself();
    }
    let precision = Precision::named(&arm.precision).unwrap_or_default();
    let decoding = option(arm, "decode").unwrap_or_default();
    let limits = agreement::Limits::of(&arm.backend.requested, precision, decoding);
    agreement::check(accuracy, &limits)
}

/// Everything in `record` that follows from what was observed.
pub fn derive_record(record: &mut Record) {
    let figures: Vec<Figures> = record
        .arms
        .iter()
        .map(|arm| derive_again(arm, &Context::of(record, arm)))
        .collect();
    for (arm, figures) in record.arms.iter_mut().zip(figures) {
        arm.figures = figures;
    }
    record.fleet = fleet::fleet(record);
    if let Some(shared) = &mut record.tenants {
        tenants::compute_figures(shared);
    }
    record.comparisons = comparisons::with_first(&record.arms, Terms::of(record));
    record.checks = vec![checks::noise_floor(record.plan.noise_floor)];
    record.checks.extend(checks::evidence::resumed(&record.resumed));
}

fn status(arm: &Arm, checks: &[Check]) -> Status {
    if arm.failed {
        Status::Failed
    } else {
        checks::status(checks)
    }
}

/// The throughput-latency curve: the points that were measured for it, and the arm's own.
fn curve(arm: &Arm, scenario: Scenario) -> Vec<CurvePoint> {
    if scenario == Scenario::Server || arm.blocks.is_empty() {
        return Vec::new();
    }
    let others = arm.points.iter();
    let mut curve: Vec<CurvePoint> = others
        .map(|point| figures::point(point.streams, point.batch, &point.blocks))
        .collect();
    curve.push(figures::point(arm.streams, arm.batch, &arm.blocks));
    curve.sort_by_key(|point| (point.batch, point.streams));
    curve
}

/// Whether it is certain that no other process used the host cores.
fn is_quiet(arm: &Arm, context: &Context<'_>) -> bool {
    checks::machine::foreign_load(&arm.blocks, context.counted_cores()).outcome == Outcome::Passed
}

/// Whether an arm's blocks look faster than its work, so that it is worth while to look again.
pub fn looks_cached(arm: &Arm, context: &Context<'_>) -> bool {
    let caching = |unseen: &Unseen| {
        let check = checks::evidence::caching(unseen, &arm.blocks, is_quiet(arm, context));
        check.outcome == Outcome::Failed && !unseen.refused
    };
    !arm.failed && arm.unseen.as_ref().is_some_and(caching)
}

/// Every check of an arm, in the order in which records list them.
fn all_checks(arm: &Arm, context: &Context<'_>) -> Vec<Check> {
    let (blocks, plan) = (&arm.blocks, context.plan);
    let mut list = networks(arm);
    list.extend(answers(arm, plan));
    list.extend(checks::evidence::worker_clock(blocks));
    let quiet = is_quiet(arm, context);
    let unseen = arm.unseen.as_ref();
    list.extend(unseen.map(|unseen| checks::evidence::caching(unseen, blocks, quiet)));
    list.extend(arm.inputs.as_ref().map(checks::evidence::inputs));
    list.push(checks::blocks::complete(
        blocks,
        plan.processes.saturating_mul(plan.blocks),
    ));
    list.push(checks::blocks::spread(blocks, context.quick));
    list.push(checks::blocks::trend(blocks));
    if context.scenario == Scenario::Server {
        list.push(checks::blocks::latency_bound(blocks, plan.latency_bound));
        list.push(checks::blocks::generator(blocks, plan.latency_bound));
    }
    list.push(checks::blocks::samples(blocks));
    list.extend(checks::decode_bound(blocks, context.decoding_cores(arm)));
    list.push(checks::blocks::steady_state(&arm.steady, blocks));
    let cores = context.counted_cores();
    list.push(checks::blocks::clock(blocks));
    list.push(checks::machine::foreign_load(blocks, cores));
    list.push(checks::machine::steal(blocks, cores));
    list.push(checks::machine::throttled(blocks, arm.streams * arm.threads));
    if let Some(gpu) = context.gpu {
        list.extend(gpu.license.as_ref().map(checks::license));
        list.push(checks::gpu::clock(blocks));
        list.push(checks::gpu::co_tenants(gpu));
    }
    if let Some(log) = &arm.host_log {
        checks::host_log::resolve(&mut list, log, blocks.len());
    }
    list
}

/// The checks of what the runtime reports of the networks, once it has loaded them.
fn networks(arm: &Arm) -> Vec<Check> {
    let backend = &arm.backend;
    let (Some(provider), Some(by_construction)) = (&backend.provider, backend.placed_by_construction) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    if by_construction {
        list.push(checks::placed_by_construction(provider));
    } else if !arm.is_null() || backend.placement.is_some() {
        list.push(checks::placement(backend.placement.as_ref(), provider));
    }
    if let Some(recognizer) = Precision::named(&arm.precision).filter(|_| !arm.is_null()) {
        let detector = backend.options.get("detector_precision");
        let detector = detector
            .and_then(|word| Precision::named(word))
            .unwrap_or(recognizer);
        let networks = (detector, recognizer);
        list.push(checks::precision(
            backend.placement.as_ref(),
            backend.operators.as_ref(),
            networks,
        ));
    }
    list
}

/// The checks of what the arm answered in its check pass.
fn answers(arm: &Arm, plan: &PlanSummary) -> Vec<Check> {
    let Some(pass) = &arm.check_pass else {
        return Vec::new();
    };
    let mut list = Vec::new();
    match &arm.accuracy {
        _ if !arm.is_null() && pass.reference_is_fp32 != Some(true) => {
            list.push(agreement::without_reference(pass.reference_is_fp32.is_some()));
        }
        Some(accuracy) => list.push(compared(arm, accuracy)),
        None => {}
    }
    list.push(checks::repeatable(&arm.blocks, pass));
    list.extend(pass.likeness.as_ref().map(likeness::check));
    list.extend(checks::evidence::counts(
        &arm.blocks,
        arm.streams * arm.batch,
        pass,
    ));
    if let (Some(target), Some(accuracy)) = (plan.quality_target.filter(|_| !arm.is_null()), &arm.accuracy) {
        list.push(checks::ground_truth(accuracy, target));
    }
    if arm.backend.options.get("reads").map(String::as_str) == Some(Reads::Cold.name()) {
        list.push(checks::blocks::page_cache(&arm.blocks, pass.bytes, pass.photos));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::figures::tests::{arm, block},
        record::{Block, LatencyBound},
    };

    fn plan() -> PlanSummary {
        PlanSummary {
            processes: 3,
            blocks: 1,
            block_seconds: 1.0,
            warmup_seconds: 1.0,
            host_cores: 4,
            host_core_list: Vec::new(),
            margin: 0.02,
            noise_floor: None,
            request_rate: None,
            latency_bound: LatencyBound {
                ms: 100.0,
                percentile: 99.0,
            },
            quality_target: None,
        }
    }

    fn blocks() -> Vec<Block> {
        (0..3).map(|process| block(process, 0, 1.0, 100)).collect()
    }

    fn context(plan: &PlanSummary) -> Context<'_> {
        Context {
            plan,
            quick: false,
            scenario: Scenario::Offline,
            gpu: None,
        }
    }

    #[test]
    fn figures_follow_from_what_was_observed_alone() {
        let (plan, mut arm) = (plan(), arm(blocks()));
        let first = derive(&arm, &context(&plan));
        let speed = first.throughput.as_ref().unwrap().images_per_second.median;
        assert!((speed - 100.0).abs() < 1e-9, "{speed}");
        arm.figures = first.clone();
        assert_eq!(derive_again(&arm, &context(&plan)), first);
        arm.failed = true;
        assert_eq!(derive(&arm, &context(&plan)).status, Status::Failed);
    }

    #[test]
    fn what_version_1_made_of_its_check_pass_stays() {
        let (plan, mut arm) = (plan(), arm(blocks()));
        let check = |id: &str, outcome| Check {
            id: id.to_owned(),
            outcome,
            observed: String::new(),
            limit: String::new(),
            advice: String::new(),
        };
        arm.figures.checks = vec![
            check("agreement", Outcome::Failed),
            check("blocks", Outcome::Failed),
        ];
        let derived = |arm: &Arm| {
            let figures = derive_again(arm, &context(&plan));
            let outcome = |id: &str| {
                figures
                    .checks
                    .iter()
                    .find(|check| check.id == id)
                    .map(|check| check.outcome)
            };
            (outcome("agreement"), outcome("blocks"), figures.status)
        };
        let passed = Some(Outcome::Passed);
        assert_eq!(derived(&arm), (None, passed, Status::Valid));
        arm.backend.placed_by_construction = None;
        assert_eq!(derived(&arm), (Some(Outcome::Failed), passed, Status::Invalid));
        // With the comparison that it follows from, it is computed again.
        let mut accuracy = agreement::compare("other", std::iter::empty());
        (accuracy.faces_matched, accuracy.faces_ratio) = (Some(1.0), Some(1.0));
        arm.accuracy = Some(accuracy.clone());
        assert_eq!(derived(&arm), (passed, passed, Status::Valid));
        accuracy.cosine_median = Some(0.5);
        arm.accuracy = Some(accuracy.clone());
        arm.figures.checks[0].outcome = Outcome::Passed;
        assert_eq!(derived(&arm), (Some(Outcome::Failed), passed, Status::Invalid));
        // Nobody knows whether its reference was one.
        arm.figures.checks[0].outcome = Outcome::Unknown;
        assert_eq!(derived(&arm), (Some(Outcome::Unknown), passed, Status::Valid));
        accuracy.reference.clone_from(&arm.label);
        arm.accuracy = Some(accuracy);
        arm.figures.checks[0].outcome = Outcome::Failed;
        assert_eq!(derived(&arm), (passed, passed, Status::Valid));
    }
}
