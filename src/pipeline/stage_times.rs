//! The time of each stage of the pipeline.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Time spent in each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Encoded bytes to pixels.
    pub decode: Duration,
    /// Letterbox, detector, suppression.
    pub detect: Duration,
    /// Photo to aligned crops.
    pub align: Duration,
    /// Recognizer.
    pub embed: Duration,
    /// Embeddings against the gallery.
    pub matching: Duration,
}

impl AddAssign for StageTimes {
    fn add_assign(&mut self, other: Self) {
        self.decode += other.decode;
        self.detect += other.detect;
        self.align += other.align;
        self.embed += other.embed;
        self.matching += other.matching;
    }
}

/// A stopwatch whose laps leave no gap between stages.
pub(super) struct Laps(Instant);

impl Laps {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.0;
        self.0 = now;
        lap
    }
}
