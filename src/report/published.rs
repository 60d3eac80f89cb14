//! Figures that others published: shown beside measured ones, never among them.

use crate::record::Record;

/// One published figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// Its name.
    pub label: &'static str,
    /// Images a second.
    pub images_per_second: f64,
    /// Its publisher and date, and what is not known about it.
    pub source: &'static str,
}

/// The public demo that facebench began with: Open Infrastructure Summit, Denver, 2019. GPU, profile, model, batch
/// and photos are not given in any text that we found.
pub const DEMO_2019: [Published; 2] = [
    Published {
        label: "CPU instance, 2019",
        images_per_second: 3.3,
        source: SOURCE,
    },
    Published {
        label: "vGPU instance, 2019",
        images_per_second: 158.0,
        source: SOURCE,
    },
];

const SOURCE: &str = "published in 2019 on undisclosed hardware (Open Infrastructure Summit, Denver); networks and photos \
                      unknown";

/// What to show beside `record`: the demo of 2019 beside machines that measured the `demo` workload each for itself.
pub fn beside(record: &Record) -> &'static [Published] {
    if record.workload.name == "demo" && !record.sources.is_empty() && record.fleet.is_none() {
        &DEMO_2019
    } else {
        &[]
    }
}
