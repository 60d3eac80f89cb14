//! ONNX Runtime behind the [`Backend`] trait: the library loaded at run time, one environment a process.

use std::{
    ffi::{CStr, c_char, c_void},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ndarray::ArrayView4;
use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{Session as OrtSession, builder::GraphOptimizationLevel},
    value::{Outlet, TensorElementType, TensorRef, ValueType},
};

use super::{
    Backend, BackendError, Identity, Output, Profile, Session, SessionSettings, Signature, TensorInfo,
};

const RUNTIME: &str = "ONNX Runtime";

/// The CPU execution provider's name in records and profiles.
pub const CPU_PROVIDER: &str = "CPUExecutionProvider";

/// ONNX Runtime allows one library and one environment a process: the first that was loaded, and its file.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime with one execution provider.
pub struct OnnxRuntime {
    environment: Environment,
    identity: Identity,
}

impl OnnxRuntime {
    /// Loads the library at `library` and makes the process's one environment, or takes the one that is there. Another
    /// library in the same process is an error.
    pub fn cpu(library: &Path, device: String) -> Result<Self, BackendError> {
        let failed = |reason: String| BackendError::Library {
            path: library.to_path_buf(),
            reason,
        };
        let mut first = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = match &*first {
            Some((loaded, environment)) if loaded == library => environment.clone(),
            Some((loaded, _)) => {
                return Err(failed(format!(
                    "this process runs on {} already",
                    loaded.display()
                )));
            }
            None => {
                let environment = ort::init_from(library)
                    .map_err(|e| failed(e.to_string()))?
                    .with_name("facebench")
                    .with_telemetry(false)
                    .build()
                    .map_err(|e| failed(e.to_string()))?;
                // Some exports warn about their own output shapes at each run of another size.
                environment.set_log_level(LogLevel::Error);
                *first = Some((library.to_path_buf(), environment.clone()));
                environment
            }
        };
        let identity = Identity {
            runtime: RUNTIME,
            version: version(library).unwrap_or_else(|| "unknown".to_owned()),
            provider: CPU_PROVIDER,
            device,
        };
        Ok(Self {
            environment,
            identity,
        })
    }

    fn open(&self, network: &Path, settings: &SessionSettings) -> ort::Result<OrtSession> {
        let mut builder = OrtSession::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(settings.threads)?
            // Threads that spin between two runs burn the cores that decoding and other streams need.
            .with_intra_op_spinning(false)?
            .with_log_level(LogLevel::Error)?;
        if let Some(profile) = &settings.profile {
            builder = builder.with_profiling(profile)?;
        }
        builder.commit_from_file(network)
    }
}

/// The version that the library itself reports, such as `1.32.0`: its file may be called anything.
#[allow(unsafe_code)] // `ort` does not pass this string on, and it is the one answer that cannot be a file name.
fn version(library: &Path) -> Option<String> {
    /// The head of `OrtApiBase` as `onnxruntime_c_api.h` declares it since its first version.
    #[repr(C)]
    struct ApiBase {
        get_api: unsafe extern "C" fn(u32) -> *const c_void,
        get_version_string: unsafe extern "C" fn() -> *const c_char,
    }
    // SAFETY: the library is loaded already (this only counts one more user), `OrtGetApiBase` has this type in every
    // version, and both it and the version string live as long as the library, which is never unloaded.
    unsafe {
        let library = libloading::Library::new(library).ok()?;
        let base = library
            .get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase")
            .ok()?();
        let text = (base.as_ref()?.get_version_string)();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

impl Backend for OnnxRuntime {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, BackendError> {
        let inner = self.open(network, settings).map_err(|error| BackendError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason: first_line(&error.to_string()),
        })?;
        let signature = Signature {
            inputs: inner.inputs().iter().map(tensor_info).collect(),
            outputs: inner.outputs().iter().map(tensor_info).collect(),
        };
        match signature.inputs.as_slice() {
            [input] if input.is_f32 && input.shape.len() == 4 => {}
            inputs => {
                return Err(BackendError::Input {
                    network: network.to_path_buf(),
                    found: inputs
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", "),
                });
            }
        }
        Ok(Box::new(OnnxSession { inner, signature }))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// ONNX Runtime's messages carry source positions and stacks behind the first line.
fn first_line(message: &str) -> String {
    message
        .lines()
        .next()
        .unwrap_or("no reason given")
        .trim()
        .to_owned()
}

fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let (shape, is_f32) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (
            shape.iter().map(|side| usize::try_from(*side).ok()).collect(),
            *ty == TensorElementType::Float32,
        ),
        _ => (Vec::new(), false),
    };
    TensorInfo {
        name: outlet.name().to_owned(),
        shape,
        is_f32,
    }
}

struct OnnxSession {
    inner: OrtSession,
    signature: Signature,
}

fn run_error(error: impl std::fmt::Display) -> BackendError {
    BackendError::Run {
        reason: first_line(&error.to_string()),
    }
}

impl Session for OnnxSession {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), BackendError> {
        let values = input
            .as_slice()
            .ok_or_else(|| run_error("the input tensor is not contiguous"))?;
        let (batch, channels, height, width) = input.dim();
        let tensor =
            TensorRef::from_array_view(([batch, channels, height, width], values)).map_err(run_error)?;
        let results = self.inner.run(ort::inputs![tensor]).map_err(run_error)?;
        let outputs = self
            .signature
            .outputs
            .iter()
            .enumerate()
            .map(|(i, info)| {
                Ok(Output {
                    name: &info.name,
                    values: results[i].try_extract_array::<f32>()?,
                })
            })
            .collect::<ort::Result<Vec<_>>>()
            .map_err(run_error)?;
        read(&outputs);
        Ok(())
    }

    fn finish_profile(&mut self) -> Result<Option<Profile>, BackendError> {
        let path = PathBuf::from(self.inner.end_profiling().map_err(run_error)?);
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let failed = |reason: String| BackendError::Profile {
            path: path.clone(),
            reason,
        };
        let json = std::fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        Profile::parse(&json).map(Some).map_err(|e| failed(e.to_string()))
    }
}
