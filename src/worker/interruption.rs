//! What ends measuring before it is done: the user, or a deadline.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::machine::wall_clock::now_us;

/// No deadline: a time that never comes.
const NEVER: u64 = u64::MAX;

/// Shared by all that can be stopped; clones are the same one.
#[derive(Debug, Clone)]
pub struct Interruption {
    user: Arc<AtomicBool>,
    deadline_us: Arc<AtomicU64>,
}

impl Interruption {
    /// One that the user makes by setting `user`.
    pub fn new(user: Arc<AtomicBool>) -> Self {
        Self {
            user,
            deadline_us: Arc::new(AtomicU64::new(NEVER)),
        }
    }

    /// Whether to stop, for either reason.
    pub fn is_asked(&self) -> bool {
        self.by_user() || now_us() >= self.deadline_us.load(Ordering::Relaxed)
    }

    /// Whether the user wants to stop.
    pub fn by_user(&self) -> bool {
        self.user.load(Ordering::Relaxed)
    }

    /// Asks to stop at `deadline_us`, microseconds since 1970 by this machine's clock, in place of any deadline before;
    /// never at `None`.
    pub fn set_deadline(&self, deadline_us: Option<u64>) {
        self.deadline_us
            .store(deadline_us.unwrap_or(NEVER), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_reason_stops_and_a_deadline_can_be_put_off() {
        let user = Arc::new(AtomicBool::new(false));
        let interruption = Interruption::new(Arc::clone(&user));
        assert!(!interruption.is_asked());
        let other = interruption.clone();
        other.set_deadline(Some(now_us() - 1));
        assert!(interruption.is_asked() && !interruption.by_user());
        other.set_deadline(Some(now_us() + 60_000_000));
        assert!(!interruption.is_asked());
        other.set_deadline(None);
        assert!(!interruption.is_asked());
        user.store(true, Ordering::Relaxed);
        assert!(interruption.is_asked() && interruption.by_user());
    }
}
