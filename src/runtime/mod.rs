//! Where a network runs: a runtime, an execution provider, a device. Knows tensors and files, and no face.
//!
//! A new backend is one file here (a [`Runtime`] and its [`Session`], or an execution provider of ONNX Runtime) and one
//! row in [`table::BACKENDS`].

#[cfg(any(feature = "opencv", feature = "tract"))]
mod by_shape;
pub mod descriptor;
pub mod install;
pub mod null;
pub mod onnx;
pub mod onnxruntime;
#[cfg(feature = "opencv")]
pub mod opencv;
pub mod options;
pub mod profile;
pub mod spec;
pub mod table;
#[cfg(feature = "tract")]
pub mod tract;
pub mod values;

use std::path::{Path, PathBuf};

use ndarray::{ArrayView4, ArrayViewD};
use thiserror::Error;

use crate::text::ShownPath;

pub use self::{
    descriptor::{BackendDescriptor, DeviceArgument, Engine},
    onnx::{DynamicAxis, FileError, NetworkFile, OwnNormalization, Scaling},
    options::DataPath,
    profile::Profile,
};

/// Longest side of a network's input, pixels. The largest that is in use has 2048.
pub const MOST_SIDE: usize = 8192;

/// Most pictures in a batch that a graph may fix.
pub const MOST_BATCH: usize = 1024;

/// Something that can load networks: one runtime with one execution provider on one device.
pub trait Runtime: Send + Sync {
    /// Loads the ONNX file `network`. Sessions of one backend may run at the same time, each in its own thread.
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError>;

    /// What runs here, for the record.
    fn identity(&self) -> &Identity;
}

/// One loaded network.
pub trait Session: Send {
    /// Names and shapes as the graph declares them.
    fn signature(&self) -> &Signature;

    /// Runs the network on `input` (batch x channels x height x width) and lets `read` see the outputs in the
    /// graph's order before they are taken back.
    fn run(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError>;

    /// Whether the session was loaded to read bytes (batch x height x width x 3), by [`Session::run_bytes`].
    fn reads_bytes(&self) -> bool {
        false
    }

    /// Runs the network on bytes that it normalises itself; only where [`Session::reads_bytes`].
    fn run_bytes(
        &mut self,
        _input: ArrayView4<'_, u8>,
        _read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        Err(RuntimeError::Run {
            reason: "this runtime reads no bytes".to_owned(),
        })
    }

    /// Whether inputs and outputs lie in page-locked memory; `None` where nothing is copied to a device.
    fn is_pinned(&self) -> Option<bool> {
        None
    }

    /// Ends profiling; answers where the nodes ran; `None` where the session was loaded without profiling or the
    /// runtime has none.
    fn finish_profile(&mut self) -> Result<Option<Profile>, RuntimeError> {
        Ok(None)
    }
}

/// One output tensor of a run.
pub struct Output<'a> {
    /// The output's name in the graph.
    pub name: &'a str,
    /// Its numbers, in the shape of this run.
    pub values: ArrayViewD<'a, f32>,
}

/// How a session is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct SessionSettings {
    /// Threads that one run may use; 0 leaves it to the runtime.
    pub threads: usize,
    /// Where to write a profile of every node, for the placement check; never set while measuring.
    pub profile: Option<PathBuf>,
    /// How photos get to the network.
    pub path: DataPath,
    /// How the network is to normalise bytes itself, where the runtime can have it do so; `None` to give it floats.
    pub bytes: Option<Scaling>,
    /// An axis of the input to make dynamic where the file fixes it, if the runtime and the graph allow it.
    pub dynamic_axis: Option<DynamicAxis>,
    /// The largest batch that will be run; 0 where nothing is known.
    pub batch: usize,
    /// Width and height of the input where the graph has them dynamic.
    pub canvas: Option<(usize, usize)>,
}

/// What a graph declares: its inputs and outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// The graph's inputs.
    pub inputs: Vec<TensorInfo>,
    /// The graph's outputs.
    pub outputs: Vec<TensorInfo>,
}

