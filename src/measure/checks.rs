//! The rules that an arm's figures are held against, and the status that follows.

use crate::{
    backend::spec::Precision,
    record::{Accuracy, Check, Outcome, Status},
};

use super::{
    protocol::ObservedProfile,
    summary::{FAR, Promise},
};

/// Least share of node time on the asked provider.
const PLACED: f64 = 0.95;
/// Fewest processes whose interval means anything.
const PROCESSES: usize = 3;
/// Least share of node time in 8- or 16-bit nodes for a precision of that name.
const PRECISE: f64 = 0.25;

fn check(id: &str, outcome: Outcome, observed: String, limit: String, advice: &str) -> Check {
    let advice = if outcome == Outcome::Passed {
        String::new()
    } else {
        advice.to_owned()
    };
    Check {
        id: id.into(),
        outcome,
        observed,
        limit,
        advice,
    }
}

fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Passed } else { Outcome::Failed }
}

/// Whether the networks really ran on `provider`.
pub fn placement(profile: Option<&ObservedProfile>, provider: &str) -> Check {
    let limit = format!("{:.0} % of node time on {provider}", PLACED * 100.0);
    let Some(share) = profile.and_then(|profile| share(profile, provider)) else {
        let advice = "the runtime gave no profile: nothing proves where the networks ran";
        return check("placement", Outcome::Unknown, "no profile".into(), limit, advice);
    };
    check(
        "placement",
        outcome(share >= PLACED),
        format!("{:.1} % of node time on {provider}", share * 100.0),
        limit,
        "part of the networks ran elsewhere: these figures are not this backend's",
    )
}

fn total(profile: &ObservedProfile) -> u64 {
    profile.providers.values().map(|(_, time)| time).sum()
}

/// The share of node time on `provider`, 0 to 1; `None` where no node was timed.
pub fn share(profile: &ObservedProfile, provider: &str) -> Option<f64> {
    let own = profile.providers.get(provider).map_or(0, |(_, time)| *time);
    let total = total(profile);
    (total > 0).then(|| own as f64 / total as f64)
}

/// Whether the numbers inside the networks are what the arm says they are.
pub fn precision(profile: Option<&ObservedProfile>, said: Precision) -> Check {
    let limit = match said {
        Precision::Int8 => format!("{:.0} % of node time in quantized operators", PRECISE * 100.0),
        Precision::Fp16 => format!("{:.0} % of node time on 16-bit floats", PRECISE * 100.0),
        Precision::Fp32 | Precision::Tf32 => {
            format!(
                "less than {:.0} % of node time in quantized operators or on 16-bit floats",
                PRECISE * 100.0
            )
        }
    };
    let advice = "give the precision that the networks have: precision=fp32, fp16 or int8";
    let Some((profile, total)) = profile
        .map(|p| (p, total(p) as f64))
        .filter(|(_, total)| *total > 0.0)
    else {
        return check("precision", Outcome::Unknown, "no profile".into(), limit, advice);
    };
    let (int8, half) = (
        profile.quantized_us as f64 / total,
        profile.half_us as f64 / total,
    );
    let passed = match said {
        Precision::Int8 => int8 >= PRECISE,
        Precision::Fp16 => half >= PRECISE,
        Precision::Fp32 | Precision::Tf32 => int8 < PRECISE && half < PRECISE,
    };
    check(
        "precision",
        outcome(passed),
        format!("{:.1} % quantized, {:.1} % 16-bit", int8 * 100.0, half * 100.0),
        limit,
        advice,
    )
}

/// Whether there are blocks enough: all that were planned, from enough processes.
pub fn blocks(measured: usize, planned: usize, processes: usize) -> Check {
    check(
        "blocks",
        outcome(measured >= planned && processes >= PROCESSES),
        format!("{measured} of {planned} blocks, from {processes} processes"),
        format!("all planned blocks, from at least {PROCESSES} processes"),
        "measure again, with --processes 3 or more and to the end",
    )
}

