//! Whether another program can do a worker's work: it is a file that may be run.

use std::path::Path;

use super::Missing;
use crate::{files, text::ShownPath, worker::environment::Program};

/// The program at `path`.
pub(super) fn program(path: &Path) -> Result<Program, Missing> {
    let shown = path.shown();
    let fix = "give the path of a program that speaks the worker's protocol (docs/peers.md): peer:PROGRAM";
    let facts = std::fs::metadata(path)
        .map_err(|error| Missing::new(format!("the program {shown} cannot be found: {error}"), fix))?;
    if !facts.is_file() {
        return Err(Missing::new(format!("{shown} is no file"), fix));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o111 == 0 {
        return Err(Missing::new(
            format!("the program {shown} may not be run"),
            format!("make it executable: chmod +x {shown}"),
        ));
    }
    let unreadable =
        |error: std::io::Error| Missing::new(format!("the program {shown} cannot be read: {error}"), fix);
    Ok(Program {
        // A bare name would be looked for along PATH.
        path: std::path::absolute(path).map_err(unreadable)?,
        sha256: files::sha256(path).map_err(unreadable)?,
    })
}
