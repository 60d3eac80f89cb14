//! Whether two arms see the same faces: no speed counts without it.

use std::{collections::HashMap, fmt::Write as _};

use super::statistics::{median, quantile};
use crate::{
    record::{
        Accuracy, Check, EmbeddingCounts, Outcome,
        limits::{
            self, AGREEMENT_COUNT, AGREEMENT_MATCHED, Cosines, MATCH_IOU, PEER_MATCHED, REPEATED, SURE_SCORE,
            VERIFICATION_LOSS,
        },
    },
    runtime::{
        options::{Choice, Decoding},
        spec::{BackendSpec, Precision},
    },
    vision::face::{Embedding, Face},
};

/// How far an arm may be from the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// What they are the limits of.
    pub name: &'static str,
    /// Least share of sure faces found again.
    pub matched: f64,
    /// How near the embeddings of matched faces must be.
    pub cosines: Cosines,
    /// Largest loss of verification accuracy, as a fraction, where people are known; `None` where it is not asked.
    pub verification: Option<f64>,
}

impl Limits {
    /// Of pixels that other code than facebench's decoded, resized and cut out.
    const PEER: Self = Self {
        name: "peer",
        matched: PEER_MATCHED,
        cosines: limits::PEER,
        verification: None,
    };

    /// The limits for an arm as it was `requested`, of networks of this precision, from photos decoded so: of the last
    /// two, the looser. A crop from a picture that was decoded smaller is made of means, where the whole picture is
    /// sampled at points: no pixel is missing, but they differ.
    pub fn of(requested: &str, precision: Precision, decoding: Decoding) -> Self {
        let is_peer = requested
            .parse::<BackendSpec>()
            .is_ok_and(|spec| spec.peer().is_some());
        match (is_peer, decoding) {
            (true, _) => Self::PEER,
            (false, Decoding::Full) => Self::of_precision(precision),
            (false, Decoding::Scaled) => Self {
                name: "decode=scaled",
                ..Self::of_precision(Precision::Int8)
            },
        }
    }

    /// The limits of photos decoded as they are, for networks of this precision.
    pub fn of_precision(precision: Precision) -> Self {
        let (cosines, verification) = match precision {
            Precision::Fp32 => (limits::FP32, None),
            Precision::Tf32 | Precision::Fp16 => (limits::HALF, None),
            Precision::Int8 => (limits::INT8, Some(VERIFICATION_LOSS)),
        };
        Self {
            name: precision.name(),
            matched: AGREEMENT_MATCHED,
            cosines,
            verification,
        }
    }
}

/// Compares what an arm saw with what the reference of that `name` saw: in `photos`, of each photo, the reference's faces
/// and the arm's.
pub fn compare<'a>(name: &str, photos: impl Iterator<Item = (&'a [Face], &'a [Face])>) -> Accuracy {
    let (mut sure, mut matched, mut expected, mut found) = (0usize, 0usize, 0usize, 0usize);
    let (mut ious, mut cosines) = (Vec::new(), Vec::new());
    let mut embeddings = Embeddings::default();
    for (reference, arm) in photos {
        expected += reference.len();
        found += arm.len();
        embeddings.count(reference, arm);
        let mut free: Vec<&Face> = arm.iter().collect();
        for face in reference.iter().filter(|face| face.detection.score >= SURE_SCORE) {
            sure += 1;
            let iou = |other: &Face| other.detection.bounding_box.iou(&face.detection.bounding_box);
            let best = free
                .iter()
                .enumerate()
                .map(|(i, other)| (i, iou(other)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((place, overlap)) = best.filter(|(_, overlap)| *overlap >= MATCH_IOU) else {
                continue;
            };
            // Each face answers for one only.
            let other = free.swap_remove(place);
            matched += 1;
            ious.push(f64::from(overlap));
            if let (Some(a), Some(b)) = (&face.embedding, &other.embedding) {
                // One that is no number is counted as broken.
                cosines.extend(Some(f64::from(a.cosine(b))).filter(|cosine| cosine.is_finite()));
                embeddings.matched.push((a, b));
            }
        }
    }
    cosines.sort_by(f64::total_cmp);
    Accuracy {
        reference: name.to_owned(),
        faces_matched: (sure > 0).then(|| matched as f64 / sure as f64),
        faces_ratio: (expected > 0).then(|| found as f64 / expected as f64),
        iou_median: median(&ious),
        cosine_median: median(&cosines),
        cosine_p01: quantile(&cosines, 0.01),
        detection_ap: None,
        embeddings: embeddings.counts(),
        verification: None,
        verification_accuracy: None,
    }
}

/// The embeddings of an arm and of the reference, as they are compared photo by photo.
#[derive(Default)]
struct Embeddings<'a> {
    /// How many numbers each of the reference's has; `None` until it is known.
    length: Option<usize>,
    /// Faces of the arm, and how many numbers each embedding has; `None` where it has none or one that is broken.
    lengths: Vec<Option<usize>>,
    broken: usize,
    /// Of matched faces, the reference's and the arm's.
    matched: Vec<(&'a Embedding, &'a Embedding)>,
}

