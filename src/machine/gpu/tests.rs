//! Machines with planted PCI buses, drivers and device nodes, whose NVML does not answer.

use std::path::{Path, PathBuf};

use super::super::fake::Fake;
use super::{pci::tests::vgpu_config, *};

const BUS: &str = "/sys/bus/pci/devices";
const GPU: &str = "0000:17:00.0";

/// Adds a display device to the bus, with a network card beside it that must not be taken for one.
fn with_device(fake: Fake, address: &str, vendor: &str, config: &[u8]) -> Fake {
    let folder = format!("{BUS}/{address}");
    fake.file(&format!("{folder}/class"), "0x030200\n")
        .file(&format!("{folder}/vendor"), &format!("{vendor}\n"))
        .file(&format!("{folder}/device"), "0x20b5\n")
        .file(&format!("{folder}/numa_node"), "1\n")
        .file(&format!("{folder}/config"), config)
        .file(&format!("{BUS}/0000:03:00.0/class"), "0x020000\n")
        .file(&format!("{BUS}/0000:03:00.0/vendor"), "0x10de\n")
}

fn board() -> Fake {
    with_device(Fake::new(), GPU, "0x10de", &[0; 256])
}

fn with_driver(fake: Fake) -> Fake {
    let line =
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC version: x\n";
    fake.file("/proc/driver/nvidia/version", line)
}

fn with_nodes(fake: Fake) -> Fake {
    fake.file("/dev/nvidiactl", "").file("/dev/nvidia0", "")
}

fn found(fake: &Fake, fault: NvmlFault) -> Gpus {
    find(fake.root(), |_| None, &Err(fault))
}

fn not_loaded() -> NvmlFault {
    NvmlFault::DriverNotLoaded {
        path: PathBuf::from("libnvidia-ml.so.1"),
    }
}

/// Reason and fix, as they are shown.
fn why(fake: &Fake, fault: NvmlFault) -> String {
    let found = found(fake, fault);
    format!(
        "{}\n{}",
        found.reason.unwrap_or_default(),
        found.fix.unwrap_or_default()
    )
}

#[test]
fn a_machine_without_gpu_says_so() {
    let none = with_device(Fake::new(), "0000:00:02.0", "0x1234", &[]);
    assert_eq!(found(&none, NvmlFault::NotFound).gpus, []);
    assert_eq!(
        why(&none, NvmlFault::NotFound),
        "no NVIDIA GPU is on the PCI bus\n"
    );
    let other = with_device(none, "0000:65:00.0", "0x1002", &[]);
    assert_eq!(
        why(&other, NvmlFault::NotFound),
        "no NVIDIA GPU is on the PCI bus; no backend can use the other devices there yet: AMD GPU 0x20b5 at 0000:65:00.0\n"
    );
    let blind = Fake::new();
    assert!(
        why(&blind, not_loaded())
            .starts_with("there is no NVIDIA driver, and the PCI bus does not show it: cannot read")
    );
}

#[test]
fn a_gpu_without_driver_is_there_and_says_why_it_is_silent() {
    let machine = found(&board(), NvmlFault::NotFound);
    let [gpu] = &machine.gpus[..] else {
        panic!("{machine:?}")
    };
    assert_eq!(gpu.name, "NVIDIA GPU 0x20b5");
    assert_eq!((gpu.pci.as_deref(), gpu.numa_node), (Some(GPU), Some(1)));
    assert_eq!((&gpu.uuid, gpu.mode, gpu.memory_bytes), (&None, None, None));
    let reason = "no kernel driver holds the GPU at 0000:17:00.0";
    for field in describe::BY_DRIVER {
        assert_eq!(gpu.unavailable[*field], reason, "{field}");
    }
    assert_eq!(machine.reason.as_deref(), Some(reason));
    assert_eq!(
        machine.fix.as_deref(),
        Some("install NVIDIA's driver, and load it with `modprobe nvidia`")
    );
}

