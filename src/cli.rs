//! The words of the command line: clap types, syntax only. Strings become types here and nowhere else.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    dataset::Shard,
    machine::parse_cpu_list,
    model::{derived::Target, network::NetworkName},
    record, report,
    runtime::{
        install::Flavor,
        options::{Decoding, bytes},
        spec::{BackendSpec, nearest, parse_duration},
    },
    study::summary::Price,
};

/// Each machine is a thread of the service, and a turn of every round.
const MOST_MACHINES: usize = 256;

/// Measures face recognition (detect, align, embed, match) and says with evidence how many images per second each
/// backend gives.
#[derive(Debug, Parser)]
#[command(name = "facebench", version, max_term_width = 110, after_help = EXITS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXITS: &str = "Exit status: 0 all arms valid; 1 the study could not be made or an arm failed; 2 wrong words; \
3 an arm is invalid or unstable, or an audit found a difference; 4 a backend cannot run; 5 a regression.";

/// Where `demo` is laid out otherwise than its options say.
const DEMO: &str = "A demo is shorter than a run: 5 processes of 2 blocks of 2s each after 1s of warm-up, where nothing is \
said. It leaves results/NAME.json, NAME.svg and NAME.html, in place of what is there (NAME: --name, or demo).";

/// What facebench can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure the embedded workload on the CPU and every accelerator that is ready; table, record, chart, page
    #[command(after_help = DEMO)]
    Demo(Box<MeasureArgs>),
    /// Measure: arms x processes x blocks, a table, a record
    Run(Box<RunArgs>),
    /// Measure N processes that share one device at the same time: what each gets, how fair it is, what sharing gains
    Tenants(Box<TenantsArgs>),
    /// Search the best streams, threads and batch of a backend, confirm them on fresh blocks, print the SPEC to use
    Tune(Box<TuneArgs>),
    /// Show records: tables on the terminal, or a page, Markdown, raw blocks as CSV, a chart
    Report {
        /// Records, the .json files that studies leave; several make one page
        #[arg(required = true, value_name = "RECORD")]
        records: Vec<PathBuf>,
        /// Write a file instead: .html (page), .md (Markdown), .csv (raw blocks), .svg or .png (chart), .txt (tables)
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Which chart, for .svg and .png [default: throughput]
        #[arg(long, value_enum)]
        chart: Option<ChartName>,
    },
    /// Hold the arms of one record against those of another: ratios with intervals
    Compare {
        /// The record to compare with
        #[arg(value_name = "A.json")]
        old: PathBuf,
        /// The record that is compared
        #[arg(value_name = "B.json")]
        new: PathBuf,
        /// Exit with 5 where an arm is slower by so much or more, and it is no chance
        #[arg(long, value_name = "SHARE", value_parser = regression)]
        fail_on_regression: Option<f64>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Put records together: one record of all arms, held against the first; with what witnesses logged on the GPUs' hosts
    Merge {
        /// The records, and the logs of witnesses (known by what is in them)
        #[arg(required = true, value_name = "RECORD")]
        records: Vec<PathBuf>,
        /// The record of all
        #[arg(short, long, value_name = "ALL.json")]
        output: PathBuf,
    },
    /// Count the machines that serve a load: how many of each, what they cost, where another becomes cheaper
    Size(SizeArgs),
    /// Compute every figure of a record again from its raw blocks
    Audit {
        /// The record
        #[arg(value_name = "RECORD")]
        record: PathBuf,
    },
    /// On a hypervisor: log what its guests cannot see (scheduler, vGPUs, neighbours, clocks, power), for merge
    Witness {
        /// The log, a JSON line a look; it must be a new file [default: results/TIME-witness.jsonl]
        #[arg(short, long, value_name = "FILE.jsonl")]
        output: Option<PathBuf>,
        /// Time from look to look
        #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
        interval: Duration,
        /// How long [default: until Ctrl-C]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// List every check: what it asks, its limit, what its failure means
    Checks {
        /// The page docs/checks.md
        #[arg(long)]
        markdown: bool,
    },
    /// Answer photos by number over standard input and output, for load generators of others (scripts/loadgen)
    Serve(Box<ServeArgs>),
    /// Show what the pipeline sees: one JSON line a photo, or photos with boxes and names
    Faces(FacesArgs),
    /// Show what this machine is, every backend, and why one cannot run
    Devices {
        /// JSON instead of text
        #[arg(long)]
        json: bool,
        /// Ask OpenStack's metadata service, even where nothing else says that this is its instance
        #[arg(long)]
        metadata: bool,
    },
    /// List, verify or fetch the networks of the catalog, or convert one to another precision
    Models {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Draw photos of faces by rule, with their ground truth
    Datasets {
        /// What to do with them.
        #[command(subcommand)]
        command: DatasetsCommand,
    },
    /// Install a pinned ONNX Runtime into the cache
    Setup {
        /// Which
        flavor: SetupFlavor,
    },
    /// Pack program, runtimes, networks and photos for a machine without a network
    Bundle(BundleArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The child process of an arm
    #[command(hide = true)]
    Worker,
}

/// The two networks and how photos are read for them.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// Detector: a name of `facebench models list`, an ONNX file, or FAMILY:FILE (yunet:net.onnx) [default:
    /// facebench-det]
    #[arg(long, value_name = "NAME|PATH")]
    pub detector: Option<NetworkName>,
    /// Recognizer: likewise (arcface:net.onnx) [default: facebench-rec]
    #[arg(long, value_name = "NAME|PATH")]
    pub recognizer: Option<NetworkName>,
    /// Least score of a face, 0 to 1 [default: the catalog's, else 0.6]
    #[arg(long, value_parser = share)]
    pub score: Option<f32>,
    /// Largest photo, in megapixels
    #[arg(long, value_name = "MP", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub max_megapixels: u64,
    /// A photo that cannot be read is fatal
    #[arg(long)]
    pub strict: bool,
}

/// `facebench run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to measure, once for each arm: a backend with options (cpu,threads=1,streams=2; docs/spec.md has them all, and
    /// a wrong one is answered by the backend's list)
    #[arg(short, long = "backend", value_name = "SPEC", default_value = "cpu")]
    pub backends: Vec<BackendSpec>,
    /// Photos and networks by one name; -i, --detector and --recognizer replace its parts
    #[arg(short, long, value_enum, default_value_t = WorkloadName::Demo)]
    pub workload: WorkloadName,
    /// Photos instead of the workload's own: a folder or a single file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// How photos arrive
    #[arg(long, value_enum, default_value_t = ScenarioWord::Offline)]
    pub scenario: ScenarioWord,
    /// Server scenario: photos a second that arrive [default: the highest rate that holds the bound is searched]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub request_rate: Option<f64>,
    /// Measure the arm against itself: how far apart two arms seem that are the same. The floor is kept for this
    /// machine and becomes the margin of every later verdict where it is larger than 2 %
    #[arg(long, conflicts_with_all = ["scenario", "quick"])]
    pub noise_floor: bool,
    /// Measure as well what each arm's stages allow, each stage alone, and how much of that the arm reaches
    #[arg(long)]
    pub ceiling: bool,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// `facebench tenants`.
#[derive(Debug, Args)]
pub struct TenantsArgs {
    /// What every tenant is: a backend with options. On the processor, one that says neither streams nor threads has one
    /// stream of one thread
    #[arg(
        short,
        long,
        value_name = "SPEC",
        default_value = "cpu",
        conflicts_with = "tenants"
    )]
    pub backend: BackendSpec,
    /// How many tenants, one after the other; one alone is always measured
    #[arg(long, value_name = "LIST", default_value = "1,2,4", value_parser = counts, conflicts_with = "tenants")]
    pub counts: Counts,
    /// A tenant of its own kind, each given with one of these: all of them at the same time, and each alone
    #[arg(long = "tenant", value_name = "SPEC")]
    pub tenants: Vec<BackendSpec>,
    /// Deal the host cores out, so that each tenant has its own as far as they go
    #[arg(long)]
    pub pin: bool,
    /// Measure all of it once more beside a process that multiplies matrices for this share of the time, above 0 and up to 1,
    /// on the tenants' device or, on the processor, one core: inference beside light training. It begins late, and what
    /// tenants keep of their speed is told. Where several machines meet it is beside the tenants of all the others, while
    /// this machine's rest
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub neighbour: Option<f32>,
    /// Tenants on several machines.
    #[command(flatten)]
    pub meeting: MeetingArgs,
    /// Least images a second of each tenant: how many such tenants can the device serve?
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub least_rate: Option<f64>,
    /// Photos and networks by one name; -i, --detector and --recognizer replace its parts
    #[arg(short, long, value_enum, default_value_t = WorkloadName::Demo)]
    pub workload: WorkloadName,
    /// Photos instead of the workload's own: a folder or a single file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// How to measure; a process is a round.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// Several machines, such as the guests of one GPU, whose tenants are at work at the same time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several machines at the same time")]
pub struct MeetingArgs {
    /// Keep several machines in step and measure as the first of them: listen at this address for the others, which come
    /// with --join. Whoever reaches it can take part, so use a network that you trust; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        requires = "machines",
        conflicts_with_all = ["join", "start_at", "counts", "keep_going"]
    )]
    pub lead: Option<SocketAddr>,
    /// How many machines come, the one with --lead included
    #[arg(long, value_name = "N", requires = "lead", value_parser = machines)]
    pub machines: Option<usize>,
    /// Take part in what the machine there leads. Clocks need not agree: each reads the leader's. Give all machines the
    /// same photos, networks and durations, then put their records together with `merge`
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = host_and_port,
        conflicts_with_all = ["start_at", "counts", "keep_going"]
    )]
    pub join: Option<String>,
    /// Without a network between the machines: begin at this time, such as 2026-01-31T12:00:00Z, on all of them, by their
    /// own clocks, and keep to a timetable
    #[arg(long, value_name = "TIME", requires = "place", conflicts_with_all = ["counts", "neighbour", "keep_going"])]
    pub start_at: Option<jiff::Timestamp>,
    /// This machine's place in the timetable, counted from 0, and the number of machines. All of them must have as many
    /// kinds of tenants as this one
    #[arg(long, value_name = "I/N", requires = "start_at", value_parser = place)]
    pub place: Option<Shard>,
    /// Time in the timetable for one round of tenants, loading included, the same on all machines [default: 30s more than
    /// the work takes]
    #[arg(long, value_name = "DURATION", requires = "start_at", value_parser = duration)]
    pub slot: Option<Duration>,
    /// Time in the timetable for one machine alone, the same on all machines [default: 60s more than twice the work]
    #[arg(long, value_name = "DURATION", requires = "start_at", value_parser = duration)]
    pub study_slot: Option<Duration>,
}

