//! That a participant is still there, said every few seconds while it measures or waits: a machine that froze keeps its
//! connection, and the others would wait for it for ever.

use std::{
    io,
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};

use serde::Serialize;

use super::messages::{ClientMessage, HEARTBEAT, send};

/// The participant's end of its connection, which its own messages and its heartbeat share.
pub(super) struct Writer(Arc<Mutex<TcpStream>>);

impl Writer {
    /// Begins to say that the participant is there, until the writer is dropped or the connection is gone.
    pub(super) fn beating(stream: TcpStream) -> io::Result<Self> {
        let writer = Arc::new(Mutex::new(stream));
        let beat = Arc::downgrade(&writer);
        let spawned = thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || while is_said(&beat) {});
        spawned.map(|_| Self(writer))
    }

    /// Sends `message` as one line.
    pub(super) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        send(&mut *lock(&self.0), message)
    }
}

/// Says it once, after a while; whether there is somebody left to say it to.
fn is_said(writer: &Weak<Mutex<TcpStream>>) -> bool {
    thread::sleep(HEARTBEAT);
    let Some(writer) = writer.upgrade() else {
        return false;
    };
    let mut stream = lock(&writer);
    send(&mut *stream, &ClientMessage::Alive).is_ok()
}

fn lock(stream: &Mutex<TcpStream>) -> MutexGuard<'_, TcpStream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
