//! Every rule that figures are compared with: its question, its limit, and what its failure makes of an arm.

use super::check::Consequence;
use limits::{
    AGREEMENT_COUNT, AGREEMENT_MATCHED, ALIKE, CLAIMED, CLOCK, COLD, Cosines, DECODE, FOREIGN, LATE_MS,
    LATE_SHARE, MARGIN, MATCH_IOU, OTHER_VGPUS, PEER, PEER_MATCHED, PLACED, PRECISE, PROCESSES, SAMPLES,
    SEEN, SEEN_BUSY, SPREAD, STEADY, STOLEN, SURE_SCORE, THROTTLED, TREND, UNSEEN_COSINE, UNSEEN_MATCHED,
    VERIFICATION_LOSS,
};

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
    /// Least share of the photos' bytes from storage for reads that should be cold.
    pub const COLD: f64 = 0.95;
    /// Largest 99th percentile of the scheduling delay of queries, milliseconds, and as a share of the latency
    /// bound.
    pub const LATE_MS: f64 = 1.0;
    /// See [`LATE_MS`]; the larger of both holds.
    pub const LATE_SHARE: f64 = 0.02;
    /// Fewest samples for a percentile: `MLPerf`'s early-stopping counts.
    pub const SAMPLES: [(f64, u64); 4] = [(90.0, 64), (95.0, 130), (99.0, 662), (99.9, 6636)];
    /// Reference faces below this score may come and go with the last bit.
    pub const SURE_SCORE: f32 = 0.7;
    /// Least IoU of a face found again.
    pub const MATCH_IOU: f32 = 0.8;
    /// Least share of sure faces that an arm must find again.
    pub const AGREEMENT_MATCHED: f64 = 0.99;
    /// Largest difference of its number of faces, as a fraction.
    pub const AGREEMENT_COUNT: f64 = 0.02;
    /// Cosine below which the reference's embeddings are of different faces for certain, so that no right arm has the same
    /// for both.
    pub const REPEATED: f64 = 0.9;
    /// Most images a second that blocks may show, as a multiple of those at which photos were answered that the arm had not
    /// seen before.
    pub const SEEN: f64 = 1.25;
    /// The same where other processes used the host cores, or nobody knows whether they did.
    pub const SEEN_BUSY: f64 = 1.75;
    /// Least share of an arm's own faces that it finds again in slightly changed photos.
    pub const UNSEEN_MATCHED: f64 = 0.8;
    /// Least median cosine of their embeddings.
    pub const UNSEEN_COSINE: f64 = 0.8;
    /// Least share of the time that the study counts which a worker may claim for its blocks; it may claim no more than
    /// all of it.
    pub const CLAIMED: f64 = 0.9;
    /// Largest loss of verification accuracy, as a fraction, where pixels or numbers are coarser: their cosines may leave
    /// more room than people have between them.
    pub const VERIFICATION_LOSS: f64 = 0.005;

    /// How near embeddings must be to the reference's.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Cosines {
        /// Least median of the cosines.
        pub median: f64,
        /// Least 1st percentile of them.
        pub p01: f64,
    }

    /// Of 32-bit floats.
    pub const FP32: Cosines = Cosines {
        median: 0.9999,
        p01: 0.99,
    };
    /// Of fewer bits in the mantissa.
    pub const HALF: Cosines = Cosines {
        median: 0.999,
        p01: 0.98,
    };
    /// Of 8-bit integers, and of photos that were decoded smaller.
    pub const INT8: Cosines = Cosines {
        median: 0.98,
        p01: 0.9,
    };
    /// Of another program's pipeline (`docs/peers.md` has what these follow from).
    pub const PEER: Cosines = Cosines {
        median: 0.99,
        p01: 0.8,
    };
    /// Least share of sure faces that another program's pipeline must find again.
    pub const PEER_MATCHED: f64 = 0.98;
    /// The cosine that nine of ten pairs of different faces may not reach: no two of them look different then. Recognizers
    /// that are normalised twice reach 0.9986 and more; in use, 0.2 with many people, and 0.76 with photos of one person.
    pub const ALIKE: f64 = 0.995;
    /// Fewest pairs of faces that show whether all look alike: those of three faces.
    pub const ALIKE_PAIRS: usize = 3;
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
    /// See [`Rule::limit`].
    limit: fn() -> String,
    /// How it is observed, and when it is unknown.
    pub observed: &'static str,
    /// What its failure makes of an arm.
    pub consequence: Consequence,
}

impl Rule {
    /// What would pass.
    pub fn limit(&self) -> String {
        (self.limit)()
    }
}