impl<'a> Embeddings<'a> {
    fn count(&mut self, reference: &'a [Face], arm: &'a [Face]) {
        let own = reference.iter().find_map(|face| face.embedding.as_ref());
        self.length = self.length.or(own.map(|embedding| embedding.values().len()));
        for face in arm {
            let values = face.embedding.as_ref().map_or(&[][..], Embedding::values);
            let is_broken = values.iter().any(|v| !v.is_finite()) || values.iter().all(|v| *v == 0.0);
            self.broken += usize::from(is_broken && !values.is_empty());
            self.lengths.push(Some(values.len()).filter(|length| *length > 0));
        }
    }

    /// `None` where the reference has no embeddings to compare with.
    fn counts(self) -> Option<EmbeddingCounts> {
        let length = self.length?;
        Some(EmbeddingCounts {
            faces: self.lengths.len(),
            missing: self.lengths.iter().filter(|own| **own != Some(length)).count(),
            broken: self.broken,
            repeated: self.repeated(),
        })
    }

    /// Faces whose embedding is another one's to the bit, where the reference's are apart.
    fn repeated(&self) -> usize {
        let mut same: HashMap<Vec<u32>, Vec<&Embedding>> = HashMap::new();
        for (reference, own) in &self.matched {
            let bits = own.values().iter().map(|value| value.to_bits()).collect();
            same.entry(bits).or_default().push(reference);
        }
        let is_repeated = |references: &Vec<&Embedding>| {
            // Against the first: all of one face, or of one photo that is there twice, are near it.
            let apart = |other: &&&Embedding| f64::from(references[0].cosine(other)) < REPEATED;
            references.iter().filter(apart).count()
        };
        same.values().map(is_repeated).sum()
    }
}

/// The check where there is nothing to compare with: no fp32 CPU answers, or answers of networks that are `not_fp32`.
pub fn without_reference(not_fp32: bool) -> Check {
    let observed = if not_fp32 {
        "the networks themselves are not of 32-bit floats, so their CPU answers are no fp32 reference"
    } else {
        "there are no fp32 CPU answers to compare with"
    };
    Check {
        id: "agreement".into(),
        outcome: Outcome::Unknown,
        observed: observed.into(),
        limit: "the answers of the fp32 CPU arm".into(),
        advice: "nothing proves that this arm computes the right thing".into(),
    }
}

/// The check of the arm that the others are compared with.
pub fn reference_itself() -> Check {
    Check {
        id: "agreement".into(),
        outcome: Outcome::Passed,
        observed: "this arm is the reference".into(),
        limit: "the other arms are compared with it".into(),
        advice: String::new(),
    }
}

