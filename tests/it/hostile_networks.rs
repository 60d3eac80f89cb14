//! Networks that lie about their shapes, never end, or are no networks: an error that names the file and what is wrong
//! with it, soon, and no panic.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use facebench::runtime::NetworkFile;

use crate::common::{
    Answer, facebench, network,
    onnx::{BOOL, EMBEDDING, FLOAT, INT64, Net, Side, TILES, Value, embedding, recognizer, weights},
    package, photos, run,
};

struct Hostile {
    folder: tempfile::TempDir,
    photos: tempfile::TempDir,
}

impl Hostile {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            photos: photos(),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn faces(&self, detector: &str, recognizer: &str, options: &[&str]) -> Answer {
        let mut command = facebench();
        command.arg("faces").arg(self.photos.path()).args(options);
        command.args(["--detector", detector, "--recognizer", recognizer]);
        run(&mut command)
    }

    fn as_recognizer(&self, path: &Path) -> Answer {
        let detector = network("spots.onnx").display().to_string();
        self.faces(&detector, &format!("arcface:{}", path.display()), &[])
    }

    fn as_detector(&self, path: &Path) -> Answer {
        let recognizer = network("tiles.onnx").display().to_string();
        self.faces(&format!("yunet:{}", path.display()), &recognizer, &[])
    }
}

/// Asserts that `answer` is an error that names `path` and has these words.
fn assert_refused(answer: &Answer, path: &Path, words: &str) {
    assert_eq!(answer.code(), 1, "{}", answer.all());
    let name = path.file_name().unwrap().to_string_lossy();
    let text = answer.stderr();
    assert!(
        text.contains(&*name) && text.contains(words),
        "{words}: {}",
        answer.all()
    );
    assert!(!text.contains("panicked"), "{}", answer.all());
}

fn crop() -> Net {
    Net::reading(&[None, Some(3), Some(112), Some(112)])
}

const ROW: [Side; 2] = [None, Some(EMBEDDING)];

#[test]
fn embeddings_of_no_shape_or_no_number_are_errors() {
    let hostile = Hostile::new();
    let some = weights((TILES * EMBEDDING) as usize, 1);
    let with = |net: Net| {
        embedding(
            net.constant("w", &[TILES, EMBEDDING], &some)
                .node("Identity", &["input"], "x"),
        )
    };
    // What is declared and what comes differ: of the wanted shape even the rank is known only when the network runs.
    let reshaped = |shape: &[i64]| {
        with(crop())
            .node_with(
                "ReduceSum",
                &["embedding"],
                &["sum"],
                &[("keepdims", Value::Int(0))],
            )
            .constant("nothing", &[], &[0.0])
            .node("Mul", &["sum", "nothing"], "zero")
            .node_with("Cast", &["zero"], &["none"], &[("to", Value::Int(INT64))])
            .integers("wanted", &[i64::try_from(shape.len()).unwrap()], shape)
            .node("Add", &["wanted", "none"], "sides")
            .node("NonZero", &["sides"], "places")
            .integers("first", &[1], &[0])
            .node("Squeeze", &["places", "first"], "place")
            .node("Gather", &["sides", "place"], "shape")
            .node("Reshape", &["embedding", "shape"], "y")
            .output("y", &ROW)
    };
    for (name, shape) in [
        ("flat.onnx", &[-1][..]),
        ("deep.onnx", &[1, -1, 1]),
        ("turned.onnx", &[-1, 1]),
    ] {
        let path = hostile.write(name, &reshaped(shape).onnx());
        assert_refused(&hostile.as_recognizer(&path), &path, "has the shape");
    }
    let scalar = with(crop())
        .node_with(
            "ReduceSum",
            &["embedding"],
            &["y"],
            &[("keepdims", Value::Int(0))],
        )
        .output("y", &ROW);
    let path = hostile.write("scalar.onnx", &scalar.onnx());
    assert_refused(&hostile.as_recognizer(&path), &path, "");

    for (name, factor) in [("nan.onnx", f32::NAN), ("inf.onnx", f32::INFINITY)] {
        let net = with(crop()).constant("f", &[1], &[factor]);
        let net = net.node("Mul", &["embedding", "f"], "y").output("y", &ROW);
        let path = hostile.write(name, &net.onnx());
        assert_refused(&hostile.as_recognizer(&path), &path, "not finite");
    }
}

