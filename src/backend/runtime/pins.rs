//! Which wheels facebench installs: one row a flavour, one wheel a processor architecture.

use std::env::consts;

use super::Fault;

/// A build of ONNX Runtime; each has its own wheel, and a process can load one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// The plain build: the CPU provider.
    Cpu,
}

struct Pin {
    name: &'static str,
    version: &'static str,
    /// What `pip install -r` reads: the release and the hashes of its wheels.
    requirements: &'static str,
    wheels: &'static [Wheel],
}

/// One file of a release.
#[derive(Debug)]
pub(super) struct Wheel {
    pub(super) arch: &'static str,
    pub(super) platform: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: &'static str,
}

const CPU: Pin = Pin {
    name: "cpu",
    version: "1.32.0",
    requirements: include_str!("../../../scripts/runtimes/cpu.txt"),
    wheels: &[
        Wheel {
            arch: "x86_64",
            platform: "manylinux_2_28_x86_64",
            bytes: 27_773_237,
            sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
        },
        Wheel {
            arch: "aarch64",
            platform: "manylinux_2_28_aarch64",
            bytes: 23_195_070,
            sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
        },
    ],
};

impl Flavor {
    /// Every flavour, in the order in which they are shown.
    pub const ALL: &[Self] = &[Self::Cpu];

    const fn pin(self) -> &'static Pin {
        match self {
            Self::Cpu => &CPU,
        }
    }

    /// The word for it in `facebench setup`, in folders and in records.
    pub const fn name(self) -> &'static str {
        self.pin().name
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
            let requirements = flavor.requirements();
            assert!(requirements.contains(&format!("=={} ", flavor.version())));
            let hashes: Vec<_> = requirements
                .split_whitespace()
                .filter_map(|word| word.strip_prefix("--hash=sha256:"))
                .collect();
            let wheels: Vec<_> = flavor.pin().wheels.iter().map(|w| w.sha256).collect();
            assert_eq!(hashes, wheels, "{}", flavor.name());
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
