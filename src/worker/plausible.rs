//! What a worker may say: numbers that can be. A worker may be any program, and a crash or a fault of ours can garble what it
//! says; what cannot be must not reach sums, loops and records.

use std::time::Duration;

use super::protocol::{Block, Ceiling, Completions, ObservedProfile, PhotoAnswer, Ready, Reply, WarmedUp};
use crate::pipeline::StageTimes;

/// Longer than any study.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// More photos, faces or entries than any block can have.
const MOST: u64 = 1 << 40;
/// The latest time that a clock may show: the year 2200, microseconds since 1970.
const LATEST_US: u64 = 7_258_118_400_000_000;
/// Photos of one run.
const MOST_PHOTOS_A_RUN: usize = 1 << 20;
/// Characters of a name or an option's value.
const LONGEST_NAME: usize = 10_000;
/// Bytes of memory of one process.
const MOST_MEMORY: u64 = 1 << 50;

/// What cannot be in `reply`; `None` where all can.
pub(super) fn impossible(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Ready(ready) => in_ready(ready),
        Reply::Photo {
            answer: Ok(answer), ..
        } => in_photo(answer),
        Reply::Observed {
            profile: Some(profile),
            ..
        } => in_profile(profile),
        Reply::WarmedUp(WarmedUp { images, seconds, .. }) => {
            count("images", *images as u64).or_else(|| time("seconds", *seconds))
        }
        Reply::Block(block) => in_block(block),
        Reply::Ceiling(ceiling) => in_ceiling(ceiling),
        Reply::Completions(completions) => in_completions(completions),
        Reply::Progress { images } => count("images", *images as u64),
        Reply::BackgroundLoadBegan { began_us } => moment("began_us", *began_us),
        Reply::Finished {
            rss_peak_bytes: Ok(bytes),
        } if *bytes > MOST_MEMORY => Some(format!("rss_peak_bytes is {bytes}")),
        _ => None,
    }
}

fn in_ready(ready: &Ready) -> Option<String> {
    let names = [&ready.runtime, &ready.version, &ready.provider, &ready.device];
    let options = ready.options.iter().flat_map(|(name, value)| [name, value]);
    if names
        .into_iter()
        .chain(options)
        .any(|text| text.len() > LONGEST_NAME)
    {
        return Some(format!("a name is longer than {LONGEST_NAME} bytes"));
    }
    let times = [
        ("load", ready.load),
        ("shapes", ready.shapes),
        ("first_image", ready.first_image),
    ];
    let loaded = ready.loaded.as_ref().and_then(|loaded| {
        let (width, height) = loaded.canvas;
        let sides = [width, height, loaded.detector_batch, loaded.recognizer_batch];
        let large = sides.into_iter().find(|side| *side > MOST_PHOTOS_A_RUN)?;
        Some(format!("a canvas or a batch is {large}"))
    });
    times
        .into_iter()
        .find_map(|(name, value)| duration(name, value))
        .or(loaded)
}

fn in_photo(answer: &PhotoAnswer) -> Option<String> {
    for face in &answer.faces {
        let detection = &face.detection;
        let area: [f32; 4] = detection.bounding_box.into();
        let landmarks = detection.landmarks.iter().flatten();
        // Embeddings are for the agreement check, which says more about broken ones.
        let mut numbers = area.iter().chain(landmarks).chain([&detection.score]);
        if numbers.any(|value| !value.is_finite()) {
            return Some("a face has a number that is none".to_owned());
        }
    }
    duration("time", answer.time)
}

fn in_profile(profile: &ObservedProfile) -> Option<String> {
    let nodes = profile
        .providers
        .values()
        .flat_map(|(nodes, us)| [*nodes as u64, *us]);
    let kinds = [profile.detector, profile.recognizer];
    let kinds = kinds
        .iter()
        .flat_map(|times| [times.all_us, times.quantized_us, times.half_us]);
    nodes
        .chain(kinds)
        .find_map(|value| count("a time of the profile", value))
}

