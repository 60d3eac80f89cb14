//! Python's installer: finds it, runs it, and makes sense of its complaints.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Fault;

/// Lets pip download the wheels that `requirements_text` names with their hashes, check them and unpack them to
/// `staging/site`; all its traces stay in `staging`. `target` are pip's words for another machine or Python than the
/// one it runs on (`--platform` and its like), if any.
pub(super) fn install(
    python: PathBuf,
    requirements_text: &str,
    target: &[&str],
    staging: &Path,
    progress: &dyn Fn(&str),
) -> Result<PathBuf, Fault> {
    let [site, temporary, requirements] = ["site", "tmp", "requirements.txt"].map(|name| staging.join(name));
    std::fs::create_dir(&temporary).map_err(Fault::at(&temporary))?;
    std::fs::write(&requirements, requirements_text).map_err(Fault::at(&requirements))?;

    let mut command = Command::new(&python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-compile",
            "--no-deps",
        ])
        .args(["--only-binary=:all:", "--require-hashes"])
        .args(target)
        .args([
            OsStr::new("--target"),
            site.as_os_str(),
            OsStr::new("-r"),
            requirements.as_os_str(),
        ])
        // The user's pip configuration holds but for what contradicts --target, and for noise.
        .envs([
            ("PIP_USER", "0"),
            ("PIP_REQUIRE_VIRTUALENV", "0"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ])
        // Or a stray pip.py in the folder of the photos would be run.
        .env("PYTHONSAFEPATH", "1")
        // pip unpacks here first: on the same disk that is a rename, and a killed pip leaves nothing elsewhere.
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let (succeeded, output) = run_to_end(command, progress).map_err(|cause| Fault::BrokenPython {
        python: python.clone(),
        cause,
    })?;
    if succeeded {
        Ok(site)
    } else {
        Err(diagnose(&output, python, staging))
    }
}

/// The first Python on the search path; `python3` anywhere on it comes before `python`.
pub(super) fn find_python(search_path: &OsStr) -> Option<PathBuf> {
    pythons(search_path, &["python3", "python"]).next()
}

/// Every program on the search path that has one of `names`, those of the first name first.
pub(super) fn pythons(search_path: &OsStr, names: &'static [&str]) -> impl Iterator<Item = PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let folders: Vec<PathBuf> = std::env::split_paths(search_path).collect();
    names
        .iter()
        .flat_map(move |name| folders.clone().into_iter().map(move |folder| folder.join(name)))
        .filter(runs)
}

/// Runs the command to its end and returns its stderr; pip retries for a minute or more, so the first retry is reported.
fn run_to_end(mut command: Command, progress: &dyn Fn(&str)) -> io::Result<(bool, Vec<String>)> {
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    let mut reported = false;
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|stderr| BufReader::new(stderr).split(b'\n'))
    {
        let line = String::from_utf8_lossy(&line?).trim().to_owned();
        if line.contains("WARNING: Retrying") && !reported {
            progress("pip cannot reach its package index, and tries again");
            reported = true;
        }
        output.push(line);
    }
    Ok((child.wait()?.success(), output))
}

/// What pip's stderr means, by words that have stood in pip for years.
fn diagnose(output: &[String], python: PathBuf, staging: &Path) -> Fault {
    let line_with = |words: &[&str]| {
        let line = output
            .iter()
            .find(|line| words.iter().any(|word| line.contains(word)));
        line.cloned()
    };
    if line_with(&["No module named pip"]).is_some() {
        Fault::NoPip { python }
    } else if line_with(&["No space left on device", "Disk quota exceeded"]).is_some() {
        Fault::DiskFull {
            path: staging.parent().unwrap_or(staging).to_owned(),
        }
    } else if line_with(&["DO NOT MATCH THE HASHES"]).is_some() {
        let hashes = output
            .iter()
            .filter(|line| line.starts_with("Expected") || line.starts_with("Got"));
        let hashes: Vec<_> = hashes.flat_map(|line| line.split_whitespace()).collect();
        Fault::HashMismatch {
            output: hashes.join(" "),
        }
    } else if let Some(output) = line_with(&[
        "connection broken by",
        "NewConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "Read timed out",
        "ProxyError",
        "SSLError",
        "Could not fetch URL",
        "Max retries exceeded",
        "Temporary failure in name resolution",
        "Network is unreachable",
    ]) {
        Fault::NoNetwork { output }
    } else if let Some(output) = line_with(&["No matching distribution", "is not a supported wheel"]) {
        Fault::NoWheel { output }
    } else {
        Fault::Pip {
            output: output[output.len().saturating_sub(6)..].join("\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python3_anywhere_on_the_path_comes_before_python() {
        let folder = tempfile::tempdir().unwrap();
        let search_path = std::env::join_paths(["a", "b"].map(|name| folder.path().join(name))).unwrap();
        assert_eq!(find_python(&search_path), None);
        let put = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        put("a/python3", 0o644);
        let python = put("a/python", 0o755);
        assert_eq!(find_python(&search_path), Some(python));
        let python3 = put("b/python3", 0o755);
        assert_eq!(find_python(&search_path), Some(python3));
    }
}
