//! Whether different faces get different embeddings: a network that is fed what it was not made for may answer with nearly
//! the same direction for everybody, fast and repeatably.

use std::collections::HashSet;

use super::{checks, statistics::quantile};
use crate::{
    record::{
        Check, Likeness, Outcome,
        limits::{ALIKE, ALIKE_PAIRS},
    },
    vision::face::{Embedding, Face},
};

/// Most faces that are compared, each with each.
const MOST_FACES: usize = 200;

/// The least length of an embedding that points anywhere; all others have 1.
const LEAST_LENGTH: f32 = 0.5;

/// How alike `faces` are, of any photos.
pub fn between(faces: &[&Face]) -> Likeness {
    let mut seen = HashSet::new();
    // Copies of a photo have the same face at the same place; a network that answers the same for all has it elsewhere.
    let embeddings: Vec<&Embedding> = faces
        .iter()
        .filter_map(|face| Some((face, face.embedding.as_ref()?)))
        .filter(|(face, embedding)| seen.insert(place_and_numbers(face, embedding)))
        .map(|(_, embedding)| embedding)
        .collect();
    let count = embeddings.len().min(MOST_FACES);
    let chosen: Vec<&Embedding> = (0..count)
        .map(|number| embeddings[number * embeddings.len() / count])
        .collect();
    let mut cosines = Vec::with_capacity(count * count.saturating_sub(1) / 2);
    for (place, a) in chosen.iter().enumerate() {
        cosines.extend(chosen[place + 1..].iter().map(|b| likeness(a, b)));
    }
    cosines.sort_by(f64::total_cmp);
    Likeness {
        faces: count,
        pairs: cosines.len(),
        cosine_p10: quantile(&cosines, 0.1),
        cosine_median: quantile(&cosines, 0.5),
    }
}

fn place_and_numbers(face: &Face, embedding: &Embedding) -> Vec<u32> {
    let sides: [f32; 4] = face.detection.bounding_box.into();
    let numbers = sides.iter().chain(embedding.values());
    numbers.map(|number| number.to_bits()).collect()
}

/// The cosine of two embeddings; one that points nowhere is like every other.
fn likeness(a: &Embedding, b: &Embedding) -> f64 {
    let points = |embedding: &Embedding| embedding.cosine(embedding) >= LEAST_LENGTH;
    if points(a) && points(b) {
        f64::from(a.cosine(b))
    } else {
        1.0
    }
}

/// Judges it.
pub fn check(likeness: &Likeness) -> Check {
    let (Some(p10), Some(median)) = (likeness.cosine_p10, likeness.cosine_median) else {
        return checks::unknown("distinct", "too few faces to compare");
    };
    if likeness.pairs < ALIKE_PAIRS {
        return checks::unknown("distinct", "too few faces to compare");
    }
    let outcome = if p10 < ALIKE {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    checks::check(
        "distinct",
        outcome,
        format!(
            "{} pairs of {} faces: median cosine {median:.3}, nine of ten reach {p10:.3}",
            likeness.pairs, likeness.faces
        ),
        "the recognizer tells nobody apart: it is most likely fed pixels that it was not made for (0 to 255 or -1 to 1, RGB or \
         BGR); say how it is fed with --recognizer-input, or give another export",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::face::Detection;

    fn face(x: f32, embedding: &[f32]) -> Face {
        Face {
            detection: Detection {
                bounding_box: [x, 0.0, x + 10.0, 10.0].into(),
                landmarks: [[0.0; 2]; 5],
                score: 0.9,
            },
            embedding: Some(Embedding::from_raw(embedding)),
        }
    }

    fn judged(faces: &[Face]) -> Outcome {
        check(&between(&faces.iter().collect::<Vec<_>>())).outcome
    }

    #[test]
    fn faces_that_all_look_the_same_fail() {
        let all_but_same: Vec<Face> = (0..10u8)
            .map(|n| face(n.into(), &[1.0, f32::from(n) * 0.005]))
            .collect();
        assert_eq!(judged(&all_but_same), Outcome::Failed);
        let same: Vec<Face> = (0..10u8).map(|n| face(n.into(), &[1.0, 0.5])).collect();
        assert_eq!(judged(&same), Outcome::Failed);
        let nothing: Vec<Face> = (0..10u8).map(|n| face(n.into(), &[0.0, 0.0])).collect();
        assert_eq!(judged(&nothing), Outcome::Failed);
    }

    #[test]
    fn people_and_one_person_in_many_photos_pass() {
        let turned = |step: f32| {
            let angles = (0..12u8).map(move |n| (n, f32::from(n) * step));
            let faces = angles.map(|(n, angle)| face(n.into(), &[angle.cos(), angle.sin()]));
            faces.collect::<Vec<_>>()
        };
        assert_eq!(judged(&turned(0.5)), Outcome::Passed);
        assert_eq!(judged(&turned(0.1)), Outcome::Passed);
    }

    #[test]
    fn copies_of_a_photo_and_too_few_faces_say_nothing() {
        let copies: Vec<Face> = (0..10).map(|_| face(1.0, &[1.0, 0.5])).collect();
        let likeness = between(&copies.iter().collect::<Vec<_>>());
        assert_eq!(
            (likeness.faces, likeness.pairs, likeness.cosine_p10),
            (1, 0, None)
        );
        assert_eq!(check(&likeness).outcome, Outcome::Unknown);
        assert_eq!(
            judged(&[face(1.0, &[1.0, 0.0]), face(2.0, &[1.0, 0.0])]),
            Outcome::Unknown
        );
        assert_eq!(judged(&[]), Outcome::Unknown);
    }

    #[test]
    fn of_many_faces_some_are_compared_from_all_over() {
        let mut faces: Vec<Face> = (0..1000u16).map(|n| face(n.into(), &[1.0, 0.0])).collect();
        for face in &mut faces[500..] {
            face.embedding = Some(Embedding::from_raw(&[0.0, 1.0]));
        }
        let likeness = between(&faces.iter().collect::<Vec<_>>());
        assert_eq!((likeness.faces, likeness.pairs), (200, 19_900));
        assert_eq!(likeness.cosine_p10, Some(0.0));
    }
}
