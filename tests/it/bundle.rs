//! `facebench bundle` and its `unpack`: what one machine packs, another runs without a network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use facebench::runtime::NetworkFile;

use crate::common::{
    self, Answer, facebench, network,
    onnx::{Net, Value},
    photos, run,
};

const PART: u64 = 4_000_000;

/// A command on a bare machine: an empty home, few programs, and a proxy at which nothing answers.
fn bare(program: impl AsRef<Path>, home: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    command
}

fn unpack(bundle: &Path, into: &Path) -> Answer {
    run(bare("/bin/sh", into).arg(bundle.join("unpack")).arg(into))
}

/// A recognizer whose weights lie beside its graph: what `tiles.onnx` does, but for one factor.
fn recognizer(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("tiles.data"), 2f32.to_le_bytes()).unwrap();
    let net = Net::reading(&[None, Some(3), Some(112), Some(112)])
        .elsewhere("w", &[1], &[("location", "tiles.data"), ("length", "4")])
        .node_with(
            "AveragePool",
            &["input"],
            &["tiles"],
            &[
                ("kernel_shape", Value::Ints(&[14, 14])),
                ("strides", Value::Ints(&[14, 14])),
            ],
        )
        .node_with(
            "ReduceMean",
            &["tiles"],
            &["mean"],
            &[("axes", Value::Ints(&[1, 2, 3]))],
        )
        .node("Sub", &["tiles", "mean"], "centred")
        .node("Mul", &["centred", "w"], "scaled")
        .node("Flatten", &["scaled"], "embedding")
        .output("embedding", &[None, Some(192)]);
    let path = folder.join("tiles.onnx");
    fs::write(&path, net.onnx()).unwrap();
    path
}

/// A bundle of small networks and three photos.
fn packed(folder: &Path) -> PathBuf {
    let (bundle, photos) = (folder.join("bundle"), photos());
    let recognizer = recognizer(&folder.join("networks"));
    let answer = run(facebench()
        .arg("bundle")
        .arg(&bundle)
        .args(["--part-size", "4MB", "-i"])
        .arg(photos.path())
        .arg("--detector")
        .arg(network("spots.onnx"))
        .arg("--recognizer")
        .arg(format!("arcface:{}", recognizer.display())));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(answer.stdout().contains("sh unpack"), "{}", answer.all());
    bundle
}

fn parts(bundle: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = fs::read_dir(bundle)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".tar.gz."))
        .collect();
    parts.sort();
    parts
}

