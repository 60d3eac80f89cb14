//! What a network is fed and which answers of it count: a family's defaults, or the catalog's own values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::vision::tensor::{ChannelOrder, Normalization};

/// Which half of the work a network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Photo to faces.
    Detector,
    /// Aligned crop to embedding.
    Recognizer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Recognizer => "recognizer",
        })
    }
}

/// The input tensor: `[batch, 3, height, width]`, each value `(pixel - mean) / divisor` of a pixel in 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSettings {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Order of the channel planes.
    pub channels: ChannelOrder,
    /// Subtracted from each pixel.
    pub mean: f32,
    /// Divides what is left.
    pub divisor: f32,
}

impl InputSettings {
    /// How a pixel becomes a number of this tensor.
    pub fn normalization(&self) -> Normalization {
        Normalization {
            channels: self.channels,
            mean: self.mean,
            divisor: self.divisor,
        }
    }
}

/// All that a network needs beside its file: a family's defaults, or those with an entry's own values in their place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The input tensor.
    pub input: InputSettings,
    /// Least score of a face, 0 to 1; recognizers do not read it.
    pub score_threshold: f32,
    /// Greatest `IoU` of two faces that are both kept, 0 to 1; recognizers do not read it.
    pub nms_threshold: f32,
    /// Least cosine at which two embeddings are one person, where somebody published one.
    pub match_threshold: Option<f32>,
}
