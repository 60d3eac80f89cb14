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

/// The file of a study's record, its own from before anything is measured. A name that nobody gave is taken for this study
/// alone: studies that begin at the same moment in the same folder keep a record each.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    /// Whether all that is in it is the record of a study that has not begun: it then goes with this value.
    is_blank: bool,
}

impl RecordFile {
    /// The file that was `given`, whose old content stays until something is saved: that of another study, unless this one
    /// `continues` it.
    pub fn given(path: PathBuf, continues: bool) -> Result<Self, Failure> {
        if continues {
            try_output(&path)?;
        } else {
            try_export(&path)?;
        }
        Ok(Self {
            path,
            is_blank: false,
        })
    }

    /// A new file: `path`, or its name with a number where it is taken, or one of its neighbours with an ending of `beside`.
    /// `record` stands in it from now on.
    pub fn new(path: &Path, beside: &[&str], record: &Record) -> Result<Self, Failure> {
        let mut number = 1;
        loop {
            let path = numbered(path, number);
            number += 1;
            if beside.iter().any(|ending| path.with_extension(ending).exists()) {
                continue;
            }
            match files::create_new(&path) {
                Ok(_) => {
                    let file = Self { path, is_blank: true };
                    record.save(&file.path).map_err(Failure::output(&file.path))?;
                    return Ok(file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::output(&path)(error)),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `record` into it; an error names it.
    pub fn save(&mut self, record: &Record) -> io::Result<()> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.shown()));
        record.save(&self.path).map_err(named)?;
        self.is_blank = false;
        Ok(())
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        if self.is_blank {
            // Nothing was measured. If it cannot be removed, it says itself that it is unfinished.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// `path` for the first, `NAME-2.json` and so on for those after it.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().filter(|_| number > 1);
    let Some(stem) = stem else {
        return path.to_path_buf();
    };
    let mut name = stem.to_os_string();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
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

/// Checks that `path` can be written, and says that what is there already will be replaced.
pub fn try_export(path: &Path) -> Result<(), Failure> {
    try_output(path)?;
    if path.exists() {
        notify(&format!("{} is there already and will be replaced", path.shown()));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_before_the_ending() {
        let names = [1, 2, 12].map(|number| numbered(Path::new("results/T-run.json"), number));
        let expected = [
            "results/T-run.json",
            "results/T-run-2.json",
            "results/T-run-12.json",
        ];
        assert_eq!(names, expected.map(PathBuf::from));
        assert_eq!(numbered(Path::new("a"), 3), Path::new("a-3"));
    }
}
