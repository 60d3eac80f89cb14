//! `tenants`, and several machines that measure at the same time.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, builder::UnknownArgumentValueParser};

use super::{
    photos::WorkloadArgs,
    study::MeasureArgs,
    values::{Counts, counts, host_and_port, machines, rate, share},
};
use crate::runtime::{spec::BackendSpec, table::REFERENCE};

/// `facebench tenants`.
#[derive(Debug, Args)]
pub struct TenantsArgs {
    /// What every tenant runs: a backend with options. On the processor, a SPEC without streams and threads has one stream
    /// of one thread
    #[arg(
        short,
        long,
        value_name = "SPEC",
        default_value = REFERENCE,
        conflicts_with = "tenants"
    )]
    pub backend: BackendSpec,
    /// Numbers of tenants, measured one after the other; one tenant alone is always measured
    #[arg(long, value_name = "LIST", default_value = "1,2,4", value_parser = counts, conflicts_with = "tenants")]
    pub counts: Counts,
    /// A tenant with its own SPEC; give it once for each tenant. Measured: all of them at the same time, and each alone
    #[arg(long = "tenant", value_name = "SPEC")]
    pub tenants: Vec<BackendSpec>,
    /// Divide the host cores among the tenants, so that each has its own as far as they go
    #[arg(long)]
    pub pin: bool,
    /// Measure everything once more beside a background load, a process that multiplies matrices for this share of the time
    /// (above 0, up to 1) on the tenants' device or, on the processor, on one core: inference beside light training. The
    /// report shows what the tenants keep of their speed. With several machines, this machine's tenants rest meanwhile, and
    /// those of all the others are measured
    #[arg(long, alias = "neighbour", value_name = "SHARE", value_parser = share)]
    pub background_load: Option<f32>,
    /// Tenants on several machines.
    #[command(flatten)]
    pub coordination: CoordinationArgs,
    /// Images per second that each tenant needs: how many such tenants can the device serve?
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub least_rate: Option<f64>,
    /// Photos and networks.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// How to measure; a process is a round.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// Several machines, such as the guests of one GPU, whose tenants are at work at the same time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several machines at the same time")]
pub struct CoordinationArgs {
    /// Coordinate several machines and measure as the first of them: listen at this address for the others, which use --join
    /// and the same token. Messages are not encrypted; port 0 takes a free port
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        requires = "machines",
        conflicts_with_all = ["join", "counts", "keep_going"]
    )]
    pub lead: Option<SocketAddr>,
    /// Number of machines, including the one with --lead
    #[arg(long, value_name = "N", requires = "lead", value_parser = machines)]
    pub machines: Option<usize>,
    /// Take part in the run that the machine at this address leads. Clocks need not agree: each machine reads the leader's.
    /// Give all machines the same photos, networks and durations, then combine their records with `merge`
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = host_and_port,
        conflicts_with_all = ["counts", "keep_going"]
    )]
    pub join: Option<String>,
    /// A secret that all these machines share. Other users of a machine can see its command lines, so --token-file or the
    /// environment variable `FACEBENCH_TOKEN` is safer [default with --lead: a random one, which is printed]
    #[arg(long, value_name = "TEXT", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Gone with the timetable.
    #[arg(
        long = "start-at",
        aliases = ["place", "slot", "study-slot"],
        hide = true,
        value_parser = UnknownArgumentValueParser::suggest_arg("--lead")
            .and_suggest("machines that share a board share a network: use --lead on one and --join on the others")
    )]
    pub timetable: Option<String>,
}

impl CoordinationArgs {
    /// Whether there are other machines.
    pub fn is_given(&self) -> bool {
        self.lead.is_some() || self.join.is_some()
    }
}
