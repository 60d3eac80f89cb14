//! What users read: usage errors, backends that cannot run, input that cannot be used. Some texts are snapshots.

use crate::common::{self, facebench, network, photos, run, short_run};
use facebench::runtime::table::BACKENDS;

/// The text without what differs between machines.
fn steady(text: &str, folder: &std::path::Path) -> String {
    text.replace(&folder.display().to_string(), "DIR")
        .replace(&common::package("").display().to_string(), "HERE/")
}

#[test]
fn unknown_names_exit_2_and_the_nearest_is_named() {
    for (arguments, text) in [
        (&["run", "-b", "cudaa"][..], "did you mean \"cuda\"?"),
        (&["run", "-b", "cpu,thread=1"], "did you mean \"threads\"?"),
        (&["run", "-b", "cpu,precision=int4"], "did you mean \"int8\"?"),
        (&["run", "-b", "null,delay=1q"], "write it like 10ms"),
        (&["runn"], "'run'"),
        (&["run", "-b", "null", "--scenario", "offlin"], "offline"),
        (&["run", "-b", "null", "--duration=-3s"], "no duration"),
        (&["run", "-b", "null", "--processes", "0"], "1 or more"),
        (&["run", "-b", "null", "--host-cores", "4096"], "core 4096"),
        (
            &["run", "-b", "null,streams=2", "--scenario", "single-stream"],
            "one photo in work at a time",
        ),
        (&["models", "fetch", "yunet"], "yunet-2023mar"),
    ] {
        let answer = run(facebench().args(arguments));
        assert_eq!(answer.code(), 2, "{arguments:?}: {}", answer.all());
        assert!(answer.stderr().contains(text), "{arguments:?}: {}", answer.all());
    }
}

#[test]
fn a_runtime_that_cannot_be_loaded_exits_4_and_says_why() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let fake = folder.path().join("libonnxruntime.so");
    std::fs::write(&fake, "no library").unwrap();
    let spec = format!("cpu,runtime={}", fake.display());
    let answer = run(short_run(photos.path(), &folder.path().join("r.json")).args(["-b", &spec]));
    assert_eq!(answer.code(), 4);
    assert!(
        answer.stderr().contains("not a shared library"),
        "{}",
        answer.all()
    );
    let mut by_environment = short_run(photos.path(), &folder.path().join("r.json"));
    let answer = run(by_environment.env("ORT_DYLIB_PATH", &fake));
    assert_eq!(answer.code(), 4);
    assert!(
        answer.stderr().contains("not a shared library"),
        "{}",
        answer.all()
    );
}

#[test]
fn with_keep_going_the_others_are_measured_and_it_still_exits_4() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let path = folder.path().join("r.json");
    let answer = run(short_run(photos.path(), &path).args(["-b", "cpu", "-b", "cuda", "--keep-going"]));
    assert_eq!(answer.code(), 4, "{}", answer.all());
    let record = common::record(&path);
    assert_eq!(record["arms"].as_array().unwrap().len(), 1);
    assert_eq!(record["unavailable"][0]["backend"], "cuda");
    assert!(answer.stdout().contains("cuda: not measured"), "{}", answer.all());
}

#[test]
fn input_that_is_no_photo_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("r.json");
    let mut messages = Vec::new();
    let mut check = |input: &std::path::Path| {
        let answer = run(&mut short_run(input, &record));
        assert_eq!(answer.code(), 1, "{}", answer.all());
        messages.push(steady(
            answer
                .stderr()
                .lines()
                .filter(|l| !l.starts_with("check pass"))
                .collect::<Vec<_>>()
                .join("\n")
                .as_str(),
            folder.path(),
        ));
    };
    check(&folder.path().join("nowhere"));
    std::fs::create_dir(folder.path().join("hollow")).unwrap();
    check(&folder.path().join("hollow"));
    for (name, bytes) in [
        ("empty.jpg", &b""[..]),
        ("text.jpg", b"just text"),
        ("bomb.png", &bomb()),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        check(&folder.path().join(name));
    }
    let mut cut = std::io::Cursor::new(Vec::new());
    common::photo(&[(3, 3)], 1)
        .write_to(&mut cut, image::ImageFormat::Jpeg)
        .unwrap();
    let cut = cut.into_inner();
    std::fs::write(folder.path().join("cut.jpg"), &cut[..cut.len() / 2]).unwrap();
    check(&folder.path().join("cut.jpg"));
    insta::assert_snapshot!(messages.join("\n"), @r#"
    error: DIR/nowhere: there is no such file or folder
    error: DIR/hollow: no photo in it (JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content)
    error: DIR/empty.jpg: the file is empty
    error: DIR/text.jpg: not an image (JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content, not by name)
    error: DIR/bomb.png: declares 50000x50000 pixels, over the limit of 100 MP (raise it with --max-megapixels)
    error: none of the 1 photos can be read; the first: cut.jpg: the JPEG data stops before its end: the file is cut short
    "#);
}