impl MeetingArgs {
    /// Whether no other machine is spoken of.
    pub fn is_one(&self) -> bool {
        self.lead.is_none() && self.join.is_none() && self.start_at.is_none()
    }
}

/// Numbers of tenants, a type of its own, for clap takes a bare `Vec` for many values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub Vec<usize>);

/// `facebench tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// What to tune: a backend with the options that stay as they are; the others are searched
    #[arg(short, long, value_name = "SPEC", default_value = "cpu")]
    pub backend: BackendSpec,
    /// Photos and networks by one name; -i, --detector and --recognizer replace its parts
    #[arg(short, long, value_enum, default_value_t = WorkloadName::Demo)]
    pub workload: WorkloadName,
    /// Photos instead of the workload's own: a folder or a single file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// What to search for
    #[arg(long, value_enum, default_value_t = HintWord::Throughput)]
    pub hint: HintWord,
    /// Only what holds --latency-bound may win
    #[arg(long)]
    pub hold_latency: bool,
    /// Write the SPEC to use into a file as well, for run -b "$(cat FILE)"
    #[arg(long, value_name = "FILE")]
    pub spec_file: Option<PathBuf>,
    /// How to measure, for the study that confirms the best; the search has blocks of its own.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// The words of `--hint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HintWord {
    /// The most images a second, all photos being there from the start
    Throughput,
    /// The least time of one photo, one after the other
    Latency,
}

