//! The pixel pool: threads that decode, resize and align beside a device that runs the networks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rayon::prelude::*;

/// Gives each of `items` to `work`, on all cores, or in the caller's thread where the system gives no more: the results in
/// the order of the items, or the first error.
pub fn try_map<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, E> + Sync + Send,
) -> Result<Vec<R>, E> {
    // Rayon's own pool would panic where it cannot be made.
    match rayon::ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(|| items.into_par_iter().map(work).collect()),
        Err(_) => items.into_iter().map(work).collect(),
    }
}

/// Does work on pixels, in the caller's thread or in a pool of threads that all streams share.
#[derive(Debug, Default)]
pub struct PixelPool {
    pool: Option<rayon::ThreadPool>,
    /// Processor time of the pool's work so far, nanoseconds.
    busy: AtomicU64,
}

impl PixelPool {
    /// A pool of so many threads; the caller alone where they cannot be had.
    pub fn pool(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("pixels {number}"))
            .build();
        Self {
            pool: pool.ok(),
            busy: AtomicU64::new(0),
        }
    }

    /// Does `work` for each of `items`, in any order.
    pub fn each<T: Send>(&self, items: impl Iterator<Item = T>, work: impl Fn(T) + Sync + Send) {
        let Some(pool) = &self.pool else {
            return items.for_each(work);
        };
        let timed = |item| {
            let before = thread_time();
            work(item);
            let spent = thread_time().saturating_sub(before);
            self.busy.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        };
        let items: Vec<T> = items.collect();
        pool.install(|| items.into_par_iter().for_each(timed));
    }

    /// Processor time that the pool has spent on pixels; `None` without a pool.
    pub fn busy(&self) -> Option<Duration> {
        self.pool
            .as_ref()
            .map(|_| Duration::from_nanos(self.busy.load(Ordering::Relaxed)))
    }
}

/// Processor time of this thread: what it waits for others does not count.
#[cfg(target_os = "linux")]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Time since the first call: elsewhere a thread's own time cannot be had so easily.
#[cfg(not(target_os = "linux"))]
fn thread_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on() {
        for pixel_pool in [PixelPool::default(), PixelPool::pool(3)] {
            let mut squares = [0; 100];
            pixel_pool.each(squares.iter_mut().enumerate(), |(n, square)| *square = n * n);
            assert!(squares.iter().enumerate().all(|(n, square)| n * n == *square));
        }
    }

    #[test]
    fn a_pool_knows_how_long_it_worked() {
        assert_eq!(PixelPool::default().busy(), None);
        let pool = PixelPool::pool(2);
        assert_eq!(pool.busy(), Some(Duration::ZERO));
        pool.each([400_000u64; 4].into_iter(), |n| {
            std::hint::black_box((0..n).fold(1u64, |a, b| std::hint::black_box(a ^ b)));
        });
        assert!(
            pool.busy() > Some(Duration::from_micros(100)),
            "{:?}",
            pool.busy()
        );
    }
}
