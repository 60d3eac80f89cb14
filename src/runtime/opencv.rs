//! `OpenCV`'s DNN module behind the [`Runtime`] trait: `cv::dnn` of the system's `OpenCV` 4, on the processor.
//!
//! `OpenCV` keeps one number of threads a process, and one run at a time can use them: see
//! `docs/design/README.md`.

use std::path::{Path, PathBuf};

use ndarray::{ArrayView4, ArrayViewD, IxDyn};
use opencv::{
    core::{
        Mat, MatTraitConst, MatTraitConstManual, Vector, VectorToVec, get_version_string, set_num_threads,
    },
    dnn::{DNN_BACKEND_OPENCV, DNN_TARGET_CPU, Net, NetTrait, read_net_from_onnx_buffer},
};

use super::{
    Identity, Output, Runtime, RuntimeError, Session, SessionSettings, Signature,
    by_shape::{ByShape, for_input},
    onnx::{self, shape, signature},
};
use crate::text::ShownPath;

const RUNTIME: &str = "OpenCV DNN";

/// `OpenCV`'s DNN module with its own kernels on the processor. Loading a network sets the threads of the whole
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

    /// The same, for the table of backends.
    pub(super) fn boxed(device: String) -> Box<dyn Runtime> {
        Box::new(Self::cpu(device))
    }
}

impl Runtime for OpenCv {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError> {
        let failed = |reason: String| RuntimeError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason,
        };
        let signature = signature::read(network).map_err(failed)?;
        signature.reads_planes(network)?;
        without_external(network).map_err(failed)?;
        // A negative number restores OpenCV's own choice.
        let threads = i32::try_from(settings.threads).ok().filter(|n| *n > 0);
        set_num_threads(threads.unwrap_or(-1)).map_err(|error| failed(words(&error)))?;
        let mut session = OpenCvSession {
            network: network.to_path_buf(),
            nets: ByShape::new(),
            names: signature
                .outputs
                .iter()
                .map(|output| output.name.as_str())
                .collect(),
            signature,
        };
        // A graph that OpenCV cannot import is reported now, if its dimensions are known.
        if let Some(shape) = session.signature.fixed_shape() {
            net(&mut session.nets, network, &session.signature, shape)?;
        }
        Ok(Box::new(session))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// OpenCV imports from memory, and sees no file beside: weights that lie there would be missing.
fn without_external(network: &Path) -> Result<(), String> {
    let model = std::fs::read(network).map_err(|error| error.to_string())?;
    let external = onnx::external_files(network, &model).map_err(|error| error.to_string())?;
    match external.first() {
        None => Ok(()),
        Some(file) => Err(format!(
            "its weights lie in another file ({}), which OpenCV does not read; save the network in one file, or use another \
             backend",
            file.shown()
        )),
    }
}

/// Imports the model in `bytes`.
fn import(bytes: &[u8]) -> opencv::Result<Net> {
    let mut net = read_net_from_onnx_buffer(&Vector::from_slice(bytes))?;
    // Stated in full, so that no other way of running it can be chosen by how OpenCV was built.
    net.set_preferable_backend(DNN_BACKEND_OPENCV)?;
    net.set_preferable_target(DNN_TARGET_CPU)?;
    Ok(net)
}

/// `OpenCV`'s message without what only its makers can read: source positions, functions, signs of quotation.
fn words(error: &opencv::Error) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside_function = false;
    for word in error.message.split_whitespace() {
        match word {
            ">" => {}
            // `OpenCV(4.6.0) ./modules/dnn/src/file.cpp:10: error: (-2:Unspecified error) in function 'name'`
            "error:" => match kept.iter().rposition(|word| word.starts_with("OpenCV(")) {
                Some(start) => kept.truncate(start),
                None => kept.push(word),
            },
            "function" if kept.last() == Some(&"in") => {
                kept.pop();
                inside_function = true;
            }
            word if inside_function => inside_function = !word.ends_with('\''),
            word => kept.push(word),
        }
    }
    kept.join(" ")
}

struct OpenCvSession {
    network: PathBuf,
    /// OpenCV's importer wants every dimension of the input: a net for each shape.
    nets: ByShape<Net>,
    signature: Signature,
    names: Vector<String>,
}

impl OpenCvSession {
    fn failed(&self, reason: &str) -> RuntimeError {
        RuntimeError::Run {
            reason: format!("{}: {RUNTIME}: {reason}", self.network.shown()),
        }
    }

