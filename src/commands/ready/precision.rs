//! The networks that an arm's precision asks for: converted ones, where the runtime does not convert by itself.

use std::path::Path;

use super::Missing;
use crate::{
    backend::{onnx, spec::BackendSpec},
    measure::pipeline::Networks,
    model::{
        derived::{self, Target},
        network::Network,
    },
};

/// The networks of `spec`'s precision, made from `networks`; `None` where these are the ones.
pub fn networks(spec: &BackendSpec, networks: &Networks, home: &Path) -> Result<Option<Networks>, Missing> {
    // TensorRT makes its own.
    let target = Target::named(spec.precision.name()).filter(|_| !spec.is_null() && !spec.is_tensorrt());
    let Some(target) = target else { return Ok(None) };
    Ok(Some(Networks {
        detector: converted(&networks.detector, target, home)?,
        recognizer: converted(&networks.recognizer, target, home)?,
        ..networks.clone()
    }))
}

fn converted(network: &Network, target: Target, home: &Path) -> Result<Network, Missing> {
    let wrong = |error: derived::DerivedError| {
        let text = error.to_string();
        let (reason, mend) = text
            .split_once('\n')
            .or_else(|| text.split_once("; "))
            .unwrap_or((&text, "make it again"));
        Missing::new(reason, mend)
    };
    // Given as one already.
    let is_one = std::fs::read(&network.path)
        .ok()
        .and_then(|model| onnx::is_half(&model).ok())
        .unwrap_or(false);
    if is_one {
        return Ok(network.clone());
    }
    let path = derived::find(home, &network.sha256, target)
        .map_err(wrong)?
        .ok_or_else(|| wrong(derived::missing(home, network, target)))?;
    let origin = derived::origin(home, &network.sha256, target).map_err(wrong)?;
    Ok(Network {
        path,
        sha256: origin.map_or_else(|| network.sha256.clone(), |origin| origin.sha256),
        ..network.clone()
    })
}
