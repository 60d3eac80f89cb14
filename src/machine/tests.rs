//! Whole machines, planted and read.

use super::{fake::Fake, *};
use crate::record::Cpu;

const V2_MOUNT: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

fn x86_processor(number: usize, package: usize, core: usize, flags: &str) -> String {
    format!(
        "processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)   Gold 6230\n\
         physical id\t: {package}\ncore id\t\t: {core}\nflags\t\t: {flags}\n\n"
    )
}

/// A guest of OpenStack with eight logical cores, two to a physical core, on two sockets and two NUMA nodes.
fn x86_guest() -> Fake {
    let flags = "fpu sse2 fma avx2 avx512f f16c hypervisor avx512_vnni";
    let cpuinfo: String = (0..8)
        .map(|cpu| x86_processor(cpu, cpu / 4, cpu / 2, flags))
        .collect();
    let mut fake = Fake::new()
        .file("/proc/cpuinfo", &cpuinfo)
        .file(
            "/proc/meminfo",
            "MemTotal:  16384 kB\nMemFree: 1 kB\nMemAvailable:  8192 kB\n",
        )
        .file(
            "/proc/self/status",
            "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,7\n",
        )
        .file("/proc/self/cgroup", "0::/system.slice/x.service\n")
        .file("/proc/self/mountinfo", V2_MOUNT)
        .file("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
        .file(
            "/etc/os-release",
            "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        )
        .file("/sys/devices/system/cpu/online", "0-7\n")
        .file("/sys/devices/system/node/online", "0-1\n")
        .file("/sys/devices/system/node/node0/cpulist", "0-3\n")
        .file("/sys/devices/system/node/node1/cpulist", "4-7\n")
        .file("/sys/class/dmi/id/sys_vendor", "OpenStack Foundation\n")
        .file("/sys/class/dmi/id/product_name", "OpenStack Nova\n");
    for cpu in 0..8 {
        let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
        let first = cpu / 2 * 2;
        fake = fake
            .file(
                &format!("{folder}/topology/core_cpus_list"),
                &format!("{first}-{}\n", first + 1),
            )
            .file(
                &format!("{folder}/topology/physical_package_id"),
                &format!("{}\n", cpu / 4),
            )
            .file(&format!("{folder}/cpufreq/scaling_governor"), "performance\n");
    }
    fake
}

fn facts(host: &Host) -> Vec<(&str, &str, &str)> {
    host.facts
        .iter()
        .map(|fact| (fact.kind.as_str(), fact.value.as_str(), fact.source.as_str()))
        .collect()
}

#[test]
fn an_x86_virtual_machine_is_told_whole() {
    let host = Host::read(x86_guest().root());
    assert_eq!(host.cpu.model.as_deref(), Some("Intel(R) Xeon(R) Gold 6230"));
    assert_eq!(host.cpu.cores, Some(8));
    assert_eq!(host.cpu.physical_cores, Some(4));
    assert_eq!(host.cpu.sockets, Some(2));
    assert_eq!(host.cpu.numa_nodes, Some(2));
    let numa_cpus = [(0, "0-3".to_owned()), (1, "4-7".to_owned())];
    assert_eq!(host.cpu.numa_cpus, Some(numa_cpus.into()));
    assert_eq!(host.cpu.affinity, Some(vec![0, 1, 2, 3, 4, 5, 7]));
    assert_eq!(host.cpu.quota, None);
    assert_eq!(host.cpu.governor.as_deref(), Some("performance"));
    let flags = ["hypervisor", "f16c", "fma", "avx2", "avx512f", "avx512_vnni"];
    assert_eq!(host.cpu.flags, Some(flags.map(str::to_owned).to_vec()));
    assert_eq!(host.cpu.usable_cores(), 7);
    assert_eq!(host.memory.total_bytes, Some(16384 * 1024));
    assert_eq!(host.memory.available_bytes, Some(8192 * 1024));
    assert_eq!(host.memory.limit_bytes, None);
    assert_eq!(host.memory.usable_bytes(), Some(8192 * 1024));
    assert_eq!(host.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(host.kernel.as_deref(), Some("6.1.0-18-amd64"));
    assert_eq!(
        facts(&host),
        [
            ("hypervisor-flag", "present", "/proc/cpuinfo"),
            (
                "dmi-vendor",
                "OpenStack Foundation",
                "/sys/class/dmi/id/sys_vendor"
            ),
            ("dmi-product", "OpenStack Nova", "/sys/class/dmi/id/product_name"),
            ("openstack", "OpenStack Nova", "/sys/class/dmi/id/product_name"),
        ]
    );
    assert!(
        host.unavailable.is_empty(),
        "nothing is missing, yet: {:?}",
        host.unavailable
    );
}

#[test]
fn a_host_survives_json() {
    let host = Host::read(x86_guest().root());
    let text = serde_json::to_string(&host).unwrap();
    assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
}

#[test]
fn an_arm_machine_is_named_by_its_part() {
    let processor = |number| {
        format!(
            "processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n\
             CPU implementer\t: 0x41\nCPU part\t: 0xd40\n\n"
        )
    };
    let fake = Fake::new()
        .file("/proc/cpuinfo", &(0..2).map(processor).collect::<String>())
        .file("/proc/device-tree/model", "Some Board\0");
    let host = Host::read(fake.root());
    assert_eq!(host.cpu.model.as_deref(), Some("Arm Neoverse-V1"));
    assert_eq!(host.cpu.cores, Some(2));
    assert_eq!(host.cpu.physical_cores, None);
    let flags = ["asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve"];
    assert_eq!(host.cpu.flags, Some(flags.map(str::to_owned).to_vec()));
    assert_eq!(
        facts(&host),
        [("device-tree-model", "Some Board", "/proc/device-tree/model")]
    );
    assert_eq!(
        host.unavailable["cpu.physical_cores"],
        "neither /sys/devices/system/cpu/cpu*/topology nor /proc/cpuinfo lists them"
    );
}

#[test]
fn an_unknown_arm_part_keeps_its_numbers() {
    let fake = Fake::new().file(
        "/proc/cpuinfo",
        "processor: 0\nCPU implementer: 0x99\nCPU part: 0xabc\n",
    );
    assert_eq!(
        Host::read(fake.root()).cpu.model.as_deref(),
        Some("ARM implementer 0x99 part 0xabc")
    );
}

#[test]
fn a_package_of_minus_one_is_unknown() {
    let folder = "/sys/devices/system/cpu/cpu0/topology";
    let fake = Fake::new()
        .file("/sys/devices/system/cpu/online", "0")
        .file(&format!("{folder}/thread_siblings_list"), "0")
        .file(&format!("{folder}/physical_package_id"), "-1");
    let host = Host::read(fake.root());
    assert_eq!((host.cpu.physical_cores, host.cpu.sockets), (Some(1), None));
    assert!(host.unavailable.contains_key("cpu.sockets"));
}

#[test]
fn a_v2_quota_is_half_a_core() {
    let fake = x86_guest().file("/sys/fs/cgroup/system.slice/x.service/cpu.max", "50000 100000\n");
    let cpu = Host::read(fake.root()).cpu;
    assert_eq!(cpu.quota, Some(0.5));
    assert_eq!(cpu.usable_cores(), 1);
}

#[test]
fn throttling_is_counted_where_a_quota_is() {
    let stat = "/sys/fs/cgroup/system.slice/x.service/cpu.stat";
    let free = x86_guest();
    assert_eq!(Counters::read(free.root(), &[]).throttled_seconds, Ok(0.0));
    let fake = x86_guest().file("/sys/fs/cgroup/system.slice/x.service/cpu.max", "50000 100000\n");
    assert!(Counters::read(fake.root(), &[]).throttled_seconds.is_err());
    let fake = fake.file(stat, "usage_usec 9\nnr_throttled 3\nthrottled_usec 2500000\n");
    assert_eq!(Counters::read(fake.root(), &[]).throttled_seconds, Ok(2.5));
}

#[test]
fn the_smallest_ancestor_decides() {
    let fake = x86_guest()
        .file("/sys/fs/cgroup/system.slice/x.service/cpu.max", "max 100000\n")
        .file("/sys/fs/cgroup/system.slice/cpu.max", "250000 100000\n")
        .file("/sys/fs/cgroup/cpu.max", "400000 100000\n")
        .file("/sys/fs/cgroup/system.slice/x.service/memory.max", "8000\n")
        .file("/sys/fs/cgroup/system.slice/memory.max", "4000\n");
    let host = Host::read(fake.root());
    assert_eq!(host.cpu.quota, Some(2.5));
    assert_eq!(host.cpu.usable_cores(), 3);
    assert_eq!(host.memory.limit_bytes, Some(4000));
    assert_eq!(host.memory.usable_bytes(), Some(4000));
}

#[test]
fn a_v1_quota_is_found_behind_a_container_s_mount() {
    let group = "/docker/0123";
    let fake = x86_guest()
        .file(
            "/proc/self/cgroup",
            &format!("5:memory:{group}\n4:cpu,cpuacct:{group}\n3:cpuset:{group}\n"),
        )
        .file(
            "/proc/self/mountinfo",
            &format!(
                "31 23 0:28 {group} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                 32 23 0:29 {group} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            ),
        )
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
        .file(
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
    let host = Host::read(fake.root());
    assert_eq!(host.cpu.quota, Some(1.5));
    assert_eq!(host.memory.limit_bytes, None);
    assert!(!host.unavailable.contains_key("memory.limit_bytes"));
    assert!(facts(&host).contains(&("container", "docker", "/proc/self/cgroup")));
}

#[test]
fn a_v1_quota_of_minus_one_is_none() {
    let fake = x86_guest()
        .file("/proc/self/cgroup", "1:cpu:/\n0::/\n")
        .file(
            "/proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
        )
        .file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    let host = Host::read(fake.root());
    assert_eq!(host.cpu.quota, None);
    assert!(!host.unavailable.contains_key("cpu.quota"));
}

#[test]
fn a_limit_that_cannot_be_read_is_not_taken_for_none() {
    let fake = x86_guest().file("/sys/fs/cgroup/cpu.max", "lots of it\n");
    let host = Host::read(fake.root());
    assert_eq!(host.cpu.quota, None);
    assert_eq!(
        host.unavailable["cpu.quota"],
        "/sys/fs/cgroup/cpu.max is not a quota and a period: `lots of it`"
    );

    let fake = x86_guest().file("/proc/self/mountinfo", "");
    let host = Host::read(fake.root());
    assert_eq!(
        host.unavailable["cpu.quota"],
        "the control groups named in /proc/self/cgroup are not mounted here"
    );
}

#[test]
fn without_sys_the_rest_still_stands() {
    let cpuinfo: String = (0..4).map(|cpu| x86_processor(cpu, 0, cpu / 2, "avx2")).collect();
    let fake = Fake::new()
        .file("/proc/cpuinfo", &cpuinfo)
        .file("/proc/self/status", "Cpus_allowed_list:\t0-3,8\n")
        .file("/usr/lib/os-release", "PRETTY_NAME='Plain OS'\n");
    let host = Host::read(fake.root());
    assert_eq!(
        (host.cpu.cores, host.cpu.physical_cores, host.cpu.sockets),
        (Some(4), Some(2), Some(1))
    );
    assert_eq!(host.cpu.affinity, Some(vec![0, 1, 2, 3, 8]));
    assert_eq!(host.os.as_deref(), Some("Plain OS"));
    assert_eq!(host.facts, []);
    for field in [
        "cpu.governor",
        "cpu.numa_nodes",
        "cpu.quota",
        "kernel",
        "memory.total_bytes",
        "facts.firmware",
    ] {
        assert!(
            host.unavailable.contains_key(field),
            "no reason is given for {field}"
        );
    }
}

#[test]
fn an_empty_machine_gives_reasons_and_no_values() {
    let host = Host::read(Fake::new().root());
    let Cpu {
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
    } = &host.cpu;
    assert_eq!((model, governor, flags), (&None, &None, &None));
    assert_eq!(
        (cores, physical_cores, sockets, numa_nodes),
        (&None, &None, &None, &None)
    );
    assert_eq!((numa_cpus, affinity, quota), (&None, &None, &None));
    assert_eq!(host.memory.usable_bytes(), None);
    assert!(host.cpu.usable_cores() >= 1);
    assert_eq!(host.unavailable.len(), 16, "{:#?}", host.unavailable);
}

#[test]
fn a_pod_in_kata_is_a_container_and_a_virtual_machine() {
    let fake = x86_guest()
        .file("/.dockerenv", "")
        .file("/proc/self/cgroup", "0::/kubepods/burstable/pod0123/4567\n")
        .file(
            "/proc/self/mountinfo",
            &format!("{V2_MOUNT}12 1 0:9 / / rw - virtiofs kataShared rw\n"),
        );
    let host = Host::read_with(fake.root(), |name| {
        (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".into())
    });
    let facts = facts(&host);
    for fact in [
        ("hypervisor-flag", "present", "/proc/cpuinfo"),
        ("container", "docker", "/.dockerenv"),
        ("container", "kubernetes", "/proc/self/cgroup"),
        (
            "container",
            "kubernetes",
            "environment variable KUBERNETES_SERVICE_HOST",
        ),
        ("kata", "kataShared", "/proc/self/mountinfo"),
    ] {
        assert!(facts.contains(&fact), "{fact:?} is missing from {facts:?}");
    }
    let text = serde_json::to_string(&host).unwrap();
    for private in ["10.0.0.1", "0123", "4567"] {
        assert!(!text.contains(private), "{private} was recorded");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_can_be_read() {
    let host = Host::current();
    assert!(
        host.cpu.cores.is_some_and(|cores| cores >= 1),
        "{:?}",
        host.unavailable
    );
    assert!(host.memory.total_bytes.is_some_and(|bytes| bytes > 0));
    assert!(peak_rss_bytes(Path::new("/")).is_ok_and(|bytes| bytes > 0));
}