/// A fraction as a number of per cent.
fn percent(fraction: f64) -> f64 {
    (fraction * 1e4).round() / 1e2
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
    limit: fn() -> String,
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
        || format!("{} % of node time on the asked provider", percent(PLACED)),
        "the runtime's own profile of a separate pass that is not measured; unknown where the runtime gives none; passed by construction where the runtime can run only in one place (OpenCV, tract)",
    ),
    make(
        "precision",
        Invalid,
        "Are the numbers inside the networks what the arm says?",
        || {
            format!(
                "int8 and fp16: {} % of node time in such nodes; fp32 and tf32: less than that",
                percent(PRECISE)
            )
        },
        "the same profile",
    ),
    make(
        "agreement",
        Invalid,
        "Does the arm see the same faces as the fp32 CPU reference, and the same person in each?",
        agreement_limit,
        "both arms answer every photo once before anything is measured; unknown without a reference",
    ),
    make(
        "repeatable",
        Invalid,
        "Does every measured pass find as many faces as the pass whose answers were compared?",
        || "the same number".to_owned(),
        "faces are counted in every block",
    ),
    make(
        "distinct",
        Invalid,
        "Do different faces get different embeddings?",
        || format!("nine of ten pairs of faces may not have a cosine of {ALIKE} or more"),
        "the answers of the same pass: up to 200 faces spread over all photos, each compared with each, whoever they show; copies of one photo count once; unknown for fewer than three faces. Photos of one person pass too: two photos of a person differ more than this",
    ),
    make(
        "counts",
        Invalid,
        "Do the numbers that a worker gives of a block fit each other?",
        || {
            "whole passes; one service time a photo, and no more of them than the streams had time for; one embedding a face"
                .to_owned()
        },
        "photos, faces, embeddings and service times of every block; embeddings only where the worker counts them",
    ),
    make(
        "worker-clock",
        Invalid,
        "Does the time that a worker gives for its blocks fit the study's own clock?",
        || {
            format!(
                "{} to 100 % of the time between request and answer",
                percent(CLAIMED)
            )
        },
        "the study's clock from each request to its answer, which 50 ms of a block may be beside the work; unknown where blocks are shorter than 0.2 s",
    ),
    make(
        "caching",
        Invalid,
        "Is the speed of the blocks that of work on photos, and not of answers from memory or of wrong counts?",
        || {
            format!(
                "at most {SEEN} times the images a second of photos that the worker had not seen before ({SEEN_BUSY} where foreign-load has not passed); in these, {} % of its own faces found again, cosine median {UNSEEN_COSINE}",
                percent(UNSEEN_MATCHED)
            )
        },
        "after the check pass all photos (256 of them, where there are more) are answered once more, each under another one's name and with slightly changed pixels that are put there just before, timed by the study's clock; where that looks too slow, once more in a warm process at the end",
    ),
    make(
        "inputs",
        Invalid,
        "Were the photos, networks and libraries the same at the end as at the beginning?",
        || "no file changed".to_owned(),
        "size, time and place of every file, before and after; the hash of networks, libraries and programs as well",
    ),
    make(
        "ground-truth",
        Invalid,
        "Are the answers right?",
        || "the quality target of the workload's networks on its photos".to_owned(),
        "boxes and people known from the dataset's manifest; only where a workload has both",
    ),
    make(
        "license",
        Invalid,
        "Was the vGPU licensed, before, between and after the processes?",
        || "licensed each time".to_owned(),
        "the driver's report (NVML); only for vGPUs; unknown where neither the guest's driver nor the host's (`facebench monitor`) reports it",
    ),
    make(
        "gpu-clock",
        Unstable,
        "Did heat or the hardware slow the GPU down?",
        || "never".to_owned(),
        "the driver's reasons for the clock (NVML), four samples a second in every block; only for arms on a GPU; unknown where the driver does not report them, as in vGPU guests without a host log (`facebench monitor`). The board's power cap is shown, but does not fail the check",
    ),
    make(
        "co-tenants",
        Unstable,
        "Did other processes compute on the GPU?",
        || {
            format!(
                "no other process; where a host log has the board's other vGPUs, {} % of its time for them",
                percent(OTHER_VGPUS)
            )
        },
        "the driver's list of processes (NVML) when the study began; unknown on a vGPU, whose guest does not see the board's other tenants: an arm alone there is reported as uncontended, because a best-effort scheduler gives it the idle time of the others. A host log (`facebench monitor`), joined by `merge`, makes it known",
    ),
    make(
        "page-cache",
        Invalid,
        "Did cold reads come from storage?",
        || format!("{} % of the photos' bytes", percent(COLD)),
        "what the kernel counts as read from storage for the worker; only for arms with reads=cold",
    ),
    make(
        "latency-bound",
        Invalid,
        "Was the latency held at this rate?",
        || "the bound at its percentile (--latency-bound)".to_owned(),
        "time from scheduled arrival to answer, all blocks together; only in the server scenario",
    ),
    make(
        "blocks",
        Unstable,
        "Was everything measured that was planned?",
        || format!("all planned blocks, from at least {PROCESSES} processes"),
        "the record's own blocks",
    ),
    make(
        "spread",
        Unstable,
        "Do the processes agree with each other?",
        || {
            format!(
                "half width of the 95 % interval at most {} % of the figure (not judged in a --quick study)",
                percent(SPREAD)
            )
        },
        "the means of the processes; unknown with fewer than 3",
    ),
    make(
        "trend",
        Unstable,
        "Does the speed stay the same from block to block?",
        || {
            format!(
                "a change of less than {} % from a process's first block to its last, or none with 99 % confidence",
                percent(TREND)
            )
        },
        "the slope of the blocks of each process, over all processes; unknown with one block a process",
    ),
    make(
        "steady-state",
        Unstable,
        "Was the warm-up over when measuring began?",
        || {
            format!(
                "no part of the warm-up more than {} % faster than the best part before it",
                percent(STEADY)
            )
        },
        "the warm-up goes on until the speed is steady, for at most four times its length",
    ),
    make(
        "foreign-load",
        Unstable,
        "Did other processes use the host cores?",
        || format!("{} % of the host cores' time", percent(FOREIGN)),
        "the kernel's count of busy time on the host cores, less the worker's own",
    ),
    make(
        "steal",
        Unstable,
        "Did the hypervisor give the host cores to others?",
        || format!("{} % of the host cores' time", percent(STOLEN)),
        "the kernel's count of stolen time; a hypervisor may hide it",
    ),
    make(
        "throttled",
        Unstable,
        "Did a processor quota stop the worker?",
        || format!("{} % of the streams' time", percent(THROTTLED)),
        "the control group's count; unknown where there is none",
    ),
    make(
        "clock",
        Unstable,
        "Did the clock drop, or did heat slow the cores down?",
        || {
            format!(
                "no more than {} % below the best block, and no thermal event",
                percent(CLOCK)
            )
        },
        "cpufreq and the kernel's thermal counters; unknown in virtual machines that hide them",
    ),
    make(
        "generator",
        Unstable,
        "Were queries sent when they were due?",
        || {
            format!(
                "99th percentile of the scheduling delay at most {LATE_MS} ms, or {} % of the latency bound",
                percent(LATE_SHARE)
            )
        },
        "the time from a query's arrival until a waiting stream took it; server scenario only",
    ),
    make(
        "decode-bound",
        Note,
        "Did the device wait for photos?",
        || {
            format!(
                "less than {} % of the images a second that the host cores can decode, resize and align",
                percent(DECODE)
            )
        },
        "the processor time of that work (decoding on the GPU is not built); only where all host cores work for a device",
    ),
    make(
        "samples",
        Note,
        "Are there enough samples for the percentiles?",
        samples_limit,
        "the number of timed queries",
    ),
    make(
        "resumed",
        Note,
        "Was the study measured in one go?",
        || "yes".to_owned(),
        "when it was resumed, and how many blocks are from before; only for studies that were (--resume)",
    ),
    make(
        "noise-floor",
        Note,
        "Is it known how far apart two equal arms seem on this machine?",
        || {
            format!(
                "the floor is at most {} %; a larger one becomes the margin of every verdict",
                percent(MARGIN)
            )
        },
        "facebench run --noise-floor measures it; unknown until then",
    ),
];

