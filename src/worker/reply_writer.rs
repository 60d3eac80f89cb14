//! The worker's way to its study, shared by all its threads.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
};

use super::protocol::Reply;

/// Writes replies, one a line.
pub(super) struct ReplyWriter(Mutex<File>);

impl ReplyWriter {
    /// Takes standard output for the protocol alone: what a native library prints goes to standard error from now on.
    pub(super) fn take_stdout() -> io::Result<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        #[cfg(unix)]
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self(Mutex::new(File::from(own))))
    }

    /// For lines that are no replies.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines(self)
    }

    /// Sends `reply`; an error means that the study is gone.
    pub(super) fn send(&self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
    }
}

/// Lines that are no replies, on their way to the study.
pub(super) struct Lines<'a>(&'a ReplyWriter);

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
