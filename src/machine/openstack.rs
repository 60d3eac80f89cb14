//! What OpenStack's metadata service reports about this instance, over HTTP.
//!
//! Only what shows the kind of machine is kept: its availability zone and its flavor. Names, keys, projects and user
//! data are ignored.

use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;

use super::Reading;
use crate::{files::without_secrets, record::Fact};

/// The most bytes of an answer that are read; a real one has a few thousand.
const LIMIT: u64 = 1 << 20;

/// The keys of `meta_data.json` that are kept.
#[derive(Deserialize)]
struct MetaData {
    availability_zone: Option<String>,
}

/// The facts that the service at `base` (without a slash at its end) reports, each request within `limit`; the reason
/// where it does not answer. The flavor's name is served only under the paths that are compatible with EC2.
pub fn metadata(base: &str, limit: Duration) -> Reading<Vec<Fact>> {
    let agent = Agent::config_builder()
        .timeout_global(Some(limit))
        // The service is link-local: a proxy cannot reach it.
        .proxy(None)
        .max_redirects(0)
        .build()
        .new_agent();
    let read = |path: &str| -> Reading<String> {
        let failed = |error: ureq::Error| without_secrets(&format!("{base}{path}: {error}"));
        let mut answer = agent.get(format!("{base}{path}")).call().map_err(failed)?;
        answer
            .body_mut()
            .with_config()
            .limit(LIMIT)
            .read_to_string()
            .map_err(failed)
    };
    let path = "/openstack/latest/meta_data.json";
    let data = parse(&read(path)?)
        .map_err(|error| without_secrets(&format!("{base}{path} is not OpenStack metadata: {error}")))?;
    let mut facts = Vec::new();
    let mut keep = |kind: &str, value: Option<String>, path: &str| {
        let value = value.filter(|value| is_name(value));
        facts.extend(value.map(|value| Fact::new(kind, value, format!("metadata service {path}"))));
    };
    keep("openstack", Some("metadata service".to_owned()), path);
    keep("openstack-availability-zone", data.availability_zone, path);
    let path = "/latest/meta-data/instance-type";
    keep(
        "openstack-flavor",
        read(path).ok().map(|text| text.trim().to_owned()),
        path,
    );
    Ok(facts)
}

/// What is kept of a `meta_data.json`.
fn parse(text: &str) -> serde_json::Result<MetaData> {
    serde_json::from_str(text)
}

/// Takes any bytes for an answer of the service: for fuzzing.
#[doc(hidden)]
pub fn read_untrusted(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let kept = parse(&text).ok().and_then(|data| data.availability_zone);
    for name in kept
        .into_iter()
        .chain([text.trim().to_owned()])
        .filter(|name| is_name(name))
    {
        assert!(!name.chars().any(char::is_control) && name.len() <= 255);
    }
}

/// A name is one short line of letters, digits and few signs; anything else is an error page or something else.
fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_alphanumeric() || " ._-+:()/".contains(c);
    !text.is_empty() && text.len() <= 255 && text.chars().all(sound)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::TcpListener, thread};

    use tiny_http::{Response, Server};

    use super::*;

    /// Serves `pages` as often as they are asked for until the test ends, and gives the address.
    fn serve(pages: &[(&'static str, &'static str)]) -> String {
        let pages: BTreeMap<_, _> = pages.iter().copied().collect();
        let server = Server::http("127.0.0.1:0").expect("a server on loopback");
        let base = format!("http://{}", server.server_addr());
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let answer = match pages.get(request.url()) {
                    Some(page) => Response::from_string(*page),
                    None => Response::from_string("<html>404</html>").with_status_code(404),
                };
                let _ = request.respond(answer);
            }
        });
        base
    }

    fn facts_of(pages: &[(&'static str, &'static str)]) -> Reading<Vec<(String, String)>> {
        let facts = metadata(&serve(pages), Duration::from_secs(5))?;
        Ok(facts.into_iter().map(|fact| (fact.kind, fact.value)).collect())
    }

    const PATH: &str = "/openstack/latest/meta_data.json";

    #[test]
    fn zone_and_flavor_are_kept_and_nothing_else() {
        let data = r#"{"availability_zone": "nova", "uuid": "83679162-1378", "hostname": "secret.example",
            "project_id": "f7ac731c", "public_keys": {"mykey": "ssh-rsa AAAA"}, "meta": {"password": "hunter2"},
            "random_seed": "x"}"#;
        let pages = [(PATH, data), ("/latest/meta-data/instance-type", "g1.vgpu.8\n")];
        let pair = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        assert_eq!(
            facts_of(&pages),
            Ok(vec![
                pair("openstack", "metadata service"),
                pair("openstack-availability-zone", "nova"),
                pair("openstack-flavor", "g1.vgpu.8"),
            ])
        );
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        let kinds = |pages: &[_]| facts_of(pages).map(|facts| facts.len());
        assert_eq!(kinds(&[(PATH, "{}")]), Ok(1));
        assert_eq!(kinds(&[(PATH, r#"{"availability_zone": "<b>\n"}"#)]), Ok(1));
        let page = ("/latest/meta-data/instance-type", "{\"password\": \"hunter2\"}");
        assert_eq!(kinds(&[(PATH, "{}"), page]), Ok(1));
    }

    #[test]
    fn an_answer_without_end_and_one_of_deep_brackets_are_reasons() {
        let endless: &'static str = Box::leak(format!("\"{}\"", "a".repeat(2 << 20)).into_boxed_str());
        let deep: &'static str = Box::leak("[".repeat(100_000).into_boxed_str());
        for page in [
            endless,
            deep,
            "",
            "null",
            "[]",
            "{\"availability_zone\": 5}",
            "\u{fffe}",
        ] {
            assert!(facts_of(&[(PATH, page)]).is_err(), "{page:.20}");
        }
        // A password in the address is not kept with the reason.
        let with_password = serve(&[]).replace("http://", "http://user:secret@");
        let reason = metadata(&with_password, Duration::from_secs(5)).unwrap_err();
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[test]
    fn a_service_that_is_another_s_or_silent_is_a_reason() {
        assert!(facts_of(&[]).unwrap_err().contains("404"));
        assert!(
            facts_of(&[(PATH, "<html>")])
                .unwrap_err()
                .contains("is not OpenStack metadata")
        );
        let silent = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let base = format!("http://{}", silent.local_addr().expect("its address"));
        let began = std::time::Instant::now();
        assert!(metadata(&base, Duration::from_millis(200)).is_err());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