/// A PNG whose header declares 50,000 x 50,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xc3\x50\0\0\xc3\x50\x08\x02\0\0\0".to_vec();
    let crc = !bytes[12..].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            }
        })
    });
    bytes.extend(crc.to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT");
    bytes
}

#[test]
fn a_photo_of_one_pixel_is_a_photo_without_faces() {
    let folder = tempfile::tempdir().unwrap();
    common::write(&image::RgbImage::new(1, 1), &folder.path().join("dot.png"));
    let record = folder.path().join("r.json");
    let answer = run(&mut short_run(&folder.path().join("dot.png"), &record));
    let record = common::sound(&answer, &record);
    assert_eq!(record["workload"]["dataset"]["faces"], 0);
    let checks = record["arms"][0]["checks"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .any(|check| check["id"] == "agreement" && check["outcome"] == "unknown")
    );
}

#[cfg(unix)]
#[test]
fn a_photo_that_may_not_be_read_is_skipped_and_named() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let photos = photos();
    let secret = photos.path().join("secret.png");
    std::fs::copy(photos.path().join("one.png"), &secret).unwrap();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&secret, 0o000);
    allow(photos.path(), 0o755);
    let out = tempfile::tempdir().unwrap();
    allow(out.path(), 0o777);
    let record = out.path().join("r.json");
    let mut command = short_run(photos.path(), &record);
    let is_root = std::process::Command::new("id")
        .arg("-u")
        .output()
        .unwrap()
        .stdout
        .starts_with(b"0\n");
    if is_root {
        // Root may read everything: become an ordinary user, with a copy of the program that every user may run.
        run(facebench().args(["setup", "cpu"]));
        let program = out.path().join("facebench");
        std::fs::copy(env!("CARGO_BIN_EXE_facebench"), &program).unwrap();
        let home = out.path().join("home");
        assert!(
            std::process::Command::new("cp")
                .arg("-r")
                .arg(common::home())
                .arg(&home)
                .status()
                .unwrap()
                .success()
        );
        assert!(
            std::process::Command::new("chmod")
                .args(["-R", "a+rwX"])
                .arg(&home)
                .status()
                .unwrap()
                .success()
        );
        let networks = out.path().join("networks");
        std::fs::create_dir(&networks).unwrap();
        for name in ["spots.onnx", "tiles.onnx"] {
            std::fs::copy(network(name), networks.join(name)).unwrap();
        }
        allow(&networks, 0o755);
        let arguments: Vec<_> = common::run_with(
            photos.path(),
            &record,
            &networks.join("spots.onnx"),
            &networks.join("tiles.onnx"),
        )
        .get_args()
        .map(std::ffi::OsStr::to_os_string)
        .collect();
        command = std::process::Command::new(program);
        command
            .args(arguments)
            .env("FACEBENCH_HOME", home)
            .env_remove("ORT_DYLIB_PATH")
            .uid(65534)
            .gid(65534);
    }
    let answer = run(command.current_dir(out.path()));
    let record = common::sound(&answer, &record);
    assert_eq!(record["skipped"][0]["photo"], "secret.png");
    assert!(
        record["skipped"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("Permission denied")
    );
}

#[test]
fn files_that_are_no_networks_and_networks_in_the_wrong_place_are_named() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let record = folder.path().join("r.json");
    let broken = folder.path().join("broken.onnx");
    let whole = std::fs::read(network("spots.onnx")).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let (spots, tiles) = (network("spots.onnx"), network("tiles.onnx"));
    let answer_of = |detector: &std::path::Path, recognizer: &std::path::Path, code| {
        let answer = run(&mut common::run_with(
            photos.path(),
            &record,
            detector,
            recognizer,
        ));
        assert_eq!(answer.code(), code, "{}", answer.all());
        steady(&answer.all(), folder.path())
    };
    let text = answer_of(&broken, &tiles, 1);
    assert!(text.contains("broken.onnx: it is not an ONNX file"), "{text}");
    let text = answer_of(&spots, &spots, 1);
    assert!(
        text.contains("spots.onnx is a detector (yunet) and was given as the recognizer"),
        "{text}"
    );
    let text = answer_of(&tiles, &tiles, 1);
    assert!(
        text.contains("tiles.onnx is a recognizer (arcface) and was given as the detector"),
        "{text}"
    );
    let text = answer_of(&folder.path().join("none.onnx"), &tiles, 1);
    assert!(text.contains("none.onnx: No such file"), "{text}");
    let text = answer_of(
        std::path::Path::new(&format!("arcface:{}", tiles.display())),
        &tiles,
        2,
    );
    assert!(text.contains("give it as --recognizer instead"), "{text}");
    let text = answer_of(std::path::Path::new("no-such-name"), &tiles, 2);
    assert!(text.contains("no network is called"), "{text}");
}