fn in_block(block: &Block) -> Option<String> {
    let histograms = [
        ("service", &block.service),
        ("response", &block.response),
        ("scheduling_delay", &block.scheduling_delay),
    ];
    let optional = [
        ("cpu_seconds", block.cpu_seconds),
        ("pixel_seconds", block.pixel_seconds),
    ];
    let strata = block.strata.iter();
    let strata = || {
        strata.clone().find_map(|(images, seconds)| {
            count("images of a stratum", *images as u64).or_else(|| time("seconds of a stratum", *seconds))
        })
    };
    time("seconds", block.seconds)
        .or_else(|| count("images", block.images as u64))
        .or_else(|| count("faces", block.faces as u64))
        .or_else(|| in_stages(&block.stages))
        .or_else(|| {
            histograms
                .into_iter()
                .find_map(|(name, entries)| in_histogram(name, entries))
        })
        .or_else(|| optional.into_iter().find_map(|(name, value)| work(name, value?)))
        .or_else(|| {
            count(
                "storage_bytes",
                block.storage_bytes.map_or(0, |bytes| bytes >> 20),
            )
        })
        .or_else(strata)
}

fn in_ceiling(ceiling: &Ceiling) -> Option<String> {
    count("images", ceiling.images as u64)
        .or_else(|| count("faces", ceiling.faces as u64))
        .or_else(|| in_stages(&ceiling.stages))
        .or_else(|| work("pixel_seconds", ceiling.pixel_seconds?))
        .or_else(|| duration("detector", ceiling.detector))
        .or_else(|| duration("recognizer", ceiling.recognizer))
        .or_else(|| {
            // Below 0 where the bare loop happened to be the slower one.
            let overhead = ceiling.harness_overhead;
            (!overhead.is_finite() || overhead.abs() > 1e6).then(|| format!("harness_overhead is {overhead}"))
        })
}

fn in_completions(completions: &Completions) -> Option<String> {
    let one = |answer: &super::protocol::Completion| {
        if answer.photos > MOST_PHOTOS_A_RUN {
            return Some(format!("{} photos were answered together", answer.photos));
        }
        count("photo", answer.photo as u64)
            .or_else(|| moment("begun_us", answer.begun_us))
            .or_else(|| moment("ended_us", answer.ended_us))
    };
    completions
        .streams
        .iter()
        .flatten()
        .find_map(one)
        .or_else(|| work("cpu_seconds", completions.cpu_seconds?))
}

fn in_stages(stages: &StageTimes) -> Option<String> {
    let times = [
        ("decode", stages.decode),
        ("detect", stages.detect),
        ("align", stages.align),
        ("embed", stages.embed),
        ("matching", stages.matching),
    ];
    // Of all streams together.
    times
        .into_iter()
        .find_map(|(name, value)| work(name, value.as_secs_f64()))
}

fn in_histogram(name: &str, entries: &[(u64, u64)]) -> Option<String> {
    let longest = LONGEST.as_micros() as u64;
    let sum = entries
        .iter()
        .try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count));
    if sum.is_none_or(|sum| sum > MOST) || entries.iter().any(|(micros, _)| *micros > longest) {
        return Some(format!("{name} has a time or a count that cannot be"));
    }
    None
}

fn count(name: &str, value: u64) -> Option<String> {
    (value > MOST).then(|| format!("{name} is {value}"))
}

fn moment(name: &str, value: u64) -> Option<String> {
    (value > LATEST_US).then(|| format!("{name} is {value}, a time after the year 2200"))
}

fn duration(name: &str, value: Duration) -> Option<String> {
    (value > LONGEST).then(|| format!("{name} is {} s", value.as_secs()))
}

/// Seconds by the clock.
fn time(name: &str, seconds: f64) -> Option<String> {
    let can_be = (0.0..=LONGEST.as_secs_f64()).contains(&seconds);
    (!can_be).then(|| format!("{name} is {seconds}"))
}

