//! The backend that runs no network: it answers each photo after a set time, to measure the harness itself and to
//! plant faults that the checks must find.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What `null` does with each photo, and which fault it plants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NullOptions {
    /// The whole cost of a photo.
    pub delay: Duration,
    /// Faces that each photo is said to have.
    pub faces: usize,
    /// The worker aborts in this block (1 is the first) of each process.
    pub crash: Option<usize>,
    /// The worker stops answering in this block (1 is the first) of each process.
    pub hang: Option<usize>,
}

impl Default for NullOptions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(1),
            faces: 1,
            crash: None,
            hang: None,
        }
    }
}

/// Waits for `delay`. Sleeping alone wakes late by tens of microseconds, so the last stretch is spun: the delay is
/// what other figures are held against.
pub fn wait(delay: Duration) {
    const SPIN: Duration = Duration::from_micros(200);
    let start = Instant::now();
    if let Some(sleep) = delay.checked_sub(SPIN) {
        std::thread::sleep(sleep);
    }
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_short() {
        for micros in [0, 50, 1500] {
            let start = Instant::now();
            wait(Duration::from_micros(micros));
            assert!(start.elapsed() >= Duration::from_micros(micros));
        }
    }
}
