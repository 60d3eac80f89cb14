//! Records made by rule, as JSON, for the tests of what is shown: one plain, one with everything that a record can hold.
//!
//! It imports nothing of the project, so that tests of the real program can include it as well.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use serde_json::{Value, json};

/// A number from -1 to 1 that looks drawn and is the same every time.
fn wave(seed: usize) -> f64 {
    (seed as f64 * 12.9898 + 4.1).sin()
}

/// What one arm does.
struct Kind {
    label: &'static str,
    requested: &'static str,
    precision: &'static str,
    provider: &'static str,
    streams: usize,
    rate: f64,
    service_ms: f64,
    stages: [f64; 5],
}

const CPU: Kind = Kind {
    label: "cpu",
    requested: "cpu",
    precision: "fp32",
    provider: "CPUExecutionProvider",
    streams: 8,
    rate: 118.0,
    service_ms: 66.0,
    stages: [4.1, 38.2, 0.9, 22.4, 0.2],
};
const INT8: Kind = Kind {
    label: "cpu,precision=int8,threads=1,streams=2",
    requested: "cpu,precision=int8,threads=1,streams=2",
    precision: "int8",
    provider: "CPUExecutionProvider",
    streams: 2,
    rate: 173.0,
    service_ms: 11.4,
    stages: [4.0, 20.1, 0.9, 19.0, 0.2],
};
const CUDA: Kind = Kind {
    label: "cuda:0",
    requested: "cuda:0",
    precision: "fp32",
    provider: "CUDAExecutionProvider",
    streams: 4,
    rate: 1460.0,
    service_ms: 2.6,
    stages: [1.2, 0.8, 0.15, 0.45, 0.02],
};

/// Whole microseconds around `ms`, some of them in a long tail.
fn histogram(ms: f64, seed: usize) -> Value {
    let at = |share: f64| (ms * share * 1000.0 * (1.0 + 0.01 * wave(seed))).round() as u64;
    json!([
        [at(0.9), 120],
        [at(0.96), 180],
        [at(1.0), 150],
        [at(1.08), 90],
        [at(1.2), 40],
        [at(1.5), 14],
        [at(1.9), 4],
        [at(2.6), 2]
    ])
}

fn block(kind: &Kind, process: usize, number: usize, order: usize, full: bool) -> Value {
    let speed = kind.rate * (1.0 + 0.02 * wave(order + kind.label.len()));
    let images = 600_u32;
    let seconds = f64::from(images) / speed;
    let total: f64 = kind.stages.iter().sum();
    let part = |ms: f64| seconds * kind.streams as f64 * ms / total;
    let [decode, detect, align, embed, matching] = kind.stages.map(part);
    json!({
        "process": process, "block": number, "order": order, "seconds": seconds, "images": images, "faces": 1450,
        "stage_seconds": {"decode": decode, "detect": detect, "align": align, "embed": embed, "match": matching},
        "strata": [[200, seconds], [400, seconds * 1.5]],
        "service_us": histogram(kind.service_ms, order), "response_us": [], "scheduling_delay_us": [], "rate": null,
        "conditions": {
            "own_cpu_seconds": full.then_some(seconds * 7.9), "busy_seconds": full.then_some(seconds * 8.0),
            "stolen_seconds": full.then_some(0.0), "throttled_seconds": null, "clock_mhz": null,
            "thermal_events": null, "storage_bytes": full.then_some(0), "joules": null
        }
    })
}

fn latency(ms: f64, samples: u64) -> Value {
    let p999 = (samples >= 6636).then_some(ms * 2.6);
    json!({"p50": ms, "p90": ms * 1.2, "p95": ms * 1.5, "p99": ms * 1.9, "p999": p999, "max": ms * 2.6,
        "samples": samples})
}

fn estimate(middle: f64) -> Value {
    json!({"median": middle, "low": middle * 0.985, "high": middle * 1.016})
}

fn check(id: &str, outcome: &str, observed: &str, limit: &str, advice: &str) -> Value {
    json!({"id": id, "outcome": outcome, "observed": observed, "limit": limit, "advice": advice})
}

