//! Work of several streams at the same time, each on a thread of its own.

use std::{
    io,
    panic::resume_unwind,
    thread::{self, ScopedJoinHandle},
};

use thiserror::Error;

/// The system gives no more threads.
#[derive(Debug, Error)]
#[error("a thread cannot be started: {0}; allow this user more processes (ulimit -u), or use fewer streams")]
pub struct NoThread(#[from] io::Error);

/// Does `work` with each of `items` at the same time, and `meanwhile` on this thread, which can ask whether all work is
/// done. Gives what came of each, in their order, or the first error; a panic goes on here.
pub fn on_each<T: Send, R: Send, E: Send + From<NoThread>>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R, E> + Sync,
    meanwhile: impl FnOnce(&dyn Fn() -> bool) -> Result<(), E>,
) -> Result<Vec<R>, E> {
    thread::scope(|scope| {
        let work = &work;
        // Where one is refused, those that run come to the end of their work first.
        let threads = items
            .into_iter()
            .map(|item| thread::Builder::new().spawn_scoped(scope, move || work(item)))
            .collect::<Result<Vec<_>, io::Error>>()
            .map_err(NoThread)?;
        meanwhile(&|| threads.iter().all(ScopedJoinHandle::is_finished))?;
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<NoThread> for usize {
        fn from(_: NoThread) -> Self {
            0
        }
    }

    #[test]
    fn all_work_at_once_and_the_first_error_is_the_answer() {
        let barrier = std::sync::Barrier::new(3);
        let doubled = on_each(
            [1, 2],
            |number| {
                barrier.wait();
                Ok::<_, usize>(2 * number)
            },
            |is_done| {
                assert!(!is_done());
                barrier.wait();
                Ok(())
            },
        );
        assert_eq!(doubled, Ok(vec![2, 4]));
        let failed = on_each([1, 2, 3], |n| if n == 1 { Ok(()) } else { Err(n) }, |_| Ok(()));
        assert_eq!(failed, Err(2));
    }
}
