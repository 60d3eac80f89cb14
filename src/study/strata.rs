//! Kinds of photos, by their faces and by their pixels: figures are given for each.

use std::collections::BTreeMap;

use crate::{analysis::figures::Kind, dataset::Photo, worker::protocol::PhotoAnswer};

/// Kinds of photos by the number of faces: name and most faces.
const FACES: [(&str, usize); 5] = [
    ("no face", 0),
    ("1 face", 1),
    ("2-4 faces", 4),
    ("5-16 faces", 16),
    ("over 16 faces", usize::MAX),
];

/// The kind of a photo by its pixels: under 1, 1 to 4, over 4 megapixels.
pub fn size_kind(photo: &Photo) -> usize {
    match u64::from(photo.width) * u64::from(photo.height) {
        0..1_000_000 => 0,
        1_000_000..=4_000_000 => 1,
        _ => 2,
    }
}

const SIZES: [&str; 3] = ["under 1 MP", "1-4 MP", "over 4 MP"];

/// The kinds that occur among `photos`, and for each photo the numbers of those that it belongs to. `seen` is what is
/// known of their faces; without `sized` photos only that counts.
pub(super) fn sort(
    photos: &[Photo],
    seen: Option<&[PhotoAnswer]>,
    sized: bool,
) -> (Vec<Kind>, Vec<Vec<usize>>) {
    let kinds_of = |(place, photo): (usize, &Photo)| -> Vec<usize> {
        let faces = seen.map(|seen| seen[place].faces.len());
        let by_faces = faces.and_then(|faces| FACES.iter().position(|(_, most)| faces <= *most));
        let by_size = sized.then(|| FACES.len() + size_kind(photo));
        by_faces.into_iter().chain(by_size).collect()
    };
    let all: Vec<Vec<usize>> = photos.iter().enumerate().map(kinds_of).collect();
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    for kind in all.iter().flatten() {
        *numbers.entry(*kind).or_default() += 1;
    }
    // Only kinds that occur get a number.
    let places: Vec<usize> = numbers.keys().copied().collect();
    let place = |kind: &usize| places.iter().position(|k| k == kind);
    let strata = all
        .iter()
        .map(|kinds| kinds.iter().filter_map(place).collect())
        .collect();
    let name = |kind: usize| {
        FACES
            .get(kind)
            .map_or_else(|| SIZES[kind - FACES.len()], |(name, _)| name)
    };
    let kinds = numbers
        .iter()
        .map(|(kind, count)| (name(*kind).to_owned(), *count))
        .collect();
    (kinds, strata)
}