/// Seconds of many threads together.
fn work(name: &str, seconds: f64) -> Option<String> {
    let can_be = (0.0..=10_000.0 * LONGEST.as_secs_f64()).contains(&seconds);
    (!can_be).then(|| format!("{name} is {seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a reply as it comes from a worker.
    fn judge(line: &str) -> Option<String> {
        impossible(&serde_json::from_str(line).unwrap())
    }

    const BLOCK: &str = r#"{"type":"block","seconds":1.5,"images":10,"faces":20,"stages":{"decode":{"secs":1,"nanos":0},
        "detect":{"secs":1,"nanos":0},"align":{"secs":0,"nanos":0},"embed":{"secs":0,"nanos":0},
        "matching":{"secs":0,"nanos":0}},"strata":[[10,1.0]],"service":[[100,10]],"response":[],"scheduling_delay":[],
        "cpu_seconds":3.0,"pixel_seconds":null,"storage_bytes":null,"given_up":false}"#;

    #[test]
    fn a_block_that_can_be_is_taken_and_one_that_cannot_is_not() {
        assert_eq!(judge(BLOCK), None);
        for (from, to) in [
            ("\"seconds\":1.5", "\"seconds\":-1.5"),
            ("\"seconds\":1.5", "\"seconds\":1e300"),
            ("\"images\":10", "\"images\":10000000000000000"),
            ("\"faces\":20", "\"faces\":18446744073709551615"),
            ("[[100,10]]", "[[100,18446744073709551615]]"),
            ("[[100,10]]", "[[1,9223372036854775808],[2,9223372036854775808]]"),
            ("[[100,10]]", "[[18446744073709551615,1]]"),
            (
                "\"decode\":{\"secs\":1",
                "\"decode\":{\"secs\":18446744073709551615",
            ),
            ("[[10,1.0]]", "[[10,-1.0]]"),
            ("\"cpu_seconds\":3.0", "\"cpu_seconds\":-3.0"),
        ] {
            assert!(BLOCK.contains(from));
            assert!(judge(&BLOCK.replace(from, to)).is_some(), "{to}");
        }
    }

    #[test]
    fn answers_that_would_be_counted_for_ever_are_none() {
        let line = |photos: &str, ended: &str| {
            format!(
                r#"{{"type":"completions","streams":[[{{"photo":0,"photos":{photos},"begun_us":5,"ended_us":{ended}}}]],
                "cpu_seconds":null}}"#
            )
        };
        assert_eq!(judge(&line("8", "10")), None);
        assert!(judge(&line("1000000000000", "10")).is_some());
        assert!(judge(&line("8", "18446744073709551615")).is_some());
    }

    #[test]
    fn faces_have_numbers() {
        let line = |score: &str| {
            format!(
                r#"{{"type":"photo","index":0,"answer":{{"Ok":{{"faces":[{{"box":[0,0,9,9],
                "landmarks":[[1,1],[2,2],[3,3],[4,4],[5,5]],"score":{score},"embedding":[1.0,0.0]}}],
                "time":{{"secs":0,"nanos":5}}}}}}}}"#
            )
        };
        assert_eq!(judge(&line("0.5")), None);
        assert_eq!(judge(&line("0.5").replace("[1.0,0.0]", "[1e39,0.0]")), None);
        assert_eq!(
            judge(&line("1e39")).as_deref(),
            Some("a face has a number that is none")
        );
    }

    #[test]
    fn other_replies_are_bounded_too() {
        assert_eq!(judge(r#"{"type":"progress","images":5}"#), None);
        for line in [
            r#"{"type":"progress","images":18446744073709551615}"#,
            r#"{"type":"background-load-began","began_us":18446744073709551615}"#,
            r#"{"type":"warmed-up","images":1,"seconds":-1.0,"steady":null}"#,
            r#"{"type":"finished","rss_peak_bytes":{"Ok":18446744073709551615}}"#,
        ] {
            assert!(judge(line).is_some(), "{line}");
        }
    }
}