fn checks(kind: &Kind, full: bool) -> Vec<Value> {
    let mut list = vec![
        check(
            "blocks",
            "passed",
            "12 of 12 blocks, from 6 processes",
            "all planned blocks, from at least 3 processes",
            "",
        ),
        check(
            "placement",
            "passed",
            &format!("100.0 % of node time on {}", kind.provider),
            "95 % of node time on the asked provider",
            "",
        ),
        check(
            "agreement",
            "passed",
            "100 % of faces matched, cosine 1.0000 and 0.9998",
            "99 % of faces matched",
            "",
        ),
    ];
    if full {
        list.push(check(
            "clock",
            "unknown",
            "this virtual machine shows no clock",
            "no more than 5 % below the best block",
            "measure on the host, or ask who runs it whether the clock is fixed",
        ));
        list.push(check(
            "throttled",
            "unknown",
            "no control group shows it",
            "1 % of its streams' time",
            "ask for a control group of version 2",
        ));
    }
    if full && kind.precision == "int8" {
        list.push(check(
            "spread",
            "failed",
            "half width 14.2 % of the figure",
            "at most 10 %",
            "measure longer, or with more processes, on a machine without other load",
        ));
    }
    list
}

fn arm(kind: &Kind, orders: &[usize], full: bool) -> Value {
    let blocks: Vec<Value> = orders
        .iter()
        .enumerate()
        .map(|(place, order)| block(kind, place / 2, place % 2, *order, full))
        .collect();
    let spread = full && kind.precision == "int8";
    let [decode, detect, align, embed, matching] = kind.stages;
    json!({
        "label": kind.label, "source": null, "status": if spread { "unstable" } else { "valid" },
        "precision": kind.precision, "threads": 1, "streams": kind.streams, "batch": 1,
        "backend": {
            "requested": kind.requested,
            "accelerator": !kind.provider.starts_with("CPU"),
            "reference": kind.provider.starts_with("CPU"),
            "runtime": {"name": "ONNX Runtime", "version": "1.23.0", "library_sha256": "5e".repeat(32)},
            "provider": kind.provider, "device": "Example Device", "options": {"streams": kind.streams.to_string()},
            "placement": {kind.provider: {"nodes": 243, "time_share": 1.0}}
        },
        "checks": checks(kind, full),
        "setup": {"load_ms": 182.0, "first_image_ms": 95.5, "warmup_images": 240.0},
        "steady": if full { json!([true, true, true, true, true, true]) } else { json!([]) },
        "blocks": blocks,
        "throughput": {
            "images_per_second": estimate(kind.rate), "faces_per_second": estimate(kind.rate * 2.42),
            "strata": [
                {"name": "1 face", "images": 40, "images_per_second": kind.rate * 1.4},
                {"name": "2-4 faces", "images": 80, "images_per_second": kind.rate * 0.85}
            ]
        },
        "latency_ms": latency(kind.service_ms, 7200), "service_ms": latency(kind.service_ms, 7200),
        "curve": [], "bounded": null, "trials": [],
        "stages_ms": {"decode": decode, "detect": detect, "align": align, "embed": embed, "match": matching},
        "accuracy": {
            "reference": "cpu", "faces_matched": 1.0, "faces_ratio": 1.0, "iou_median": 0.998, "cosine_median": 1.0,
            "cosine_p01": 0.9998, "detection_ap": 0.951,
            "verification": {"tar": 0.934, "far": 0.001, "same_pairs": 812, "different_pairs": 40110}
        },
        "rss_peak_bytes": 412_000_000, "device_peak_bytes": null,
        "energy": {"joules_per_image": null, "reason": "no energy counter can be read here"},
        "price": null, "cost": null, "errors": []
    })
}

fn comparison(kind: &Kind, ratio: f64) -> Value {
    json!({
        "arm": kind.label, "baseline": "cpu",
        "ratio": {"median": ratio, "low": ratio * 0.97, "high": ratio * 1.03}, "verdict": "faster", "paired": true,
        "bounded_ratio": null, "corrected_for": 1, "status": "valid", "reasons": []
    })
}

