//! `tenants`, and several machines that measure at the same time.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    photos::WorkloadArgs,
    study::MeasureArgs,
    values::{Counts, counts, duration, host_and_port, machines, place, rate, share},
};
use crate::{dataset::Shard, runtime::spec::BackendSpec};

/// `facebench tenants`.
#[derive(Debug, Args)]
pub struct TenantsArgs {
    /// What every tenant runs: a backend with options. On the processor, a SPEC without streams and threads has one stream
    /// of one thread
    #[arg(
        short,
        long,
        value_name = "SPEC",
        default_value = "cpu",
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
    /// Measure all of it once more beside a process that multiplies matrices for this share of the time, above 0 and up to 1,
    /// on the tenants' device or, on the processor, one core: inference beside light training. It begins late, and what
    /// tenants keep of their speed is told. Where several machines meet it is beside the tenants of all the others, while
    /// this machine's rest
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub neighbour: Option<f32>,
    /// Tenants on several machines.
    #[command(flatten)]
    pub meeting: MeetingArgs,
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
