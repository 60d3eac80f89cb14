//! Gives the program the commit that it is built from, for its records; none outside a repository.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    let commit = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    if let Some(commit) = commit.ok().filter(|answer| answer.status.success()) {
        println!(
            "cargo::rustc-env=FACEBENCH_COMMIT={}",
            String::from_utf8_lossy(&commit.stdout).trim()
        );
    }
}