fn record(arms: &[Value], comparisons: &[Value]) -> Value {
    json!({
        "schema_version": 2, "id": "0123456789abcdef", "name": null, "created_at": "2026-01-02T03:04:05Z",
        "tool": {"version": "0.1.0", "commit": "ef508cd", "argv": ["facebench", "run", "-b", "cpu"], "seed": 7},
        "host": {
            "cpu": {"model": "Example CPU @ 2.50GHz", "cores": 8, "physical_cores": 4, "sockets": 1, "numa_nodes": 1,
                "affinity": [0, 1, 2, 3, 4, 5, 6, 7], "quota": null, "governor": null, "flags": ["avx2"]},
            "memory": {"total_bytes": 16_000_000_000_u64, "available_bytes": null, "limit_bytes": null},
            "os": "Example Linux 12", "kernel": "6.1.0", "facts": [
                {"kind": "hypervisor-flag", "value": "hypervisor", "source": "/proc/cpuinfo"}],
            "unavailable": {"cpu.governor": "no cpufreq here"}
        },
        "gpus": [],
        "workload": {
            "name": "demo", "scenario": "offline", "stage": "end-to-end",
            "dataset": {"name": "drawn-120", "images": 120, "faces": 290, "sha256": "ab".repeat(32), "bytes": 9_000_000,
                "preloaded": true},
            "detector": {"name": "facebench-det", "family": "yunet", "sha256": "cd".repeat(32), "input": [640, 640],
                "license": "Apache-2.0", "score_threshold": 0.6},
            "recognizer": {"name": "facebench-rec", "family": "arcface", "sha256": "ef".repeat(32), "input": [112, 112],
                "license": "Apache-2.0", "score_threshold": null},
            "enrolled": 118
        },
        "plan": {
            "processes": 6, "blocks": 2, "block_seconds": 3.0, "warmup_seconds": 2.0, "host_cores": 8,
            "host_core_list": [], "margin": 0.02, "noise_floor": null, "request_rate": null,
            "latency_bound": {"ms": 100.0, "percentile": 99.0}
        },
        "skipped": [], "unavailable": [], "quick": false, "interrupted": false, "arms": arms,
        "comparisons": comparisons, "checks": [], "sources": []
    })
}

/// Two arms as a short study leaves them: no curve, no bound, no cost.
pub fn plain() -> Value {
    let orders = |first: usize| (0..12).map(|n| n * 2 + first).collect::<Vec<_>>();
    record(
        &[arm(&CPU, &orders(0), false), arm(&INT8, &orders(1), false)],
        &[comparison(&INT8, 1.466)],
    )
}

fn point(streams: usize, batch: usize, rate: f64, ms: f64) -> Value {
    json!({"streams": streams, "batch": batch, "images_per_second": estimate(rate), "latency_ms": latency(ms, 7200)})
}

