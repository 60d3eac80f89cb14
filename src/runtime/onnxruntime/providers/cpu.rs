//! ONNX Runtime's own provider for processors, which every session has.

use ort::ep::ExecutionProviderDispatch;

use super::{ExecutionProvider, Provider, SessionNeeds};
use crate::runtime::install::Flavor;

/// The CPU provider.
#[derive(Debug)]
pub struct Cpu;

impl ExecutionProvider for Cpu {
    fn name(&self) -> &'static str {
        "CPUExecutionProvider"
    }

    fn flavors(&self) -> &'static [Flavor] {
        &[Flavor::Cpu]
    }

    fn may_fail(&self) -> bool {
        false
    }

    fn register(&self, _: &Provider, _: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        Vec::new()
    }
}
