//! A record as a file: the form by the file's ending, written in one step.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

#[cfg(feature = "png")]
use super::png;
use super::{
    chart::{self, ChartError},
    csv, html, markdown,
    published::Published,
    table,
};
use crate::{files::write_atomic, record::Record, text::ShownPath};

/// What a record can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page.
    Html,
    /// Tables for GitHub.
    Markdown,
    /// Raw blocks.
    Csv,
    /// A chart as vector graphics.
    Svg,
    /// A chart as pixels.
    #[cfg(feature = "png")]
    Png,
    /// The terminal's tables.
    Text,
}

/// Why a record was not written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// An ending that is not known.
    #[error(
        "{}: unknown ending; use one of .html (page), .md (Markdown), .csv (raw blocks), .svg or .png (chart), .txt \
         (tables)",
        .0.shown()
    )]
    Ending(PathBuf),
    /// PNG from a program that cannot write it.
    #[cfg(not(feature = "png"))]
    #[error(
        "{}: this build of facebench cannot write PNG (it lacks the feature png); give the chart as .svg",
        .0.shown()
    )]
    NoPng(PathBuf),
    /// No chart.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// No CSV.
    #[error("the raw blocks cannot be written as CSV: {0}")]
    Csv(#[from] ::csv::Error),
    /// The file.
    #[error("{}: cannot be written: {source}", path.shown())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Format {
    /// Whether it is a chart.
    pub fn is_chart(self) -> bool {
        match self {
            Self::Svg => true,
            #[cfg(feature = "png")]
            Self::Png => true,
            Self::Html | Self::Markdown | Self::Csv | Self::Text => false,
        }
    }

    /// The form that the ending of `path` asks for.
    pub fn of(path: &Path) -> Result<Self, ExportError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        match ending.to_ascii_lowercase().as_str() {
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" => Ok(Self::Markdown),
            "csv" => Ok(Self::Csv),
            "svg" => Ok(Self::Svg),
            #[cfg(feature = "png")]
            "png" => Ok(Self::Png),
            #[cfg(not(feature = "png"))]
            "png" => Err(ExportError::NoPng(path.to_owned())),
            "txt" => Ok(Self::Text),
            _ => Err(ExportError::Ending(path.to_owned())),
        }
    }
}

/// Writes `record` to `path` in the form that its ending asks for; as a chart, that of the throughput. Without an
/// `answer` one is drawn from the record; `published` figures stand beside measured ones in grey.
pub fn export(
    record: &Record,
    answer: Option<&str>,
    published: &[Published],
    path: &Path,
) -> Result<(), ExportError> {
    export_as(Format::of(path)?, record, answer, published, path)
}

/// The same in the form `form`, whatever the name of the file ends in.
pub fn export_as(
    form: Format,
    record: &Record,
    answer: Option<&str>,
    published: &[Published],
    path: &Path,
) -> Result<(), ExportError> {
    let bytes = match form {
        Format::Html => {
            let drawn;
            let answer = if let Some(answer) = answer {
                answer
            } else {
                drawn = super::answer::general(record);
                &drawn
            };
            html::page(record, answer, published)?.into_bytes()
        }
        Format::Markdown => markdown::render(record, answer).into_bytes(),
        Format::Csv => csv::render(record)?.into_bytes(),
        Format::Svg => chart::throughput(record, published)?.into_bytes(),
        #[cfg(feature = "png")]
        Format::Png => png::render(&chart::throughput(record, published)?)?,
        Format::Text => table::render(record).into_bytes(),
    };
    write(path, &bytes)
}

/// Writes a file in one step: a reader sees the old one or the new one, never half of one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    // A pipe, a terminal or a link is written to, not replaced.
    let special = std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    let written = if special {
        std::fs::write(path, bytes)
    } else {
        write_atomic(path, bytes)
    };
    written.map_err(|source| ExportError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;

    #[test]
    fn endings_decide_the_form() {
        let folder = tempfile::tempdir().unwrap();
        let record = record(fixture::plain());
        for (name, start) in [
            ("r.html", "<!DOCTYPE html>"),
            ("r.MD", "# facebench"),
            ("r.csv", "record,source,arm"),
            ("r.svg", "<svg"),
            ("r.txt", "offline"),
        ] {
            let path = folder.path().join(name);
            export(&record, None, &[], &path).unwrap();
            assert!(
                std::fs::read_to_string(&path).unwrap().starts_with(start),
                "{name}"
            );
        }
        let png = folder.path().join("r.png");
        let drawn = export(&record, None, &[], &png);
        if cfg!(feature = "png") {
            drawn.unwrap();
            assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
        } else {
            let why = drawn.unwrap_err().to_string();
            assert!(why.contains("cannot write PNG") && why.contains(".svg"), "{why}");
        }
        let odd = export(&record, None, &[], Path::new("r.pdf")).unwrap_err();
        assert!(odd.to_string().contains(".html"), "{odd}");
        let nowhere = folder.path().join("r.txt/inside.txt");
        assert!(export(&record, None, &[], &nowhere).is_err());
    }
}
