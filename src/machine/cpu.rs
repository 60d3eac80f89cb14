//! The processor: what it is, and how much of it this process may use.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Gaps, Reading, cgroup, parse_cpu_list,
    tree::{Tree, field},
};
use crate::record::Cpu;

pub(super) const CPUINFO: &str = "/proc/cpuinfo";
const ONLINE: &str = "/sys/devices/system/cpu/online";
const NODES: &str = "/sys/devices/system/node";
const STATUS: &str = "/proc/self/status";

/// The flags that decide which kernels a runtime picks, x86 first, then ARM, in the kernel's spelling. All others
/// are left out of the record.
const FLAGS: &[&str] = &[
    "hypervisor",
    "f16c",
    "fma",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
];

/// ARM cores by implementer and part; their kernel gives numbers where x86 gives a name.
const ARM_CORES: &[(&str, &str, &str)] = &[
    ("0x41", "0xd03", "Arm Cortex-A53"),
    ("0x41", "0xd07", "Arm Cortex-A57"),
    ("0x41", "0xd08", "Arm Cortex-A72"),
    ("0x41", "0xd0b", "Arm Cortex-A76"),
    ("0x41", "0xd0c", "Arm Neoverse-N1"),
    ("0x41", "0xd40", "Arm Neoverse-V1"),
    ("0x41", "0xd42", "Arm Cortex-A78AE"),
    ("0x41", "0xd49", "Arm Neoverse-N2"),
    ("0x41", "0xd4f", "Arm Neoverse-V2"),
    ("0x41", "0xd83", "Arm Neoverse-V3AE"),
    ("0x41", "0xd84", "Arm Neoverse-V3"),
    ("0x41", "0xd8e", "Arm Neoverse-N3"),
    ("0x46", "0x001", "Fujitsu A64FX"),
    ("0x48", "0xd01", "HiSilicon TaiShan v110"),
    ("0x4e", "0x004", "NVIDIA Carmel"),
    ("0xc0", "0xac3", "Ampere-1"),
    ("0xc0", "0xac4", "Ampere-1a"),
];

pub(super) fn read(tree: &Tree, gaps: &mut Gaps) -> Cpu {
    let cpuinfo = tree.filled(CPUINFO);
    let online = online(tree, cpuinfo.as_deref());
    let topology = Topology::read(tree, online.as_deref().unwrap_or_default(), cpuinfo.as_deref());
    Cpu {
        model: gaps.keep("cpu.model", cpuinfo.clone().and_then(|text| model(&text))),
        physical_cores: gaps.keep("cpu.physical_cores", topology.physical_cores),
        sockets: gaps.keep("cpu.sockets", topology.sockets),
        numa_nodes: gaps.keep("cpu.numa_nodes", numa_nodes(tree)),
        numa_cpus: gaps.keep("cpu.numa_cpus", numa_cpus(tree)),
        affinity: gaps.keep("cpu.affinity", affinity(tree)),
        quota: gaps.keep("cpu.quota", cgroup::cpu_quota(tree)).flatten(),
        governor: gaps.keep(
            "cpu.governor",
            governor(tree, online.as_deref().unwrap_or_default()),
        ),
        cores: gaps.keep("cpu.cores", online.map(|cpus| cpus.len())),
        flags: gaps.keep("cpu.flags", cpuinfo.and_then(|text| flags(&text))),
    }
}

/// All flags of the first processor; ARM calls them features.
pub(super) fn flag_names(cpuinfo: &str) -> Option<impl Iterator<Item = &str>> {
    let line = field(cpuinfo, "flags").or_else(|| field(cpuinfo, "Features"))?;
    Some(line.split_whitespace())
}

fn flags(cpuinfo: &str) -> Reading<Vec<String>> {
    let names: BTreeSet<&str> = flag_names(cpuinfo)
        .ok_or_else(|| format!("{CPUINFO} lists no flags"))?
        .collect();
    Ok(FLAGS
        .iter()
        .filter(|flag| names.contains(*flag))
        .map(|flag| (*flag).to_owned())
        .collect())
}

fn model(cpuinfo: &str) -> Reading<String> {
    if let Some(name) = field(cpuinfo, "model name").filter(|name| !name.is_empty()) {
        return Ok(name.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let (Some(implementer), Some(part)) = (field(cpuinfo, "CPU implementer"), field(cpuinfo, "CPU part"))
    else {
        return Err(format!("{CPUINFO} names no model"));
    };
    let known = ARM_CORES
        .iter()
        .find(|(by, number, _)| (*by, *number) == (implementer, part));
    Ok(known.map_or_else(
        || format!("ARM implementer {implementer} part {part}"),
        |(.., name)| (*name).to_owned(),
    ))
}

fn online(tree: &Tree, cpuinfo: Result<&str, &String>) -> Reading<Vec<usize>> {
    tree.filled(ONLINE)
        .and_then(|text| parse_cpu_list(&text))
        .or_else(|reason| {
            let listed: Vec<usize> = cpuinfo
                .unwrap_or_default()
                .lines()
                .filter_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == "processor"))
                .filter_map(|(_, number)| number.trim().parse().ok())
                .collect();
            if listed.is_empty() {
                Err(format!("{reason}; {CPUINFO} lists no processor"))
            } else {
                Ok(listed)
            }
        })
}

