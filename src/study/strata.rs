//! Strata of photos, by their faces and by their pixels: figures are given for each.

use std::collections::BTreeMap;

use crate::{dataset::Photo, record::StratumFacts, worker::protocol::PhotoAnswer};

/// Strata by the number of faces: name and most faces.
const FACES: [(&str, usize); 5] = [
    ("no face", 0),
    ("1 face", 1),
    ("2-4 faces", 4),
    ("5-16 faces", 16),
    ("over 16 faces", usize::MAX),
];

/// The stratum of a photo by its pixels: under 1, 1 to 4, over 4 megapixels.
pub fn size_stratum(photo: &Photo) -> usize {
    match u64::from(photo.width) * u64::from(photo.height) {
        0..1_000_000 => 0,
        1_000_000..=4_000_000 => 1,
        _ => 2,
    }
}

const SIZES: [&str; 3] = ["under 1 MP", "1-4 MP", "over 4 MP"];

/// The strata that occur among `photos`, and for each photo the numbers of those that it belongs to. `answers` are what is
/// known of their faces; without `sized` photos only that counts.
pub(super) fn assign(
    photos: &[Photo],
    answers: Option<&[PhotoAnswer]>,
    sized: bool,
) -> (Vec<StratumFacts>, Vec<Vec<usize>>) {
    let strata_of = |(index, photo): (usize, &Photo)| -> Vec<usize> {
        let faces = answers.map(|answers| answers[index].faces.len());
        let by_faces = faces.and_then(|faces| FACES.iter().position(|(_, most)| faces <= *most));
        let by_size = sized.then(|| FACES.len() + size_stratum(photo));
        by_faces.into_iter().chain(by_size).collect()
    };
    let all: Vec<Vec<usize>> = photos.iter().enumerate().map(strata_of).collect();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for stratum in all.iter().flatten() {
        *counts.entry(*stratum).or_default() += 1;
    }
    // Only strata that occur get a number.
    let known: Vec<usize> = counts.keys().copied().collect();
    let number = |stratum: &usize| known.iter().position(|other| other == stratum);
    let numbers = all
        .iter()
        .map(|strata| strata.iter().filter_map(number).collect())
        .collect();
    let name = |stratum: usize| {
        FACES
            .get(stratum)
            .map_or_else(|| SIZES[stratum - FACES.len()], |(name, _)| name)
    };
    let facts = counts.iter().map(|(stratum, images)| StratumFacts {
        name: name(*stratum).to_owned(),
        images: *images,
    });
    (facts.collect(), numbers)
}