/// Judges the comparison by `limits`.
pub fn check(accuracy: &Accuracy, limits: &Limits) -> Check {
    let Limits {
        name,
        matched: least,
        cosines: Cosines { median, p01 },
        verification,
    } = *limits;
    let mut limit = format!(
        "{:.0} % of sure faces matched, number of faces within {:.0} %, cosine median {median} and 1st percentile {p01}",
        least * 100.0,
        AGREEMENT_COUNT * 100.0,
    );
    let verified = accuracy.verification_accuracy.zip(verification);
    if let Some(loss) = verification {
        let _ = write!(
            limit,
            ", verification within {:.1} points where people are known",
            loss * 100.0
        );
    }
    let _ = write!(limit, " ({name})");
    let (Some(matched), Some(ratio)) = (accuracy.faces_matched, accuracy.faces_ratio) else {
        return Check {
            id: "agreement".into(),
            outcome: Outcome::Unknown,
            observed: format!("{} found no sure face in these photos", accuracy.reference),
            limit,
            advice: "measure photos with faces in them".into(),
        };
    };
    let show = |value: Option<f64>| value.map_or("none".to_owned(), |v| format!("{v:.5}"));
    let counts = accuracy.embeddings.unwrap_or_default();
    let embedded = counts.missing + counts.broken + counts.repeated == 0;
    let passed = embedded
        && matched >= least
        && (ratio - 1.0).abs() <= AGREEMENT_COUNT
        && accuracy.cosine_median.is_none_or(|v| v >= median)
        && accuracy.cosine_p01.is_none_or(|v| v >= p01)
        && verified.is_none_or(|(v, loss)| v.arm >= v.reference - loss);
    let mut observed = format!(
        "against {}: {:.2} % matched, {:.3} times the faces, cosine median {}, 1st percentile {}",
        accuracy.reference,
        matched * 100.0,
        ratio,
        show(accuracy.cosine_median),
        show(accuracy.cosine_p01)
    );
    if !embedded {
        let _ = write!(
            observed,
            ", of {} faces {} without an embedding, {} with a broken one, {} with another face's",
            counts.faces, counts.missing, counts.broken, counts.repeated
        );
    }
    if let Some((verified, _)) = verified {
        let _ = write!(
            observed,
            ", verification {:.2} % for {:.2} % ({} pairs of one person, {} of two)",
            verified.arm * 100.0,
            verified.reference * 100.0,
            verified.same_pairs,
            verified.different_pairs
        );
    }
    Check {
        id: "agreement".into(),
        outcome: if passed { Outcome::Passed } else { Outcome::Failed },
        observed,
        limit,
        advice: if passed {
            String::new()
        } else {
            "this arm computes something else than the reference: its speed is of another task".into()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::VerificationAccuracy, vision::face::Detection};

    fn seen(faces: &[(f32, f32, [f32; 2])]) -> Vec<Face> {
        let face = |&(x, score, embedding): &(f32, f32, [f32; 2])| Face {
            detection: Detection {
                bounding_box: [x, 0.0, x + 10.0, 10.0].into(),
                landmarks: [[0.0; 2]; 5],
                score,
            },
            embedding: Some(Embedding::from_raw(&embedding)),
        };
        faces.iter().map(face).collect()
    }

    fn one_photo(reference: &[Face], arm: &[Face]) -> Accuracy {
        compare("cpu", std::iter::once((reference, arm)))
    }

    fn outcome(reference: &[Face], arm: &[Face], precision: Precision) -> Outcome {
        let accuracy = one_photo(reference, arm);
        check(&accuracy, &Limits::of_precision(precision)).outcome
    }

    #[test]
    fn an_arm_agrees_with_itself() {
        let a = seen(&[(0.0, 0.9, [1.0, 0.0]), (100.0, 0.8, [0.0, 1.0])]);
        assert_eq!(outcome(&a, &a, Precision::Fp32), Outcome::Passed);
    }

    #[test]
    fn lost_faces_extra_faces_and_turned_embeddings_fail() {
        let a = seen(&[(0.0, 0.9, [1.0, 0.0]), (100.0, 0.8, [0.0, 1.0])]);
        let lost = seen(&[(0.0, 0.9, [1.0, 0.0])]);
        let extra = seen(&[
            (0.0, 0.9, [1.0, 0.0]),
            (100.0, 0.8, [0.0, 1.0]),
            (300.0, 0.6, [1.0, 1.0]),
        ]);
        let turned = seen(&[(0.0, 0.9, [1.0, 0.1]), (100.0, 0.8, [0.1, 1.0])]);
        for arm in [&lost, &extra, &turned] {
            assert_eq!(outcome(&a, arm, Precision::Fp32), Outcome::Failed);
        }
        assert_eq!(
            outcome(&a, &turned, Precision::Int8),
            Outcome::Passed,
            "int8 has its own limits"
        );
        let accuracy = one_photo(&a, &turned);
        let scaled = check(
            &accuracy,
            &Limits::of("cpu,decode=scaled", Precision::Fp32, Decoding::Scaled),
        );
        assert_eq!(scaled.outcome, Outcome::Passed, "{scaled:?}");
    }

    #[test]
    fn eight_bits_may_not_cost_half_a_point_of_verification() {
        let a = seen(&[(0.0, 0.9, [1.0, 0.0])]);
        let mut accuracy = one_photo(&a, &a);
        let mut with = |arm, precision| {
            accuracy.verification_accuracy = Some(VerificationAccuracy {
                arm,
                reference: 0.99,
                same_pairs: 500,
                different_pairs: 9000,
            });
            check(&accuracy, &Limits::of_precision(precision))
        };
        assert_eq!(with(0.986, Precision::Int8).outcome, Outcome::Passed);
        let lost = with(0.984, Precision::Int8);
        assert_eq!(lost.outcome, Outcome::Failed);
        insta::assert_snapshot!(lost.observed, @"against cpu: 100.00 % matched, 1.000 times the faces, cosine median 1.00000, 1st percentile 1.00000, verification 98.40 % for 99.00 % (500 pairs of one person, 9000 of two)");
        insta::assert_snapshot!(lost.limit, @"99 % of sure faces matched, number of faces within 2 %, cosine median 0.98 and 1st percentile 0.9, verification within 0.5 points where people are known (int8)");
        assert_eq!(with(0.984, Precision::Fp16).outcome, Outcome::Passed);
    }

    #[test]
    fn one_face_does_not_answer_for_two() {
        let twins = seen(&[(0.0, 0.9, [1.0, 0.0]), (0.5, 0.9, [1.0, 0.0])]);
        let single = seen(&[(0.0, 0.9, [1.0, 0.0]), (50.0, 0.9, [1.0, 0.0])]);
        let accuracy = one_photo(&twins, &single);
        assert_eq!(accuracy.faces_matched, Some(0.5));
    }

    #[test]
    fn missing_broken_and_repeated_embeddings_fail() {
        let faces = |count: usize| -> Vec<Face> {
            let mut all = Vec::new();
            for number in 0..count {
                let angle = number as f32 * 0.7;
                all.extend(seen(&[(number as f32 * 50.0, 0.9, [angle.cos(), angle.sin()])]));
            }
            all
        };
        let reference = faces(200);
        let with = |change: &dyn Fn(usize, &mut Face)| {
            let mut arm = reference.clone();
            for (number, face) in arm.iter_mut().enumerate() {
                change(number, face);
            }
            let accuracy = one_photo(&reference, &arm);
            let counts = accuracy.embeddings.unwrap();
            let check = check(&accuracy, &Limits::PEER);
            (check.outcome, counts.missing, counts.broken, counts.repeated)
        };
        assert_eq!(with(&|_, _| ()), (Outcome::Passed, 0, 0, 0));
        let none = with(&|_, face| face.embedding = None);
        assert_eq!(none, (Outcome::Failed, 200, 0, 0));
        // One of two hundred is less than the 1st percentile shows.
        let one = with(&|number, face| {
            if number == 7 {
                face.embedding = None;
            }
        });
        assert_eq!(one, (Outcome::Failed, 1, 0, 0));
        let shorter = with(&|number, face| {
            if number == 7 {
                face.embedding = Some(Embedding::from_raw(&[1.0]));
            }
        });
        assert_eq!((shorter.0, shorter.1), (Outcome::Failed, 1));
        let broken = with(&|number, face| {
            let infinite = Embedding::from_raw(&[f32::INFINITY, 0.0]);
            if number == 7 {
                face.embedding = Some(infinite);
            }
        });
        assert_eq!((broken.0, broken.2), (Outcome::Failed, 1));
        let other = reference[3].embedding.clone();
        let repeated = with(&|number, face| {
            if number == 7 {
                face.embedding.clone_from(&other);
            }
        });
        assert_eq!(repeated, (Outcome::Failed, 0, 0, 1));
        // The same face twice is the same face.
        let mut twins = reference[..1].to_vec();
        twins.extend(reference[..1].to_vec());
        twins[1].detection.bounding_box.x1 += 500.0;
        twins[1].detection.bounding_box.x2 += 500.0;
        assert_eq!(one_photo(&twins, &twins).embeddings.unwrap().repeated, 0);
        // Photos without embeddings in the reference ask for none.
        let mut bare = reference.clone();
        for face in &mut bare {
            face.embedding = None;
        }
        assert_eq!(one_photo(&bare, &bare).embeddings, None);
    }

    #[test]
    fn without_faces_the_answer_is_unknown() {
        assert_eq!(outcome(&seen(&[]), &seen(&[]), Precision::Fp32), Outcome::Unknown);
    }
}
