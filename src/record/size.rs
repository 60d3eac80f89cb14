//! The answer of `facebench size`: how many of each machine serve a load, what that costs, how sure it is.

use serde::Serialize;

use super::estimate::{Estimate, LatencyBound};

/// An answer; it is drawn from records and is in none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizing {
    /// The load: photos a second that arrive at random, all machines together.
    pub rate: f64,
    /// The latency that has to be held.
    pub bound: LatencyBound,
    /// Machines that are counted on top, to stand in for others.
    pub spare: usize,
    /// What prices are counted in; empty where it was not given.
    pub currency: String,
    /// What was asked about, in the order of the records.
    pub machines: Vec<Machine>,
    /// The name of the cheapest that is known to serve the load; null where none is, or none has a price.
    pub cheapest: Option<String>,
    /// Where another one becomes cheaper; null where `break_even_reason` has the reason.
    pub break_even: Option<BreakEven>,
    /// Why there is no break-even rate.
    pub break_even_reason: Option<String>,
    /// What would change the answer.
    pub changes: Vec<String>,
    /// What the answer rests on.
    pub assumptions: Vec<String>,
    /// What else a reader must know.
    pub remarks: Vec<String>,
}

/// A kind of machine: an arm on the machine that it was measured on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Its name in the answer, alone of its kind: the arm's label, with the study's name where two share it.
    pub name: String,
    /// The arm's label.
    pub label: String,
    /// The study's name, or the beginning of its id.
    pub study: String,
    /// What is known of it.
    pub evidence: Evidence,
    /// Tenants that were at work on its device at the same time; null for an arm alone.
    pub tenants: Option<usize>,
    /// Photos a second of one machine with the bound held, when they arrive at random; null unless that was measured.
    pub usable_rate: Option<Estimate>,
    /// Photos a second that one machine was not seen to exceed, the upper end of the interval; null where `usable_rate`
    /// stands, or nothing is known.
    pub most_rate: Option<f64>,
    /// The 99th percentile of the latency that goes with either, milliseconds; null where it was not measured.
    pub p99_ms: Option<f64>,
    /// How many serve the load, spare ones included, by the lower end of `usable_rate`; null where that is.
    pub count: Option<usize>,
    /// The same by the upper and by the lower end of `usable_rate`; null where it has no interval.
    pub count_range: Option<[usize; 2]>,
    /// How many it takes at least, by `most_rate`; fewer cannot do it, and so many may not.
    pub at_least: Option<usize>,
    /// Host cores of one machine.
    pub cores_each: usize,
    /// Host cores of all; of `at_least` machines where there is no `count`.
    pub cores: Option<usize>,
    /// The GPU; null where the arm runs on none that is known.
    pub gpu: Option<String>,
    /// GPUs of all, one a machine, or one for as many machines as shared it; likewise. Null where `gpu` is.
    pub gpus: Option<usize>,
    /// Price of an hour of one; null where it is not known.
    pub price_per_hour: Option<f64>,
    /// Price of an hour of all; of `at_least` machines where there is no `count`. Null without a price.
    pub cost_per_hour: Option<f64>,
    /// Price of a month of 730 hours; likewise.
    pub cost_per_month: Option<f64>,
    /// Photos of the load for one unit of the currency; null without a price and a `count`.
    pub images_per_unit: Option<f64>,
    /// Why something is missing, or how far it goes; empty where there is nothing to note.
    pub notes: Vec<String>,
}

/// What is known of a machine under a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Nothing that bears on the question.
    None,
    /// Throughput without a latency: more than that it cannot do.
    Offline,
    /// Latency where the next photo followed the last: no queue was in it.
    ClosedLoop,
    /// The same, with so many tenants on one device as will be there.
    Tenants,
    /// Photos arrived at random, and the bound was held.
    Server,
}

/// The rate at which the cheaper of two becomes the dearer one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEven {
    /// Photos a second, all machines together.
    pub rate: f64,
    /// Costs less at every rate above.
    pub above: String,
    /// The other one.
    pub other: String,
}
