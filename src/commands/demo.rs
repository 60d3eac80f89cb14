//! `facebench demo`: the embedded workload on the CPU and on every accelerator that is ready here.

use std::{fmt::Write as _, io::Write, path::Path, time::Duration};

use super::{
    Failure, machine,
    output::{exit_code, export, show},
    progress::notify,
    ready,
    request::{Layout, NetworkRequest, StudyRequest, WorkloadRequest},
    run::measure,
};
use crate::{
    cli::MeasureArgs,
    record::Scenario,
    report::{
        self, answer,
        published::{DEMO_2019, Published},
        table,
    },
    runtime::{
        descriptor::{BackendDescriptor, DeviceArgument},
        spec::BackendSpec,
        table::{BACKENDS, REFERENCE},
    },
    text::ShownPath,
};

/// Shorter than those of `run`, so that a demo takes a minute or two.
const SHORT: Layout = Layout {
    duration: Duration::from_secs(2),
    warmup: Duration::from_secs(1),
    processes: 5,
    blocks: 2,
};

/// Endings of the chart and the page, which are written beside the record.
const BESIDE: [&str; 2] = ["svg", "html"];

/// Makes the demo's study; writes a record, a chart and a page; returns the program's exit status.
pub fn demo(args: MeasureArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let (accelerators, missing) = accelerators(home);
    let request = request(args, &accelerators)?;
    let exports = request.output.exports.clone();
    let Some((record, path)) = measure(request, home, argv, out)? else {
        return Ok(0);
    };
    let sentence = answer::sentence(&record, advice(&missing));
    let mut text = table::render(&record) + "\n";
    for Published {
        label,
        images_per_second,
        source,
    } in DEMO_2019
    {
        let _ = writeln!(
            text,
            "for comparison: {label}: {images_per_second} images/s ({source})"
        );
    }
    show(out, &format!("{text}\n{sentence}\n"))?;
    notify(&format!("record: {}", path.shown()));
    for (name, ending) in ["chart", "page"].into_iter().zip(BESIDE) {
        let path = path.with_extension(ending);
        report::export(&record, Some(&sentence), &DEMO_2019, &path)?;
        notify(&format!("{name}:  {}", path.shown()));
    }
    export(&exports, &record, Some(&sentence), &DEMO_2019)?;
    Ok(exit_code(&record))
}

/// The backends besides the CPU that a demo measures, and those that cannot run here.
fn accelerators(home: &Path) -> (Vec<&'static BackendDescriptor>, Vec<&'static BackendDescriptor>) {
    let gpus = machine::gpus(&machine::nvml());
    let (mut ready, missing): (Vec<&BackendDescriptor>, Vec<&BackendDescriptor>) = BACKENDS
        .iter()
        .filter(|backend| is_for_demo(backend))
        .partition(|backend| ready::state(backend, &gpus, home).is_ok());
    let vgpu = ready
        .iter()
        .find(|backend| backend.device == DeviceArgument::Vgpu)
        .and_then(|backend| backend.provider());
    if let Some(provider) = vgpu {
        // The same device under its right name.
        ready.retain(|backend| {
            backend.device == DeviceArgument::Vgpu
                || backend.provider().is_none_or(|own| own.name() != provider.name())
        });
    }
    (ready, missing)
}

/// The demo's study on the CPU and `accelerators`.
fn request(args: MeasureArgs, accelerators: &[&BackendDescriptor]) -> Result<StudyRequest, Failure> {
    let names = std::iter::once(REFERENCE).chain(accelerators.iter().map(|backend| backend.word));
    let workload = WorkloadRequest {
        networks: NetworkRequest {
            strict: true,
            ..NetworkRequest::default()
        },
        ..WorkloadRequest::default()
    };
    let backends = names.map(BackendSpec::bare).collect();
    let mut request = StudyRequest::new(backends, workload, Scenario::Offline, SHORT, args);
    let output = &mut request.output;
    let name = output.name.as_deref().unwrap_or("demo");
    output.new_record = Some(Path::new("results").join(format!("{name}.json")));
    output.beside = &BESIDE;
    let given = output.record.as_deref();
    if let Some(record) = given.filter(|path| BESIDE.iter().any(|end| path.extension() == Some(end.as_ref())))
    {
        return Err(Failure::Usage(format!(
            "-o {}: names the record, and chart and page are written beside it; give it another ending, such as .json",
            record.shown()
        )));
    }
    Ok(request)
}

/// Whether a demo measures this backend besides the CPU's: it runs on another device, which needs no name.
fn is_for_demo(backend: &BackendDescriptor) -> bool {
    backend.is_accelerator() && backend.device != DeviceArgument::Mig
}

fn advice(missing: &[&BackendDescriptor]) -> &'static str {
    if missing.is_empty() {
        ""
    } else {
        "facebench devices says what each accelerator lacks."
    }
}
