//! `facebench run`: a request, a prepared study, a record, a table.

use std::{io::Write, path::Path, path::PathBuf};

use super::{
    Failure, noise_floor,
    output::{exit_code, export, show},
    plan::print_plan,
    prepare::PreparedStudy,
    progress::{Progress, notify},
    request::StudyRequest,
};
use crate::{cli::RunArgs, record::Record, report::table, text::ShownPath};

/// `facebench run`: a study, its table and its record; returns the program's exit status.
pub fn run(args: RunArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let request = StudyRequest::of_run(args)?;
    let (exports, noise_floor) = (request.output.exports.clone(), request.noise_floor);
    let backend = request.backends[0].word.clone();
    let Some((record, path)) = measure(request, home, argv, out)? else {
        return Ok(0);
    };
    show(out, &table::render(&record))?;
    if noise_floor {
        noise_floor::keep(&record, &backend, home)?;
    }
    notify(&format!("record: {}", path.shown()));
    export(&exports, &record, None, &[])?;
    Ok(exit_code(&record))
}

/// Makes the study that `request` asks for: its record and the record's file, or `None` after a dry run.
pub fn measure(
    request: StudyRequest,
    home: &Path,
    argv: Vec<String>,
    out: &mut dyn Write,
) -> Result<Option<(Record, PathBuf)>, Failure> {
    let dry_run = request.dry_run;
    let prepared = PreparedStudy::new(request, home)?;
    if dry_run {
        return print_plan(&prepared.plan, &prepared.workload.dataset, out).map(|()| None);
    }
    let (study, record, path) = prepared.into_study("run", home, argv)?;
    let progress = Progress::of_study(&study.plan);
    let run = study.run(record, &progress, &mut |record| record.save(&path));
    progress.finish();
    Ok(Some((run?.record, path)))
}
