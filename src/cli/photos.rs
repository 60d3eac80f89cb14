//! Photos and networks: the arguments that every command with a pipeline shares, and `faces`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::values::{canvas, duration, share};
use crate::model::{InputChoice, network::NetworkName};

/// The two networks and how photos are read for them.
#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// Detector: a name from `facebench models list`, an ONNX file, or FAMILY:FILE (yunet:net.onnx) [default:
    /// facebench-det]
    #[arg(long, value_name = "NAME|PATH")]
    pub detector: Option<NetworkName>,
    /// Recognizer, in the same forms (arcface:net.onnx) [default: facebench-rec]
    #[arg(long, value_name = "NAME|PATH")]
    pub recognizer: Option<NetworkName>,
    /// Size of the detector's canvas, into which a photo is fitted, such as 320 or 640x480, in multiples of 32 [default: the
    /// catalog's, else 640]
    #[arg(long, value_name = "SIDE|WxH", value_parser = canvas)]
    pub canvas: Option<(u32, u32)>,
    /// How the detector is fed: channels=rgb|bgr, mean=NUMBER, divisor=NUMBER, joined by commas; a pixel becomes (pixel -
    /// mean) / divisor [default: the catalog's, else what its graph shows, else its family's]
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub detector_input: Option<InputChoice>,
    /// How the recognizer is fed, likewise, such as channels=bgr
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub recognizer_input: Option<InputChoice>,
    /// Lowest score of a face, 0 to 1 [default: the catalog's, else 0.6]
    #[arg(long, value_parser = share)]
    pub score: Option<f32>,
    /// Largest photo, in megapixels
    #[arg(long, value_name = "MP", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub max_megapixels: u64,
    /// End with an error at a photo that cannot be read, instead of skipping it
    #[arg(long)]
    pub strict: bool,
}

/// Photos and networks of a study.
#[derive(Debug, Clone, Args)]
pub struct WorkloadArgs {
    /// Photos and networks under one name; -i, --detector and --recognizer replace its parts
    #[arg(short, long, value_enum, default_value_t = WorkloadName::Demo)]
    pub workload: WorkloadName,
    /// Photos instead of the workload's own: a folder or a file
    #[arg(short, long, value_name = "DIR|FILE")]
    pub input: Option<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
}

/// The workloads of `--workload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkloadName {
    /// Synthetic photos, and networks trained on such photos: both inside the program
    Demo,
}

/// `facebench faces`.
#[derive(Debug, Args)]
pub struct FacesArgs {
    /// Photos, or folders of them
    #[arg(required = true, value_name = "PHOTO|DIR")]
    pub inputs: Vec<PathBuf>,
    /// The networks.
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// One JSON line per photo; the default without --draw
    #[arg(long)]
    pub json: bool,
    /// Write the photos into this folder with boxes, landmarks and names drawn in
    #[arg(long, value_name = "DIR")]
    pub draw: Option<PathBuf>,
    /// Photos of known people: one sub-folder per person, or photos with identities.csv
    #[arg(long, value_name = "DIR")]
    pub gallery: Option<PathBuf>,
    /// Lowest cosine similarity at which two faces are the same person [default: the catalog's, else 0.4]
    #[arg(long, value_name = "COSINE", value_parser = share)]
    pub match_threshold: Option<f32>,
    /// End with an error when no photo is answered for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub patience: Duration,
}
