//! The rules that an arm's figures are held against, and the status that follows. [`crate::record::RULES`] says what
//! each means; here is how it is judged: of the networks in this file, of the blocks in [`blocks`], of the machine in
//! [`machine`], of the GPU in [`gpu`], and by a hypervisor's log in [`host_log`].

pub mod blocks;
pub mod gpu;
pub mod host_log;
pub mod machine;

use crate::{
    record::{
        Accuracy, Check, Consequence, License, Outcome, Status,
        limits::{DECODE, MARGIN, PLACED, PRECISE},
        rule,
    },
    runtime::{
        onnxruntime::{ExecutionProvider, providers},
        spec::Precision,
    },
    study::summary::{FAR, Promise},
    worker::protocol::ObservedProfile,
};

pub(super) fn check(id: &str, outcome: Outcome, observed: String, limit: String, advice: &str) -> Check {
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

/// A check that could not be made; how it would be observed stands where the advice does.
pub(super) fn unknown(id: &str, observed: &str, limit: String) -> Check {
    let how = rule(id).map_or("", |rule| rule.observed);
    check(id, Outcome::Unknown, observed.to_owned(), limit, how)
}

fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Passed } else { Outcome::Failed }
}

/// Whether the networks really ran on `provider`.
pub fn placement(profile: Option<&ObservedProfile>, provider: &str) -> Check {
    let limit = format!("{:.0} % of node time on {provider}", PLACED * 100.0);
    let Some(share) = profile.and_then(|profile| share(profile, provider)) else {
        return unknown("placement", "no profile", limit);
    };
    check(
        "placement",
        outcome(share >= PLACED),
        format!("{:.1} % of node time on {provider}", share * 100.0),
        limit,
        "part of the networks ran elsewhere: these figures are not this backend's",
    )
}

