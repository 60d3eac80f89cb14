//! Which wheels facebench installs: one row a flavour, one wheel a processor architecture.

use std::env::consts;

use super::Fault;

/// A build of ONNX Runtime; each has its own wheel, and a process can load one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// The plain build: the CPU provider.
    Cpu,
    /// The build for NVIDIA GPUs with CUDA 13 and NVIDIA's libraries: the CUDA and TensorRT providers.
    Cuda13,
    /// The same for CUDA 12: older drivers, and devices that CUDA 13 has dropped.
    Cuda12,
    /// The build with Intel's `OpenVINO` provider.
    OpenVino,
}

struct Pin {
    name: &'static str,
    title: &'static str,
    version: &'static str,
    /// What `pip install -r` reads: the release and the hashes of its wheels.
    requirements: &'static str,
    wheels: &'static [Wheel],
}

/// A release for one architecture: ONNX Runtime's own wheel, and what comes with it.
#[derive(Debug)]
pub(super) struct Wheel {
    pub(super) arch: &'static str,
    /// pip's tags of platforms that the wheels may be for.
    pub(super) platforms: &'static [&'static str],
    /// Of all wheels together.
    pub(super) bytes: u64,
    /// Of ONNX Runtime's own wheel.
    pub(super) sha256: &'static str,
}

/// NVIDIA tags each of its wheels with the oldest system that it runs on.
const NVIDIA_PLATFORMS: &[&str] = &[
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
];

const CPU: Pin = Pin {
    name: "cpu",
    title: "ONNX Runtime",
    version: "1.32.0",
    requirements: include_str!("../../../scripts/runtimes/cpu.txt"),
    wheels: &[
        Wheel {
            arch: "x86_64",
            platforms: &["manylinux_2_28_x86_64"],
            bytes: 27_773_237,
            sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
        },
        Wheel {
            arch: "aarch64",
            platforms: &["manylinux_2_28_aarch64"],
            bytes: 23_195_070,
            sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
        },
    ],
};

const CUDA13: Pin = Pin {
    name: "cuda13",
    title: "ONNX Runtime for CUDA 13",
    version: "1.31.1",
    requirements: include_str!("../../../scripts/runtimes/cuda13.txt"),
    wheels: &[Wheel {
        arch: "x86_64",
        platforms: NVIDIA_PLATFORMS,
        bytes: 1_434_544_827,
        sha256: "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
    }],
};

const CUDA12: Pin = Pin {
    name: "cuda12",
    title: "ONNX Runtime for CUDA 12",
    version: "1.25.1",
    requirements: include_str!("../../../scripts/runtimes/cuda12.txt"),
    wheels: &[Wheel {
        arch: "x86_64",
        platforms: NVIDIA_PLATFORMS,
        bytes: 1_957_339_133,
        sha256: "fcdd93f7a74659e08137b5d9c705390e57b37ac86e6956ec0d7ccd81001afe0c",
    }],
};

const OPENVINO: Pin = Pin {
    name: "openvino",
    title: "ONNX Runtime with OpenVINO",
    version: "1.24.1",
    requirements: include_str!("../../../scripts/runtimes/openvino.txt"),
    wheels: &[Wheel {
        arch: "x86_64",
        platforms: &["manylinux_2_28_x86_64"],
        bytes: 84_430_935,
        sha256: "3007c803634cc69c6d52af1dea7ce729d9bb62b9a11070fd2f959119199007a8",
    }],
};

impl Flavor {
    /// Every flavour, in the order in which they are shown.
    pub const ALL: &[Self] = &[Self::Cpu, Self::Cuda13, Self::Cuda12, Self::OpenVino];

    const fn pin(self) -> &'static Pin {
        match self {
            Self::Cpu => &CPU,
            Self::Cuda13 => &CUDA13,
            Self::Cuda12 => &CUDA12,
            Self::OpenVino => &OPENVINO,
        }
    }

    /// The word for it in `facebench setup`, in folders and in records.
    pub const fn name(self) -> &'static str {
        self.pin().name
    }

    /// What it is, for people.
    pub const fn title(self) -> &'static str {
        self.pin().title
    }

    /// The pinned release.
    pub const fn version(self) -> &'static str {
        self.pin().version
    }

    /// How much an installation downloads on this machine; `None` where there is no wheel for it.
    pub fn download_bytes(self) -> Option<u64> {
        self.wheel().ok().map(|wheel| wheel.bytes)
    }

    pub(super) const fn requirements(self) -> &'static str {
        self.pin().requirements
    }

    /// The wheel for this machine.
    pub(super) fn wheel(self) -> Result<&'static Wheel, Fault> {
        self.wheel_for(consts::OS, consts::ARCH)
    }

    fn wheel_for(self, os: &'static str, arch: &'static str) -> Result<&'static Wheel, Fault> {
        let wheel = self.pin().wheels.iter().find(|wheel| wheel.arch == arch);
        wheel
            .filter(|_| os == "linux")
            .ok_or(Fault::UnsupportedPlatform { os, arch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_name_the_release_and_exactly_the_hashes_of_its_wheels() {
        for flavor in Flavor::ALL {
            let requirements = flavor.requirements().replace("\\\n", "");
            assert!(requirements.contains(&format!("=={} ", flavor.version())));
            let runtime = requirements.lines().find(|line| line.starts_with("onnxruntime"));
            let hashes: Vec<_> = runtime
                .unwrap()
                .split_whitespace()
                .filter_map(|word| word.strip_prefix("--hash=sha256:"))
                .collect();
            let wheels: Vec<_> = flavor.pin().wheels.iter().map(|w| w.sha256).collect();
            assert_eq!(hashes, wheels, "{}", flavor.name());
            for line in requirements.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.contains(" --hash=sha256:"), "{line}");
            }
        }
    }

    #[test]
    fn only_linux_on_x86_64_and_aarch64_has_wheels() {
        assert_eq!(
            Flavor::Cpu.wheel_for("linux", "aarch64").unwrap().bytes,
            23_195_070
        );
        for (os, arch) in [("macos", "aarch64"), ("linux", "riscv64")] {
            let fault = Flavor::Cpu.wheel_for(os, arch).unwrap_err();
            assert_eq!(
                fault.to_string(),
                format!("there is no pinned ONNX Runtime for {os} on {arch}")
            );
        }
    }
}
