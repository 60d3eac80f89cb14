//! What can go wrong with a runtime library, and what fixes it.

use std::io;
use std::path::{Path, PathBuf};

use super::Flavor;
use crate::text::ShownPath;

/// Why there is no usable library. Its text is two lines: what is wrong, then the fix.
#[derive(Debug, thiserror::Error)]
#[error("{fault}\n{}", self.fix())]
pub struct InstallError {
    /// The flavour that was asked for.
    pub flavor: Flavor,
    /// What is wrong; its text is the first line alone, for records that keep reason and fix apart.
    pub fault: Fault,
}

/// One way in which a library cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot read the ONNX Runtime library {}: {cause}", path.shown())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The file is something else than a shared library.
    #[error("{} is not a shared library: {found}", path.shown())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The library is for another processor.
    #[error("{} is a library for {found}, and this machine is {}", path.shown(), std::env::consts::ARCH)]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// The processor that it is for.
        found: String,
    },
    /// A library, but not ONNX Runtime's main one.
    #[error("{} is a shared library, but not ONNX Runtime: it has no OrtGetApiBase", path.shown())]
    NotOnnxRuntime {
        /// The file.
        path: PathBuf,
    },
    /// No wheel is pinned for this system.
    #[error("there is no pinned ONNX Runtime for {os} on {arch}")]
    UnsupportedPlatform {
        /// The operating system.
        os: &'static str,
        /// The processor architecture.
        arch: &'static str,
    },
    /// No Python on the search path.
    #[error("ONNX Runtime is not installed, and installing it needs Python 3, which is not on PATH")]
    NoPython,
    /// Python cannot be started.
    #[error("cannot run {}: {cause}", python.shown())]
    BrokenPython {
        /// The program.
        python: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Python without its installer.
    #[error("ONNX Runtime is not installed, and {} has no pip to install it with", python.shown())]
    NoPip {
        /// The program.
        python: PathBuf,
    },
    /// pip could not reach its index.
    #[error("ONNX Runtime is not installed, and pip cannot reach its package index: {output}")]
    NoNetwork {
        /// The line of pip's output with the reason.
        output: String,
    },
    /// What pip got is not what was pinned.
    #[error("pip got another file than the pinned ONNX Runtime wheel, and refused it: {output}")]
    HashMismatch {
        /// The wanted and the found hash.
        output: String,
    },
    /// pip's index does not have the wheel.
    #[error("pip's package index does not offer the pinned ONNX Runtime: {output}")]
    NoWheel {
        /// The line of pip's output with the reason.
        output: String,
    },
    /// No room.
    #[error("no room on the disk for ONNX Runtime under {}", path.shown())]
    DiskFull {
        /// Where it was being installed.
        path: PathBuf,
    },
    /// The home cannot be written.
    #[error("cannot write {}: {cause}", path.shown())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// pip has written what no wheel of this has.
    #[error("pip has installed what does not belong there, and all of it was removed: {what}")]
    Foreign {
        /// What.
        what: String,
    },
    /// pip failed in a way of its own.
    #[error("pip could not install ONNX Runtime. Its last words:\n{output}")]
    Pip {
        /// The last lines of its stderr.
        output: String,
    },
}

impl InstallError {
    /// What the user can do about it, in one line.
    pub fn fix(&self) -> String {
        let flavor = self.flavor.name();
        let arch = std::env::consts::ARCH;
        let own = match self.flavor {
            Flavor::Cpu => "set ORT_DYLIB_PATH to a libonnxruntime.so",
            _ => "give the arm runtime=PATH, a libonnxruntime.so",
        };
        let elsewhere = format!(
            "{own}, or run `facebench setup {flavor}` where there is a network and copy the runtimes folder of its home here"
        );
        match &self.fault {
            Fault::Unreadable { .. }
            | Fault::NotALibrary { .. }
            | Fault::WrongArchitecture { .. }
            | Fault::NotOnnxRuntime { .. } => format!(
                "give ORT_DYLIB_PATH or runtime= the full path of a libonnxruntime.so for {arch}, or leave it out to have one installed"
            ),
            Fault::UnsupportedPlatform { .. } => format!("{own} built for this machine"),
            Fault::NoPython => format!("install Python 3 with pip, or {elsewhere}"),
            Fault::BrokenPython { .. } => format!("fix this Python, or {elsewhere}"),
            Fault::NoPip { python } => format!(
                "run `apt install python3-pip` or `{} -m ensurepip`, or {own}",
                python.shown()
            ),
            Fault::NoNetwork { .. } => {
                format!("give pip its proxy or mirror (`pip config`), or {elsewhere}")
            }
            Fault::Foreign { .. } => format!(
                "see which pip and which package index this is (`pip --version`, `pip config list`), and use another, or {own}"
            ),
            Fault::HashMismatch { .. } => format!(
                "try again; if it stays, the mirror or proxy alters files: use another (`pip config`), or {own}"
            ),
            Fault::NoWheel { .. } => format!(
                "use an index that has onnxruntime {} (`pip config`), or {elsewhere}",
                self.flavor.version()
            ),
            Fault::DiskFull { .. } => {
                // Unpacked, it is about twice as large; both lie there for a moment.
                let bytes = self.flavor.download_bytes().unwrap_or_default() * 4;
                let megabytes = bytes.div_ceil(100_000_000).max(2) * 100;
                format!("free {megabytes} MB there, or choose another home")
            }
            Fault::NotWritable { .. } => format!("choose a home that you can write, or {own}"),
            Fault::Pip { .. } => elsewhere,
        }
    }
}

impl Fault {
    /// For `map_err`: what an I/O error at `path`, inside the home, means.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::NotWritable { path, cause },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_folder_that_cannot_be_written() {
        let fault = |kind: io::ErrorKind| Fault::at(Path::new("/home"))(kind.into());
        assert!(matches!(
            fault(io::ErrorKind::StorageFull),
            Fault::DiskFull { .. }
        ));
        assert!(matches!(
            fault(io::ErrorKind::PermissionDenied),
            Fault::NotWritable { .. }
        ));
    }
}
