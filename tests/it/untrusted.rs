//! What comes from other programs and machines, changed at random: whatever it is, it is read or refused, and nothing breaks.
//! The fuzz targets in `fuzz/` look further, with a compiler that shows them where to go; these run everywhere.
//! `FACEBENCH_UNTRUSTED_SECONDS` has each last longer.

use std::time::{Duration, Instant};

use facebench::{
    machine,
    record::{BoardSample, Host, HostLog},
    sharing::coordination,
    worker,
};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// What breaks readers most often.
const WORDS: &[&str] = &[
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "-1",
    "-0.0",
    "1e308",
    "1e400",
    "1000000000000",
    "0",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "[[[[[[[[[[",
    "{\"a\":",
    "\\u0000",
    "\\ud800",
    "\u{1b}[2J",
    "\u{202e}",
    "\n",
];

/// One of `seeds`, changed in a few places.
fn changed(seeds: &[&[u8]], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds.choose(random).unwrap().to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..12)).min(bytes.len());
        match random.random_range(0..5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, WORDS.choose(random).unwrap().bytes())),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.random()),
            3 => {
                let copy = bytes[at..end].repeat(random.random_range(1..4));
                bytes.splice(at..at, copy);
            }
            _ => {
                // A number of the text becomes another one.
                let digits = |byte: &u8| byte.is_ascii_digit();
                if let Some(from) = bytes.iter().skip(at).position(digits).map(|place| at + place) {
                    let to = from + bytes[from..].iter().take_while(|byte| digits(byte)).count();
                    bytes.splice(from..to, WORDS[random.random_range(0..9)].bytes());
                }
            }
        }
    }
    bytes
}

/// Reads changed `seeds` for half a second.
fn attack(seeds: &[&[u8]], read: impl Fn(&[u8])) {
    let asked = std::env::var("FACEBENCH_UNTRUSTED_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let (time, began) = (Duration::from_secs_f64(asked.unwrap_or(0.5)), Instant::now());
    for seed in seeds {
        read(seed);
    }
    let mut tried = 0_u64;
    while began.elapsed() < time {
        let bytes = changed(seeds, &mut ChaCha8Rng::seed_from_u64(tried));
        let one = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&bytes)));
        assert!(
            outcome.is_ok(),
            "number {tried} breaks it: {}",
            String::from_utf8_lossy(&bytes)
        );
        assert!(
            one.elapsed() < Duration::from_secs(5),
            "number {tried} takes too long"
        );
        tried += 1;
    }
    println!("{tried} inputs");
}

#[test]
fn a_workers_lines() {
    let time = r#"{"secs":1,"nanos":5}"#;
    let block = format!(
        r#"{{"type":"block","seconds":1.5,"images":10,"faces":20,"stages":{{"decode":{time},"detect":{time},"align":{time},
        "embed":{time},"matching":{time}}},"strata":[[10,1.0]],"service":[[100,10]],"response":[[5,1]],"scheduling_delay":[],
        "cpu_seconds":3.0,"pixel_seconds":1.0,"storage_bytes":5,"given_up":false,"embeddings":20}}"#
    );
    let photo = format!(
        r#"{{"type":"photo","index":0,"answer":{{"Ok":{{"faces":[{{"box":[0,0,9,9],"landmarks":[[1,1],[2,2],[3,3],[4,4],
        [5,5]],"score":0.5,"embedding":[1.0,0.0]}}],"time":{time}}}}}}}"#
    );
    let ready = format!(
        r#"{{"type":"ready","runtime":"r","version":"1","provider":"p","device":"d","options":[["a","b"]],"loaded":null,
        "load":{time},"shapes":{time},"first_image":{time}}}"#
    );
    let others: &[&[u8]] = &[
        br#"{"type":"completions","streams":[[{"photo":0,"photos":8,"begun_us":5,"ended_us":9}]],"cpu_seconds":null}"#,
        br#"{"type":"observed","profile":{"providers":{"CPU":[5,100]},"detector":{"all_us":5,"quantized_us":1,"half_us":1},
            "recognizer":{"all_us":5,"quantized_us":1,"half_us":1}}}"#,
        br#"{"type":"warmed-up","images":1,"seconds":1.0,"steady":null}"#,
        br#"{"type":"finished","rss_peak_bytes":{"Ok":5}}"#,
        br#"{"type":"failed","reason":"out of memory"}"#,
    ];
    let seeds: Vec<&[u8]> = [&block, &photo, &ready]
        .map(String::as_bytes)
        .into_iter()
        .chain(others.iter().copied())
        .collect();
    attack(&seeds, worker::read_untrusted);
}

