//! `run`, `tune` and `serve`, and how a study is measured.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    photos::WorkloadArgs,
    values::{
        ArmPrice, ByteSize, CoreList, core_list, count, duration, file_name_part, latency_bound, price, rate,
        shard, size,
    },
};
use crate::{
    dataset::Shard,
    record::{Hint, LatencyBound, Scenario},
    runtime::{options::Decoding, spec::BackendSpec, table::REFERENCE},
};

/// `facebench run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to measure, once for each arm: a backend with options, such as cpu,threads=1,streams=2 (docs/spec.md lists
    /// them all)
    #[arg(short, long = "backend", value_name = "SPEC", default_value = REFERENCE)]
    pub backends: Vec<BackendSpec>,
    /// Photos and networks.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// How photos arrive
    #[arg(long, value_enum, default_value_t = Scenario::Offline)]
    pub scenario: Scenario,
    /// Server scenario: photos per second that arrive [default: search the highest rate that meets --latency-bound]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub request_rate: Option<f64>,
    /// Measure one arm against itself: how different two equal arms appear. The result is kept for this machine; where it
    /// is above 2 %, it becomes the smallest difference that later studies report
    #[arg(long, conflicts_with_all = ["scenario", "quick"])]
    pub noise_floor: bool,
    /// Measure an unfinished study to its end: finished blocks of its record are kept, the others are measured under the same
    /// plan, which its record has; refused where the program, the machine, the networks or the photos are others
    #[arg(long, value_name = "RECORD")]
    pub resume: Option<PathBuf>,
    /// Also measure each stage of each arm alone: how fast the arm could be, and how much of that it reaches
    #[arg(long)]
    pub ceiling: bool,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// `facebench tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// What to tune: a backend; the options that it gives stay, the others are searched
    #[arg(short, long, value_name = "SPEC", default_value = REFERENCE)]
    pub backend: BackendSpec,
    /// Photos and networks.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// What to optimize
    #[arg(long, value_enum, default_value_t = Hint::Throughput)]
    pub hint: Hint,
    /// Choose only a setting that meets --latency-bound
    #[arg(long)]
    pub hold_latency: bool,
    /// Also write the SPEC to use into a file, for run -b "$(cat FILE)"
    #[arg(long, value_name = "FILE")]
    pub spec_file: Option<PathBuf>,
    /// How to measure the study that confirms the best setting; the search has blocks of its own.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// `facebench serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What answers: a backend with options
    #[arg(short, long, value_name = "SPEC", default_value = REFERENCE)]
    pub backend: BackendSpec,
    /// Photos and networks.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// Decides streams and threads that the SPEC does not give, as in run
    #[arg(long, value_enum, default_value_t = Scenario::Offline)]
    pub scenario: Scenario,
    /// Host cores to use
    #[arg(long, value_name = "LIST", value_parser = core_list)]
    pub host_cores: Option<CoreList>,
    /// End with an error when a photo is not answered for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub patience: Duration,
}

/// How to measure; `run`, `tenants`, `tune` and `demo` share it.
#[derive(Debug, Args)]
#[command(next_help_heading = "How to measure")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct MeasureArgs {
    /// Minimum time of a block [default: 3s; 1s with --quick]
    #[arg(short, long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Warm-up of each process [default: 2s; 500ms with --quick]
    #[arg(long, value_parser = duration)]
    pub warmup: Option<Duration>,
    /// Processes of each arm, the unit of replication [default: 6; 3 with --quick]
    #[arg(long, value_parser = count)]
    pub processes: Option<usize>,
    /// Measured blocks of each process [default: 2; 1 with --quick]
    #[arg(long, value_parser = count)]
    pub blocks: Option<usize>,
    /// Seed for the order of arms and the sample of photos [default: random; the record has it]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Few and short blocks for a first look; the record is marked as quick
    #[arg(long)]
    pub quick: bool,
    /// The latency to meet, and the percentile of photos that must meet it
    #[arg(long, value_name = "TIME@pN", default_value = "100ms@p99", value_parser = latency_bound)]
    pub latency_bound: LatencyBound,
    /// Leave out the throughput-latency curve over streams and batches
    #[arg(long)]
    pub no_curve: bool,
    /// Price of an hour, for the arm LABEL or for every arm: 0.40, 2.50USD, cuda=2.50USD
    #[arg(long, value_name = "[LABEL=]PRICE", value_parser = price)]
    pub price_per_hour: Vec<ArmPrice>,
    /// Host cores that every arm may use, such as 0-3,8 [default: all that this process may use]
    #[arg(long, value_name = "LIST", value_parser = core_list)]
    pub host_cores: Option<CoreList>,
    /// If a backend cannot run, measure the others
    #[arg(long)]
    pub keep_going: bool,
    /// End a worker that has sent nothing for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub patience: Duration,
    /// Print the plan and exit
    #[arg(long)]
    pub dry_run: bool,
    /// Which photos.
    #[command(flatten)]
    pub sample: SampleArgs,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which of the photos are measured, and how they are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Photos")]
pub struct SampleArgs {
    /// Measure a random sample of N photos, the same for every arm
    #[arg(long, value_name = "N", value_parser = count)]
    pub photos: Option<usize>,
    /// Measure part I of N of the photos (or of the sample), counted from 0: 0/4 to 3/4. The parts share no photo and are
    /// alike in photo sizes; `merge` combines their records as a fleet. Without --seed the sample has seed 0
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Size at which JPEGs are decoded, for arms without decode=: scaled decodes large ones smaller, keeps the detector's
    /// input and every face at full resolution, and needs the feature turbojpeg [default: full]
    #[arg(long, value_name = "full|scaled")]
    pub decode: Option<Decoding>,
    /// Each worker holds its encoded photos in memory up to this size; if they are larger, it reads them ahead from disk
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub preload: ByteSize,
}

/// Where the results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Name of the study, part of the record's file name
    #[arg(long, value_parser = file_name_part)]
    pub name: Option<String>,
    /// The record [default: results/TIME-NAME.json]
    #[arg(short, long, value_name = "FILE.json")]
    pub output: Option<PathBuf>,
    /// Also write the raw blocks as CSV
    #[arg(long, value_name = "FILE")]
    pub export_csv: Option<PathBuf>,
    /// Also write the tables as Markdown
    #[arg(long, value_name = "FILE")]
    pub export_markdown: Option<PathBuf>,
    /// Also write the page
    #[arg(long, value_name = "FILE")]
    pub export_html: Option<PathBuf>,
}
