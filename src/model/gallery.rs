//! The gallery: enrolled embeddings with names, and the nearest of them by cosine.

use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::vision::face::Embedding;

/// Enrolled embeddings, a row each; rows of one name are one person.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    names: Vec<String>,
    rows: Array2<f32>,
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
    /// A gallery of `people`; embeddings of another length than the first are left out.
    pub fn new(people: impl IntoIterator<Item = (String, Embedding)>) -> Self {
        let mut names = Vec::new();
        let mut values = Vec::new();
        let mut length = 0;
        for (name, embedding) in people {
            if names.is_empty() {
                length = embedding.values().len();
            }
            if embedding.values().len() == length {
                names.push(name);
                values.extend_from_slice(embedding.values());
            }
        }
        let rows = Array2::from_shape_vec((names.len(), length), values).unwrap_or_default();
        Self { names, rows }
    }

    /// Enrolled embeddings.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The enrolled embeddings, a row each.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// The nearest to `face`; `None` in an empty gallery or for an embedding of another length.
    pub fn nearest(&self, face: &Embedding) -> Option<Match<'_>> {
        let face = ArrayView1::from(face.values());
        if self.is_empty() || face.len() != self.rows.ncols() {
            return None;
        }
        let cosines = self.rows.dot(&face);
        let (best, cosine) = cosines
            .iter()
            .copied()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Match {
            name: &self.names[best],
            cosine,
        })
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
            ("odd".to_owned(), Embedding::from_raw(&[0.0, 2.0, 1.0])),
        ]);
        assert_eq!(gallery.len(), 2);
        let found = gallery.nearest(&Embedding::from_raw(&[0.6, 0.8])).unwrap();
        assert_eq!(found.name, "bob");
        assert!((found.cosine - 0.8).abs() < 1e-6);
        assert_eq!(Gallery::default().nearest(&Embedding::from_raw(&[1.0])), None);
    }
}
