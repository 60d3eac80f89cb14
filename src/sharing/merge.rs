//! Records of several studies as one: arms side by side, compared with the first without pairing.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{
    host_log,
    merge_coordinated::{self, CoordinatedError, MachineRecord},
};
use crate::{
    analysis::{
        comparisons::{self, Pair, Terms},
        derive::derive_record,
    },
    record::{Arm, Comparison, HostLog, NetworkFacts, Record, Shard, Source, title},
};

/// Why records make no common record.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// They did not measure the same thing.
    #[error("{a} and {b} measured different things: {}", differences.join("; "))]
    Different {
        /// The first one's name or id.
        a: String,
        /// The other one's.
        b: String,
        /// What differs.
        differences: Vec<String>,
    },
    /// The same study twice.
    #[error("{0} is given twice")]
    Twice(String),
    /// Two measured the same part of the photos with arms of the same name.
    #[error("{a} and {b} both measured shard {shard}; leave one out")]
    SameShard {
        /// Its number, from 0.
        shard: usize,
        /// The first one's name or id.
        a: String,
        /// The other one's.
        b: String,
    },
    /// Machines of a coordinated run that make no common account of it.
    #[error(transparent)]
    Coordinated(#[from] CoordinatedError),
    /// There are no arms of the same name.
    #[error(
        "no arm has the same name in both ({a} against {b}); give them the same label, such as -b cuda,label=gpu"
    )]
    NoPair {
        /// The first one's arms.
        a: String,
        /// The other one's.
        b: String,
    },
    /// Nothing was given.
    #[error("no record is given")]
    Nothing,
}

fn title_of(record: &Record) -> String {
    title(record.name.as_deref(), &record.id)
}

/// One record of all arms of `records`: a fleet where each measured a shard, else each compared with the first.
pub fn merge(records: Vec<Record>) -> Result<Record, MergeError> {
    merge_with_host_logs(records, &[]).map(|(merged, _)| merged)
}

/// The same with host logs, each with its file's name; and notes of what they do not cover.
pub fn merge_with_host_logs(
    records: Vec<Record>,
    logs: &[(String, HostLog)],
) -> Result<(Record, Vec<String>), MergeError> {
    let mut merged = join(records, true)?;
    // Before arms are compared: a host log decides what they are worth.
    let notes = logs
        .iter()
        .flat_map(|(file, log)| host_log::attach(&mut merged, file, log))
        .collect();
    derive_record(&mut merged);
    Ok((merged, notes))
}

/// One record of two: each arm of `new` compared with the arm of the same label in `old`, or the only one against the
/// only one.
pub fn compare(old: Record, new: Record) -> Result<Record, MergeError> {
    let labels = |record: &Record| {
        record
            .arms
            .iter()
            .map(|arm| arm.label.clone())
            .collect::<Vec<_>>()
    };
    let (before, after) = (labels(&old), labels(&new));
    if old.workload.dataset.shard != new.workload.dataset.shard {
        return Err(MergeError::Different {
            a: title_of(&old),
            b: title_of(&new),
            differences: vec!["the shard".to_owned()],
        });
    }
    let mut merged = join(vec![old, new], false)?;
    derive_record(&mut merged);
    let (olds, news) = merged.arms.split_at(before.len());
    let pairs: Vec<Pair<'_>> = match (olds, news) {
        ([baseline], [arm]) => vec![Pair { arm, baseline }],
        _ => news
            .iter()
            .zip(&after)
            .filter_map(|(arm, label)| {
                let place = before.iter().position(|other| other == label)?;
                Some(Pair {
                    arm,
                    baseline: &olds[place],
                })
            })
            .collect(),
    };
    if pairs.is_empty() {
        return Err(MergeError::NoPair {
            a: before.join(", "),
            b: after.join(", "),
        });
    }
    let terms = Terms::of(&merged);
    merged.comparisons = if terms.comparable {
        comparisons::compare(&pairs, terms)
    } else {
        Vec::new()
    };
    Ok(merged)
}

