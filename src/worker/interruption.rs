//! What ends measuring before it is done: the user.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Shared by all that can be stopped; clones are the same one.
#[derive(Debug, Clone)]
pub struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// One that the user makes by setting `flag`.
    pub fn new(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Whether to stop.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
