//! What an arm answered, compared with the reference and with what is known of the photos.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An arm's answers against the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// What they are compared with.
    pub reference: String,
    /// Share of the reference's faces (score 0.7 or more) that the arm found, IoU 0.8 or more; null without any.
    pub faces_matched: Option<f64>,
    /// The arm's number of faces against the reference's; null where the reference found none.
    pub faces_ratio: Option<f64>,
    /// Median IoU of matched faces.
    pub iou_median: Option<f64>,
    /// Median cosine of matched faces' embeddings.
    pub cosine_median: Option<f64>,
    /// 1st percentile of the same.
    pub cosine_p01: Option<f64>,
    /// Average precision of detection at IoU 0.5 against ground truth (COCO's 101 points, faces of 40 px or more), of
    /// the faces at or above the score threshold; null where the photos have no ground truth.
    pub detection_ap: Option<f64>,
    /// Verification against ground truth; null where the photos have none, or too few people.
    pub verification: Option<Verification>,
    /// How many embeddings there are of the arm's faces; absent where the reference has none, and from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingCounts>,
    /// Verification of the people whom both found; null where nobody is known by name, or no two photos show one person.
    #[serde(default)]
    pub verification_accuracy: Option<VerificationAccuracy>,
}

/// The embeddings of an arm's faces, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmbeddingCounts {
    /// Faces that the arm found.
    pub faces: usize,
    /// Those without an embedding, or with one of another length than the reference's.
    pub missing: usize,
    /// Those whose embedding has numbers that are none, or no direction.
    pub broken: usize,
    /// Matched faces whose embedding is that of another one, to the bit, where the reference's embeddings are far apart.
    pub repeated: usize,
}

/// The share of pairs that are classified correctly at the threshold that suits them best, pairs of one person and of two
/// weighing alike. People are known from the photos' manifest (faces of 80 px or more), or else from `identities.csv`
/// beside the photos, which names the largest face of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationAccuracy {
    /// The arm's, 0.5 to 1.
    pub arm: f64,
    /// The reference's, of the same pairs.
    pub reference: f64,
    /// Pairs of one person.
    pub same_pairs: usize,
    /// Pairs of two people.
    pub different_pairs: usize,
}

/// All pairs of known faces (80 px or more) verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Share of same-person pairs accepted.
    pub tar: f64,
    /// Share of different-person pairs that may be accepted.
    pub far: f64,
    /// Pairs of one person.
    pub same_pairs: usize,
    /// Pairs of two people.
    pub different_pairs: usize,
}

/// How alike the embeddings of different faces are, of all photos or of faces spread evenly over them. The same face of the
/// same photo twice, as copies of a photo have it, counts once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Likeness {
    /// Faces that were compared, each with each.
    pub faces: usize,
    /// Pairs of them.
    pub pairs: usize,
    /// The cosine that nine of ten pairs reach; null without a pair.
    pub cosine_p10: Option<f64>,
    /// The median cosine; null without a pair.
    pub cosine_median: Option<f64>,
}

/// What an arm answered when every photo was given to it once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckPass {
    /// Photos.
    pub photos: usize,
    /// What they weigh, encoded.
    pub bytes: u64,
    /// Faces found in them.
    pub faces: usize,
    /// Whether the networks of the reference are of 32-bit floats, as far as its profile shows; null without a reference.
    pub reference_is_fp32: Option<bool>,
    /// How alike different faces are; absent for `null`, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<Likeness>,
}

/// Least figures of the answers against ground truth, which the workload's networks reach elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QualityTarget {
    /// Average precision of detection, at the study's score threshold.
    pub detection_ap: f64,
    /// True accept rate at a false accept rate of 0.001.
    pub tar: f64,
}
