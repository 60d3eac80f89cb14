//! Workers that share one device at the same time: what each of them gets, and all of them together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, Latency};

/// What `facebench tenants` measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tenants {
    /// Least images a second that a tenant must get for the device to serve it; null where nothing was asked.
    pub least_rate: Option<f64>,
    /// Tenant groups, those of one tenant first.
    pub groups: Vec<TenantGroup>,
    /// The coordinated run, where the tenants were on several machines; absent on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordination: Option<CoordinatedRun>,
}

/// Machines whose tenants were at work at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoordinatedRun {
    /// Its name, the same in the records of all machines.
    pub id: String,
    /// The machines' names; the first is the coordinator, whose clock is the common one.
    pub machines: Vec<String>,
    /// Index in `machines` of the machine whose record this is; null in a merged record.
    pub machine_index: Option<usize>,
}

/// How far a machine's clock is from the common one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockReading {
    /// What is to be added to it, microseconds; null where nobody measured it.
    pub offset_us: Option<i64>,
    /// How wrong the offset may be: half of the quickest round trip, and the drift of the clocks meanwhile; null where
    /// nobody measured it.
    pub uncertainty_us: Option<u64>,
}

/// Tenants that were measured at the same time, once a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantGroup {
    /// The arm of each tenant.
    pub tenants: Vec<String>,
    /// The background load beside them: the share of the time in which another process multiplied matrices on their device
    /// or, on the processor, on one host core. Null without one. It begins late: see [`TenantsRound::before_load`].
    pub background_load: Option<f64>,
    /// Index of the machine of a coordinated run that the background load was on, which is none of `machines`; absent where
    /// it was on the tenants' own machine, and without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_load_machine: Option<usize>,
    /// Indices of the machines at work in a coordinated run: those of `tenants` in a merged record, and others besides in
    /// one machine's own; absent without a coordinated run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<usize>,
    /// What was measured, raw.
    pub rounds: Vec<TenantsRound>,
    /// Why rounds are missing, the first reason; null where none is.
    pub error: Option<String>,
    /// Images a second of all tenants together, over rounds.
    pub images_per_second: Option<Estimate>,
    /// Images a second of each tenant, in their order.
    pub per_tenant: Vec<Option<Estimate>>,
    /// How many times as long as alone a tenant takes for its photos, the median of all tenants.
    pub slowdown: Option<Estimate>,
    /// Jain's index of the shares of its own speed alone that each tenant gets: 1 where all get the same, one over their
    /// number where one gets everything.
    pub fairness: Option<Estimate>,
    /// The sum of what each gets of its own speed alone: 1 where sharing gains nothing, the number of tenants where none
    /// slows another.
    pub sharing_gain: Option<Estimate>,
    /// Part of its speed that a tenant keeps when the background load begins, the median of all tenants; null without one.
    pub retained: Option<Estimate>,
    /// Service time of a photo, milliseconds, of all tenants.
    pub latency_ms: Option<Latency>,
    /// The slowest tenant's p99, milliseconds; null where there are too few photos.
    pub worst_p99_ms: Option<f64>,
}

impl TenantGroup {
    /// Tenants of which nothing has been measured.
    pub fn new(tenants: Vec<String>, background_load: Option<f64>) -> Self {
        Self {
            tenants,
            background_load,
            background_load_machine: None,
            machines: Vec::new(),
            rounds: Vec::new(),
            error: None,
            images_per_second: None,
            per_tenant: Vec::new(),
            slowdown: None,
            fairness: None,
            sharing_gain: None,
            retained: None,
            latency_ms: None,
            worst_p99_ms: None,
        }
    }
}

/// One round of a group, with workers of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantsRound {
    /// Its number, from 0.
    pub round: usize,
    /// Its position in the order in which everything was measured, from 0.
    pub order: usize,
    /// The time in which all tenants were at work, seconds: nothing else counts.
    pub seconds: f64,
    /// Each tenant, in the group's order.
    pub tenants: Vec<Tenant>,
    /// What the same tenants did before the background load began; null without one.
    pub before_load: Option<BeforeLoad>,
    /// When that time began in a coordinated run, microseconds since 1970 by the common clock; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<u64>,
    /// How far the clocks of the group's machines were apart in a coordinated run, in their order; absent without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockReading>,
}

/// What tenants did before a background load began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeforeLoad {
    /// The time in which all tenants were at work, seconds.
    pub seconds: f64,
    /// When that time began in a coordinated run, microseconds since 1970 by the common clock; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<u64>,
    /// Photos of each tenant in it, in the group's order, counted as everywhere.
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
    /// where the system does not show it.
    pub cpu_seconds: Option<f64>,
    /// Host cores at work for it on the average of those seconds; null where the system does not show it.
    #[serde(default)]
    pub cores: Option<f64>,
    /// Its peak resident set; null where the system does not show it.
    pub rss_peak_bytes: Option<u64>,
    /// Memory of the device that it held at the end; null without a device of its own, or where the driver does not show it.
    pub device_memory_bytes: Option<u64>,
}
