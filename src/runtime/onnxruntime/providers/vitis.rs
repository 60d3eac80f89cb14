//! AMD's Vitis AI provider, whose ONNX Runtime AMD itself gives out.

use ort::ep::{self, ExecutionProviderDispatch};

use super::{ExecutionProvider, Provider, SessionNeeds};
use crate::{runtime::install::Flavor, text::ShownPath};

/// The Vitis AI provider.
#[derive(Debug)]
pub struct Vitis;

impl ExecutionProvider for Vitis {
    fn name(&self) -> &'static str {
        "VitisAIExecutionProvider"
    }

    fn flavors(&self) -> &'static [Flavor] {
        &[]
    }

    fn not_installable(&self) -> Option<(&'static str, &'static str)> {
        Some((
            "there is no ONNX Runtime with the Vitis AI provider here: AMD gives it out with its own software, for its own devices",
            "give the path of AMD's libonnxruntime.so: -b vitis,runtime=PATH (and config=FILE, the provider's own configuration)",
        ))
    }

    fn hides_operators(&self) -> bool {
        true
    }

    fn register(&self, arm: &Provider, _: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        let vitis = ep::Vitis::default();
        let vitis = match &arm.spec.provider.config {
            Some(config) => vitis.with_config_file(config.to_string_lossy()),
            None => vitis,
        };
        vec![vitis.build()]
    }

    fn effective(&self, arm: &Provider) -> Vec<(&'static str, String)> {
        let config = arm.spec.provider.config.as_ref();
        config
            .map(|config| ("config", config.shown().to_string()))
            .into_iter()
            .collect()
    }
}
