//! The scheduler as nvidia-smi reports it, for drivers whose NVML does not: `nvidia-smi vgpu -ss`.

use std::process::Command;

use super::super::Reading;
use crate::record::{Scheduler, SchedulerPolicy};

const COMMAND: &str = "nvidia-smi vgpu -ss";

/// The scheduler of the board at `pci` (`0000:17:00.0`), as nvidia-smi reports it.
pub fn scheduler(pci: &str) -> Reading<Scheduler> {
    let mut arguments = COMMAND.split(' ');
    let program = arguments.next().unwrap_or_default();
    let answer = Command::new(program).args(arguments).output();
    let answer = answer.map_err(|error| format!("`{COMMAND}` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    if !answer.status.success() {
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("nothing");
        return Err(format!("`{COMMAND}` fails ({}): {}", answer.status, first.trim()));
    }
    parse(&text, pci).ok_or_else(|| format!("`{COMMAND}` names no policy of {pci}"))
}

/// The scheduler of the board at `pci` in what `nvidia-smi vgpu -ss` prints: a heading for each board, then `name : value`.
/// Names differ from driver to driver in case and spaces, which are ignored.
fn parse(text: &str, pci: &str) -> Option<Scheduler> {
    let (mut here, mut policy, mut adaptive, mut timeslice_ns) = (false, None, None, None);
    for line in text.lines() {
        if let Some(place) = line.trim().strip_prefix("GPU ") {
            here = same_place(place.trim(), pci);
            continue;
        }
        let Some((name, value)) = line.split_once(':').filter(|_| here) else {
            continue;
        };
        let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
        let (name, value) = (plain(name), plain(value));
        if name.contains("policy") {
            policy = match value.as_str() {
                "besteffort" | "besteffortscheduler" => Some(SchedulerPolicy::BestEffort),
                "equalshare" | "equalsharescheduler" => Some(SchedulerPolicy::EqualShare),
                "fixedshare" | "fixedsharescheduler" => Some(SchedulerPolicy::FixedShare),
                _ => policy,
            };
        } else if name.contains("arr") {
            adaptive = match value.as_str() {
                "enabled" | "enable" | "yes" | "on" => Some(true),
                "disabled" | "disable" | "no" | "off" => Some(false),
                _ => adaptive,
            };
        } else if name.contains("timeslice") {
            let digits = value.trim_end_matches("ns");
            timeslice_ns = digits.parse().ok().filter(|ns| *ns > 0).or(timeslice_ns);
        }
    }
    Some(Scheduler {
        policy: policy?,
        adaptive,
        timeslice_ns,
        source: COMMAND.to_owned(),
    })
}

/// nvidia-smi writes the domain with eight digits, in capitals.
fn same_place(theirs: &str, ours: &str) -> bool {
    let plain = |place: &str| place.to_lowercase().trim_start_matches('0').to_owned();
    plain(theirs) == plain(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "GPU 00000000:17:00.0
    Active vGPUs                      : 2
    Scheduler Policy                  : Equal Share
    ARR Mode                          : Enabled
    Average Factor                    : 33
    Time Slice(ns)                    : 2083333

GPU 00000000:65:00.0
    Active vGPUs                      : 0
    Scheduler Policy                  : Best Effort
    Time Slice(ns)                    : 0
";

    #[test]
    fn each_board_has_its_own_scheduler() {
        let first = parse(TEXT, "0000:17:00.0").unwrap();
        assert_eq!(
            (first.policy, first.adaptive, first.timeslice_ns),
            (SchedulerPolicy::EqualShare, Some(true), Some(2_083_333))
        );
        let second = parse(TEXT, "0000:65:00.0").unwrap();
        assert_eq!(
            (second.policy, second.adaptive, second.timeslice_ns),
            (SchedulerPolicy::BestEffort, None, None)
        );
    }

    #[test]
    fn what_names_no_policy_is_no_scheduler() {
        assert_eq!(parse(TEXT, "0000:66:00.0"), None);
        assert_eq!(parse("", "0000:17:00.0"), None);
        assert_eq!(
            parse("GPU 00000000:17:00.0\n  Scheduler Policy : N/A", "0000:17:00.0"),
            None
        );
    }
}
