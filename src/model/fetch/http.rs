//! The transfer: asks a server for what a download lacks, and follows the answer to its end.

use std::{
    io::{self, Read},
    time::Duration,
};

use ureq::{
    Agent, Body,
    http::{
        Response,
        header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE},
    },
};

use super::{error::FetchError, partial::PartialFile};

/// What a file may reach where its length is unknown; ten times the largest network of the catalog.
const MOST_BYTES: u64 = 2 << 30;
/// GitHub's LFS needs two.
const MOST_REDIRECTS: u32 = 5;
const CHUNK_BYTES: usize = 64 * 1024;

/// Fills `part` to the end of the file at `url`.
pub(super) fn download(
    part: &mut PartialFile,
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
/// begins again, so that the answer's body always continues it.
fn request_rest(part: &mut PartialFile, url: &str, timeout: Duration) -> Result<Response<Body>, FetchError> {
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
        ureq::Error::TooManyRedirects => FetchError::Redirects {
            url,
            most: MOST_REDIRECTS,
        },
        ureq::Error::RequireHttpsOnly(to) => FetchError::Downgrade { url, to },
        source => FetchError::Request {
            url,
            source: Box::new(source),
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
}
