//! Intel's `OpenVINO` provider: its processors, and its other devices by name.

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch};

use super::{ExecutionProvider, Failure, Provider, SessionNeeds};
use crate::runtime::{install::Flavor, spec::BackendSpec};

/// The `OpenVINO` provider.
#[derive(Debug)]
pub struct OpenVino;

impl ExecutionProvider for OpenVino {
    fn name(&self) -> &'static str {
        "OpenVINOExecutionProvider"
    }

    fn flavors(&self) -> &'static [Flavor] {
        &[Flavor::OpenVino]
    }

    fn hides_operators(&self) -> bool {
        true
    }

    fn register(&self, arm: &Provider, session: &SessionNeeds<'_>) -> Vec<ExecutionProviderDispatch> {
        let openvino = ep::OpenVINO::default()
            .with_device_type(device_type(&arm.spec))
            .with_num_threads(session.threads.max(1))
            // Each stream of the worker is a session of its own. Left to itself, OpenVINO would pin the thread of each to
            // the same core.
            .with_num_streams(1)
            .with_arbitrary_config("load_config", r#"{"CPU": {"ENABLE_CPU_PINNING": "NO"}}"#);
        vec![openvino.build()]
    }

    fn effective(&self, arm: &Provider) -> Vec<(&'static str, String)> {
        vec![("device_type", device_type(&arm.spec).to_owned())]
    }

    fn fix(&self, failure: &Failure, spec: &BackendSpec, _: Option<Flavor>) -> Option<String> {
        (failure.missing.is_none() && spec.device.is_some()).then(|| {
            "leave the device out for OpenVINO's CPU device, or install the device's driver for OpenVINO"
                .to_owned()
        })
    }
}

fn device_type(spec: &BackendSpec) -> &str {
    spec.device.as_deref().unwrap_or("CPU")
}
