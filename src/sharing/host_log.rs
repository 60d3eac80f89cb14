//! Joins a hypervisor's log to the arms that were measured in its guests, by time and by the GPU's name.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    analysis::{checks, statistics},
    machine::gpu::{BoardSample, VgpuSample},
    record::{Arm, HostLog, HostLogSummary, Record, Status},
};

/// By how much the clocks of guest and host may differ: both are kept by NTP as a rule, and are then milliseconds apart.
pub const TOLERANCE: Duration = Duration::from_secs(2);

/// What slows a board down, in the words of [`crate::machine::GpuCounters`], but for its power cap.
const SLOWED: &[&str] = &[
    "thermal",
    "thermal (hardware)",
    "power brake (hardware)",
    "hardware slow-down",
];

/// Joins `log`, of the file `file`, to every arm of `record` whose GPU it saw and whose time it covers. Says of each arm
/// on a GPU what came of it, where nothing did.
pub fn attach(record: &mut Record, file: &str, log: &HostLog) -> Vec<String> {
    let mut told = Vec::new();
    let mut found = false;
    for arm in &mut record.arms {
        let Some(uuid) = arm.backend.gpu.clone().filter(|uuid| knows(log, uuid)) else {
            continue;
        };
        found = true;
        // What another log said of it stands.
        if arm.host_log.is_some() {
            continue;
        }
        match see(arm, &uuid, file, log) {
            Ok(witness) => {
                checks::host_log::settle(&mut arm.checks, &witness, arm.blocks.len());
                if arm.status != Status::Failed {
                    arm.status = checks::status(&arm.checks);
                }
                arm.host_log = Some(witness);
            }
            Err(why) => told.push(format!(
                "{}: the witness {file} does not help: {why}; its checks stay as they are",
                arm.label
            )),
        }
    }
    if !found {
        told.push(format!(
            "the witness {file} saw none of the GPUs of these records; its log is of {}",
            names(log)
        ));
    }
    told
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

/// The vGPU of that name at a look.
fn own<'a>(look: &'a BoardSample, uuid: &str) -> Option<&'a VgpuSample> {
    let mut all = look.vgpus.iter().flatten();
    all.find(|vgpu| is(vgpu.uuid.as_ref(), uuid))
}

/// The board at a look, where it is that of the device `uuid`.
fn board_of<'a>(looks: &'a [BoardSample], uuid: &str) -> Option<&'a BoardSample> {
    looks
        .iter()
        .find(|look| is(look.uuid.as_ref(), uuid) || own(look, uuid).is_some())
}

fn knows(log: &HostLog, uuid: &str) -> bool {
    log.samples
        .iter()
        .any(|sample| board_of(&sample.gpus, uuid).is_some())
}