fn agreement_limit() -> String {
    let [fp32, half, int8, peer] = [limits::FP32, limits::HALF, limits::INT8, PEER]
        .map(|Cosines { median, p01 }| format!("{median} and {p01}"));
    format!(
        "faces of score {SURE_SCORE} or more matched at IoU {MATCH_IOU} in {} %; number of faces within {} %; every face \
         with an embedding of its own; cosine of embeddings, median and 1st percentile: {fp32} (fp32), {half} (tf32, fp16), {int8} (int8, decode=scaled); of these \
         two, where people are known, verification accuracy within {} points; for a peer, whose input pixels are made by \
         other code, {} % matched, cosines {peer}",
        percent(AGREEMENT_MATCHED),
        percent(AGREEMENT_COUNT),
        percent(VERIFICATION_LOSS),
        percent(PEER_MATCHED),
    )
}

fn samples_limit() -> String {
    let counts = SAMPLES.map(|(percentile, samples)| format!("p{percentile} {samples}"));
    format!(
        "{} (MLPerf's early-stopping counts); a percentile with fewer is left out",
        counts.join(", ")
    )
}

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

    #[test]
    fn limits_are_read_as_per_cent() {
        assert_eq!(
            rule("placement").unwrap().limit(),
            "95 % of node time on the asked provider"
        );
        assert!(rule("agreement").unwrap().limit().contains("within 0.5 points"));
        assert!(
            rule("samples")
                .unwrap()
                .limit()
                .starts_with("p90 64, p95 130, p99 662, p99.9 6636 ")
        );
    }
}