#[test]
fn whoever_else_holds_it_is_named() {
    for (driver, reason, fix) in [
        (
            "vfio-pci",
            "held by vfio-pci, which keeps it for virtual machines",
            "measure inside the virtual machine",
        ),
        (
            "nouveau",
            "held by nouveau, not by NVIDIA's driver",
            "install NVIDIA's driver",
        ),
    ] {
        let fake = board().link(
            &format!("{BUS}/{GPU}/driver"),
            &format!("../../../bus/pci/drivers/{driver}"),
        );
        let text = why(&fake, NvmlFault::NotFound);
        assert!(text.contains(reason) && text.contains(fix), "{text}");
    }
}

#[test]
fn a_vgpu_without_driver_names_the_host_s() {
    let fake = with_device(Fake::new(), GPU, "0x10de", &vgpu_config("580.95.02"));
    let machine = found(&fake, NvmlFault::NotFound);
    let gpu = &machine.gpus[0];
    assert_eq!(
        (gpu.name.as_str(), gpu.mode),
        ("NVIDIA vGPU 0x20b5", Some(GpuMode::Vgpu))
    );
    assert_eq!(gpu.host_driver.as_deref(), Some("580.95.02"));
    assert!(
        gpu.mode_source
            .as_deref()
            .is_some_and(|source| source.contains("VF signature"))
    );
    assert!(!gpu.unavailable.contains_key("mode"));
    assert!(
        machine
            .fix
            .is_some_and(|fix| fix.contains("guest driver for vGPU") && fix.contains("580.95.02"))
    );
}

#[test]
fn a_configuration_space_for_root_only_leaves_the_mode_open() {
    let fake = with_device(Fake::new(), GPU, "0x10de", &[0; 64]);
    let gpu = &found(&fake, NvmlFault::NotFound).gpus[0];
    assert_eq!(gpu.mode, None);
    assert!(
        gpu.unavailable["mode"].contains("root only"),
        "{}",
        gpu.unavailable["mode"]
    );
}

#[test]
fn what_did_not_come_into_the_container_is_named() {
    let container = || with_driver(board()).file("/.dockerenv", "");
    assert_eq!(
        why(&container(), NvmlFault::NotFound).lines().next(),
        Some(
            "the kernel has the NVIDIA driver 580.95.05, but /dev/nvidiactl and /dev/nvidia0 and its library \
             libnvidia-ml.so.1 are missing here"
        )
    );
    for (fake, fault) in [
        (container(), NvmlFault::NotFound),
        (container(), not_loaded()),
        (with_nodes(container()), NvmlFault::NotFound),
        (with_nodes(container()), not_loaded()),
    ] {
        let text = why(&fake, fault);
        assert!(
            text.contains("--gpus all") && text.contains("runtimeClassName: nvidia"),
            "{text}"
        );
    }
}

#[test]
fn outside_of_containers_the_fix_is_another() {
    let installed = || with_driver(board());
    for (fake, fault, reason, fix) in [
        (
            installed(),
            not_loaded(),
            "/dev/nvidiactl and /dev/nvidia0 are missing here",
            "nvidia-modprobe",
        ),
        (
            with_nodes(installed()),
            NvmlFault::NotFound,
            "its library libnvidia-ml.so.1 is missing here",
            "install the libraries of driver 580.95.05",
        ),
        (
            with_nodes(installed()),
            not_loaded(),
            "cannot be reached",
            "nvidia-smi",
        ),
        (
            installed(),
            NvmlFault::VersionMismatch {
                path: PathBuf::from("a.so"),
            },
            "a.so: the library is of another version than the kernel's driver, which is 580.95.05",
            "restart the machine",
        ),
        (
            installed(),
            NvmlFault::NoPermission {
                path: PathBuf::from("a.so"),
            },
            "this user may not",
            "/dev/nvidiactl",
        ),
        (
            Fake::new().file("/dev/dxg", ""),
            NvmlFault::NotFound,
            "this is WSL",
            "wsl --update",
        ),
    ] {
        let text = why(&fake, fault);
        assert!(text.contains(reason) && text.contains(fix), "{text}");
    }
}

