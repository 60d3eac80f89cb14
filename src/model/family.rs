//! The families of networks: a row each, with what reads their outputs and what they are fed unless the catalog says
//! otherwise. A new family is a file with its reader, a name in [`Family`] and a row in the table here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    arcface,
    hint::hint,
    outputs::FaceDecoder,
    scrfd::Scrfd,
    settings::{InputSettings, Role, Settings},
    yunet::Yunet,
};
use crate::{runtime::Signature, vision::tensor::ChannelOrder};

/// How a network's output tensors are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Detector: `cls`, `obj`, `bbox` and `kps` for strides 8, 16 and 32.
    Yunet,
    /// Detector: scores, distances to the four sides and landmarks, two anchors a cell.
    Scrfd,
    /// Recognizer: one embedding for each aligned crop.
    Arcface,
}

/// What reads a family's outputs, for a graph that is of the family; else the error says what does not fit.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// Of a detector.
    Faces(fn(&Signature) -> Result<Box<dyn FaceDecoder>, String>),
    /// Of a recognizer, one of whose outputs is the embedding and needs no decoder: says which.
    Embeddings(fn(&Signature) -> Result<usize, String>),
}

/// All that is known of a family.
struct Row {
    family: Family,
    /// Its name in specifications, records and TOML.
    word: &'static str,
    reader: Reader,
    /// Whether several pictures may go into one run, where the graph has a dynamic batch.
    batches: bool,
    defaults: Settings,
}

/// In the order of [`Family`].
static FAMILIES: [Row; 3] = [
    Row {
        family: Family::Yunet,
        word: "yunet",
        reader: Reader::Faces(|signature| Ok(Box::new(Yunet::new(signature)?))),
        batches: true,
        defaults: Settings {
            input: square(640, ChannelOrder::Bgr, 0.0, 1.0),
            score_threshold: 0.6,
            nms_threshold: 0.3,
            match_threshold: None,
        },
    },
    Row {
        family: Family::Scrfd,
        word: "scrfd",
        reader: Reader::Faces(|signature| Ok(Box::new(Scrfd::new(signature)?))),
        // Many exports fold the batch into the rows, and some of those reject a batch of two.
        batches: false,
        defaults: Settings {
            input: square(640, ChannelOrder::Rgb, 127.5, 128.0),
            score_threshold: 0.6,
            nms_threshold: 0.4,
            match_threshold: None,
        },
    },
    Row {
        family: Family::Arcface,
        word: "arcface",
        reader: Reader::Embeddings(arcface::embedding_output),
        batches: true,
        defaults: Settings {
            input: square(112, ChannelOrder::Rgb, 127.5, 127.5),
            score_threshold: 0.6,
            nms_threshold: 0.4,
            match_threshold: None,
        },
    },
];

const fn square(side: u32, channels: ChannelOrder, mean: f32, divisor: f32) -> InputSettings {
    InputSettings {
        width: side,
        height: side,
        channels,
        mean,
        divisor,
    }
}

impl Family {
    /// Every family.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES.iter().map(|row| row.family)
    }

    fn row(self) -> &'static Row {
        &FAMILIES[self as usize]
    }

    /// Its name in specifications, records and TOML.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// Which half of the work it does.
    pub fn role(self) -> Role {
        match self.row().reader {
            Reader::Faces(_) => Role::Detector,
            Reader::Embeddings(_) => Role::Recognizer,
        }
    }

    /// What reads its outputs.
    pub(super) fn reader(self) -> Reader {
        self.row().reader
    }

    /// Whether several pictures may go into one run, where the graph has a dynamic batch.
    pub fn batches(self) -> bool {
        self.row().batches
    }

    /// The settings of a network of this family that is given by path.
    pub fn defaults(self) -> Settings {
        self.row().defaults
    }

    /// Whether a graph with `signature` is one of this family; the error says what does not fit.
    pub fn check(self, signature: &Signature) -> Result<(), String> {
        match self.reader() {
            Reader::Faces(decoder) => decoder(signature).map(drop),
            Reader::Embeddings(output) => output(signature).map(drop),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that no family has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no family of networks is called `{word}`{hint}; known: {known}")]
pub struct UnknownFamily {
    /// The word as given.
    pub word: String,
    /// "; did you mean ..?", or nothing.
    pub hint: String,
    /// Every family, joined by commas.
    pub known: String,
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(word: &str) -> Result<Self, UnknownFamily> {
        Self::all().find(|family| family.as_str() == word).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Self::as_str).collect();
            UnknownFamily {
                word: word.into(),
                hint: hint(word, &known),
                known: known.join(", "),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_stands_at_its_own_row_and_is_called_what_records_call_it() {
        for family in Family::all() {
            assert_eq!(family.row().family, family);
            assert_eq!(
                serde_json::to_string(&family).unwrap(),
                format!("\"{}\"", family.as_str())
            );
        }
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_nearest() {
        let message = "Yunnet".parse::<Family>().unwrap_err().to_string();
        assert_eq!(
            message,
            "no family of networks is called `Yunnet`; did you mean `yunet`?; known: yunet, scrfd, arcface"
        );
        assert_eq!("arcface".parse::<Family>().unwrap(), Family::Arcface);
    }
}
