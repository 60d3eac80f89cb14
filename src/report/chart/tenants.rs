//! Tenants of one device: images a second of all together, fairness and p99 against their number.

use std::collections::BTreeMap;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::super::tenants::{elsewhere, kind, title};
use super::{
    ChartError,
    canvas::{self, Look, QUIET, TOP, write},
    plane::{Axis, BELOW, Plane},
};
use crate::record::{Record, TenantGroup, Tenants};

const HIGH: i32 = 240;
/// Space between two planes.
const GAP: i32 = 84;

/// Space above the highest point, for its number.
const HEADROOM: f64 = 1.15;

/// The place of the plane of fairness.
const FAIRNESS: i32 = 1;

/// A point: number of tenants and a value.
type Points = Vec<(f64, f64)>;

/// Three planes below each other, of the groups whose tenants are all of one kind.
pub(super) fn draw(record: &Record) -> Result<String, ChartError> {
    let tenants = record
        .tenants
        .as_ref()
        .ok_or_else(|| ChartError("this record is not of facebench tenants".to_owned()))?;
    let of = |value: fn(&TenantGroup) -> Option<f64>| points(tenants, value);
    let all = of(|group| Some(group.images_per_second.as_ref()?.median));
    if all.len() < 2 {
        return Err(ChartError(
            "a curve needs tenants of one kind in two numbers or more (--counts 1,2,4)".to_owned(),
        ));
    }
    let fairness = of(|group| Some(group.fairness.as_ref()?.median));
    let p99 = of(|group| group.latency_ms.as_ref()?.p99);
    let mut planes = vec![
        ("images/s of all, more is better", all),
        ("fairness (Jain), 1 is equal", fairness),
    ];
    let p99_is_known = p99.len() > 1;
    if p99_is_known {
        planes.push(("p99 ms of a photo, all tenants, less is better", p99));
    }
    let top = TOP + 40;
    let count = if p99_is_known { 3 } else { 2 };
    canvas::sheet(
        top + count * HIGH + (count - 1) * GAP + BELOW,
        title(record, tenants),
        "Thin grey: the ideal, in which N tenants together give N times what one gives alone.",
        |area| {
            for (place, (name, points)) in (0..).zip(&planes) {
                let top = top + place * (HIGH + GAP);
                let ideal: Points = match place {
                    0 => points
                        .iter()
                        .map(|(count, _)| (*count, points[0].1 / points[0].0 * count))
                        .collect(),
                    _ => Vec::new(),
                };
                let most = points
                    .iter()
                    .chain(&ideal)
                    .map(|(_, value)| *value)
                    .fold(0.0, f64::max);
                let plane = Plane {
                    area,
                    x: counts_axis(points),
                    y: match place {
                        FAIRNESS => unit_axis(name),
                        _ => Axis::linear(name, most * HEADROOM),
                    },
                    top,
                    bottom: top + HIGH,
                };
                plane.frame()?;
                let at = |points: &Points| -> Vec<(i32, i32)> {
                    points
                        .iter()
                        .map(|(count, value)| plane.point(*count, *value))
                        .collect()
                };
                area.draw(&PathElement::new(at(&ideal), QUIET.stroke_width(1)))?;
                let look = Look::of(0);
                look.line(area, at(points))?;
                for (index, ((_, value), point)) in points.iter().zip(at(points)).enumerate() {
                    look.mark(area, point)?;
                    let (text, lift) = match place {
                        // Its plane ends at 1, where most of the points are.
                        FAIRNESS => (format!("{value:.3}"), if *value > 0.5 { 10 } else { -24 }),
                        _ => (crate::report::format::number(*value), -24),
                    };
                    // The last one's number would lie beyond the sheet.
                    let (beside, side) = if index + 1 == points.len() {
                        (-8, HPos::Right)
                    } else {
                        (8, HPos::Left)
                    };
                    write(area, &text, (point.0 + beside, point.1 + lift), 12.0, QUIET, side)?;
                }
            }
            Ok(())
        },
    )
}

/// One point for each number of tenants, from the groups of the first group's kind. In a coordinated run each machine is
/// measured alone once: these are one point.
fn points(tenants: &Tenants, value: fn(&TenantGroup) -> Option<f64>) -> Points {
    let first = tenants
        .groups
        .first()
        .and_then(|group| group.tenants.first())
        .map(|label| kind(label));
    let of_kind = tenants
        .groups
        .iter()
        .filter(|group| group.background_load.is_none())
        .filter(|group| elsewhere(tenants, group).is_empty())
        .filter(|group| group.tenants.iter().all(|label| Some(kind(label)) == first));
    let mut points: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for group in of_kind {
        points
            .entry(group.tenants.len())
            .or_default()
            .extend(value(group));
    }
    points
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(count, values)| (count as f64, values.iter().sum::<f64>() / values.len() as f64))
        .collect()
}

fn counts_axis(points: &Points) -> Axis {
    let ends = (points[0].0, points[points.len() - 1].0);
    let ticks = points
        .iter()
        .map(|(count, _)| (*count, format!("{count}")))
        .collect();
    Axis::with_ticks("tenants", false, (ends.0.min(1.0), ends.1), ticks)
}

/// From 0 to 1, the largest possible value.
fn unit_axis(name: &str) -> Axis {
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0];
    let ticks = ticks.iter().map(|at| (*at, format!("{at}"))).collect();
    Axis::with_ticks(name, false, (0.0, 1.0), ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, tests::record};

    fn group(count: usize, rate: f64, fairness: f64) -> serde_json::Value {
        let exactly = |value: f64| serde_json::json!({"median": value, "low": value, "high": value});
        serde_json::json!({
            "tenants": vec!["cpu"; count], "background_load": null, "rounds": [], "error": null, "images_per_second": exactly(rate),
            "per_tenant": vec![exactly(rate / count as f64); count], "slowdown": exactly(1.0), "fairness": exactly(fairness),
            "sharing_gain": exactly(1.0), "worst_p99_ms": null,
            "latency_ms": {"p50": 1.0, "p90": 2.0, "p95": 3.0, "p99": 4.0, "p999": null, "max": 5.0, "samples": 1000},
        })
    }

    #[test]
    fn three_planes_show_what_sharing_costs() {
        let mut json = fixture::full();
        json["tenants"] =
            serde_json::json!({"least_rate": 10.0, "groups": [group(1, 30.0, 1.0), group(2, 58.0, 0.99)]});
        let shared = record(json.clone());
        let svg = draw(&shared).unwrap();
        assert!(
            svg.contains("images/s of all") && svg.contains("fairness") && svg.contains("p99"),
            "{svg}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("x=\"-"), "{svg}");
        let text = crate::report::table::render(&shared);
        assert!(
            text.contains("TENANTS OF ONE DEVICE") && text.contains("0.990"),
            "{text}"
        );
        json["tenants"]["groups"].as_array_mut().unwrap().pop();
        assert!(draw(&record(json)).unwrap_err().to_string().contains("--counts"));
    }
}
