//! Checks that a guest cannot make and its host can: who else used the board, what slowed it down, the licence.

use super::{check, outcome, unknown};
use crate::record::{Check, HostLogSummary, Outcome, SchedulerPolicy, VgpuProfile, limits::OTHER_VGPUS};

/// Makes every check in `list` that the guest could not make from what the host log has, of an arm with so many blocks.
/// What the guest observed itself stays.
pub fn resolve(list: &mut [Check], summary: &HostLogSummary, blocks: usize) {
    for open in list.iter_mut().filter(|check| check.outcome == Outcome::Unknown) {
        let known = match open.id.as_str() {
            "co-tenants" => co_tenants(summary, blocks),
            "gpu-clock" => clock(summary, blocks),
            "license" => license(summary, blocks),
            _ => continue,
        };
        *open = known;
    }
}

/// A check whose fault was seen, or whose absence was seen at every block; else it stays unknown.
fn from_log(
    id: &str,
    (sound, observed): (bool, String),
    summary: &HostLogSummary,
    blocks: usize,
    advice: &str,
) -> Check {
    let log = format!("host log {}", summary.file);
    if sound && (summary.blocks_covered < blocks || blocks == 0) {
        let covered = summary.blocks_covered;
        let observed = format!("{log} covers {covered} of {blocks} blocks only; there {observed}");
        return unknown(id, &observed);
    }
    check(id, outcome(sound), format!("{log}: {observed}"), advice)
}

fn silent(id: &str, field: &str, summary: &HostLogSummary) -> Check {
    let why = summary
        .unavailable
        .get(field)
        .map_or("it is not there", String::as_str);
    unknown(id, &format!("host log {}: {why}", summary.file))
}

fn co_tenants(summary: &HostLogSummary, blocks: usize) -> Check {
    let mig_backed = |name: &String| VgpuProfile::of(name).is_some_and(|profile| profile.slices.is_some());
    if summary.vgpu_type.as_ref().is_some_and(mig_backed) {
        let observed = format!(
            "host log {}: the vGPU has a MIG device under it, and who shares that is not known",
            summary.file
        );
        return unknown("co-tenants", &observed);
    }
    let Some(most) = summary.other_vgpus_max else {
        return silent("co-tenants", "other_vgpus_max", summary);
    };
    let scheduler = scheduler(summary, most);
    if most == 0 {
        let observed = format!("no other vGPU on the board{scheduler}");
        return from_log("co-tenants", (true, observed), summary, blocks, "");
    }
    let Some((mean, peak)) = summary.other_vgpus_use_mean.zip(summary.other_vgpus_use_max) else {
        return silent("co-tenants", "other_vgpus_use_mean", summary);
    };
    let observed = format!(
        "up to {most} other {} on the board took {:.1} % of its time, {:.0} % at most{scheduler}",
        if most == 1 { "vGPU" } else { "vGPUs" },
        mean * 100.0,
        peak * 100.0,
    );
    from_log(
        "co-tenants",
        (mean <= OTHER_VGPUS, observed),
        summary,
        blocks,
        "other virtual machines worked on the board: measure when they rest, or report the figure as one of a shared board",
    )
}

/// What the scheduler makes of other vGPUs, as the end of a sentence.
fn scheduler(summary: &HostLogSummary, others: usize) -> String {
    let Some(scheduler) = &summary.scheduler else {
        return "; its scheduler is not known".to_owned();
    };
    let meaning = match scheduler.policy {
        SchedulerPolicy::BestEffort => "their idle time is the arm's",
        SchedulerPolicy::EqualShare => "each vGPU that runs has a share, used or not",
        SchedulerPolicy::FixedShare => "the arm's share does not grow when others rest",
    };
    let name = scheduler.policy.name();
    if others == 0 && scheduler.policy != SchedulerPolicy::FixedShare {
        format!("; scheduler {name}")
    } else {
        format!("; scheduler {name}: {meaning}")
    }
}

fn clock(summary: &HostLogSummary, blocks: usize) -> Check {
    let Some(slowed) = summary.slowed_share else {
        return silent("gpu-clock", "slowed_share", summary);
    };
    let capped = summary.power_capped_share.unwrap_or(0.0);
    let observed = format!(
        "the board was slowed down in {:.0} % of the samples, at its power cap in {:.0} %",
        slowed * 100.0,
        capped * 100.0
    );
    from_log(
        "gpu-clock",
        (slowed <= 0.0, observed),
        summary,
        blocks,
        "cool the host, or measure shorter with rests in between",
    )
}

