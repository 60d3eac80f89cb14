//! Brings a catalog network into `<home>/models/`: resumed where it broke off, and never believed before its SHA-256
//! is right.
//!
//! While it comes, the file is `<file>.part`, with the server's `ETag` beside it in `<file>.part.etag`, so that a later
//! run asks for the rest of the same version only. A lock on `<file>.lock` makes two fetches take turns; the second
//! then finds the work done.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use ureq::{Agent, Body, http::Response};

use super::catalog::CatalogEntry;

/// What a file may reach when nobody said how long it is; ten times the largest network of the catalog.
const MOST_BYTES: u64 = 2 << 30;
/// GitHub's LFS needs two.
const MOST_REDIRECTS: u32 = 5;
const CHUNK_BYTES: usize = 64 * 1024;

/// What the user may say about a fetch.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// The terms of a non-commercial licence are accepted.
    pub accept_license: bool,
    /// The hash that the file must have (64 hex digits), for an entry that has none.
    pub sha256: Option<String>,
    /// A mirror that serves the bare file.
    pub url: Option<String>,
    /// Longest silence that is borne: to connect, to answer, and between two reads.
    pub timeout: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            accept_license: false,
            sha256: None,
            url: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Why a network was not fetched. Every message says what is wrong and what fixes it.
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
        "{url}: {source}; see whether this machine reaches it (HTTPS_PROXY is obeyed), then run the command again, or name a mirror with --url"
    )]
    Request {
        /// As asked.
        url: String,
        /// What failed.
        source: Box<ureq::Error>,
    },
    /// Redirected in a circle, or too far.
    #[error("{url}: more than {MOST_REDIRECTS} redirects; name a mirror with --url")]
    Redirects {
        /// As asked.
        url: String,
    },
    /// Redirected from https to http.
    #[error("{url}: redirects to {to}, which is not https; name a mirror with --url")]
    Downgrade {
        /// As asked.
        url: String,
        /// What was refused.
        to: String,
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

/// What lies in `<home>/models/` under an entry's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalState {
    /// Nothing.
    Absent,
    /// The file, with the catalog's hash.
    Present(PathBuf),
    /// A file, and no hash in the catalog to hold against its own.
    Unchecked {
        /// The file.
        path: PathBuf,
        /// Its hash, 64 lower-case hex digits.
        sha256: String,
    },
    /// A file that is not the entry's, or cannot be read.
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Looks for an entry's file and hashes it.
pub fn local(entry: &CatalogEntry, home: &Path) -> LocalState {
    let path = place(entry, home);
    match (sha256_file(&path), &entry.sha256) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => LocalState::Absent,
        (Err(error), _) => LocalState::Wrong {
            path,
            reason: error.to_string(),
        },
        (Ok(sha256), None) => LocalState::Unchecked { path, sha256 },
        (Ok(found), Some(expected)) if found == *expected => LocalState::Present(path),
        (Ok(found), Some(expected)) => LocalState::Wrong {
            path,
            reason: format!("SHA-256 is {found} where {expected} belongs"),
        },
    }
}

