//! The transfer: asks a server for what a download lacks, and follows the answer to its end.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body,
    http::{
        Response,
        header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE},
    },
};

use super::{
    FetchOptions,
    error::FetchError,
    partial::{PartialFile, strong_etag},
};
use crate::files::without_secrets;

/// What a file may reach where its length is unknown; ten times the largest network of the catalog.
const MOST_BYTES: u64 = 2 << 30;
/// GitHub's LFS needs two.
const MOST_REDIRECTS: u32 = 5;
const CHUNK_BYTES: usize = 64 * 1024;
/// Fewer bytes a second, for as long as a silent server is waited for, and the server is as good as silent.
pub(super) const LEAST_RATE: u64 = 1000;

/// How fast a file comes: enough in each stretch of time, and all of it in the end.
struct Pace {
    began: Instant,
    within: Duration,
    stretch: Duration,
    /// When this stretch began, and how many bytes were there.
    since: (Instant, u64),
}

impl Pace {
    fn new(options: &FetchOptions, bytes: u64) -> Self {
        let began = Instant::now();
        Self {
            began,
            within: options.within,
            stretch: options.timeout,
            since: (began, bytes),
        }
    }

    /// Why it is too slow now that `bytes` are there; `None` where it is not.
    fn too_slow(&mut self, bytes: u64) -> Option<String> {
        if self.began.elapsed() > self.within {
            return Some(format!("it took longer than {} s", self.within.as_secs_f32()));
        }
        let (since, before) = self.since;
        let took = since.elapsed();
        if took < self.stretch {
            return None;
        }
        self.since = (Instant::now(), bytes);
        let came = bytes - before;
        ((came as f64) < LEAST_RATE as f64 * took.as_secs_f64())
            .then(|| format!("the last {:.0} s brought {came} bytes", took.as_secs_f64()))
    }
}

/// Fills `part` to the end of the file at `url`, which is shown without its secrets.
pub(super) fn download(
    part: &mut PartialFile,
    url: &str,
    bytes: Option<u64>,
    options: &FetchOptions,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let shown = without_secrets(url);
    let limit = bytes.unwrap_or(MOST_BYTES);
    if part.bytes > limit {
        part.restart()?;
    }
    // A run that was stopped between the last byte and the renaming has nothing left to ask for.
    if bytes == Some(part.bytes) {
        return Ok(());
    }
    let mut pace = Pace::new(options, part.bytes);
    let mut response = request_rest(part, url, options)?;
    pace.since = (Instant::now(), part.bytes);
    let total = response.body().content_length().map(|rest| part.bytes + rest);
    if let Some(total) = total.filter(|total| bytes.map_or(*total > limit, |bytes| *total != bytes)) {
        part.remove()?;
        return Err(FetchError::Size {
            url: shown.clone(),
            found: total.to_string(),
            expected: limit,
        });
    }
    let total = bytes.or(total);
    let mut body = response.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    let expected = || total.map_or_else(|| "an unknown number".into(), |total| total.to_string());
    loop {
        let got = match body.read(&mut chunk) {
            Ok(0) if total.is_none_or(|total| part.bytes >= total) => return Ok(()),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let got = got.map_err(|source| FetchError::Interrupted {
            url: shown.clone(),
            got: part.bytes,
            expected: expected(),
            part: part.path.clone(),
            source: io::Error::new(source.kind(), without_secrets(&source.to_string())),
        })?;
        if part.bytes + got as u64 > limit {
            part.remove()?;
            return Err(FetchError::Size {
                url: shown.clone(),
                found: "more".into(),
                expected: limit,
            });
        }
        part.append(&chunk[..got])?;
        progress(part.bytes, total);
        let is_whole = total == Some(part.bytes);
        if let Some(why) = pace.too_slow(part.bytes).filter(|_| !is_whole) {
            return Err(FetchError::Slow {
                url: shown,
                got: part.bytes,
                expected: expected(),
                why,
                part: part.path.clone(),
            });
        }
    }
}

/// Asks for what `part` lacks. Where the server gives the whole file instead, or cannot continue this part, `part`
/// begins again, so that the answer's body always continues it.
fn request_rest(
    part: &mut PartialFile,
    url: &str,
    options: &FetchOptions,
) -> Result<Response<Body>, FetchError> {
    let timeout = options.timeout;
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(url.starts_with("https://"))
        .max_redirects(MOST_REDIRECTS)
        .accept_encoding("identity")
        .user_agent(concat!("facebench/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(options.within))
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
                let etag = response
                    .headers()
                    .get(ETAG)
                    .and_then(|etag| strong_etag(etag.as_bytes()));
                part.remember(etag.as_deref())?;
                return Ok(response);
            }
            206 | 416 if part.bytes > 0 => part.restart()?,
            status => {
                return Err(FetchError::Status {
                    url: without_secrets(url),
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
    let url = without_secrets(url);
    match source {
        ureq::Error::TooManyRedirects => FetchError::Redirects {
            url,
            most: MOST_REDIRECTS,
        },
        ureq::Error::RequireHttpsOnly(to) => FetchError::Downgrade {
            url,
            to: without_secrets(&to),
        },
        source => FetchError::Request {
            url,
            reason: without_secrets(&source.to_string()),
        },
    }
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
    fn no_error_shows_a_password() {
        let url = "https://user:secret@example.org/net.onnx?key=secret";
        for error in [
            ureq::Error::TooManyRedirects,
            ureq::Error::RequireHttpsOnly("http://user:secret@example.org/".into()),
            ureq::Error::BadUri(url.into()),
            ureq::Error::HostNotFound,
        ] {
            let error = request_error(url, error);
            let texts = [error.to_string(), format!("{error:?}")];
            assert!(texts.iter().all(|text| !text.contains("secret")), "{texts:?}");
        }
    }
}
