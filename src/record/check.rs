//! Checks: every rule that figures are checked by, with its name, with its limit and what its failure makes of an arm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named rule and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The rule's name, one of [`RULES`].
    pub id: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was seen.
    pub observed: String,
    /// What would have passed.
    pub limit: String,
    /// What to do; empty where it passed.
    pub advice: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Within the limit.
    Passed,
    /// Outside.
    Failed,
    /// Could not be observed.
    Unknown,
}

impl Outcome {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What the failure of a rule makes of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// `invalid`: the figures are of something else than what was asked for.
    Invalid,
    /// `unstable`: the figures may be chance.
    Unstable,
    /// Nothing; it stands beside the figures for whoever reads them.
    Note,
}

impl Consequence {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unstable => "unstable",
            Self::Note => "note",
        }
    }
}

/// The numbers behind the rules, in one place.
pub mod limits {
    /// Least share of node time on the asked provider.
    pub const PLACED: f64 = 0.95;
    /// Least share of node time in 8- or 16-bit nodes for a precision of that name.
    pub const PRECISE: f64 = 0.25;
    /// Fewest processes whose interval means anything.
    pub const PROCESSES: usize = 3;
    /// Largest half width of the interval of images a second, as a fraction.
    pub const SPREAD: f64 = 0.10;
    /// Largest change from a process's first block to its last, as a fraction.
    pub const TREND: f64 = 0.02;
    /// Largest gain from one part of the warm-up to the next that still counts as a steady state, as a fraction.
    pub const STEADY: f64 = 0.03;
    /// Largest share of the host cores' time that the hypervisor may have given to others.
    pub const STOLEN: f64 = 0.02;
    /// Largest share of the host cores' time that other processes may have used.
    pub const FOREIGN: f64 = 0.05;
    /// Largest share of the time for which the control group's quota may have stopped a stream.
    pub const THROTTLED: f64 = 0.01;
    /// Largest mean share of a board's time that the other vGPUs on it may have taken.
    pub const OTHER_VGPUS: f64 = 0.05;
    /// Largest drop of the clock from its best block, as a fraction.
    pub const CLOCK: f64 = 0.05;
    /// Largest share of what the host cores can decode, resize and align that a device may be fed with before photos are
    /// what bounds it.
    pub const DECODE: f64 = 0.8;
    /// Least share of the photos' bytes from storage for reads that are said to be cold.
    pub const COLD: f64 = 0.95;
    /// Largest 99th percentile of the scheduling delay of queries, milliseconds, and as a share of the latency
    /// bound.
    pub const LATE_MS: f64 = 1.0;
    /// See [`LATE_MS`]; the larger of both holds.
    pub const LATE_SHARE: f64 = 0.02;
    /// Fewest samples for a percentile: `MLPerf`'s early-stopping counts.
    pub const SAMPLES: [(f64, u64); 4] = [(90.0, 64), (95.0, 130), (99.0, 662), (99.9, 6636)];
    /// Least share of sure faces that another program's pipeline must find again (`docs/peers.md` has what these four
    /// follow from).
    pub const PEER_MATCHED: f64 = 0.98;
    /// Largest difference of its number of faces, as a fraction.
    pub const PEER_COUNT: f64 = 0.02;
    /// Least median of its embeddings' cosines.
    pub const PEER_MEDIAN: f64 = 0.99;
    /// Least 1st percentile of them.
    pub const PEER_P01: f64 = 0.8;
    /// Least ratio that counts as a difference, as a fraction.
    pub const MARGIN: f64 = 0.02;
    /// The share of false accepts at which verification is measured.
    pub const FALSE_ACCEPTS: f64 = 1e-3;
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name in records.
    pub id: &'static str,
    /// What it asks, in one sentence.
    pub question: &'static str,
    /// What would pass.
    pub limit: &'static str,
    /// How it is observed, and when it is unknown.
    pub observed: &'static str,
    /// What its failure makes of an arm.
    pub consequence: Consequence,
}

