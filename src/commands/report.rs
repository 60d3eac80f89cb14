//! `facebench report`: records that exist as tables, pages, charts.

use std::{io::Write, path::Path};

use super::{Failure, output::show, progress::notify};
use crate::{
    cli::ReportArgs,
    record::Record,
    report::{
        self, ExportError, Format,
        chart::{self, ChartKind},
        html,
        published::beside,
        table,
    },
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
            output.unwrap_or(Path::new("-o")).display(),
            args.records.len()
        )));
    }
    let records = args
        .records
        .iter()
        .map(|path| Ok((name(path), report::read(path)?)))
        .collect::<Result<Vec<(String, Record)>, Failure>>()?;
    let Some((output, form)) = output.zip(form) else {
        return Ok(show(out, &tables(&records))?);
    };
    let first = &records[0].1;
    let drawn = || {
        chart::draw(kind.unwrap_or(ChartKind::Throughput), first, beside(first))
            .map_err(|error| Failure::Usage(format!("--chart: {}: {error}", records[0].0)))
    };
    match form {
        Format::Svg => report::write(output, drawn()?.as_bytes())?,
        #[cfg(feature = "png")]
        Format::Png => report::write(output, &report::png::render(&drawn()?)?)?,
        Format::Text => report::write(output, tables(&records).as_bytes())?,
        Format::Html if records.len() > 1 => report::write(output, html::pages(&records)?.as_bytes())?,
        Format::Html | Format::Markdown | Format::Csv => report::export(first, None, beside(first), output)?,
    }
    notify(&format!("report: {}", output.display()));
    Ok(())
}

/// What a record is called on a page of several.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn tables(records: &[(String, Record)]) -> String {
    let tables = records.iter().map(|(name, record)| {
        let head = if records.len() > 1 {
            format!("{name}:\n")
        } else {
            String::new()
        };
        format!("{head}{}", table::render(record))
    });
    tables.collect::<Vec<_>>().join("\n")
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
