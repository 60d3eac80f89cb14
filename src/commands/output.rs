//! Results on their way out: standard output, the record's file, exports, the exit status.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{Failure, progress::notify};
use crate::{
    files,
    record::{Record, Status},
    report::{self, Format, published::Published},
    text::ShownPath,
};

/// Writes the files of the `--export` options.
pub fn export(
    exports: &[(Format, PathBuf)],
    record: &Record,
    answer: Option<&str>,
    published: &[Published],
) -> Result<(), Failure> {
    for (format, path) in exports {
        report::export_as(*format, record, answer, published, path)?;
        notify(&format!("export: {}", path.shown()));
    }
    Ok(())
}

/// Writes `text` to `out`. If the reader has closed the pipe, the study's exit status still counts.
pub fn show(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// The exit status for a record's arms.
pub fn exit_code(record: &Record) -> u8 {
    let any = |status: Status| record.arms.iter().any(|arm| arm.figures.status == status);
    if record.interrupted || any(Status::Failed) {
        1
    } else if !record.unavailable.is_empty() {
        4
    } else if any(Status::Invalid) || any(Status::Unstable) {
        3
    } else {
        0
    }
}

/// The record's file where none was given: results/TIME-NAME.json.
pub fn default_output(record: &Record, name: &str) -> PathBuf {
    let time: String = record
        .created_at
        .chars()
        .take(19)
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    Path::new("results").join(format!("{time}-{name}.json"))
}

/// Checks that `path` can be written, and leaves nothing behind.
pub fn try_output(path: &Path) -> Result<(), Failure> {
    attempt(path).map_err(Failure::output(path))
}

fn attempt(path: &Path) -> io::Result<()> {
    // A record replaces the file as a whole, which must not happen to a device or a folder.
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("it exists and is not an ordinary file"));
    }
    let folder = files::folder_of(path);
    std::fs::create_dir_all(folder)?;
    files::draft(folder, "").map(drop)
}