struct Topology {
    physical_cores: Reading<usize>,
    sockets: Reading<usize>,
}

impl Topology {
    fn read(tree: &Tree, online: &[usize], cpuinfo: Result<&str, &String>) -> Self {
        Self::from_sys(tree, online)
            .or_else(|| Self::from_cpuinfo(cpuinfo.unwrap_or_default()))
            .unwrap_or_else(|| {
                let reason =
                    format!("neither /sys/devices/system/cpu/cpu*/topology nor {CPUINFO} lists them");
                Self {
                    physical_cores: Err(reason.clone()),
                    sockets: Err(reason),
                }
            })
    }

    /// Siblings share one core, so that each distinct list of siblings is one. Every core must list its own.
    fn from_sys(tree: &Tree, online: &[usize]) -> Option<Self> {
        let mut cores = BTreeSet::new();
        let mut packages = BTreeSet::new();
        for cpu in online {
            let folder = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
            let siblings = tree
                .filled(&format!("{folder}/core_cpus_list"))
                .or_else(|_| tree.filled(&format!("{folder}/thread_siblings_list")));
            cores.insert(siblings.ok()?);
            packages.insert(
                tree.filled(&format!("{folder}/physical_package_id"))
                    .unwrap_or("-1".into()),
            );
        }
        // The kernel writes -1 where it does not know, as on some ARM machines.
        let sockets = if packages.contains("-1") {
            Err("the kernel does not know which package a core belongs to".to_owned())
        } else {
            Ok(packages.len())
        };
        (!cores.is_empty()).then_some(Self {
            physical_cores: Ok(cores.len()),
            sockets,
        })
    }

    fn from_cpuinfo(cpuinfo: &str) -> Option<Self> {
        let mut cores = BTreeSet::new();
        let mut packages = BTreeSet::new();
        for processor in cpuinfo
            .split("\n\n")
            .filter(|block| field(block, "processor").is_some())
        {
            let package = field(processor, "physical id")?;
            cores.insert((package, field(processor, "core id")?));
            packages.insert(package);
        }
        (!cores.is_empty()).then_some(Self {
            physical_cores: Ok(cores.len()),
            sockets: Ok(packages.len()),
        })
    }
}

fn numa_nodes(tree: &Tree) -> Reading<usize> {
    Ok(numa_list(tree)?.len())
}

fn numa_list(tree: &Tree) -> Reading<Vec<usize>> {
    parse_cpu_list(&tree.filled(&format!("{NODES}/online"))?)
}

/// A domain of memory alone has an empty list.
fn numa_cpus(tree: &Tree) -> Reading<BTreeMap<usize, String>> {
    let cpus = |node: usize| Ok((node, tree.text(&format!("{NODES}/node{node}/cpulist"))?));
    numa_list(tree)?.into_iter().map(cpus).collect()
}

fn affinity(tree: &Tree) -> Reading<Vec<usize>> {
    let status = tree.text(STATUS)?;
    let list = field(&status, "Cpus_allowed_list")
        .filter(|list| !list.is_empty())
        .ok_or_else(|| format!("{STATUS} has no Cpus_allowed_list"))?;
    parse_cpu_list(list)
}

fn governor(tree: &Tree, online: &[usize]) -> Reading<String> {
    let path = |cpu: &usize| format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
    let governors: BTreeSet<String> = online
        .iter()
        .filter_map(|cpu| tree.filled(&path(cpu)).ok())
        .collect();
    if governors.is_empty() {
        return Err("no core has a cpufreq/scaling_governor, as is usual in a virtual machine".to_owned());
    }
    Ok(governors.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(affinity: Option<usize>, cores: Option<usize>, quota: Option<f64>) -> usize {
        let affinity = affinity.map(|count| (0..count).collect());
        let (model, physical_cores, sockets, numa_nodes, numa_cpus, governor, flags) = Default::default();
        Cpu {
            model,
            cores,
            physical_cores,
            sockets,
            numa_nodes,
            numa_cpus,
            affinity,
            quota,
            governor,
            flags,
        }
        .usable_cores()
    }

    #[test]
    fn usable_cores_are_the_scarcer_of_affinity_and_quota() {
        assert_eq!(with(Some(4), Some(8), None), 4);
        assert_eq!(with(Some(4), Some(8), Some(1.5)), 2);
        assert_eq!(with(Some(4), Some(8), Some(0.1)), 1);
        assert_eq!(with(Some(2), Some(8), Some(6.0)), 2);
        assert_eq!(with(None, Some(8), None), 8);
        assert_eq!(with(Some(0), Some(8), None), 1);
        assert!(with(None, None, None) >= 1);
    }
}