/// The GPUs that a log is of, at most ten.
fn names(log: &HostLog) -> String {
    let boards = log.header.gpus.iter().filter_map(|gpu| gpu.uuid.clone());
    let looks = log.samples.iter().flat_map(|sample| &sample.gpus);
    let vgpus = looks.flat_map(|look| look.vgpus.iter().flatten().filter_map(|vgpu| vgpu.uuid.clone()));
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

fn see(arm: &Arm, uuid: &str, file: &str, log: &HostLog) -> Result<HostLogSummary, String> {
    let spans =
        spans(arm).ok_or("its record does not say when its blocks began: measure with this version")?;
    let samples: Vec<(Timestamp, &[BoardSample])> = log
        .samples
        .iter()
        .filter_map(|sample| Some((sample.at.parse().ok()?, sample.gpus.as_slice())))
        .collect();
    let within = |at: Timestamp, (began, ended): (Timestamp, Timestamp)| {
        at.saturating_add(TOLERANCE).is_ok_and(|late| late >= began)
            && ended.saturating_add(TOLERANCE).is_ok_and(|late| late >= at)
    };
    let in_time = |at: Timestamp| spans.iter().any(|span| within(at, *span));
    // A board whose vGPU had gone at a look, or was not there yet, tells nothing of the arm's.
    let looks: Vec<(Timestamp, &BoardSample)> = samples
        .iter()
        .filter(|(at, _)| in_time(*at))
        .filter_map(|(at, gpus)| Some((*at, board_of(gpus, uuid)?)))
        .collect();
    if looks.is_empty() {
        return Err(apart(&spans, &samples));
    }
    let blocks_covered = spans
        .iter()
        .filter(|span| looks.iter().any(|(at, _)| within(*at, **span)))
        .count();
    let looks: Vec<&BoardSample> = looks.into_iter().map(|(_, look)| look).collect();
    let mut witness = HostLogSummary {
        file: file.to_owned(),
        version: log.header.version.clone(),
        board: looks[0].uuid.clone(),
        vgpu_type: own(looks[0], uuid).and_then(|vgpu| vgpu.vgpu_type.clone()),
        samples: looks.len(),
        blocks_covered,
        tolerance_seconds: TOLERANCE.as_secs_f64(),
        ..HostLogSummary::default()
    };
    let board = log
        .header
        .gpus
        .iter()
        .find(|gpu| gpu.uuid.is_some() && gpu.uuid == witness.board);
    witness.scheduler = board.and_then(|gpu| gpu.scheduler.clone());
    if witness.scheduler.is_none() {
        let why = board.and_then(|gpu| gpu.unavailable.get("scheduler").cloned());
        witness.because("scheduler", why);
    }
    neighbours(&mut witness, &looks, uuid);
    condition(&mut witness, &looks);
    license(&mut witness, &looks, uuid);
    Ok(witness)
}

/// Why no look is within the arm's blocks.
fn apart(spans: &[(Timestamp, Timestamp)], samples: &[(Timestamp, &[BoardSample])]) -> String {
    let first = spans.iter().map(|(began, _)| began).min();
    let last = spans.iter().map(|(_, ended)| ended).max();
    let (Some((from, _)), Some((to, _)), Some(first), Some(last)) =
        (samples.first(), samples.last(), first, last)
    else {
        return "the log or the arm is empty".to_owned();
    };
    format!(
        "it looked from {from:.0} to {to:.0}, and the arm was measured from {first:.0} to {last:.0}, with none of its looks \
         at the arm's GPU in a block; the clocks of guest and host may differ by {} s at most",
        TOLERANCE.as_secs()
    )
}

impl HostLogSummary {
    fn because(&mut self, field: &str, why: Option<String>) {
        let why = why.unwrap_or_else(|| "the log does not tell".to_owned());
        self.unavailable.insert(field.to_owned(), why);
    }

    /// The values of all looks, or `None` with the reason of the first that has none under each of `fields`.
    fn all<T>(
        &mut self,
        fields: &[&str],
        looks: &[&BoardSample],
        of: impl Fn(&BoardSample) -> Result<T, Option<String>>,
    ) -> Option<Vec<T>> {
        match looks.iter().map(|look| of(look)).collect() {
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

/// A value of a look, or why it is missing.
fn value<T>(value: Option<T>, field: &str, look: &BoardSample) -> Result<T, Option<String>> {
    value.ok_or_else(|| look.unavailable.get(field).cloned())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn neighbours(witness: &mut HostLogSummary, looks: &[&BoardSample], uuid: &str) {
    let others = |look: &BoardSample| -> Result<Vec<VgpuSample>, Option<String>> {
        let all = value(look.vgpus.clone(), "vgpus", look)?;
        // One without a name may be the arm's own or not.
        if let Some(nameless) = all.iter().find(|vgpu| vgpu.uuid.is_none()) {
            return Err(nameless.unavailable.get("uuid").cloned());
        }
        let other = |vgpu: &VgpuSample| !is(vgpu.uuid.as_ref(), uuid);
        Ok(all.into_iter().filter(other).collect())
    };
    let counted = ["other_vgpus_max", "other_vgpus_mean"];
    if let Some(counts) = witness.all(&counted, looks, |look| Ok(others(look)?.len())) {
        witness.other_vgpus_max = counts.iter().max().copied();
        let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
        witness.other_vgpus_mean = Some(mean(&counts));
    }
    let used = |look: &BoardSample| {
        others(look)?
            .iter()
            .map(|vgpu| {
                vgpu.utilization
                    .ok_or_else(|| vgpu.unavailable.get("utilization").cloned())
            })
            .sum::<Result<f64, _>>()
    };
    if let Some(used) = witness.all(&["other_vgpus_use_max", "other_vgpus_use_mean"], looks, used) {
        witness.other_vgpus_use_max = used.iter().copied().reduce(f64::max);
        witness.other_vgpus_use_mean = Some(mean(&used));
    }
}

fn condition(witness: &mut HostLogSummary, looks: &[&BoardSample]) {
    let clock = |look: &BoardSample| value(look.sm_clock_mhz, "sm_clock_mhz", look);
    if let Some(clocks) = witness.all(&["sm_clock_mhz_min", "sm_clock_mhz_median"], looks, clock) {
        witness.sm_clock_mhz_min = clocks.iter().copied().reduce(f64::min);
        witness.sm_clock_mhz_median = statistics::median(&clocks);
    }
    let power = |look: &BoardSample| value(look.power_watts, "power_watts", look);
    let watts = witness.all(&["power_watts_median"], looks, power);
    witness.power_watts_median = watts.and_then(|watts| statistics::median(&watts));
    let held = |look: &BoardSample| value(look.throttled_by.clone(), "throttled_by", look);
    if let Some(held) = witness.all(&["slowed_share", "power_capped_share"], looks, held) {
        let share = |words: &[&str]| {
            let any = |by: &&Vec<String>| by.iter().any(|word| words.contains(&word.as_str()));
            held.iter().filter(any).count() as f64 / held.len() as f64
        };
        witness.slowed_share = Some(share(SLOWED));
        witness.power_capped_share = Some(share(&["power cap"]));
    }
}

/// Of the arm's own vGPU; a board needs none.
fn license(witness: &mut HostLogSummary, looks: &[&BoardSample], uuid: &str) {
    if looks.iter().any(|look| is(look.uuid.as_ref(), uuid)) {
        witness.because("licensed", Some("the arm had the board itself".to_owned()));
        return;
    }
    let held = |look: &BoardSample| {
        let vgpu = own(look, uuid).ok_or(None)?;
        vgpu.licensed
            .ok_or_else(|| vgpu.unavailable.get("licensed").cloned())
    };
    // One look without a licence is enough, whatever the others could tell.
    if looks.iter().any(|look| held(look) == Ok(false)) {
        witness.licensed = Some(false);
    } else if witness.all(&["licensed"], looks, held).is_some() {
        witness.licensed = Some(true);
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

    fn look(vgpus: &[(&str, Option<f64>, Option<bool>)]) -> BoardSample {
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
    fn the_arm_s_own_vgpu_is_no_neighbour() {
        let looks = [
            look(&[("me", Some(0.9), Some(true)), ("other", Some(0.2), None)]),
            look(&[("me", Some(0.9), Some(true))]),
        ];
        let looks: Vec<&BoardSample> = looks.iter().collect();
        let mut witness = HostLogSummary::default();
        neighbours(&mut witness, &looks, "GPU-me");
        condition(&mut witness, &looks);
        license(&mut witness, &looks, "GPU-me");
        assert_eq!(
            (witness.other_vgpus_max, witness.other_vgpus_mean),
            (Some(1), Some(0.5))
        );
        assert_eq!(
            (witness.other_vgpus_use_max, witness.other_vgpus_use_mean),
            (Some(0.2), Some(0.1))
        );
        assert_eq!(witness.sm_clock_mhz_min, Some(1000.0));
        assert_eq!((witness.power_watts_median, witness.slowed_share), (None, None));
        assert!(witness.unavailable.contains_key("power_watts_median"));
        assert_eq!(witness.licensed, Some(true));
    }

    #[test]
    fn one_silent_neighbour_leaves_their_use_unknown() {
        let looks = [look(&[("me", None, Some(false)), ("other", None, None)])];
        let looks: Vec<&BoardSample> = looks.iter().collect();
        let mut witness = HostLogSummary::default();
        neighbours(&mut witness, &looks, "me");
        license(&mut witness, &looks, "me");
        assert_eq!(
            (witness.other_vgpus_max, witness.other_vgpus_use_mean),
            (Some(1), None)
        );
        assert_eq!(witness.licensed, Some(false));
    }
}