impl Signature {
    /// Checks that the graph of the file `network` reads one float tensor of four dimensions, as [`Session::run`] gives it,
    /// no larger than [`MOST_SIDE`].
    pub fn reads_planes(&self, network: &Path) -> Result<(), RuntimeError> {
        let [
            TensorInfo {
                shape, is_f32: true, ..
            },
        ] = self.inputs.as_slice()
        else {
            return Err(RuntimeError::Input {
                network: network.to_path_buf(),
                found: self.shown_inputs(),
            });
        };
        let fits =
            |length: &Option<usize>, most: usize| length.is_none_or(|length| (1..=most).contains(&length));
        match shape.as_slice() {
            [batch, _, height, width]
                if fits(batch, MOST_BATCH) && fits(height, MOST_SIDE) && fits(width, MOST_SIDE) =>
            {
                Ok(())
            }
            [_, _, _, _] => Err(RuntimeError::InputSize {
                network: network.to_path_buf(),
                found: self.shown_inputs(),
            }),
            _ => Err(RuntimeError::Input {
                network: network.to_path_buf(),
                found: self.shown_inputs(),
            }),
        }
    }

    /// Checks that the planes which the graph of the file `network` reads are those of colours: three.
    pub fn reads_colours(&self, network: &Path) -> Result<(), RuntimeError> {
        match self.inputs.first().map(|input| input.shape.as_slice()) {
            Some([_, None | Some(3), _, _]) => Ok(()),
            _ => Err(RuntimeError::Input {
                network: network.to_path_buf(),
                found: self.shown_inputs(),
            }),
        }
    }

    fn shown_inputs(&self) -> String {
        let inputs: Vec<_> = self.inputs.iter().map(ToString::to_string).collect();
        inputs.join(", ")
    }

    /// The shape of the first input, where it has four dimensions and all of them are fixed.
    #[cfg(any(feature = "opencv", feature = "tract"))]
    fn fixed_shape(&self) -> Option<[usize; 4]> {
        let dimensions: Vec<usize> = self
            .inputs
            .first()?
            .shape
            .iter()
            .copied()
            .collect::<Option<_>>()?;
        dimensions.try_into().ok()
    }
}

/// One declared tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the graph.
    pub name: String,
    /// Its dimensions; `None` where one is dynamic.
    pub shape: Vec<Option<usize>>,
    /// Whether it holds 32-bit floats.
    pub is_f32: bool,
}

impl std::fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dimensions: Vec<_> = self
            .shape
            .iter()
            .map(|s| s.map_or("?".into(), |s| s.to_string()))
            .collect();
        write!(f, "{}[{}]", self.name, dimensions.join("x"))
    }
}

/// What runs: written into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The runtime's name, as its makers write it.
    pub runtime: &'static str,
    /// The runtime's own version.
    pub version: String,
    /// The execution provider, as the runtime names it.
    pub provider: &'static str,
    /// The device, as a person would name it.
    pub device: String,
    /// The options of the execution provider that are in force.
    pub options: Vec<(&'static str, String)>,
}

/// Why a network could not be loaded or run.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The runtime's library could not be opened.
    #[error("cannot load the ONNX Runtime library {}: {reason}", path.shown())]
    Library {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// The file is no network that this runtime can load.
    #[error("{}: not a network that {runtime} can load: {reason}", network.shown())]
    Load {
        /// The ONNX file.
        network: PathBuf,
        /// The runtime's name.
        runtime: &'static str,
        /// The runtime's words.
        reason: String,
    },
    /// The network does not read one float tensor of four dimensions.
    #[error("{}: expected one input of 32-bit floats, batch x 3 x height x width; the network reads {found}", network.shown())]
    Input {
        /// The ONNX file.
        network: PathBuf,
        /// The declared inputs.
        found: String,
    },
    /// The input that the network declares is of no size that can be fed.
    #[error("{}: its graph reads {found}: width and height must be from 1 to {MOST_SIDE} pixels and a fixed batch from 1 to {MOST_BATCH}; export the network again, with a dynamic or a usual size", network.shown())]
    InputSize {
        /// The ONNX file.
        network: PathBuf,
        /// The declared inputs.
        found: String,
    },
    /// A run failed.
    #[error("the network failed while running: {reason}")]
    Run {
        /// The runtime's words.
        reason: String,
    },
    /// A profile could not be read.
    #[error("the runtime's profile {} cannot be read: {reason}", path.shown())]
    Profile {
        /// The profile.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
