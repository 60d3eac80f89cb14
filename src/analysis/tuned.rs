//! The figures of a search for the best setting, and which SPEC its confirming study stands for.

use super::figures::{self, samples_for};
use crate::record::{Arm, Block, Comparison, LatencyBound, Round, Status, Verdict};

/// The SPEC to use, of `arms`, whose first is the one that was given, and which `comparisons` compare with it: the fastest of
/// those that were shown to be faster, else the given one itself. Where the given one does not count (its answers are
/// wrong, it failed, or it does not hold the `bound`), the fastest that does. `None` where none does.
pub fn chosen(arms: &[Arm], comparisons: &[Comparison], bound: Option<LatencyBound>) -> Option<String> {
    let (given, others) = arms.split_first()?;
    let counts = |arm: &&Arm| {
        matches!(arm.figures.status, Status::Valid | Status::Unstable)
            && bound.is_none_or(|bound| holds(arm, bound))
    };
    let ratio = |arm: &Arm| {
        let comparison = comparisons.iter().find(|c| c.arm == arm.label)?;
        (comparison.verdict == Verdict::Faster).then_some(comparison.ratio.median)
    };
    let speed = |arm: &Arm| Some(arm.figures.throughput.as_ref()?.images_per_second.median);
    let best = |of: &dyn Fn(&Arm) -> Option<f64>| {
        let known = others
            .iter()
            .filter(counts)
            .filter_map(|arm| Some((arm, of(arm)?)));
        known.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(arm, _)| arm)
    };
    let arm = if counts(&given) {
        best(&ratio).or(Some(given))
    } else {
        best(&speed)
    };
    arm.map(|arm| arm.backend.requested.clone())
}

/// A block of the search with its figures.
pub fn round(block: Block) -> Round {
    Round {
        images_per_second: block.images as f64 / block.seconds,
        latency_ms: figures::latency(std::slice::from_ref(&block)),
        block,
    }
}

/// Whether an arm is known to hold `bound`.
fn holds(arm: &Arm, bound: LatencyBound) -> bool {
    figures::latency_at(&arm.blocks, bound)
        .is_some_and(|(ms, samples)| samples >= samples_for(bound.percentile) && ms <= bound.ms)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BOUND: Option<LatencyBound> = Some(LatencyBound {
        ms: 10.0,
        percentile: 99.0,
    });

    /// An arm of so many images a second, with the latency of 1,000 photos.
    fn arm(spec: &str, status: &str, speed: f64, ms: u64) -> Arm {
        let estimate = json!({"median": speed, "low": null, "high": null});
        let stages = json!({"decode": 0.0, "detect": 0.0, "align": 0.0, "embed": 0.0, "match": 0.0});
        let block = json!({
            "process": 0, "block": 0, "order": 0, "images": 1000, "faces": 0, "seconds": 1.0,
            "stage_seconds": stages, "strata": [], "service_us": [[ms * 1000, 1000]], "response_us": [],
            "scheduling_delay_us": [], "conditions": {},
        });
        let arm = json!({
            "label": format!("label of {spec}"), "status": status, "precision": "fp32", "threads": 1,
            "streams": 1, "batch": 1, "backend": {"requested": spec, "options": {}}, "checks": [],
            "steady": [], "blocks": [block], "curve": [], "trials": [], "energy": {},
            "throughput": {"images_per_second": estimate, "faces_per_second": estimate, "strata": []},
            "errors": [],
        });
        serde_json::from_value(arm).unwrap()
    }

    fn against(spec: &str, ratio: f64, verdict: &str) -> Comparison {
        let comparison: Value = json!({
            "arm": format!("label of {spec}"), "baseline": "label of given", "verdict": verdict,
            "ratio": {"median": ratio, "low": null, "high": null}, "paired": true, "corrected_for": 2,
            "status": "valid", "reasons": [],
        });
        serde_json::from_value(comparison).unwrap()
    }

    #[test]
    fn only_what_was_shown_to_be_faster_is_chosen() {
        let arms = [
            arm("given", "valid", 100.0, 5),
            arm("a", "valid", 110.0, 5),
            arm("b", "valid", 120.0, 5),
        ];
        let of = |a, b| chosen(&arms, &[against("a", 1.1, a), against("b", 1.2, b)], None).unwrap();
        assert_eq!(of("faster", "faster"), "b");
        assert_eq!(of("faster", "inconclusive"), "a");
        assert_eq!(of("equivalent", "inconclusive"), "given");
        assert_eq!(chosen(&arms[..1], &[], None).as_deref(), Some("given"));
        assert_eq!(chosen(&[], &[], None), None);
    }

    #[test]
    fn the_bound_must_be_known_to_hold() {
        let faster = [against("a", 1.1, "faster")];
        let of = |given, a, bound| {
            let arms = [arm("given", "valid", 100.0, given), arm("a", "valid", 110.0, a)];
            chosen(&arms, &faster, bound)
        };
        assert_eq!(of(5, 20, BOUND).as_deref(), Some("given"));
        assert_eq!(of(5, 20, None).as_deref(), Some("a"));
        assert_eq!(
            of(20, 5, BOUND).as_deref(),
            Some("a"),
            "the given one is no choice"
        );
        assert_eq!(of(20, 20, BOUND), None);
        let rare = Some(LatencyBound {
            percentile: 99.9,
            ..BOUND.unwrap()
        });
        assert_eq!(of(5, 5, rare), None, "1,000 photos are too few");
    }

    #[test]
    fn wrong_answers_are_no_speed() {
        let arms = [arm("given", "valid", 100.0, 5), arm("a", "invalid", 300.0, 5)];
        assert_eq!(chosen(&arms, &[], None).as_deref(), Some("given"));
        let arms = [
            arm("given", "failed", 100.0, 5),
            arm("a", "valid", 80.0, 5),
            arm("b", "unstable", 90.0, 5),
        ];
        assert_eq!(chosen(&arms, &[], None).as_deref(), Some("b"));
    }
}
