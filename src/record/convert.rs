//! A record of an older version, with the keys of the current one.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::SCHEMA_VERSION;

/// A record of a version that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("schema version {0}, and this facebench reads versions 1 to {SCHEMA_VERSION}")]
pub struct UnknownVersion(pub String);

/// The record in `value` as a record of [`SCHEMA_VERSION`]. JSON without a version is left as it is.
pub fn to_current(mut value: Value) -> Result<Value, UnknownVersion> {
    match value.get("schema_version") {
        None => {}
        Some(version) if *version == SCHEMA_VERSION => {}
        Some(version) if *version == 1 => {
            from_1(&mut value);
            value["schema_version"] = SCHEMA_VERSION.into();
        }
        Some(version) => return Err(UnknownVersion(version.to_string())),
    }
    Ok(value)
}

/// Version 2 calls the same things by other names, keeps what was observed of an arm apart from its figures, and does not say
/// what kept the machines of a coordinated run in step.
fn from_1(record: &mut Value) {
    for missing in items(record, "unavailable") {
        rename(missing, &[("mend", "fix")]);
    }
    for arm in items(record, "arms").filter(|arm| arm.is_object()) {
        rename(arm, &[("witness", "host_log")]);
        if let Some(log) = arm.get_mut("host_log") {
            rename(log, HOST_LOG);
            if let Some(reasons) = log.get_mut("unavailable") {
                rename(reasons, HOST_LOG);
            }
        }
        for block in items(arm, "blocks") {
            rename(block, BLOCK);
        }
        let points: Vec<Value> = items(arm, "curve").filter_map(take_point).collect();
        arm["points"] = points.into();
        split_figures(arm);
        name_kind(arm);
        for trial in items(arm, "trials") {
            rename(trial, &[("held", "met")]);
        }
    }
    if let Some(tune) = record.get_mut("tune") {
        for candidate in items(tune, "candidates") {
            for round in items(candidate, "rounds") {
                if let Some(block) = round.get_mut("block") {
                    rename(block, BLOCK);
                }
            }
        }
    }
    if let Some(tenants) = record.get_mut("tenants") {
        from_1_tenants(tenants);
    }
}

/// A point's raw blocks, which stand apart from its figures since version 2.
fn take_point(point: &mut Value) -> Option<Value> {
    let mut blocks = point.as_object_mut()?.remove("blocks")?;
    let list = blocks.as_array_mut().filter(|list| !list.is_empty())?;
    for block in list {
        rename(block, BLOCK);
    }
    Some(json!({"streams": point["streams"], "batch": point["batch"], "blocks": blocks}))
}

/// Takes what was observed out of what follows from it.
fn split_figures(arm: &mut Value) {
    arm["failed"] = (arm["status"] == "failed").into();
    if let Some(ceiling) = arm["ceiling"].as_object_mut() {
        arm["ceiling_runs"] = ceiling.remove("runs").unwrap_or_default();
    }
    let strata = items(&mut arm["throughput"], "strata");
    let facts = |stratum: &mut Value| json!({"name": stratum["name"], "images": stratum["images"]});
    arm["strata"] = strata.map(facts).collect();
    if let Some(cost) = arm["cost"].as_object_mut() {
        let (per_hour, currency) = (cost.remove("price_per_hour"), cost.remove("currency"));
        arm["price"] = json!({"per_hour": per_hour, "currency": currency});
    }
    let memory = arm.as_object_mut().and_then(|arm| arm.remove("memory"));
    for key in ["rss_peak_bytes", "device_peak_bytes"] {
        arm[key] = memory.as_ref().map_or(Value::Null, |memory| memory[key].clone());
    }
}

/// The backends of version 1 that run on a device of their own.
const ACCELERATORS_OF_1: &[&str] = &["cuda", "tensorrt", "vgpu", "mig", "vitis"];

/// The one whose answers others are compared with.
const REFERENCE_OF_1: &str = "cpu";

/// Version 1 leaves it to the word of the SPEC what kind of backend an arm has.
fn name_kind(arm: &mut Value) {
    let requested = arm["backend"]["requested"].as_str().unwrap_or_default();
    let word = requested.split([',', ':']).next().unwrap_or_default();
    let (accelerator, reference) = (ACCELERATORS_OF_1.contains(&word), word == REFERENCE_OF_1);
    if let Some(backend) = arm.get_mut("backend").and_then(Value::as_object_mut) {
        backend.insert("accelerator".into(), accelerator.into());
        backend.insert("reference".into(), reference.into());
    }
}

const BLOCK: &[(&str, &str)] = &[("lateness_us", "scheduling_delay_us")];

const HOST_LOG: &[(&str, &str)] = &[
    ("looks", "samples"),
    ("blocks_seen", "blocks_covered"),
    ("neighbours_max", "other_vgpus_max"),
    ("neighbours_mean", "other_vgpus_mean"),
    ("neighbours_use_max", "other_vgpus_use_max"),
    ("neighbours_use_mean", "other_vgpus_use_mean"),
];

fn from_1_tenants(tenants: &mut Value) {
    rename(tenants, &[("companies", "groups"), ("meeting", "coordination")]);
    if let Some(run) = tenants.get_mut("coordination") {
        rename(run, &[("place", "machine_index")]);
        if let Some(run) = run.as_object_mut() {
            run.remove("keeper");
        }
    }
    for group in items(tenants, "groups") {
        rename(
            group,
            &[
                ("neighbour", "background_load"),
                ("neighbour_machine", "background_load_machine"),
                ("each", "per_tenant"),
                ("kept", "retained"),
            ],
        );
        for round in items(group, "rounds") {
            rename(round, &[("before", "before_load")]);
            for clock in items(round, "clocks") {
                rename(clock, &[("within_us", "uncertainty_us")]);
            }
        }
    }
}

/// The items of the list `key`; none where there is no list.
fn items<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    value
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// Gives keys their new names, where they are there.
fn rename(value: &mut Value, names: &[(&str, &str)]) {
    let Some(object) = value.as_object_mut() else {
        return;
    };
    for (old, new) in names {
        if let Some(value) = Map::remove(object, *old) {
            object.insert((*new).to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_current_stays_and_what_is_newer_is_refused() {
        let current = json!({"schema_version": SCHEMA_VERSION, "unavailable": [{"fix": "x"}]});
        assert_eq!(to_current(current.clone()), Ok(current.clone()));
        let old = json!({"schema_version": 1, "unavailable": [{"mend": "x"}]});
        assert_eq!(to_current(old), Ok(current));
        let newer = to_current(json!({"schema_version": SCHEMA_VERSION + 1})).unwrap_err();
        assert_eq!(newer.0, (SCHEMA_VERSION + 1).to_string());
        assert_eq!(to_current(json!([])), Ok(json!([])));
    }

    #[test]
    fn a_host_log_keeps_its_reasons() {
        let old = json!({"schema_version": 1, "arms": [{"witness": {
            "looks": 3, "neighbours_max": null, "unavailable": {"neighbours_max": "not told"}}}]});
        let arm = &to_current(old).unwrap()["arms"][0];
        assert_eq!(
            arm["host_log"],
            json!({"samples": 3, "other_vgpus_max": null, "unavailable": {"other_vgpus_max": "not told"}})
        );
    }
}
