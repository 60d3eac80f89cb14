//! `OpenCV`'s DNN module behind the [`Backend`] trait: `cv::dnn` of the system's `OpenCV` 4, on the processor.
//!
//! `OpenCV` keeps one number of threads a process, and one run at a time can use them: see
//! `docs/design/0013-linked-runtimes.md`.

use std::path::Path;

use ndarray::{ArrayView4, ArrayViewD, IxDyn};
use opencv::{
    core::{
        Mat, MatTraitConst, MatTraitConstManual, Vector, VectorToVec, get_version_string, set_num_threads,
    },
    dnn::{DNN_BACKEND_OPENCV, DNN_TARGET_CPU, Net, NetTrait, read_net_from_onnx},
};

use super::{Backend, BackendError, Identity, Output, Session, SessionSettings, Signature, onnx::signature};

const RUNTIME: &str = "OpenCV DNN";

/// `OpenCV`'s DNN module with its own kernels on the processor. Whoever loads a network sets the threads of the whole
/// process: sessions that live at the same time must ask for the same number.
pub struct OpenCv {
    identity: Identity,
}

impl OpenCv {
    /// The linked `OpenCV` on the processor called `device`.
    pub fn cpu(device: String) -> Self {
        let identity = Identity {
            runtime: RUNTIME,
            version: get_version_string().unwrap_or_else(|_| "unknown".to_owned()),
            provider: "OpenCV CPU target",
            device,
            options: Vec::new(),
        };
        Self { identity }
    }
}

impl Backend for OpenCv {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, BackendError> {
        let failed = |reason: String| BackendError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason,
        };
        let signature = signature::read(network).map_err(failed)?;
        signature.reads_pictures(network)?;
        let net = open(network, settings.threads).map_err(|error| failed(words(&error)))?;
        Ok(Box::new(OpenCvSession {
            network: network.display().to_string(),
            net,
            names: signature
                .outputs
                .iter()
                .map(|output| output.name.as_str())
                .collect(),
            outputs: Vector::new(),
            signature,
        }))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

fn open(network: &Path, threads: usize) -> opencv::Result<Net> {
    // A negative number restores OpenCV's own choice.
    set_num_threads(i32::try_from(threads).ok().filter(|n| *n > 0).unwrap_or(-1))?;
    let mut net = read_net_from_onnx(network)?;
    // Said in full, so that no other way of running it can be chosen by how OpenCV was built.
    net.set_preferable_backend(DNN_BACKEND_OPENCV)?;
    net.set_preferable_target(DNN_TARGET_CPU)?;
    Ok(net)
}

/// `OpenCV`'s messages quote source positions and whole nodes over several lines; the last line says why.
fn words(error: &opencv::Error) -> String {
    error.message.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct OpenCvSession {
    network: String,
    net: Net,
    signature: Signature,
    names: Vector<String>,
    outputs: Vector<Mat>,
}

impl OpenCvSession {
    fn forward(&mut self, input: &ArrayView4<'_, f32>) -> Result<Vec<Mat>, String> {
        let values = input.as_slice().ok_or("the input tensor is not contiguous")?;
        let sides: Vec<i32> = input
            .shape()
            .iter()
            .map(|side| i32::try_from(*side))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let mut forward = || -> opencv::Result<()> {
            // The net keeps a copy of its own.
            let blob = Mat::new_nd_with_data(&sides, values)?;
            self.net.set_input_def(&blob)?;
            self.net.forward(&mut self.outputs, &self.names)
        };
        forward().map_err(|error| words(&error))?;
        Ok(self.outputs.to_vec())
    }
}

fn view(mat: &Mat) -> opencv::Result<ArrayViewD<'_, f32>> {
    let sides: Vec<usize> = mat.mat_size().iter().map(|side| *side as usize).collect();
    ArrayViewD::from_shape(IxDyn(&sides), mat.data_typed::<f32>()?)
        .map_err(|error| opencv::Error::new(opencv::core::StsUnmatchedSizes, error.to_string()))
}

impl Session for OpenCvSession {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), BackendError> {
        let mats = self.forward(&input).map_err(|reason| BackendError::Run {
            reason: format!("{}: {RUNTIME}: {reason}", self.network),
        })?;
        let outputs = self
            .signature
            .outputs
            .iter()
            .zip(&mats)
            .map(|(info, mat)| {
                Ok(Output {
                    name: &info.name,
                    values: view(mat)?,
                })
            })
            .collect::<opencv::Result<Vec<_>>>()
            .map_err(|error| BackendError::Run {
                reason: format!("{}: {RUNTIME}: {}", self.network, words(&error)),
            })?;
        read(&outputs);
        Ok(())
    }
}