    fn forward(&mut self, input: &ArrayView4<'_, f32>) -> Result<Vector<Mat>, RuntimeError> {
        let values = input
            .as_slice()
            .ok_or_else(|| self.failed("the input tensor is not contiguous"))?;
        let (batch, channels, height, width) = input.dim();
        let net = net(
            &mut self.nets,
            &self.network,
            &self.signature,
            [batch, channels, height, width],
        )?;
        let mut outputs = Vector::new();
        let mut forward = || -> opencv::Result<()> {
            let sides = [batch, channels, height, width].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
            // The net keeps a copy of its own.
            let blob = Mat::new_nd_with_data(&sides, values)?;
            net.set_input_def(&blob)?;
            net.forward(&mut outputs, &self.names)
        };
        match forward() {
            Ok(()) => Ok(outputs),
            Err(error) => {
                self.nets.forget_last();
                Err(self.failed(&words(&error)))
            }
        }
    }
}

/// The net of the file `network` for inputs of `shape`.
fn net<'a>(
    nets: &'a mut ByShape<Net>,
    network: &Path,
    signature: &Signature,
    shape: [usize; 4],
) -> Result<&'a mut Net, RuntimeError> {
    let make = || {
        let bytes = shape::with_shape(network, &signature.inputs[0].name, &shape)?;
        import(&bytes).map_err(|error| {
            let version = get_version_string().unwrap_or_default();
            format!(
                "{} (OpenCV {version}; a newer one, or another export of the network, may do)",
                words(&error)
            )
        })
    };
    nets.get_or_make(shape, make)
        .map_err(|reason| RuntimeError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason: for_input(shape, &reason),
        })
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
    ) -> Result<(), RuntimeError> {
        let mats = self.forward(&input)?.to_vec();
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
            .map_err(|error| self.failed(&words(&error)))?;
        read(&outputs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    #[test]
    fn messages_are_told_without_source_positions() {
        let error = opencv::Error::new(
            -2,
            "OpenCV(4.6.0) ./modules/dnn/src/onnx/onnx_importer.cpp:1040: error: (-2:Unspecified error) in function 'handleNode'\n> Node [Shape@ai.onnx]:(onnx_node!Shape_90) parse error: OpenCV(4.6.0) ./modules/dnn/src/onnx/onnx_importer.cpp:2846: error: (-215:Assertion failed) !isDynamicShape in function 'void cv::dnn::parseShape(const LayerParams&)'\n> ",
        );
        insta::assert_snapshot!(words(&error), @"(-2:Unspecified error) Node [Shape@ai.onnx]:(onnx_node!Shape_90) parse error: (-215:Assertion failed) !isDynamicShape");
    }

    #[test]
    fn threads_are_the_process_and_outputs_the_graphs() {
        let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/facebench-det.onnx");
        let settings = |threads| SessionSettings {
            threads,
            ..SessionSettings::default()
        };
        let backend = OpenCv::cpu("CPU".to_owned());
        for threads in [2, 1] {
            let mut session = backend.load(&network, &settings(threads)).unwrap();
            assert_eq!(
                opencv::core::get_num_threads().unwrap(),
                i32::try_from(threads).unwrap()
            );
            for (height, width) in [(320, 320), (64, 96)] {
                let names: Vec<_> = session
                    .signature()
                    .outputs
                    .iter()
                    .map(|o| o.name.clone())
                    .collect();
                let mut seen = Vec::new();
                session
                    .run(Array4::zeros((2, 3, height, width)).view(), &mut |outputs| {
                        seen.extend(outputs.iter().map(|o| (o.name.to_owned(), o.values.len())));
                    })
                    .unwrap();
                assert_eq!(
                    seen.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                    names.iter().collect::<Vec<_>>()
                );
                let (_, values) = seen.iter().find(|(name, _)| name == "bbox_16").unwrap();
                assert_eq!(*values, 2 * (height / 16) * (width / 16) * 4);
            }
        }
    }

    #[test]
    fn an_input_that_the_network_cannot_read_is_an_error() {
        let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/facebench-rec.onnx");
        let mut session = OpenCv::cpu("CPU".to_owned())
            .load(&network, &SessionSettings::default())
            .unwrap();
        let error = session
            .run(Array4::zeros((1, 5, 112, 112)).view(), &mut |_| {})
            .unwrap_err();
        assert!(
            error.to_string().contains("for an input of 1x5x112x112: "),
            "{error}"
        );
    }
}