impl From<HintWord> for record::Hint {
    fn from(word: HintWord) -> Self {
        match word {
            HintWord::Throughput => Self::Throughput,
            HintWord::Latency => Self::Latency,
        }
    }
}

/// `facebench size`.
#[derive(Debug, Args)]
pub struct SizeArgs {
    /// Records of the machines to choose from, best of `run --scenario server`
    #[arg(required = true, value_name = "RECORD")]
    pub records: Vec<PathBuf>,
    /// The load: photos a second that arrive at random, all machines together
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: f64,
    /// The latency that 99 of 100 photos have to keep
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = held)]
    pub p99: Duration,
    /// What an hour of each machine costs (docs/size.md) [default: the records' own prices]
    #[arg(long, value_name = "FILE.toml")]
    pub prices: Option<PathBuf>,
    /// Machines on top of those that serve the load, to stand in for others
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = spare)]
    pub spare: usize,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `facebench serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What answers: a backend with options
    #[arg(short, long, value_name = "SPEC", default_value = "cpu")]
    pub backend: BackendSpec,
    /// Photos and networks by one name
    #[arg(short, long, value_enum, default_value_t = WorkloadName::Demo)]
    pub workload: WorkloadName,
    /// Photos instead of the workload's own
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// Decides streams and threads where the SPEC leaves them open, as in run
    #[arg(long, value_enum, default_value_t = ScenarioWord::Offline)]
    pub scenario: ScenarioWord,
    /// Host cores to use
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    pub host_cores: Option<CoreList>,
}

/// How to measure; `run`, `tune` and `demo` share it.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct MeasureArgs {
    /// Least time of a block [default: 3s; 1s with --quick]
    #[arg(short, long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Warm-up of each process [default: 2s; 500ms with --quick]
    #[arg(long, value_parser = duration)]
    pub warmup: Option<Duration>,
    /// Processes of each arm: the unit of replication [default: 6; 3 with --quick]
    #[arg(long, value_parser = count)]
    pub processes: Option<usize>,
    /// Measured blocks of each process [default: 2; 1 with --quick]
    #[arg(long, value_parser = count)]
    pub blocks: Option<usize>,
    /// Seeds the order of arms and the sample of photos [default: drawn, and kept in the record]
    #[arg(long)]
    pub seed: Option<u64>,
    /// A first look: few and short blocks, marked as such in the record
    #[arg(long)]
    pub quick: bool,
    /// Measure a seeded sample of so many photos, the same for every arm
    #[arg(long, value_name = "N", value_parser = count)]
    pub photos: Option<usize>,
    /// Measure one part of N of the photos (or of the sample), counted from 0: 0/4 to 3/4. Parts share no photo, are alike
    /// in sizes, and `merge` puts their records together as a fleet. Without --seed the sample is that of seed 0
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// How large JPEGs are decoded, for arms that do not say (decode=scaled): scaled needs the feature turbojpeg, and
    /// keeps the detector's input and every face at full resolution [default: full]
    #[arg(long, value_name = "full|scaled")]
    pub decode: Option<Decoding>,
    /// Encoded photos up to this size are held in memory, by each worker for itself; of more, those that come next are
    /// read ahead of their turn
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub preload: ByteSize,
    /// The latency that is held, at a percentile
    #[arg(long, value_name = "TIME@pN", default_value = "100ms@p99", value_parser = latency_bound)]
    pub latency_bound: record::LatencyBound,
    /// Leave out the throughput-latency curve over streams and batches
    #[arg(long)]
    pub no_curve: bool,
    /// What an hour costs, of the arm LABEL or of every arm: 0.40, 2.50USD, cuda=2.50USD
    #[arg(long, value_name = "[LABEL=]PRICE", value_parser = price)]
    pub price_per_hour: Vec<ArmPrice>,
    /// Host cores that every arm may use, such as 0-3,8 [default: all that this process may use]
    #[arg(long, value_name = "LIST", value_parser = parse_cores)]
    pub host_cores: Option<CoreList>,
    /// A backend that cannot run costs its arm, not the study
    #[arg(long)]
    pub keep_going: bool,
    /// Longest silence of a worker before it is ended
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub patience: Duration,
    /// Name of the study, part of the record's file name
    #[arg(long, value_parser = file_word)]
    pub name: Option<String>,
    /// The record [default: results/TIME-NAME.json]
    #[arg(short, long, value_name = "FILE.json")]
    pub output: Option<PathBuf>,
    /// Write the raw blocks as CSV as well
    #[arg(long, value_name = "FILE")]
    pub export_csv: Option<PathBuf>,
    /// Write the tables as Markdown as well
    #[arg(long, value_name = "FILE")]
    pub export_markdown: Option<PathBuf>,
    /// Write the page as well
    #[arg(long, value_name = "FILE")]
    pub export_html: Option<PathBuf>,
    /// Print the plan and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// A price, of one arm or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmPrice {
    /// The arm; `None` for all that have no price of their own.
    pub label: Option<String>,
    /// What an hour costs.
    pub price: Price,
}

/// A list of host cores; a type of its own, for clap takes a bare `Vec` for many values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreList(pub Vec<usize>);

/// `facebench faces`.
#[derive(Debug, Args)]
pub struct FacesArgs {
    /// Photos, or folders of them
    #[arg(required = true, value_name = "PHOTO|DIR")]
    pub inputs: Vec<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// One JSON line a photo (also without --draw)
    #[arg(long)]
    pub json: bool,
    /// Write the photos here with boxes, landmarks and names
    #[arg(long, value_name = "DIR")]
    pub draw: Option<PathBuf>,
    /// Photos of known people: a sub-folder a person, or photos with identities.csv
    #[arg(long, value_name = "DIR")]
    pub gallery: Option<PathBuf>,
    /// Least cosine at which two faces are one person [default: the catalog's, else 0.4]
    #[arg(long, value_name = "COSINE", value_parser = share)]
    pub match_threshold: Option<f32>,
}

/// `facebench bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Where to: a new folder
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Largest file of the bundle, such as 60MB or 60MiB
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = part_size)]
    pub part_size: ByteSize,
    /// Runtimes to pack besides the CPU's, which is always in it; installed first where they are missing
    #[arg(long = "flavor", value_name = "FLAVOR", default_value = "cpu", value_parser = flavor)]
    pub flavors: Vec<Flavor>,
    /// Leave NVIDIA's libraries out of the runtimes: the other machine has them, and `FACEBENCH_NVIDIA_LIBS` names
    /// where
    #[arg(long)]
    pub without_nvidia_libraries: bool,
    /// Photos instead of the demo's: a folder or a single file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// Detector to pack [default: facebench-det]
    #[arg(long, value_name = "NAME|PATH")]
    pub detector: Option<NetworkName>,
    /// Recognizer to pack [default: facebench-rec]
    #[arg(long, value_name = "NAME|PATH")]
    pub recognizer: Option<NetworkName>,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// `facebench models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Every network that facebench knows by name
    List {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Hold the networks on this machine against the catalog's hashes
    Verify,
    /// Bring a network to this machine, checked
    Fetch {
        /// A name of the catalog
        name: String,
        /// The terms of a non-commercial licence are accepted
        #[arg(long)]
        accept_license: bool,
        /// The hash that the file must have, where the catalog has none
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Another place that serves the file
        #[arg(long)]
        url: Option<String>,
        /// Longest silence of the server
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
        timeout: Duration,
    },
    /// Convert a network to another precision, for arms such as cuda,precision=fp16 or cpu,precision=int8
    Quantize(QuantizeArgs),
}

