//! What a record's arm shows about the rate that one machine serves.

use crate::{
    analysis::figures,
    record::{Arm, Estimate, Evidence, LatencyBound, Outcome, PlanSummary, Record, Scenario, Status},
};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) evidence: Evidence,
    /// Photos per second that meet the bound (server), or an upper limit (closed loop, offline).
    pub(super) rate: Option<Estimate>,
    /// The 99th percentile there, milliseconds.
    pub(super) p99_ms: Option<f64>,
    pub(super) notes: Vec<String>,
}

impl Finding {
    pub(super) fn nothing(reason: String) -> Self {
        Self {
            evidence: Evidence::None,
            rate: None,
            p99_ms: None,
            notes: vec![reason],
        }
    }
}

/// What `arm` of `record`, measured by `plan`, shows about `bound`.
pub(super) fn of(record: &Record, plan: &PlanSummary, arm: &Arm, bound: LatencyBound) -> Finding {
    if let Some(why) = unusable(arm) {
        return Finding::nothing(why);
    }
    let mut finding = if record.workload.scenario == Scenario::Server {
        server(plan, arm, bound)
    } else {
        closed_loop(arm, bound)
    };
    if arm.figures.status == Status::Unstable {
        finding
            .notes
            .push("unstable: the figure may be chance; measure again on a quiet machine".to_owned());
    }
    finding
}

/// Why nothing of an arm can be used.
pub(super) fn unusable(arm: &Arm) -> Option<String> {
    // Whether the record's own bound was met does not matter: the blocks are compared with the requested one.
    let broken = |check: &&crate::record::Check| {
        let rule = crate::record::rule(&check.id);
        check.outcome == Outcome::Failed
            && check.id != "latency-bound"
            && rule.is_some_and(|rule| rule.consequence == crate::record::Consequence::Invalid)
    };
    let first = arm.figures.checks.iter().find(broken);
    match (arm.figures.status, first) {
        (Status::Failed, _) => {
            Some("the arm failed, so its figures are incomplete; measure again".to_owned())
        }
        (Status::Invalid, Some(check)) => Some(format!(
            "the arm is invalid ({} failed: {}); its figures do not count",
            check.id, check.observed
        )),
        (Status::Invalid, None) if !arm.figures.checks.iter().any(|check| check.id == "latency-bound") => {
            Some("the arm is invalid; its figures do not count".to_owned())
        }
        _ => None,
    }
}

fn server(plan: &PlanSummary, arm: &Arm, bound: LatencyBound) -> Finding {
    let measure = format!(
        "run --scenario server --latency-bound {}ms@p{}",
        bound.ms, bound.percentile
    );
    let Some(seen) = figures::bounded_rate(&arm.blocks, bound) else {
        return Finding::nothing(format!("nothing was measured; measure with `{measure}`"));
    };
    let met = plan.latency_bound;
    // A latency in milliseconds of a record is as exact as the one that was asked for.
    let same = (met.percentile - bound.percentile).abs() < 1e-9 && (met.ms - bound.ms).abs() < 1e-9;
    let searched = format!("p{} <= {} ms", met.percentile, met.ms);
    let p99_ms = seen.latency_ms;
    if let Some(why) = seen.reason {
        let what = match plan.request_rate {
            Some(rate) => format!("at {rate} photos per second"),
            None if same => "at the highest rate of the search".to_owned(),
            None => format!("at the rate that was searched for {searched}"),
        };
        return Finding::nothing(format!("{what}: {why}; measure with `{measure}`"));
    }
    let mut notes = Vec::new();
    if let Some(rate) = plan.request_rate {
        notes.push(format!(
            "measured at {rate} photos per second, without a search: one may serve more; find out with `{measure}`"
        ));
    } else if !same {
        notes.push(format!(
            "searched for {searched}: one may serve more; find out with `{measure}`"
        ));
    }
    Finding {
        evidence: Evidence::Server,
        rate: seen.images_per_second,
        p99_ms,
        notes,
    }
}

fn closed_loop(arm: &Arm, bound: LatencyBound) -> Finding {
    let most = arm
        .figures
        .throughput
        .as_ref()
        .map(|throughput| throughput.images_per_second);
    match figures::bounded(arm, &arm.figures.curve, bound) {
        Some(best) if best.images_per_second.is_some() => Finding {
            evidence: Evidence::ClosedLoop,
            rate: best.images_per_second,
            p99_ms: best.latency_ms,
            notes: vec![
                "closed loop: each photo followed the last, and none waited in a queue; measure with `run --scenario \
                 server`"
                    .to_owned(),
            ],
        },
        Some(none) if has_enough_samples(arm, bound) => {
            let why = none.reason.unwrap_or_default();
            Finding::nothing(format!(
                "{why}, even without a queue; try fewer streams or a smaller batch"
            ))
        }
        _ if most.is_some() => Finding {
            evidence: Evidence::Offline,
            rate: most,
            p99_ms: None,
            notes: vec!["no latency under load was measured; measure with `run --scenario server`".to_owned()],
        },
        _ => Finding::nothing("nothing was measured; measure with `run --scenario server`".to_owned()),
    }
}

/// Whether a point of the curve has samples enough for the percentile of `bound`.
fn has_enough_samples(arm: &Arm, bound: LatencyBound) -> bool {
    let mut points = arm.figures.curve.iter();
    points.any(|point| {
        let seen = figures::latency_at(arm.blocks_at(point.streams, point.batch), bound);
        seen.is_some_and(|(_, samples)| samples >= figures::samples_for(bound.percentile))
    })
}