/// Whether each measured pass saw as many faces as the check pass whose answers were compared.
pub fn repeatable(faces_by_pass: &[f64], expected: usize) -> Check {
    let worst = faces_by_pass.iter().copied().max_by(|a, b| {
        let off = |v: f64| (v - expected as f64).abs();
        off(*a).total_cmp(&off(*b))
    });
    let limit = format!("{expected} faces a pass, as in the check pass");
    let advice = "the arm does not give the same answer twice: its agreement proves nothing";
    match worst {
        None => check(
            "repeatable",
            Outcome::Unknown,
            "no pass".into(),
            limit,
            "nothing was measured",
        ),
        Some(worst) => check(
            "repeatable",
            outcome((worst - expected as f64).abs() < 1e-9),
            format!("{worst} faces a pass"),
            limit,
            advice,
        ),
    }
}

/// Whether the answers are as right as the embedded networks promise.
pub fn ground_truth(accuracy: &Accuracy, promise: Promise) -> Check {
    let limit = format!(
        "detection AP {:.2}, TAR {:.2} at FAR {FAR}",
        promise.detection_ap, promise.tar
    );
    let advice =
        "the networks do not do here what they do elsewhere: find out why before believing any figure";
    let (Some(ap), Some(verification)) = (accuracy.detection_ap, &accuracy.verification) else {
        return check(
            "ground-truth",
            Outcome::Unknown,
            "too few known faces".into(),
            limit,
            advice,
        );
    };
    check(
        "ground-truth",
        outcome(ap >= promise.detection_ap && verification.tar >= promise.tar),
        format!(
            "detection AP {ap:.3}, TAR {:.3} over {} same-person and {} different-person pairs",
            verification.tar, verification.same_pairs, verification.different_pairs
        ),
        limit,
        advice,
    )
}

/// What the checks make of an arm that has figures.
pub fn status(checks: &[Check]) -> Status {
    let failed = |ids: &[&str]| {
        checks
            .iter()
            .any(|check| check.outcome == Outcome::Failed && ids.contains(&check.id.as_str()))
    };
    if failed(&[
        "placement",
        "precision",
        "agreement",
        "repeatable",
        "ground-truth",
    ]) {
        Status::Invalid
    } else if failed(&["blocks"]) {
        Status::Unstable
    } else {
        Status::Valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(cpu: u64, cuda: u64, quantized_us: u64) -> ObservedProfile {
        ObservedProfile {
            providers: [
                ("CPUExecutionProvider".into(), (3, cpu)),
                ("CUDAExecutionProvider".into(), (9, cuda)),
            ]
            .into(),
            quantized_us,
            half_us: 0,
        }
    }

    #[test]
    fn half_on_the_cpu_is_not_on_the_gpu() {
        let placed = |profile| placement(Some(&profile), "CUDAExecutionProvider").outcome;
        assert_eq!(placed(profile(50, 50, 0)), Outcome::Failed);
        assert_eq!(placed(profile(4, 96, 0)), Outcome::Passed);
        assert_eq!(placed(profile(0, 0, 0)), Outcome::Unknown);
        assert_eq!(placement(None, "x").outcome, Outcome::Unknown);
    }

    #[test]
    fn a_precision_is_held_against_the_operators() {
        let said = |precision_, quantized| precision(Some(&profile(100, 0, quantized)), precision_).outcome;
        assert_eq!(said(Precision::Int8, 0), Outcome::Failed);
        assert_eq!(said(Precision::Int8, 60), Outcome::Passed);
        assert_eq!(said(Precision::Fp32, 60), Outcome::Failed);
        assert_eq!(said(Precision::Fp32, 0), Outcome::Passed);
        assert_eq!(said(Precision::Fp16, 0), Outcome::Failed);
    }

    #[test]
    fn status_is_the_worst_that_was_found() {
        let bad = |id: &str| check(id, Outcome::Failed, String::new(), String::new(), "");
        let unknown = check("placement", Outcome::Unknown, String::new(), String::new(), "");
        assert_eq!(status(&[blocks(6, 6, 3)]), Status::Valid);
        assert_eq!(status(std::slice::from_ref(&unknown)), Status::Valid);
        assert_eq!(status(&[blocks(5, 6, 3)]), Status::Unstable);
        assert_eq!(status(&[blocks(2, 2, 1)]), Status::Unstable);
        assert_eq!(status(&[blocks(5, 6, 3), bad("agreement")]), Status::Invalid);
        assert_eq!(repeatable(&[10.0, 10.0], 10).outcome, Outcome::Passed);
        assert_eq!(repeatable(&[10.0, 9.0], 10).outcome, Outcome::Failed);
    }
}