/// Four arms with all that a record can hold: an unstable one, an accelerator with its curve, one that failed.
pub fn full() -> Value {
    let orders = |first: usize| (0..12).map(|n| n * 3 + first).collect::<Vec<_>>();
    let bound = json!({"ms": 100.0, "percentile": 99.0});
    let held = |rate: f64, streams: usize, batch: usize, ms: f64| {
        json!({"bound": bound, "images_per_second": estimate(rate), "latency_ms": ms, "streams": streams,
            "batch": batch, "reason": null})
    };
    let costs = |arm: &mut Value, hour: f64, rate: f64| {
        arm["price"] = json!({"per_hour": hour, "currency": "EUR"});
        arm["cost"] = json!({"images_per_unit": estimate(rate * 3600.0 / hour),
            "per_million_images": estimate(hour / (rate * 3600.0) * 1e6)});
    };
    let mut cpu = arm(&CPU, &orders(0), true);
    cpu["curve"] = json!([
        point(1, 1, 19.0, 48.0),
        point(2, 1, 36.0, 50.0),
        point(4, 1, 66.0, 54.0),
        point(8, 1, 118.0, 66.0)
    ]);
    cpu["bounded"] = held(66.0, 4, 1, 98.0);
    costs(&mut cpu, 0.4, 118.0);
    let mut int8 = arm(&INT8, &orders(1), true);
    int8["bounded"] = json!({"bound": bound, "images_per_second": null, "latency_ms": null, "streams": null,
        "batch": null, "reason": "no measured point holds it"});
    costs(&mut int8, 0.4, 173.0);
    let mut cuda = arm(&CUDA, &orders(2), true);
    let mut points = Vec::new();
    for (batch, gain) in [(1_usize, 1.0), (8, 1.7), (32, 2.1)] {
        for streams in [1_usize, 2, 4, 8] {
            let rate = 390.0 * gain * (streams as f64).powf(0.82)
                / (1.0 + 0.02 * (streams * batch) as f64).powf(0.3);
            points.push(point(streams, batch, rate, (streams * batch) as f64 / rate * 1e3));
        }
    }
    cuda["curve"] = json!(points);
    cuda["bounded"] = held(1830.0, 8, 8, 66.5);
    costs(&mut cuda, 1.8, 1460.0);
    cuda["checks"].as_array_mut().unwrap().push(check(
        "decode-bound",
        "failed",
        "decoding takes 46 % of a photo's time",
        "less than half of a photo's time",
        "decode on more cores",
    ));
    let mut failed = arm(&CUDA, &[], true);
    for (key, value) in [
        (
            "label",
            json!("tensorrt:0,precision=fp16,batch=16,label=a <b>&\"quoted\" name"),
        ),
        ("status", json!("failed")),
        ("failed", json!(true)),
        ("throughput", Value::Null),
        ("latency_ms", Value::Null),
        ("service_ms", Value::Null),
        ("stages_ms", Value::Null),
        ("accuracy", Value::Null),
        ("setup", Value::Null),
        ("checks", json!([])),
        ("steady", json!([])),
        ("errors", json!(["in process 2: the worker ended with signal 9"])),
    ] {
        failed[key] = value;
    }
    let mut slow = comparison(&INT8, 1.466);
    slow["status"] = json!("unstable");
    slow["reasons"] = json!(["the arm is unstable"]);
    slow["corrected_for"] = json!(2);
    let mut fast = comparison(&CUDA, 12.37);
    fast["bounded_ratio"] = json!({"median": 27.7, "low": 26.9, "high": 28.6});
    fast["corrected_for"] = json!(2);
    let mut record = record(&[cpu, int8, cuda, failed], &[slow, fast]);
    record["name"] = json!("a full one");
    record["skipped"] = json!([{"photo": "notes.txt", "reason": "no image"}]);
    record["unavailable"] = json!([{"backend": "openvino", "reason": "its runtime is not installed",
        "fix": "facebench setup openvino installs it"}]);
    record["checks"] = json!([check(
        "noise-floor",
        "unknown",
        "never measured here",
        "at most 2 %",
        "facebench run --noise-floor measures it"
    )]);
    record["gpus"] = json!([
        {"uuid": "GPU-0000", "name": "Example GPU", "index": 0, "driver": "580.1", "cuda_driver": "13.0",
            "compute_capability": "9.0", "memory_bytes": 80_000_000_000_u64, "mode": "passthrough",
            "power_limit_watts": 700.0, "co_tenants": [{"pid": 4242, "memory_bytes": 1_000_000_000}],
            "profile": null, "license": null, "unavailable": {"numa_node": "the firmware gives none"}},
        {"uuid": "GPU-0001", "name": "GRID V100D-8Q", "index": 1, "driver": "580.1", "host_driver": "580.2",
            "memory_bytes": 8_000_000_000_u64, "mode": "vgpu", "profile": "V100D-8Q",
            "license": {"before": true, "after": false}, "unavailable": {"power_watts": "a vGPU's guest cannot read this"}}
    ]);
    record
}

/// A server study: queries at a rate, response and service apart, the search for the highest rate.
pub fn server() -> Value {
    let mut record = plain();
    record["workload"]["scenario"] = json!("server");
    let arms = record["arms"].as_array_mut().unwrap();
    for (place, arm) in arms.iter_mut().enumerate() {
        let rate = [96.0, 140.0][place];
        arm["latency_ms"] = latency([71.0, 40.0][place], 5000);
        arm["trials"] = json!([
            {"process": 0, "rate": rate, "queries": 1000, "latency_ms": 88.0, "met": true},
            {"process": 0, "rate": rate * 1.3, "queries": 1000, "latency_ms": 340.0, "met": false}
        ]);
        arm["bounded"] = json!({"bound": {"ms": 100.0, "percentile": 99.0}, "images_per_second": estimate(rate),
            "latency_ms": 91.0, "streams": null, "batch": null, "reason": null});
        for (n, block) in arm["blocks"].as_array_mut().unwrap().iter_mut().enumerate() {
            block["rate"] = json!(rate);
            block["response_us"] = histogram([71.0, 40.0][place], n);
            block["scheduling_delay_us"] = json!([[12, 600]]);
        }
    }
    record
}

/// Two studies in one record.
pub fn merged() -> Value {
    let mut record = plain();
    let source = |id: &str, name: Value, cpu: &str| {
        let mut host = record["host"].clone();
        host["cpu"]["model"] = json!(cpu);
        json!({"id": id, "name": name, "created_at": "2026-01-02T03:04:05Z", "tool": record["tool"], "host": host,
            "gpus": [], "plan": record["plan"], "quick": false, "interrupted": false})
    };
    record["sources"] = json!([
        source("0123456789abcdef", Value::Null, "Example CPU @ 2.50GHz"),
        source("fedcba9876543210", json!("metal"), "Other CPU")
    ]);
    record["arms"][0]["source"] = json!("0123456789abcdef");
    record["arms"][1]["source"] = json!("fedcba9876543210");
    record["comparisons"][0]["paired"] = json!(false);
    record
}

