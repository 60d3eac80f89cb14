//! How pixels reach networks: those that normalise inside, other orders of channels, several outputs, other canvases; and
//! the check that sees when faces are not told apart.

use std::path::{Path, PathBuf};

use facebench::dataset::render::{encode_jpeg, render_photo};
use serde_json::Value;

use crate::common::{
    self, Answer, check, facebench, network,
    onnx::{EMBEDDING, Net, TILES, embedding, recognizer, weights},
    photo, run, shared, study, write,
};

/// A photo of several faces that the embedded detector finds.
fn crowd(folder: &Path) -> PathBuf {
    let (pixels, truth) = render_photo(7, 17);
    let path = folder.join("crowd.jpg");
    std::fs::write(&path, encode_jpeg(&pixels, truth.jpeg_quality).unwrap()).unwrap();
    path
}

fn faces(photo: &Path, recognizer: &Path, options: &[&str]) -> Answer {
    let mut command = facebench();
    command.arg("faces").arg(photo).arg("--recognizer");
    command.arg(format!("arcface:{}", recognizer.display()));
    run(command.args(options))
}

fn embeddings(answer: &Answer) -> Vec<Vec<f64>> {
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let line: Value = serde_json::from_str(answer.stdout().lines().next().unwrap()).unwrap();
    let numbers = |face: &Value| -> Vec<f64> {
        let numbers = face["embedding"].as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    };
    let found: Vec<_> = line["faces"].as_array().unwrap().iter().map(numbers).collect();
    assert!(found.len() >= 5, "{} faces", found.len());
    found
}

fn assert_same(a: &[Vec<f64>], b: &[Vec<f64>], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let most = a
        .iter()
        .flatten()
        .zip(b.iter().flatten())
        .map(|(a, b)| (a - b).abs());
    let most = most.fold(0.0, f64::max);
    assert!(most < 1e-4, "{what}: {most}");
}

/// What a network does to its input first.
type First = fn(Net) -> Net;

/// Networks of one map in a folder: which of them exist decides the test.
struct Networks {
    folder: tempfile::TempDir,
    weights: Vec<f32>,
}

impl Networks {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            weights: weights((TILES * EMBEDDING) as usize, 3),
        }
    }

    fn write(&self, name: &str, net: &Net) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, net.onnx()).unwrap();
        path
    }

    /// The network whose input passes through `first` on its way to `x`.
    fn with(&self, name: &str, first: impl FnOnce(Net) -> Net) -> PathBuf {
        self.write(name, &recognizer(first, &self.weights))
    }

    /// The one that wants -1 to 1.
    fn plain(&self) -> PathBuf {
        self.with("plain.onnx", |net| net.node("Identity", &["input"], "x"))
    }
}

#[test]
fn networks_that_normalise_inside_are_fed_pixels_whatever_their_nodes_are_called() {
    let networks = Networks::new();
    let photo = crowd(networks.folder.path());
    let plain = faces(&photo, &networks.plain(), &[]);
    assert!(!plain.stderr().contains("normalises"), "{}", plain.all());
    let expected = embeddings(&plain);
    let inside: [(&str, First); 5] = [
        ("sub-mul.onnx", |net| {
            net.constant("a", &[1], &[127.5])
                .constant("b", &[1], &[1.0 / 127.5])
                .node("Sub", &["input", "a"], "s")
                .node("Mul", &["s", "b"], "x")
        }),
        ("mul-add.onnx", |net| {
            net.constant("a", &[1], &[1.0 / 127.5])
                .constant("b", &[3, 1, 1], &[-1.0; 3])
                .node("Mul", &["a", "input"], "s")
                .node("Add", &["b", "s"], "x")
        }),
        ("div-sub.onnx", |net| {
            net.constant("a", &[], &[127.5])
                .constant("b", &[], &[1.0])
                .node("Div", &["input", "a"], "s")
                .node("Sub", &["s", "b"], "x")
        }),
        ("batch-norm.onnx", |net| {
            let net = net
                .constant("scale", &[3], &[1.0 / 127.5; 3])
                .constant("zero", &[3], &[0.0; 3]);
            let net = net
                .constant("mean", &[3], &[127.5; 3])
                .constant("one", &[3], &[0.99999; 3]);
            net.node(
                "BatchNormalization",
                &["input", "scale", "zero", "mean", "one"],
                "x",
            )
        }),
        ("shares.onnx", |net| {
            net.constant("a", &[1], &[0.5])
                .node("Sub", &["input", "a"], "s")
                .node("Div", &["s", "a"], "x")
        }),
    ];
    for (name, first) in inside {
        let answer = faces(&photo, &networks.with(name, first), &[]);
        assert_same(&embeddings(&answer), &expected, name);
        assert!(
            answer.stderr().contains("normalises pixels itself"),
            "{}",
            answer.all()
        );
        assert!(!answer.stderr().contains("look alike"), "{}", answer.all());
    }
}

