//! ONNX Runtime behind the [`Runtime`] trait: the library loaded at run time, one environment a process.

mod binding;
mod failure;
pub mod providers;
pub mod telemetry;

use std::{
    ffi::{CStr, c_char, c_void},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ndarray::{ArrayView4, ArrayViewD};
use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{
        Session as OrtSession,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{Outlet, TensorElementType, TensorRef, ValueType},
};

use self::{
    binding::{Bindings, Element},
    providers::{Compiled, SessionNeeds, ShapeRange},
};
pub use self::{
    failure::Failure,
    providers::{ExecutionProvider, Provider},
};

use super::{
    DynamicAxis, Identity, Output, Profile, Runtime, RuntimeError, Session, SessionSettings, Signature,
    TensorInfo, onnx, spec::BackendSpec,
};
use crate::text::ShownPath;

const RUNTIME: &str = "ONNX Runtime";

/// ONNX Runtime allows one library and one environment a process: the first that was loaded, and its file.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime with one execution provider.
pub struct OnnxRuntime {
    environment: Environment,
    provider: Provider,
    identity: Identity,
}

impl OnnxRuntime {
    /// Loads the library at `library` and makes the process's one environment, or takes the one that is there. Another
    /// library in the same process is an error. `device` is what a person would call the device.
    pub fn open(library: &Path, provider: Provider, device: String) -> Result<Self, RuntimeError> {
        let failed = |reason: String| RuntimeError::Library {
            path: library.to_path_buf(),
            reason,
        };
        let mut first = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = match &*first {
            Some((loaded, environment)) if loaded == library => environment.clone(),
            Some((loaded, _)) => {
                return Err(failed(format!("this process runs on {} already", loaded.shown())));
            }
            None => {
                if !telemetry::is_off() {
                    return Err(failed(format!(
                        "it would send telemetry: start this process with {}=1 in its environment",
                        telemetry::VARIABLE
                    )));
                }
                provider.prepare(library);
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
            provider: provider.name(),
            device,
            options: provider.effective(),
        };
        Ok(Self {
            environment,
            provider,
            identity,
        })
    }

    /// ONNX Runtime with its CPU provider.
    pub fn cpu(library: &Path, device: String) -> Result<Self, RuntimeError> {
        Self::open(library, Provider::new(&BackendSpec::reference(), None), device)
    }

    /// Whether a session can be had at all: one with the smallest network, on the asked provider.
    pub fn probe(&self) -> Result<(), RuntimeError> {
        let network = Path::new("the smallest network");
        let settings = SessionSettings {
            threads: 1,
            batch: 1,
            ..SessionSettings::default()
        };
        // It must run: some libraries are loaded when the first node asks for them.
        let run = || -> ort::Result<()> {
            let mut session = self
                .builder(&settings, None)?
                .commit_from_memory(&onnx::smallest())?;
            let input = [0f32; 3 * 8 * 8];
            session.run(ort::inputs![TensorRef::from_array_view((
                [1usize, 3, 8, 8],
                &input[..]
            ))?])?;
            Ok(())
        };
        run().map_err(|error| load_error(network, &error))
    }

    fn builder(&self, settings: &SessionSettings, model: Option<&Compiled>) -> ort::Result<SessionBuilder> {
        let mut builder = OrtSession::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(settings.threads)?
            // Threads that spin between two runs burn the cores that decoding and other streams need.
            .with_intra_op_spinning(false)?
            .with_log_level(LogLevel::Error)?;
        let providers = self.provider.dispatches(&SessionNeeds {
            threads: settings.threads,
            model,
        });
        if !providers.is_empty() {
            builder = builder.with_execution_providers(providers)?;
        }
        if let Some(profile) = &settings.profile {
            builder = builder.with_profiling(profile)?;
        }
        Ok(builder)
    }

    fn open_network(
        &self,
        network: &Path,
        settings: &SessionSettings,
    ) -> Result<(OrtSession, bool), RuntimeError> {
        let unread = |reason: String| RuntimeError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason,
        };
        let ort_error = |error: ort::Error| load_error(network, &error);
        let Some(scaling) = settings.bytes else {
            let mut builder = self.builder(settings, None).map_err(ort_error)?;
            if let Some(axis) = settings.dynamic_axis {
                let model = std::fs::read(network).map_err(|e| unread(e.to_string()))?;
                let opened = onnx::with_dynamic_axis(axis, &model).map_err(|e| unread(e.to_string()))?;
                let mut builder = beside(builder, network)?;
                return Ok((builder.commit_from_memory(&opened).map_err(ort_error)?, false));
            }
            return Ok((builder.commit_from_file(network).map_err(ort_error)?, false));
        };
        let mut model = std::fs::read(network).map_err(|e| unread(e.to_string()))?;
        if settings.dynamic_axis == Some(DynamicAxis::Batch) {
            // What cannot be opened runs as it was made: one photo at a time.
            model = onnx::with_dynamic_axis(DynamicAxis::Batch, &model).unwrap_or(model);
        }
        let edited = onnx::with_byte_input(&model, scaling);
        // An engine belongs to these weights and these shapes, neither of which the provider's own name for it has.
        let weights = engine_key(network, edited.as_ref().unwrap_or(&model))?;
        let compiled = Compiled {
            range: edited.as_ref().ok().and_then(|_| byte_range(&model, settings)),
            key: format!("{weights}-{}", settings.batch),
        };
        let mut builder = self.builder(settings, Some(&compiled)).map_err(ort_error)?;
        match edited {
            Ok(edited) => {
                builder = beside(builder, network)?;
                Ok((builder.commit_from_memory(&edited).map_err(ort_error)?, true))
            }
            // The runtime explains better than the editor what is wrong with a file.
            Err(_) => Ok((builder.commit_from_file(network).map_err(ort_error)?, false)),
        }
    }
}

/// Names the `model` that is loaded for `network`, with the weights that lie beside its file.
fn engine_key(network: &Path, model: &[u8]) -> Result<String, RuntimeError> {
    let identity = onnx::identity_of(network, model).map_err(|error| RuntimeError::Load {
        network: network.to_path_buf(),
        runtime: RUNTIME,
        reason: error.to_string(),
    })?;
    Ok(identity[..16].to_owned())
}

/// A network from memory may have weights in files beside its own.
fn beside(builder: SessionBuilder, network: &Path) -> Result<SessionBuilder, RuntimeError> {
    let folder = network.parent().and_then(Path::to_str);
    match folder.filter(|folder| !folder.is_empty()) {
        Some(folder) => builder
            .with_config_entry("session.model_external_initializers_file_folder_path", folder)
            .map_err(|error| load_error(network, &error.into())),
        None => Ok(builder),
    }
}

/// The shapes that the input of bytes will have, where the network or its settings fix its width and height.
fn byte_range(model: &[u8], settings: &SessionSettings) -> Option<ShapeRange> {
    let (_, dimensions) = onnx::input(model).ok()?;
    let canvas = settings.canvas;
    let height = dimensions[2].or(canvas.map(|canvas| canvas.1))?;
    let width = dimensions[3].or(canvas.map(|canvas| canvas.0))?;
    // A fixed batch needs no range.
    dimensions[0].is_none().then(|| ShapeRange {
        input: onnx::BYTES_INPUT.to_owned(),
        dimensions: vec![height, width, 3],
        batch: settings.batch.max(1),
    })
}

fn load_error(network: &Path, error: &ort::Error) -> RuntimeError {
    RuntimeError::Load {
        network: network.to_path_buf(),
        runtime: RUNTIME,
        reason: first_line(&error.to_string()),
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

impl Runtime for OnnxRuntime {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError> {
        let (inner, reads_bytes) = self.open_network(network, settings)?;
        let mut signature = Signature {
            inputs: inner.inputs().iter().map(tensor_info).collect(),
            outputs: inner.outputs().iter().map(tensor_info).collect(),
        };
        if let ([input], true) = (&mut signature.inputs[..], reads_bytes) {
            // Callers still see the network with planes of floats.
            if let [batch, height, width, channels] = input.shape[..] {
                input.shape = vec![batch, channels, height, width];
                input.is_f32 = true;
            }
        }
        signature.reads_planes(network)?;
        if settings.dynamic_axis == Some(DynamicAxis::Canvas) && !reads_bytes {
            // Likewise: the canvas that it was made for.
            let declared = std::fs::read(network)
                .ok()
                .and_then(|model| onnx::input(&model).ok());
            if let Some((_, dimensions)) = declared {
                signature.inputs[0].shape = dimensions;
            }
        }
        let bindings = self.provider.binds().then(|| {
            let outputs = signature.outputs.iter().map(|output| output.name.clone());
            Bindings::new(
                &inner,
                &signature.inputs[0].name,
                outputs.collect(),
                self.provider.graphs(),
            )
        });
        Ok(Box::new(OnnxSession {
            network: network.to_path_buf(),
            inner,
            signature,
            reads_bytes,
            bindings,
        }))
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
    /// The network's file, for errors.
    network: PathBuf,
    inner: OrtSession,
    signature: Signature,
    reads_bytes: bool,
    bindings: Option<Bindings>,
}

impl OnnxSession {
    fn run_on<T: Element>(
        &mut self,
        input: &ArrayView4<'_, T>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        let network = &self.network;
        let run_error = |error: &dyn std::fmt::Display| run_error(network, error);
        let values = input
            .as_slice()
            .ok_or_else(|| run_error(&"the input tensor is not contiguous"))?;
        let (a, b, c, d) = input.dim();
        let names = &self.signature.outputs;
        if let Some(bindings) = &mut self.bindings {
            let mut viewed = Ok(());
            let mut give = |outputs: &[(Vec<usize>, &[f32])]| {
                let views = names.iter().zip(outputs).map(|(info, (sides, values))| {
                    Ok(Output {
                        name: &info.name,
                        values: ArrayViewD::from_shape(sides.clone(), values)?,
                    })
                });
                match views.collect::<Result<Vec<_>, ndarray::ShapeError>>() {
                    Ok(views) => read(&views),
                    Err(error) => viewed = Err(run_error(&error)),
                }
            };
            let ran = bindings.run(&mut self.inner, [a, b, c, d], values, &mut give);
            return ran.map_err(|error| run_error(&error)).and(viewed);
        }
        let tensor = TensorRef::from_array_view(([a, b, c, d], values)).map_err(|error| run_error(&error))?;
        let results = self
            .inner
            .run(ort::inputs![tensor])
            .map_err(|error| run_error(&error))?;
        let outputs = names
            .iter()
            .enumerate()
            .map(|(i, info)| {
                Ok(Output {
                    name: &info.name,
                    values: results[i].try_extract_array::<f32>()?,
                })
            })
            .collect::<ort::Result<Vec<_>>>()
            .map_err(|error| run_error(&error))?;
        read(&outputs);
        Ok(())
    }
}

fn run_error(network: &Path, error: &dyn std::fmt::Display) -> RuntimeError {
    RuntimeError::Run {
        reason: format!(
            "{}: {RUNTIME}: {}",
            network.shown(),
            first_line(&error.to_string())
        ),
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
    ) -> Result<(), RuntimeError> {
        self.run_on(&input, read)
    }

    fn reads_bytes(&self) -> bool {
        self.reads_bytes
    }

    fn run_bytes(
        &mut self,
        input: ArrayView4<'_, u8>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        self.run_on(&input, read)
    }

    fn is_pinned(&self) -> Option<bool> {
        self.bindings.as_ref().map(Bindings::is_pinned)
    }

    fn finish_profile(&mut self) -> Result<Option<Profile>, RuntimeError> {
        let ended = self.inner.end_profiling();
        let path = PathBuf::from(ended.map_err(|error| run_error(&self.network, &error))?);
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let failed = |reason: String| RuntimeError::Profile {
            path: path.clone(),
            reason,
        };
        let json = std::fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        Profile::parse(&json).map(Some).map_err(|e| failed(e.to_string()))
    }
}
