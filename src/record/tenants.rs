//! Workers that share one device at the same time: what each of them gets, and all of them together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{arm::Latency, compare::Estimate};

/// What `facebench tenants` measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tenants {
    /// Least images a second that a tenant must get for the device to serve it; null where nothing was asked.
    pub least_rate: Option<f64>,
    /// Companies of tenants, those of one first.
    pub companies: Vec<Company>,
    /// Where they were on several machines, how these kept in step; absent on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting: Option<Meeting>,
}

/// Machines whose tenants were at work at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Meeting {
    /// Its name, the same in the records of all machines.
    pub id: String,
    /// What kept them in step.
    pub keeper: Keeper,
    /// The machines' names, in their places.
    pub machines: Vec<String>,
    /// The place of the machine whose record this is, from 0; null in a merged record.
    pub place: Option<usize>,
}

/// What keeps machines in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// A service on the machine in place 0, whose clock is the common one and which all the others read.
    Service,
    /// A point in time that all were given: each has its own clock, and nothing shows how far they are apart.
    Timetable,
}

/// How a machine's clock stands to the common one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockReading {
    /// What is to be added to it, microseconds; null where nobody measured it.
    pub offset_us: Option<i64>,
    /// How wrong that may be: half of the quickest ping's way, and what the clocks moved against each
    /// other in that time; null where nobody measured it.
    pub within_us: Option<u64>,
}

/// Tenants that were measured at the same time, once a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Company {
    /// The arm of each tenant.
    pub tenants: Vec<String>,
    /// Share of the time in which another process multiplied matrices beside them, on their device or, on the processor,
    /// one host core; null where none did. It began late: see [`TenantsRound::before`].
    pub neighbour: Option<f64>,
    /// The place of the machine in a meeting that this process was on, which is none of `machines`; absent where it was on
    /// the tenants' own, or nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbour_machine: Option<usize>,
    /// The places of the machines at work in a meeting: those of `tenants` in a merged record, and others besides in one
    /// machine's own; absent without a meeting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<usize>,
    /// What was measured, raw.
    pub rounds: Vec<TenantsRound>,
    /// Why rounds are missing, the first reason; null where none is.
    pub error: Option<String>,
    /// Images a second of all tenants together, over rounds.
    pub images_per_second: Option<Estimate>,
    /// Images a second of each tenant, in their order.
    pub each: Vec<Option<Estimate>>,
    /// How many times as long as alone a tenant takes for its photos, the middle of all tenants.
    pub slowdown: Option<Estimate>,
    /// Jain's index of the shares of its own speed alone that each tenant gets: 1 where all get the same, one over their
    /// number where one gets everything.
    pub fairness: Option<Estimate>,
    /// The sum of what each gets of its own speed alone: 1 where sharing gains nothing, the number of tenants where nobody is
    /// in another's way.
    pub sharing_gain: Option<Estimate>,
    /// Part of its speed that a tenant keeps when the neighbour begins, the middle of all tenants; null without one.
    pub kept: Option<Estimate>,
    /// Time of work on a photo, milliseconds, of all tenants.
    pub latency_ms: Option<Latency>,
    /// The slowest tenant's p99, milliseconds; null where there are too few photos.
    pub worst_p99_ms: Option<f64>,
}

impl Company {
    /// Tenants of which nothing has been measured.
    pub fn new(tenants: Vec<String>, neighbour: Option<f64>) -> Self {
        Self {
            tenants,
            neighbour,
            neighbour_machine: None,
            machines: Vec::new(),
            rounds: Vec::new(),
            error: None,
            images_per_second: None,
            each: Vec::new(),
            slowdown: None,
            fairness: None,
            sharing_gain: None,
            kept: None,
            latency_ms: None,
            worst_p99_ms: None,
        }
    }
}

/// One round of a company, with workers of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantsRound {
    /// Its number, from 0.
    pub round: usize,
    /// Its place in the order in which everything was measured, from 0.
    pub order: usize,
    /// The time in which all tenants were at work, seconds: nothing else counts.
    pub seconds: f64,
    /// Each tenant, in the company's order.
    pub tenants: Vec<Tenant>,
    /// What the same tenants did before the neighbour began; null without one.
    pub before: Option<BeforeNeighbour>,
    /// When that time began in a meeting, microseconds since 1970 by the common clock; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<u64>,
    /// How the clocks of the machines of `tenants` stood in a meeting, in their places; absent without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockReading>,
}

/// What tenants did before a neighbour began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeforeNeighbour {
    /// The time in which all tenants were at work, seconds.
    pub seconds: f64,
    /// When that time began in a meeting, microseconds since 1970 by the common clock; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<u64>,
    /// Photos of each tenant in it, in the company's order, counted as everywhere.
    pub images: Vec<f64>,
}

/// What one tenant did while all were at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    /// Photos, each by the part of its work that lies within that time, and by what it costs alone against the mean of
    /// all photos, for tenants are at different photos when the time ends.
    pub images: f64,
    /// Photos that were answered within that time.
    pub answered: usize,
    /// Times of work on them: microseconds and how often.
    pub service_us: Vec<(u64, u64)>,
    /// Processor seconds of the tenant, from the beginning of its work to its end, which is longer than that time; null
    /// where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Host cores at work for it on the average of those seconds; null where the system does not tell.
    #[serde(default)]
    pub cores: Option<f64>,
    /// Its peak resident set; null where the system does not tell.
    pub rss_peak_bytes: Option<u64>,
    /// Memory of the device that it held at the end; null without a device of its own, or where the driver does not tell.
    pub device_memory_bytes: Option<u64>,
}
