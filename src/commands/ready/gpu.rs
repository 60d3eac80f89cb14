//! Which of this machine's GPUs an arm asks for: found and named, or what stands in its place and which word fits.

use super::Missing;
use crate::{
    machine::Gpus,
    record::{Gpu, GpuMode},
    runtime::{
        descriptor::{BackendDescriptor, DeviceArgument},
        install::Flavor,
        spec::GpuWanted,
    },
};

/// The oldest devices that CUDA 13 computes on: Turing.
const CUDA13_CAPABILITY: f64 = 7.5;

/// The variable that limits what CUDA may see.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// Which GPUs CUDA may see, where that is limited.
pub(super) fn visible() -> Option<String> {
    std::env::var(VISIBLE).ok()
}

/// The GPU that is wanted, of those that this process may see.
pub(super) fn find<'a>(
    wanted: &GpuWanted,
    found: &'a Gpus,
    visible: Option<&str>,
) -> Result<&'a Gpu, Missing> {
    // A board without its driver has no name of its own yet, and can do nothing.
    if !found.gpus.iter().any(|gpu| gpu.uuid.is_some()) {
        return Err(Missing::new(
            found
                .reason
                .clone()
                .unwrap_or_else(|| "there is no NVIDIA GPU".to_owned()),
            found
                .fix
                .clone()
                .unwrap_or_else(|| {
                    "measure where one is (a virtual machine or container must be given it), or with -b cpu; `facebench devices` shows what this machine has"
                        .to_owned()
                }),
        ));
    }
    match wanted {
        GpuWanted::Any(index) => {
            let gpu = board(*index, found, visible)?;
            if gpu.mig_enabled == Some(true) {
                return Err(Missing::new(
                    format!(
                        "GPU {index} ({}) is divided into MIG devices and computes by these alone",
                        gpu.name
                    ),
                    format!("name one of them: {}", mig_words(found)),
                ));
            }
            Ok(gpu)
        }
        GpuWanted::Vgpu(index) => {
            let gpu = board(*index, found, visible)?;
            match gpu.mode {
                Some(mode) if mode.is_vgpu() => Ok(gpu),
                Some(mode) => Err(Missing::new(
                    format!("GPU {index} ({}) is no vGPU: {}", gpu.name, what(mode)),
                    if gpu.mig_enabled == Some(true) {
                        format!("name one of its MIG devices: {}", mig_words(found))
                    } else {
                        format!("-b {}:{index} runs on it", word(gpu))
                    },
                )),
                None => Err(Missing::new(
                    format!(
                        "whether GPU {index} ({}) is a vGPU is not known: {}",
                        gpu.name,
                        gpu.unavailable
                            .get("mode")
                            .map_or("no reason is given", String::as_str)
                    ),
                    format!(
                        "-b {}:{index} runs on it whatever it is",
                        word_for(DeviceArgument::Gpu)
                    ),
                )),
            }
        }
        GpuWanted::Mig(uuid) => {
            let named: Vec<&Gpu> = found
                .gpus
                .iter()
                .filter(|gpu| {
                    gpu.uuid
                        .as_deref()
                        .is_some_and(|own| own.starts_with(uuid.as_str()))
                })
                .collect();
            match named[..] {
                [gpu] if gpu.parent.is_some() => Ok(gpu),
                [gpu] => Err(Missing::new(
                    format!(
                        "{uuid} ({}) is no MIG device{}",
                        gpu.name,
                        gpu.mode.map_or(String::new(), |mode| format!(": {}", what(mode)))
                    ),
                    match gpu.index {
                        Some(index) => format!("-b {}:{index} runs on it", word(gpu)),
                        None => "`facebench devices` shows what this machine has".to_owned(),
                    },
                )),
                [] => Err(Missing::new(
                    format!("there is no MIG device {uuid}"),
                    match mig_words(found) {
                        none if none.is_empty() => {
                            "this machine has no MIG device: `facebench devices` lists its GPUs".to_owned()
                        }
                        words => format!("there are: {words}"),
                    },
                )),
                _ => Err(Missing::new(
                    format!("several devices begin with {uuid}"),
                    format!("name one in full: {}", mig_words(found)),
                )),
            }
        }
    }
}