#[test]
fn a_bundle_runs_on_a_machine_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = packed(folder.path());
    let parts = parts(&bundle);
    assert!(parts.len() > 3, "{parts:?}");
    let (last, full) = parts.split_last().unwrap();
    assert!(full.iter().all(|part| part.metadata().unwrap().len() == PART));
    assert!((1..=PART).contains(&last.metadata().unwrap().len()));

    // All parts that are not complete are named before anything is unpacked.
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let (damaged, missing) = (&parts[1], &parts[2]);
    let whole = [damaged, missing].map(|part| fs::read(part).unwrap());
    let mut bytes = whole[0].clone();
    bytes[1000] ^= 1;
    fs::write(damaged, bytes).unwrap();
    fs::remove_file(missing).unwrap();
    let answer = unpack(&bundle, &there);
    assert_eq!(answer.code(), 1, "{}", answer.all());
    for text in [
        "damaged: facebench.tar.gz.001",
        "missing: facebench.tar.gz.002",
        "bring these parts here anew, then run this again: facebench.tar.gz.001 facebench.tar.gz.002",
    ] {
        assert!(answer.stderr().contains(text), "{text}: {}", answer.all());
    }
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    for (part, bytes) in [damaged, missing].into_iter().zip(whole) {
        fs::write(part, bytes).unwrap();
    }

    let answer = unpack(&bundle, &there);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(
        answer.stdout().contains("scripts/gpu-validate --backend cpu"),
        "{}",
        answer.all()
    );
    let again = unpack(&bundle, &there);
    assert_eq!(again.code(), 1);
    assert!(again.stderr().contains("is there already"), "{}", again.all());

    let root = there.join("facebench-bundle");
    let devices = run(bare(root.join("facebench"), &there).arg("devices"));
    assert_eq!(devices.code(), 0, "{}", devices.all());
    let library = root.join("home/runtimes").display().to_string();
    assert!(devices.stdout().contains(&library), "{}", devices.all());

    let arguments = fs::read_to_string(root.join("arguments")).unwrap();
    let record = there.join("record.json");
    let mut study = bare(root.join("facebench"), &there);
    study
        .current_dir(&root)
        .args(["run", "--no-curve", "--processes", "3", "--blocks", "1"]);
    study
        .args(["-d", "50ms", "--warmup", "10ms", "-i", "photos", "-o"])
        .arg(&record)
        .args(arguments.lines());
    let record = common::sound(&run(&mut study), &record);
    assert_eq!(record["workload"]["dataset"]["images"], 3);
    assert_eq!(record["workload"]["detector"]["name"], "spots");
    // Its weights came along: else it would be another network, or none.
    let recognizer = NetworkFile::read(&folder.path().join("networks/tiles.onnx")).unwrap();
    assert_eq!(record["workload"]["recognizer"]["sha256"], recognizer.sha256);

    let results = there.join("results");
    let answer = run(bare(root.join("scripts/gpu-validate"), &there)
        .current_dir(&there)
        .args(["--backend", "cpu", "--budget", "40", "--out", "results"]));
    assert!(
        answer.stdout().contains("tf32 and fp16 are left out"),
        "{}",
        answer.all()
    );
    let summary = fs::read_to_string(results.join("summary.txt")).unwrap();
    let outcome = |step: &str| {
        let line = summary.lines().find(|line| line.starts_with(step)).unwrap();
        line[step.len()..].trim_start().to_owned()
    };
    let mut whole = true;
    for study in ["agreement", "sweep", "latency"] {
        let record = common::record(&results.join(format!("{study}.json")));
        let arms = record["arms"].as_array().unwrap();
        arms.iter().for_each(common::assert_sound);
        // Where tests run, the machine may be noisy or slow; only then does the summary say so.
        let expected = if record["interrupted"] == true {
            "stopped: out of time"
        } else if arms.iter().all(|arm| arm["status"] == "valid") {
            "valid "
        } else {
            "unstable (noise)"
        };
        assert!(outcome(study).starts_with(expected), "{study}: {summary}");
        whole &= expected == "valid ";
        assert!(
            results.join(format!("{study}-throughput.svg")).is_file(),
            "{study}"
        );
    }
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("sweep.json"));
    assert!(outcome("report").starts_with("made "), "{summary}");
    assert_eq!(answer.code(), i32::from(!whole), "{}", answer.all());
}

#[test]
fn gpu_validate_keeps_going_where_the_backend_cannot_run() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos();
    let validate = |arguments: &[&str]| {
        let mut command = Command::new(common::package("scripts/gpu-validate"));
        command.env("FACEBENCH_HOME", common::home());
        command.env("FACEBENCH", env!("CARGO_BIN_EXE_facebench"));
        run(command.current_dir(folder.path()).args(arguments))
    };
    let input = photos.path().display().to_string();
    // No such backend is in the program, so that it cannot run on a machine with a GPU either.
    let answer = validate(&[
        "--backend",
        "vitis",
        "--photos",
        &input,
        "--budget",
        "40",
        "--out",
        "out",
    ]);
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let summary = fs::read_to_string(folder.path().join("out/summary.txt")).unwrap();
    for (step, outcome) in [
        ("devices", "made"),
        ("agreement", "cannot run here"),
        ("sweep", "cannot run here"),
        ("latency", "cannot run here"),
        ("report", "made"),
    ] {
        let line = summary.lines().find(|line| line.starts_with(step)).unwrap();
        assert!(line.contains(outcome), "{line}");
    }
    for (arguments, said) in [
        (&["--backend", "cpu", "--out", "out"][..], "is not empty"),
        (&["--budget", "soon"], "expected seconds"),
        (&["--photos", "nowhere"], "there is no such folder"),
        (&["--backend", "cuda,batch=4"], "give the bare backend"),
        (&["--faster"], "no such option"),
        (&["--backend"], "a value is missing"),
    ] {
        let answer = validate(arguments);
        assert_eq!(answer.code(), 2, "{}", answer.all());
        assert!(answer.stderr().contains(said), "{said}: {}", answer.all());
    }
}

