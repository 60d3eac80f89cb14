//! The machine's wall clock in microseconds since 1970: the one clock that several processes can read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now.
pub fn now_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// `time` in microseconds.
pub fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
