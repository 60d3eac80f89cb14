//! Joins a hypervisor's log to the arms that were measured in its guests, by time and by the GPU's name.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    analysis::statistics,
    record::{Arm, BoardSample, HostLog, HostLogSummary, Record, VgpuSample, throttled_shares},
};

/// By how much the clocks of guest and host may differ: both are kept by NTP as a rule, and are then milliseconds apart.
pub const TOLERANCE: Duration = Duration::from_secs(2);

/// What one board or vGPU cannot exceed: the log is a file from another machine. A driver may count a little more than all.
const MOST_USE: f64 = 2.0;
const MOST_MHZ: f64 = 100_000.0;
const MOST_WATTS: f64 = 100_000.0;

/// Joins `log`, of the file `file`, to every arm of `record` whose GPU it saw and whose time it covers; what follows for the
/// arm's checks is for [`crate::analysis::derive`]. Reports each arm on a GPU that it could not be joined to, and why.
pub fn attach(record: &mut Record, file: &str, log: &HostLog) -> Vec<String> {
    let mut notes = Vec::new();
    let mut found = false;
    for arm in &mut record.arms {
        let Some(uuid) = arm.backend.gpu.clone().filter(|uuid| knows(log, uuid)) else {
            continue;
        };
        found = true;
        // What another log has of it stays.
        if arm.host_log.is_some() {
            continue;
        }
        match summarize(arm, &uuid, file, log) {
            Ok(summary) => arm.host_log = Some(summary),
            Err(why) => notes.push(format!(
                "{}: the host log {file} does not cover it: {why}; its checks stay as they are",
                arm.label
            )),
        }
    }
    if !found {
        notes.push(format!(
            "the host log {file} has none of the GPUs of these records; it is of {}",
            names(log)
        ));
    }
    notes
}

/// A driver writes `GPU-` before the name of a device, and not before that of a vGPU on its host.
fn same(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        name.trim_start_matches("GPU-")
            .trim_start_matches("MIG-")
            .to_lowercase()
    };
    plain(a) == plain(b)
}

fn is(name: Option<&String>, uuid: &str) -> bool {
    name.is_some_and(|name| same(name, uuid))
}

/// The vGPU of that name in a sample.
fn own<'a>(sample: &'a BoardSample, uuid: &str) -> Option<&'a VgpuSample> {
    let mut all = sample.vgpus.iter().flatten();
    all.find(|vgpu| is(vgpu.uuid.as_ref(), uuid))
}

/// The sample of the board that the device `uuid` is, or is on.
fn board_of<'a>(samples: &'a [BoardSample], uuid: &str) -> Option<&'a BoardSample> {
    samples
        .iter()
        .find(|sample| is(sample.uuid.as_ref(), uuid) || own(sample, uuid).is_some())
}

fn knows(log: &HostLog, uuid: &str) -> bool {
    log.samples
        .iter()
        .any(|sample| board_of(&sample.gpus, uuid).is_some())
}