#[test]
fn what_cannot_be_packed_is_reported_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("file"), "").unwrap();
    let new = folder.path().join("new");
    let bundle = |dir: &Path, arguments: &[&str]| run(facebench().arg("bundle").arg(dir).args(arguments));
    for (dir, arguments, code, said) in [
        (&full, &[][..], 2, "is not empty; name a new folder"),
        (
            &new,
            &["--part-size", "60 apples"],
            2,
            "write it like 60MB or 60MiB",
        ),
        (&new, &["--part-size", "1KB"], 2, "expected 100KB or more"),
        (&new, &["--flavor", "cpuu"], 2, "did you mean \"cpu\"?"),
        (
            &new,
            &["-i", "nowhere"],
            1,
            "nowhere: there is no such file or folder",
        ),
        (&new, &["--detector", "yunet-2024"], 2, "no network is called"),
    ] {
        let answer = bundle(dir, arguments);
        assert_eq!(answer.code(), code, "{arguments:?}: {}", answer.all());
        assert!(answer.stderr().contains(said), "{said}: {}", answer.all());
    }
    assert!(!new.exists());

    let answer = unpack(&full, folder.path());
    assert_ne!(answer.code(), 0);
}

/// One member of a tar archive: its name, what it is, its mode, and where it leads or what is in it.
type Member<'a> = (&'a str, tar::EntryType, u32, &'a str);

