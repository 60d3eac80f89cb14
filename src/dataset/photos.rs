//! Photos to be measured: their hash, and samples and shards of them.

use std::{cmp::Reverse, collections::BTreeMap, path::PathBuf};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// One photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its path below the dataset's folder, with `/` between parts.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Width in pixels, after orientation.
    pub width: u32,
    /// Height in pixels, after orientation.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// Hash of the file.
    pub sha256: [u8; 32],
}

/// Photos to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The folder's or file's name.
    pub name: String,
    /// In the order of their names.
    pub photos: Vec<Photo>,
}

/// One of several parts of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0, below `of`.
    pub index: usize,
    /// The number of parts.
    pub of: usize,
}

impl Dataset {
    /// Photos without files, for a backend that reads none.
    pub fn imaginary(count: usize) -> Self {
        let photo = |number: usize| {
            let name = format!("imaginary-{number:03}");
            Photo {
                path: name.clone().into(),
                name,
                width: 0,
                height: 0,
                bytes: 0,
                sha256: [0; 32],
            }
        };
        Self {
            name: "imaginary".to_owned(),
            photos: (0..count).map(photo).collect(),
        }
    }

    /// Bytes of all photos.
    pub fn bytes(&self) -> u64 {
        self.photos.iter().map(|photo| photo.bytes).sum()
    }

    /// One hash over names and contents, so that two records can say whether they measured the same photos.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for photo in &self.photos {
            hash.update(photo.name.as_bytes());
            hash.update([0]);
            hash.update(photo.sha256);
        }
        base16ct::lower::encode_string(&hash.finalize())
    }

    /// Keeps one of `shard.of` parts. Parts share no photo, together are all photos, and are alike: photos are sorted by
    /// their size in pixels, then by name, and dealt out forwards and backwards, so that sizes of parts differ by one at most.
    pub fn deal(&mut self, shard: Shard) {
        let mut photos = std::mem::take(&mut self.photos);
        photos.sort_by(|a, b| {
            let pixels = |photo: &Photo| u64::from(photo.width) * u64::from(photo.height);
            pixels(b).cmp(&pixels(a)).then_with(|| a.name.cmp(&b.name))
        });
        let mine = |place: usize| {
            let (turn, place) = (place / shard.of, place % shard.of);
            let dealt = if turn.is_multiple_of(2) {
                place
            } else {
                shard.of - 1 - place
            };
            dealt == shard.index
        };
        let kept = photos.into_iter().enumerate().filter(|(place, _)| mine(*place));
        self.photos = kept.map(|(_, photo)| photo).collect();
        self.photos.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// A seeded sample of `count` photos in which each stratum (by `stratum_of`) keeps its share as nearly as whole photos
    /// allow. All photos where there are no more than that.
    pub fn sample(&mut self, count: usize, seed: u64, stratum_of: impl Fn(&Photo) -> usize) {
        let total = self.photos.len();
        if count >= total {
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut strata: BTreeMap<usize, Vec<Photo>> = BTreeMap::new();
        for photo in self.photos.drain(..) {
            strata.entry(stratum_of(&photo)).or_default().push(photo);
        }
        // Largest remainders: whole shares first, then one more for the strata that lost most in rounding.
        let mut shares: Vec<(usize, usize, usize)> = strata
            .iter()
            .map(|(stratum, photos)| {
                (
                    *stratum,
                    photos.len() * count / total,
                    photos.len() * count % total,
                )
            })
            .collect();
        shares.sort_by_key(|&(stratum, _, remainder)| (Reverse(remainder), stratum));
        let mut left = count - shares.iter().map(|(_, share, _)| share).sum::<usize>();
        for (stratum, share, _) in &mut shares {
            let extra = usize::from(left > 0);
            left -= extra;
            let photos = strata.entry(*stratum).or_default();
            photos.shuffle(&mut random);
            photos.truncate(*share + extra);
        }
        self.photos = strata.into_values().flatten().collect();
        self.photos.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(name: &str, width: u32) -> Photo {
        Photo {
            name: name.into(),
            path: name.into(),
            width,
            height: 1,
            bytes: 1,
            sha256: [0; 32],
        }
    }

    #[test]
    fn shards_are_even_disjoint_and_all_there_is() {
        let photos: Vec<_> = (0..23)
            .map(|i| photo(&format!("{i:02}"), 1 + (i * 7) % 5))
            .collect();
        let whole = Dataset {
            name: "d".into(),
            photos,
        };
        let mut names = Vec::new();
        for index in 0..4 {
            let mut part = whole.clone();
            part.deal(Shard { index, of: 4 });
            assert!((5..=6).contains(&part.photos.len()));
            assert!(part.photos.is_sorted_by(|a, b| a.name < b.name));
            names.extend(part.photos.into_iter().map(|photo| photo.name));
        }
        names.sort();
        let all: Vec<_> = whole.photos.into_iter().map(|photo| photo.name).collect();
        assert_eq!(names, all);
    }

    #[test]
    fn a_sample_keeps_each_stratums_share() {
        let photos: Vec<_> = (0..30)
            .map(|i| photo(&format!("{i:02}"), if i < 20 { 1 } else { 2 }))
            .collect();
        let mut sample = Dataset {
            name: "d".into(),
            photos,
        };
        let mut again = sample.clone();
        sample.sample(9, 7, |photo| photo.width as usize);
        again.sample(9, 7, |photo| photo.width as usize);
        assert_eq!(sample, again);
        assert_eq!(sample.photos.len(), 9);
        assert_eq!(sample.photos.iter().filter(|p| p.width == 1).count(), 6);
    }
}
