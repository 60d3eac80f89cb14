//! Python libraries of facebench's own scripts: pinned, hashed, installed by pip into the home once, and never mixed
//! with what the machine's Python has.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::{Fault, pip, wheel::lock};
use crate::{files, text::ShownPath};

/// A script's libraries.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The stem of its folder under `<home>/tools`.
    pub name: &'static str,
    /// What the libraries do, for messages: "the libraries that convert networks".
    pub libraries: &'static str,
    /// What `pip install -r` reads: releases and the hashes of their wheels.
    pub requirements: &'static str,
    /// The minor versions of `CPython` 3 that the hashes are for.
    pub pythons: &'static [u32],
    /// About how much is downloaded.
    pub megabytes: u32,
}

/// A Python that finds a tool's libraries, and no other packages.
#[derive(Debug, Clone)]
pub struct Interpreter {
    python: PathBuf,
    site: PathBuf,
}

/// Why a tool's libraries cannot be had. Its text is two lines: what is wrong, then the fix.
#[derive(Debug, thiserror::Error)]
#[error("{}\n{}", self.reason(), self.fix())]
pub struct ToolError {
    /// What the libraries do.
    pub libraries: &'static str,
    /// The versions of Python that they are pinned for, in words.
    pub pythons: String,
    /// What is wrong.
    pub fault: ToolFault,
}

/// One way in which a tool's libraries cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ToolFault {
    /// Every Python on the search path is of another version.
    #[error("PATH has only {found}")]
    OtherPython {
        /// Versions and programs.
        found: String,
    },
    /// As with a runtime.
    #[error(transparent)]
    Install(#[from] Fault),
}

impl Tool {
    /// Makes `home` hold the libraries for a Python of `search_path`; what is there is used as it is. Each thing that
    /// takes time is reported to `progress` in one line.
    pub fn ready(
        &self,
        home: &Path,
        search_path: &OsStr,
        progress: &dyn Fn(&str),
    ) -> Result<Interpreter, ToolError> {
        self.find_or_install(home, search_path, progress)
            .map_err(|fault| ToolError {
                libraries: self.libraries,
                pythons: self.versions(),
                fault,
            })
    }

    fn find_or_install(
        &self,
        home: &Path,
        search_path: &OsStr,
        progress: &dyn Fn(&str),
    ) -> Result<Interpreter, ToolFault> {
        let (python, tag) = self.python(search_path)?;
        let parent = home.join("tools");
        let hash = base16ct::lower::encode_string(&Sha256::digest(self.requirements));
        let name = format!("{}-{}-{tag}", self.name, &hash[..12]);
        // It is moved here as a whole, so that a folder of that name is complete.
        let site = parent.join(&name);
        if site.is_dir() {
            return Ok(Interpreter { python, site });
        }
        fs::create_dir_all(&parent).map_err(Fault::at(&parent))?;
        let _lock = lock(&parent.join(format!(".{name}.lock")), self.libraries, progress)?;
        if site.is_dir() {
            return Ok(Interpreter { python, site });
        }
        let prefix = format!(".{name}.installing-");
        files::sweep(&parent, &prefix).map_err(Fault::at(&parent))?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&parent)
            .map_err(Fault::at(&parent))?;
        progress(&format!(
            "installing {} (about {} MB) into {}",
            self.libraries,
            self.megabytes,
            site.shown()
        ));
        let packages = pip::Packages {
            requirements: self.requirements,
            bytes: u64::from(self.megabytes) * 1_000_000,
            target: &[],
        };
        let installed = pip::install(python.clone(), packages, staging.path(), progress)?;
        fs::rename(&installed, &site).map_err(Fault::at(&site))?;
        Ok(Interpreter { python, site })
    }

    /// The first Python on the search path whose version the hashes are for, and `cp311-x86_64`, the tag of its folder.
    fn python(&self, search_path: &OsStr) -> Result<(PathBuf, String), ToolFault> {
        let mut others = Vec::new();
        let names = &["python3", "python", "python3.13", "python3.12", "python3.11"];
        for python in pip::pythons(search_path, names) {
            // Some are mere promises, such as pyenv's, of a Python that is not installed.
            let Some((minor, machine)) = version(&python) else {
                continue;
            };
            if self.pythons.contains(&minor) {
                return Ok((python, format!("cp3{minor}-{machine}")));
            }
            others.push(format!("3.{minor} ({})", python.shown()));
        }
        if others.is_empty() {
            return Err(Fault::NoPython.into());
        }
        Err(ToolFault::OtherPython {
            found: others.join(", "),
        })
    }

    fn versions(&self) -> String {
        let versions: Vec<String> = self.pythons.iter().map(|minor| format!("3.{minor}")).collect();
        versions.join(", ")
    }
}

