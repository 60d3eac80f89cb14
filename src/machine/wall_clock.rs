//! The machine's wall clock in microseconds since 1970: the one clock that several processes can read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now.
pub fn now_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// `time` in microseconds.
pub fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// The wall clock at one instant, for times that other processes can read.
#[derive(Clone, Copy)]
pub struct WallClock {
    instant: Instant,
    micros: u64,
}

impl WallClock {
    /// Reads it once.
    pub fn now() -> Self {
        Self {
            micros: now_us(),
            instant: Instant::now(),
        }
    }

    /// What it shows at an instant after it was read.
    pub fn micros(self, at: Instant) -> u64 {
        self.micros + micros(at.saturating_duration_since(self.instant))
    }

    /// The instant at which it shows `micros`; that at which it was read for any time before.
    pub fn instant(self, micros: u64) -> Instant {
        self.instant + Duration::from_micros(micros.saturating_sub(self.micros))
    }
}