/// Tenants of two machines of a coordinated run, each with a device of the `mode` and of its `uuid`, in one record:
/// each tenant held 3 GB of 8.
pub fn coordinated(mode: &str, uuids: [&str; 2]) -> Value {
    let mut record = merged();
    let labels = ["cuda:0 @ vm0", "cuda:0 @ vm1"];
    for (place, uuid) in uuids.into_iter().enumerate() {
        record["sources"][place]["gpus"] = json!([{"uuid": uuid, "name": "Example GPU", "index": 0,
            "memory_bytes": 8_000_000_000_u64, "mode": mode, "unavailable": {}}]);
        let mut one = arm(&CUDA, &[0, 1, 2, 3], false);
        one["label"] = json!(labels[place]);
        one["source"] = record["sources"][place]["id"].clone();
        one["backend"]["gpu"] = json!(uuid);
        record["arms"][place] = one;
    }
    record["comparisons"] = json!([]);
    let tenant = json!({"images": 1460.0, "answered": 1460, "service_us": [[2600, 1460]], "cpu_seconds": 1.0, "cores": 0.5,
        "rss_peak_bytes": 900_000_000, "device_memory_bytes": 3_000_000_000_u64});
    let clock = |offset: i64| json!({"offset_us": offset, "uncertainty_us": 120});
    let group = |places: &[usize], rate: f64| {
        let of = |value: &Value| vec![value.clone(); places.len()];
        let clocks: Vec<Value> = places.iter().map(|place| clock([0, -2500][*place])).collect();
        json!({"tenants": places.iter().map(|place| labels[*place]).collect::<Vec<_>>(), "background_load": null,
            "machines": places, "error": null,
            "rounds": [{"round": 0, "order": 0, "seconds": 2.0, "tenants": of(&tenant), "before_load": null,
                "from_us": 1_800_000_000_000_000_u64, "clocks": clocks}],
            "images_per_second": estimate(rate), "per_tenant": of(&estimate(rate / places.len() as f64)),
            "slowdown": estimate(places.len() as f64), "fairness": estimate(1.0), "sharing_gain": estimate(1.0),
            "retained": null, "latency_ms": latency(2.6, 1460), "worst_p99_ms": 4.0})
    };
    record["tenants"] = json!({"least_rate": null,
        "groups": [group(&[0], 1460.0), group(&[1], 1460.0), group(&[0, 1], 1460.0)],
        "coordination": {"id": "feed", "machines": ["vm0", "vm1"], "machine_index": null}});
    record
}

/// A search, and the study that confirms what it found.
pub fn tuned() -> Value {
    let mut record = plain();
    let better = "cpu,streams=4,threads=1";
    record["arms"][1]["label"] = json!(better);
    record["arms"][1]["backend"]["requested"] = json!(better);
    record["comparisons"][0]["arm"] = json!(better);
    let round = |number: usize, rate: f64| {
        json!({"images_per_second": rate, "latency_ms": latency(1e3 / rate, 700),
            "block": block(&CPU, number, 0, 0, false)})
    };
    let candidate = |spec: &str,
                     streams: usize,
                     rates: &[f64],
                     dropped: Option<usize>,
                     error: Option<&str>| {
        let rounds: Vec<Value> = rates
            .iter()
            .enumerate()
            .map(|(n, rate)| round(n, *rate))
            .collect();
        json!({"spec": spec, "streams": streams, "threads": 1, "batch": 1, "decoders": null, "rounds": rounds,
            "dropped_after": dropped, "error": error})
    };
    record["tune"] = json!({
        "hint": "throughput", "bound": null, "photos": 48, "bare": "cpu", "chosen": better,
        "candidates": [
            candidate("cpu,streams=8,threads=1", 8, &[117.0, 118.0], None, None),
            candidate("cpu,streams=1,threads=1", 1, &[22.0], Some(1), None),
            candidate("cpu,streams=16,threads=1", 16, &[], Some(1), Some("the worker died")),
            candidate(better, 4, &[170.0, 173.0], None, None),
        ]
    });
    record
}