/// The minor version of a Python 3, and the processor it is for.
fn version(python: &Path) -> Option<(u32, String)> {
    const ASK: &str = "import platform, sys; print(*sys.version_info[:2], platform.machine())";
    let answer = Command::new(python)
        .args(["-I", "-c", ASK])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["3", minor, machine] => Some((minor.parse().ok()?, machine.to_owned())),
        _ => None,
    }
}

impl Interpreter {
    /// A command that runs `script` (its text) with the tool's libraries; its arguments are to follow.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // -P and -s: neither a stray numpy.py beside the photos nor the user's own packages are imported.
        command
            .args([OsString::from("-P"), "-s".into(), "-c".into(), script.into()])
            .env("PYTHONPATH", &self.site)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null());
        command
    }

    /// The program, for messages.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// The folder of the libraries, for messages.
    pub fn site(&self) -> &Path {
        &self.site
    }
}

impl ToolError {
    /// What is wrong, in one line (or pip's own last lines).
    pub fn reason(&self) -> String {
        let libraries = self.libraries;
        match &self.fault {
            ToolFault::OtherPython { found } => {
                format!(
                    "{libraries} are pinned for CPython {}, and PATH has only {found}",
                    self.pythons
                )
            }
            ToolFault::Install(fault) => match fault {
                Fault::NoPython => {
                    format!(
                        "{libraries} need Python 3 ({}), which is not on PATH",
                        self.pythons
                    )
                }
                Fault::NoPip { python } => {
                    format!(
                        "{libraries} are not installed, and {} has no pip to install them with",
                        python.shown()
                    )
                }
                Fault::NoNetwork { output } => {
                    format!("{libraries} are not installed, and pip cannot reach its package index: {output}")
                }
                Fault::NoWheel { output } => {
                    format!("pip's package index does not offer {libraries} as they are pinned: {output}")
                }
                Fault::HashMismatch { output } => {
                    format!("pip got another file than was pinned of {libraries}, and refused it: {output}")
                }
                Fault::DiskFull { path } => {
                    format!("no room on the disk for {libraries} under {}", path.shown())
                }
                Fault::Pip { output } => {
                    format!("pip could not install {libraries}. Its last words:\n{output}")
                }
                other => other.to_string(),
            },
        }
    }

    /// What the user can do about it, in one line.
    pub fn fix(&self) -> String {
        let elsewhere =
            "or run the same command on another machine and copy the models/derived folder of its home here";
        match &self.fault {
            ToolFault::OtherPython { .. } | ToolFault::Install(Fault::NoPython) => {
                format!("install one of these with pip, {elsewhere}")
            }
            ToolFault::Install(fault) => match fault {
                Fault::NoPip { python } => format!(
                    "run `apt install python3-pip` or `{} -m ensurepip`, {elsewhere}",
                    python.shown()
                ),
                Fault::NoNetwork { .. } => {
                    format!("give pip its proxy or mirror (`pip config`), {elsewhere}")
                }
                Fault::Foreign { .. } => {
                    format!("see which pip and which package index this is (`pip config list`), {elsewhere}")
                }
                Fault::HashMismatch { .. } => {
                    format!(
                        "try again; if it stays, the mirror or proxy alters files: use another (`pip config`), {elsewhere}"
                    )
                }
                Fault::NoWheel { .. } => format!("use an index that has them (`pip config`), {elsewhere}"),
                Fault::DiskFull { .. } => "free 500 MB there, or choose another home".into(),
                Fault::NotWritable { .. } => "choose a home that you can write (FACEBENCH_HOME)".into(),
                _ => format!("fix this Python, {elsewhere}"),
            },
        }
    }
}
