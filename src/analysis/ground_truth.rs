//! Answers against what is known of the photos: average precision of detection, verification of people.

use std::collections::BTreeMap;

use crate::{
    dataset::manifest,
    vision::face::{BoundingBox, Embedding, Face},
};

/// Least IoU of a found and a known face.
const MATCH_IOU: f32 = 0.5;

/// Which known faces count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Smaller faces are neither to be found nor wrong to find, pixels of the box's longer side.
    pub detection: f32,
    /// Smaller faces are not verified.
    pub verification: f32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            detection: 40.0,
            verification: 80.0,
        }
    }
}

/// What came of verifying all pairs of known people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    /// Share of same-person pairs accepted where the share of different-person pairs accepted is at most
    /// [`Verification::far`].
    pub tar: f64,
    /// The false accept rate that was asked for.
    pub far: f64,
    /// The cosine at which that happens.
    pub threshold: f32,
    /// Pairs of one person.
    pub same: usize,
    /// Pairs of two people.
    pub different: usize,
}

/// Where each found face of one photo belongs: to a known face, to one too small to count, or to none.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hit {
    Known(usize),
    Ignored,
    Nothing,
}

/// Greedy, best score first, as COCO's evaluation does it: each known face answers for one found face, and those that
/// count are offered first.
fn assign(known: &[manifest::AnnotatedFace], found: &[Face], least: f32) -> Vec<Hit> {
    let mut taken = vec![false; known.len()];
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|a, b| found[*b].detection.score.total_cmp(&found[*a].detection.score));
    let mut hits = vec![Hit::Nothing; found.len()];
    for index in order {
        let bounding_box = found[index].detection.bounding_box;
        let best = known
            .iter()
            .enumerate()
            .filter(|(place, _)| !taken[*place])
            .map(|(place, face)| {
                (
                    face.size >= least,
                    bounding_box.iou(&BoundingBox::from(face.bounds)),
                    place,
                )
            })
            .filter(|(_, iou, _)| *iou >= MATCH_IOU)
            .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        if let Some((counts, _, place)) = best {
            taken[place] = true;
            hits[index] = if counts { Hit::Known(place) } else { Hit::Ignored };
        }
    }
    hits
}

