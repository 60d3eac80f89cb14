//! What is found in a photo: bounding box, landmarks, detection, embedding.

use serde::{Deserialize, Serialize};

/// An axis-aligned box in pixels of the photo: left, top, right, bottom. May reach beyond the photo's edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct BoundingBox {
    /// Left edge, pixels.
    pub x1: f32,
    /// Top edge, pixels.
    pub y1: f32,
    /// Right edge, pixels; at least `x1` for a box that has an area.
    pub x2: f32,
    /// Bottom edge, pixels; at least `y1` for a box that has an area.
    pub y2: f32,
}

impl BoundingBox {
    /// Width in pixels, never below 0.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height in pixels, never below 0.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union with `other`, 0 to 1; 0 where either has no area.
    pub fn iou(&self, other: &Self) -> f32 {
        let width = self.x2.min(other.x2) - self.x1.max(other.x1);
        let height = self.y2.min(other.y2) - self.y1.max(other.y1);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let intersection = width * height;
        intersection / (self.area() + other.area() - intersection)
    }
}

impl From<[f32; 4]> for BoundingBox {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

impl From<BoundingBox> for [f32; 4] {
    fn from(b: BoundingBox) -> Self {
        [b.x1, b.y1, b.x2, b.y2]
    }
}

/// Five points in pixels of the photo: right eye, left eye, nose tip, right mouth corner, left mouth corner,
/// as the person has them (so the right eye is left in the picture).
pub type Landmarks = [[f32; 2]; 5];

/// One face that a detector found, in pixels of the oriented photo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Where the face is.
    #[serde(rename = "box")]
    pub bounding_box: BoundingBox,
    /// Its five landmarks.
    pub landmarks: Landmarks,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
}

/// A face as a direction: the recognizer's output, normalised to length 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Normalises `values` to length 1 (L2). A vector of length 0 stays as it is.
    pub fn from_raw(values: &[f32]) -> Self {
        let mut embedding = Self::default();
        embedding.assign(values);
        embedding
    }

    /// Becomes what [`Embedding::from_raw`] makes of `values`, in the memory that it has.
    pub fn assign(&mut self, values: &[f32]) {
        let length = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
        let norm = length(values);
        self.0.clear();
        if norm.is_finite() || !values.iter().all(|v| v.is_finite()) {
            let scale = if norm > 0.0 { norm.recip() } else { 1.0 };
            self.0.extend(values.iter().map(|v| v * scale));
            return;
        }
        // The squares of such numbers are too large to be added.
        let largest = values.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
        self.0.extend(values.iter().map(|v| v / largest));
        let scale = length(&self.0).recip();
        self.0.iter_mut().for_each(|v| *v *= scale);
    }

    /// The normalised numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between two embeddings, -1 to 1.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

/// A detected face and, where a recognizer ran, its embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// Box, landmarks, score.
    #[serde(flatten)]
    pub detection: Detection,
    /// The direction that stands for this person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub embedding: Option<Embedding>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn iou_of_half_overlapping_squares_is_a_third() {
        let a = BoundingBox::from([0.0, 0.0, 2.0, 2.0]);
        let b = BoundingBox::from([1.0, 0.0, 3.0, 2.0]);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn large_numbers_have_a_direction_too() {
        let embedding = Embedding::from_raw(&[3e30, 4e30]);
        assert!((embedding.values()[0] - 0.6).abs() < 1e-6 && (embedding.values()[1] - 0.8).abs() < 1e-6);
        assert!(Embedding::from_raw(&[f32::NAN, 1.0]).values()[0].is_nan());
    }

    #[test]
    fn an_empty_box_overlaps_nothing() {
        let empty = BoundingBox::from([5.0, 5.0, 5.0, 5.0]);
        assert!(empty.iou(&BoundingBox::from([0.0, 0.0, 10.0, 10.0])).abs() < f32::EPSILON);
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in prop::array::uniform4(-500f32..500.0), b in prop::array::uniform4(-500f32..500.0)) {
            let (a, b) = (BoundingBox::from(a), BoundingBox::from(b));
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&iou));
            prop_assert!((iou - b.iou(&a)).abs() < 1e-5);
        }

        #[test]
        fn an_embedding_has_length_one(values in prop::collection::vec(-10f32..10.0, 128)) {
            let embedding = Embedding::from_raw(&values);
            prop_assert!((embedding.cosine(&embedding) - 1.0).abs() < 1e-4);
        }
    }
}
