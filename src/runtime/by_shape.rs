//! What a session makes ready for each shape of its input, for runtimes that want to know the dimensions beforehand.

/// Most shapes that are kept: one for each number of faces in a batch, as long as batches are small.
const MOST: usize = 32;

/// A small store of `T` by shape (batch, channels, height, width); what was used longest ago goes first.
pub(super) struct ByShape<T> {
    /// The last used one last.
    kept: Vec<([usize; 4], T)>,
}

impl<T> ByShape<T> {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new() }
    }

    /// What is kept for `shape`; `make` makes it where there is none yet.
    pub(super) fn get_or_make<E>(
        &mut self,
        shape: [usize; 4],
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let entry = match self.kept.iter().position(|(kept, _)| *kept == shape) {
            Some(place) => self.kept.remove(place),
            None => (shape, make()?),
        };
        if self.kept.len() == MOST {
            self.kept.remove(0);
        }
        self.kept.push(entry);
        let last = self.kept.len() - 1;
        Ok(&mut self.kept[last].1)
    }

    /// Drops what was used last: its state may be anything after an error.
    pub(super) fn forget_last(&mut self) {
        self.kept.pop();
    }
}

/// The reason why nothing could be made for inputs of `shape`.
pub(super) fn for_input(shape: [usize; 4], reason: &str) -> String {
    format!(
        "for an input of {}: {reason}",
        shape.map(|side| side.to_string()).join("x")
    )
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_shape_is_made_once_as_long_as_it_is_used() {
        let mut store = ByShape::new();
        let mut made = Vec::new();
        let mut get = |batch: usize| {
            let make = || {
                made.push(batch);
                Ok::<_, Infallible>(batch)
            };
            assert_eq!(*store.get_or_make([batch, 3, 8, 8], make).unwrap(), batch);
        };
        (0..MOST).for_each(&mut get);
        get(0);
        get(MOST);
        get(0);
        get(1);
        assert_eq!(made.len(), MOST + 2, "{made:?}");
        assert_eq!(made[MOST..], [MOST, 1]);
    }

    #[test]
    fn what_could_not_be_made_is_not_kept() {
        let mut store = ByShape::new();
        let shape = [1, 3, 8, 8];
        assert_eq!(store.get_or_make(shape, || Err("no")), Err("no"));
        assert_eq!(store.get_or_make(shape, || Ok::<_, Infallible>(1)), Ok(&mut 1));
        store.forget_last();
        assert_eq!(store.get_or_make(shape, || Ok::<_, Infallible>(2)), Ok(&mut 2));
    }
}
