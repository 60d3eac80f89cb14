//! `facebench demo`: the embedded workload on the CPU and on every accelerator that is ready here.

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Failure,
    progress::tell,
    ready,
    run::{Layout, exit_code, measure, show},
};
use crate::{
    backend::{
        spec::BackendSpec,
        table::{BACKENDS, Row},
    },
    cli::{MeasureArgs, NetworkArgs, RunArgs, ScenarioWord, WorkloadName},
    report::{
        answer, chart, html,
        published::{DEMO_2019, Published},
        table,
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
    let (accelerators, missing): (Vec<&Row>, Vec<&Row>) = BACKENDS
        .iter()
        .filter(|row| is_accelerator(row))
        .partition(|row| ready::state(row, home).is_ok());
    let name = args.name.clone().unwrap_or_else(|| "demo".to_owned());
    args.output
        .get_or_insert_with(|| Path::new("results").join(format!("{name}.json")));
    if let Some(output) = args
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
        workload: WorkloadName::Demo,
        input: None,
        networks: NetworkArgs {
            detector: None,
            recognizer: None,
            score: None,
            max_megapixels: 100,
            strict: true,
        },
        scenario: ScenarioWord::Offline,
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
    let draw = |extension: &str, text: String| -> Result<PathBuf, Failure> {
        let path = path.with_extension(extension);
        fs::write(&path, text).map_err(|source| Failure::Output {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    };
    let chart = draw("svg", chart::throughput(&record, &DEMO_2019)?)?;
    let page = draw("html", html::page(&record, &sentence, &DEMO_2019)?)?;
    tell(&format!(
        "record: {}\nchart:  {}\npage:   {}",
        path.display(),
        chart.display(),
        page.display()
    ));
    Ok(exit_code(&record))
}

/// Whether a backend is worth setting beside the CPU in a demo: other devices, not other ways of using the CPU.
fn is_accelerator(row: &Row) -> bool {
    ["cuda", "tensorrt", "vgpu", "vitis"].contains(&row.word)
}

fn advice(missing: &[&Row]) -> String {
    let built = missing.iter().any(|row| row.built);
    if built {
        "facebench devices says what each accelerator lacks.".to_owned()
    } else {
        let words: Vec<_> = missing.iter().map(|row| row.word).collect();
        format!(
            "facebench {} has no accelerator backend yet: {} will be run by a later version.",
            env!("CARGO_PKG_VERSION"),
            words.join(", ")
        )
    }
}
