//! Computes a record's figures again from its raw blocks.

use serde_json::Value;

use super::{
    agreement, ceiling, checks,
    comparisons::{self, Terms},
    figures::{self, Kind},
    fleet, tenants, tuned,
};
use crate::{
    record::{Arm, Check, Outcome, PlanSummary, Record, Status, Tune},
    runtime::{options::Choice, spec::Precision},
    study::summary,
};

/// A figure that came out otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Where in the record, such as `arms[0].throughput.images_per_second.median`.
    pub place: String,
    /// What stands there.
    pub recorded: String,
    /// What the blocks say.
    pub computed: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Figures that were computed again.
    pub figures: usize,
    /// Raw blocks that they were computed from.
    pub blocks: usize,
    /// Those that came out otherwise.
    pub mismatches: Vec<Mismatch>,
}

/// Figures may differ by this part: the order of sums may be another one.
const TOLERANCE: f64 = 1e-9;

/// Computes everything of `record` again that follows from its raw blocks.
pub fn audit(record: &Record) -> serde_json::Result<Audit> {
    let mut again = record.clone();
    for arm in &mut again.arms {
        recompute(arm, record);
    }
    again.fleet = fleet::fleet(&again);
    if let Some(shared) = &mut again.tenants {
        tenants::compute_figures(shared);
    }
    again.comparisons = comparisons::with_first(&again.arms, Terms::of(record));
    again.checks = vec![checks::noise_floor(record.plan.noise_floor)];
    let mut audit = Audit {
        figures: 0,
        blocks: record.arms.iter().map(|arm| arm.blocks.len() + points(arm)).sum(),
        mismatches: Vec::new(),
    };
    let (recorded, computed) = (serde_json::to_value(record)?, serde_json::to_value(&again)?);
    for index in 0..record.arms.len() {
        for figure in FIGURES {
            let place = format!("arms[{index}].{figure}");
            audit.hold(
                &place,
                &recorded["arms"][index][figure],
                &computed["arms"][index][figure],
            );
        }
    }
    audit.hold("checks", &recorded["checks"], &computed["checks"]);
    audit.hold("comparisons", &recorded["comparisons"], &computed["comparisons"]);
    audit.hold("tenants", &recorded["tenants"], &computed["tenants"]);
    audit.hold("fleet", &recorded["fleet"], &computed["fleet"]);
    if let Some(tune) = &record.tune {
        audit.searched(tune, &again, &recorded["tune"])?;
    }
    Ok(audit)
}

/// The keys of an arm that follow from its blocks.
const FIGURES: &[&str] = &[
    "status",
    "checks",
    "throughput",
    "latency_ms",
    "service_ms",
    "curve",
    "bounded",
    "stages_ms",
    "photo_ceiling",
    "ceiling",
    "energy",
    "cost",
];

fn points(arm: &Arm) -> usize {
    arm.curve.iter().map(|point| point.blocks.len()).sum()
}

/// The plan of the study that an arm is from, and whether it was a quick one.
fn plan_of<'a>(arm: &Arm, record: &'a Record) -> (&'a PlanSummary, bool) {
    let source = record.source_of(arm);
    source.map_or((&record.plan, record.quick), |source| {
        (&source.plan, source.quick)
    })
}

