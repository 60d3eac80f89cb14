//! The stages of one photo, in whatever they are counted in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct Seconds(pub f64);

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct Milliseconds(pub f64);

/// A value for each stage of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "StagesIn{T}")]
pub struct Stages<T> {
    /// Encoded bytes to pixels.
    pub decode: T,
    /// Pixels to faces.
    pub detect: T,
    /// Faces to aligned crops.
    pub align: T,
    /// Crops to embeddings.
    pub embed: T,
    /// Embeddings to names.
    #[serde(rename = "match")]
    pub matching: T,
}

/// What the stages are called, in their order.
pub const STAGE_NAMES: [&str; 5] = ["decode", "detect", "align", "embed", "match"];

impl<T> Stages<T> {
    /// One for each stage, in their order.
    pub fn of(values: [T; 5]) -> Self {
        let [decode, detect, align, embed, matching] = values;
        Self {
            decode,
            detect,
            align,
            embed,
            matching,
        }
    }

    /// The values, in the order of [`STAGE_NAMES`].
    pub fn values(self) -> [T; 5] {
        [self.decode, self.detect, self.align, self.embed, self.matching]
    }

    /// What `change` makes of each.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Stages<U> {
        Stages::of(self.values().map(change))
    }
}

impl Stages<Seconds> {
    /// All stages together.
    pub fn total(self) -> Seconds {
        Seconds(self.values().iter().map(|stage| stage.0).sum())
    }

    /// The mean of each stage over so many photos, in which all of `times` were spent; `None` without photos.
    pub fn mean(times: impl Iterator<Item = Self>, photos: usize) -> Option<Stages<Milliseconds>> {
        let sum = times.fold([0.0; 5], |sum, times| {
            let times = times.values();
            std::array::from_fn(|stage| sum[stage] + times[stage].0)
        });
        (photos > 0).then(|| Stages::of(sum.map(|seconds| Milliseconds(seconds * 1e3 / photos as f64))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_keys_in_their_order() {
        let stages = Stages::of([1, 2, 3, 4, 5]);
        let json = serde_json::to_string(&stages).unwrap();
        let keys: Vec<String> = STAGE_NAMES
            .iter()
            .zip(stages.values())
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        assert_eq!(json, format!("{{{}}}", keys.join(",")));
    }

    #[test]
    fn the_mean_is_of_photos() {
        let two = [
            Stages::of([0.5; 5].map(Seconds)),
            Stages::of([1.5; 5].map(Seconds)),
        ];
        let mean = Stages::mean(two.into_iter(), 4).unwrap();
        assert_eq!(mean.values(), [500.0; 5].map(Milliseconds));
        assert_eq!(two[0].total(), Seconds(2.5));
        assert_eq!(Stages::mean([].into_iter(), 0), None);
    }
}