#[test]
fn a_network_that_is_normalised_twice_tells_nobody_apart_and_is_found_out() {
    let networks = Networks::new();
    let photo = crowd(networks.folder.path());
    let inside = networks.with("inside.onnx", |net| {
        net.constant("a", &[1], &[127.5])
            .constant("b", &[1], &[1.0 / 127.5])
            .node("Sub", &["input", "a"], "s")
            .node("Mul", &["s", "b"], "x")
    });
    let twice = ["--recognizer-input", "mean=127.5,divisor=127.5"];
    let answer = faces(&photo, &inside, &twice);
    assert!(
        answer.stderr().contains("all faces look alike"),
        "{}",
        answer.all()
    );
    assert!(
        !answer.stderr().contains("normalises pixels itself"),
        "{}",
        answer.all()
    );
    let measured = |options: &[&str], name: &str| {
        let record = networks.folder.path().join(name);
        let mut command = study(&format!("run --no-curve {}", common::SHORT), &record);
        command.arg("-i").arg(&photo).args(options);
        command
            .arg("--recognizer")
            .arg(format!("arcface:{}", inside.display()));
        let answer = run(&mut command);
        common::whole(&answer, &record)
    };
    let record = measured(&twice, "twice.json");
    let arm = &record["arms"][0];
    assert_eq!(arm["status"], "invalid");
    assert!(
        common::failed_checks(arm).contains(&"distinct".to_owned()),
        "{arm}"
    );
    let fed = &record["workload"]["recognizer"]["feed"];
    assert_eq!(
        (&fed["mean"], &fed["source"]),
        (&127.5.into(), &"as given".into())
    );

    let record = measured(&[], "once.json");
    assert_eq!(check(&record["arms"][0], "distinct")["outcome"], "passed");
    let fed = &record["workload"]["recognizer"]["feed"];
    assert_eq!((&fed["mean"], &fed["divisor"]), (&0.0.into(), &1.0.into()));
    assert_eq!(
        fed["source"],
        "its graph normalises inside: Sub 127.5, Mul 0.00784314"
    );
    // The two did not measure the same thing, though the network is the same.
    let both = ["twice.json", "once.json"].map(|name| networks.folder.path().join(name));
    let answer = run(facebench().arg("compare").args(both));
    assert!(
        answer.stderr().contains("how the recognizer is fed"),
        "{}",
        answer.all()
    );
}

#[test]
fn the_order_of_channels_is_given_on_the_command_line() {
    let networks = Networks::new();
    let photo = crowd(networks.folder.path());
    let expected = embeddings(&faces(&photo, &networks.plain(), &[]));
    // The same map with the rows of red and blue exchanged.
    let third = networks.weights.len() / 3;
    let mut swapped = networks.weights.clone();
    swapped[..third].copy_from_slice(&networks.weights[2 * third..]);
    swapped[2 * third..].copy_from_slice(&networks.weights[..third]);
    let bgr = networks.write(
        "bgr.onnx",
        &recognizer(|net| net.node("Identity", &["input"], "x"), &swapped),
    );
    let answer = faces(&photo, &bgr, &["--recognizer-input", "channels=bgr"]);
    assert_same(&embeddings(&answer), &expected, "bgr");
    let wrong = run(facebench().args(["faces", "x", "--recognizer-input", "bgr"]));
    assert_eq!(wrong.code(), 2, "{}", wrong.all());
    assert!(wrong.stderr().contains("channels=rgb|bgr"), "{}", wrong.all());
}

