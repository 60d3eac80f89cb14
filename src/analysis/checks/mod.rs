//! The checks of an arm's figures, and the status that follows. [`crate::record::RULES`] has what each means; here is how it
//! is made: of the networks in this file, of the blocks in [`blocks`], of what
//! the study saw itself in [`evidence`], of the machine in [`machine`], of the GPU in [`gpu`],
//! and by a host log in [`host_log`].

pub mod blocks;
pub mod evidence;
pub mod gpu;
pub mod host_log;
pub mod machine;

use std::collections::BTreeMap;

use super::figures;
use crate::{
    record::{
        Accuracy, Block, Check, CheckPass, Consequence, License, Operators, Outcome, Placement,
        QualityTarget, Rule, Status,
        limits::{DECODE, FALSE_ACCEPTS, MARGIN, PLACED, PRECISE},
        rule,
    },
    runtime::spec::Precision,
};

/// Where the nodes of both networks ran, by provider.
type Providers = BTreeMap<String, Placement>;

/// A check whose limit is its rule's own.
pub(super) fn check(id: &str, outcome: Outcome, observed: String, advice: &str) -> Check {
    check_with(id, outcome, observed, limit_of(id), advice)
}

fn limit_of(id: &str) -> String {
    rule(id).map_or_else(String::new, Rule::limit)
}

/// A check whose limit follows from the study, such as its latency bound.
pub(super) fn check_with(id: &str, outcome: Outcome, observed: String, limit: String, advice: &str) -> Check {
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
pub(super) fn unknown(id: &str, observed: &str) -> Check {
    unknown_with(id, observed, limit_of(id))
}

/// The same of a check whose limit follows from the study.
pub(super) fn unknown_with(id: &str, observed: &str, limit: String) -> Check {
    let how = rule(id).map_or("", |rule| rule.observed);
    check_with(id, Outcome::Unknown, observed.to_owned(), limit, how)
}

fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Passed } else { Outcome::Failed }
}

/// Whether any node was timed.
fn is_timed(providers: &Providers) -> bool {
    providers.values().any(|placement| placement.time_share > 0.0)
}

/// Whether the networks really ran on `provider`.
pub fn placement(profile: Option<&Providers>, provider: &str) -> Check {
    let share = |providers: &Providers| providers.get(provider).map_or(0.0, |own| own.time_share);
    let Some(share) = profile.filter(|providers| is_timed(providers)).map(share) else {
        return unknown("placement", "no profile");
    };
    check(
        "placement",
        outcome(share >= PLACED),
        format!("{:.1} % of node time on {provider}", share * 100.0),
        "part of the networks ran elsewhere: these figures are not this backend's",
    )
}

/// The placement of a runtime that has no other place to run a node: there is nothing to observe.
pub fn placed_by_construction(provider: &str) -> Check {
    check(
        "placement",
        Outcome::Passed,
        format!("placed by construction on {provider}: this runtime has no other place"),
        "",
    )
}

