//! Whole passes over the photos of a job: every block measures all photos equally often.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// The photos after the first `next` of passes over `photos`: at most `most`, and never across the end of a pass.
pub(super) fn cut(photos: usize, next: usize, most: usize) -> Range<usize> {
    let photo = next % photos;
    photo..(photo + most).min(photos)
}

/// At least so many photos, for at least so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passes {
    pub(super) photos: usize,
    images: usize,
    least: Duration,
    started: Instant,
}

impl Passes {
    /// Passes over `photos` that begin now.
    pub(super) fn new(photos: usize, images: usize, least: Duration) -> Self {
        Self {
            photos,
            images,
            least,
            started: Instant::now(),
        }
    }

    /// Whether no pass begins any more after `next` photos.
    pub(super) fn are_over(&self, next: usize) -> bool {
        let pass_begins = next > 0 && next.is_multiple_of(self.photos);
        self.photos == 0 || (pass_begins && next >= self.images && self.started.elapsed() >= self.least)
    }

    /// Number of photos of the fewest whole passes that last at least `least` at `rate` photos a second and hold at least
    /// `images` photos.
    pub(super) fn at_rate(&self, rate: f64) -> usize {
        let least = ((self.least.as_secs_f64() * rate).ceil() as usize)
            .max(self.images)
            .max(1);
        least.div_ceil(self.photos.max(1)) * self.photos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_makes_whole_passes() {
        let passes = |least| Passes::new(7, 0, least).at_rate(10.0);
        assert_eq!(passes(Duration::from_secs(2)), 21);
        assert_eq!(passes(Duration::ZERO), 7);
    }
}