#[test]
fn of_several_outputs_the_embedding_is_taken_and_said() {
    let networks = Networks::new();
    let photo = crowd(networks.folder.path());
    let expected = embeddings(&faces(&photo, &networks.plain(), &[]));
    let start = || {
        let net = Net::reading(&[None, Some(3), Some(112), Some(112)]);
        let net = net.constant("w", &[TILES, EMBEDDING], &networks.weights);
        let net = embedding(net.node("Identity", &["input"], "x"));
        net.node("Identity", &["tiles"], "map").node_with(
            "ReduceL2",
            &["embedding"],
            &["norm"],
            &[("axes", common::onnx::Value::Ints(&[1]))],
        )
    };
    let map = [None, Some(3), Some(8), Some(8)];
    let (norm, row) = ([None, Some(1)], [None, Some(EMBEDDING)]);
    for (name, net) in [
        (
            "norm-behind.onnx",
            start().output("embedding", &row).output("norm", &norm),
        ),
        (
            "norm-before.onnx",
            start().output("norm", &norm).output("embedding", &row),
        ),
        (
            "map-before.onnx",
            start().output("map", &map).output("embedding", &row),
        ),
    ] {
        let answer = faces(&photo, &networks.write(name, &net), &[]);
        assert_same(&embeddings(&answer), &expected, name);
        assert!(
            answer.stderr().contains("the embedding is embedding"),
            "{}",
            answer.all()
        );
    }
    let answer = faces(
        &photo,
        &networks.write("none.onnx", &start().output("norm", &norm)),
        &[],
    );
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("expected a batch of embeddings"),
        "{}",
        answer.all()
    );
}

#[test]
fn a_canvas_is_given_on_the_command_line_where_the_graph_leaves_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("one.png");
    write(&photo(&[(4, 4)], 1), &input);
    let found = |detector: &str, canvas: &str| {
        let mut command = facebench();
        command
            .arg("faces")
            .arg(&input)
            .args(["--canvas", canvas, "--detector"]);
        command
            .arg(network(detector))
            .arg("--recognizer")
            .arg(network("tiles.onnx"));
        run(&mut command)
    };
    // At half its size the bright cell fills a quarter of the detector's cell.
    for (canvas, faces) in [("640", 1), ("320x640", 0), ("1280", 1)] {
        let answer = found("spots.onnx", canvas);
        let line: Value =
            serde_json::from_str(&answer.stdout()).unwrap_or_else(|_| panic!("{}", answer.all()));
        assert!(
            line["faces"].as_array().unwrap().len().min(1) == faces,
            "{canvas}: {}",
            answer.all()
        );
    }
    let answer = found("spots_fixed.onnx", "640");
    assert_eq!(answer.code(), 1, "{}", answer.all());
    assert!(
        answer.stderr().contains("fixes the canvas to 320x320"),
        "{}",
        answer.all()
    );
    assert_eq!(found("spots.onnx", "100").code(), 2);
}

#[test]
fn a_face_that_fills_the_photo_is_found_on_a_small_canvas() {
    let (Some(photos), Some(detector)) = (shared("cases/tight"), shared("models/det_500m.onnx")) else {
        return;
    };
    let found = |options: &[&str]| {
        let mut command = facebench();
        command.arg("faces").arg(&photos).args(options).arg("--detector");
        let answer = run(command.arg(format!("scrfd:{}", detector.display())));
        assert_eq!(answer.code(), 0, "{}", answer.all());
        let lines = answer.stdout();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let counts: Vec<usize> = lines
            .map(|line| line["faces"].as_array().unwrap().len())
            .collect();
        (counts.iter().filter(|count| **count == 1).count(), counts.len())
    };
    let (small, all) = found(&["--canvas", "160"]);
    assert_eq!((small, found(&[]).0), (all, 0));
}
