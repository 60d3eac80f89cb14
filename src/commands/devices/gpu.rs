//! GPUs as `facebench devices` shows them: a block each, or why there is none.

use std::io::{self, Write};

use crate::{machine::Gpus, record::Gpu, report::visible};

/// Writes a block for each GPU, then what is wrong and what can be done.
pub(super) fn write(out: &mut dyn Write, found: &Gpus) -> io::Result<()> {
    for gpu in &found.gpus {
        block(out, &visible(gpu))?;
    }
    if let Some(reason) = &found.reason {
        let none = if found.gpus.is_empty() { "none: " } else { "" };
        writeln!(out, "{:<10}{none}{reason}", "gpu")?;
    }
    if let Some(fix) = &found.fix {
        writeln!(out, "{:<10}{fix}", "")?;
    }
    Ok(())
}

fn block(out: &mut dyn Write, gpu: &Gpu) -> io::Result<()> {
    let uuid = gpu.uuid.as_ref().map(|uuid| format!(" ({uuid})"));
    writeln!(out, "{:<10}{}{}", "gpu", gpu.name, uuid.unwrap_or_default())?;
    // What only the driver knows is missing for one reason, which stands below all blocks.
    let rows = if gpu.uuid.is_some() {
        of_driver(gpu)
    } else {
        of_bus(gpu)
    };
    for (name, value) in rows {
        writeln!(out, "{:<10}{name:<13}{value}", "")?;
    }
    Ok(())
}

fn of_bus(gpu: &Gpu) -> Vec<(&'static str, String)> {
    vec![("mode", mode(gpu)), ("place", place(gpu))]
}

fn of_driver(gpu: &Gpu) -> Vec<(&'static str, String)> {
    let or_reason = |value: Option<String>, field: &str| value.unwrap_or_else(|| unknown(gpu, field));
    let mhz = |clock: Option<u32>, field| or_reason(clock.map(|mhz| format!("{mhz} MHz")), field);
    let watts = |power: Option<f64>, field| or_reason(power.map(|watts| format!("{watts:.0} W")), field);
    let switch =
        |on: Option<bool>, field| or_reason(on.map(|on| if on { "on" } else { "off" }.to_owned()), field);
    let mut rows = vec![("mode", mode(gpu))];
    if let Some(parent) = &gpu.parent {
        rows.push(("part of", parent.clone()));
    }
    if let Some(license) = &gpu.license {
        let word = |held: bool| {
            if held {
                "licensed"
            } else {
                "NOT licensed: the driver will slow it down"
            }
        };
        let held = license.before.map(|held| word(held).to_owned());
        rows.push(("licence", or_reason(held, "license.before")));
    }
    let on_host = gpu
        .host_driver
        .as_ref()
        .map(|version| format!(", on the host {version}"));
    let driver = format!(
        "{}, CUDA up to {}{}",
        or_reason(gpu.driver.clone(), "driver"),
        or_reason(gpu.cuda_driver.clone(), "cuda_driver"),
        on_host.unwrap_or_default()
    );
    let memory = gpu
        .memory_bytes
        .map(|bytes| format!("{:.1} GB", bytes as f64 / 1e9));
    rows.extend([
        ("driver", driver),
        (
            "compute",
            format!(
                "capability {}",
                or_reason(gpu.compute_capability.clone(), "compute_capability")
            ),
        ),
        (
            "memory",
            format!(
                "{}, ECC {}",
                or_reason(memory, "memory_bytes"),
                switch(gpu.ecc, "ecc")
            ),
        ),
        ("place", place(gpu)),
        (
            "clock",
            pair(
                &mhz(gpu.sm_clock_mhz, "sm_clock_mhz"),
                &mhz(gpu.sm_clock_max_mhz, "sm_clock_max_mhz"),
            ),
        ),
        (
            "power",
            pair(
                &watts(gpu.power_watts, "power_watts"),
                &watts(gpu.power_limit_watts, "power_limit_watts"),
            ),
        ),
        (
            "temperature",
            or_reason(
                gpu.temperature_celsius.map(|degrees| format!("{degrees} °C")),
                "temperature_celsius",
            ),
        ),
        ("persistence", switch(gpu.persistence, "persistence")),
    ]);
    if gpu.parent.is_none() && gpu.mig_enabled == Some(true) {
        rows.push(("MIG", "on: it computes by its parts alone".to_owned()));
    }
    if let Some(mps) = &gpu.mps {
        let limits = [
            ("threads, %", &mps.active_thread_percentage),
            ("memory", &mps.pinned_device_mem_limit),
        ];
        let limits: Vec<String> = limits
            .into_iter()
            .filter_map(|(name, limit)| Some(format!(", {name}: {}", limit.as_ref()?)))
            .collect();
        rows.push(("MPS", format!("{}{}", mps.pipe_directory, limits.concat())));
    }
    rows.push(("co-tenants", or_reason(tenants(gpu), "co_tenants")));
    rows
}

fn unknown(gpu: &Gpu, field: &str) -> String {
    gpu.unavailable
        .get(field)
        .map_or_else(|| "unknown".to_owned(), |reason| format!("unknown ({reason})"))
}

/// Two values, or one reason where both are missing for the same.
fn pair(now: &str, most: &str) -> String {
    if now == most && now.starts_with("unknown") {
        now.to_owned()
    } else {
        format!("{now} now, {most} at most")
    }
}

fn mode(gpu: &Gpu) -> String {
    let Some(mode) = gpu.mode else {
        return match gpu.uuid {
            Some(_) => unknown(gpu, "mode"),
            None => "unknown".to_owned(),
        };
    };
    let profile = match &gpu.profile {
        Some(profile) => format!(", profile {profile}"),
        None if gpu.unavailable.contains_key("profile") => format!(", profile {}", unknown(gpu, "profile")),
        None => String::new(),
    };
    let source = gpu.mode_source.as_ref().map(|source| format!(" ({source})"));
    format!("{}{profile}{}", mode.name(), source.unwrap_or_default())
}

fn place(gpu: &Gpu) -> String {
    let address = gpu.pci.clone().unwrap_or_else(|| unknown(gpu, "pci"));
    match gpu.numa_node {
        Some(node) => format!("{address}, NUMA node {node}"),
        None => format!("{address}, NUMA node {}", unknown(gpu, "numa_node")),
    }
}

fn tenants(gpu: &Gpu) -> Option<String> {
    let tenants = gpu.co_tenants.as_ref()?;
    if tenants.is_empty() {
        return Some("none seen".to_owned());
    }
    let named = tenants.iter().map(|tenant| match tenant.memory_bytes {
        Some(bytes) => format!("process {} ({:.1} GB)", tenant.pid, bytes as f64 / 1e9),
        None => format!("process {}", tenant.pid),
    });
    Some(named.collect::<Vec<_>>().join(", "))
}
