//! `facebench demo` as it runs on a fresh machine: without photos, networks or an internet connection.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::common::{self, facebench, few_photos, run, signal, until};

/// A home with the runtime in it and nothing else, as `facebench setup cpu` leaves it.
fn clean_home() -> tempfile::TempDir {
    assert_eq!(run(facebench().args(["setup", "cpu"])).code(), 0);
    let home = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(common::home().join("runtimes"))
        .arg(home.path())
        .status();
    assert!(copied.unwrap().success());
    home
}

#[test]
fn a_demo_needs_nothing_but_the_runtime() {
    let (home, folder) = (clean_home(), tempfile::tempdir().unwrap());
    let mut command = facebench();
    // A proxy at which nothing answers: every connection to the outside fails.
    command
        .env("http_proxy", "http://127.0.0.1:9")
        .env("https_proxy", "http://127.0.0.1:9");
    command
        .env("FACEBENCH_HOME", home.path())
        .current_dir(folder.path());
    let arguments = "demo --processes 3 --blocks 1 -d 100ms --warmup 10ms --no-curve --name here";
    command.args(arguments.split(' '));
    let answer = run(&mut command);
    let path = folder.path().join("results/here.json");
    let record = common::sound(&answer, &path);
    assert_eq!(record["workload"]["name"], "demo");
    assert_eq!(record["workload"]["dataset"]["images"], 120);
    assert_eq!(record["workload"]["detector"]["name"], "facebench-det");
    let arm = &record["arms"][0];
    let truth = arm["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == "ground-truth")
        .unwrap();
    assert_eq!(truth["outcome"], "passed", "{truth}");
    for text in [
        "No accelerator is ready",
        "vGPU instance, 2019: 158 images/s (published",
        "95 % sure of",
    ] {
        assert!(answer.stdout().contains(text), "{text}: {}", answer.all());
    }
    let page = std::fs::read_to_string(path.with_extension("html")).unwrap();
    assert!(page.contains("<svg") && page.contains("published in 2019 on undisclosed hardware"));
    // Addresses that a browser would load: only the record inside the page and the SVG's name space.
    for address in page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1)) {
        assert!(
            address.starts_with("data:") || address.starts_with('#'),
            "{}",
            &address[..60.min(address.len())]
        );
    }
    let chart = std::fs::read_to_string(path.with_extension("svg")).unwrap();
    assert!(chart.starts_with("<svg") && chart.contains("published"));
    // The second time nothing is drawn again.
    command.arg("--dry-run");
    let again = run(&mut command);
    assert!(
        [0, 3].contains(&again.code()) && !again.stderr().contains("rendering"),
        "{}",
        again.all()
    );
}

#[test]
fn other_networks_are_compared_with_the_truth_too() {
    // The quality target belongs to the embedded pair; with another recognizer figures are shown without a target.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let answer = run(few_photos(30, &path, &[])
        .arg("--recognizer")
        .arg(common::network("tiles.onnx")));
    let record = common::sound(&answer, &path);
    let accuracy = &record["arms"][0]["accuracy"];
    assert!(accuracy["detection_ap"].as_f64().unwrap() > 0.9, "{accuracy}");
}

/// What lies in the folder of the drawn photos below `home`, besides locks.
fn drawn(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("datasets"));
    let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_none_or(|ending| ending != "lock"))
        .collect()
}

#[test]
fn the_demos_photos_are_drawn_once_and_mend_themselves() {
    let home = clean_home();
    // A study up to its plan: its photos are drawn, and nothing is measured.
    let study = || {
        let mut command = facebench();
        command
            .args(["run", "-b", "cpu", "--dry-run"])
            .env("FACEBENCH_HOME", home.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut killed = study().spawn().unwrap();
    until("the first photo", || {
        drawn(home.path())
            .iter()
            .any(|folder| folder.join("made").exists())
    });
    signal(killed.id(), "-9");
    killed.wait().unwrap();
    assert_eq!(drawn(home.path()).len(), 1, "what was killed leaves its folder");

    let studies: Vec<_> = (0..4).map(|_| study().spawn().unwrap()).collect();
    let mut said = String::new();
    for one in studies {
        let output = one.wait_with_output().unwrap();
        assert!(output.status.success());
        said += &String::from_utf8_lossy(&output.stderr);
    }
    assert_eq!(said.matches("rendering 120 photos").count(), 1, "{said}");
    let folders = drawn(home.path());
    assert_eq!(folders.len(), 1, "{folders:?}");
    let photos = || {
        fs::read_dir(&folders[0])
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("jpg".as_ref()))
            .count()
    };
    assert_eq!(photos(), 120);

    // 10 of 120 are no demo.
    for number in 10..120 {
        fs::remove_file(folders[0].join(format!("photo-{number:05}.jpg"))).unwrap();
    }
    let mended = run(&mut study());
    assert_eq!(mended.code(), 0, "{}", mended.all());
    assert!(
        mended.stderr().contains("the demo's photos in") && mended.stderr().contains("are damaged"),
        "{}",
        mended.all()
    );
    assert_eq!((photos(), drawn(home.path()).len()), (120, 1));
}
