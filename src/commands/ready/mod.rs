//! Whether a backend can run here: the device and the runtime that it needs, or the exact thing that is missing and
//! the fix.

mod gpu;
mod peer;
pub mod precision;
mod probe;

use std::path::Path;

use crate::{
    machine::Gpus,
    record::Unavailable,
    runtime::{
        descriptor::{BackendDescriptor, DeviceArgument, Engine},
        install::{Flavor, InstallError, LibraryStore, Origin, RuntimeLibrary},
        onnxruntime::ExecutionProvider,
        options::Decoding,
        spec::{BackendSpec, GpuWanted, Precision},
        table::BACKENDS,
    },
    text::ShownPath,
    vision::decoder,
    worker::environment::ArmEnvironment,
};

/// Why a backend cannot run: what is missing, and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The exact thing.
    pub reason: String,
    /// What to do about it.
    pub fix: String,
}

impl Missing {
    fn new(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            fix: fix.into(),
        }
    }

    /// As the record of a study lists it.
    pub fn of(self, spec: &BackendSpec) -> Unavailable {
        Unavailable {
            backend: spec.requested.clone(),
            reason: self.reason,
            fix: self.fix,
        }
    }
}

impl From<InstallError> for Missing {
    fn from(error: InstallError) -> Self {
        Self::new(error.fault.to_string(), error.fix())
    }
}

/// What may be done to make a backend ready.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The GPUs of this machine.
    pub gpus: &'a Gpus,
    /// facebench's home.
    pub home: &'a Path,
    /// Installs the `cpu` runtime where it is missing, and reports this; `None` to change nothing.
    pub install: Option<&'a dyn Fn(&str)>,
}

/// Where `spec` runs, tried out; the cpu's runtime is installed where it is missing.
pub fn environment(
    spec: &BackendSpec,
    gpus: &Gpus,
    home: &Path,
    progress: &dyn Fn(&str),
) -> Result<ArmEnvironment, Unavailable> {
    let means = Means {
        gpus,
        home,
        install: Some(progress),
    };
    resolve(spec, means).map_err(|missing| missing.of(spec))
}

fn resolve(spec: &BackendSpec, means: Means<'_>) -> Result<ArmEnvironment, Missing> {
    let backend = spec.backend();
    if !backend.is_built() {
        return Err(not_built(backend));
    }
    if spec.decoding() == Decoding::Scaled && !decoder::SCALES {
        return Err(Missing::new(
            "decode=scaled: this program was built without libjpeg-turbo",
            "build it with that (needs cmake and nasm): cargo build --release --features turbojpeg",
        ));
    }
    if let Some(cores) = spec.quota {
        // Tried out: better now than in the middle of a study.
        probe::quota(cores).map_err(|error| {
            Missing::new(
                format!("quota={cores}: this process may put none of its workers into a control group: {error}"),
                "run it as root, or give the whole of facebench the quota: systemd-run --scope -p CPUQuota=50% facebench ...",
            )
        })?;
    }
    let mut environment = ArmEnvironment::default();
    let provider = spec.execution_provider();
    let mut suitable = provider.map_or(&[][..], |provider| provider.flavors()).to_vec();
    if let Some(wanted) = spec.gpu() {
        let visible = gpu::visible();
        let gpu = gpu::find(&wanted, means.gpus, visible.as_deref())?;
        environment.device = Some(gpu::title(gpu));
        environment.gpu.clone_from(&gpu.uuid);
        environment.variables = gpu::environment(gpu);
        suitable = gpu::flavors(gpu);
    }
    if let Some(path) = spec.peer() {
        environment.program = Some(peer::program(path)?);
    }
    let Some(provider) = provider else {
        return Ok(environment);
    };
    let library = library(spec, &suitable, means)?;
    if spec.gpu().is_some() && spec.precision == Precision::Fp32 {
        // The one switch that all of NVIDIA's libraries obey, TensorRT's too.
        environment
            .variables
            .push(("NVIDIA_TF32_OVERRIDE".to_owned(), "0".to_owned()));
    }
    if provider.compiles() {
        environment.cache = Some(engine_cache(means.home, &library)?);
    }
    environment.library = Some(library);
    if provider.may_fail() {
        probe::probe(spec, &environment)?;
    }
    Ok(environment)
}

/// The folder of `TensorRT`'s engines: they belong to one build of the runtime.
fn engine_cache(home: &Path, library: &RuntimeLibrary) -> Result<std::path::PathBuf, Missing> {
    let folder = home.join("engines").join(&library.sha256[..16]);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Missing::new(
            format!("cannot make {}: {error}", folder.shown()),
            "choose another FACEBENCH_HOME, or engines=fresh",
        )
    })?;
    Ok(folder)
}

