//! What each command does once its arguments are parsed: here the modules are joined.
//!
//! Commands: [`bundle`], [`checks`], [`compare`] (also `merge` and `audit`), [`datasets`], [`demo`], [`devices`], [`faces`],
//! [`models`] (its `quantize` in [`quantize`]), [`monitor`], [`report`], [`run`], [`serve`], [`setup`], [`size`],
//! [`tenants`], [`tune`].
//!
//! Steps that they share, in the order of a study: [`machine`], [`workload`], [`request`], [`plan`], [`ready`],
//! [`calibrate`], [`recognition`], [`prepare`], [`blank`], [`resume`], [`noise_floor`], [`coordination`], [`progress`],
//! [`output`].

pub mod blank;
pub mod bundle;
pub mod calibrate;
pub mod checks;
pub mod compare;
pub mod coordination;
pub mod datasets;
pub mod demo;
pub mod devices;
pub mod faces;
pub mod machine;
pub mod models;
pub mod monitor;
pub mod noise_floor;
pub mod output;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod quantize;
pub mod ready;
pub mod recognition;
pub mod report;
pub mod request;
pub mod resume;
pub mod run;
pub mod serve;
pub mod setup;
pub mod size;
pub mod tenants;
pub mod tune;
pub mod workload;

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::{calibrate::CalibrateError, progress::notify};
use crate::{
    dataset::{DatasetError, identities::IdentitiesError, manifest::ManifestError},
    machine::Gpus,
    model::{ModelError, derived::DerivedError},
    record::Unavailable,
    runtime::{
        install::{InstallError, ToolError},
        onnxruntime::OnnxRuntime,
        spec::BackendSpec,
    },
    sharing::merge::MergeError,
    study::{StudyError, planned_arm::PlanError},
    text::ShownPath,
    worker::process::ProcessError,
};

/// Why a command ends without its result; [`Failure::exit_code`] is the exit status.
#[derive(Debug, Error)]
pub enum Failure {
    /// A usage error; the text says what to give instead.
    #[error("{0}")]
    Usage(String),
    /// Backends that cannot run, before anything is measured.
    #[error("{}", unavailable(.0))]
    Unavailable(Vec<Unavailable>),
    /// A plan that makes no sense.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No runtime.
    #[error(transparent)]
    Runtime(#[from] InstallError),
    /// A network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The catalog's commands.
    #[error(transparent)]
    Models(#[from] models::ModelsError),
    /// A network in another precision.
    #[error(transparent)]
    Derived(#[from] DerivedError),
    /// The libraries of a script.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A network that was not converted.
    #[error(transparent)]
    Quantize(#[from] quantize::QuantizeError),
    /// Photos that cannot calibrate a quantizer.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// A file that cannot be packed.
    #[error(transparent)]
    Pack(#[from] bundle::PackError),
    /// The photos.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Drawing photos.
    #[error(transparent)]
    Render(#[from] crate::dataset::render::RenderError),
    /// Drawing a chart.
    #[error(transparent)]
    Chart(#[from] crate::report::chart::ChartError),
    /// The people in them.
    #[error(transparent)]
    Identities(#[from] IdentitiesError),
    /// What is known about them.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Machines that are not in step.
    #[error(transparent)]
    Sync(#[from] crate::sharing::coordination::SyncError),
    /// A coordinated run that cannot be led.
    #[error("--lead {address}: {source}")]
    Lead {
        /// Where it should listen.
        address: std::net::SocketAddr,
        /// What happened.
        source: std::io::Error,
    },
    /// A file that is no record.
    #[error(transparent)]
    Record(#[from] crate::report::ReadError),
    /// A file of prices.
    #[error("{}: {source}", path.shown())]
    Prices {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::sizing::PricesError,
    },
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}; {fix}", path.shown())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to give.
        fix: &'static str,
    },
    /// Records that cannot be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A worker that recognises photos without measuring.
    #[error("{}", recognition(networks, error))]
    Recognition {
        /// The networks that may be to blame.
        networks: String,
        /// What became of the worker.
        error: ProcessError,
    },
    /// No thread for photos.
    #[error(transparent)]
    Thread(#[from] crate::worker::parallel::NoThread),
    /// A file that cannot be written.
    #[error("{}: cannot be written: {source}", path.shown())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No photo is left.
    #[error("{0}")]
    Photo(String),
    /// There is no home for runtimes and networks.
    #[error(
        "neither FACEBENCH_HOME nor a home folder is known; set FACEBENCH_HOME to a folder for runtimes and networks"
    )]
    NoHome,
    /// Standard output.
    #[error("cannot write the answer: {0}")]
    Answer(#[from] io::Error),
}

fn unavailable(list: &[Unavailable]) -> String {
    list.iter()
        .map(|u| format!("{}: {}\n{}", u.backend, u.reason, u.fix))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A worker that gave up says itself which network it was, and why.
fn recognition(networks: &str, error: &ProcessError) -> String {
    match error {
        ProcessError::Silent { .. } => format!(
            "{networks}: {error}: the network does not end, or needs longer on this machine (--patience)"
        ),
        ProcessError::Died { .. } => format!("{networks}: {error}"),
        _ => error.to_string(),
    }
}

impl Failure {
    /// The error of the file or folder `path`, made from the system's.
    pub fn output(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Output {
            path: path.to_path_buf(),
            source,
        }
    }

    /// The program's exit status.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Plan(_)
            | Self::Merge(
                MergeError::NoPair { .. }
                | MergeError::Twice(_)
                | MergeError::SameShard { .. }
                | MergeError::Nothing,
            )
            | Self::Model(ModelError::Catalog(_) | ModelError::WrongRole { .. })
            | Self::Models(models::ModelsError::Catalog(_))
            | Self::Calibrate(CalibrateError::DetectorForDetector { .. }) => 2,
            Self::Unavailable(_) | Self::Runtime(_) => 4,
            _ => 1,
        }
    }
}

/// facebench's home: `FACEBENCH_HOME`, else `facebench` in the user's cache folder.
pub fn home() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy;
    if let Some(home) = std::env::var_os("FACEBENCH_HOME").filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let base = etcetera::choose_base_strategy().map_err(|_| Failure::NoHome)?;
    Ok(base.cache_dir().join("facebench"))
}

/// ONNX Runtime on this machine's processor, installed if it is missing: for commands that run networks without measuring.
fn cpu(home: &Path) -> Result<OnnxRuntime, Failure> {
    let environment = ready::environment(&BackendSpec::reference(), &Gpus::default(), home, &notify)
        .map_err(|missing| Failure::Unavailable(vec![missing]))?;
    let library = environment
        .library
        .ok_or_else(|| Failure::Usage("the cpu backend needs a runtime".to_owned()))?;
    Ok(OnnxRuntime::cpu(&library.path, "CPU".to_owned()).map_err(ModelError::from)?)
}