fn recompute(arm: &mut Arm, record: &Record) {
    let (plan, quick) = plan_of(arm, record);
    let kinds: Vec<Kind> = arm.throughput.as_ref().map_or_else(Vec::new, |throughput| {
        let kind = |s: &crate::record::Stratum| (s.name.clone(), s.images);
        throughput.strata.iter().map(kind).collect()
    });
    let blocks = &arm.blocks;
    arm.throughput = figures::throughput(blocks, arm.streams, &kinds);
    arm.latency_ms = figures::latency(blocks);
    arm.service_ms = figures::service(blocks);
    arm.stages_ms = arm.stages_ms.and_then(|_| figures::stages(blocks));
    arm.energy.joules_per_image = figures::joules_per_image(blocks);
    arm.energy.gpu_joules_per_image = figures::gpu_joules_per_image(blocks);
    for point in &mut arm.curve {
        let own = point.blocks.is_empty();
        let of = if own { blocks } else { &point.blocks };
        *point = figures::point(point.streams, point.batch, &of.clone(), own);
    }
    let scenario = record.workload.scenario;
    arm.bounded = summary::bounded(scenario, plan.latency_bound, &arm.curve, blocks);
    if let Some(cost) = &mut arm.cost {
        let speed = arm
            .throughput
            .as_ref()
            .map(|throughput| throughput.images_per_second);
        *cost = figures::cost(speed, cost.price_per_hour, &cost.currency);
    }
    let cores = match plan.host_core_list.len() {
        0 => plan.host_cores,
        count => count,
    };
    let planned = plan.processes * plan.blocks;
    let mut fresh = checks::blocks::all(blocks, planned, quick, scenario, plan.latency_bound);
    fresh.extend(summary::conditions(blocks, arm.streams * arm.threads, cores));
    fresh.push(checks::blocks::steady_state(&arm.steady, blocks));
    let decoders = arm.backend.options.get("decoders");
    let decoding = summary::decoding_cores(decoders.and_then(|count| count.parse().ok()), plan.host_cores);
    fresh.extend(summary::decode_bound(blocks, decoding));
    arm.photo_ceiling = figures::photo_ceiling(blocks, decoding);
    arm.ceiling = arm
        .ceiling
        .as_ref()
        .and_then(|measured| ceiling::figures(&measured.runs, blocks, arm.streams, decoding));
    if let Some(gpu) = record.gpu_of(arm) {
        fresh.extend(summary::on_gpu(blocks, gpu));
    }
    if let Some(log) = &arm.host_log {
        checks::host_log::resolve(&mut fresh, log, arm.blocks.len());
    }
    if let Some(accuracy) = arm
        .accuracy
        .as_ref()
        .filter(|accuracy| accuracy.reference != arm.label)
    {
        // Where there was no reference of 32-bit floats, the check is unknown whatever was compared.
        let judged = |check: &&Check| check.id == "agreement" && check.outcome != Outcome::Unknown;
        let precision = Precision::named(&arm.precision);
        if let Some(precision) = precision.filter(|_| arm.checks.iter().any(|check| judged(&check))) {
            let decoding = arm
                .backend
                .options
                .get("decode")
                .and_then(|word| word.parse().ok());
            let limits =
                agreement::Limits::of(&arm.backend.requested, precision, decoding.unwrap_or_default());
            fresh.push(agreement::check(accuracy, &limits));
        }
    }
    for again in fresh {
        match arm.checks.iter_mut().find(|check| check.id == again.id) {
            Some(check) => *check = again,
            // One that is missing is a difference too.
            None => arm.checks.push(again),
        }
    }
    // An arm fails by what happened to it, which no block shows.
    if arm.status != Status::Failed {
        arm.status = checks::status(&arm.checks);
    }
}

impl Audit {
    /// Holds a search, as it is `recorded`, against its blocks, and what was chosen against the arms that are computed
    /// `again`.
    fn searched(&mut self, tune: &Tune, again: &Record, recorded: &Value) -> serde_json::Result<()> {
        for (number, candidate) in tune.candidates.iter().enumerate() {
            for (place, kept) in candidate.rounds.iter().enumerate() {
                let computed = serde_json::to_value(tuned::round(kept.block.clone()))?;
                let recorded = &recorded["candidates"][number]["rounds"][place];
                self.blocks += 1;
                for figure in ["images_per_second", "latency_ms"] {
                    let place = format!("tune.candidates[{number}].rounds[{place}].{figure}");
                    self.hold(&place, &recorded[figure], &computed[figure]);
                }
            }
        }
        if !again.interrupted {
            let chosen = tuned::chosen(&again.arms, &again.comparisons, tune.bound);
            self.hold("tune.chosen", &recorded["chosen"], &serde_json::to_value(chosen)?);
        }
        Ok(())
    }

    /// Holds what is recorded at `place` against what was computed, leaf by leaf.
    fn hold(&mut self, place: &str, recorded: &Value, computed: &Value) {
        match (recorded, computed) {
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.hold(&format!("{place}[{index}]"), a, b);
                }
            }
            (Value::Object(a), Value::Object(b)) => {
                for (key, b) in b {
                    // Raw blocks are what is computed from; words of advice are no figures.
                    if !["blocks", "limit", "advice"].contains(&key.as_str()) {
                        self.hold(&format!("{place}.{key}"), a.get(key).unwrap_or(&Value::Null), b);
                    }
                }
            }
            _ => {
                self.figures += 1;
                let same = match (recorded.as_f64(), computed.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
                    _ => recorded == computed,
                };
                if !same {
                    self.mismatches.push(Mismatch {
                        place: place.to_owned(),
                        recorded: recorded.to_string(),
                        computed: computed.to_string(),
                    });
                }
            }
        }
    }
}
