//! What NVIDIA's providers share: builds of ONNX Runtime, libraries, options, and what to do about their failures.

use std::path::Path;

use super::{Failure, nvidia_libraries as libraries, on};
use crate::runtime::{
    install::Flavor,
    spec::{BackendSpec, Precision},
};

pub(super) use libraries::FOLDERS;

/// The builds with NVIDIA's providers.
pub(super) const FLAVORS: &[Flavor] = &[Flavor::Cuda13, Flavor::Cuda12];

/// Has waiting threads sleep, and loads NVIDIA's libraries for ONNX Runtime's at `library`.
pub(super) fn prepare(library: &Path) {
    libraries::wait_without_spinning();
    let named = std::env::var_os(FOLDERS);
    // What is missing is named by the provider when a session asks for it.
    let _ = libraries::preload(&libraries::find(&libraries::folders(library, named.as_deref())));
}

/// The options of both providers that are in force, for the record.
pub(super) fn effective(spec: &BackendSpec) -> Vec<(&'static str, String)> {
    let mut options = vec![
        ("tf32", on(spec.precision == Precision::Tf32)),
        ("graphs", on(spec.provider.graphs)),
    ];
    if let Some(memory) = spec.provider.memory {
        options.push(("memory", memory.to_string()));
    }
    options
}

/// What to do about a session that could not be had on one of NVIDIA's GPUs.
pub(super) fn fix(failure: &Failure, flavor: Option<Flavor>) -> Option<String> {
    let flavor = flavor.unwrap_or(FLAVORS[0]).name();
    match failure.missing.as_deref() {
        Some("libcuda.so.1") => {
            return Some("install NVIDIA's driver; in a container, start it with the GPU (docker run --gpus all, or the nvidia runtime class)".to_owned());
        }
        Some(_) => {
            return Some(format!(
                "run `facebench setup {flavor}`, which brings NVIDIA's libraries along, or name the folders where they are in {FOLDERS}"
            ));
        }
        None => {}
    }
    let mentions = |any: &[&str]| any.iter().any(|words| failure.text.contains(words));
    Some(
        if mentions(&["CUDA failure 35", "driver version is insufficient"]) {
            "NVIDIA's driver is too old for this CUDA: run `facebench setup cuda12`, or install a newer driver"
            .to_owned()
        } else if mentions(&["CUDA failure 100", "no CUDA-capable device"]) {
            "no GPU is given to this process: `facebench devices` shows what is here; in a container, start it with the GPU (docker run --gpus all)".to_owned()
        } else if mentions(&["cuDNN is not available", "cuDNN is unavailable"]) {
            format!(
                "run `facebench setup {flavor}`, which brings cuDNN along, or name its folder in {FOLDERS}"
            )
        } else if mentions(&["CUDA failure 802"]) {
            "start NVIDIA's Fabric Manager of the driver's own version (systemctl start nvidia-fabricmanager)"
                .to_owned()
        } else if mentions(&["CUDA failure 46"]) {
            "another process holds the GPU for itself (compute mode): end it".to_owned()
        } else if mentions(&["CUDA failure 803", "CUDA failure 804"]) {
            "the driver and its libraries do not fit: take cuda/compat out of LD_LIBRARY_PATH, or restart after the upgrade".to_owned()
        } else if mentions(&["CUDA failure 2:", "out of memory"]) {
            "the GPU's memory is full: end what uses it, or give the arm fewer streams or a smaller batch"
                .to_owned()
        } else if mentions(&["no kernel image is available"]) {
            "this ONNX Runtime has no code for so old a GPU: run `facebench setup cuda12`".to_owned()
        } else {
            return None;
        },
    )
}
