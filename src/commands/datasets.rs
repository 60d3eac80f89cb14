//! `facebench datasets render`: photos drawn by rule.

use std::io::Write;

use super::{Failure, progress::Progress};
use crate::{cli::RenderArgs, dataset::render::render_dataset, text::ShownPath};

/// Renders photos into a folder, with their manifest, and prints what is in them.
pub fn render(args: &RenderArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let RenderArgs { seed, count, dir } = args;
    let progress = Progress::new(*count as u64);
    let manifest = render_dataset(*seed, *count, dir, || progress.step());
    progress.finish();
    let manifest = manifest?;
    writeln!(
        out,
        "{}: {} photos, {} faces, {} verification pairs",
        dir.shown(),
        manifest.photos.len(),
        manifest.face_count(),
        manifest.pairs.len()
    )?;
    Ok(())
}