/// Average precision at IoU 0.5 over all photos, by COCO's 101 points of recall; `None` without any face that counts.
/// Found faces below a detector's threshold are not there, so its answers should come with a low one.
pub fn average_precision(photos: &[(&[manifest::AnnotatedFace], &[Face])], sizes: Sizes) -> Option<f64> {
    let total = photos
        .iter()
        .flat_map(|(known, _)| *known)
        .filter(|face| face.size >= sizes.detection)
        .count();
    let mut found: Vec<(f32, bool)> = Vec::new();
    for (known, faces) in photos {
        for (face, hit) in faces.iter().zip(assign(known, faces, sizes.detection)) {
            if hit != Hit::Ignored {
                found.push((face.detection.score, hit != Hit::Nothing));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut right = 0;
    let mut curve: Vec<(f64, f64)> = found
        .iter()
        .enumerate()
        .map(|(place, (_, hit))| {
            right += usize::from(*hit);
            (right as f64 / total as f64, right as f64 / (place + 1) as f64)
        })
        .collect();
    // The best precision at this recall or beyond.
    for place in (1..curve.len()).rev() {
        curve[place - 1].1 = curve[place - 1].1.max(curve[place].1);
    }
    let precision_at = |recall: f64| {
        let place = curve.partition_point(|(reached, _)| *reached < recall);
        curve.get(place).map_or(0.0, |(_, precision)| *precision)
    };
    (total > 0).then(|| {
        (0..=100)
            .map(|point| precision_at(f64::from(point) / 100.0))
            .sum::<f64>()
            / 101.0
    })
}

/// The known people among the found faces: person and embedding, by the numbers of photo and known face.
pub type People<'a> = BTreeMap<(usize, usize), (&'a str, &'a Embedding)>;

/// The known people among the found faces, where the faces themselves are known.
pub fn people<'a>(photos: &[(&'a [manifest::AnnotatedFace], &'a [Face])], sizes: Sizes) -> People<'a> {
    let mut people = People::new();
    for (number, (known, faces)) in photos.iter().enumerate() {
        for (face, hit) in faces.iter().zip(assign(known, faces, sizes.verification)) {
            if let (Hit::Known(place), Some(embedding)) = (hit, &face.embedding)
                && let Some(name) = &known[place].identity
            {
                people.insert((number, place), (name, embedding));
            }
        }
    }
    people
}

/// The known people where only the person of a photo is known: the largest face is theirs.
pub fn portrayed<'a>(photos: impl Iterator<Item = (Option<&'a str>, &'a [Face])>) -> People<'a> {
    let area = |face: &Face| face.detection.bounding_box.area();
    photos
        .enumerate()
        .filter_map(|(number, (name, faces))| {
            let largest = faces.iter().max_by(|a, b| area(a).total_cmp(&area(b)))?;
            Some(((number, 0), (name?, largest.embedding.as_ref()?)))
        })
        .collect()
}

/// Verifies every pair of `people` at a false accept rate of `far`; `None` where there are too few pairs of two
/// people for that rate to mean one of them, or none of one person.
pub fn verify(people: &People<'_>, far: f64) -> Option<Verification> {
    let (same, mut different) = pairs(people);
    let allowed = (different.len() as f64 * far) as usize;
    if same.is_empty() || allowed == 0 {
        return None;
    }
    different.sort_by(|a, b| b.total_cmp(a));
    // As many as are allowed lie above the threshold, not one more.
    let threshold = *different.get(allowed)?;
    let accepted = same.iter().filter(|cosine| **cosine > threshold).count();
    Some(Verification {
        tar: accepted as f64 / same.len() as f64,
        far,
        threshold,
        same: same.len(),
        different: different.len(),
    })
}

/// How well an arm and the reference tell the same people apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The arm's accuracy.
    pub arm: f64,
    /// The reference's.
    pub reference: f64,
    /// Pairs of one person.
    pub same: usize,
    /// Pairs of two people.
    pub different: usize,
}

/// Verifies those people whom both found; `None` where they make no pair of one person, or none of two.
pub fn compare(reference: &People<'_>, arm: &People<'_>) -> Option<Comparison> {
    let common = |people: &People<'_>, other: &People<'_>| {
        let mut people = people.clone();
        people.retain(|key, _| other.contains_key(key));
        pairs(&people)
    };
    let (same, different) = common(arm, reference);
    let (reference_same, reference_different) = common(reference, arm);
    Some(Comparison {
        arm: accuracy(&same, &different)?,
        reference: accuracy(&reference_same, &reference_different)?,
        same: same.len(),
        different: different.len(),
    })
}

/// Cosines of all pairs of one person, and of all pairs of two.
fn pairs(people: &People<'_>) -> (Vec<f32>, Vec<f32>) {
    let (mut same, mut different) = (Vec::new(), Vec::new());
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let numbered: Vec<(usize, &Embedding)> = people
        .values()
        .map(|(name, embedding)| {
            let next = numbers.len();
            (*numbers.entry(name).or_insert(next), *embedding)
        })
        .collect();
    for (place, (person, a)) in numbered.iter().enumerate() {
        for (other, b) in &numbered[..place] {
            if person == other {
                same.push(a.cosine(b));
            } else {
                different.push(a.cosine(b));
            }
        }
    }
    (same, different)
}

/// The share of pairs that are classified correctly at the threshold that suits them best. Pairs of one person and of two weigh
/// alike in all, however many more there are of the latter.
fn accuracy(same: &[f32], different: &[f32]) -> Option<f64> {
    if same.is_empty() || different.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = same.iter().map(|cosine| (*cosine, true)).collect();
    all.extend(different.iter().map(|cosine| (*cosine, false)));
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut accepted, mut wrongly, mut best) = (0usize, 0usize, 0.5f64);
    for level in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let right = level.iter().filter(|(_, same)| *same).count();
        accepted += right;
        wrongly += level.len() - right;
        let rejected = 1.0 - wrongly as f64 / different.len() as f64;
        best = best.max(f64::midpoint(accepted as f64 / same.len() as f64, rejected));
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::face::Detection;

    fn known(left: f32, size: f32, name: &str) -> manifest::AnnotatedFace {
        manifest::AnnotatedFace {
            bounds: [left, 0.0, left + size, size],
            landmarks: [[0.0; 2]; 5],
            identity: Some(name.to_owned()),
            size,
            occluded: 0.0,
        }
    }

    fn found(left: f32, size: f32, score: f32) -> Face {
        let detection = Detection {
            bounding_box: [left, 0.0, left + size, size].into(),
            landmarks: [[0.0; 2]; 5],
            score,
        };
        Face {
            detection,
            embedding: Some(Embedding::from_raw(&[left, 1.0])),
        }
    }

    fn ap(known: &[manifest::AnnotatedFace], found: &[Face]) -> f64 {
        average_precision(&[(known, found)], Sizes::default()).unwrap()
    }

    #[test]
    fn all_found_is_one_and_none_is_nothing() {
        let truth = [known(0.0, 50.0, "a"), known(100.0, 50.0, "b")];
        assert!((ap(&truth, &[found(0.0, 50.0, 0.9), found(100.0, 50.0, 0.8)]) - 1.0).abs() < 1e-9);
        assert!(ap(&truth, &[]).abs() < 1e-9);
        assert_eq!(average_precision(&[(&[], &[])], Sizes::default()), None);
    }

    #[test]
    fn a_false_alarm_costs_by_its_score() {
        let truth = [known(0.0, 50.0, "a")];
        let late = ap(&truth, &[found(0.0, 50.0, 0.9), found(300.0, 50.0, 0.3)]);
        let early = ap(&truth, &[found(0.0, 50.0, 0.9), found(300.0, 50.0, 0.95)]);
        assert!(
            (late - 1.0).abs() < 1e-9 && (early - 0.5).abs() < 1e-9,
            "{late} {early}"
        );
        // One face found twice is right once.
        let twice = ap(&truth, &[found(0.0, 50.0, 0.9), found(1.0, 50.0, 0.95)]);
        assert!((twice - 1.0).abs() < 1e-9, "the better one comes first");
    }

    #[test]
    fn small_faces_are_neither_missed_nor_wrong() {
        let truth = [known(0.0, 50.0, "a"), known(100.0, 20.0, "b")];
        assert!((ap(&truth, &[found(0.0, 50.0, 0.9), found(100.0, 20.0, 0.95)]) - 1.0).abs() < 1e-9);
        assert!((ap(&truth, &[found(0.0, 50.0, 0.9)]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn verification_counts_pairs() {
        let embeddings: Vec<Embedding> = (0..60)
            .map(|i| Embedding::from_raw(&[(i / 2) as f32, 30.0 - (i / 2) as f32]))
            .collect();
        let names: Vec<String> = (0..60).map(|i| format!("p{}", i / 2)).collect();
        let people = numbered(&names, &embeddings);
        let answer = verify(&people, 1e-3).unwrap();
        assert_eq!((answer.same, answer.different), (30, 60 * 59 / 2 - 30));
        assert!((answer.tar - 1.0).abs() < 1e-9);
        let turned: Vec<Embedding> = embeddings.iter().rev().skip(1).cloned().collect();
        let mixed = numbered(&names, &turned);
        assert!(verify(&mixed, 1e-3).unwrap().tar < 0.1);
        assert_eq!(
            verify(&numbered(&names[..4], &embeddings), 1e-3),
            None,
            "four different pairs are too few for one in a thousand"
        );
        let compared = compare(&people, &mixed).unwrap();
        assert_eq!((compared.same, compared.different), (29, 59 * 58 / 2 - 29));
        assert!(
            (compared.reference - 1.0).abs() < 1e-9 && compared.arm < 0.99,
            "{compared:?}"
        );
        assert_eq!(compare(&people, &numbered(&names[..1], &embeddings)), None);
    }

    fn numbered<'a>(names: &'a [String], embeddings: &'a [Embedding]) -> People<'a> {
        let named = names.iter().map(String::as_str).zip(embeddings);
        named
            .enumerate()
            .map(|(number, known)| ((number, 0), known))
            .collect()
    }

    #[test]
    fn accuracy_is_that_of_the_best_threshold_and_both_kinds_of_pairs_weigh_alike() {
        let near = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-9, "{a:?} {b}");
        near(accuracy(&[0.9, 0.8], &[0.1, 0.2, 0.3]), 1.0);
        // One of two pairs of one person lies below all others, whose number changes nothing.
        near(accuracy(&[0.9, 0.0], &[0.1; 3]), 0.75);
        near(accuracy(&[0.9, 0.0], &[0.1; 3000]), 0.75);
        // No threshold lies inside a tie.
        near(accuracy(&[0.5, 0.5], &[0.5, 0.1]), 0.75);
        near(accuracy(&[0.1], &[0.9]), 0.5);
        assert_eq!(accuracy(&[], &[0.9]), None);
    }

    #[test]
    fn the_largest_face_is_the_named_person() {
        let photos = [
            vec![found(0.0, 50.0, 0.9), found(100.0, 90.0, 0.7)],
            vec![found(200.0, 50.0, 0.9)],
            vec![],
        ];
        let names = [Some("a"), None, Some("b")];
        let people = portrayed(names.into_iter().zip(photos.iter().map(Vec::as_slice)));
        assert_eq!(people.len(), 1);
        assert_eq!(people[&(0, 0)], ("a", photos[0][1].embedding.as_ref().unwrap()));
    }

    #[test]
    fn only_large_known_faces_are_people() {
        let truth = [known(0.0, 100.0, "a"), known(200.0, 50.0, "b")];
        let faces = [
            found(0.0, 100.0, 0.9),
            found(200.0, 50.0, 0.9),
            found(500.0, 100.0, 0.9),
        ];
        let list = people(&[(&truth, &faces)], Sizes::default());
        assert_eq!(list.values().map(|(name, _)| *name).collect::<Vec<_>>(), ["a"]);
    }
}