fn license(summary: &HostLogSummary, blocks: usize) -> Check {
    let Some(licensed) = summary.licensed else {
        return silent("license", "licensed", summary);
    };
    let observed = if licensed {
        "licensed in every sample"
    } else {
        "not licensed in a sample"
    };
    from_log(
        "license",
        (licensed, observed.to_owned()),
        summary,
        blocks,
        "a vGPU without a licence is slowed down by its driver: fix the licence, then measure again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Scheduler;

    fn open(id: &str) -> Check {
        unknown(id, "a guest cannot see it")
    }

    fn summary(policy: SchedulerPolicy, others: usize, mean: Option<f64>) -> HostLogSummary {
        HostLogSummary {
            file: "w.jsonl".to_owned(),
            scheduler: Some(Scheduler {
                policy,
                adaptive: None,
                timeslice_ns: None,
                source: "NVML".to_owned(),
            }),
            blocks_covered: 2,
            other_vgpus_max: Some(others),
            other_vgpus_use_mean: mean,
            other_vgpus_use_max: mean,
            slowed_share: Some(0.0),
            ..HostLogSummary::default()
        }
    }

    fn resolved(id: &str, summary: &HostLogSummary, blocks: usize) -> Check {
        let mut list = [open(id)];
        resolve(&mut list, summary, blocks);
        let [check] = list;
        check
    }

    #[test]
    fn other_vgpus_count_by_what_they_take() {
        let best = |mean| resolved("co-tenants", &summary(SchedulerPolicy::BestEffort, 1, mean), 2);
        let busy = best(Some(0.9));
        assert_eq!(busy.outcome, Outcome::Failed);
        insta::assert_snapshot!(busy.observed, @"host log w.jsonl: up to 1 other vGPU on the board took 90.0 % of its time, 90 % at most; scheduler best-effort: their idle time is the arm's");
        assert_eq!(best(Some(0.01)).outcome, Outcome::Passed);
        assert_eq!(best(None).outcome, Outcome::Unknown);
        let alone = resolved("co-tenants", &summary(SchedulerPolicy::FixedShare, 0, None), 2);
        assert_eq!(alone.outcome, Outcome::Passed);
        insta::assert_snapshot!(alone.observed, @"host log w.jsonl: no other vGPU on the board; scheduler fixed-share: the arm's share does not grow when others rest");
    }

    #[test]
    fn what_a_log_covers_in_part_can_only_fail() {
        let part = |mean| {
            resolved(
                "co-tenants",
                &summary(SchedulerPolicy::BestEffort, 1, Some(mean)),
                3,
            )
        };
        assert_eq!(part(0.9).outcome, Outcome::Failed);
        let quiet = part(0.0);
        assert_eq!(quiet.outcome, Outcome::Unknown);
        assert!(
            quiet.observed.contains("2 of 3 blocks only"),
            "{}",
            quiet.observed
        );
    }

    #[test]
    fn a_mig_device_under_the_vgpu_leaves_other_vgpus_open() {
        let mut summary = summary(SchedulerPolicy::BestEffort, 1, Some(0.9));
        summary.vgpu_type = Some("GRID A100-1-5C".to_owned());
        assert_eq!(resolved("co-tenants", &summary, 2).outcome, Outcome::Unknown);
    }

    #[test]
    fn clock_and_licence_are_the_host_s_and_the_guest_s_own_stay() {
        let mut summary = summary(SchedulerPolicy::BestEffort, 0, None);
        assert_eq!(resolved("gpu-clock", &summary, 2).outcome, Outcome::Passed);
        assert_eq!(resolved("license", &summary, 2).outcome, Outcome::Unknown);
        summary.slowed_share = Some(0.5);
        summary.licensed = Some(true);
        assert_eq!(resolved("gpu-clock", &summary, 2).outcome, Outcome::Failed);
        assert_eq!(resolved("license", &summary, 2).outcome, Outcome::Passed);
        let passed = check("gpu-clock", Outcome::Passed, "seen".to_owned(), "");
        let mut list = [passed.clone()];
        resolve(&mut list, &summary, 2);
        assert_eq!(list, [passed]);
    }
}
