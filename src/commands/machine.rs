//! The machine as every command sees it: its facts, its GPUs, and what the environment says about where to look.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    machine::{self, Gpus, Nvml, NvmlFault, gpu},
    record::Host,
};

/// Where OpenStack answers its instances.
const METADATA: &str = "http://169.254.169.254";
/// How long it may take; a service that is there answers in milliseconds.
const METADATA_LIMIT: Duration = Duration::from_secs(1);

/// This machine. OpenStack's metadata service is asked where the firmware says `OpenStack`, or where `metadata` asks for
/// it; `FACEBENCH_METADATA` names another address, or none where it is empty.
pub fn host(metadata: bool) -> Host {
    let mut host = Host::current();
    let base = env::var("FACEBENCH_METADATA").unwrap_or_else(|_| METADATA.to_owned());
    if (metadata || host.fact("openstack").is_some()) && !base.is_empty() {
        match machine::metadata(&base, METADATA_LIMIT) {
            Ok(facts) => host.facts.extend(facts),
            Err(reason) => {
                host.unavailable.insert("facts.metadata".to_owned(), reason);
            }
        }
    }
    host
}

/// NVML: the library that `FACEBENCH_NVML` names, or else the driver's.
pub fn nvml() -> Result<Nvml, NvmlFault> {
    let named = env::var_os("FACEBENCH_NVML").filter(|path| !path.is_empty());
    Nvml::open(named.map(PathBuf::from).as_deref())
}

/// The GPUs of this machine.
pub fn gpus(nvml: &Result<Nvml, NvmlFault>) -> Gpus {
    gpu::find(Path::new("/"), |name| env::var(name).ok(), nvml)
}