#[test]
fn the_default_search_ends_with_a_fault_where_there_is_no_driver() {
    if let Err(fault) = Nvml::open(None) {
        assert!(!fault.to_string().is_empty());
        return;
    }
    println!("SKIPPED: this machine has NVIDIA's driver");
}

#[test]
fn a_library_that_is_named_is_the_only_one_tried() {
    let path = Path::new("/no/such/libnvidia-ml.so.1");
    assert!(
        matches!(Nvml::open(Some(path)), Err(NvmlFault::Unloadable { path: named, .. }) if named == path)
    );
}

#[test]
fn mps_is_there_where_its_control_file_is() {
    let tree = |fake: &Fake| Tree::new(fake.root());
    let control = |folder: &str| Fake::new().file(&format!("{folder}/nvidia-cuda-mps-control.pid"), "812\n");
    let set = |name: &str| match name {
        "CUDA_MPS_PIPE_DIRECTORY" => Some("/run/mps".to_owned()),
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" => Some("0=2G".to_owned()),
        _ => None,
    };
    assert_eq!(mps::read(&tree(&Fake::new()), &set), None);
    assert_eq!(mps::read(&tree(&control("/tmp/nvidia-mps")), &set), None);
    let usual = mps::read(&tree(&control("/tmp/nvidia-mps")), &|_| None).expect("a daemon");
    assert_eq!(
        (usual.control_pid, usual.pinned_device_mem_limit),
        (Some(812), None)
    );
    let own = mps::read(&tree(&control("/run/mps")), &set).expect("a daemon");
    assert_eq!(
        (
            own.pipe_directory.as_str(),
            own.pinned_device_mem_limit.as_deref()
        ),
        ("/run/mps", Some("0=2G"))
    );
}

#[test]
fn what_the_bus_tells_completes_what_the_driver_told() {
    let own = |config: &[u8]| {
        let fake = with_device(Fake::new(), GPU, "0x10de", config);
        let (own, _) = pci::gpus(&Tree::new(fake.root())).expect("a bus");
        (fake, own)
    };
    let (fake, bus) = own(&vgpu_config("580.95.02"));
    let mut gpu = Gpu {
        pci: Some(GPU.to_owned()),
        ..Gpu::default()
    };
    complete(&mut gpu, &Tree::new(fake.root()), &bus);
    assert_eq!((gpu.numa_node, gpu.mode), (Some(1), Some(GpuMode::Vgpu)));
    assert_eq!(gpu.host_driver.as_deref(), Some("580.95.02"));
    let fake = fake.file(&format!("{BUS}/{GPU}/numa_node"), "-1\n");
    let mut gpu = Gpu {
        pci: Some(GPU.to_owned()),
        ..Gpu::default()
    };
    complete(&mut gpu, &Tree::new(fake.root()), &bus);
    assert_eq!(gpu.numa_node, None);
    assert!(gpu.unavailable["numa_node"].contains("does not report it"));
}

#[test]
fn gpus_that_the_driver_does_not_show_are_named() {
    let fake = with_device(board(), "0000:65:00.0", "0x10de", &[])
        .link(&format!("{BUS}/0000:65:00.0/driver"), "../vfio-pci");
    let tree = Tree::new(fake.root());
    let bus = pci::gpus(&tree);
    let evidence = missing::Evidence {
        tree: &tree,
        bus: &bus,
        in_container: false,
    };
    let seen = |pci: &str| Gpu {
        pci: Some(pci.to_owned()),
        ..Gpu::default()
    };
    assert_eq!(
        evidence.unseen(&[seen(GPU)]).as_deref(),
        Some("on the PCI bus, but not shown to this process by the driver: 0000:65:00.0 (held by vfio-pci)")
    );
    assert_eq!(evidence.unseen(&[seen(GPU), seen("0000:65:00.0")]), None);
}
