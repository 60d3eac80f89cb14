//! Threads that decode, resize and align beside a device that runs the networks.

use rayon::prelude::*;

/// Who does work on pixels: the caller, or a pool of threads for whoever asks.
#[derive(Debug, Default)]
pub struct Workers(Option<rayon::ThreadPool>);

impl Workers {
    /// A pool of so many threads; the caller alone where they cannot be had.
    pub fn pool(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("pixels {number}"))
            .build();
        Self(pool.ok())
    }

    /// Does `work` for each of `items`, in any order, and gives the answers back in theirs.
    pub fn each<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        match &self.0 {
            Some(pool) if items.len() > 1 => pool.install(|| items.into_par_iter().map(work).collect()),
            // One thing alone is taken to the pool as well: the device's streams must not add to its threads.
            Some(pool) => pool.install(|| items.into_iter().map(work).collect()),
            None => items.into_iter().map(work).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_order_of_the_items() {
        for workers in [Workers::default(), Workers::pool(3)] {
            let squares = workers.each((0..100).collect(), |n: usize| n * n);
            assert!(squares.iter().enumerate().all(|(n, square)| n * n == *square));
            assert_eq!(workers.each(vec![7], |n| n + 1), [8]);
        }
    }
}
