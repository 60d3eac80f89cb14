//! The machine, or each machine of a merged record.

use super::super::{
    format,
    grid::{Cell, Grid, Row, column},
};
use crate::record::{Gpu, Record, Source};

use super::sources;

/// What is known of the machine: one column, or one for each study of a merged record.
pub(in crate::report) fn grid(record: &Record) -> Grid {
    let own;
    let sources: Vec<&Source> = if record.sources.is_empty() {
        own = record.as_source();
        vec![&own]
    } else {
        record.sources.iter().collect()
    };
    let mut columns = vec![column("")];
    columns.extend(sources.iter().map(|source| {
        column(if record.sources.is_empty() {
            String::new()
        } else {
            format!("`{}`", sources::name(source))
        })
    }));
    let facts: Vec<Vec<(&str, String)>> = sources.iter().map(|source| facts(source)).collect();
    let rows = facts[0].iter().enumerate().map(|(place, (name, _))| Row {
        anchor: None,
        cells: std::iter::once(Cell::plain(*name))
            .chain(facts.iter().map(|facts| Cell::plain(&facts[place].1)))
            .collect(),
    });
    Grid {
        title: "Machine",
        note: String::new(),
        columns,
        rows: rows.collect(),
    }
}

/// The same names in the same order for every machine.
fn facts(source: &Source) -> Vec<(&'static str, String)> {
    let host = &source.host;
    let missing = |field: &str| {
        host.unavailable
            .get(field)
            .map_or_else(|| "unknown".to_owned(), |reason| format!("unknown ({reason})"))
    };
    let text = |value: Option<String>, field: &str| value.unwrap_or_else(|| missing(field));
    let count = |value: Option<usize>, field: &str| text(value.map(|v| v.to_string()), field);
    let cpu = &host.cpu;
    let signs: Vec<String> = host
        .facts
        .iter()
        .map(|fact| format!("{}: {} ({})", fact.kind, fact.value, fact.source))
        .collect();
    let memory = host.memory.total_bytes.map(|bytes| format::bytes(Some(bytes)));
    let gpus: Vec<String> = source.gpus.iter().map(gpu).collect();
    vec![
        ("processor", text(cpu.model.clone(), "cpu.model")),
        ("logical cores", count(cpu.cores, "cpu.cores")),
        ("physical cores", count(cpu.physical_cores, "cpu.physical_cores")),
        ("host cores of the study", source.plan.host_cores.to_string()),
        (
            "quota, cores",
            cpu.quota
                .map_or_else(|| "none, or not known".to_owned(), |quota| quota.to_string()),
        ),
        ("governor", text(cpu.governor.clone(), "cpu.governor")),
        (
            "instruction sets",
            text(cpu.flags.as_ref().map(|flags| flags.join(" ")), "cpu.flags"),
        ),
        ("memory", text(memory, "memory.total")),
        ("system", text(host.os.clone(), "os")),
        ("kernel", text(host.kernel.clone(), "kernel")),
        ("kind of machine", host.summary()),
        (
            "signs of virtual machines",
            if signs.is_empty() {
                "none seen".to_owned()
            } else {
                signs.join("; ")
            },
        ),
        (
            "GPUs",
            if gpus.is_empty() {
                host.unavailable
                    .get("gpus")
                    .map_or_else(|| "none seen".to_owned(), |reason| format!("none: {reason}"))
            } else {
                gpus.join("; ")
            },
        ),
    ]
}

fn gpu(gpu: &Gpu) -> String {
    let license = gpu.license.as_ref().map(|license| {
        let name = |held: Option<bool>| match held {
            Some(true) => "licensed",
            Some(false) => "not licensed",
            None => "licence unknown",
        };
        format!("before: {}, after: {}", name(license.before), name(license.after))
    });
    let tenants = gpu.co_tenants.as_ref().filter(|tenants| !tenants.is_empty());
    let named = |name: &str, value: Option<&String>| value.map(|value| format!("{name} {value}"));
    let parts = [
        gpu.mode.map(|mode| mode.name().to_owned()),
        named("profile", gpu.profile.as_ref()),
        gpu.memory_bytes.map(|bytes| format::bytes(Some(bytes))),
        named("compute capability", gpu.compute_capability.as_ref()),
        named("driver", gpu.driver.as_ref()),
        named("on the host", gpu.host_driver.as_ref()),
        named("CUDA up to", gpu.cuda_driver.as_ref()),
        gpu.power_limit_watts
            .map(|watts| format!("power limit {watts:.0} W")),
        gpu.mps.as_ref().map(|_| "shared by MPS".to_owned()),
        tenants.map(|tenants| format!("other processes at the beginning: {}", tenants.len())),
        license,
    ];
    std::iter::once(gpu.name.clone())
        .chain(parts.into_iter().flatten())
        .collect::<Vec<_>>()
        .join(", ")
}
