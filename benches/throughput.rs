//! The embedded networks by themselves and the whole pipeline, on every backend that runs in this process; at the end a
//! short study of all backends, each in processes of its own, with the reason where one is absent.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::{path::Path, process::Command, sync::Arc};

use anyhow::Context;
use criterion::{Criterion, Throughput};
use facebench::{
    commands::home,
    dataset::render::{encode_jpeg, render_photo},
    model::{Role, gallery::Gallery, network::Network},
    pipeline::{Loading, Networks, Pipeline},
    runtime::{
        Runtime, SessionSettings,
        install::{Flavor, LibraryStore},
        onnxruntime::OnnxRuntime,
        spec::BackendSpec,
        table::BACKENDS,
    },
    vision::encoded::Limits,
};
use ndarray::Array4;

const DETECTOR: &str = "facebench-det";
const RECOGNIZER: &str = "facebench-rec";
const PHOTOS: usize = 8;

fn main() -> anyhow::Result<()> {
    facebench::runtime::onnxruntime::telemetry::switch_off();
    let home = home()?;
    let runtime =
        LibraryStore::of_process(home.clone()).find_or_install(Flavor::Cpu, &|line| eprintln!("{line}"))?;
    let mut backends: Vec<(&str, Box<dyn Runtime>)> =
        vec![("cpu", Box::new(OnnxRuntime::cpu(&runtime.path, "CPU".into())?))];
    for backend in BACKENDS {
        let open = backend.linked().and_then(|linked| linked.open);
        backends.extend(open.map(|open| (backend.word, open("CPU".to_owned()))));
    }
    let find = |name: &str, role| Ok::<_, anyhow::Error>(Network::find(&name.parse()?, role, &home)?);
    let networks = Networks {
        detector: find(DETECTOR, Role::Detector)?,
        recognizer: find(RECOGNIZER, Role::Recognizer)?,
        score: None,
        max_pixels: Limits::default().max_pixels,
        swap_channels: false,
    };
    let mut criterion = Criterion::default().configure_from_args();
    sessions(&mut criterion, &backends, &networks)?;
    end_to_end(&mut criterion, &backends, &networks)?;
    criterion.final_summary();
    // Criterion's own options for a run that only tries whether benches work, or only lists them.
    if !std::env::args().any(|argument| ["--test", "--list"].contains(&argument.as_str())) {
        table()?;
    }
    Ok(())
}

/// One run of one network, one thread.
fn sessions(
    criterion: &mut Criterion,
    backends: &[(&str, Box<dyn Runtime>)],
    networks: &Networks,
) -> anyhow::Result<()> {
    let one = (
        &networks.detector,
        "detector at 640x640, images",
        640,
        &[1usize][..],
    );
    let other = (&networks.recognizer, "recognizer, faces", 112, &[1, 8][..]);
    for (network, what, side, batches) in [one, other] {
        let mut group = criterion.benchmark_group(format!("session run: {what}"));
        for (name, backend) in backends {
            for batch in batches {
                let settings = SessionSettings {
                    threads: 1,
                    batch: *batch,
                    canvas: Some((side, side)),
                    ..SessionSettings::default()
                };
                let mut session = backend.load(&network.path, &settings)?;
                let batch = session.signature().inputs[0].shape[0].unwrap_or(*batch);
                let input = Array4::from_elem((batch, 3, side, side), 0.5f32);
                group.throughput(Throughput::Elements(batch as u64));
                group.bench_function(format!("{name}, batch {batch}"), |b| {
                    b.iter(|| session.run(input.view(), &mut |_| {}));
                });
            }
        }
        group.finish();
    }
    Ok(())
}

/// Encoded photos to matched faces, one stream of one thread.
fn end_to_end(
    criterion: &mut Criterion,
    backends: &[(&str, Box<dyn Runtime>)],
    networks: &Networks,
) -> anyhow::Result<()> {
    let photos: Vec<Vec<u8>> = (0..PHOTOS)
        .map(|index| {
            let (pixels, truth) = render_photo(1, index);
            encode_jpeg(&pixels, truth.jpeg_quality)
        })
        .collect::<Result<_, _>>()?;
    let mut group = criterion.benchmark_group("end to end: drawn photos, images");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(PHOTOS as u64));
    for (name, backend) in backends {
        let loading = Loading {
            threads: 1,
            ..Loading::default()
        };
        let (mut pipeline, _) =
            Pipeline::load(backend.as_ref(), networks, Arc::new(Gallery::default()), &loading)?;
        let mut faces = [Vec::new()];
        group.bench_function(*name, |b| {
            b.iter(|| {
                photos
                    .iter()
                    .try_for_each(|photo| pipeline.run(&[photo], &mut faces).map(drop))
            });
        });
    }
    group.finish();
    Ok(())
}

/// The table of all backends; what is absent is named on standard error with its reason and its fix.
fn table() -> anyhow::Result<()> {
    println!("\nEvery backend on the embedded workload, a quick study:");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut study = Command::new(env!("CARGO_BIN_EXE_facebench"));
    study
        .args(["run", "--quick", "--keep-going", "-o"])
        .arg(folder.join("backends.json"));
    for backend in BACKENDS {
        // Backends that need a name or plant an answer are not part of the table.
        if backend
            .word
            .parse::<BackendSpec>()
            .is_ok_and(|spec| !spec.is_null())
        {
            study.args(["-b", backend.word]);
        }
    }
    // The table shows whether arms are valid and backends ready; this exit status does not.
    study.status().context("cannot start facebench")?;
    Ok(())
}
