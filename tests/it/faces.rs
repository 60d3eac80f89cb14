//! `facebench faces`: lines, pictures, names.

use std::path::Path;

use crate::common::{facebench, network, photo, photos, run, write};
use serde_json::Value;

fn faces(input: &Path) -> std::process::Command {
    let mut command = facebench();
    command
        .arg("faces")
        .arg(input)
        .arg("--detector")
        .arg(network("spots.onnx"));
    command.arg("--recognizer").arg(network("tiles.onnx"));
    command
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

#[test]
fn one_line_a_photo_in_order_with_faces_best_first() {
    let photos = photos();
    // Twice the size: answers are in pixels of the photo, not of the detector's canvas.
    let large = image::imageops::resize(
        &photo(&[(4, 4)], 1),
        1280,
        1280,
        image::imageops::FilterType::Nearest,
    );
    write(&large, &photos.path().join("sub/large.png"));
    let answer = run(&mut faces(photos.path()));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let lines = lines(&answer.stdout());
    let names: Vec<_> = lines.iter().map(|line| line["photo"].as_str().unwrap()).collect();
    assert_eq!(names, ["none.png", "one.png", "sub/large.png", "two.png"]);
    assert_eq!(
        (lines[2]["width"].as_u64(), lines[2]["height"].as_u64()),
        (Some(1280), Some(1280))
    );
    assert_eq!(lines[0]["faces"].as_array().unwrap().len(), 0);
    // The cell (4, 4) of 32 pixels has its centre at 144; the face is two cells wide.
    let one = &lines[1]["faces"][0];
    let close = |value: &Value, want: f64| (value.as_f64().unwrap() - want).abs() < 0.01;
    for (side, want) in [112.0, 112.0, 176.0, 176.0].iter().enumerate() {
        assert!(close(&one["box"][side], *want), "{one}");
        assert!(
            close(&lines[2]["faces"][0]["box"][side], 2.0 * want),
            "{}",
            lines[2]
        );
    }
    assert_eq!(one["landmarks"].as_array().unwrap().len(), 5);
    let right_eye = 112.0 + 64.0 * 38.2946 / 112.0;
    assert!(
        (one["landmarks"][0][0].as_f64().unwrap() - right_eye).abs() < 0.1,
        "{one}"
    );
    let norm: f64 = one["embedding"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap().powi(2))
        .sum();
    assert!((norm - 1.0).abs() < 1e-5);
    let scores: Vec<f64> = lines[3]["faces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|face| face["score"].as_f64().unwrap())
        .collect();
    assert!(scores.len() == 2 && scores[0] >= scores[1]);
}

#[test]
fn bad_photos_are_skipped_by_name_or_fatal() {
    let photos = photos();
    std::fs::write(photos.path().join("text.jpg"), "text").unwrap();
    let answer = run(&mut faces(photos.path()));
    assert_eq!(answer.code(), 0, "{}", answer.all());
    assert!(
        answer.stderr().contains("skipped text.jpg: not an image"),
        "{}",
        answer.all()
    );
    assert_eq!(lines(&answer.stdout()).len(), 3);
    assert_eq!(run(faces(photos.path()).arg("--strict")).code(), 1);
}

#[test]
fn drawings_show_boxes_and_names() {
    let (gallery, photos, drawn) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    for (person, name) in [(1, "ann"), (2, "bob")] {
        write(
            &photo(&[(5, 5)], person),
            &gallery.path().join(name).join("p.png"),
        );
    }
    write(&photo(&[(9, 3)], 2), &photos.path().join("x.png"));
    let mut command = faces(photos.path());
    command
        .arg("--gallery")
        .arg(gallery.path())
        .arg("--draw")
        .arg(drawn.path())
        .arg("--json");
    let answer = run(&mut command);
    assert_eq!(answer.code(), 0, "{}", answer.all());
    let line = &lines(&answer.stdout())[0];
    assert_eq!(line["faces"][0]["name"], "bob", "{line}");
    assert!(line["faces"][0]["cosine"].as_f64().unwrap() > 0.9);
    let picture = image::open(drawn.path().join("x.png.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (640, 640));
    // The box's edge: the cell (9, 3), two cells wide, from x = 272.
    assert_eq!(picture.get_pixel(272, 112), &image::Rgb([0, 158, 115]));
}

#[test]
fn a_gallery_without_names_is_an_error() {
    let photos = photos();
    let answer = run(faces(photos.path()).arg("--gallery").arg(photos.path()));
    assert_eq!(answer.code(), 1);
    assert!(answer.stderr().contains("identities.csv"), "{}", answer.all());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let photos = photos();
    let mut command = faces(photos.path());
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
