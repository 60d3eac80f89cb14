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
}

/// Tenants that were measured at the same time, once a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Company {
    /// The arm of each tenant.
    pub tenants: Vec<String>,
    /// Share of the time in which another process multiplied matrices beside them, on their device or, on the processor,
    /// one host core; null where none did.
    pub neighbour: Option<f64>,
    /// What was measured, raw.
    pub rounds: Vec<TenantsRound>,
    /// Why it could not be measured any more; null where it could.
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
    /// Images a second of all together over the mean of their speeds alone: 1 where sharing gains nothing, the number of
    /// tenants where nobody is in another's way.
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
}

/// What tenants did before a neighbour began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeforeNeighbour {
    /// The time in which all tenants were at work, seconds.
    pub seconds: f64,
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
    /// Processor seconds of the tenant, from its start to its end; null where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Its peak resident set; null where the system does not tell.
    pub rss_peak_bytes: Option<u64>,
    /// Memory of the device that it held at the end; null without a device of its own, or where the driver does not tell.
    pub device_memory_bytes: Option<u64>,
}
