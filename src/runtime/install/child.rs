//! A program that does not outlive the process that started it, however that one ends.
#![allow(unsafe_code)] // What a child does before its program begins can only be said by `pre_exec`, which is unsafe.

use std::{io, os::unix::process::CommandExt, process::Command};

/// Lets the kernel end the program of `command` when the thread that starts it ends: by Ctrl-C, by `kill -9`, by a crash.
pub(super) fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let bind = move || {
            // SAFETY: two system calls that read and write nothing in this process's memory.
            let (bound, now) = unsafe {
                (
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL),
                    libc::getppid(),
                )
            };
            if bound != 0 {
                return Err(io::Error::last_os_error());
            }
            // It may have ended before this.
            if u32::try_from(now) != Ok(parent) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(())
        };
        // SAFETY: between fork and exec there are these system calls alone; nothing is allocated, no lock is taken.
        unsafe { command.pre_exec(bind) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
