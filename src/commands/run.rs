//! `facebench run`: a request, a prepared study, a record, a table.

use std::{io::Write, path::Path, path::PathBuf};

use super::{
    Failure, noise_floor,
    output::{exit_code, export, show},
    plan::print_plan,
    prepare::PreparedStudy,
    progress::{Progress, notify},
    request::StudyRequest,
    resume::Earlier,
};
use crate::{cli::RunArgs, record::Record, report::table, study::StudyError, text::ShownPath};

/// `facebench run`: a study, its table and its record; returns the program's exit status.
pub fn run(args: RunArgs, home: &Path, argv: Vec<String>, out: &mut dyn Write) -> Result<u8, Failure> {
    let earlier = args.resume.as_deref().map(Earlier::read).transpose()?;
    let args = match &earlier {
        Some(earlier) => earlier.arguments(args, &argv)?,
        None => args,
    };
    let mut request = StudyRequest::of_run(args)?;
    request.output.continues = earlier.is_some();
    let (exports, noise_floor) = (request.output.exports.clone(), request.noise_floor);
    let backend = request.backends[0].word.clone();
    let Some((record, path)) = measure_on(request, earlier, home, argv, out)? else {
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
    measure_on(request, None, home, argv, out)
}

/// The same, where there is an `earlier` part of it.
fn measure_on(
    request: StudyRequest,
    earlier: Option<Earlier>,
    home: &Path,
    argv: Vec<String>,
    out: &mut dyn Write,
) -> Result<Option<(Record, PathBuf)>, Failure> {
    let dry_run = request.dry_run;
    let prepared = PreparedStudy::new(request, home)?;
    if dry_run {
        return print_plan(&prepared.plan, &prepared.workload, out).map(|()| None);
    }
    let (study, record, mut file) = prepared.into_study("run", home, argv)?;
    let record = match earlier {
        Some(earlier) => earlier.continued(record, &study.plan)?,
        None => record,
    };
    let progress = Progress::of_study(&study.plan);
    let run = study.run(record, &progress, &mut |record| file.save(record));
    progress.finish();
    let mut record = run?.record;
    study.finish(&mut record);
    file.save(&record).map_err(StudyError::from)?;
    Ok(Some((record, file.path().to_path_buf())))
}