/// The arms of a record of two that stand in no comparison, for want of one of the same label.
pub fn without_partner(merged: &Record) -> Vec<String> {
    let compared = |label: &String| {
        let has = |comparison: &Comparison| &comparison.arm == label || &comparison.baseline == label;
        merged.comparisons.iter().any(has)
    };
    let labels = merged.arms.iter().map(|arm| arm.label.clone());
    labels.filter(|label| !compared(label)).collect()
}

/// The records as one. Where they are kept `apart`, as parts of a fleet or a coordinated run, each shard is there once.
fn join(records: Vec<Record>, apart: bool) -> Result<Record, MergeError> {
    let lone = records.len() == 1;
    let machines: Vec<MachineRecord> = records.iter().filter_map(MachineRecord::of).collect();
    let mut records = records.into_iter().map(with_source);
    let mut merged = records.next().ok_or(MergeError::Nothing)?;
    for record in records {
        fits(&merged, &record, apart)?;
        add(&mut merged, record);
    }
    let Record { arms, sources, .. } = &mut merged;
    let before: Vec<String> = arms.iter().map(|arm| arm.label.clone()).collect();
    tell_apart(arms, sources);
    let renamed = |id: &str, label: &str| -> String {
        let arm = arms
            .iter()
            .zip(&before)
            .find(|(arm, before)| arm.source.as_deref() == Some(id) && *before == label);
        arm.map_or_else(|| label.to_owned(), |(arm, _)| arm.label.clone())
    };
    // One by itself stays what it is; those that are compared are no coordinated run.
    if !lone {
        let together = apart
            .then(|| merge_coordinated::combine(machines, &renamed))
            .transpose()?;
        merged.tenants = together.flatten();
    }
    merged.name = None;
    // A search is of its own study.
    merged.tune = None;
    Ok(merged)
}

/// Whether `record` may be a part of one record with `merged`.
fn fits(merged: &Record, record: &Record, apart: bool) -> Result<(), MergeError> {
    let differences = differences(merged, record);
    if !differences.is_empty() {
        return Err(MergeError::Different {
            a: title_of(merged),
            b: title_of(record),
            differences,
        });
    }
    let is_there = |source: &&Source| merged.sources.iter().any(|other| other.id == source.id);
    if let Some(twice) = record.sources.iter().find(is_there) {
        return Err(MergeError::Twice(title(twice.name.as_deref(), &twice.id)));
    }
    if let Some(shard) = same_shard(merged, record).filter(|_| apart) {
        return Err(MergeError::SameShard {
            shard,
            a: title_of(merged),
            b: title_of(record),
        });
    }
    Ok(())
}

/// Puts what `record` has into `merged`.
fn add(merged: &mut Record, record: Record) {
    merged.arms.extend(record.arms);
    merged.sources.extend(record.sources);
    merged.unavailable.extend(record.unavailable);
    for skipped in record.skipped {
        if !merged.skipped.contains(&skipped) {
            merged.skipped.push(skipped);
        }
    }
    merged.quick |= record.quick;
    merged.interrupted |= record.interrupted;
    merged.resumed.extend(record.resumed);
    merged.plan.margin = merged.plan.margin.max(record.plan.margin);
}

/// A record whose arms name their source.
fn with_source(mut record: Record) -> Record {
    if record.sources.is_empty() {
        for arm in &mut record.arms {
            arm.source = Some(record.id.clone());
        }
        record.sources = vec![record.as_source()];
    }
    record
}