/// A bundle of one part with `members` before a `bundle.json`.
fn bundle_of(folder: &Path, members: &[Member<'_>]) -> PathBuf {
    let bundle = folder.join("bundle");
    fs::create_dir_all(&bundle).unwrap();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let last = (
        "facebench-bundle/bundle.json",
        tar::EntryType::Regular,
        0o644,
        "{}",
    );
    let next = (
        "facebench-bundle/next",
        tar::EntryType::Regular,
        0o644,
        "    ./facebench devices\n",
    );
    for (name, kind, mode, text) in members.iter().copied().chain([next, last]) {
        let mut header = tar::Header::new_gnu();
        // Not by `set_path`, which refuses what a hostile archive has.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        let is_link = matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link);
        let body = if is_link { "" } else { text };
        if is_link {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_size(body.len() as u64);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        archive.append(&header, body.as_bytes()).unwrap();
    }
    let bytes = archive.into_inner().unwrap().finish().unwrap();
    let part = bundle.join("facebench.tar.gz.000");
    fs::write(&part, bytes).unwrap();
    let sum = facebench::files::sha256(&part).unwrap();
    fs::write(
        bundle.join("SHA256SUMS"),
        format!("{sum}  facebench.tar.gz.000\n"),
    )
    .unwrap();
    fs::copy(common::package("scripts/bundle/unpack"), bundle.join("unpack")).unwrap();
    bundle
}

#[test]
fn unpacking_keeps_to_its_folder() {
    use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let sound = ("facebench-bundle/home/file", Regular, 0o644, "x");
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::write(folder.path().join("outside"), "untouched").unwrap();
    let long = "facebench-bundle/".to_owned() + &"../".repeat(20) + "tmp/x";
    let hostile: &[(&str, &[Member<'_>])] = &[
        ("a file beside", &[(".bashrc", Regular, 0o644, "x")]),
        ("another folder beside", &[("other/file", Regular, 0o644, "x")]),
        (
            "an absolute path",
            &[("/tmp/facebench-bundle-x", Regular, 0o644, "x")],
        ),
        (
            "a way up",
            &[("facebench-bundle/../outside", Regular, 0o644, "x")],
        ),
        ("a long way up", &[(&long, Regular, 0o644, "x")]),
        ("a way up behind a dot", &[("./../outside", Regular, 0o644, "x")]),
        (
            "a set-user-id file",
            &[("facebench-bundle/su", Regular, 0o4755, "x")],
        ),
        (
            "a set-group-id file",
            &[("facebench-bundle/sg", Regular, 0o2755, "x")],
        ),
        (
            "a file that all may write",
            &[("facebench-bundle/w", Regular, 0o666, "x")],
        ),
        (
            "a link",
            &[sound, ("facebench-bundle/link", Symlink, 0o777, "home/file")],
        ),
        (
            "a link out",
            &[("facebench-bundle/link", Symlink, 0o777, "/etc/passwd")],
        ),
        (
            "a file behind a link",
            &[
                ("facebench-bundle/link", Symlink, 0o777, "../../"),
                ("facebench-bundle/link/outside", Regular, 0o644, "x"),
            ],
        ),
        (
            "a hard link",
            &[
                sound,
                ("facebench-bundle/link", Link, 0o644, "facebench-bundle/home/file"),
            ],
        ),
        (
            "a hard link out",
            &[("facebench-bundle/link", Link, 0o644, "../outside")],
        ),
        ("a device", &[("facebench-bundle/null", Char, 0o666, "")]),
        ("a disk", &[("facebench-bundle/disk", Block, 0o666, "")]),
        ("a pipe", &[("facebench-bundle/pipe", Fifo, 0o644, "")]),
        ("a name twice", &[sound, sound]),
    ];
    for (what, members) in hostile {
        let bundle = bundle_of(folder.path(), members);
        let answer = unpack(&bundle, &there);
        assert_eq!(answer.code(), 1, "{what}: {}", answer.all());
        assert!(answer.stderr().contains("error: "), "{what}: {}", answer.all());
        assert_eq!(
            fs::read_dir(&there).unwrap().count(),
            0,
            "{what} leaves something"
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("outside")).unwrap(),
            "untouched",
            "{what}"
        );
        assert!(!Path::new("/tmp/facebench-bundle-x").exists());
    }
}

#[test]
fn only_parts_are_unpacked_and_what_a_killed_run_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::write(folder.path().join("outside"), "untouched").unwrap();
    let sound = ("facebench-bundle/home/file", tar::EntryType::Regular, 0o644, "x");
    // Sums that name something else than parts.
    let bundle = bundle_of(folder.path(), &[sound]);
    let sums = fs::read_to_string(bundle.join("SHA256SUMS")).unwrap();
    for part in [
        "../outside",
        "/etc/passwd",
        "unpack",
        "facebench.tar.gz.0/../../outside",
        "facebench.tar.gz.x",
    ] {
        fs::write(
            bundle.join("SHA256SUMS"),
            sums.replace("facebench.tar.gz.000", part),
        )
        .unwrap();
        let answer = unpack(&bundle, &there);
        assert!(
            answer.stderr().contains("something else than a part"),
            "{part}: {}",
            answer.all()
        );
    }
    // What a killed run has left goes, and a sound bundle is unpacked.
    fs::write(bundle.join("SHA256SUMS"), sums).unwrap();
    fs::create_dir_all(there.join(".facebench-unpacking/facebench-bundle")).unwrap();
    let answer = unpack(&bundle, &there);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let names: Vec<_> = fs::read_dir(&there)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["facebench-bundle"]);
}
