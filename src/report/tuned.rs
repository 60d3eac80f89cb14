//! The result of a search in one sentence: which SPEC to use, how it compares with the bare one, and how sure that is.

use super::{
    format::{self, ratio},
    visible::visible,
};
use crate::record::{Comparison, Record, Status, Tune, Verdict};

/// The sentence for `tune`, the search of `record`.
pub fn sentence(record: &Record, tune: &Tune) -> String {
    let (record, tune) = (&*visible(record), &*visible(tune));
    let tried = tune.candidates.len();
    let held = tune
        .bound
        .map_or_else(String::new, |bound| format!(" with {}", format::bound(&bound)));
    let Some(chosen) = &tune.chosen else {
        let why = if record.interrupted {
            "the search was stopped before its end"
        } else if tune.bound.is_some() {
            "neither the bare SPEC nor any of the best of the search is known to hold it"
        } else {
            "none of the best could be confirmed"
        };
        return format!("Nothing is chosen{held}: {why}.");
    };
    let of = |label: &str| {
        let arm = record.arm(label);
        arm.map(|arm| arm.backend.requested.as_str())
    };
    let compared = |comparison: &Comparison| {
        let spec = of(&comparison.arm).unwrap_or(&comparison.arm);
        format!("{spec} is {}", against(comparison, &tune.bare))
    };
    if *chosen != tune.bare {
        let comparison = record
            .comparisons
            .iter()
            .find(|comparison| of(&comparison.arm) == Some(chosen));
        return match comparison {
            Some(comparison) => {
                // Only a bound makes a slower one the choice.
                let why = if comparison.verdict == Verdict::Faster {
                    String::new()
                } else {
                    format!("; {} itself does not hold that", tune.bare)
                };
                format!(
                    "Use {chosen}{held}: it is {}{why}.",
                    against(comparison, &tune.bare)
                )
            }
            None => format!("Use {chosen}{held}: {} itself does not count.", tune.bare),
        };
    }
    let rest: Vec<String> = record.comparisons.iter().map(compared).collect();
    if rest.is_empty() {
        format!("Keep {chosen}{held}: it is the best of {tried} candidates.")
    } else {
        format!(
            "Keep {chosen}{held}: the best of {tried} candidates were not shown to be better: {}.",
            rest.join("; ")
        )
    }
}

/// `faster, 1.050 x the images/s of cpu (95 % sure of 1.020 - 1.081)`.
fn against(comparison: &Comparison, bare: &str) -> String {
    let sure = match comparison.ratio.low {
        Some(_) => format!(" (95 % sure of {})", format::interval(&comparison.ratio)),
        None => " (one process: no interval)".to_owned(),
    };
    let trust = if comparison.status == Status::Valid {
        String::new()
    } else {
        format!(", not to be quoted: {}", comparison.reasons.join(", "))
    };
    format!(
        "{}, {} x the images/s of {bare}{sure}{trust}",
        format::verdict(comparison.verdict),
        ratio(comparison.ratio.median)
    )
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;
    use crate::record::LatencyBound;

    const BOUND: Option<LatencyBound> = Some(LatencyBound {
        ms: 50.0,
        percentile: 99.0,
    });

    fn sentence_of(change: impl FnOnce(&mut Record, &mut Tune)) -> String {
        let mut record = record(fixture::tuned());
        let mut tune = record.tune.clone().unwrap();
        change(&mut record, &mut tune);
        sentence(&record, &tune)
    }

    #[test]
    fn the_spec_to_use_stands_with_its_proof() {
        insta::assert_snapshot!(
            sentence_of(|_, _| {}),
            @"Use cpu,streams=4,threads=1: it is faster, 1.466 x the images/s of cpu (95 % sure of 1.422 - 1.510)."
        );
        let kept = sentence_of(|record, tune| {
            tune.chosen = Some("cpu".to_owned());
            record.comparisons[0].verdict = Verdict::Equivalent;
            record.comparisons[0].status = Status::Unstable;
            record.comparisons[0].reasons = vec!["a quick study is a first look".to_owned()];
        });
        insta::assert_snapshot!(kept, @"Keep cpu: the best of 4 candidates were not shown to be better: cpu,streams=4,threads=1 is equivalent, 1.466 x the images/s of cpu (95 % sure of 1.422 - 1.510), not to be quoted: a quick study is a first look.");
        let alone = sentence_of(|record, tune| {
            tune.chosen = Some("cpu".to_owned());
            record.comparisons.clear();
        });
        insta::assert_snapshot!(alone, @"Keep cpu: it is the best of 4 candidates.");
    }

    #[test]
    fn a_bound_is_named_and_may_choose_a_slower_one() {
        let slower = sentence_of(|record, tune| {
            tune.bound = BOUND;
            record.comparisons[0].verdict = Verdict::Slower;
        });
        insta::assert_snapshot!(slower, @"Use cpu,streams=4,threads=1 with p99 <= 50 ms: it is slower, 1.466 x the images/s of cpu (95 % sure of 1.422 - 1.510); cpu itself does not hold that.");
        let nothing = sentence_of(|_, tune| {
            tune.chosen = None;
            tune.bound = BOUND;
        });
        insta::assert_snapshot!(nothing, @"Nothing is chosen with p99 <= 50 ms: neither the bare SPEC nor any of the best of the search is known to hold it.");
    }

    #[test]
    fn nothing_is_chosen_for_a_reason() {
        let wrong = sentence_of(|record, _| record.comparisons.clear());
        insta::assert_snapshot!(wrong, @"Use cpu,streams=4,threads=1: cpu itself does not count.");
        let nothing = sentence_of(|_, tune| tune.chosen = None);
        insta::assert_snapshot!(nothing, @"Nothing is chosen: none of the best could be confirmed.");
        let stopped = sentence_of(|record, tune| {
            tune.chosen = None;
            record.interrupted = true;
        });
        insta::assert_snapshot!(stopped, @"Nothing is chosen: the search was stopped before its end.");
    }
}
