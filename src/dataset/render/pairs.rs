//! Which faces to compare: one person twice, two people, or two look-alikes.

use std::collections::BTreeMap;

use super::super::manifest::{AnnotatedPhoto, FaceRef, Pair, Person};
use super::random::{Purpose, Stream};

/// Smaller faces are not verified (longer side of the box in pixels).
pub(super) const SMALLEST: f32 = 80.0;
/// Nor are those of which more is hidden.
const MOST_HIDDEN: f32 = 0.25;

/// Up to `wanted` pairs: half of one person, the other half of two, a third of those look-alikes.
pub(super) fn draw_pairs(
    seed: u64,
    photos: &[AnnotatedPhoto],
    people: &[Person],
    wanted: usize,
) -> Vec<Pair> {
    let groups: BTreeMap<&str, Option<u32>> = people
        .iter()
        .map(|person| (person.name.as_str(), person.look_alike_group))
        .collect();
    let faces: Vec<(FaceRef, &str)> = photos
        .iter()
        .enumerate()
        .flat_map(|(photo, truth)| {
            truth.faces.iter().enumerate().filter_map(move |(face, it)| {
                let fit = it.size >= SMALLEST && it.occluded <= MOST_HIDDEN;
                let name = it.identity.as_deref()?;
                fit.then_some((FaceRef { photo, face }, name))
            })
        })
        .collect();

    let (mut same, mut alike, mut different) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (a, one)) in faces.iter().enumerate() {
        for (b, other) in &faces[index + 1..] {
            let group = |name: &str| groups.get(name).copied().flatten();
            let look_alike = one != other && group(one).is_some() && group(one) == group(other);
            let pair = Pair {
                a: *a,
                b: *b,
                same: one == other,
                look_alike,
            };
            if pair.same {
                same.push(pair);
            } else if look_alike {
                alike.push(pair);
            } else {
                different.push(pair);
            }
        }
    }
    let mut s = Stream::new(Purpose::Pairs, seed, 0);
    let mut drawn = Vec::new();
    for (mut pool, share) in [
        (same, wanted / 2),
        (alike, wanted / 6),
        (different, wanted / 2 - wanted / 6),
    ] {
        s.shuffle(&mut pool);
        pool.truncate(share);
        drawn.append(&mut pool);
    }
    drawn.sort_by_key(|pair| (pair.a.photo, pair.a.face, pair.b.photo, pair.b.face));
    drawn
}