#[test]
fn what_machines_of_a_coordinated_run_say() {
    let seeds: &[&[u8]] = &[
        br#"{"type":"welcome","id":"a1","place":1,"machines":["vm0","vm1","vm2"],"offers":[{"tenant_groups":2,
            "background_load":null},{"tenant_groups":1,"background_load":0.5},{"tenant_groups":1,"background_load":null}]}
"#,
        br#"{"type":"welcome","id":"a1","place":1,"machines":["vm0","vm1"],"offers":[{"tenant_groups":2,"background_load":null},{"tenant_groups":1,"background_load":0.5}]}
"#,
        br#"{"type":"hello","hello":{"name":"vm1","offer":{"tenant_groups":1,"background_load":1.0},"terms":[["a","b"]]}}
{"type":"step","message":{"step":"begin","at_us":1800000000000000}}
{"type":"step","message":{"step":"worked","from_us":1,"to_us":5}}
{"type":"leave"}
"#,
        br#"{"type":"all","messages":[{"step":"ready"},{"step":"failed","reason":"no"}]}
{"type":"pong","sent_us":1,"server_us":5}
{"type":"left","name":"vm1","silent":true}
"#,
    ];
    attack(seeds, coordination::read_untrusted);
}

#[test]
fn a_hypervisors_log() {
    let header = serde_json::json!({
        "kind": "host-log", "version": "0.1.0", "began_at": "2026-01-01T00:00:00Z", "interval_seconds": 1.0,
        "host": Host::current(), "gpus": [],
    });
    let board = BoardSample {
        uuid: Some("GPU-1".to_owned()),
        sm_clock_mhz: Some(1000.0),
        vgpus: Some(Vec::new()),
        ..BoardSample::default()
    };
    let sample = serde_json::json!({"at": "2026-01-01T00:00:01Z", "gpus": [board]});
    let log = format!("{header}\n{sample}\n");
    assert!(matches!(HostLog::parse(&log), Some(Ok(log)) if log.samples.len() == 1));
    attack(&[log.as_bytes()], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(Ok(log)) = HostLog::parse(&text) {
            assert!(log.samples.len() <= bytes.len());
        }
    });
}

#[test]
fn an_answer_of_the_metadata_service() {
    attack(
        &[
            br#"{"availability_zone": "nova", "uuid": "8", "meta": {"a": "b"}, "keys": [1, 2.5, null]}"#,
            b"g1.vgpu.8\n",
        ],
        machine::read_untrusted_metadata,
    );
}

#[test]
fn a_pci_configuration_space() {
    let mut config = vec![0; 256];
    config[6] = 0x10;
    config[0x34] = 0x68;
    config[0x68..0x6a].copy_from_slice(&[0x05, 0xb0]);
    config[0xb0..0xb3].copy_from_slice(&[0x09, 0x00, 0x20]);
    config[0xb3..0xb5].copy_from_slice(b"VF");
    config[0xb5..0xb7].copy_from_slice(&[0x00, 0x16]);
    config[0xb7..0xc0].copy_from_slice(b"580.95.02");
    attack(&[&config], machine::gpu::read_untrusted_config);
}