/// `facebench models quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// A name of the catalog, an ONNX file, or FAMILY:FILE
    #[arg(value_name = "NAME|PATH")]
    pub name: NetworkName,
    /// To what [default with --calibrate: int8]
    #[arg(long, value_enum, required_unless_present = "calibrate")]
    pub to: Option<QuantizeTarget>,
    /// For int8: a folder of photos like those to be measured, which show the ranges of the numbers inside the network
    #[arg(long, value_name = "DIR", required_if_eq("to", "int8"))]
    pub calibrate: Option<PathBuf>,
    /// For int8 and a recognizer: who finds the faces in these photos [default: facebench-det]
    #[arg(long, value_name = "NAME|PATH", requires = "calibrate")]
    pub detector: Option<NetworkName>,
}

/// What a network can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QuantizeTarget {
    /// 16-bit floats inside, 32-bit floats at inputs and outputs
    Fp16,
    /// 8-bit integers where they pay, 32-bit floats at inputs and outputs
    Int8,
}

impl From<QuantizeTarget> for Target {
    fn from(word: QuantizeTarget) -> Self {
        match word {
            QuantizeTarget::Fp16 => Self::Fp16,
            QuantizeTarget::Int8 => Self::Int8,
        }
    }
}

/// `facebench datasets`.
#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// Draw photos into a folder: the same files for the same seed, with a manifest of boxes, landmarks and people
    Render {
        /// Decides every pixel
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many photos
        #[arg(long, default_value_t = 120, value_parser = count)]
        count: usize,
        /// Where to
        dir: PathBuf,
    },
}

