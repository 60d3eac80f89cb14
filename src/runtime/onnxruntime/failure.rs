//! From ONNX Runtime's complaint about a session to what is missing and what to do about it.

use crate::runtime::{install::Flavor, spec::BackendSpec};

/// Why a session could not be had, read from the runtime's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The words, without what is about the probe, the runtime's source files and its error numbers.
    pub text: String,
    /// The library that could not be opened, such as `libcublasLt.so.13`.
    pub missing: Option<String>,
    /// What needs that library, such as `libonnxruntime_providers_cuda.so`.
    needed_by: Option<String>,
}

impl Failure {
    /// Reads the runtime's words.
    pub fn parse(words: &str) -> Self {
        let text = plain(words);
        let missing = between(&text, "with error: ", ": cannot open shared object file").map(str::to_owned);
        let needed_by = between(&text, "Failed to load library ", " with error")
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned());
        Self {
            text,
            missing,
            needed_by,
        }
    }

    /// What is wrong, in one line.
    pub fn reason(&self) -> String {
        match (&self.missing, &self.needed_by) {
            (Some(missing), Some(needed_by)) => format!("{missing} is missing, which {needed_by} needs"),
            _ => cuda_failure(&self.text),
        }
    }

    /// What to do about it, for an arm of `spec` that ran on a library of this flavour.
    pub fn fix(&self, spec: &BackendSpec, flavor: Option<Flavor>) -> String {
        let without = ["is not enabled in this build", "not compiled"];
        if self.missing.is_none() && without.iter().any(|words| self.text.contains(words)) {
            return format!(
                "this ONNX Runtime was built without the provider: leave runtime= out, or name one that has {}",
                spec.word
            );
        }
        spec.execution_provider()
            .and_then(|provider| provider.fix(self, spec, flavor))
            .unwrap_or_else(|| "`facebench devices` shows what this machine has".to_owned())
    }
}

fn plain(words: &str) -> String {
    let words = words.trim();
    let words = words.split_once("can load: ").map_or(words, |(_, rest)| rest);
    let words = words
        .split_once("[ONNXRuntimeError]")
        .map_or(words, |(_, rest)| rest.splitn(4, " : ").last().unwrap_or(rest));
    words.trim().to_owned()
}

/// `CUDA failure 100: no CUDA-capable device is detected` without the source lines around it.
fn cuda_failure(text: &str) -> String {
    let Some(start) = text.find("CUDA failure ") else {
        return text.to_owned();
    };
    let failure = &text[start..];
    failure
        .split_once(" ; GPU=")
        .map_or(failure, |(failure, _)| failure)
        .trim()
        .to_owned()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(spec: &str, words: &str) -> String {
        let failure = Failure::parse(words);
        format!(
            "{}\n{}",
            failure.reason(),
            failure.fix(&spec.parse().unwrap(), None)
        )
    }

    #[test]
    fn a_complaint_becomes_a_reason_and_a_fix() {
        let missing = |provider: &str, library: &str| {
            format!(
                "the smallest network: not a network that ONNX Runtime can load: /onnxruntime_src/provider_bridge_ort.cc:2043 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library /r/libonnxruntime_providers_{provider}.so with error: {library}: cannot open shared object file: No such file or directory"
            )
        };
        insta::assert_snapshot!(explained("cuda", &missing("cuda", "libcuda.so.1")), @r"
libcuda.so.1 is missing, which libonnxruntime_providers_cuda.so needs
install NVIDIA's driver; in a container, start it with the GPU (docker run --gpus all, or the nvidia runtime class)
");
        insta::assert_snapshot!(explained("cuda", &missing("cuda", "libcublasLt.so.13")), @r"
libcublasLt.so.13 is missing, which libonnxruntime_providers_cuda.so needs
run `facebench setup cuda13`, which brings NVIDIA's libraries along, or name the folders where they are in FACEBENCH_NVIDIA_LIBS
");
        insta::assert_snapshot!(explained("tensorrt", &missing("tensorrt", "libnvinfer.so.10")), @r"
libnvinfer.so.10 is missing, which libonnxruntime_providers_tensorrt.so needs
install TensorRT 10 (python3 -m pip install tensorrt-cu13, which fetches it from NVIDIA) and name the folder of its libraries in FACEBENCH_NVIDIA_LIBS, or use -b cuda
");
        insta::assert_snapshot!(explained("cuda", "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0"), @r"
CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version
NVIDIA's driver is too old for this CUDA: run `facebench setup cuda12`, or install a newer driver
");
        insta::assert_snapshot!(explained("cuda", "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1"), @r"
CUDA failure 100: no CUDA-capable device is detected
no GPU is given to this process: `facebench devices` shows what is here; in a container, start it with the GPU (docker run --gpus all)
");
        insta::assert_snapshot!(explained("openvino:GPU", "[ONNXRuntimeError] : 1 : FAIL : no such device"), @r"
no such device
leave the device out for OpenVINO's CPU device, or install the device's driver for OpenVINO
");
        insta::assert_snapshot!(explained("vitis", "Vitis AI execution provider is not enabled in this build."), @r"
Vitis AI execution provider is not enabled in this build.
this ONNX Runtime was built without the provider: leave runtime= out, or name one that has vitis
");
    }
}
