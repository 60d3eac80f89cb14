//! What follows from a SPEC and the table of backends: what runs it, on which device, in which precision.

use std::path::Path;

use super::{BackendSpec, GpuWanted, Precision};
use crate::runtime::{
    descriptor::{BackendDescriptor, Engine},
    onnxruntime::{ExecutionProvider, providers::TensorRt},
    options::{DataPath, Decoding},
    table::{BACKENDS, DETECTOR_PRECISION, REFERENCE},
};

impl BackendSpec {
    /// The backend: its row in the table.
    pub fn backend(&self) -> &'static BackendDescriptor {
        BackendDescriptor::find(&self.word).unwrap_or(&BACKENDS[0])
    }

    /// Whether this is the backend without networks.
    pub fn is_null(&self) -> bool {
        matches!(self.backend().engine, Engine::Null)
    }

    /// The program that runs it in facebench's place; `None` where facebench's own worker does.
    pub fn peer(&self) -> Option<&Path> {
        self.device
            .as_deref()
            .filter(|_| matches!(self.backend().engine, Engine::Peer))
            .map(Path::new)
    }

    /// The GPU that it asks for; `None` where it runs on no GPU of NVIDIA's.
    pub fn gpu(&self) -> Option<GpuWanted> {
        let (word, device) = match &self.null.on {
            Some(on) => on
                .split_once(':')
                .map_or((&on[..], None), |(word, device)| (word, Some(device))),
            None => (&self.word[..], self.device.as_deref()),
        };
        BackendDescriptor::find(word)?.device.gpu(device)
    }

    /// The execution provider of ONNX Runtime that it runs; `None` where it runs on something else.
    pub fn execution_provider(&self) -> Option<&'static dyn ExecutionProvider> {
        let usual = self.backend().provider()?;
        Some(if self.provider.tensorrt { &TensorRt } else { usual })
    }

    /// Whether its runtime compiles the networks to engines of its own, of any precision.
    pub fn compiles(&self) -> bool {
        self.execution_provider().is_some_and(ExecutionProvider::compiles)
    }

    /// How photos get to its networks.
    pub fn data_path(&self) -> DataPath {
        self.provider.path.unwrap_or(self.backend().data_path)
    }

    /// Whether its answers can be those that others are compared with: fp32 on the CPU, from photos as they are.
    pub fn is_reference(&self) -> bool {
        self.backend().is_reference()
            && self.precision == Precision::Fp32
            && self.decoding() == Decoding::Full
            && !self.fit_canvas
    }

    /// Whether its two networks may differ in precision: `int8` then means the recognizer, and the detector only where
    /// that is asked for.
    pub fn has_own_detector_precision(&self) -> bool {
        self.precision == Precision::Int8 && self.backend().takes(DETECTOR_PRECISION)
    }

    /// What the numbers inside the detector are; those inside the recognizer are of [`BackendSpec::precision`].
    pub fn detector_precision(&self) -> Precision {
        if self.has_own_detector_precision() {
            self.detector_precision.unwrap_or_default()
        } else {
            self.precision
        }
    }

    /// A bare SPEC of the backend whose answers others are compared with.
    pub fn reference() -> Self {
        Self::bare(REFERENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int8_is_the_recognizer_unless_the_detector_is_named() {
        let detector = |text: &str| text.parse::<BackendSpec>().unwrap().detector_precision();
        assert_eq!(detector("cpu,precision=int8"), Precision::Fp32);
        assert_eq!(
            detector("cpu,precision=int8,detector-precision=fp32"),
            Precision::Fp32
        );
        assert_eq!(
            detector("openvino,detector-precision=int8,precision=int8"),
            Precision::Int8
        );
        assert_eq!(detector("cpu,precision=fp16"), Precision::Fp16);
        assert_eq!(
            detector("tensorrt,precision=int8"),
            Precision::Int8,
            "it makes both itself"
        );
    }
}