/// The rule of that name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

use Consequence::{Invalid, Note, Unstable};

const fn make(
    id: &'static str,
    consequence: Consequence,
    question: &'static str,
    limit: &'static str,
    observed: &'static str,
) -> Rule {
    Rule {
        id,
        question,
        limit,
        observed,
        consequence,
    }
}

/// Every rule, in the order in which lists show them.
pub const RULES: &[Rule] = &[
    make(
        "placement",
        Invalid,
        "Did the networks run where the arm says?",
        "95 % of node time on the asked provider",
        "the runtime's own profile of a separate pass that is not measured; unknown where the runtime gives none; passed by construction where the runtime can run only in one place (OpenCV, tract)",
    ),
    make(
        "precision",
        Invalid,
        "Are the numbers inside the networks what the arm says?",
        "int8 and fp16: 25 % of node time in such nodes; fp32 and tf32: less than that",
        "the same profile",
    ),
    make(
        "agreement",
        Invalid,
        "Does the arm see the same faces as the fp32 CPU reference, and the same person in each?",
        "faces of score 0.7 or more matched at IoU 0.8 in 99 %; number of faces within 2 %; cosine of embeddings, median \
         and 1st percentile: 0.9999 and 0.99 (fp32), 0.999 and 0.98 (tf32, fp16), 0.98 and 0.90 (int8, decode=scaled); \
         of these two, where people are known, verification accuracy within 0.5 points; for a peer, whose input pixels are \
         made by other code, 98 % matched, cosines 0.99 and 0.8",
        "both arms answer every photo once before anything is measured; unknown without a reference",
    ),
    make(
        "repeatable",
        Invalid,
        "Does every measured pass find as many faces as the pass whose answers were compared?",
        "the same number",
        "faces are counted in every block",
    ),
    make(
        "ground-truth",
        Invalid,
        "Are the answers right?",
        "the quality target of the workload's networks on its photos",
        "boxes and people known from the dataset's manifest; only where a workload has both",
    ),
    make(
        "license",
        Invalid,
        "Was the vGPU licensed, before, between and after the processes?",
        "licensed each time",
        "the driver's report (NVML); only for vGPUs; unknown where neither the guest's driver nor the host's (`facebench monitor`) reports it",
    ),
    make(
        "gpu-clock",
        Unstable,
        "Did heat or the hardware slow the GPU down?",
        "never",
        "the driver's reasons for the clock (NVML), four samples a second in every block; only for arms on a GPU; unknown where the driver does not report them, as in vGPU guests without a host log (`facebench monitor`). The board's power cap is shown, but does not fail the check",
    ),
    make(
        "co-tenants",
        Unstable,
        "Did other processes compute on the GPU?",
        "no other process; where a host log has the board's other vGPUs, 5 % of its time for them",
        "the driver's list of processes (NVML) when the study began; unknown on a vGPU, whose guest does not see the board's other tenants: an arm alone there is reported as uncontended, because a best-effort scheduler gives it the idle time of the others. A host log (`facebench monitor`), joined by `merge`, makes it known",
    ),
    make(
        "page-cache",
        Invalid,
        "Did cold reads come from storage?",
        "95 % of the photos' bytes",
        "what the kernel counts as read from storage for the worker; only for arms with reads=cold",
    ),
    make(
        "latency-bound",
        Invalid,
        "Was the latency held at this rate?",
        "the bound at its percentile (--latency-bound)",
        "time from scheduled arrival to answer, all blocks together; only in the server scenario",
    ),
    make(
        "blocks",
        Unstable,
        "Was everything measured that was planned?",
        "all planned blocks, from at least 3 processes",
        "the record's own blocks",
    ),
    make(
        "spread",
        Unstable,
        "Do the processes agree with each other?",
        "half width of the 95 % interval at most 10 % of the figure (not judged in a --quick study)",
        "the means of the processes; unknown with fewer than 3",
    ),
    make(
        "trend",
        Unstable,
        "Does the speed stay the same from block to block?",
        "a change of less than 2 % from a process's first block to its last, or none with 99 % confidence",
        "the slope of the blocks of each process, over all processes; unknown with one block a process",
    ),
    make(
        "steady-state",
        Unstable,
        "Was the warm-up over when measuring began?",
        "no part of the warm-up more than 3 % faster than the best part before it",
        "the warm-up goes on until the speed is steady, for at most four times its length",
    ),
    make(
        "foreign-load",
        Unstable,
        "Did other processes use the host cores?",
        "5 % of their time",
        "the kernel's count of busy time on the host cores, less the worker's own",
    ),
    make(
        "steal",
        Unstable,
        "Did the hypervisor give the host cores to others?",
        "2 % of their time",
        "the kernel's count of stolen time; a hypervisor may hide it",
    ),
    make(
        "throttled",
        Unstable,
        "Did a processor quota stop the worker?",
        "1 % of its streams' time",
        "the control group's count; unknown where there is none",
    ),
    make(
        "clock",
        Unstable,
        "Did the clock drop, or did heat slow the cores down?",
        "no more than 5 % below the best block, and no thermal event",
        "cpufreq and the kernel's thermal counters; unknown in virtual machines that hide them",
    ),
    make(
        "generator",
        Unstable,
        "Were queries sent when they were due?",
        "99th percentile of the scheduling delay at most 1 ms, or 2 % of the latency bound",
        "the time from a query's arrival until a waiting stream took it; server scenario only",
    ),
    make(
        "decode-bound",
        Note,
        "Did the device wait for photos?",
        "less than 80 % of the images a second that the host cores can decode, resize and align",
        "the processor time of that work (decoding on the GPU is not built); only where all host cores work for a device",
    ),
    make(
        "samples",
        Note,
        "Are there enough samples for the percentiles?",
        "p90 64, p95 130, p99 662, p99.9 6,636 (MLPerf's early-stopping counts); a percentile with fewer is left out",
        "the number of timed queries",
    ),
    make(
        "noise-floor",
        Note,
        "Is it known how far apart two equal arms seem on this machine?",
        "the floor is at most 2 %; a larger one becomes the margin of every verdict",
        "facebench run --noise-floor measures it; unknown until then",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_one_of_a_kind() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        assert!(rule("agreement").is_some() && rule("mood").is_none());
    }

    /// The texts name the numbers that the rules use.
    #[test]
    fn texts_and_numbers_agree() {
        let says = |id: &str, number: f64| {
            let text = format!("{number}");
            assert!(rule(id).unwrap().limit.contains(&text), "{id}: {text}");
        };
        says("placement", limits::PLACED * 100.0);
        says("precision", limits::PRECISE * 100.0);
        says("blocks", limits::PROCESSES as f64);
        says("spread", limits::SPREAD * 100.0);
        says("trend", limits::TREND * 100.0);
        says("steady-state", limits::STEADY * 100.0);
        says("foreign-load", limits::FOREIGN * 100.0);
        says("steal", limits::STOLEN * 100.0);
        says("co-tenants", limits::OTHER_VGPUS * 100.0);
        says("throttled", limits::THROTTLED * 100.0);
        says("clock", limits::CLOCK * 100.0);
        says("generator", limits::LATE_MS);
        says("generator", limits::LATE_SHARE * 100.0);
        says("page-cache", limits::COLD * 100.0);
        says("noise-floor", limits::MARGIN * 100.0);
        says("agreement", limits::PEER_MATCHED * 100.0);
        says("agreement", limits::PEER_COUNT * 100.0);
        says("agreement", limits::PEER_MEDIAN);
        says("agreement", limits::PEER_P01);
        for (_, samples) in limits::SAMPLES.iter().take(3) {
            says("samples", *samples as f64);
        }
    }
}
