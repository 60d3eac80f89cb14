//! `facebench devices`: what this machine is, and which backend can run on it.

mod gpu;

use std::{io::Write, path::Path};

use serde::Serialize;

use super::{Failure, machine, ready};
use crate::{
    machine::{Gpus, format_cpu_list},
    record::Host,
    report::visible,
};

#[derive(Serialize)]
struct Devices {
    summary: String,
    host: Host,
    usable_cores: usize,
    #[serde(flatten)]
    gpus: Gpus,
    backends: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    backend: &'static str,
    summary: &'static str,
    ready: bool,
    built: bool,
    state: String,
    fix: Option<String>,
}

/// Writes the machine and every backend, as text or JSON.
pub fn list(out: &mut dyn Write, json: bool, metadata: bool, home: &Path) -> Result<(), Failure> {
    let host = machine::host(metadata);
    let gpus = machine::gpus(&machine::nvml());
    let backends = ready::states(&gpus, home)
        .into_iter()
        .map(|(backend, state)| {
            let (state, fix) = match state {
                Ok(state) => (state, None),
                Err(missing) => (missing.reason, Some(missing.fix)),
            };
            Listed {
                backend: backend.word,
                summary: backend.summary,
                ready: fix.is_none(),
                built: backend.is_built(),
                state,
                fix,
            }
        })
        .collect();
    let devices = Devices {
        summary: host.summary(),
        usable_cores: host.cpu.usable_cores(),
        gpus,
        host,
        backends,
    };
    if json {
        serde_json::to_writer_pretty(&mut *out, &devices).map_err(std::io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    text(out, &devices)
}

fn text(out: &mut dyn Write, devices: &Devices) -> Result<(), Failure> {
    let Host {
        cpu,
        memory,
        os,
        kernel,
        facts,
        unavailable,
    } = &*visible(&devices.host);
    // A missing value is shown with its reason; without a reason there is none to miss, such as a quota.
    let or_reason = |value: Option<String>, field: &str, absent: &str| {
        value.unwrap_or_else(|| {
            unavailable
                .get(field)
                .map_or_else(|| absent.to_owned(), |reason| format!("unknown ({reason})"))
        })
    };
    let gb = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let numa = |nodes: &std::collections::BTreeMap<usize, String>| {
        let nodes: Vec<String> = nodes
            .iter()
            .map(|(node, cpus)| format!("{node}: {cpus}"))
            .collect();
        nodes.join("; ")
    };
    let rows = [
        ("machine", devices.summary.clone()),
        ("cpu", or_reason(cpu.model.clone(), "cpu.model", "unknown")),
        (
            "cores",
            format!(
                "{} logical, {} physical, {} usable here",
                or_reason(cpu.cores.map(|n| n.to_string()), "cpu.cores", "unknown"),
                or_reason(
                    cpu.physical_cores.map(|n| n.to_string()),
                    "cpu.physical_cores",
                    "unknown"
                ),
                devices.usable_cores
            ),
        ),
        (
            "numa",
            or_reason(cpu.numa_cpus.as_ref().map(numa), "cpu.numa_cpus", "unknown"),
        ),
        (
            "affinity",
            or_reason(
                cpu.affinity.as_deref().map(format_cpu_list),
                "cpu.affinity",
                "unknown",
            ),
        ),
        (
            "quota",
            or_reason(cpu.quota.map(|q| format!("{q:.2} cores")), "cpu.quota", "none"),
        ),
        (
            "flags",
            or_reason(cpu.flags.as_ref().map(|f| f.join(" ")), "cpu.flags", "unknown"),
        ),
        (
            "memory",
            format!(
                "{}, limit {}",
                or_reason(memory.total_bytes.map(gb), "memory.total_bytes", "unknown"),
                or_reason(memory.limit_bytes.map(gb), "memory.limit_bytes", "none")
            ),
        ),
        ("os", or_reason(os.clone(), "os", "unknown")),
        ("kernel", or_reason(kernel.clone(), "kernel", "unknown")),
    ];
    for (name, value) in rows {
        writeln!(out, "{name:<10}{value}")?;
    }
    if let Some(reason) = unavailable.get("facts.metadata") {
        writeln!(out, "{:<10}metadata: unknown ({reason})", "fact")?;
    }
    for fact in facts {
        writeln!(
            out,
            "{:<10}{}: {} ({})",
            "fact", fact.kind, fact.value, fact.source
        )?;
    }
    writeln!(out)?;
    gpu::write(out, &devices.gpus)?;
    writeln!(out)?;
    for backend in &devices.backends {
        writeln!(out, "{:<10}{}", backend.backend, backend.state)?;
        if let Some(fix) = &backend.fix {
            writeln!(out, "{:<10}  {fix}", "")?;
        }
    }
    Ok(())
}
