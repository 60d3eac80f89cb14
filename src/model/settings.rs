//! What a network is fed and which answers of it count: a family's defaults, or the catalog's own values.

use std::{fmt, str::FromStr};

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

/// What the user says of a network's input, in place of what the catalog, the network's graph and its family say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct InputChoice {
    /// Order of the channel planes.
    pub channels: Option<ChannelOrder>,
    /// Subtracted from each pixel.
    pub mean: Option<f32>,
    /// Divides what is left.
    pub divisor: Option<f32>,
    /// Width and height of the canvas.
    pub canvas: Option<(u32, u32)>,
}

impl InputChoice {
    /// Whether it says how a pixel becomes a number.
    pub fn normalizes(&self) -> bool {
        self.mean.is_some() || self.divisor.is_some()
    }

    /// `input` with what is chosen in its place.
    #[must_use]
    pub fn over(&self, input: InputSettings) -> InputSettings {
        let (width, height) = self.canvas.unwrap_or((input.width, input.height));
        InputSettings {
            width,
            height,
            channels: self.channels.unwrap_or(input.channels),
            mean: self.mean.unwrap_or(input.mean),
            divisor: self.divisor.unwrap_or(input.divisor),
        }
    }
}

impl fmt::Display for InputChoice {
    /// In the words that [`FromStr`] reads; the canvas has an option of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.channels.map(|channels| format!("channels={channels}")),
            self.mean.map(|mean| format!("mean={mean}")),
            self.divisor.map(|divisor| format!("divisor={divisor}")),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

impl FromStr for InputChoice {
    type Err = String;

    /// `channels=bgr,mean=127.5,divisor=128`, in the words of the catalog's files; one of them is enough.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut choice = Self::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let number = || {
                let number = value.parse::<f32>().ok().filter(|number| number.is_finite());
                number.ok_or_else(|| format!("{key}: expected a number, such as {key}=127.5"))
            };
            match key {
                "channels" => {
                    choice.channels = Some(match value {
                        "rgb" => ChannelOrder::Rgb,
                        "bgr" => ChannelOrder::Bgr,
                        _ => return Err("channels: expected rgb or bgr".to_owned()),
                    });
                }
                "mean" => choice.mean = Some(number()?),
                "divisor" => {
                    let divisor = number().ok().filter(|number| number.abs() > 1e-6);
                    choice.divisor = Some(
                        divisor.ok_or("divisor: expected a number that is not 0, such as divisor=127.5")?,
                    );
                }
                _ => {
                    return Err(format!(
                        "\"{key}\" is not known; there are channels=rgb|bgr, mean=NUMBER and divisor=NUMBER, joined by commas"
                    ));
                }
            }
        }
        Ok(choice)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_in_the_catalogs_words_and_stands_over_what_else_is_known() {
        let choice: InputChoice = "channels=bgr,mean=0,divisor=1".parse().unwrap();
        let input = InputSettings {
            width: 112,
            height: 112,
            channels: ChannelOrder::Rgb,
            mean: 127.5,
            divisor: 128.0,
        };
        assert_eq!(
            choice.over(input),
            InputSettings {
                channels: ChannelOrder::Bgr,
                mean: 0.0,
                divisor: 1.0,
                ..input
            }
        );
        assert_eq!(InputChoice::default().over(input), input);
        assert_eq!(choice.to_string().parse(), Ok(choice));
        for (wrong, words) in [
            ("bgr", "\"bgr\" is not known"),
            ("channels=red", "rgb or bgr"),
            ("mean=x", "mean=127.5"),
            ("divisor=0", "not 0"),
            ("mean=NaN", "a number"),
            ("", "not known"),
        ] {
            let error = wrong.parse::<InputChoice>().unwrap_err();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
