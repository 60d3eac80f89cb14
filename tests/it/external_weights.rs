//! Networks whose weights lie in files beside their graph: those files are part of what the network is.

use std::path::{Path, PathBuf};

use crate::common::{
    self, facebench, network,
    onnx::{EMBEDDING, Net, TILES, embedding, weights},
    photos, run, run_with,
};

/// A recognizer with its weights in `net.data`; the graph is always the same.
fn recognizer(folder: &Path, seed: u32) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let numbers = weights((TILES * EMBEDDING) as usize, seed);
    let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(folder.join("net.data"), raw).unwrap();
    let net = Net::reading(&[None, Some(3), Some(112), Some(112)]).elsewhere(
        "w",
        &[TILES, EMBEDDING],
        &[("location", "net.data"), ("offset", "0"), ("length", "49152")],
    );
    let net = embedding(net.node("Identity", &["input"], "x"));
    let path = folder.join("net.onnx");
    std::fs::write(&path, net.output("embedding", &[None, Some(EMBEDDING)]).onnx()).unwrap();
    path
}

#[test]
fn two_networks_of_one_graph_and_other_weights_are_two() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos();
    let [a, b] = [("a", 1), ("b", 2)].map(|(name, seed)| {
        let network = recognizer(&folder.path().join(name), seed);
        let record = folder.path().join(format!("{name}.json"));
        let answer = run(&mut run_with(
            photos.path(),
            &record,
            &common::network("spots.onnx"),
            &network,
        ));
        common::measured(&answer, &record);
        record
    });
    let hash = |record: &Path| common::record(record)["workload"]["recognizer"]["sha256"].clone();
    assert_ne!(hash(&a), hash(&b));
    let answer = run(facebench().arg("compare").args([&a, &b]));
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer
            .stderr()
            .contains("measured different things: the recognizer"),
        "{}",
        answer.all()
    );
}

#[test]
fn weights_that_are_missing_short_or_elsewhere_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos();
    let path = recognizer(&folder.path().join("net"), 1);
    let faces = || {
        let mut command = facebench();
        command
            .arg("faces")
            .arg(photos.path())
            .arg("--detector")
            .arg(network("spots.onnx"));
        run(command
            .arg("--recognizer")
            .arg(format!("arcface:{}", path.display())))
    };
    assert_eq!(faces().code(), 0, "{}", faces().all());
    let data = path.with_file_name("net.data");
    let whole = std::fs::read(&data).unwrap();
    let refused = |words: &str| {
        let answer = faces();
        assert_eq!(answer.code(), 1, "{}", answer.all());
        assert!(answer.stderr().contains(words), "{}", answer.all());
        assert!(answer.stderr().contains("net.onnx"), "{}", answer.all());
    };
    std::fs::write(&data, &whole[..100]).unwrap();
    refused("end at byte 49152, and the file has 100");
    std::fs::remove_file(&data).unwrap();
    refused("net.data: No such file");
    let outside = folder.path().join("outside.data");
    std::fs::write(&outside, &whole).unwrap();
    std::os::unix::fs::symlink(&outside, &data).unwrap();
    refused("not in the network's own folder");
    for location in ["../outside.data", "/etc/passwd"] {
        let net = Net::reading(&[None, Some(3), Some(112), Some(112)]).elsewhere(
            "w",
            &[4],
            &[("location", location)],
        );
        std::fs::write(
            &path,
            net.node("Identity", &["input"], "y").output("y", &[None]).onnx(),
        )
        .unwrap();
        refused("not in the network's own folder");
    }
}
