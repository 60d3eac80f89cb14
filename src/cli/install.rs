//! What is put on a machine: networks, synthetic photos, runtimes, bundles.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::values::{ByteSize, canvas, count, duration, flavor, part_size};
use crate::{
    model::{InputChoice, derived::Target, network::NetworkName},
    runtime::install::Flavor,
};

/// `facebench models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List every network that facebench knows by name
    List {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Compare the networks on this machine with the catalog's hashes
    Verify,
    /// Download a network and check its hash
    Fetch(FetchArgs),
    /// Convert a network to another precision, for arms such as cuda,precision=fp16 or cpu,precision=int8
    Quantize(QuantizeArgs),
}

/// `facebench models fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// A name from the catalog
    pub name: String,
    /// Accept the terms of a non-commercial licence
    #[arg(long)]
    pub accept_license: bool,
    /// The hash that the file must have, if the catalog has none
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// Another address to download the file from
    #[arg(long)]
    pub url: Option<String>,
    /// Give up when the server has sent nothing for this long, or less than 1 kB for each of these seconds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// Give up when the file is not whole after this long; the next run resumes it
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub within: Duration,
}

/// `facebench models quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// A name from the catalog, an ONNX file, or FAMILY:FILE
    #[arg(value_name = "NAME|PATH")]
    pub name: NetworkName,
    /// The precision to convert to [default with --calibrate: int8]
    #[arg(long, value_enum, required_unless_present = "calibrate")]
    pub to: Option<Target>,
    /// For int8: a folder of photos like those to be measured; they show the ranges of the values inside the network
    #[arg(long, value_name = "DIR", required_if_eq("to", "int8"))]
    pub calibrate: Option<PathBuf>,
    /// For int8 and a recognizer: the detector that finds the faces in these photos [default: facebench-det]
    #[arg(long, value_name = "NAME|PATH", requires = "calibrate")]
    pub detector: Option<NetworkName>,
}

/// `facebench datasets`.
#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// Render photos into a folder, with a manifest of boxes, landmarks and people; the same seed gives the same files
    Render(RenderArgs),
}

/// `facebench datasets render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Decides every pixel
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many photos
    #[arg(long, default_value_t = 120, value_parser = count)]
    pub count: usize,
    /// The folder for them
    pub dir: PathBuf,
}

/// The runtimes that `facebench setup` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetupFlavor {
    /// ONNX Runtime for the CPU
    Cpu,
    /// ONNX Runtime for NVIDIA GPUs, whichever of the next two fits the driver and the GPU
    Cuda,
    /// ONNX Runtime for NVIDIA GPUs with CUDA 13, and NVIDIA's libraries
    Cuda13,
    /// The same with CUDA 12, for older drivers and for GPUs that CUDA 13 no longer supports (V100 and older)
    Cuda12,
    /// ONNX Runtime with Intel's OpenVINO
    Openvino,
}

/// `facebench bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// A new folder for the bundle
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Largest file of the bundle, such as 60MB or 60MiB
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = part_size)]
    pub part_size: ByteSize,
    /// Runtimes to pack besides the CPU's, which is always packed; missing ones are installed first
    #[arg(long = "flavor", value_name = "FLAVOR", default_value = "cpu", value_parser = flavor)]
    pub flavors: Vec<Flavor>,
    /// Leave NVIDIA's libraries out: the other machine has them, and `FACEBENCH_NVIDIA_LIBS` gives their folders
    #[arg(long)]
    pub without_nvidia_libraries: bool,
    /// Photos instead of the demo's: a folder or a file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// Detector to pack [default: facebench-det]
    #[arg(long, value_name = "NAME|PATH")]
    pub detector: Option<NetworkName>,
    /// Recognizer to pack [default: facebench-rec]
    #[arg(long, value_name = "NAME|PATH")]
    pub recognizer: Option<NetworkName>,
    /// Size of the detector's canvas in the bundle's studies, such as 320 or 640x480
    #[arg(long, value_name = "SIDE|WxH", value_parser = canvas)]
    pub canvas: Option<(u32, u32)>,
    /// How the detector is fed there: channels=rgb|bgr, mean=NUMBER, divisor=NUMBER
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub detector_input: Option<InputChoice>,
    /// How the recognizer is fed there, likewise
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub recognizer_input: Option<InputChoice>,
}