/// The runtimes that `facebench setup` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetupFlavor {
    /// ONNX Runtime for the CPU
    Cpu,
    /// ONNX Runtime for NVIDIA GPUs, whichever of the next two fits the driver and the GPU
    Cuda,
    /// ONNX Runtime for NVIDIA GPUs with CUDA 13, and NVIDIA's libraries
    Cuda13,
    /// The same with CUDA 12, for older drivers and for GPUs that CUDA 13 has dropped (V100 and older)
    Cuda12,
    /// ONNX Runtime with Intel's OpenVINO
    Openvino,
}

/// The workloads of `--workload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkloadName {
    /// Photos drawn by rule, networks trained on such: all inside the program
    Demo,
}

/// The scenarios of `--scenario`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScenarioWord {
    /// All photos are there from the start: images a second
    Offline,
    /// One photo after the other: the time of one
    SingleStream,
    /// Eight photos at a time: the time of all eight
    MultiStream,
    /// Photos arrive at random: the highest rate at which the latency is held
    Server,
}

impl From<ScenarioWord> for record::Scenario {
    fn from(word: ScenarioWord) -> Self {
        match word {
            ScenarioWord::Offline => Self::Offline,
            ScenarioWord::SingleStream => Self::SingleStream,
            ScenarioWord::MultiStream => Self::MultiStream,
            ScenarioWord::Server => Self::Server,
        }
    }
}

