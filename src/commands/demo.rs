//! `facebench demo`: the embedded workload on the CPU and on every accelerator that is ready here.

use std::{fmt::Write as _, io::Write, path::Path, time::Duration};

use super::{
    Failure,
    layout::Layout,
    machine,
    progress::tell,
    ready,
    run::{exit_code, export, measure, show},
};
use crate::{
    cli::{MeasureArgs, NetworkArgs, RunArgs, WorkloadArgs, WorkloadName},
    record::Scenario,
    report::{
        self, answer,
        published::{DEMO_2019, Published},
        table,
    },
    runtime::{
        spec::BackendSpec,
        table::{BACKENDS, DeviceArgument, Row},
    },
};

/// Shorter than a study's, so that a demo takes a minute or two.
const SHORT: Layout = Layout {
    duration: Duration::from_secs(2),
    warmup: Duration::from_secs(1),
    processes: 5,
    blocks: 2,
};

/// Makes the demo's study; leaves a record, a chart and a page; returns the program's exit status.
pub fn demo(
    mut args: MeasureArgs,
    home: &Path,
    argv: Vec<String>,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let gpus = machine::gpus(&machine::nvml());
    let (mut accelerators, missing): (Vec<&Row>, Vec<&Row>) = BACKENDS
        .iter()
        .filter(|row| is_for_demo(row))
        .partition(|row| ready::state(row, &gpus, home).is_ok());
    if accelerators.iter().any(|row| row.word == "vgpu") {
        // The same device under its right name.
        accelerators.retain(|row| row.word != "cuda");
    }
    let name = args.output.name.clone().unwrap_or_else(|| "demo".to_owned());
    args.output
        .output
        .get_or_insert_with(|| Path::new("results").join(format!("{name}.json")));
    if let Some(output) = args
        .output
        .output
        .as_deref()
        .filter(|path| path.extension().is_some_and(|e| e == "svg" || e == "html"))
    {
        return Err(Failure::Usage(format!(
            "-o {}: names the record, and chart and page are written beside it; give it another ending, such as .json",
            output.display()
        )));
    }
    let run = RunArgs {
        backends: std::iter::once("cpu")
            .chain(accelerators.iter().map(|row| row.word))
            .map(BackendSpec::bare)
            .collect(),
        workload: WorkloadArgs {
            workload: WorkloadName::Demo,
            input: None,
            networks: NetworkArgs {
                detector: None,
                recognizer: None,
                score: None,
                max_megapixels: 100,
                strict: true,
            },
        },
        scenario: Scenario::Offline,
        request_rate: None,
        noise_floor: false,
        ceiling: false,
        measure: args,
    };
    let Some((record, path)) = measure(&run, SHORT, home, argv, out)? else {
        return Ok(0);
    };
    let sentence = answer::sentence(&record, &advice(&missing));
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
    tell(&format!("record: {}", path.display()));
    for (name, ending) in [("chart", "svg"), ("page", "html")] {
        let path = path.with_extension(ending);
        report::export(&record, Some(&sentence), &DEMO_2019, &path)?;
        tell(&format!("{name}:  {}", path.display()));
    }
    export(&run.measure, &record, Some(&sentence), &DEMO_2019)?;
    Ok(exit_code(&record))
}

/// Whether a demo sets a backend beside the CPU by itself: other devices, where no name need be given.
fn is_for_demo(row: &Row) -> bool {
    row.is_accelerator() && row.device != DeviceArgument::RequiredName
}

fn advice(missing: &[&Row]) -> String {
    if missing.is_empty() {
        String::new()
    } else {
        "facebench devices says what each accelerator lacks.".to_owned()
    }
}