/// A detector's outputs, all of the input's sum: nothing fits, and the input is what matters.
fn detector(sides: &[Side]) -> Net {
    let mut net = Net::reading(sides).node("Identity", &["input"], "x");
    for stride in [8, 16, 32] {
        for kind in ["cls", "obj", "bbox", "kps"] {
            let name = format!("{kind}_{stride}");
            net = net.node("Identity", &["x"], &name).output_of(&name, FLOAT, None);
        }
    }
    net
}

#[test]
fn inputs_of_no_size_are_refused_before_anything_is_allocated() {
    let hostile = Hostile::new();
    let huge = 1 << 32;
    for (name, sides) in [
        ("none-high.onnx", [Some(1), Some(3), Some(0), Some(640)]),
        ("none-wide.onnx", [Some(1), Some(3), Some(640), Some(0)]),
        ("huge.onnx", [Some(1), Some(3), Some(huge), Some(huge)]),
        ("long.onnx", [Some(1), Some(3), Some(32), Some(i64::MAX)]),
        ("many.onnx", [Some(huge), Some(3), Some(32), Some(32)]),
    ] {
        let path = hostile.write(name, &detector(&sides).onnx());
        assert_refused(&hostile.as_detector(&path), &path, "width and height must be");
    }
    for (name, sides) in [
        ("grey.onnx", &[Some(1), Some(1), Some(640), Some(640)][..]),
        ("flat.onnx", &[Some(1), Some(3)]),
        ("deep.onnx", &[Some(1), Some(3), Some(1), Some(640), Some(640)]),
    ] {
        let path = hostile.write(name, &detector(sides).onnx());
        assert_refused(&hostile.as_detector(&path), &path, "batch x 3 x height x width");
    }
    let large = [Some(1024), Some(3), Some(8192), Some(8192)];
    let path = hostile.write("large.onnx", &detector(&large).onnx());
    assert_refused(&hostile.as_detector(&path), &path, "larger than facebench feeds");
    // Sizes that are fine, and answers that are not.
    let open = [None, Some(3), None, None];
    let path = hostile.write("open.onnx", &detector(&open).onnx());
    assert_refused(&hostile.as_detector(&path), &path, "has the shape");
}

/// A recognizer that goes on for ever before it answers.
fn endless() -> Net {
    let body = Net::empty()
        .input("i", INT64, Some(&[]))
        .input("go", BOOL, Some(&[]))
        .input("v", FLOAT, None)
        .node("Identity", &["go"], "on")
        .node("Identity", &["v"], "v_out")
        .output_of("on", BOOL, Some(&[]))
        .output_of("v_out", FLOAT, None);
    recognizer(
        |net| {
            net.integers("turns", &[], &[1 << 62]).yes("yes").node_with(
                "Loop",
                &["turns", "yes", "input"],
                &["x"],
                &[("body", Value::Graph(&body))],
            )
        },
        &weights((TILES * EMBEDDING) as usize, 1),
    )
}

#[test]
fn a_network_that_never_ends_is_ended_and_named() {
    let hostile = Hostile::new();
    let path = hostile.write("endless.onnx", &endless().onnx());
    let begun = Instant::now();
    let detector = network("spots.onnx").display().to_string();
    let recognizer = format!("arcface:{}", path.display());
    let answer = hostile.faces(&detector, &recognizer, &["--patience", "2s"]);
    assert_refused(&answer, &path, "no progress for 2 s");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let mut serve = facebench();
    serve
        .args(["serve", "--patience", "2s", "-i"])
        .arg(hostile.photos.path());
    serve.args(["--detector", &detector, "--recognizer", &recognizer]);
    // The photo that it is asked for has a face, which the first one has not.
    let queries = hostile.write("queries", b"7 1\n");
    serve.stdin(std::fs::File::open(queries).unwrap());
    assert_refused(&run(&mut serve), &path, "no progress for 2 s");
}