/// Gives arms of the same label the names of their sources.
fn tell_apart(arms: &mut [Arm], sources: &[Source]) {
    let labels: Vec<String> = arms.iter().map(|arm| arm.label.clone()).collect();
    let before = labels.clone();
    for arm in &mut *arms {
        if labels.iter().filter(|label| **label == arm.label).count() > 1 {
            let source = sources
                .iter()
                .find(|source| Some(&source.id) == arm.source.as_ref());
            let title = source.map(|source| title(source.name.as_deref(), &source.id));
            arm.label = format!("{} @ {}", arm.label, title.unwrap_or_default());
        }
    }
    // Two studies of one name get their ids.
    let labels: Vec<String> = arms.iter().map(|arm| arm.label.clone()).collect();
    for arm in &mut *arms {
        if labels.iter().filter(|label| **label == arm.label).count() > 1 {
            let id = arm.source.as_deref().unwrap_or_default();
            arm.label = format!("{} {}", arm.label, title(None, id));
        }
    }
    // Answers were compared with an arm of the same study, by its old name.
    let names: Vec<(Option<String>, String, String)> = arms
        .iter()
        .zip(before)
        .map(|(arm, before)| (arm.source.clone(), before, arm.label.clone()))
        .collect();
    for arm in arms {
        let Some(accuracy) = &mut arm.accuracy else {
            continue;
        };
        let renamed = names
            .iter()
            .find(|(source, before, _)| *source == arm.source && *before == accuracy.reference);
        if let Some((.., label)) = renamed {
            accuracy.reference.clone_from(label);
        }
    }
}

/// The shards that the studies in a record measured.
fn shards(record: &Record) -> impl Iterator<Item = &Shard> {
    record.sources.iter().filter_map(|source| source.shard.as_ref())
}

/// A shard that both measured with arms of the same name.
fn same_shard(a: &Record, b: &Record) -> Option<usize> {
    let arms = |record: &Record| -> BTreeSet<(usize, String)> {
        let arm = |arm: &Arm| {
            let source = record.source_of(arm)?;
            Some((source.shard.as_ref()?.index, arm.label.clone()))
        };
        record.arms.iter().filter_map(arm).collect()
    };
    let shared = arms(a).intersection(&arms(b)).next().cloned();
    shared.map(|(index, _)| index)
}

/// Whether two networks were fed alike, as far as both records say how: the faces that are found, and are embedded, hang
/// on it.
fn same_feed(a: Option<&NetworkFacts>, b: Option<&NetworkFacts>) -> bool {
    let feed = |network: Option<&NetworkFacts>| {
        let feed = network?.feed.as_ref()?;
        Some((feed.channels.clone(), feed.mean.to_bits(), feed.divisor.to_bits()))
    };
    feed(a).zip(feed(b)).is_none_or(|(a, b)| a == b)
}

/// What was not the same in two studies, of all that decides how much work a photo is.
fn differences(a: &Record, b: &Record) -> Vec<String> {
    let (x, y) = (&a.workload, &b.workload);
    let mut list = Vec::new();
    let mut note = |what: &str, same: bool| {
        if !same {
            list.push(what.to_owned());
        }
    };
    let network = |network: &Option<NetworkFacts>| {
        network.as_ref().map(|network| {
            (
                network.sha256.clone(),
                network.input,
                network.score_threshold.map(f32::to_bits),
            )
        })
    };
    note("the scenario", x.scenario == y.scenario);
    note("the stage", x.stage == y.stage);
    match (shards(a).next(), shards(b).next()) {
        (Some(one), Some(other)) => {
            let whole = |shard: &Shard| (shard.whole_images, shard.whole_sha256.clone());
            note(
                "the photos that were dealt out (give all shards the same --photos and --seed)",
                whole(one) == whole(other),
            );
            note("the number of shards", one.of == other.of);
        }
        (None, None) => note(
            "the photos",
            (&x.dataset.sha256, x.dataset.images) == (&y.dataset.sha256, y.dataset.images),
        ),
        _ => note("all photos and a shard of them", false),
    }
    note("the detector", network(&x.detector) == network(&y.detector));
    note("the recognizer", network(&x.recognizer) == network(&y.recognizer));
    note(
        "how the detector is fed",
        same_feed(x.detector.as_ref(), y.detector.as_ref()),
    );
    note(
        "how the recognizer is fed",
        same_feed(x.recognizer.as_ref(), y.recognizer.as_ref()),
    );
    note(
        "facebench's version",
        a.tool.version == b.tool.version || shards(a).next().is_none(),
    );
    note("the rate", a.plan.request_rate == b.plan.request_rate);
    note("the latency bound", a.plan.latency_bound == b.plan.latency_bound);
    list
}
