//! Where an arm runs: what its workers load, and which device they see.

use std::path::PathBuf;

use super::protocol::Job;
use crate::{
    pipeline::Networks,
    runtime::{install::RuntimeLibrary, spec::BackendSpec},
};

/// Another program that does a worker's work.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// The file's hash, 64 hex digits.
    pub sha256: String,
}

/// What a worker needs besides its arm.
#[derive(Debug, Clone, Default)]
pub struct ArmEnvironment {
    /// The runtime's library; `None` for backends that need none.
    pub library: Option<RuntimeLibrary>,
    /// The GPU's name for this very device, where the arm runs on one that is known.
    pub gpu: Option<String>,
    /// The device, as a person would name it; `None` for the processor.
    pub device: Option<String>,
    /// What the worker's environment has besides the study's own: which device is visible, above all.
    pub variables: Vec<(String, String)>,
    /// The networks of the arm's precision; `None` for those of the study.
    pub networks: Option<Networks>,
    /// The program whose `worker` command runs it; `None` for facebench's own.
    pub program: Option<Program>,
    /// A folder for what the runtime compiles for the device.
    pub cache: Option<PathBuf>,
}

impl ArmEnvironment {
    /// The job of a worker for `spec` here, one stream of one thread without photos. `networks` are the study's, which the
    /// arm's precision and its options change.
    pub fn job(&self, spec: &BackendSpec, networks: Option<&Networks>) -> Job {
        let networks = self.networks.as_ref().or(networks).filter(|_| !spec.is_null());
        let networks = networks.cloned().map(|networks| Networks {
            swap_channels: spec.swap_channels,
            ..networks
        });
        Job {
            library: self.library.as_ref().map(|library| library.path.clone()),
            device: self.device.clone(),
            cache: self.cache.clone(),
            networks: match spec.peer() {
                Some(_) => networks.map(Networks::in_full),
                None => networks,
            },
            ..Job::new(spec.clone())
        }
    }
}
