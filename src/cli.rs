//! The words of the command line: clap types, syntax only. Strings become types here and nowhere else.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    backend::spec::{BackendSpec, parse_duration},
    host::parse_cpu_list,
    model::network::NetworkName,
    record,
};

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
3 an arm is invalid or unstable; 4 a backend cannot run.";

/// What facebench can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure the embedded workload on the CPU and every accelerator that is ready; table, record, chart, page
    Demo(Box<MeasureArgs>),
    /// Measure: arms x processes x blocks, a table, a record
    Run(Box<RunArgs>),
    /// Show what the pipeline sees: one JSON line a photo, or photos with boxes and names
    Faces(FacesArgs),
    /// Show what this machine is, every backend, and why one cannot run
    Devices {
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// List, verify or fetch the networks of the catalog
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
    /// What to measure, once for each arm: a backend with options (cpu,threads=1,streams=2)
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
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// How to measure; `run` and `demo` share it.
#[derive(Debug, Args)]
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
    /// Print the plan and stop
    #[arg(long)]
    pub dry_run: bool,
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
}

impl From<ScenarioWord> for record::Scenario {
    fn from(word: ScenarioWord) -> Self {
        match word {
            ScenarioWord::Offline => Self::Offline,
            ScenarioWord::SingleStream => Self::SingleStream,
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

fn file_word(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits, - _ and .".to_owned())
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
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
