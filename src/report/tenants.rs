//! The results of a study of tenants, in sentences.

use super::{
    format::{bytes, maybe},
    visible::visible,
};
use crate::record::{ClockReading, Record, TenantGroup, Tenants};

/// The table's title: whether the tenants share one device, as far as that is known for all groups.
pub(super) fn title(record: &Record, tenants: &Tenants) -> &'static str {
    let all: Vec<Option<bool>> = tenants
        .groups
        .iter()
        .map(|group| record.one_device(group))
        .collect();
    if all.contains(&Some(false)) {
        "Tenants of several devices"
    } else if all.contains(&None) {
        "Tenants at the same time"
    } else {
        "Tenants of one device"
    }
}

/// Every sentence about the record's tenants; none where it has no tenants.
pub fn sentences(record: &Record) -> Vec<String> {
    let record = &*visible(record);
    let Some(tenants) = &record.tenants else {
        return Vec::new();
    };
    let mut sentences = packing(record, tenants);
    sentences.extend(memory(record, tenants));
    sentences.extend(clocks(tenants));
    sentences
}

/// How far apart the clocks of a coordinated run's machines were.
fn clocks(tenants: &Tenants) -> Option<String> {
    let run = tenants.coordination.as_ref()?;
    let readings: Vec<&ClockReading> = tenants
        .groups
        .iter()
        .filter(|group| group.machines.len() > 1 || group.background_load_machine.is_some())
        .flat_map(|group| &group.rounds)
        .flat_map(|round| &round.clocks)
        .collect();
    if !readings.is_empty() && readings.iter().all(|clock| clock.offset_us.is_none()) {
        return Some(
            "the machines started together by their own clocks; how far apart these were is not known"
                .to_owned(),
        );
    }
    let offset = readings
        .iter()
        .filter_map(|clock| clock.offset_us)
        .map(i64::unsigned_abs)
        .max()?;
    let within = readings.iter().filter_map(|clock| clock.uncertainty_us).max()?;
    let whose = match run.machine_index {
        // Its own clock is the common one.
        Some(0) => return None,
        Some(_) => "this machine's clock was",
        None => "the machines' clocks were",
    };
    Some(format!(
        "{whose} up to {} from that of {}, which was read to within {}, and taken into account",
        span(offset),
        run.machines.first().map_or("the first", String::as_str),
        span(within)
    ))
}

/// Microseconds in a readable unit.
fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", maybe(Some(micros as f64 / 1e3))),
        _ => format!("{} s", maybe(Some(micros as f64 / 1e6))),
    }
}

/// How much memory the largest tenant of the largest even group used, compared with its part of the device's memory: the
/// whole over the number of tenants on that device. (A vGPU's frame buffer is its own machine's alone.)
fn memory(record: &Record, tenants: &Tenants) -> Option<String> {
    let group = tenants
        .groups
        .iter()
        .filter(|group| even(tenants, group) && !group.rounds.is_empty())
        .max_by_key(|group| group.tenants.len())?;
    let devices = record.gpus_of(group);
    let parts = devices.iter().enumerate().filter_map(|(place, device)| {
        let gpu = (*device)?;
        let all = devices.iter().flatten();
        let count = all.filter(|other| other.uuid == gpu.uuid).count();
        let rounds = group.rounds.iter();
        let held = rounds.filter_map(|round| round.tenants.get(place)?.device_memory_bytes);
        let (held, part) = (held.max()?, gpu.memory_bytes? as f64 / count as f64);
        Some((held as f64 / part, part, held, count, &group.tenants[place]))
    });
    let (share, part, held, count, tenant) =
        parts.reduce(|most, one| if one.0 > most.0 { one } else { most })?;
    let among = if count == 1 {
        "all of it for itself".to_owned()
    } else {
        format!("where {count} share it evenly")
    };
    let verdict = if share <= 0.5 {
        "half of it would be enough"
    } else {
        "half of it would not be enough"
    };
    Some(format!(
        "of its part of the device's memory, {}, {among}, a tenant of {tenant} used {} at most, {:.0} %: {verdict}",
        bytes(Some(part as u64)),
        bytes(Some(held)),
        share * 100.0
    ))
}

/// Whether all tenants are of one kind and in this record, without a background load.
fn even(tenants: &Tenants, group: &TenantGroup) -> bool {
    let first = kind(&group.tenants[0]);
    group.background_load.is_none()
        && elsewhere(tenants, group).is_empty()
        && group.tenants.iter().all(|label| kind(label) == first)
}

/// What a tenant is, whichever machine it is on: its arm's label without the machine that `merge` adds.
pub(super) fn kind(label: &str) -> &str {
    label.split_once(" @ ").map_or(label, |(kind, _)| kind)
}

/// Names of the machines of a coordinated run that were at work beside these tenants and have a record of their own.
pub(super) fn elsewhere<'a>(tenants: &'a Tenants, group: &TenantGroup) -> Vec<&'a str> {
    let Some((run, place)) = tenants
        .coordination
        .as_ref()
        .and_then(|run| Some((run, run.machine_index?)))
    else {
        return Vec::new();
    };
    let others = group.machines.iter().filter(|other| **other != place);
    others
        .filter_map(|other| run.machines.get(*other))
        .map(String::as_str)
        .collect()
}