/// The charts of `--chart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChartName {
    /// Images a second of each arm
    Throughput,
    /// Latency by percentile
    Latency,
    /// Where the time of a photo goes
    Stages,
    /// Images a second of each block, in the order of measuring
    Time,
    /// Latency against images a second
    Curve,
    /// Images a second against streams
    Scaling,
    /// Tenants of one device against their number
    Tenants,
}

impl From<ChartName> for report::chart::Kind {
    fn from(name: ChartName) -> Self {
        match name {
            ChartName::Throughput => Self::Throughput,
            ChartName::Latency => Self::Latency,
            ChartName::Stages => Self::Stages,
            ChartName::Time => Self::Time,
            ChartName::Curve => Self::Curve,
            ChartName::Scaling => Self::Scaling,
            ChartName::Tenants => Self::Tenants,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(24);
    let duration = parse_duration(text)?;
    if duration <= most {
        Ok(duration)
    } else {
        Err("longer than a day".to_owned())
    }
}

/// Closer looks would keep the driver busy.
fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(10);
    let interval = duration(text)?;
    if interval >= least {
        Ok(interval)
    } else {
        Err("shorter than 10ms".to_owned())
    }
}

fn regression(text: &str) -> Result<f64, String> {
    crate::runtime::spec::share(text)
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| (0.1..=1e6).contains(rate))
        .ok_or_else(|| "expected photos a second, from 0.1 to 1000000".to_owned())
}