/// The `index`-th board or vGPU, in the order of `CUDA_VISIBLE_DEVICES` where that is set.
fn board<'a>(index: usize, found: &'a Gpus, visible: Option<&str>) -> Result<&'a Gpu, Missing> {
    let boards: Vec<&Gpu> = found
        .gpus
        .iter()
        .filter(|gpu| gpu.parent.is_none() && gpu.uuid.is_some())
        .collect();
    let seen: Vec<&Gpu> = match visible {
        None => boards.clone(),
        Some(list) => list
            .split(',')
            .map(str::trim)
            .map_while(|name| {
                // CUDA itself stops at the first name that it does not know.
                boards
                    .iter()
                    .find(|gpu| match name.parse::<u32>() {
                        Ok(index) => gpu.index == Some(index),
                        Err(_) => {
                            !name.is_empty() && gpu.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(name))
                        }
                    })
                    .copied()
            })
            .collect(),
    };
    seen.get(index).copied().ok_or_else(|| {
        let list: Vec<String> = seen
            .iter()
            .enumerate()
            .map(|(number, gpu)| format!("{} ({number})", gpu.name))
            .collect();
        let hint = visible.map_or(String::new(), |list| format!(" ({VISIBLE} is \"{list}\")"));
        Missing::new(
            format!("there is no GPU {index}{hint}"),
            if let Some(name) = visible.filter(|list| list.starts_with("MIG-")) {
                let name = name.split(',').next().unwrap_or(name);
                format!(
                    "what it names is a MIG device: -b {}:{name}",
                    word_for(DeviceArgument::Mig)
                )
            } else if list.is_empty() {
                format!("let this process see one: {VISIBLE} hides all of them")
            } else {
                format!("there are: {}", list.join(", "))
            },
        )
    })
}

/// The word with which an arm names a device.
pub(super) fn word(gpu: &Gpu) -> &'static str {
    word_for(match gpu.mode {
        Some(mode) if mode.is_vgpu() => DeviceArgument::Vgpu,
        _ => DeviceArgument::Gpu,
    })
}

/// The word of the backend that names devices in this way.
fn word_for(device: DeviceArgument) -> &'static str {
    BackendDescriptor::for_gpu(device).map_or("BACKEND", |backend| backend.word)
}

fn mig_words(found: &Gpus) -> String {
    let words: Vec<String> = found
        .gpus
        .iter()
        .filter(|gpu| gpu.parent.is_some())
        .filter_map(|gpu| {
            Some(format!(
                "-b {}:{}",
                word_for(DeviceArgument::Mig),
                gpu.uuid.as_deref()?
            ))
        })
        .collect();
    words.join(", ")
}

fn what(mode: GpuMode) -> &'static str {
    match mode {
        GpuMode::Physical => "it is the board itself",
        GpuMode::Passthrough => "it is a whole board, passed through to this virtual machine",
        GpuMode::Vgpu => "it is a vGPU",
        GpuMode::Mig => "it is a MIG device",
        GpuMode::MigVgpu => "it is a vGPU on a MIG device",
        GpuMode::VgpuHost => "this machine hands out vGPUs of it to others",
    }
}

/// The device for people: `NVIDIA A100-10C (vGPU, A100-10C)`.
pub(super) fn title(gpu: &Gpu) -> String {
    let facts = [gpu.mode.map(|mode| mode.name().to_owned()), gpu.profile.clone()];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    if facts.is_empty() {
        gpu.name.clone()
    } else {
        format!("{} ({})", gpu.name, facts.join(", "))
    }
}

/// The flavours of ONNX Runtime that can compute on `gpu`, the best first: CUDA 13 where driver and device know it. A
/// device that reports neither is taken for a new one.
pub(super) fn flavors(gpu: &Gpu) -> Vec<Flavor> {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    let driver = number(&gpu.cuda_driver).is_none_or(|version| version >= 13.0);
    let device = number(&gpu.compute_capability).is_none_or(|capability| capability >= CUDA13_CAPABILITY);
    if driver && device {
        vec![Flavor::Cuda13, Flavor::Cuda12]
    } else {
        vec![Flavor::Cuda12]
    }
}

