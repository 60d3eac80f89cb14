//! `model::fetch` against a real HTTP server on the loopback, which misbehaves in every known way.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use facebench::files;
use facebench::model::catalog::{Catalog, CatalogEntry, License};
use facebench::model::fetch::{FetchError, FetchOptions, LocalState, fetch, local};

/// One request, as the server got it: the lines of its head.
#[derive(Clone, Debug)]
struct Request(Vec<String>);

impl Request {
    fn path(&self) -> &str {
        self.0[0].split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let matching = |line: &&String| line.to_lowercase().starts_with(&format!("{name}:"));
        self.0
            .iter()
            .find(matching)
            .map(|line| line.split_once(':').unwrap().1.trim())
    }

    /// N of `Range: bytes=N-`.
    fn range(&self) -> Option<usize> {
        self.header("range").map(|range| {
            range
                .trim_start_matches("bytes=")
                .trim_end_matches('-')
                .parse()
                .unwrap()
        })
    }
}

/// Answers each connection with one response, closes it, and remembers the requests.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer, mut stream) = (Arc::clone(&log), Arc::clone(&answer), stream.unwrap());
                thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap())
                        .lines()
                        .map_while(Result::ok);
                    let request = Request(lines.take_while(|line| !line.is_empty()).collect());
                    if request.0.is_empty() {
                        return;
                    }
                    log.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A client may close the connection early, so a failed write is not an error of the server.
fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
}

fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}\r\n")
}

/// A correct server, for one version of one file.
fn serve(request: &Request, stream: &mut TcpStream, etag: &str, file: &[u8]) {
    let same = request.header("if-range").is_none_or(|asked| asked == etag);
    match request.range().filter(|_| same) {
        Some(start) if start >= file.len() => {
            respond(stream, "416 Range Not Satisfiable", &length(0), b"");
        }
        Some(start) => {
            let range = format!(
                "Content-Range: bytes {start}-{}/{}\r\n",
                file.len() - 1,
                file.len()
            );
            respond(
                stream,
                "206 Partial Content",
                &(length(file.len() - start) + &range),
                &file[start..],
            );
        }
        None => respond(
            stream,
            "200 OK",
            &format!("{}ETag: {etag}\r\n", length(file.len())),
            file,
        ),
    }
}

/// Not a multiple of any buffer's size.
fn file() -> Vec<u8> {
    (0..300_007_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// A home of our own, and an entry for `file()`.
struct Case {
    home: tempfile::TempDir,
    entry: CatalogEntry,
}

impl Case {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let sample = home.path().join("sample");
        fs::write(&sample, file()).unwrap();
        let yunet = Catalog::embedded().unwrap().get("yunet-2023mar").unwrap().clone();
        let entry = CatalogEntry {
            file: "net.onnx".into(),
            bytes: Some(file().len() as u64),
            sha256: Some(files::sha256(&sample).unwrap()),
            ..yunet
        };
        Self { home, entry }
    }

    fn place(&self, suffix: &str) -> PathBuf {
        self.home.path().join("models").join(format!("net.onnx{suffix}"))
    }

    fn leave_part(&self, bytes: &[u8], etag: Option<&str>) {
        fs::create_dir_all(self.home.path().join("models")).unwrap();
        fs::write(self.place(".part"), bytes).unwrap();
        if let Some(etag) = etag {
            fs::write(self.place(".part.etag"), etag).unwrap();
        }
    }

    fn fetch(&self, server: &Server) -> Result<PathBuf, FetchError> {
        self.fetch_with(server, FetchOptions::default())
    }

    fn fetch_with(&self, server: &Server, options: FetchOptions) -> Result<PathBuf, FetchError> {
        let options = FetchOptions {
            url: Some(format!("{}/net.onnx", server.address)),
            ..options
        };
        fetch(&self.entry, self.home.path(), &options, &mut |_, _| {})
    }

    /// The file is whole and nothing is left beside it but the lock.
    fn assert_fetched(&self, result: Result<PathBuf, FetchError>) {
        assert_eq!(result.unwrap(), self.place(""));
        assert!(
            fs::read(self.place("")).unwrap() == file(),
            "not the bytes that were served"
        );
        assert!(!self.place(".part").exists() && !self.place(".part.etag").exists());
    }

    /// Neither the file nor a part of it is there.
    fn assert_nothing_left(&self) {
        assert!(
            !self.place("").exists() && !self.place(".part").exists() && !self.place(".part.etag").exists()
        );
    }
}

fn part_length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_network_arrives_whole_and_a_second_fetch_makes_no_request() {
    let case = Case::new();
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    assert_eq!(local(&case.entry, case.home.path()), LocalState::Absent);
    let options = FetchOptions {
        url: Some(format!("{}/net.onnx", server.address)),
        ..FetchOptions::default()
    };
    let mut last = None;
    let result = fetch(&case.entry, case.home.path(), &options, &mut |done, total| {
        last = Some((done, total));
    });
    case.assert_fetched(result);
    assert_eq!(last, Some((file().len() as u64, Some(file().len() as u64))));
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("identity"));

    case.assert_fetched(case.fetch(&server));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        local(&case.entry, case.home.path()),
        LocalState::Present(case.place(""))
    );
}

