//! The gallery: enrolled embeddings with names, and the nearest of them by cosine.

use ndarray::{
    Array2, ArrayView2, ArrayViewMut2, Axis,
    linalg::{general_mat_mul, general_mat_vec_mul},
};

use thiserror::Error;

use crate::{text::visible, vision::face::Embedding};

/// Enrolled embeddings, a row each; rows of one name are one person.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    names: Vec<String>,
    rows: Array2<f32>,
}

/// Why embeddings make no gallery.
#[derive(Debug, Error, PartialEq)]
pub enum GalleryError {
    /// They cannot be compared.
    #[error(
        "the embedding of {} has {found} values, and those before have {expected}",
        visible(name)
    )]
    Length {
        /// Whose.
        name: String,
        /// Its values.
        found: usize,
        /// The others'.
        expected: usize,
    },
    /// The recognizer computed no number, such as 0 / 0.
    #[error(
        "the recognizer's embedding of {} is not of numbers alone: the network is broken",
        visible(name)
    )]
    NotANumber {
        /// Whose.
        name: String,
    },
}

/// The nearest enrolled embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// Cosine with it, -1 to 1.
    pub cosine: f32,
}

impl Gallery {
    /// A gallery of `people`, whose embeddings are of one length and numbers all.
    pub fn new(people: impl IntoIterator<Item = (String, Embedding)>) -> Result<Self, GalleryError> {
        let mut names: Vec<String> = Vec::new();
        let mut values = Vec::new();
        let mut length = 0;
        for (name, embedding) in people {
            let row = embedding.values();
            if names.is_empty() {
                length = row.len();
            }
            if row.len() != length {
                let (found, expected) = (row.len(), length);
                return Err(GalleryError::Length {
                    name,
                    found,
                    expected,
                });
            }
            if !row.iter().all(|value| value.is_finite()) {
                return Err(GalleryError::NotANumber { name });
            }
            values.extend_from_slice(row);
            names.push(name);
        }
        let rows = Array2::from_shape_vec((names.len(), length), values).unwrap_or_default();
        Ok(Self { names, rows })
    }

    /// Enrolled embeddings.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names, one for each embedding.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether no person is enrolled.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The enrolled embeddings, a row each.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// The nearest to `face`; `None` in an empty gallery or for an embedding of another length.
    pub fn nearest(&self, face: &Embedding) -> Option<Match<'_>> {
        let mut matcher = Matcher::default();
        let (row, cosine) = matcher.nearest(self, std::iter::once(face)).first().copied()?;
        Some(Match {
            name: &self.names[row],
            cosine,
        })
    }
}

/// Gallery rows of one product: their cosines with a photo's faces stay in the nearest cache.
const BLOCK: usize = 1024;

/// Compares faces with a gallery, all of a photo's at once, in memory that is kept.
#[derive(Debug, Default)]
pub struct Matcher {
    faces: Vec<f32>,
    cosines: Vec<f32>,
    best: Vec<(usize, f32)>,
}

impl Matcher {
    /// For each face the row of the nearest in `gallery` and its cosine: one product of matrices, block by block, so
    /// that a gallery of any size is read once for all faces. Empty for an empty gallery or for embeddings of another
    /// length than its own.
    pub fn nearest<'f>(
        &mut self,
        gallery: &Gallery,
        faces: impl Iterator<Item = &'f Embedding>,
    ) -> &[(usize, f32)] {
        self.best.clear();
        self.faces.clear();
        let length = gallery.rows.ncols();
        for face in faces {
            if face.values().len() != length || gallery.is_empty() {
                self.best.clear();
                return &self.best;
            }
            self.faces.extend_from_slice(face.values());
            self.best.push((0, f32::NEG_INFINITY));
        }
        let count = self.best.len();
        self.cosines.resize(count * BLOCK, 0.0);
        let Ok(faces) = ArrayView2::from_shape((count, length), &self.faces) else {
            return &[];
        };
        for (block, rows) in gallery.rows.axis_chunks_iter(Axis(0), BLOCK).enumerate() {
            let width = rows.nrows();
            let cosines = &mut self.cosines[..count * width];
            let Ok(mut cosines) = ArrayViewMut2::from_shape((count, width), cosines) else {
                continue;
            };
            if count == 1 {
                general_mat_vec_mul(1.0, &rows, &faces.row(0), 0.0, &mut cosines.row_mut(0));
            } else {
                general_mat_mul(1.0, &faces, &rows.t(), 0.0, &mut cosines);
            }
            for (cosines, best) in cosines.outer_iter().zip(&mut self.best) {
                for (row, cosine) in cosines.iter().enumerate() {
                    if *cosine > best.1 {
                        *best = (block * BLOCK + row, *cosine);
                    }
                }
            }
        }
        &self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found() {
        let gallery = Gallery::new([
            ("ann".to_owned(), Embedding::from_raw(&[1.0, 0.0])),
            ("bob".to_owned(), Embedding::from_raw(&[0.0, 2.0])),
        ])
        .unwrap();
        assert_eq!(gallery.len(), 2);
        let found = gallery.nearest(&Embedding::from_raw(&[0.6, 0.8])).unwrap();
        assert_eq!(found.name, "bob");
        assert!((found.cosine - 0.8).abs() < 1e-6);
        assert_eq!(Gallery::default().nearest(&Embedding::from_raw(&[1.0])), None);
        let with_ann = |values: &[f32]| {
            Gallery::new([
                ("ann".to_owned(), Embedding::from_raw(&[1.0, 0.0])),
                ("odd".to_owned(), Embedding::from_raw(values)),
            ])
        };
        assert!(
            with_ann(&[0.0, 2.0, 1.0])
                .unwrap_err()
                .to_string()
                .contains("odd has 3 values")
        );
        assert!(
            with_ann(&[0.0, f32::NAN])
                .unwrap_err()
                .to_string()
                .contains("of odd is not of numbers")
        );
    }

    #[test]
    fn all_faces_at_once_find_what_each_finds_alone_in_a_large_gallery() {
        let value = |i: usize| ((i.wrapping_mul(2_654_435_761)) >> 7 & 0xffff) as f32 - 32768.0;
        let person =
            |n: usize| Embedding::from_raw(&std::array::from_fn::<f32, 16, _>(|i| value(n * 16 + i)));
        let gallery = Gallery::new((0..2 * BLOCK + 7).map(|n| (n.to_string(), person(n)))).unwrap();
        let rows = [0, BLOCK - 1, BLOCK, 2 * BLOCK + 6];
        let faces: Vec<_> = rows.iter().map(|n| person(*n)).collect();
        let mut matcher = Matcher::default();
        let found = matcher.nearest(&gallery, faces.iter());
        assert_eq!(found.iter().map(|(row, _)| *row).collect::<Vec<_>>(), rows);
        assert!(found.iter().all(|(_, cosine)| (cosine - 1.0).abs() < 1e-5));
        assert_eq!(gallery.nearest(&faces[2]).unwrap().name, BLOCK.to_string());
        assert!(
            matcher
                .nearest(&gallery, [Embedding::from_raw(&[1.0])].iter())
                .is_empty()
        );
    }
}