/// The placement of a runtime that has no other place to run a node: there is nothing to observe.
pub fn placed_by_construction(provider: &str) -> Check {
    check(
        "placement",
        Outcome::Passed,
        "placed by construction: this runtime has no other place".to_owned(),
        format!("{:.0} % of node time on {provider}", PLACED * 100.0),
        "",
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

/// Whether the numbers inside each network are what the arm says they are.
pub fn precision(profile: Option<&ObservedProfile>, detector: Precision, recognizer: Precision) -> Check {
    let limit = if detector == recognizer {
        precise(recognizer)
    } else {
        format!(
            "detector: {}; recognizer: {}",
            precise(detector),
            precise(recognizer)
        )
    };
    let advice = "give the precision that the networks have: precision=fp32, fp16 or int8, and with int8 \
                  detector-precision=fp32 or int8";
    let Some(profile) = profile.filter(|profile| total(profile) > 0) else {
        return unknown("precision", "no profile", limit);
    };
    let hides_operators =
        |name: &String| providers::named(name).is_some_and(ExecutionProvider::hides_operators);
    if profile.providers.keys().any(hides_operators) {
        let observed =
            "the provider compiles whole graphs and shows no operators; agreement judges its numbers";
        return unknown("precision", observed, limit);
    }
    let (mut passed, mut observed) = (true, Vec::new());
    let networks = [
        ("detector", profile.detector, detector),
        ("recognizer", profile.recognizer, recognizer),
    ];
    // Without a face in the photos the recognizer did not run.
    for (name, numbers, said) in networks.into_iter().filter(|(_, numbers, _)| numbers.all_us > 0) {
        let share = |time: u64| time as f64 / numbers.all_us as f64;
        let (int8, half) = (share(numbers.quantized_us), share(numbers.half_us));
        passed &= match said {
            Precision::Int8 => int8 >= PRECISE,
            Precision::Fp16 => half >= PRECISE,
            Precision::Fp32 | Precision::Tf32 => int8 < PRECISE && half < PRECISE,
        };
        observed.push(format!(
            "{name} {:.1} % quantized, {:.1} % 16-bit",
            int8 * 100.0,
            half * 100.0
        ));
    }
    check("precision", outcome(passed), observed.join("; "), limit, advice)
}

/// What a network of this precision shows.
fn precise(said: Precision) -> String {
    let share = PRECISE * 100.0;
    match said {
        Precision::Int8 => format!("{share:.0} % of node time in quantized operators"),
        Precision::Fp16 => format!("{share:.0} % of node time on 16-bit floats"),
        Precision::Fp32 | Precision::Tf32 => {
            format!("less than {share:.0} % of node time in quantized operators or on 16-bit floats")
        }
    }
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
        None => unknown("repeatable", "nothing was measured", limit),
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
        return unknown("ground-truth", "too few known faces", limit);
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

/// Whether the device waited for photos: it came near to the images a second (`ceiling`) that so many host cores can
/// decode, resize and align. Of arms whose photos are prepared by all host cores.
pub fn decode_bound(images_per_second: f64, ceiling: f64, cores: usize) -> Check {
    let share = images_per_second / ceiling;
    let plural = if cores == 1 { "" } else { "s" };
    check(
        "decode-bound",
        outcome(share < DECODE),
        format!(
            "{cores} host core{plural} can decode, resize and align {ceiling:.0} images/s; the arm reached {:.0} % of that",
            share * 100.0
        ),
        format!("less than {:.0} %", DECODE * 100.0),
        "the device waits for photos: give it more host cores, or photos that are cheaper to decode",
    )
}

/// Whether the machine's noise floor is known, and small. Of a study, not of an arm.
pub fn noise_floor(floor: Option<f64>) -> Check {
    let limit = format!("at most {:.0} %", MARGIN * 100.0);
    let advice = "this machine is noisy: smaller differences than its floor are not told apart";
    match floor {
        Some(floor) => check(
            "noise-floor",
            outcome(floor <= MARGIN),
            format!("{:.1} %", floor * 100.0),
            limit,
            advice,
        ),
        None => unknown("noise-floor", "never measured here", limit),
    }
}

/// Whether a vGPU was licensed all the time.
pub fn license(license: &License) -> Check {
    let word = |licensed: Option<bool>| match licensed {
        Some(true) => "licensed",
        Some(false) => "not licensed",
        None => "not told",
    };
    let both = [license.before, license.after];
    let came_out = if both.contains(&Some(false)) {
        Outcome::Failed
    } else if both.contains(&None) {
        Outcome::Unknown
    } else {
        Outcome::Passed
    };
    check(
        "license",
        came_out,
        format!("before: {}, after: {}", word(license.before), word(license.after)),
        "licensed before and after".into(),
        "a vGPU without a licence is slowed down by its driver: fix the licence, then measure again",
    )
}

/// What the checks make of an arm that has figures.
pub fn status(checks: &[Check]) -> Status {
    let failed = |consequence: Consequence| {
        checks.iter().any(|check| {
            check.outcome == Outcome::Failed
                && rule(&check.id).is_some_and(|rule| rule.consequence == consequence)
        })
    };
    if failed(Consequence::Invalid) {
        Status::Invalid
    } else if failed(Consequence::Unstable) {
        Status::Unstable
    } else {
        Status::Valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::protocol::Numbers;

    fn profile(cpu: u64, cuda: u64, quantized_us: u64) -> ObservedProfile {
        let numbers = Numbers {
            all_us: cpu + cuda,
            quantized_us,
            half_us: 0,
        };
        ObservedProfile {
            providers: [
                ("CPUExecutionProvider".into(), (3, cpu)),
                ("CUDAExecutionProvider".into(), (9, cuda)),
            ]
            .into(),
            detector: numbers,
            recognizer: numbers,
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
        let said = |said, quantized| precision(Some(&profile(100, 0, quantized)), said, said).outcome;
        assert_eq!(said(Precision::Int8, 0), Outcome::Failed);
        assert_eq!(said(Precision::Int8, 60), Outcome::Passed);
        assert_eq!(said(Precision::Fp32, 60), Outcome::Failed);
        assert_eq!(said(Precision::Fp32, 0), Outcome::Passed);
        assert_eq!(said(Precision::Fp16, 0), Outcome::Failed);

        let mut mixed = profile(100, 0, 0);
        mixed.recognizer.quantized_us = 90;
        let said = |detector, recognizer| precision(Some(&mixed), detector, recognizer);
        let told = said(Precision::Fp32, Precision::Int8);
        assert_eq!(told.outcome, Outcome::Passed);
        insta::assert_snapshot!(told.observed, @"detector 0.0 % quantized, 0.0 % 16-bit; recognizer 90.0 % quantized, 0.0 % 16-bit");
        assert_eq!(said(Precision::Int8, Precision::Int8).outcome, Outcome::Failed);
        assert_eq!(said(Precision::Fp32, Precision::Fp32).outcome, Outcome::Failed);
        // One face in a large photo: its few node times are the recognizer's own, and no share of the detector's.
        mixed.detector.all_us = 1_000_000;
        assert_eq!(
            precision(Some(&mixed), Precision::Fp32, Precision::Int8).outcome,
            Outcome::Passed
        );
    }

    #[test]
    fn status_is_the_worst_that_was_found() {
        let bad = |id: &str| check(id, Outcome::Failed, String::new(), String::new(), "");
        let unknown = check("placement", Outcome::Unknown, String::new(), String::new(), "");
        assert_eq!(status(&[]), Status::Valid);
        assert_eq!(status(std::slice::from_ref(&unknown)), Status::Valid);
        assert_eq!(status(&[bad("blocks")]), Status::Unstable);
        assert_eq!(status(&[bad("samples")]), Status::Valid, "only a note");
        assert_eq!(status(&[bad("blocks"), bad("agreement")]), Status::Invalid);
        assert_eq!(repeatable(&[10.0, 10.0], 10).outcome, Outcome::Passed);
        assert_eq!(repeatable(&[10.0, 9.0], 10).outcome, Outcome::Failed);
    }
    #[test]
    fn a_license_holds_all_the_time() {
        let came_out = |before, after| license(&License { before, after }).outcome;
        assert_eq!(came_out(Some(true), Some(true)), Outcome::Passed);
        assert_eq!(came_out(Some(true), Some(false)), Outcome::Failed);
        assert_eq!(came_out(None, Some(false)), Outcome::Failed);
        assert_eq!(came_out(Some(true), None), Outcome::Unknown);
    }

    #[test]
    fn a_device_that_waits_for_photos_is_noted() {
        assert_eq!(decode_bound(95.0, 100.0, 16).outcome, Outcome::Failed);
        let far = decode_bound(40.0, 100.0, 1);
        assert_eq!(far.outcome, Outcome::Passed);
        assert_eq!(
            far.observed,
            "1 host core can decode, resize and align 100 images/s; the arm reached 40 % of that"
        );
    }

    /// Every check that is made anywhere has its rule; a rule that nothing makes is caught by reading.
    #[test]
    fn every_check_here_has_a_rule() {
        let made = [
            placement(None, "x"),
            precision(None, Precision::Fp32, Precision::Fp32),
            repeatable(&[], 1),
            decode_bound(1.0, 2.0, 1),
            license(&License {
                before: None,
                after: None,
            }),
        ];
        assert!(made.iter().all(|check| rule(&check.id).is_some()));
    }
}
