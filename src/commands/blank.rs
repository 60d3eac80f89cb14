//! The record of a study that has not begun: what was asked, of which machine.

use sha2::{Digest, Sha256};

use super::workload::Workload;
use crate::{
    machine::Gpus,
    record::{self, Host, PlanSummary, Record, SCHEMA_VERSION, Skipped, Tool, Unavailable},
    study::plan::Plan,
};

/// This program, as it was called.
pub fn tool(argv: Vec<String>, seed: u64) -> Tool {
    Tool {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("FACEBENCH_COMMIT").map(str::to_owned),
        argv,
        seed,
    }
}

/// A record of nothing yet.
pub fn blank_record(
    plan: &Plan,
    mut host: Host,
    gpus: Gpus,
    workload: &Workload,
    unavailable: Vec<Unavailable>,
    argv: Vec<String>,
    name: Option<&str>,
) -> Record {
    let Workload { dataset, skipped, .. } = workload;
    let created_at = jiff::Timestamp::now().to_string();
    let mut hash = Sha256::new();
    for part in argv.iter().chain([&created_at, &std::process::id().to_string()]) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let id = base16ct::lower::encode_string(&hash.finalize())[..16].to_owned();
    if let Some(reason) = gpus.reason {
        host.unavailable.insert("gpus".to_owned(), reason);
    }
    Record {
        schema_version: SCHEMA_VERSION,
        id,
        name: name.map(str::to_owned),
        created_at,
        tool: tool(argv, plan.seed),
        host,
        gpus: gpus.gpus,
        workload: record::Workload {
            name: workload.name.to_owned(),
            scenario: plan.scenario,
            stage: "end-to-end".to_owned(),
            dataset: record::Dataset {
                name: dataset.name.clone(),
                images: dataset.photos.len(),
                faces: None,
                sha256: None,
                bytes: dataset.bytes(),
                preloaded: true,
                shard: None,
            },
            detector: None,
            recognizer: None,
            enrolled: 0,
        },
        plan: PlanSummary {
            processes: plan.processes,
            blocks: plan.blocks,
            block_seconds: plan.duration.as_secs_f64(),
            warmup_seconds: plan.warmup.as_secs_f64(),
            host_cores: plan.cores,
            host_core_list: plan.core_list.clone(),
            margin: plan.margin,
            noise_floor: plan.noise_floor,
            request_rate: plan.request_rate,
            latency_bound: plan.bound,
            quality_target: workload.quality_target,
        },
        skipped: skipped
            .iter()
            .map(|(photo, reason)| Skipped {
                photo: photo.clone(),
                reason: reason.clone(),
            })
            .collect(),
        unavailable,
        quick: plan.quick,
        // Until the study has come to its end, whatever ends it before.
        interrupted: true,
        resumed: Vec::new(),
        arms: Vec::new(),
        comparisons: Vec::new(),
        checks: Vec::new(),
        sources: Vec::new(),
        tune: None,
        tenants: None,
        fleet: None,
    }
}