#[test]
fn a_record_that_cannot_be_written_is_reported_before_anything_is_measured() {
    let (photos, folder) = (photos(), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.join("r.json"), folder.path().to_path_buf()] {
        let answer = run(&mut short_run(photos.path(), &path));
        assert_eq!(answer.code(), 1, "{}", answer.all());
        assert!(answer.stderr().contains("cannot be written"), "{}", answer.all());
        assert!(!answer.stderr().contains("check pass"), "{}", answer.all());
    }
}

#[test]
fn devices_names_every_backend() {
    let text = run(facebench().arg("devices"));
    assert_eq!(text.code(), 0);
    let json = run(facebench().args(["devices", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json.stdout()).unwrap();
    for row in BACKENDS {
        assert!(
            text.stdout().lines().any(|line| line.starts_with(row.word)),
            "{}",
            text.all()
        );
        let listed = json["backends"]
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["backend"] == row.word)
            .unwrap();
        assert_eq!(listed["built"].as_bool().unwrap(), row.is_built());
        let ready = listed["ready"].as_bool().unwrap();
        assert!(ready || !["cpu", "null"].contains(&row.word), "{listed}");
        // A missing backend is shown with its fix in the text too.
        assert_eq!(ready, listed["fix"].is_null(), "{listed}");
        if let Some(fix) = listed["fix"].as_str() {
            assert!(text.stdout().contains(fix), "{}", text.all());
        }
    }
    assert!(json["usable_cores"].as_u64().unwrap() >= 1);
}

#[test]
fn devices_shows_the_kind_of_machine_and_queries_a_cloud_only_on_request() {
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let base = format!("http://{}", server.server_addr());
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        // Zone and flavor, once each.
        for _ in 0..2 {
            let request = server.recv().unwrap();
            asked.push(request.url().to_owned());
            let answer = match request.url() {
                "/latest/meta-data/instance-type" => "g1.vgpu.8",
                _ => r#"{"availability_zone": "gpu-east", "project_id": "not-to-be-kept"}"#,
            };
            request.respond(tiny_http::Response::from_string(answer)).unwrap();
        }
        asked
    });
    let devices = |arguments: &[&str]| {
        let mut command = facebench();
        run(command
            .arg("devices")
            .args(arguments)
            .env("FACEBENCH_METADATA", &base))
    };
    let answer = devices(&["--metadata"]);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let asked = thread.join().unwrap();
    assert_eq!(
        asked,
        [
            "/openstack/latest/meta_data.json",
            "/latest/meta-data/instance-type"
        ]
    );
    let text = answer.stdout();
    for expected in [
        "openstack-availability-zone: gpu-east",
        "openstack-flavor: g1.vgpu.8",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("not-to-be-kept"), "{text}");
    assert!(
        text.lines()
            .any(|line| line.starts_with("machine   ") && line.contains("OpenStack instance")),
        "{text}"
    );
    // The server is gone, so that a request would leave a reason.
    let json: serde_json::Value = serde_json::from_str(&devices(&["--json", "--metadata"]).stdout()).unwrap();
    assert!(
        json["host"]["unavailable"]["facts.metadata"].is_string(),
        "{json}"
    );
    let json: serde_json::Value = serde_json::from_str(&devices(&["--json"]).stdout()).unwrap();
    let firmware = json["host"]["facts"]
        .as_array()
        .unwrap()
        .iter()
        .any(|fact| fact["kind"] == "openstack");
    assert!(
        firmware || json["host"]["unavailable"]["facts.metadata"].is_null(),
        "{json}"
    );
}

#[test]
fn help_and_completions_are_there() {
    assert!(run(facebench().arg("--help")).stdout().contains("Exit status"));
    assert!(
        !run(facebench().arg("--help")).stdout().contains("worker"),
        "the worker is internal"
    );
    assert!(
        run(facebench().args(["completions", "bash"]))
            .stdout()
            .contains("complete")
    );
    let list = run(facebench().args(["models", "list"]));
    assert!(list.stdout().contains("yunet-2023mar") && list.stdout().contains("sface-2021dec"));
}

#[test]
fn the_page_of_specs_has_every_option() {
    let page = std::fs::read_to_string(common::package("docs/spec.md")).unwrap();
    let options = BACKENDS.iter().flat_map(|row| row.options);
    let missing: Vec<&&str> = options
        .filter(|option| !page.contains(&format!("`{option}`")))
        .collect();
    assert!(missing.is_empty(), "docs/spec.md does not have {missing:?}");
}

#[test]
fn a_demo_shows_its_layout() {
    let help = run(facebench().args(["demo", "--help"])).stdout();
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("5 processes of 2 blocks of 2s each after 1s of warm-up"),
        "{help}"
    );
    let plan = run(facebench().args(["demo", "--dry-run"]));
    if plan.code() == 4 {
        common::skip(plan.all().trim());
        return;
    }
    assert!(
        plan.stdout()
            .contains("5 processes x 2 blocks of 2s after 1s of warm-up"),
        "{}",
        plan.all()
    );
}