/// The runtime's library: the one that the arm names, or the installed one of the flavour that fits.
fn library(spec: &BackendSpec, flavors: &[Flavor], means: Means<'_>) -> Result<RuntimeLibrary, Missing> {
    let first = flavors.first().copied().unwrap_or(Flavor::Cpu);
    if let Some(path) = &spec.runtime {
        return Ok(RuntimeLibrary::from_path(path, first, Origin::Option)?);
    }
    let runtimes = LibraryStore::of_process(means.home.to_path_buf());
    if let (Flavor::Cpu, Some(progress)) = (first, means.install)
        && !flavors.is_empty()
    {
        return Ok(runtimes.find_or_install(first, progress)?);
    }
    for flavor in flavors {
        if let Some(library) = runtimes.find(*flavor)? {
            return Ok(library);
        }
    }
    let not_installable = spec
        .execution_provider()
        .and_then(ExecutionProvider::not_installable);
    if let Some((reason, fix)) = not_installable {
        return Err(Missing::new(reason, fix));
    }
    Err(match first.download_bytes() {
        Some(bytes) => Missing::new(
            format!("{} is not installed", first.title()),
            format!(
                "run `facebench setup {}` (downloads {} MB)",
                first.name(),
                bytes.div_ceil(1_000_000)
            ),
        ),
        None => Missing::new(
            format!(
                "{} is not pinned for {} on {}",
                first.title(),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            format!(
                "give the path of one built for this machine: -b {},runtime=PATH",
                spec.word
            ),
        ),
    })
}

/// The flavour for CUDA that fits this machine, and what decided it.
pub fn cuda_flavor(gpus: &Gpus) -> (Flavor, String) {
    let visible = gpu::visible();
    match gpu::find(&GpuWanted::Any(0), gpus, visible.as_deref()) {
        Ok(gpu) => {
            let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
            let why = format!(
                "{}: driver for CUDA {}, compute capability {}",
                gpu::title(gpu),
                known(&gpu.cuda_driver),
                known(&gpu.compute_capability)
            );
            (gpu::flavors(gpu)[0], why)
        }
        Err(missing) => (
            Flavor::Cuda13,
            format!("no GPU that could decide: {}", missing.reason),
        ),
    }
}

/// This program was built without the backend, which is not the machine's fault.
fn not_built(backend: &BackendDescriptor) -> Missing {
    Missing::new(
        format!(
            "this facebench was built without the {} backend ({}); nothing is wrong with this machine",
            backend.word, backend.summary
        ),
        format!(
            "build one with it: cargo build --release --features {} (needs {})",
            backend.word,
            backend.linked().map_or("nothing else", |linked| linked.needs)
        ),
    )
}

/// In a few words, without installing anything: `ready`, or what is missing.
pub fn state(backend: &BackendDescriptor, gpus: &Gpus, home: &Path) -> Result<String, Missing> {
    let mut spec = BackendSpec::bare(backend.word);
    if backend.device == DeviceArgument::Mig {
        // Any will do to know whether one could be used.
        let first = gpus.gpus.iter().find(|gpu| gpu.parent.is_some());
        let uuid = first.and_then(|gpu| gpu.uuid.clone()).ok_or_else(|| {
            Missing::new(
                "this machine has no MIG device",
                "divide a GPU that can be (nvidia-smi mig), or use another backend",
            )
        })?;
        spec.requested = format!("{}:{uuid}", backend.word);
        spec.device = Some(uuid);
    }
    if matches!(backend.engine, Engine::Peer) {
        return Ok(format!(
            "ready for any program that is given: {}:PROGRAM (docs/peers.md)",
            backend.word
        ));
    }
    let installs_itself = |provider: &dyn ExecutionProvider| provider.flavors() == [Flavor::Cpu];
    if backend.provider().is_some_and(installs_itself)
        && LibraryStore::of_process(home.to_path_buf())
            .find(Flavor::Cpu)?
            .is_none()
    {
        return Ok(format!(
            "ready: ONNX Runtime {} will be installed on first use (or by: facebench setup cpu)",
            Flavor::Cpu.version()
        ));
    }
    let environment = resolve(
        &spec,
        Means {
            gpus,
            home,
            install: None,
        },
    )?;
    let on = environment
        .device
        .map_or(String::new(), |device| format!(" on {device}"));
    Ok(match environment.library {
        Some(library) => {
            let version = library.version.unwrap_or_else(|| "of unknown version".to_owned());
            format!("ready{on}: ONNX Runtime {version}, {}", library.path.shown())
        }
        None => format!("ready{on}"),
    })
}

/// Every word with a state, for `devices`.
pub fn states(gpus: &Gpus, home: &Path) -> Vec<(&'static BackendDescriptor, Result<String, Missing>)> {
    BACKENDS
        .iter()
        .map(|backend| (backend, state(backend, gpus, home)))
        .collect()
}
