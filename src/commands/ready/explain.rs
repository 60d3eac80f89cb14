//! From a provider's complaint to what is missing and what to do about it.

use super::Missing;
use crate::{runtime::spec::BackendSpec, study::arm_environment::ArmEnvironment};

/// What the words of a strict session, which failed in `environment`, mean.
pub(super) fn explain(spec: &BackendSpec, environment: &ArmEnvironment, said: &str) -> Missing {
    let said = plain(said);
    let flavor = environment
        .library
        .as_ref()
        .map_or("cuda13", |library| library.flavor.name());
    let missing = between(&said, "with error: ", ": cannot open shared object file");
    let reason = match (missing, between(&said, "Failed to load library ", " with error")) {
        (Some(missing), Some(provider)) => {
            let provider = provider.rsplit('/').next().unwrap_or(provider);
            format!("{missing} is missing, which {provider} needs")
        }
        _ => cuda_failure(&said),
    };
    let fix = match missing {
        Some("libcuda.so.1") => {
            "install NVIDIA's driver; in a container, start it with the GPU (docker run --gpus all, or the nvidia runtime class)".to_owned()
        }
        Some(library) if library.starts_with("libnvinfer") || library.starts_with("libnvonnxparser") => format!(
            "install TensorRT 10 (python3 -m pip install tensorrt-{}, which fetches it from NVIDIA) and name the folder of its libraries in FACEBENCH_NVIDIA_LIBS, or use -b cuda",
            if flavor == "cuda12" { "cu12" } else { "cu13" }
        ),
        Some(_) => format!(
            "run `facebench setup {flavor}`, which brings NVIDIA's libraries along, or name the folders where they are in FACEBENCH_NVIDIA_LIBS"
        ),
        None if said.contains("CUDA failure 35") || said.contains("driver version is insufficient") => {
            "NVIDIA's driver is too old for this CUDA: run `facebench setup cuda12`, or install a newer driver".to_owned()
        }
        None if said.contains("CUDA failure 100") || said.contains("no CUDA-capable device") => {
            "no GPU is given to this process: `facebench devices` says what is here; in a container, start it with the GPU (docker run --gpus all)".to_owned()
        }
        None if said.contains("cuDNN is not available") || said.contains("cuDNN is unavailable") => format!(
            "run `facebench setup {flavor}`, which brings cuDNN along, or name its folder in FACEBENCH_NVIDIA_LIBS"
        ),
        None if said.contains("CUDA failure 802") => {
            "start NVIDIA's Fabric Manager of the driver's own version (systemctl start nvidia-fabricmanager)".to_owned()
        }
        None if said.contains("CUDA failure 46") => {
            "another process holds the GPU for itself (compute mode): end it".to_owned()
        }
        None if said.contains("CUDA failure 803") || said.contains("CUDA failure 804") => {
            "the driver and its libraries do not fit: take cuda/compat out of LD_LIBRARY_PATH, or restart after the upgrade".to_owned()
        }
        None if said.contains("CUDA failure 2:") || said.contains("out of memory") => {
            "the GPU's memory is full: end what uses it, or give the arm fewer streams or a smaller batch".to_owned()
        }
        None if said.contains("no kernel image is available") => {
            "this ONNX Runtime has no code for so old a GPU: run `facebench setup cuda12`".to_owned()
        }
        None if said.contains("is not enabled in this build") || said.contains("not compiled") => format!(
            "this ONNX Runtime was built without the provider: leave runtime= out, or name one that has {}",
            spec.word
        ),
        None if spec.word == "openvino" && spec.device.is_some() => {
            "leave the device out for OpenVINO's CPU device, or install the device's driver for OpenVINO".to_owned()
        }
        None => "`facebench devices` says what this machine has".to_owned(),
    };
    Missing::new(reason, fix)
}

/// Without the words that are about the probe, the runtime's source files and its error numbers.
fn plain(said: &str) -> String {
    let said = said.trim();
    let said = said.split_once("can load: ").map_or(said, |(_, rest)| rest);
    let said = said
        .split_once("[ONNXRuntimeError]")
        .map_or(said, |(_, rest)| rest.splitn(4, " : ").last().unwrap_or(rest));
    said.trim().to_owned()
}

/// `CUDA failure 100: no CUDA-capable device is detected` without the source lines around it.
fn cuda_failure(said: &str) -> String {
    let Some(start) = said.find("CUDA failure ") else {
        return said.to_owned();
    };
    let failure = &said[start..];
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

    fn explained(spec: &str, said: &str) -> String {
        let Missing { reason, fix } = explain(&spec.parse().unwrap(), &ArmEnvironment::default(), said);
        format!("{reason}\n{fix}")
    }

    #[test]
    fn what_providers_say_becomes_a_reason_and_a_fix() {
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
no GPU is given to this process: `facebench devices` says what is here; in a container, start it with the GPU (docker run --gpus all)
");
        insta::assert_snapshot!(explained("openvino:GPU", "[ONNXRuntimeError] : 1 : FAIL : no such device"), @r"
no such device
leave the device out for OpenVINO's CPU device, or install the device's driver for OpenVINO
");
    }
}
