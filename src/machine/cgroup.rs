//! The limits that control groups, version 1 or 2, put on this process.

use super::{Reading, tree::Tree};

const MEMBERSHIP: &str = "/proc/self/cgroup";
const MOUNTS: &str = "/proc/self/mountinfo";

/// Version 1 writes "no limit" as the largest number of whole pages; no real limit comes near it.
const V1_UNLIMITED: u64 = 1 << 60;

/// Of control groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Version {
    /// A hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

/// One hierarchy that governs this process.
#[derive(Debug, PartialEq)]
struct Hierarchy {
    version: Version,
    mount_point: String,
    /// The path below the mount point, such as `/system.slice/x.service`; empty at the root.
    below: String,
}

/// The processor time allowed, in cores, or `None` where nothing limits it.
pub(super) fn cpu_quota(tree: &Tree) -> Reading<Option<f64>> {
    let limits = limits(tree, "cpu", |version, folder| match version {
        Version::V1 => cpu_v1(tree, folder),
        Version::V2 => cpu_v2(tree, folder),
    })?;
    Ok(limits.into_iter().reduce(f64::min))
}

/// The memory allowed, in bytes, or `None` where nothing limits it.
pub(super) fn memory_limit(tree: &Tree) -> Reading<Option<u64>> {
    let limits = limits(tree, "memory", |version, folder| {
        let name = match version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        memory(tree, &format!("{folder}/{name}"))
    })?;
    Ok(limits.into_iter().min())
}

/// Seconds for which quotas have stopped threads of this process's group, added up by thread; 0 where no quota is set.
pub(super) fn throttled_seconds(tree: &Tree) -> Reading<f64> {
    if cpu_quota(tree)?.is_none() {
        return Ok(0.0);
    }
    let counts = limits(tree, "cpu", |version, folder| {
        let path = format!("{folder}/cpu.stat");
        let (key, unit) = match version {
            Version::V1 => ("throttled_time", 1e-9),
            Version::V2 => ("throttled_usec", 1e-6),
        };
        let Ok(text) = tree.text(&path) else {
            return Ok(None);
        };
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let Some(value) = value else { return Ok(None) };
        let count: u64 = value
            .trim()
            .parse()
            .map_err(|_| format!("{path}: {key} is not a number: `{value}`"))?;
        Ok(Some(count as f64 * unit))
    })?;
    let most = counts.into_iter().reduce(f64::max);
    most.ok_or_else(|| "a quota is set, but no control group counts how long it stops threads".to_owned())
}

/// Folders in which a group with a processor limit could be made, the most likely first. In version 2 a group that has
/// processes cannot pass a controller on to groups below it, so the folder is the parent of this process's group.
pub(super) fn writable(tree: &Tree) -> Reading<Vec<(Version, String)>> {
    let mut places: Vec<(Version, String)> = hierarchies(tree, "cpu")?
        .into_iter()
        .map(|hierarchy| {
            let folders = hierarchy.folders();
            let place = usize::from(hierarchy.version == Version::V2 && folders.len() > 1);
            (hierarchy.version, folders[place].clone())
        })
        .collect();
    places.sort_by_key(|(version, _)| *version == Version::V2);
    Ok(places)
}

/// Every limit set on the process's group or on an ancestor of it; each of them is enforced.
fn limits<T>(
    tree: &Tree,
    controller: &str,
    read: impl Fn(Version, &str) -> Reading<Option<T>>,
) -> Reading<Vec<T>> {
    let mut limits = Vec::new();
    for hierarchy in hierarchies(tree, controller)? {
        for folder in hierarchy.folders() {
            limits.extend(read(hierarchy.version, &folder)?);
        }
    }
    Ok(limits)
}

/// `cpu.max` is `50000 100000` (quota and period in microseconds) or `max 100000`. A group whose parent does
/// not pass the controller on has no such file, and so no limit of its own.
fn cpu_v2(tree: &Tree, folder: &str) -> Reading<Option<f64>> {
    let path = format!("{folder}/cpu.max");
    if !tree.exists(&path) {
        return Ok(None);
    }
    let text = tree.text(&path)?;
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["max", ..] => Ok(None),
        [quota, period] => cores(quota, period, &path),
        _ => Err(format!("{path} is not a quota and a period: `{text}`")),
    }
}

fn cpu_v1(tree: &Tree, folder: &str) -> Reading<Option<f64>> {
    let path = format!("{folder}/cpu.cfs_quota_us");
    if !tree.exists(&path) {
        return Ok(None);
    }
    let quota = tree.text(&path)?;
    if quota == "-1" {
        return Ok(None);
    }
    cores(&quota, &tree.text(&format!("{folder}/cpu.cfs_period_us"))?, &path)
}

