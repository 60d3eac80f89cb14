//! What a fleet gives together, in a sentence.

use std::fmt::Write;

use super::{format::maybe, visible::visible};
use crate::record::{Estimate, Fleet};

/// The fleet in sentences: its sum, the shards that are missing, machines far from the others, the cost.
pub fn sentence(fleet: &Fleet) -> String {
    let fleet = &*visible(fleet);
    let mut text = format!(
        "{} of {} shards of {} photos",
        fleet.shards, fleet.of, fleet.images
    );
    if let Some(all) = &fleet.images_per_second {
        let _ = write!(
            text,
            ": {} images/s in all{}",
            maybe(Some(all.median)),
            interval(all)
        );
    }
    if !fleet.missing.is_empty() {
        let missing: Vec<String> = fleet.missing.iter().map(usize::to_string).collect();
        let _ = write!(text, "; missing: shard {}", missing.join(", "));
    }
    for outlier in &fleet.outliers {
        let _ = write!(
            text,
            "; far from its group: {} at {:.2} of the median",
            outlier.arm, outlier.ratio
        );
    }
    if let (Some(price), Some(images)) = (fleet.price_per_hour, fleet.images_per_unit) {
        let unit = if fleet.currency.is_empty() {
            "unit of the price"
        } else {
            &fleet.currency
        };
        let _ = write!(
            text,
            "; {price:.2} an hour, {} images for one {unit}",
            maybe(Some(images))
        );
    }
    text
}

fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", maybe(Some(low)), maybe(Some(high))),
        _ => String::new(),
    }
}
