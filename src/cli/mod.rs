//! The command line: one file for each group of commands. Syntax only; what a text means as a value is in [`values`].

mod choices;
mod install;
mod photos;
mod records;
mod study;
mod tenants;
pub mod values;

use clap::{Args, Parser, Subcommand};

pub use self::{
    install::{BundleArgs, DatasetsCommand, FetchArgs, ModelsCommand, QuantizeArgs, RenderArgs, SetupFlavor},
    photos::{FacesArgs, NetworkArgs, WorkloadArgs, WorkloadName},
    records::{CompareArgs, MergeArgs, MonitorArgs, ReportArgs, SizeArgs},
    study::{MeasureArgs, OutputArgs, RunArgs, SampleArgs, ServeArgs, TuneArgs},
    tenants::{CoordinationArgs, TenantsArgs},
};

/// Measures face recognition (detect, align, embed, match): how many images per second each backend gives, with the
/// evidence.
#[derive(Debug, Parser)]
#[command(name = "facebench", version, max_term_width = 110, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 all arms are valid; 1 the study could not be made or an arm failed; 2 usage error; \
3 an arm is invalid or unstable, or an audit found a difference; 4 a backend cannot run; 5 a regression.";

/// How the defaults of `demo` differ from those of `run`.
const DEMO: &str = "The defaults are shorter than those of run: 5 processes of 2 blocks of 2s each after 1s of warm-up. A demo \
writes results/NAME.json, NAME.svg and NAME.html, and replaces files of these names (NAME: --name, or demo).";

/// What facebench can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure the embedded workload on the CPU and every accelerator that is ready: table, record, chart and page
    #[command(after_help = DEMO)]
    Demo(Box<MeasureArgs>),
    /// Measure backends: each arm in several processes, each process in several blocks; table and record
    Run(Box<RunArgs>),
    /// Measure processes that share one device at the same time: the speed of each, fairness, the gain of sharing
    Tenants(Box<TenantsArgs>),
    /// Search the best streams, threads and batch of a backend, confirm them on fresh blocks, print the SPEC to use
    Tune(Box<TuneArgs>),
    /// Show records as tables, or write a page, Markdown, a chart, or the raw blocks as CSV
    Report(ReportArgs),
    /// Compare the arms of two records: ratios with confidence intervals
    Compare(CompareArgs),
    /// Merge records into one and compare all arms with the first; add what `monitor` logged on the GPUs' hosts
    Merge(MergeArgs),
    /// Count the machines that serve a load: how many of each, their cost, and the rate above which another is cheaper
    Size(SizeArgs),
    /// Compute every figure of a record again from its raw blocks
    Audit {
        /// The record
        #[arg(value_name = "RECORD")]
        record: std::path::PathBuf,
    },
    /// On a hypervisor: log what its guests cannot see (scheduler, other vGPUs, clocks, power), for merge
    #[command(alias = "witness")]
    Monitor(MonitorArgs),
    /// List every check: its question, its limit, what a failure means
    Checks {
        /// Print the page docs/checks.md
        #[arg(long)]
        markdown: bool,
    },
    /// Answer photos by number over standard input and output, for external load generators (scripts/loadgen)
    Serve(Box<ServeArgs>),
    /// Show what the pipeline sees: one JSON line per photo, or photos with boxes and names drawn in
    Faces(FacesArgs),
    /// Show this machine, every backend, and why one cannot run
    Devices(DevicesArgs),
    /// List, verify, fetch or convert networks
    Models {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Render synthetic photos of faces with their ground truth
    Datasets {
        /// What to do with them.
        #[command(subcommand)]
        command: DatasetsCommand,
    },
    /// Install a pinned ONNX Runtime into the cache
    Setup {
        /// Which build
        flavor: SetupFlavor,
    },
    /// Pack program, runtimes, networks and photos for a machine without a network connection
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

/// `facebench devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Ask OpenStack's metadata service, even if nothing else shows that this is an OpenStack instance
    #[arg(long)]
    pub metadata: bool,
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