/// The GPUs that a log is of, at most ten.
fn names(log: &HostLog) -> String {
    let boards = log.header.gpus.iter().filter_map(|gpu| gpu.uuid.clone());
    let samples = log.samples.iter().flat_map(|sample| &sample.gpus);
    let vgpus = samples.flat_map(|sample| sample.vgpus.iter().flatten().filter_map(|vgpu| vgpu.uuid.clone()));
    let mut names: Vec<String> = boards.chain(vgpus).collect();
    names.sort();
    names.dedup();
    names.truncate(10);
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// When each block of an arm began and ended.
fn spans(arm: &Arm) -> Option<Vec<(Timestamp, Timestamp)>> {
    arm.blocks
        .iter()
        .map(|block| {
            let began: Timestamp = block.began_at.as_ref()?.parse().ok()?;
            let lasted = Duration::try_from_secs_f64(block.seconds).ok()?;
            Some((began, began.checked_add(lasted).ok()?))
        })
        .collect()
}

fn summarize(arm: &Arm, uuid: &str, file: &str, log: &HostLog) -> Result<HostLogSummary, String> {
    let spans =
        spans(arm).ok_or("its record does not say when its blocks began: measure with this version")?;
    let all: Vec<(Timestamp, &[BoardSample])> = log
        .samples
        .iter()
        .filter_map(|sample| Some((sample.at.parse().ok()?, sample.gpus.as_slice())))
        .collect();
    let within = |at: Timestamp, (began, ended): (Timestamp, Timestamp)| {
        at.saturating_add(TOLERANCE).is_ok_and(|late| late >= began)
            && ended.saturating_add(TOLERANCE).is_ok_and(|late| late >= at)
    };
    let in_time = |at: Timestamp| spans.iter().any(|span| within(at, *span));
    // A sample of a board without the arm's vGPU, which had gone or was not there yet, is none of the arm.
    let timed: Vec<(Timestamp, &BoardSample)> = all
        .iter()
        .filter(|(at, _)| in_time(*at))
        .filter_map(|(at, gpus)| Some((*at, board_of(gpus, uuid)?)))
        .collect();
    if timed.is_empty() {
        return Err(no_overlap(&spans, &all));
    }
    let blocks_covered = spans
        .iter()
        .filter(|span| timed.iter().any(|(at, _)| within(*at, **span)))
        .count();
    let samples: Vec<&BoardSample> = timed.into_iter().map(|(_, sample)| sample).collect();
    let mut summary = HostLogSummary {
        file: file.to_owned(),
        version: log.header.version.clone(),
        board: samples[0].uuid.clone(),
        vgpu_type: own(samples[0], uuid).and_then(|vgpu| vgpu.vgpu_type.clone()),
        samples: samples.len(),
        blocks_covered,
        tolerance_seconds: TOLERANCE.as_secs_f64(),
        ..HostLogSummary::default()
    };
    let board = log
        .header
        .gpus
        .iter()
        .find(|gpu| gpu.uuid.is_some() && gpu.uuid == summary.board);
    summary.scheduler = board.and_then(|gpu| gpu.scheduler.clone());
    if summary.scheduler.is_none() {
        let why = board.and_then(|gpu| gpu.unavailable.get("scheduler").cloned());
        summary.because("scheduler", why);
    }
    other_vgpus(&mut summary, &samples, uuid);
    condition(&mut summary, &samples);
    license(&mut summary, &samples, uuid);
    Ok(summary)
}

/// Why no sample is within the arm's blocks.
fn no_overlap(spans: &[(Timestamp, Timestamp)], samples: &[(Timestamp, &[BoardSample])]) -> String {
    let first = spans.iter().map(|(began, _)| began).min();
    let last = spans.iter().map(|(_, ended)| ended).max();
    let (Some((from, _)), Some((to, _)), Some(first), Some(last)) =
        (samples.first(), samples.last(), first, last)
    else {
        return "the log or the arm is empty".to_owned();
    };
    format!(
        "its samples are from {from:.0} to {to:.0}, and the arm was measured from {first:.0} to {last:.0}: none of the arm's \
         GPU is within a block; the clocks of guest and host may differ by {} s at most",
        TOLERANCE.as_secs()
    )
}

impl HostLogSummary {
    fn because(&mut self, field: &str, why: Option<String>) {
        let why = why.unwrap_or_else(|| "it is not in the log".to_owned());
        self.unavailable.insert(field.to_owned(), why);
    }

    /// The values of all samples, or `None` with the reason of the first that has none under each of `fields`.
    fn all<T>(
        &mut self,
        fields: &[&str],
        samples: &[&BoardSample],
        of: impl Fn(&BoardSample) -> Result<T, Option<String>>,
    ) -> Option<Vec<T>> {
        match samples.iter().map(|sample| of(sample)).collect() {
            Ok(values) => Some(values),
            Err(why) => {
                for field in fields {
                    self.because(field, why.clone());
                }
                None
            }
        }
    }
}

/// A value of a sample, or why it is missing.
fn value<T>(value: Option<T>, field: &str, sample: &BoardSample) -> Result<T, Option<String>> {
    value.ok_or_else(|| sample.unavailable.get(field).cloned())
}

/// A number of a sample that can be: not below 0, and at most `most`; or why it is missing.
fn number(found: Option<f64>, most: f64, field: &str, sample: &BoardSample) -> Result<f64, Option<String>> {
    let found = value(found, field, sample)?;
    if (0.0..=most).contains(&found) {
        return Ok(found);
    }
    Err(Some(format!("the log has a {field} of {found}, which cannot be")))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn other_vgpus(summary: &mut HostLogSummary, samples: &[&BoardSample], uuid: &str) {
    let others = |sample: &BoardSample| -> Result<Vec<VgpuSample>, Option<String>> {
        let all = value(sample.vgpus.clone(), "vgpus", sample)?;
        // One without a name may be the arm's own or not.
        if let Some(nameless) = all.iter().find(|vgpu| vgpu.uuid.is_none()) {
            return Err(nameless.unavailable.get("uuid").cloned());
        }
        let other = |vgpu: &VgpuSample| !is(vgpu.uuid.as_ref(), uuid);
        Ok(all.into_iter().filter(other).collect())
    };
    let counted = ["other_vgpus_max", "other_vgpus_mean"];
    if let Some(counts) = summary.all(&counted, samples, |sample| Ok(others(sample)?.len())) {
        summary.other_vgpus_max = counts.iter().max().copied();
        let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
        summary.other_vgpus_mean = Some(mean(&counts));
    }
    let used = |sample: &BoardSample| {
        others(sample)?
            .iter()
            .map(|vgpu| {
                let missing = || vgpu.unavailable.get("utilization").cloned();
                let used = vgpu.utilization.ok_or_else(missing)?;
                number(Some(used), MOST_USE, "utilization", sample)
            })
            .sum::<Result<f64, _>>()
    };
    if let Some(used) = summary.all(&["other_vgpus_use_max", "other_vgpus_use_mean"], samples, used) {
        summary.other_vgpus_use_max = used.iter().copied().reduce(f64::max);
        summary.other_vgpus_use_mean = Some(mean(&used));
    }
}

fn condition(summary: &mut HostLogSummary, samples: &[&BoardSample]) {
    let clock = |sample: &BoardSample| number(sample.sm_clock_mhz, MOST_MHZ, "sm_clock_mhz", sample);
    if let Some(clocks) = summary.all(&["sm_clock_mhz_min", "sm_clock_mhz_median"], samples, clock) {
        summary.sm_clock_mhz_min = clocks.iter().copied().reduce(f64::min);
        summary.sm_clock_mhz_median = statistics::median(&clocks);
    }
    let power = |sample: &BoardSample| number(sample.power_watts, MOST_WATTS, "power_watts", sample);
    let watts = summary.all(&["power_watts_median"], samples, power);
    summary.power_watts_median = watts.and_then(|watts| statistics::median(&watts));
    let reasons = |sample: &BoardSample| value(sample.throttled_by.clone(), "throttled_by", sample);
    let reasons = summary.all(&["slowed_share", "power_capped_share"], samples, reasons);
    let shares = reasons.and_then(|reasons| throttled_shares(reasons.iter().map(Vec::as_slice)));
    summary.slowed_share = shares.map(|(slowed, _)| slowed);
    summary.power_capped_share = shares.map(|(_, capped)| capped);
}

/// Of the arm's own vGPU; a board needs none.
fn license(summary: &mut HostLogSummary, samples: &[&BoardSample], uuid: &str) {
    if samples.iter().any(|sample| is(sample.uuid.as_ref(), uuid)) {
        summary.because("licensed", Some("the arm had the board itself".to_owned()));
        return;
    }
    let held = |sample: &BoardSample| {
        let vgpu = own(sample, uuid).ok_or(None)?;
        vgpu.licensed
            .ok_or_else(|| vgpu.unavailable.get("licensed").cloned())
    };
    // One sample without a licence is enough, whatever the others hold.
    if samples.iter().any(|sample| held(sample) == Ok(false)) {
        summary.licensed = Some(false);
    } else if summary.all(&["licensed"], samples, held).is_some() {
        summary.licensed = Some(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_with_and_without_its_prefix() {
        assert!(same("GPU-AAAA-01", "aaaa-01"));
        assert!(!same("GPU-aaaa-01", "aaaa-02"));
    }

    fn sample(vgpus: &[(&str, Option<f64>, Option<bool>)]) -> BoardSample {
        let vgpu = |(uuid, utilization, licensed): &(&str, Option<f64>, Option<bool>)| VgpuSample {
            uuid: Some((*uuid).to_owned()),
            utilization: *utilization,
            licensed: *licensed,
            ..VgpuSample::default()
        };
        BoardSample {
            uuid: Some("GPU-board".to_owned()),
            sm_clock_mhz: Some(1000.0),
            vgpus: Some(vgpus.iter().map(vgpu).collect()),
            ..BoardSample::default()
        }
    }

    #[test]
    fn the_arm_s_own_vgpu_is_no_other() {
        let samples = [
            sample(&[("me", Some(0.9), Some(true)), ("other", Some(0.2), None)]),
            sample(&[("me", Some(0.9), Some(true))]),
        ];
        let samples: Vec<&BoardSample> = samples.iter().collect();
        let mut summary = HostLogSummary::default();
        other_vgpus(&mut summary, &samples, "GPU-me");
        condition(&mut summary, &samples);
        license(&mut summary, &samples, "GPU-me");
        assert_eq!(
            (summary.other_vgpus_max, summary.other_vgpus_mean),
            (Some(1), Some(0.5))
        );
        assert_eq!(
            (summary.other_vgpus_use_max, summary.other_vgpus_use_mean),
            (Some(0.2), Some(0.1))
        );
        assert_eq!(summary.sm_clock_mhz_min, Some(1000.0));
        assert_eq!((summary.power_watts_median, summary.slowed_share), (None, None));
        assert!(summary.unavailable.contains_key("power_watts_median"));
        assert_eq!(summary.licensed, Some(true));
    }

    #[test]
    fn numbers_that_cannot_be_are_missing() {
        for (mhz, use_of_other) in [(-1.0, 1e308), (1e300, f64::INFINITY), (f64::NAN, -0.1)] {
            let mut bad = sample(&[("me", Some(0.9), None), ("other", Some(use_of_other), None)]);
            bad.sm_clock_mhz = Some(mhz);
            let samples = [&bad, &bad];
            let mut summary = HostLogSummary::default();
            other_vgpus(&mut summary, &samples, "me");
            condition(&mut summary, &samples);
            assert_eq!(
                (summary.other_vgpus_use_mean, summary.sm_clock_mhz_min),
                (None, None)
            );
            let why = &summary.unavailable["sm_clock_mhz_min"];
            assert!(why.contains("cannot be"), "{why}");
        }
    }

    #[test]
    fn one_silent_vgpu_leaves_their_use_unknown() {
        let samples = [sample(&[("me", None, Some(false)), ("other", None, None)])];
        let samples: Vec<&BoardSample> = samples.iter().collect();
        let mut summary = HostLogSummary::default();
        other_vgpus(&mut summary, &samples, "me");
        license(&mut summary, &samples, "me");
        assert_eq!(
            (summary.other_vgpus_max, summary.other_vgpus_use_mean),
            (Some(1), None)
        );
        assert_eq!(summary.licensed, Some(false));
    }
}