#[test]
fn an_interrupted_transfer_is_resumed_and_only_the_rest_is_transferred() {
    let case = Case::new();
    let server = Server::new(|request, stream| match request.range() {
        None => {
            let head = format!("{}ETag: \"v1\"\r\n", length(file().len()));
            respond(stream, "200 OK", &head, &file()[..100_000]);
        }
        Some(_) => serve(request, stream, "\"v1\"", &file()),
    });
    let error = case.fetch(&server).unwrap_err();
    assert!(
        matches!(error, FetchError::Interrupted { got: 100_000, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("run the command again to resume"),
        "{error}"
    );
    assert_eq!(part_length(&case.place(".part")), 100_000);

    case.assert_fetched(case.fetch(&server));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("range"), Some("bytes=100000-"));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
}

#[test]
fn a_server_without_ranges_starts_the_file_again() {
    let case = Case::new();
    case.leave_part(&file()[..5000], None);
    let server = Server::new(|_, stream| respond(stream, "200 OK", &length(file().len()), &file()));
    case.assert_fetched(case.fetch(&server));
    assert_eq!(server.requests()[0].range(), Some(5000));
}

#[test]
fn a_body_without_a_length_is_taken_to_its_end() {
    let case = Case::new();
    let server = Server::new(|_, stream| respond(stream, "200 OK", "", &file()));
    case.assert_fetched(case.fetch(&server));
}

#[test]
fn a_part_of_another_version_is_dropped() {
    let case = Case::new();
    case.leave_part(b"an older version", Some("\"v0\""));
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    case.assert_fetched(case.fetch(&server));
    assert_eq!(server.requests()[0].header("if-range"), Some("\"v0\""));
    assert_eq!(
        server.requests().len(),
        1,
        "the 200 answer is used, not asked for again"
    );
}

#[test]
fn a_weak_etag_is_not_kept() {
    let case = Case::new();
    let server = Server::new(|_, stream| {
        respond(
            stream,
            "200 OK",
            &format!("{}ETag: W/\"v1\"\r\n", length(file().len())),
            &file()[..10],
        );
    });
    case.fetch(&server).unwrap_err();
    assert!(case.place(".part").exists() && !case.place(".part.etag").exists());
}

#[test]
fn a_range_that_cannot_be_satisfied_or_is_another_one_starts_the_file_again() {
    for (status, range) in [
        ("416 Range Not Satisfiable", ""),
        ("206 Partial Content", "Content-Range: bytes 7-9/10\r\n"),
    ] {
        let case = Case::new();
        case.leave_part(&file()[..5000], None);
        let server = Server::new(move |request, stream| match request.range() {
            Some(_) => respond(stream, status, &(length(3) + range), b"abc"),
            None => serve(request, stream, "\"v1\"", &file()),
        });
        case.assert_fetched(case.fetch(&server));
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_part_that_is_already_whole_or_too_long_is_dealt_with() {
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let case = Case::new();
    case.leave_part(&file(), None);
    case.assert_fetched(case.fetch(&server));
    assert!(server.requests().is_empty());

    let case = Case::new();
    case.leave_part(&[file(), file()].concat(), None);
    case.assert_fetched(case.fetch(&server));
    assert_eq!(server.requests()[0].range(), None);
}

#[test]
fn a_wrong_hash_is_refused_and_removed() {
    let case = Case::new();
    let server = Server::new(|_, stream| {
        respond(stream, "200 OK", &length(file().len()), &vec![7; file().len()]);
    });
    let error = case.fetch(&server).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    case.assert_nothing_left();
}

#[test]
fn a_part_that_was_never_of_this_file_is_removed_with_the_rest() {
    let case = Case::new();
    case.leave_part(&[7; 5000], None);
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let error = case.fetch(&server).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    case.assert_nothing_left();
    case.assert_fetched(case.fetch(&server));
}

#[test]
fn another_length_is_refused_before_it_is_read() {
    for bytes in [file().len() - 1, file().len() + 1] {
        let case = Case::new();
        let server = Server::new(move |_, stream| {
            respond(stream, "200 OK", &length(bytes), &vec![7; bytes]);
        });
        let error = case.fetch(&server).unwrap_err();
        assert!(
            matches!(&error, FetchError::Size { found, .. } if *found == bytes.to_string()),
            "{error}"
        );
        case.assert_nothing_left();
    }
}

#[test]
fn a_body_longer_than_declared_is_cut_off() {
    let case = Case::new();
    let server = Server::new(|_, stream| respond(stream, "200 OK", "", &[file(), file()].concat()));
    let error = case.fetch(&server).unwrap_err();
    assert!(
        matches!(&error, FetchError::Size { found, .. } if found == "more"),
        "{error}"
    );
    case.assert_nothing_left();
}

#[test]
fn redirects_are_followed_with_the_range_but_not_in_circles() {
    let case = Case::new();
    case.leave_part(&file()[..5000], None);
    let server = Server::new(|request, stream| match request.path() {
        "/net.onnx" => respond(
            stream,
            "302 Found",
            &(length(0) + "Location: /media/net.onnx\r\n"),
            b"",
        ),
        _ => serve(request, stream, "\"v1\"", &file()),
    });
    case.assert_fetched(case.fetch(&server));
    assert_eq!(server.requests()[1].range(), Some(5000));

    let case = Case::new();
    let server = Server::new(|_, stream| {
        respond(stream, "302 Found", &(length(0) + "Location: /net.onnx\r\n"), b"");
    });
    let error = case.fetch(&server).unwrap_err();
    assert!(matches!(error, FetchError::Redirects { .. }), "{error}");
    assert!(server.requests().len() < 10);
}

#[test]
fn other_statuses_say_what_to_do() {
    for (status, fix) in [
        ("404 Not Found", "--url"),
        ("500 Oops", "in a while"),
        ("403 Forbidden", "permission"),
    ] {
        let case = Case::new();
        let server = Server::new(move |_, stream| respond(stream, status, &length(0), b""));
        let message = case.fetch(&server).unwrap_err().to_string();
        assert!(
            message.contains(&server.address) && message.contains(&status[..3]) && message.contains(fix),
            "{message}"
        );
    }
}

#[test]
fn a_part_survives_a_server_in_trouble() {
    let case = Case::new();
    case.leave_part(&file()[..5000], Some("\"v1\""));
    let server = Server::new(|_, stream| respond(stream, "503 Busy", &length(0), b""));
    case.fetch(&server).unwrap_err();
    assert_eq!(part_length(&case.place(".part")), 5000);
    assert!(case.place(".part.etag").exists());
}

#[test]
fn silence_ends_in_a_timeout() {
    let options = || FetchOptions {
        timeout: Duration::from_millis(200),
        ..FetchOptions::default()
    };
    let (case, started) = (Case::new(), Instant::now());
    let server = Server::new(|_, _| thread::sleep(Duration::from_secs(20)));
    let error = case.fetch_with(&server, options()).unwrap_err();
    assert!(matches!(error, FetchError::Request { .. }), "{error}");
    assert!(error.to_string().contains("timeout"), "{error}");

    let server = Server::new(|_, stream| {
        respond(stream, "200 OK", &length(file().len()), &file()[..1000]);
        thread::sleep(Duration::from_secs(20));
    });
    let error = case.fetch_with(&server, options()).unwrap_err();
    assert!(
        matches!(error, FetchError::Interrupted { got: 1000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("timeout"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_missing_server_is_named_by_its_address() {
    let case = Case::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = FetchOptions {
        url: Some(format!("http://{gone}/net.onnx")),
        ..FetchOptions::default()
    };
    let error = fetch(&case.entry, case.home.path(), &options, &mut |_, _| {}).unwrap_err();
    assert!(
        matches!(error, FetchError::Request { .. }) && error.to_string().contains(&gone.to_string()),
        "{error}"
    );
}

#[test]
fn a_non_commercial_licence_must_be_accepted() {
    let mut case = Case::new();
    let license = License {
        text: "research only".into(),
        non_commercial: true,
        url: "https://example.org".into(),
    };
    case.entry.license = license;
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let message = case.fetch(&server).unwrap_err().to_string();
    assert!(
        message.contains("research only") && message.contains("--accept-license"),
        "{message}"
    );
    assert!(server.requests().is_empty());
    let accepted = FetchOptions {
        accept_license: true,
        ..FetchOptions::default()
    };
    case.assert_fetched(case.fetch_with(&server, accepted));
}

#[test]
fn without_a_hash_the_user_gives_one() {
    let mut case = Case::new();
    let hash = case.entry.sha256.take().unwrap();
    case.entry.bytes = None;
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let message = case.fetch(&server).unwrap_err().to_string();
    assert!(
        message.contains("--sha256") && message.contains("--detector yunet:PATH"),
        "{message}"
    );
    let with = |sha256: &str| FetchOptions {
        sha256: Some(sha256.into()),
        ..FetchOptions::default()
    };
    assert!(matches!(
        case.fetch_with(&server, with("12ab")),
        Err(FetchError::BadHash { .. })
    ));
    assert!(server.requests().is_empty());

    case.assert_fetched(case.fetch_with(&server, with(&hash.to_uppercase())));
    case.assert_fetched(case.fetch_with(&server, with(&hash)));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        local(&case.entry, case.home.path()),
        LocalState::Unchecked {
            path: case.place(""),
            sha256: hash
        }
    );
}

#[test]
fn a_hash_that_is_not_the_catalogs_is_refused() {
    let case = Case::new();
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let options = FetchOptions {
        sha256: Some("0".repeat(64)),
        ..FetchOptions::default()
    };
    assert!(matches!(
        case.fetch_with(&server, options),
        Err(FetchError::OtherHash { .. })
    ));
    assert!(server.requests().is_empty());
}

#[test]
fn a_network_in_a_pack_says_how_to_unpack_it() {
    let catalog = Catalog::embedded().unwrap();
    let home = tempfile::tempdir().unwrap();
    let options = FetchOptions {
        accept_license: true,
        ..FetchOptions::default()
    };
    let error = fetch(
        catalog.get("scrfd-500m").unwrap(),
        home.path(),
        &options,
        &mut |_, _| {},
    )
    .unwrap_err();
    for text in ["det_500m.onnx", "buffalo_s.zip", "--detector scrfd:PATH", "--url"] {
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn no_web_address_is_no_address() {
    let case = Case::new();
    let options = FetchOptions {
        url: Some("ftp://example.org/net.onnx".into()),
        ..FetchOptions::default()
    };
    let result = fetch(&case.entry, case.home.path(), &options, &mut |_, _| {});
    assert!(matches!(result, Err(FetchError::BadUrl { .. })));
}

#[test]
fn a_wrong_file_is_seen_and_replaced() {
    let case = Case::new();
    fs::create_dir_all(case.home.path().join("models")).unwrap();
    fs::write(case.place(""), "not it").unwrap();
    assert!(matches!(
        local(&case.entry, case.home.path()),
        LocalState::Wrong { .. }
    ));
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    case.assert_fetched(case.fetch(&server));
}

#[test]
fn two_at_once_make_one_request() {
    let case = Case::new();
    let server = Server::new(|request, stream| {
        thread::sleep(Duration::from_millis(200));
        serve(request, stream, "\"v1\"", &file());
    });
    thread::scope(|scope| {
        let both = [
            scope.spawn(|| case.fetch(&server)),
            scope.spawn(|| case.fetch(&server)),
        ];
        for one in both {
            case.assert_fetched(one.join().unwrap());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_home_that_cannot_be_made_is_named() {
    let case = Case::new();
    fs::write(case.home.path().join("models"), "a file where a folder belongs").unwrap();
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    let error = case.fetch(&server).unwrap_err();
    assert!(
        matches!(error, FetchError::Io { .. }) && error.to_string().contains("models"),
        "{error}"
    );
}

#[test]
fn a_server_that_trickles_is_given_up_and_its_bytes_are_kept() {
    let case = Case::new();
    let server = Server::new(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\n{}ETag: \"v1\"\r\n\r\n", length(file().len()));
        stream.write_all(head.as_bytes()).unwrap();
        for byte in file() {
            // Faster than a read waits, and slower than anybody should.
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let started = Instant::now();
    let options = FetchOptions {
        timeout: Duration::from_secs(1),
        ..FetchOptions::default()
    };
    let error = case.fetch_with(&server, options.clone()).unwrap_err();
    assert!(matches!(error, FetchError::Slow { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("brought") && message.contains("--within"),
        "{message}"
    );
    // The overall time likewise.
    let within = FetchOptions {
        within: Duration::from_secs(1),
        ..FetchOptions::default()
    };
    let error = case.fetch_with(&server, within).unwrap_err();
    assert!(
        matches!(error, FetchError::Slow { .. } | FetchError::Interrupted { .. }),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(part_length(&case.place(".part")) > 0);
    // What is there is resumed.
    let quick = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    case.assert_fetched(case.fetch(&quick));
    assert!(quick.requests()[0].range().unwrap() > 0);
}

#[test]
fn a_broken_version_beside_a_part_mends_itself() {
    for broken in [
        "",
        "\"v",
        "\"v1\"\r\nX: 1",
        "v1",
        "\u{0}\u{1}",
        &"\"a".repeat(5000),
    ] {
        let case = Case::new();
        case.leave_part(&file()[..5000], Some(broken));
        let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
        case.assert_fetched(case.fetch(&server));
        assert_eq!(server.requests()[0].range(), None, "{broken:?}");
    }
    // Not even text.
    let case = Case::new();
    case.leave_part(&file()[..5000], None);
    fs::write(case.place(".part.etag"), [0xff, 0xfe]).unwrap();
    let server = Server::new(|request, stream| serve(request, stream, "\"v1\"", &file()));
    case.assert_fetched(case.fetch(&server));
}

#[test]
fn passwords_in_addresses_are_not_shown() {
    let case = Case::new();
    let server = Server::new(|_, stream| respond(stream, "404 Not Found", &length(0), b""));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = server.address.replace("http://", "http://user:s3cret@");
    for url in [
        format!("{address}/net.onnx?key=s3cret"),
        format!("http://user:s3cret@{gone}/net.onnx"),
        "ftp://user:s3cret@example.org/net.onnx".to_owned(),
        "http://user:s3cret@[::1/net.onnx".to_owned(),
    ] {
        let options = FetchOptions {
            url: Some(url.clone()),
            ..FetchOptions::default()
        };
        let error = fetch(&case.entry, case.home.path(), &options, &mut |_, _| {}).unwrap_err();
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains("s3cret"), "{url}: {texts}");
    }
}
