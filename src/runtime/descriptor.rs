//! What facebench must know about a backend: one [`BackendDescriptor`] each, a row of [`super::table::BACKENDS`].

use super::{Runtime, onnxruntime::ExecutionProvider, options::DataPath, spec::GpuWanted};

/// One backend: what it is, what its SPEC accepts, and what runs it.
#[derive(Debug, Clone, Copy)]
pub struct BackendDescriptor {
    /// The word on the command line and in records.
    pub word: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// What may follow the word.
    pub device: DeviceArgument,
    /// The options that it accepts after commas.
    pub options: &'static [&'static str],
    /// How photos get to its networks unless the SPEC has `path`; [`DataPath::Device`] for what runs on a device of its own.
    pub data_path: DataPath,
    /// What runs its networks.
    pub engine: Engine,
}

/// What may follow a backend's word after a colon, and with it the device that a SPEC names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceArgument {
    /// Nothing: there is one device.
    None,
    /// A name that the runtime knows, such as `openvino:GPU`; the runtime's default where it is left out.
    Name,
    /// The number of one of NVIDIA's GPUs, such as `cuda:1`; 0 where it is left out.
    Gpu,
    /// The number of a GPU that must be a vGPU; 0 where it is left out.
    Vgpu,
    /// The UUID of a MIG instance, such as `mig:MIG-1234`; it must be given.
    Mig,
    /// The path of a program, such as `peer:./bridge`; it must be given.
    Program,
}

/// What runs a backend's networks, and how it comes into the process.
#[derive(Debug, Clone, Copy)]
pub enum Engine {
    /// ONNX Runtime, a library that is loaded at run time, with this execution provider.
    OnnxRuntime(&'static dyn ExecutionProvider),
    /// A runtime that is linked into the program.
    Linked(LinkedRuntime),
    /// Another program, which does all of a worker's work.
    Peer,
    /// Nothing: there are no networks.
    Null,
}

/// A runtime that is linked into the program, by a Cargo feature of the backend's name.
#[derive(Debug, Clone, Copy)]
pub struct LinkedRuntime {
    /// Makes it, for the processor of this name; `None` where the program was built without it.
    pub open: Option<fn(String) -> Box<dyn Runtime>>,
    /// What building it needs.
    pub needs: &'static str,
    /// Whether all streams of a process share one pool of threads, which one of them at a time can use.
    pub shares_threads: bool,
}

impl BackendDescriptor {
    /// Whether it accepts this option.
    pub fn takes(&self, option: &str) -> bool {
        self.options.contains(&option)
    }

    /// Whether this program can run it at all.
    pub fn is_built(&self) -> bool {
        self.linked().is_none_or(|linked| linked.open.is_some())
    }

    /// Whether it runs on a device of its own, and not in another way on the processor.
    pub fn is_accelerator(&self) -> bool {
        self.data_path == DataPath::Device
    }

    /// ONNX Runtime's execution provider; `None` where it runs on something else.
    pub fn provider(&self) -> Option<&'static dyn ExecutionProvider> {
        match self.engine {
            Engine::OnnxRuntime(provider) => Some(provider),
            _ => None,
        }
    }

    /// The runtime that is linked into the program; `None` where it runs on something else.
    pub fn linked(&self) -> Option<LinkedRuntime> {
        match self.engine {
            Engine::Linked(linked) => Some(linked),
            _ => None,
        }
    }

    /// Whether all streams of a process share one pool of threads, which one of them at a time can use.
    pub fn shares_threads(&self) -> bool {
        self.linked().is_some_and(|linked| linked.shares_threads)
    }
}

impl DeviceArgument {
    /// Checks what followed `word`; the error is what is expected.
    pub(super) fn check(self, word: &str, given: Option<&str>) -> Result<(), String> {
        match (self, given) {
            (Self::None, Some(device)) => Err(format!("takes no device, but \":{device}\" was given")),
            (Self::Gpu | Self::Vgpu, Some(device)) if device.parse::<u32>().is_err() => Err(format!(
                "expected a device number, such as {word}:0, not \"{device}\""
            )),
            (Self::Mig, None) => Err(format!("expected a device, such as {word}:UUID")),
            (Self::Program, None) => Err(format!("expected a program, such as {word}:./bridge")),
            (_, Some("")) => Err("nothing follows the colon".to_owned()),
            _ => Ok(()),
        }
    }

    /// The GPU that `device` names; `None` where it is none of NVIDIA's.
    pub(super) fn gpu(self, device: Option<&str>) -> Option<GpuWanted> {
        let index = || device.and_then(|device| device.parse().ok()).unwrap_or(0);
        match self {
            Self::Gpu => Some(GpuWanted::Any(index())),
            Self::Vgpu => Some(GpuWanted::Vgpu(index())),
            Self::Mig => Some(GpuWanted::Mig(device.unwrap_or_default().to_owned())),
            Self::None | Self::Name | Self::Program => None,
        }
    }
}
