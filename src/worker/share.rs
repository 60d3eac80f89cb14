//! A worker's part in a tenant group: photos one after the other from one point in time to another, each with when
//! it was begun and ended.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Worker, WorkerError, joined,
    protocol::{Completion, Shared, Sharing},
};
use crate::machine::wall_clock::{self, now_us};

/// The wall clock at one instant, for times that other processes can read.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    instant: Instant,
    micros: u64,
}

impl Clock {
    pub(super) fn now() -> Self {
        Self {
            micros: now_us(),
            instant: Instant::now(),
        }
    }

    pub(super) fn micros(self, at: Instant) -> u64 {
        self.micros + wall_clock::micros(at.saturating_duration_since(self.instant))
    }

    pub(super) fn instant(self, micros: u64) -> Instant {
        self.instant + Duration::from_micros(micros.saturating_sub(self.micros))
    }
}

impl Worker {
    /// Works from `sharing.begin_us` to `sharing.end_us` with all streams. A photo that is begun is ended.
    pub(super) fn share(&mut self, sharing: Sharing) -> Result<Shared, WorkerError> {
        let clock = Clock::now();
        let (begin, end) = (clock.instant(sharing.begin_us), clock.instant(sharing.end_us));
        let (photos, batch) = (self.job.photos.len(), self.job.batch);
        let next = AtomicUsize::new(sharing.first_photo);
        #[cfg(target_os = "linux")]
        let cpu = super::cpu_seconds();
        let answered: Vec<Vec<Completion>> = thread::scope(|scope| {
            let streams: Vec<_> = self
                .streams
                .iter_mut()
                .map(|stream| {
                    let next = &next;
                    scope.spawn(move || -> Result<Vec<Completion>, WorkerError> {
                        let mut faces = vec![Vec::new(); batch];
                        let mut answered = Vec::new();
                        thread::sleep(begin.saturating_duration_since(Instant::now()));
                        while Instant::now() < end {
                            let photo = next.fetch_add(batch, Ordering::Relaxed) % photos;
                            let range = photo..(photo + batch).min(photos);
                            let begun = Instant::now();
                            stream.process(range.clone(), &mut faces[..range.len()])?;
                            let (begun_us, ended_us) = (clock.micros(begun), clock.micros(Instant::now()));
                            answered.push(Completion {
                                photo: range.start,
                                photos: range.len(),
                                begun_us,
                                ended_us,
                            });
                        }
                        Ok(answered)
                    })
                })
                .collect();
            streams
                .into_iter()
                .map(joined)
                .collect::<Result<_, WorkerError>>()
        })?;
        Ok(Shared {
            streams: answered,
            #[cfg(target_os = "linux")]
            cpu_seconds: Some(super::cpu_seconds() - cpu),
            #[cfg(not(target_os = "linux"))]
            cpu_seconds: None,
        })
    }
}
