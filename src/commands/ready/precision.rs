//! The networks that an arm's precision asks for: converted ones, where the runtime does not convert by itself.

use std::path::Path;

use super::Missing;
use crate::{
    model::{
        derived::{self, Target},
        network::Network,
    },
    pipeline::Networks,
    runtime::{
        onnx,
        options::Choice,
        spec::{BackendSpec, Precision},
    },
};

/// The networks of `spec`'s precision, made from `networks`; `None` where these are the ones.
pub fn networks(spec: &BackendSpec, networks: &Networks, home: &Path) -> Result<Option<Networks>, Missing> {
    let own = |network: &Network, precision: Precision| match target(spec, precision) {
        Some(target) => converted(network, target, &networks.detector, home).map(Some),
        None => Ok(None),
    };
    let detector = own(&networks.detector, spec.detector_precision())?;
    let recognizer = own(&networks.recognizer, spec.precision)?;
    if detector.is_none() && recognizer.is_none() {
        return Ok(None);
    }
    Ok(Some(Networks {
        detector: detector.unwrap_or_else(|| networks.detector.clone()),
        recognizer: recognizer.unwrap_or_else(|| networks.recognizer.clone()),
        ..networks.clone()
    }))
}

/// What a network must have been converted to for `spec` to run it in `precision`.
fn target(spec: &BackendSpec, precision: Precision) -> Option<Target> {
    // A runtime that compiles makes its own; where both networks are of one precision, 8 bits run what is given so.
    if spec.is_null() || spec.compiles() {
        return None;
    }
    Target::named(precision.name())
        .filter(|target| *target == Target::Fp16 || spec.has_own_detector_precision())
}

/// `network` in another precision; the study's `detector` finds the faces that a recognizer is calibrated on.
fn converted(network: &Network, target: Target, detector: &Network, home: &Path) -> Result<Network, Missing> {
    let wrong = |error: derived::DerivedError| {
        let text = error.to_string();
        let (reason, fix) = text
            .split_once('\n')
            .or_else(|| text.split_once("; "))
            .unwrap_or((&text, "make it again"));
        Missing::new(reason, fix)
    };
    // Given as one already.
    let is_one = std::fs::read(&network.path)
        .ok()
        .and_then(|model| match target {
            Target::Fp16 => onnx::is_half(&model).ok(),
            Target::Int8 => onnx::is_quantized(&model).ok(),
        })
        .unwrap_or(false);
    if is_one {
        return Ok(network.clone());
    }
    let path = derived::find(home, &network.sha256, target)
        .map_err(wrong)?
        .ok_or_else(|| wrong(derived::missing(home, network, target, detector)))?;
    let origin = derived::origin(home, &network.sha256, target).map_err(wrong)?;
    Ok(Network {
        path,
        sha256: origin.map_or_else(|| network.sha256.clone(), |origin| origin.sha256),
        ..network.clone()
    })
}
