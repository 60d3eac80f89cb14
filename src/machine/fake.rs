//! A planted machine for tests: files below a temporary root.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

pub(super) struct Fake(TempDir);

impl Fake {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// Plants a file at an absolute path.
    pub(super) fn file(self, path: &str, text: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let real = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(real.parent().expect("a file has a folder")).expect("the folder can be made");
        fs::write(real, text).expect("the file can be written");
        self
    }

    /// Plants a link at an absolute path; its target need not exist.
    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let real = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(real.parent().expect("a link has a folder")).expect("the folder can be made");
        std::os::unix::fs::symlink(target, real).expect("the link can be made");
        self
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }
}