/// What a worker's environment must have so that it sees this device alone, under number 0.
pub(super) fn environment(gpu: &Gpu) -> Vec<(String, String)> {
    let visible = gpu.uuid.iter().map(|uuid| (VISIBLE.to_owned(), uuid.clone()));
    visible
        .chain([("CUDA_DEVICE_ORDER".to_owned(), "PCI_BUS_ID".to_owned())])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, name: &str, mode: GpuMode) -> Gpu {
        Gpu {
            uuid: Some(format!("GPU-{index}")),
            name: name.to_owned(),
            index: Some(index),
            mode: Some(mode),
            ..Gpu::default()
        }
    }

    fn machine() -> Gpus {
        let board = Gpu {
            mig_enabled: Some(true),
            ..gpu(2, "NVIDIA A100", GpuMode::Physical)
        };
        let part = Gpu {
            uuid: Some("MIG-7".to_owned()),
            parent: Some("GPU-2".to_owned()),
            mode: Some(GpuMode::Mig),
            profile: Some("1g.10gb".to_owned()),
            index: Some(0),
            ..gpu(2, "NVIDIA A100 MIG 1g.10gb", GpuMode::Mig)
        };
        Gpus {
            gpus: vec![
                gpu(0, "NVIDIA L4", GpuMode::Passthrough),
                gpu(1, "NVIDIA A100-10C", GpuMode::Vgpu),
                board,
                part,
            ],
            reason: None,
            fix: None,
        }
    }

    fn answer(spec: &str, visible: Option<&str>) -> String {
        let spec: crate::runtime::spec::BackendSpec = spec.parse().unwrap();
        match find(&spec.gpu().unwrap(), &machine(), visible) {
            Ok(gpu) => format!("{} {}", gpu.uuid.as_deref().unwrap(), title(gpu)),
            Err(missing) => format!("{}\n{}", missing.reason, missing.fix),
        }
    }

    #[test]
    fn each_word_finds_its_device_or_says_which_word_fits() {
        insta::assert_snapshot!(answer("cuda", None), @"GPU-0 NVIDIA L4 (passthrough)");
        insta::assert_snapshot!(answer("cuda:2", None), @r"
GPU 2 (NVIDIA A100) is divided into MIG devices and computes by these alone
name one of them: -b mig:MIG-7
");
        insta::assert_snapshot!(answer("cuda:7", None), @r"
there is no GPU 7
there are: NVIDIA L4 (0), NVIDIA A100-10C (1), NVIDIA A100 (2)
");
        insta::assert_snapshot!(answer("vgpu:1", None), @"GPU-1 NVIDIA A100-10C (vGPU)");
        insta::assert_snapshot!(answer("vgpu", None), @r"
GPU 0 (NVIDIA L4) is no vGPU: it is a whole board, passed through to this virtual machine
-b cuda:0 runs on it
");
        insta::assert_snapshot!(answer("mig:MIG-7", None), @"MIG-7 NVIDIA A100 MIG 1g.10gb (MIG, 1g.10gb)");
        insta::assert_snapshot!(answer("mig:MIG-8", None), @r"
there is no MIG device MIG-8
there are: -b mig:MIG-7
");
        insta::assert_snapshot!(answer("mig:GPU-1", None), @r"
GPU-1 (NVIDIA A100-10C) is no MIG device: it is a vGPU
-b vgpu:1 runs on it
");
    }

    #[test]
    fn what_cuda_may_see_counts_from_0() {
        assert!(answer("cuda:0", Some("1")).starts_with("GPU-1 "));
        assert!(answer("cuda:1", Some("GPU-1,GPU-0")).starts_with("GPU-0 "));
        insta::assert_snapshot!(answer("cuda:1", Some("0,9,1")), @r#"
there is no GPU 1 (CUDA_VISIBLE_DEVICES is "0,9,1")
there are: NVIDIA L4 (0)
"#);
        insta::assert_snapshot!(answer("cuda", Some("")), @r#"
there is no GPU 0 (CUDA_VISIBLE_DEVICES is "")
let this process see one: CUDA_VISIBLE_DEVICES hides all of them
"#);
    }

    #[test]
    fn old_devices_and_drivers_get_cuda_12() {
        let of = |driver: Option<&str>, capability: Option<&str>| {
            flavors(&Gpu {
                cuda_driver: driver.map(str::to_owned),
                compute_capability: capability.map(str::to_owned),
                ..Gpu::default()
            })[0]
        };
        assert_eq!(of(Some("13.0"), Some("9.0")), Flavor::Cuda13);
        assert_eq!(of(Some("13.0"), Some("7.0")), Flavor::Cuda12, "a V100");
        assert_eq!(of(Some("12.4"), Some("9.0")), Flavor::Cuda12);
        assert_eq!(of(None, None), Flavor::Cuda13);
    }
}