#[test]
fn what_is_no_file_or_no_network_is_an_error_at_once() {
    let hostile = Hostile::new();
    let fifo = hostile.folder.path().join("fifo.onnx");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    assert_refused(
        &hostile.as_recognizer(&fifo),
        &fifo,
        "is a pipe, not a regular file",
    );
    assert_refused(&hostile.as_detector(&fifo), &fifo, "is a pipe");
    let zero = Path::new("/dev/zero");
    assert_refused(&hostile.as_recognizer(zero), zero, "is a device");
    let spots = network("spots.onnx").display().to_string();
    let answer = run(facebench()
        .env("ORT_DYLIB_PATH", "/dev/zero")
        .arg("faces")
        .arg(hostile.photos.path())
        .args(["--detector", &spots]));
    assert_eq!(answer.code(), 4, "{}", answer.all());
    assert!(answer.stderr().contains("it is a device"), "{}", answer.all());

    let whole = std::fs::read(package("models/facebench-rec.onnx")).unwrap();
    for length in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        let path = hostile.write("cut.onnx", &whole[..length]);
        assert_refused(&hostile.as_recognizer(&path), &path, "not an ONNX file");
    }
    let mut nested = crop().node("Relu", &["input"], "y").output("y", &ROW);
    for _ in 0..200 {
        nested = crop()
            .node_with(
                "If",
                &["input"],
                &["y"],
                &[("then_branch", Value::Graph(&nested))],
            )
            .output("y", &ROW);
    }
    let path = hostile.write("nested.onnx", &nested.onnx());
    assert_refused(&hostile.as_recognizer(&path), &path, "graphs inside graphs");
    for (offset, length, words) in [
        ("18446744073709551615", "4", "beyond any file"),
        ("1099511627776", "4", "and the file has"),
        ("x", "4", "no number (x)"),
    ] {
        let place = [("location", "cut.onnx"), ("offset", offset), ("length", length)];
        let net = crop()
            .elsewhere("w", &[1], &place)
            .node("Mul", &["input", "w"], "y");
        let path = hostile.write("far.onnx", &net.output("y", &ROW).onnx());
        assert_refused(&hostile.as_recognizer(&path), &path, words);
    }
}

/// `bytes` with something wrong in it, by the number of the mutation.
fn mutated(bytes: &[u8], number: u32) -> Vec<u8> {
    let random = weights(8, number);
    let place = |at: usize, most: usize| (f64::from(random[at].abs()) * most as f64) as usize % most.max(1);
    let mut bytes = bytes.to_vec();
    match number % 4 {
        0 => {
            for at in 0..4 {
                let place = place(at, bytes.len());
                bytes[place] ^= 1 << (number / 4 % 8);
            }
        }
        1 => bytes.truncate(place(0, bytes.len())),
        2 => {
            let (from, length) = (place(0, bytes.len()), 1 + place(1, 64));
            let to = (from + length).min(bytes.len());
            bytes.drain(from..to);
        }
        _ => {
            let at = place(0, bytes.len());
            let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
            bytes.splice(at..at, huge[..=place(1, 9).min(8)].iter().copied());
        }
    }
    bytes
}

#[test]
fn mutated_networks_are_read_or_refused_without_a_panic() {
    let small = recognizer(
        |net| net.node("Identity", &["input"], "x"),
        &weights((TILES * EMBEDDING) as usize, 1),
    );
    let networks = [
        std::fs::read(package("models/facebench-rec.onnx")).unwrap(),
        std::fs::read(network("spots.onnx")).unwrap(),
        std::fs::read(network("tiles.onnx")).unwrap(),
        small.onnx(),
        endless().onnx(),
    ];
    let path = Path::new("mutated.onnx");
    let (mut read, mut refused) = (0, 0);
    for number in 0..300 {
        for bytes in &networks {
            match NetworkFile::of(path, &mutated(bytes, number)) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
    // A few through the whole program: it answers, or says what is wrong.
    let hostile = Hostile::new();
    for number in 0..8 {
        let path = hostile.write("mutated.onnx", &mutated(&networks[2], number));
        let answer = hostile.as_recognizer(&path);
        assert!([0, 1].contains(&answer.code()), "{number}: {}", answer.all());
        assert!(
            !answer.stderr().contains("panicked"),
            "{number}: {}",
            answer.all()
        );
    }
}