fn cores(quota: &str, period: &str, path: &str) -> Reading<Option<f64>> {
    match (quota.parse::<u32>(), period.parse::<u32>()) {
        (Ok(quota), Ok(period)) if quota > 0 && period > 0 => Ok(Some(f64::from(quota) / f64::from(period))),
        _ => Err(format!(
            "{path}: `{quota}` in `{period}` microseconds is not a share of a processor"
        )),
    }
}

fn memory(tree: &Tree, path: &str) -> Reading<Option<u64>> {
    if !tree.exists(path) {
        return Ok(None);
    }
    let text = tree.text(path)?;
    if text == "max" {
        return Ok(None);
    }
    let bytes: u64 = text
        .parse()
        .map_err(|_| format!("{path} is not a number of bytes: `{text}`"))?;
    Ok((bytes < V1_UNLIMITED).then_some(bytes))
}

impl Hierarchy {
    /// The process's own folder and every ancestor up to the mount point.
    fn folders(&self) -> Vec<String> {
        let mut below = self.below.as_str();
        let mut folders = vec![format!("{}{below}", self.mount_point)];
        while let Some((parent, _)) = below.rsplit_once('/') {
            folders.push(format!("{}{parent}", self.mount_point));
            below = parent;
        }
        folders
    }
}

/// The hierarchies that could limit `controller`: version 1's own one, and the unified one. A machine in hybrid
/// mode has both mounted, and only one of them has the files.
fn hierarchies(tree: &Tree, controller: &str) -> Reading<Vec<Hierarchy>> {
    let membership = tree.text(MEMBERSHIP)?;
    let mounts = tree.text(MOUNTS)?;
    let mut found = Vec::new();
    let mut named = false;
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let version = match (id, controllers) {
            ("0", "") => Version::V2,
            (_, list) if list.split(',').any(|name| name == controller) => Version::V1,
            _ => continue,
        };
        named = true;
        found.extend(
            mounts
                .lines()
                .find_map(|mount| located(mount, version, controller, path)),
        );
    }
    match (named, found.is_empty()) {
        (true, true) => Err(format!(
            "the control groups named in {MEMBERSHIP} are not mounted here"
        )),
        (false, _) => Err(format!("{MEMBERSHIP} names no control group for {controller}")),
        (true, false) => Ok(found),
    }
}

/// Where `path` of the hierarchy is seen through one line of mountinfo:
/// `31 23 0:28 ROOT MOUNT_POINT options - TYPE source SUPER_OPTIONS`.
fn located(mount: &str, version: Version, controller: &str, path: &str) -> Option<Hierarchy> {
    let (place, kind) = mount.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, mount_point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (file_system, super_options) = (kind.next()?, kind.nth(1).unwrap_or_default());
    let fits = match version {
        Version::V1 => file_system == "cgroup" && super_options.split(',').any(|name| name == controller),
        Version::V2 => file_system == "cgroup2",
    };
    fits.then(|| Hierarchy {
        version,
        mount_point: mount_point.trim_end_matches('/').to_owned(),
        below: below(root, path),
    })
}

/// The part of `path` that is visible below a mount whose own root is `root`. A container often sees its group
/// as the mount point itself, while the path is given as seen from outside, or begins with `/..`.
fn below(root: &str, path: &str) -> String {
    let seen = path.strip_prefix(root.trim_end_matches('/')).unwrap_or_default();
    let seen = seen.trim_end_matches('/');
    let inside = seen.starts_with('/') && !seen.split('/').any(|part| part == "..");
    if inside { seen.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_below_its_mount() {
        assert_eq!(below("/", "/a/b"), "/a/b");
        assert_eq!(below("/", "/"), "");
        assert_eq!(below("/docker/1", "/docker/1"), "");
        assert_eq!(below("/docker/1", "/docker/1/inner"), "/inner");
        assert_eq!(below("/docker/1", "/docker/12"), "");
        assert_eq!(below("/", "/../other"), "");
        assert_eq!(below("/elsewhere", "/a"), "");
    }

    #[test]
    fn every_ancestor_is_visited() {
        let hierarchy = Hierarchy {
            version: Version::V2,
            mount_point: "/sys/fs/cgroup".into(),
            below: "/a/b".into(),
        };
        assert_eq!(
            hierarchy.folders(),
            ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]
        );
    }

    #[test]
    fn a_mount_is_told_by_type_and_controller() {
        let v1 =
            "31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let found = located(v1, Version::V1, "cpu", "/x").expect("the cpu controller is mounted there");
        assert_eq!(
            (found.mount_point.as_str(), found.below.as_str()),
            ("/sys/fs/cgroup/cpu,cpuacct", "/x")
        );
        assert_eq!(located(v1, Version::V1, "cpuset", "/x"), None);
        assert_eq!(located(v1, Version::V2, "cpu", "/x"), None);
    }
}
