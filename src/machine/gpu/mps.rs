//! MPS, NVIDIA's daemon by which several processes share one GPU at the same time: whether one serves this process, and
//! what share of a GPU it allows it.

use super::super::tree::Tree;
use crate::record::Mps;

const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
const DEFAULT_PIPES: &str = "/tmp/nvidia-mps";

/// The daemon whose control pid file is in the pipes' folder.
pub(super) fn read(tree: &Tree, variable: &impl Fn(&str) -> Option<String>) -> Option<Mps> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let pipe_directory = set(PIPES).unwrap_or_else(|| DEFAULT_PIPES.to_owned());
    let control = tree
        .text(&format!("{pipe_directory}/nvidia-cuda-mps-control.pid"))
        .ok()?;
    Some(Mps {
        pipe_directory,
        control_pid: control.parse().ok(),
        active_thread_percentage: set("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"),
        pinned_device_mem_limit: set("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"),
    })
}
