//! Why a network was not fetched: what is wrong, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a network was not fetched. Every message says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The licence asks for consent.
    #[error("the terms of {name} must be accepted ({text}): read {url}, then add --accept-license")]
    License {
        /// The entry.
        name: String,
        /// The terms.
        text: String,
        /// Where they are written.
        url: String,
    },
    /// Nothing to check the file against.
    #[error(
        "the catalog knows no SHA-256 of {file}: add --sha256 with one that you trust, or use the file by path ({by_path})"
    )]
    NoHash {
        /// The ONNX file.
        file: String,
        /// How to name it by path.
        by_path: String,
    },
    /// Not 64 hex digits.
    #[error("--sha256 {given} is not a SHA-256: give 64 hex digits, as sha256sum prints them")]
    BadHash {
        /// The option's value.
        given: String,
    },
    /// The user's hash is not the catalog's.
    #[error(
        "--sha256 {given} is another file than {name}, whose SHA-256 is {known}: leave the option out, or use your file by path ({by_path})"
    )]
    OtherHash {
        /// The entry.
        name: String,
        /// The option's value.
        given: String,
        /// The catalog's.
        known: String,
        /// How to name a file by path.
        by_path: String,
    },
    /// The file is inside an archive.
    #[error(
        "{file} is served only inside {pack}: unpack it to {place}, or use it by path ({by_path}), or name a mirror of the bare file with --url"
    )]
    Packed {
        /// The member.
        file: String,
        /// URL of the archive.
        pack: String,
        /// Where the catalog looks for it.
        place: PathBuf,
        /// How to name it by path.
        by_path: String,
    },
    /// Neither http nor https.
    #[error("{url} is no web address: give one that begins with https://")]
    BadUrl {
        /// As given.
        url: String,
    },
    /// No answer.
    #[error(
        "{url}: {reason}; see whether this machine reaches it (HTTPS_PROXY is obeyed), then run the command again, or name a mirror with --url"
    )]
    Request {
        /// As asked.
        url: String,
        /// What failed. Text, without the passwords that an error may have in it.
        reason: String,
    },
    /// Redirected in a circle, or too far.
    #[error("{url}: more than {most} redirects; name a mirror with --url")]
    Redirects {
        /// As asked.
        url: String,
        /// How many are followed.
        most: u32,
    },
    /// Redirected from https to http.
    #[error("{url}: redirects to {to}, which is not https; name a mirror with --url")]
    Downgrade {
        /// As asked.
        url: String,
        /// What was refused.
        to: String,
    },
    /// The file came too slowly.
    #[error(
        "{url}: {got} bytes of {expected} are here, and {why}; run the command again to resume from {part}, with a longer --within where the line is slow, or name a mirror with --url"
    )]
    Slow {
        /// As asked.
        url: String,
        /// Bytes that are safe.
        got: u64,
        /// Bytes of the file, or "an unknown number".
        expected: String,
        /// What took too long.
        why: String,
        /// Where they are.
        part: PathBuf,
    },
    /// Any other answer than the file.
    #[error("{url}: the server answers {status}; {fix}")]
    Status {
        /// As asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What to do.
        fix: &'static str,
    },
    /// Another length than the catalog's.
    #[error(
        "{url}: {found} bytes where {expected} belong, so it is another file (an error page, or a Git LFS pointer); name a mirror with --url"
    )]
    Size {
        /// As asked.
        url: String,
        /// What the server announces, or "more".
        found: String,
        /// Bytes of the file.
        expected: u64,
    },
    /// The connection was lost.
    #[error(
        "{url}: broke off after {got} bytes of {expected}: {source}; run the command again to resume from {part}"
    )]
    Interrupted {
        /// As asked.
        url: String,
        /// Bytes that are safe.
        got: u64,
        /// Bytes of the file, or "an unknown number".
        expected: String,
        /// Where they are.
        part: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The file came whole and is wrong.
    #[error(
        "{url}: SHA-256 is {found} where {expected} belongs; the file is removed, run the command again, or name a mirror with --url"
    )]
    Hash {
        /// As asked.
        url: String,
        /// Of what came.
        found: String,
        /// Of the right file.
        expected: String,
    },
    /// This machine's own files.
    #[error("cannot {doing} {path}: {source}; see that the folder can be written and the disk is not full")]
    Io {
        /// A verb.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// For what failed while `doing` something to the file at `path`.
pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { doing, path, source }
}
