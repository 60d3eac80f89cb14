//! `facebench datasets render`: photos drawn by rule.

use std::{io::Write, path::Path};

use super::{Failure, progress::Progress};
use crate::dataset::render::render_dataset;

/// Draws `count` photos of `seed` into `dir`, with their manifest, and says what is in them.
pub fn render(seed: u64, count: usize, dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let progress = Progress::new(count as u64);
    let manifest = render_dataset(seed, count, dir, || progress.step());
    progress.finish();
    let manifest = manifest?;
    writeln!(
        out,
        "{}: {} photos, {} faces, {} verification pairs",
        dir.display(),
        manifest.photos.len(),
        manifest.face_count(),
        manifest.pairs.len()
    )?;
    Ok(())
}
