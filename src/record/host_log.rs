//! The host log: what `facebench monitor` logs on a hypervisor, a line a sample, and what of it stands in a merged record.

use std::{collections::BTreeMap, io};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    board::{BoardSample, HostBoard, Scheduler},
    host::Host,
};

/// The word by which a log is known.
pub const HOST_LOG_KIND: &str = "host-log";
/// The word of logs that are older than version 2 of records.
const OLD_KIND: &str = "witness";

/// The first line of a log: who samples, what, how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostLogHeader {
    /// Always [`HOST_LOG_KIND`].
    pub kind: String,
    /// The program's version.
    pub version: String,
    /// When it began by this machine's clock, RFC 3339 in UTC.
    pub began_at: String,
    /// Time from sample to sample, seconds.
    pub interval_seconds: f64,
    /// The machine that hands the boards out.
    pub host: Host,
    /// Its boards.
    pub gpus: Vec<HostBoard>,
}

/// Every other line: one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostLogSample {
    /// When by this machine's clock, RFC 3339 in UTC.
    pub at: String,
    /// The boards, in the header's order.
    pub gpus: Vec<BoardSample>,
}

/// A whole log.
#[derive(Debug, Clone, PartialEq)]
pub struct HostLog {
    /// Its first line.
    pub header: HostLogHeader,
    /// Its samples.
    pub samples: Vec<HostLogSample>,
}

impl HostLog {
    /// The log in `text`, or `None` where that is no log. The last line may be broken off: a monitor may be killed.
    pub fn parse(text: &str) -> Option<io::Result<Self>> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first: serde_json::Value = serde_json::from_str(lines.next()?).ok()?;
        if ![HOST_LOG_KIND, OLD_KIND]
            .iter()
            .any(|kind| first["kind"] == *kind)
        {
            return None;
        }
        Some(Self::read(first, lines).map_err(io::Error::from))
    }

    fn read<'a>(first: serde_json::Value, lines: impl Iterator<Item = &'a str>) -> serde_json::Result<Self> {
        let header = serde_json::from_value(first)?;
        let mut samples = Vec::new();
        let mut lines = lines.peekable();
        while let Some(line) = lines.next() {
            match serde_json::from_str(line) {
                Ok(sample) => samples.push(sample),
                Err(_) if lines.peek().is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { header, samples })
    }
}

/// What the hypervisor's log has of an arm's GPU while the arm was measured. A null has its reason in `unavailable`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostLogSummary {
    /// The log's file name.
    pub file: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// The board, by the driver's name.
    pub board: Option<String>,
    /// The type of the arm's vGPU; null where the arm had the board itself.
    pub vgpu_type: Option<String>,
    /// How the board's time is shared out.
    pub scheduler: Option<Scheduler>,
    /// Samples within the arm's blocks.
    pub samples: usize,
    /// Blocks of the arm with a sample within them.
    pub blocks_covered: usize,
    /// By how much the clocks of guest and host may differ: a sample so long before or after a block counts as within it,
    /// seconds.
    pub tolerance_seconds: f64,
    /// Most other vGPUs that were handed out at a sample.
    pub other_vgpus_max: Option<usize>,
    /// Their mean number.
    pub other_vgpus_mean: Option<f64>,
    /// Most of the board's time, 0 to 1, that they took together at a sample.
    pub other_vgpus_use_max: Option<f64>,
    /// The mean of it.
    pub other_vgpus_use_mean: Option<f64>,
    /// Lowest clock of the streaming multiprocessors, MHz.
    pub sm_clock_mhz_min: Option<f64>,
    /// Median of it.
    pub sm_clock_mhz_median: Option<f64>,
    /// Median of the board's power, watts.
    pub power_watts_median: Option<f64>,
    /// Share of the samples, 0 to 1, at which heat or the hardware's own protection held the clock down.
    pub slowed_share: Option<f64>,
    /// Share of the samples at which the power cap held it down.
    pub power_capped_share: Option<f64>,
    /// Whether the arm's vGPU held its licence at every sample; null where it is not known, and for the board itself.
    pub licensed: Option<bool>,
    /// Why a value is missing.
    pub unavailable: BTreeMap<String, String>,
}
