//! Commands that read records (`report`, `compare`, `merge`, `size`), and `monitor`, whose log is merged with them.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::{duration, interval, latency, rate, regression, spare};
use crate::report::chart;

/// `facebench report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Records: the .json files that studies write; several make one page
    #[arg(required = true, value_name = "RECORD")]
    pub records: Vec<PathBuf>,
    /// Write a file instead: .html (page), .md (Markdown), .csv (raw blocks), .svg or .png (chart), .txt (tables)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which chart, for .svg and .png [default: throughput]
    #[arg(long, value_enum)]
    pub chart: Option<chart::ChartKind>,
}

/// `facebench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The baseline
    #[arg(value_name = "A.json")]
    pub old: PathBuf,
    /// The record to compare with it
    #[arg(value_name = "B.json")]
    pub new: PathBuf,
    /// Exit with 5 if an arm is slower by this share or more and the interval excludes chance; with 3 if there is no verdict
    /// (a study is unfinished or quick, an arm invalid or failed, no interval), with 6 if other processes used the host
    /// cores of one of the studies
    #[arg(long, value_name = "SHARE", value_parser = regression)]
    pub fail_on_regression: Option<f64>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `facebench merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Records, and logs of `monitor` (recognized by their content)
    #[arg(required = true, value_name = "RECORD")]
    pub records: Vec<PathBuf>,
    /// The merged record
    #[arg(short, long, value_name = "ALL.json")]
    pub output: PathBuf,
}

/// `facebench size`.
#[derive(Debug, Args)]
pub struct SizeArgs {
    /// Records of the machines to choose from; those of `run --scenario server` tell most
    #[arg(required = true, value_name = "RECORD")]
    pub records: Vec<PathBuf>,
    /// The load: photos per second that arrive at random, for all machines together
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: f64,
    /// The latency that 99 of 100 photos must meet
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = latency)]
    pub p99: Duration,
    /// Price of an hour of each machine (docs/size.md) [default: the prices in the records]
    #[arg(long, value_name = "FILE.toml")]
    pub prices: Option<PathBuf>,
    /// Machines beyond those that the load needs, in case some fail
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = spare)]
    pub spare: usize,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `facebench monitor`.
#[derive(Debug, Args)]
pub struct MonitorArgs {
    /// The log, one JSON line per sample; it must be a new file [default: results/TIME-host-log.jsonl]
    #[arg(short, long, value_name = "FILE.jsonl")]
    pub output: Option<PathBuf>,
    /// Time from sample to sample
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// How long [default: until Ctrl-C]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
}