fn latency_bound(text: &str) -> Result<record::LatencyBound, String> {
    let expected = || format!("\"{text}\" is no bound; write it like 100ms@p99");
    let (time, percentile) = text.split_once('@').ok_or_else(expected)?;
    let ms = duration(time).map_err(|_| expected())?.as_secs_f64() * 1e3;
    let percentile = percentile.strip_prefix('p').and_then(|p| p.parse::<f64>().ok());
    let percentile = percentile.filter(|p| (50.0..=99.9).contains(p) && ms > 0.0);
    Ok(record::LatencyBound {
        ms,
        percentile: percentile.ok_or_else(expected)?,
    })
}

fn held(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a time above 0".to_owned()),
        held => Ok(held),
    }
}

fn spare(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|spare| *spare <= 1000)
        .ok_or_else(|| "expected a whole number, from 0 to 1000".to_owned())
}

fn price(text: &str) -> Result<ArmPrice, String> {
    let expected = || format!("\"{text}\" is no price an hour; write it like 0.40, 2.50USD or cuda=2.50USD");
    // Labels may hold an equals sign of their own: the price follows the last one.
    let (label, price) = text
        .rsplit_once('=')
        .map_or((None, text), |(label, price)| (Some(label.to_owned()), price));
    let digits = price
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(price.len());
    let (amount, currency) = price.split_at(digits);
    let currency = currency.trim();
    let per_hour = amount.parse::<f64>().map_err(|_| expected())?;
    if currency.chars().all(|c| c.is_alphabetic() || "$€£¥".contains(c)) && currency.len() <= 8 {
        Ok(ArmPrice {
            label,
            price: Price {
                per_hour,
                currency: currency.to_owned(),
            },
        })
    } else {
        Err(expected())
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1_000_000).contains(count))
        .ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

fn share(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn size(text: &str) -> Result<ByteSize, String> {
    bytes(text).map(ByteSize)
}

fn part_size(text: &str) -> Result<ByteSize, String> {
    /// Less would make thousands of files of any bundle.
    const LEAST: f64 = 1e5;
    match bytes(text)? {
        size if size as f64 >= LEAST && size as f64 <= 1e15 => Ok(ByteSize(size)),
        _ => Err("expected 100KB or more".to_owned()),
    }
}

fn flavor(word: &str) -> Result<Flavor, String> {
    let known = || Flavor::ALL.iter().map(|flavor| flavor.name());
    let found = Flavor::ALL.iter().copied().find(|flavor| flavor.name() == word);
    found.ok_or_else(|| {
        let near = nearest(word, known());
        format!(
            "no such runtime{near}; there are: {}",
            known().collect::<Vec<_>>().join(", ")
        )
    })
}

fn file_word(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits, - _ and .".to_owned())
    }
}

/// `1,2,4`: how many at a time.
fn counts(text: &str) -> Result<Counts, String> {
    let number = |word: &str| {
        let count = word.trim().parse::<usize>().ok();
        count
            .filter(|count| (1..=1000).contains(count))
            .ok_or_else(|| format!("\"{word}\" is no number of tenants; expected a list such as 1,2,4"))
    };
    let mut counts: Vec<usize> = text.split(',').map(number).collect::<Result<_, _>>()?;
    counts.sort_unstable();
    counts.dedup();
    Ok(Counts(counts))
}