/// Whether the numbers inside each network, the detector and the recognizer, are of the precision that the arm was asked for.
pub fn precision(
    profile: Option<&Providers>,
    operators: Option<&Operators>,
    (detector, recognizer): (Precision, Precision),
) -> Check {
    let advice = "give the precision that the networks have: precision=fp32, fp16 or int8, and with int8 \
                  detector-precision=fp32 or int8";
    if !profile.is_some_and(is_timed) {
        return unknown("precision", "no profile");
    }
    let Some(operators) = operators else {
        let observed = "the provider compiles whole graphs and shows no operators; agreement is the check of its numbers";
        return unknown("precision", observed);
    };
    let (mut passed, mut observed) = (true, Vec::new());
    let networks = [
        ("detector", operators.detector, detector),
        ("recognizer", operators.recognizer, recognizer),
    ];
    // Without a face in the photos the recognizer did not run.
    for (name, numbers, asked) in networks.into_iter().filter(|(_, numbers, _)| numbers.all_us > 0) {
        let share = |time: u64| time as f64 / numbers.all_us as f64;
        let (int8, half) = (share(numbers.quantized_us), share(numbers.half_us));
        passed &= match asked {
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
    check("precision", outcome(passed), observed.join("; "), advice)
}

/// Whether each measured pass saw as many faces as the check pass whose answers were compared.
pub fn repeatable(blocks: &[Block], pass: &CheckPass) -> Check {
    let expected = pass.faces;
    let by_pass = |block: &Block| block.faces as f64 * pass.photos as f64 / block.images as f64;
    let off = |faces: f64| (faces - expected as f64).abs();
    let worst = blocks
        .iter()
        .map(by_pass)
        .max_by(|a, b| off(*a).total_cmp(&off(*b)));
    let advice = "the arm does not give the same answer twice: its agreement proves nothing";
    match worst {
        None => unknown("repeatable", "nothing was measured"),
        Some(worst) => check(
            "repeatable",
            outcome(off(worst) < 1e-9),
            format!("{worst} faces a pass, and {expected} in the check pass"),
            advice,
        ),
    }
}

/// Whether the answers are as right as the workload's networks give them elsewhere.
pub fn ground_truth(accuracy: &Accuracy, target: QualityTarget) -> Check {
    let limit = format!(
        "detection AP {:.2}, TAR {:.2} at FAR {FALSE_ACCEPTS}",
        target.detection_ap, target.tar
    );
    let advice =
        "the networks do not do here what they do elsewhere: find out why before believing any figure";
    let (Some(ap), Some(verification)) = (accuracy.detection_ap, &accuracy.verification) else {
        return unknown_with("ground-truth", "too few known faces", limit);
    };
    check_with(
        "ground-truth",
        outcome(ap >= target.detection_ap && verification.tar >= target.tar),
        format!(
            "detection AP {ap:.3}, TAR {:.3} over {} same-person and {} different-person pairs",
            verification.tar, verification.same_pairs, verification.different_pairs
        ),
        limit,
        advice,
    )
}

/// Whether the device waited for photos: it came near to the images a second that so many host cores can decode, resize
/// and align. `None` where each stream does that for itself.
pub fn decode_bound(blocks: &[Block], cores: usize) -> Option<Check> {
    let ceiling = figures::photo_ceiling(blocks, cores)?;
    let share = figures::images_per_second(blocks)?.median / ceiling;
    let plural = if cores == 1 { "" } else { "s" };
    Some(check(
        "decode-bound",
        outcome(share < DECODE),
        format!(
            "{cores} host core{plural} can decode, resize and align {ceiling:.0} images/s; the arm reached {:.0} % of that",
            share * 100.0
        ),
        "the device waits for photos: give it more host cores, or photos that are cheaper to decode",
    ))
}

/// Whether the machine's noise floor is known, and small. Of a study, not of an arm.
pub fn noise_floor(floor: Option<f64>) -> Check {
    let advice = "this machine is noisy: differences smaller than its floor are not distinguished";
    match floor {
        Some(floor) => check(
            "noise-floor",
            outcome(floor <= MARGIN),
            format!("{:.1} %", floor * 100.0),
            advice,
        ),
        None => unknown("noise-floor", "never measured here"),
    }
}

/// Whether a vGPU was licensed all the time.
pub fn license(license: &License) -> Check {
    let word = |licensed: Option<bool>| match licensed {
        Some(true) => "licensed",
        Some(false) => "not licensed",
        None => "unknown",
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
    use crate::{analysis::figures::tests::block, record::OperatorTimes};

    fn placed(cpu: f64, cuda: f64) -> Providers {
        let of = |nodes, time_share| Placement { nodes, time_share };
        [
            ("CPUExecutionProvider".into(), of(3, cpu)),
            ("CUDAExecutionProvider".into(), of(9, cuda)),
        ]
        .into()
    }

    #[test]
    fn half_on_the_cpu_is_not_on_the_gpu() {
        let of = |cpu, cuda| placement(Some(&placed(cpu, cuda)), "CUDAExecutionProvider").outcome;
        assert_eq!(of(0.5, 0.5), Outcome::Failed);
        assert_eq!(of(0.04, 0.96), Outcome::Passed);
        assert_eq!(of(0.0, 0.0), Outcome::Unknown);
        assert_eq!(placement(None, "x").outcome, Outcome::Unknown);
    }

    #[test]
    fn a_precision_is_compared_with_the_operators() {
        let times = |all_us, quantized_us| OperatorTimes {
            all_us,
            quantized_us,
            half_us: 0,
        };
        let of = |detector, recognizer| Operators { detector, recognizer };
        let on_cpu = placed(1.0, 0.0);
        let asked = |asked, quantized| {
            let times = times(100, quantized);
            precision(Some(&on_cpu), Some(&of(times, times)), (asked, asked)).outcome
        };
        assert_eq!(asked(Precision::Int8, 0), Outcome::Failed);
        assert_eq!(asked(Precision::Int8, 60), Outcome::Passed);
        assert_eq!(asked(Precision::Fp32, 60), Outcome::Failed);
        assert_eq!(asked(Precision::Fp32, 0), Outcome::Passed);
        assert_eq!(asked(Precision::Fp16, 0), Outcome::Failed);

        let mut mixed = of(times(100, 0), times(100, 90));
        let of_mixed = |mixed: &Operators, detector, recognizer| {
            precision(Some(&on_cpu), Some(mixed), (detector, recognizer))
        };
        let check = of_mixed(&mixed, Precision::Fp32, Precision::Int8);
        assert_eq!(check.outcome, Outcome::Passed);
        insta::assert_snapshot!(check.observed, @"detector 0.0 % quantized, 0.0 % 16-bit; recognizer 90.0 % quantized, 0.0 % 16-bit");
        let outcome = |mixed: &Operators, both| of_mixed(mixed, both, both).outcome;
        assert_eq!(outcome(&mixed, Precision::Int8), Outcome::Failed);
        assert_eq!(outcome(&mixed, Precision::Fp32), Outcome::Failed);
        // One face in a large photo: its few node times are the recognizer's own, and no share of the detector's.
        mixed.detector.all_us = 1_000_000;
        assert_eq!(
            of_mixed(&mixed, Precision::Fp32, Precision::Int8).outcome,
            Outcome::Passed
        );
        let both = (Precision::Fp32, Precision::Fp32);
        let nowhere = precision(Some(&placed(0.0, 0.0)), Some(&mixed), both);
        let compiled = precision(Some(&on_cpu), None, both);
        assert_eq!(
            (nowhere.outcome, compiled.outcome),
            (Outcome::Unknown, Outcome::Unknown)
        );
    }

    #[test]
    fn status_is_the_worst_that_was_found() {
        let bad = |id: &str| check(id, Outcome::Failed, String::new(), "");
        let unknown = check("placement", Outcome::Unknown, String::new(), "");
        assert_eq!(status(&[]), Status::Valid);
        assert_eq!(status(std::slice::from_ref(&unknown)), Status::Valid);
        assert_eq!(status(&[bad("blocks")]), Status::Unstable);
        assert_eq!(status(&[bad("samples")]), Status::Valid, "only a note");
        assert_eq!(status(&[bad("blocks"), bad("agreement")]), Status::Invalid);
    }

    /// Five photos with ten faces in them.
    const PASS: CheckPass = CheckPass {
        photos: 5,
        bytes: 1,
        faces: 10,
        likeness: None,
        reference_is_fp32: Some(true),
    };

    #[test]
    fn every_pass_sees_the_same_faces() {
        let pass = |faces: &[usize]| {
            let of = |faces: &usize| Block {
                faces: *faces,
                ..block(0, 0, 1.0, 5)
            };
            repeatable(&faces.iter().map(of).collect::<Vec<_>>(), &PASS).outcome
        };
        assert_eq!(pass(&[10, 10]), Outcome::Passed);
        assert_eq!(pass(&[10, 9]), Outcome::Failed);
        assert_eq!(pass(&[]), Outcome::Unknown);
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
        // 100 images a second can be prepared by one core.
        let reaching = |images_per_second: f64, cores: usize| {
            let block = Block {
                pixel_seconds: Some(0.01 * images_per_second * cores as f64),
                ..block(0, 0, 1.0, images_per_second as usize)
            };
            decode_bound(&[block], cores).unwrap()
        };
        assert_eq!(reaching(95.0, 16).outcome, Outcome::Failed);
        let far = reaching(40.0, 1);
        assert_eq!(far.outcome, Outcome::Passed);
        assert!(decode_bound(&[block(0, 0, 1.0, 9)], 1).is_none());
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
            precision(None, None, (Precision::Fp32, Precision::Fp32)),
            repeatable(&[], &PASS),
            license(&License {
                before: None,
                after: None,
            }),
        ];
        assert!(made.iter().all(|check| rule(&check.id).is_some()));
    }
}
