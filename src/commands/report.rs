//! `facebench report`: records that exist as tables, pages, charts.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{Failure, output::show, progress::notify};
use crate::{
    cli::ReportArgs,
    report::{
        self, ExportError, Format,
        chart::{self, ChartKind},
        html::{MOST_RECORDS, Pages},
        published::beside,
        table,
    },
    text::{ShownPath, file_name},
};

/// Shows the records on `out`, or writes them to `--output` in the format of its ending.
pub fn report(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    // The options are checked before any file is read.
    let (output, kind) = (args.output.as_deref(), args.chart);
    let form = output.map(Format::of).transpose()?;
    let drawing = form.is_some_and(Format::is_chart);
    if kind.is_some() && !drawing {
        return Err(Failure::Usage(
            "--chart: only .svg and .png show a single chart; give -o FILE.svg or -o FILE.png".to_owned(),
        ));
    }
    if args.records.len() > 1 && !matches!(form, None | Some(Format::Html | Format::Text)) {
        return Err(Failure::Usage(format!(
            "{}: this format shows one record, and {} were given; give one, or write a page: -o FILE.html",
            output.unwrap_or(Path::new("-o")).shown(),
            args.records.len()
        )));
    }
    if let Some((output, Format::Html)) = output.zip(form)
        && args.records.len() > MOST_RECORDS
    {
        return Err(too_many(output, args.records.len()));
    }
    let Some((output, form)) = output.zip(form) else {
        // One after the other: of ten thousand records none but the one on show is held.
        return each_table(&args.records, &mut |table| Ok(show(out, table)?));
    };
    let first = || report::read(&args.records[0]);
    let drawn = || {
        let record = first()?;
        chart::draw(kind.unwrap_or(ChartKind::Throughput), &record, beside(&record))
            .map_err(|error| Failure::Usage(format!("--chart: {}: {error}", name(&args.records[0]))))
    };
    match form {
        Format::Svg => report::write(output, drawn()?.as_bytes())?,
        #[cfg(feature = "png")]
        Format::Png => report::write(output, &report::png::render(&drawn()?)?)?,
        Format::Text => {
            let mut text = String::new();
            each_table(&args.records, &mut |table| {
                text.push_str(table);
                Ok(())
            })?;
            report::write(output, text.as_bytes())?;
        }
        Format::Html if args.records.len() > 1 => {
            let mut page = Pages::default();
            for path in &args.records {
                page.add(&name(path), &report::read(path)?)?;
            }
            report::write(output, page.finish().as_bytes())?;
        }
        Format::Html | Format::Markdown | Format::Csv => {
            let record = first()?;
            report::export(&record, None, beside(&record), output)?;
        }
    }
    notify(&format!("report: {}", output.shown()));
    Ok(())
}

fn too_many(output: &Path, count: usize) -> Failure {
    Failure::Usage(format!(
        "{}: a page takes up to {MOST_RECORDS} records, and {count} were given; choose some, such as the newest: \
         facebench report $(ls -t *.json | head -n {MOST_RECORDS}) -o FILE.html; or write their tables: -o FILE.txt",
        output.shown()
    ))
}

/// What a record is called where there are several.
fn name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.shown().to_string(), file_name)
}

/// Gives the tables of each record to `then`, under its name where there are several.
fn each_table(records: &[PathBuf], then: &mut dyn FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    for (place, path) in records.iter().enumerate() {
        let tables = table::render(&report::read(path)?);
        match (records.len(), place) {
            (1, _) => then(&tables)?,
            (_, 0) => then(&format!("{}:\n{tables}", name(path)))?,
            _ => then(&format!("\n{}:\n{tables}", name(path)))?,
        }
    }
    Ok(())
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Ending(_) => Self::Usage(error.to_string()),
            #[cfg(not(feature = "png"))]
            ExportError::NoPng(_) => Self::Usage(error.to_string()),
            ExportError::Chart(error) => Self::Chart(error),
            ExportError::Csv(error) => Self::Answer(error.into()),
            ExportError::Write { path, source } => Self::Output { path, source },
        }
    }
}
