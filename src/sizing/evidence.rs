//! What a record's arm tells about the rate that one machine serves.

use crate::{
    analysis::figures,
    record::{Arm, Estimate, Evidence, LatencyBound, Outcome, PlanSummary, Record, Scenario, Status},
};

/// What an arm tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) evidence: Evidence,
    /// Photos a second with the bound held (server), or at most (closed loop, offline).
    pub(super) rate: Option<Estimate>,
    /// The 99th percentile there, milliseconds.
    pub(super) p99_ms: Option<f64>,
    pub(super) notes: Vec<String>,
}

impl Told {
    pub(super) fn nothing(why: String) -> Self {
        Self {
            evidence: Evidence::None,
            rate: None,
            p99_ms: None,
            notes: vec![why],
        }
    }
}

/// What `arm` of `record`, measured by `plan`, tells about `bound`.
pub(super) fn of(record: &Record, plan: &PlanSummary, arm: &Arm, bound: LatencyBound) -> Told {
    if let Some(why) = unusable(arm) {
        return Told::nothing(why);
    }
    let mut told = if record.workload.scenario == Scenario::Server {
        server(plan, arm, bound)
    } else {
        loops(arm, bound)
    };
    if arm.status == Status::Unstable {
        told.notes
            .push("unstable: the figure may be chance; measure on a quiet machine".to_owned());
    }
    told
}

/// Why nothing of an arm can be used.
pub(super) fn unusable(arm: &Arm) -> Option<String> {
    // Whether the record's own bound was held is no matter: the blocks are held against the one that is asked for.
    let broken = |check: &&crate::record::Check| {
        let rule = crate::record::rule(&check.id);
        check.outcome == Outcome::Failed
            && check.id != "latency-bound"
            && rule.is_some_and(|rule| rule.consequence == crate::record::Consequence::Invalid)
    };
    let first = arm.checks.iter().find(broken);
    match (arm.status, first) {
        (Status::Failed, _) => Some("the arm failed: it has no whole figures; measure again".to_owned()),
        (Status::Invalid, Some(check)) => Some(format!(
            "the arm is invalid ({} failed: {}); no figure of it counts",
            check.id, check.observed
        )),
        (Status::Invalid, None) if !arm.checks.iter().any(|check| check.id == "latency-bound") => {
            Some("the arm is invalid; no figure of it counts".to_owned())
        }
        _ => None,
    }
}

fn server(plan: &PlanSummary, arm: &Arm, bound: LatencyBound) -> Told {
    let ask = format!(
        "run --scenario server --latency-bound {}ms@p{}",
        bound.ms, bound.percentile
    );
    let Some(seen) = figures::bounded_rate(&arm.blocks, bound) else {
        return Told::nothing(format!("nothing was measured; measure with `{ask}`"));
    };
    let held = plan.latency_bound;
    // A latency in milliseconds of a record is as exact as the one that was asked for.
    let same = (held.percentile - bound.percentile).abs() < 1e-9 && (held.ms - bound.ms).abs() < 1e-9;
    let searched = format!("p{} <= {} ms", held.percentile, held.ms);
    let p99_ms = seen.latency_ms;
    if let Some(why) = seen.reason {
        let what = match plan.request_rate {
            Some(rate) => format!("at {rate} a second"),
            None if same => "at the highest rate of the search".to_owned(),
            None => format!("at the rate that was searched for {searched}"),
        };
        return Told::nothing(format!("{what}: {why}; measure with `{ask}`"));
    }
    let mut notes = Vec::new();
    if let Some(rate) = plan.request_rate {
        notes.push(format!(
            "sent {rate} a second, no search: one may serve more; `{ask}` tells"
        ));
    } else if !same {
        notes.push(format!(
            "searched for {searched}: one may serve more; `{ask}` tells"
        ));
    }
    Told {
        evidence: Evidence::Server,
        rate: seen.images_per_second,
        p99_ms,
        notes,
    }
}

fn loops(arm: &Arm, bound: LatencyBound) -> Told {
    let most = arm
        .throughput
        .as_ref()
        .map(|throughput| throughput.images_per_second);
    match figures::bounded(&arm.curve, &arm.blocks, bound) {
        Some(best) if best.images_per_second.is_some() => Told {
            evidence: Evidence::ClosedLoop,
            rate: best.images_per_second,
            p99_ms: best.latency_ms,
            notes: vec![
                "closed loop: each photo followed the last, and none waited in a queue; measure with `run --scenario \
                 server`"
                    .to_owned(),
            ],
        },
        Some(none) if timed(arm, bound) => {
            let why = none.reason.unwrap_or_default();
            Told::nothing(format!(
                "{why}, and that without any queue; try fewer streams or a smaller batch"
            ))
        }
        _ if most.is_some() => Told {
            evidence: Evidence::Offline,
            rate: most,
            p99_ms: None,
            notes: vec!["no latency under load was measured; measure with `run --scenario server`".to_owned()],
        },
        _ => Told::nothing("nothing was measured; measure with `run --scenario server`".to_owned()),
    }
}

/// Whether a point of the curve has samples enough for the percentile of `bound`.
fn timed(arm: &Arm, bound: LatencyBound) -> bool {
    let mut points = arm.curve.iter();
    points.any(|point| {
        let seen = figures::latency_at(figures::blocks_of(point, &arm.blocks), bound);
        seen.is_some_and(|(_, samples)| samples >= figures::samples_for(bound.percentile))
    })
}
