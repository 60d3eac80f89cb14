//! `facebench models list|verify|fetch`.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::{
    model::{
        Settings,
        catalog::{Catalog, CatalogEntry, CatalogError},
        fetch::{self, FetchError, FetchOptions, LocalState},
    },
    text::ShownPath,
};

/// The state of a network whose bytes need no fetch.
const IN_PROGRAM: &str = "in program";

/// Why a `models` command failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The catalog has no answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The network was not fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// `verify` found files that differ from the catalog.
    #[error("wrong: {0}; `facebench models fetch NAME` replaces a file")]
    Wrong(String),
    /// The output could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// The output could not be made.
    #[error("cannot write the answer: {0}")]
    Json(#[from] serde_json::Error),
}

/// An entry as `list --json` shows it.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a CatalogEntry,
    settings: Settings,
    state: &'static str,
}

/// Writes every network of the catalog with its state in `<home>/models/`: a table, or a JSON array.
pub fn list(out: &mut dyn Write, json: bool, home: &Path) -> Result<(), ModelsError> {
    let catalog = Catalog::embedded()?;
    if json {
        let listed: Vec<Listed> = catalog.iter().map(|entry| listed(entry, home)).collect();
        serde_json::to_writer_pretty(&mut *out, &listed)?;
        return Ok(writeln!(out)?);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["NAME", "FAMILY", "INPUT", "LICENCE", "SIZE", "STATE"]);
    for entry in &catalog {
        let input = entry.settings().input;
        table.add_row([
            entry.name.clone(),
            entry.family.to_string(),
            format!("{}x{}", input.width, input.height),
            entry.license.text.clone(),
            entry.bytes.map_or_else(|| "unknown".into(), human_bytes),
            state(entry, home).into(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    Ok(writeln!(out, "{}", table.trim_fmt())?)
}

/// Hashes every network that is in `<home>/models/` and writes one line for each of the catalog; an error where one is
/// wrong.
pub fn verify(out: &mut dyn Write, home: &Path) -> Result<(), ModelsError> {
    let catalog = Catalog::embedded()?;
    let mut wrong = Vec::new();
    for entry in &catalog {
        if entry.embedded {
            writeln!(out, "{IN_PROGRAM:<10}  {}", entry.name)?;
            continue;
        }
        let local = fetch::local(entry, home);
        let detail = match &local {
            LocalState::Absent => String::new(),
            LocalState::Present(path) => format!("  {}", path.shown()),
            LocalState::Unchecked { path, sha256 } => {
                format!(
                    "  {}: the catalog has no SHA-256 to compare with {sha256}",
                    path.shown()
                )
            }
            LocalState::Wrong { path, reason } => {
                wrong.push(entry.name.as_str());
                format!("  {}: {reason}", path.shown())
            }
        };
        writeln!(out, "{:<10}  {}{detail}", local_state(&local), entry.name)?;
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ModelsError::Wrong(wrong.join(", ")))
    }
}

/// Fetches the network `name` and writes the path of its file to `out`; `log` gets a line about a wrong file that is replaced.
pub fn fetch(
    out: &mut dyn Write,
    log: &mut dyn Write,
    name: &str,
    home: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), ModelsError> {
    let catalog = Catalog::embedded()?;
    let entry = catalog.get(name)?;
    if entry.embedded {
        return Ok(writeln!(
            log,
            "{name} is inside the program: there is nothing to fetch"
        )?);
    }
    if let LocalState::Wrong { path, reason } = fetch::local(entry, home) {
        writeln!(log, "{}: {reason}; it is fetched again", path.shown())?;
    }
    let path = fetch::fetch(entry, home, options, progress)?;
    Ok(writeln!(out, "{}", path.shown())?)
}

fn listed<'a>(entry: &'a CatalogEntry, home: &Path) -> Listed<'a> {
    Listed {
        entry,
        settings: entry.settings(),
        state: state(entry, home),
    }
}

fn state(entry: &CatalogEntry, home: &Path) -> &'static str {
    if entry.embedded {
        IN_PROGRAM
    } else {
        local_state(&fetch::local(entry, home))
    }
}

fn local_state(local: &LocalState) -> &'static str {
    match local {
        LocalState::Absent => "absent",
        LocalState::Present(_) => "present",
        LocalState::Unchecked { .. } => "unchecked",
        LocalState::Wrong { .. } => "wrong",
    }
}

fn human_bytes(bytes: u64) -> String {
    match bytes as f64 / 1024.0 {
        kib if kib < 1024.0 => format!("{kib:.0} KiB"),
        kib => format!("{:.1} MiB", kib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn home_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("models")).unwrap();
        for (file, text) in files {
            fs::write(home.path().join("models").join(file), text).unwrap();
        }
        home
    }

    #[test]
    fn list_shows_each_network_with_its_state() {
        let home = home_with(&[
            ("face_detection_yunet_2023mar.onnx", "not it"),
            ("det_10g.onnx", "who knows"),
        ]);
        let mut out = Vec::new();
        list(&mut out, false, home.path()).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn list_as_json_keeps_what_an_entry_says_beside_its_settings() {
        let mut out = Vec::new();
        list(&mut out, true, home_with(&[]).path()).unwrap();
        let listed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&listed[0]["name"], &listed[0]["state"]),
            (&"facebench-det".into(), &"in program".into())
        );
        assert_eq!(listed[2]["name"], "yunet-2023mar");
        assert_eq!(listed[2]["settings"]["input"]["channels"], "bgr");
        assert_eq!(listed[2]["state"], "absent");
    }

    #[test]
    fn verify_fails_for_a_wrong_file_and_only_for_that() {
        let mut out = Vec::new();
        verify(&mut out, home_with(&[("det_10g.onnx", "who knows")]).path()).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("unchecked   scrfd-10g"));

        let error = verify(&mut Vec::new(), home_with(&[("det_500m.onnx", "not it")]).path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "wrong: scrfd-500m; `facebench models fetch NAME` replaces a file"
        );
    }

    #[test]
    fn a_wrong_file_is_reported_before_it_is_replaced() {
        let home = home_with(&[("det_500m.onnx", "not it")]);
        let (mut out, mut log) = (Vec::new(), Vec::new());
        let options = FetchOptions::default();
        let error = fetch(
            &mut out,
            &mut log,
            "scrfd-500m",
            home.path(),
            &options,
            &mut |_, _| {},
        )
        .unwrap_err();
        assert!(error.to_string().contains("--accept-license"), "{error}");
        assert!(String::from_utf8(log).unwrap().contains("it is fetched again"));
    }
}
