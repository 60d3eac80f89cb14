//! Figures with their intervals, and times by percentile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A figure over processes with its 95 % interval; the interval is null with fewer than two processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The geometric mean of the process means: exp of the mean of their logarithms, which is the median of the log-normal
    /// distribution that the interval assumes.
    pub median: f64,
    /// The interval's lower end.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
}

/// Times, milliseconds. A percentile is null where there are too few samples for it (`MLPerf`'s
/// early-stopping counts: 64, 130, 662, 6,636).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 90 % took no longer.
    pub p90: Option<f64>,
    /// 95 % took no longer.
    pub p95: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
    /// 99.9 % took no longer.
    pub p999: Option<f64>,
    /// The slowest.
    pub max: f64,
    /// How many were timed.
    pub samples: u64,
}

/// A latency that is held: `100ms@p99`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyBound {
    /// The most, milliseconds.
    pub ms: f64,
    /// The percentile that it holds for, such as 99.
    pub percentile: f64,
}
