//! The operating system's name and the kernel's release; nothing that names the machine itself.

use super::{Reading, tree::Tree};

/// `PRETTY_NAME` of os-release, from the first of its two places that has it.
pub(super) fn name(tree: &Tree) -> Reading<String> {
    let text = tree.filled("/etc/os-release").or_else(|reason| {
        tree.filled("/usr/lib/os-release")
            .map_err(|second| format!("{reason}; {second}"))
    })?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|name| !name.is_empty())
        .ok_or_else(|| "os-release has no PRETTY_NAME".to_owned())
}

pub(super) fn kernel(tree: &Tree) -> Reading<String> {
    tree.filled("/proc/sys/kernel/osrelease")
}