/// Brings an entry's file to `<home>/models/<file>` and returns that path.
///
/// `progress` is told the bytes that are there, those of an earlier run among them, and how many there will be where
/// that is known. A right file that is already there costs no request; a wrong one is replaced.
pub fn fetch(
    entry: &CatalogEntry,
    home: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, FetchError> {
    let sha256 = expected_hash(entry, options)?;
    let target = place(entry, home);
    let is_there = || sha256_file(&target).is_ok_and(|found| found == sha256);
    if is_there() {
        return Ok(target);
    }
    let url = permitted_url(entry, options, &target)?;

    let folder = home.join("models");
    fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
    let lock_path = beside(&target, ".lock");
    let lock = OpenOptions::new().create(true).append(true).open(&lock_path);
    let lock = lock.map_err(io_error("open", &lock_path))?;
    // Held until the file is closed.
    lock.lock().map_err(io_error("lock", &lock_path))?;
    if is_there() {
        return Ok(target);
    }

    let mut part = Part::open(beside(&target, ".part"))?;
    download(&mut part, url, entry.bytes, options.timeout, progress)?;
    let found = base16ct::lower::encode_string(&part.hasher.finalize_reset());
    if found != sha256 {
        part.remove()?;
        return Err(FetchError::Hash {
            url: url.into(),
            found,
            expected: sha256,
        });
    }
    part.become_file(&target)?;
    Ok(target)
}

/// The hash that the file must have: the catalog's, or the user's where the catalog has none.
fn expected_hash(entry: &CatalogEntry, options: &FetchOptions) -> Result<String, FetchError> {
    let given = options.sha256.as_ref().map(|hex| hex.to_ascii_lowercase());
    match (given, &entry.sha256) {
        (Some(given), _) if given.len() != 64 || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(FetchError::BadHash { given })
        }
        (Some(given), Some(known)) if given != *known => Err(FetchError::OtherHash {
            name: entry.name.clone(),
            given,
            known: known.clone(),
            by_path: entry.by_path(),
        }),
        (Some(given), _) => Ok(given),
        (None, Some(known)) => Ok(known.clone()),
        (None, None) => Err(FetchError::NoHash {
            file: entry.file.clone(),
            by_path: entry.by_path(),
        }),
    }
}

/// Where to fetch from, once the licence is accepted.
fn permitted_url<'a>(
    entry: &'a CatalogEntry,
    options: &'a FetchOptions,
    target: &Path,
) -> Result<&'a str, FetchError> {
    if entry.license.non_commercial && !options.accept_license {
        let license = entry.license.clone();
        return Err(FetchError::License {
            name: entry.name.clone(),
            text: license.text,
            url: license.url,
        });
    }
    match options.url.as_deref().or(entry.url.as_deref()) {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(url),
        Some(url) => Err(FetchError::BadUrl { url: url.into() }),
        None => Err(FetchError::Packed {
            file: entry.file.clone(),
            pack: entry.pack.clone().unwrap_or_else(|| entry.source.clone()),
            place: target.into(),
            by_path: entry.by_path(),
        }),
    }
}

/// Fills `part` to the end of the file at `url`.
fn download(
    part: &mut Part,
    url: &str,
    bytes: Option<u64>,
    timeout: Duration,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let limit = bytes.unwrap_or(MOST_BYTES);
    if part.bytes > limit {
        part.restart()?;
    }
    // A run that was stopped between the last byte and the renaming has nothing left to ask for.
    if bytes == Some(part.bytes) {
        return Ok(());
    }
    let mut response = request_rest(part, url, timeout)?;
    let total = response.body().content_length().map(|rest| part.bytes + rest);
    if let Some(total) = total.filter(|total| bytes.map_or(*total > limit, |bytes| *total != bytes)) {
        part.remove()?;
        return Err(FetchError::Size {
            url: url.into(),
            found: total.to_string(),
            expected: limit,
        });
    }
    let total = bytes.or(total);
    let mut body = response.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let got = match body.read(&mut chunk) {
            Ok(0) if total.is_none_or(|total| part.bytes >= total) => return Ok(()),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let got = got.map_err(|source| FetchError::Interrupted {
            url: url.into(),
            got: part.bytes,
            expected: total.map_or_else(|| "an unknown number".into(), |total| total.to_string()),
            part: part.path.clone(),
            source,
        })?;
        if part.bytes + got as u64 > limit {
            part.remove()?;
            return Err(FetchError::Size {
                url: url.into(),
                found: "more".into(),
                expected: limit,
            });
        }
        part.append(&chunk[..got])?;
        progress(part.bytes, total);
    }
}

/// Asks for what `part` lacks. Where the server gives the whole file instead, or cannot continue this part, `part`
/// begins anew, so that the answer's body always continues it.
fn request_rest(part: &mut Part, url: &str, timeout: Duration) -> Result<Response<Body>, FetchError> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(url.starts_with("https://"))
        .max_redirects(MOST_REDIRECTS)
        .accept_encoding("identity")
        .user_agent(concat!("facebench/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(timeout))
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_per_read(Some(timeout))
        .build()
        .into();
    loop {
        let mut request = agent.get(url);
        if part.bytes > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.bytes));
            if let Some(etag) = &part.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let response = request.call().map_err(|source| request_error(url, source))?;
        match response.status().as_u16() {
            206 if part.bytes > 0 && range_start(&response) == Some(part.bytes) => {
                return Ok(response);
            }
            200 => {
                part.restart()?;
                // A weak ETag promises nothing about bytes, and If-Range may not carry one.
                let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
                part.remember(etag.filter(|etag| etag.starts_with('"')))?;
                return Ok(response);
            }
            206 | 416 if part.bytes > 0 => part.restart()?,
            status => {
                return Err(FetchError::Status {
                    url: url.into(),
                    status,
                    fix: fix(status),
                });
            }
        }
    }
}

