//! What machines give together, each having measured its part of the photos.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;

/// A fleet: the sum of its arms, as they were measured one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    /// Shards that are there.
    pub shards: usize,
    /// Shards that there should be.
    pub of: usize,
    /// Numbers of the shards that are missing, from 0.
    pub missing: Vec<usize>,
    /// Photos of all shards, those that are missing too.
    pub images: usize,
    /// Images a second of all valid and unstable arms together. Machines are taken to be independent: the interval's half
    /// widths add up as squares. Null ends where an arm has no interval.
    pub images_per_second: Option<Estimate>,
    /// What an hour of all of them costs; null where an arm has no price, or prices are of several currencies.
    pub price_per_hour: Option<f64>,
    /// What prices are counted in; empty where it was not given.
    pub currency: String,
    /// Images for one unit of the currency, of the fleet as a whole.
    pub images_per_unit: Option<f64>,
    /// Arms by the kind of machine that they ran on.
    pub groups: Vec<FleetGroup>,
    /// Arms far from the others of their group.
    pub outliers: Vec<Outlier>,
}

/// Arms of one kind of machine: the same backend, processor, flavor and GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetGroup {
    /// What was measured, such as `cpu`.
    pub backend: String,
    /// The processor's model; null where the machine does not show it.
    pub processor: Option<String>,
    /// The cloud's name for the kind of machine; null where it has none.
    pub flavor: Option<String>,
    /// The GPU's name; null where the arm used none.
    pub gpu: Option<String>,
    /// Arms in it.
    pub arms: usize,
    /// Arms that failed or are invalid, whose figures do not count.
    pub not_counted: usize,
    /// Images a second of all of them; null where none counts.
    pub total: Option<f64>,
    /// The least of one; null where none counts.
    pub least: Option<f64>,
    /// The median of all; null where none counts.
    pub median: Option<f64>,
    /// The most of one; null where none counts.
    pub most: Option<f64>,
}

/// An arm that is far from the median of its group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outlier {
    /// Its label.
    pub arm: String,
    /// Its images a second over the group's median.
    pub ratio: f64,
}
