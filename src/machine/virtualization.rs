//! Signs of virtual machines and containers, each with where it was seen.

use super::{
    Gaps,
    counters::PLANTED,
    cpu::{CPUINFO, flag_names},
    tree::Tree,
};
use crate::record::Fact;

const MOUNTS: &str = "/proc/self/mountinfo";
const CGROUP: &str = "/proc/self/cgroup";
const DMI: &str = "/sys/class/dmi/id";
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// What the firmware calls the machine: kind and file. Serial numbers and asset tags are not read.
const FIRMWARE: &[(&str, &str)] = &[
    ("dmi-vendor", "sys_vendor"),
    ("dmi-product", "product_name"),
    ("dmi-version", "product_version"),
    ("dmi-board-vendor", "board_vendor"),
    ("dmi-bios-vendor", "bios_vendor"),
];

/// Files whose presence alone is a sign: kind, value and path.
const MARKERS: &[(&str, &str, &str)] = &[
    ("container", "docker", "/.dockerenv"),
    ("container", "podman", "/run/.containerenv"),
    ("container", "kubernetes", "/var/run/secrets/kubernetes.io"),
    ("config-drive", "config-2", "/dev/disk/by-label/config-2"),
];

/// Parts of a control group's path, and the program that puts each there. The identifiers around them are not kept.
const CGROUP_WORDS: &[(&str, &str)] = &[
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("libpod", "podman"),
    ("crio-", "cri-o"),
    ("cri-containerd", "containerd"),
    ("lxc", "lxc"),
    ("slurmstepd", "slurm"),
];

pub(super) fn read(tree: &Tree, variable: impl Fn(&str) -> Option<String>, gaps: &mut Gaps) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(hypervisor(tree));
    facts.extend(firmware(tree, gaps));
    facts.extend(
        MARKERS
            .iter()
            .filter(|(.., path)| tree.exists(path))
            .map(|(kind, value, path)| Fact::new(*kind, *value, *path)),
    );
    facts.extend(control_groups(tree));
    if variable(KUBERNETES).is_some_and(|value| !value.is_empty()) {
        facts.push(Fact::new(
            "container",
            "kubernetes",
            format!("environment variable {KUBERNETES}"),
        ));
    }
    if variable(PLANTED).is_some_and(|value| !value.is_empty()) {
        facts.push(Fact::new(
            "planted-counters",
            "for a test",
            format!("environment variable {PLANTED}"),
        ));
    }
    facts.extend(kata(tree));
    facts
}

/// Whether anything shows that this is a container.
pub(super) fn in_container(tree: &Tree, variable: &impl Fn(&str) -> Option<String>) -> bool {
    read(tree, variable, &mut Gaps::default())
        .iter()
        .any(|fact| fact.kind == "container")
}

fn hypervisor(tree: &Tree) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Ok(cpuinfo) = tree.text(CPUINFO)
        && flag_names(&cpuinfo).is_some_and(|mut names| names.any(|name| name == "hypervisor"))
    {
        facts.push(Fact::new("hypervisor-flag", "present", CPUINFO));
    }
    let named = "/sys/hypervisor/type";
    facts.extend(
        tree.filled(named)
            .map(|value| Fact::new("hypervisor-type", value, named)),
    );
    facts
}

/// The firmware's names, and what follows from them: deployers of `OpenStack` may change the product's name, so
/// that its absence means nothing.
fn firmware(tree: &Tree, gaps: &mut Gaps) -> Vec<Fact> {
    let device_tree = "/proc/device-tree/model";
    let mut facts: Vec<Fact> = FIRMWARE
        .iter()
        .map(|(kind, file)| (kind, format!("{DMI}/{file}")))
        .filter_map(|(kind, path)| Some(Fact::new(*kind, tree.filled(&path).ok()?, path)))
        .collect();
    if let Ok(model) = tree.filled(device_tree) {
        facts.push(Fact::new(
            "device-tree-model",
            model.trim_end_matches('\0'),
            device_tree,
        ));
    }
    if facts.is_empty() {
        gaps.0.insert(
            "facts.firmware".into(),
            format!("neither {DMI} nor {device_tree} names the machine"),
        );
    }
    let product = facts
        .iter()
        .find(|fact| fact.kind == "dmi-product" && fact.value.starts_with("OpenStack"));
    if let Some(product) = product.cloned() {
        facts.push(Fact {
            kind: "openstack".into(),
            ..product
        });
    }
    facts
}

fn control_groups(tree: &Tree) -> Vec<Fact> {
    let membership = tree.text(CGROUP).unwrap_or_default();
    CGROUP_WORDS
        .iter()
        .filter(|(part, _)| membership.contains(part))
        .map(|(_, who)| Fact::new(if *who == "slurm" { "job" } else { "container" }, *who, CGROUP))
        .collect()
}

/// Kata Containers share the image over 9p or virtiofs under this name: a container and a virtual machine at once.
fn kata(tree: &Tree) -> Option<Fact> {
    let mounts = tree.text(MOUNTS).ok()?;
    let shared = mounts
        .lines()
        .any(|line| line.split([' ', '/', ',']).any(|part| part == "kataShared"));
    shared.then(|| Fact::new("kata", "kataShared", MOUNTS))
}