/// For each kind of tenant: how many of them the device (or several machines, each with its own) serves at the least
/// rate. Nothing where no least rate was given.
fn packing(record: &Record, tenants: &Tenants) -> Vec<String> {
    let Some(least) = tenants.least_rate else {
        return Vec::new();
    };
    let wanted = maybe(Some(least));
    let mut kinds: Vec<&str> = Vec::new();
    let measured = |group: &&TenantGroup| even(tenants, group) && slowest(group).is_some();
    for group in tenants.groups.iter().filter(measured) {
        let kind = kind(&group.tenants[0]);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
        .into_iter()
        .map(|one| {
            let of_kind =
                |group: &&TenantGroup| even(tenants, group) && kind(&group.tenants[0]) == one;
            let serve = |group: &&TenantGroup| slowest(group).is_some_and(|rate| rate >= least);
            let most = tenants
                .groups
                .iter()
                .filter(of_kind)
                .filter(serve)
                .max_by_key(|group| group.tenants.len());
            match most {
                Some(group) => {
                    let count = group.tenants.len();
                    let plural = if count == 1 { "" } else { "s" };
                    let these = match record.one_device(group) {
                        Some(true) => "this device serves",
                        Some(false) => "these machines, each with a device of its own, serve",
                        None => "these machines serve",
                    };
                    format!(
                        "{these} {count} tenant{plural} of {one} at {wanted} images/s or more each (of the numbers \
                         that were tried; by the lower end of the slowest one's interval)"
                    )
                }
                None => format!("this device serves not even one tenant of {one} at {wanted} images/s"),
            }
        })
        .collect()
}

/// The lower end of the slowest tenant's images a second; the estimate itself where there is no interval.
fn slowest(group: &TenantGroup) -> Option<f64> {
    let rates: Option<Vec<f64>> = group
        .per_tenant
        .iter()
        .map(|each| each.as_ref().map(|each| each.low.unwrap_or(each.median)))
        .collect();
    rates?.into_iter().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture;
    use super::*;

    fn sentences_of(record: &Value) -> Vec<String> {
        sentences(&serde_json::from_value(record.clone()).unwrap())
    }

    #[test]
    fn a_tenant_has_the_whole_frame_buffer_of_its_own_vgpu() {
        let apart = sentences_of(&fixture::coordinated("vgpu", ["GPU-a", "GPU-b"]));
        assert_eq!(
            apart[0],
            "of its part of the device's memory, 8000 MB, all of it for itself, a tenant of cuda:0 @ vm0 used 3000 MB at \
             most, 38 %: half of it would be enough"
        );
        let shared = sentences_of(&fixture::coordinated("physical", ["GPU-a", "GPU-a"]));
        assert!(
            shared[0].contains("4000 MB, where 2 share it evenly")
                && shared[0].ends_with("75 %: half of it would not be enough"),
            "{}",
            shared[0]
        );
    }

    #[test]
    fn machines_with_a_board_each_are_not_called_one_device() {
        let title_of = |mode, uuids| {
            let record: Record = serde_json::from_value(fixture::coordinated(mode, uuids)).unwrap();
            title(&record, record.tenants.as_ref().unwrap())
        };
        let serves = |mode, uuids| {
            let mut record = fixture::coordinated(mode, uuids);
            record["tenants"]["least_rate"] = json!(1);
            // By kind, whichever machine it is on.
            sentences_of(&record).remove(0)
        };
        let apart = serves("physical", ["GPU-a", "GPU-b"]);
        assert!(
            apart.starts_with("these machines, each with a device of its own, serve 2 tenants of cuda:0 at"),
            "{apart}"
        );
        assert_eq!(
            title_of("physical", ["GPU-a", "GPU-b"]),
            "Tenants of several devices"
        );
        assert_eq!(title_of("vgpu", ["GPU-a", "GPU-b"]), "Tenants of one device");
        // Two vGPUs have two names, and may be of one board.
        let shared = serves("vgpu", ["GPU-a", "GPU-b"]);
        assert!(
            shared.starts_with("this device serves 2 tenants of cuda:0 at"),
            "{shared}"
        );
    }

    #[test]
    fn of_machines_without_a_known_device_nothing_is_claimed() {
        let mut record = fixture::coordinated("physical", ["GPU-a", "GPU-a"]);
        for arm in record["arms"].as_array_mut().unwrap() {
            arm["backend"]["gpu"] = Value::Null;
        }
        record["tenants"]["least_rate"] = json!(1);
        let first = sentences_of(&record).remove(0);
        assert!(first.starts_with("these machines serve 2 tenants"), "{first}");
    }

    #[test]
    fn one_that_was_not_measured_serves_no_number() {
        let mut record = fixture::coordinated("vgpu", ["GPU-a", "GPU-b"]);
        record["tenants"]["least_rate"] = json!(1);
        for group in record["tenants"]["groups"].as_array_mut().unwrap() {
            group["rounds"] = json!([]);
            group["per_tenant"] = json!([]);
        }
        assert!(
            !sentences_of(&record)
                .iter()
                .any(|sentence| sentence.contains("serve"))
        );
    }

    #[test]
    fn each_machine_speaks_of_its_own_clock() {
        let mut record = fixture::coordinated("vgpu", ["GPU-a", "GPU-b"]);
        let ends = |record: &Value, end: &str| sentences_of(record).last().unwrap().starts_with(end);
        assert!(ends(
            &record,
            "the machines' clocks were up to 2.50 ms from that of vm0"
        ));
        record["tenants"]["coordination"]["machine_index"] = json!(1);
        assert!(ends(
            &record,
            "this machine's clock was up to 2.50 ms from that of vm0"
        ));
        record["tenants"]["coordination"]["machine_index"] = json!(0);
        assert!(
            !sentences_of(&record)
                .iter()
                .any(|sentence| sentence.contains("clock"))
        );
    }
}