/// The first byte of `Content-Range: bytes FIRST-LAST/TOTAL`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}

fn fix(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants a permission that facebench has not: name a mirror with --url",
        404 | 410 => "the file is no longer there: name a mirror with --url",
        429 | 500..=599 => "the server has trouble: run the command again in a while",
        _ => "that is no file: name a mirror with --url",
    }
}

fn request_error(url: &str, source: ureq::Error) -> FetchError {
    let url = url.into();
    match source {
        ureq::Error::TooManyRedirects => FetchError::Redirects { url },
        ureq::Error::RequireHttpsOnly(to) => FetchError::Downgrade { url, to },
        source => FetchError::Request {
            url,
            source: Box::new(source),
        },
    }
}

/// A file that is not yet whole: its bytes so far, their running hash, and the version they belong to.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    bytes: u64,
    etag: Option<String>,
}

impl Part {
    /// Opens what an earlier run left, hashing it, or begins anew.
    fn open(path: PathBuf) -> Result<Self, FetchError> {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path);
        let mut file = file.map_err(io_error("open", &path))?;
        let mut hasher = Sha256::new();
        let bytes = hash_into(&mut file, &mut hasher).map_err(io_error("read", &path))?;
        let etag = fs::read_to_string(beside(&path, ".etag")).ok();
        Ok(Self {
            path,
            file,
            hasher,
            bytes,
            etag,
        })
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        self.file
            .write_all(chunk)
            .map_err(io_error("write", &self.path))?;
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.remember(None)?;
        self.file.set_len(0).map_err(io_error("empty", &self.path))?;
        self.hasher = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Keeps the version beside the bytes, for the run that may have to resume them.
    fn remember(&mut self, etag: Option<&str>) -> Result<(), FetchError> {
        let path = beside(&self.path, ".etag");
        match etag {
            Some(etag) => fs::write(&path, etag),
            None => remove_if_there(&path),
        }
        .map_err(io_error("write", &path))?;
        self.etag = etag.map(Into::into);
        Ok(())
    }

    fn remove(&mut self) -> Result<(), FetchError> {
        self.remember(None)?;
        remove_if_there(&self.path).map_err(io_error("remove", &self.path))
    }

    /// Takes the file's own name, once its bytes are on the disk: after a power cut there is the whole file or none.
    fn become_file(mut self, target: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(io_error("write", &self.path))?;
        fs::rename(&self.path, target).map_err(io_error("rename", &self.path))?;
        self.remember(None)
    }
}

/// SHA-256 of a file: 64 lower-case hex digits.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_into(&mut File::open(path)?, &mut hasher)?;
    Ok(base16ct::lower::encode_string(&hasher.finalize()))
}

/// Feeds what is left of `file` to `hasher`; returns how many bytes that was.
fn hash_into(file: &mut File, hasher: &mut Sha256) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let got = file.read(&mut chunk)?;
        if got == 0 {
            return Ok(bytes);
        }
        hasher.update(&chunk[..got]);
        bytes += got as u64;
    }
}

fn place(entry: &CatalogEntry, home: &Path) -> PathBuf {
    home.join("models").join(&entry.file)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_away_from_https_is_told_as_such() {
        let refused = ureq::Error::RequireHttpsOnly("http://example.org/".into());
        let message = request_error("https://example.org/", refused).to_string();
        assert!(
            message.contains("redirects to http://example.org/, which is not https"),
            "{message}"
        );
    }

    #[test]
    fn a_hash_is_written_as_sha256sum_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(base16ct::lower::encode_string(&Sha256::digest(b"")), empty);
    }
}