/// `I/N`: one part of N, counted from 0.
fn shard(text: &str) -> Result<Shard, String> {
    let form = "expected I/N, counted from 0, such as 0/4";
    let (index, of) = text.split_once('/').ok_or(form)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| form.to_owned());
    let (index, of) = (number(index)?, number(of)?);
    if index < of {
        Ok(Shard { index, of })
    } else if of == 0 {
        Err("there are no parts of 0".to_owned())
    } else {
        Err(format!("parts are counted from 0: 0/{of} to {}/{of}", of - 1))
    }
}

/// A host may be a name, an address, or a version 6 address in brackets.
fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| {
        let bare = host.contains(':') && !host.starts_with('[');
        !host.is_empty() && !bare && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a host and a port, such as vm1:7878 or [fd00::1]:7878".to_owned())
    }
}

fn place(text: &str) -> Result<Shard, String> {
    let place = shard(text)?;
    a_meeting_of(place.of).map(|_| place)
}

fn machines(text: &str) -> Result<usize, String> {
    a_meeting_of(count(text)?)
}

/// A meeting of one is none.
fn a_meeting_of(machines: usize) -> Result<usize, String> {
    match machines {
        1 => Err("one machine needs nobody to keep it in step: leave this out".to_owned()),
        machines if machines > MOST_MACHINES => Err(format!("more than {MOST_MACHINES} machines")),
        machines => Ok(machines),
    }
}

fn parse_cores(text: &str) -> Result<CoreList, String> {
    let cores = parse_cpu_list(text)?;
    if cores.is_empty() {
        Err("names no core".to_owned())
    } else {
        Ok(CoreList(cores))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn shards_are_counted_from_0() {
        assert_eq!(shard("3/4"), Ok(Shard { index: 3, of: 4 }));
        assert!(shard("4/4").unwrap_err().contains("0/4 to 3/4"));
        assert!(
            ["", "1", "a/2", "1/0", "-1/2", "1/2/3"]
                .iter()
                .all(|text| shard(text).is_err())
        );
    }

    #[test]
    fn a_meeting_is_somewhere_and_has_two_or_more() {
        for good in ["vm1:7878", "10.0.0.4:1", "[fd00::1]:7878"] {
            assert_eq!(host_and_port(good).as_deref(), Ok(good));
        }
        assert!(
            ["vm1", "vm1:", ":7878", "fd00::1:7878", "vm1:0", "vm1:70000"]
                .iter()
                .all(|text| host_and_port(text).is_err())
        );
        assert_eq!(place("1/2"), Ok(Shard { index: 1, of: 2 }));
        assert!(place("0/1").is_err() && machines("0").is_err() && machines("257").is_err());
    }

    #[test]
    fn bounds_and_prices_are_read_as_people_write_them() {
        let bound = latency_bound("0.1s@p99.9").unwrap();
        assert!((bound.ms - 100.0).abs() < 1e-9 && (bound.percentile - 99.9).abs() < 1e-9);
        assert!(
            ["100ms", "100ms@99", "0ms@p99", "1s@p100", "@p99"]
                .iter()
                .all(|bad| latency_bound(bad).is_err())
        );
        let read = price("cpu,precision=int8=2.50USD").unwrap();
        assert_eq!(read.label.as_deref(), Some("cpu,precision=int8"));
        assert_eq!(
            (read.price.per_hour.to_bits(), read.price.currency.as_str()),
            (2.5f64.to_bits(), "USD")
        );
        assert_eq!(price("0.4").unwrap().label, None);
        assert!(
            ["much", "cpu=", "-1", "1 2"]
                .iter()
                .all(|bad| price(bad).is_err())
        );
    }

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        let bytes = |text: &str| part_size(text).map(|size| size.0);
        assert_eq!(bytes("60MB"), Ok(60_000_000));
        assert_eq!(bytes("60 mib"), Ok(62_914_560));
        assert_eq!(bytes("1.5GB"), Ok(1_500_000_000));
        assert_eq!(bytes("250000"), Ok(250_000));
        for bad in ["", "MB", "60 apples", "-1MB", "1KB", "0"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
