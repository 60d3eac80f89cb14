//! The backends whose runtime is linked into the program by a feature, on the embedded workload: the real program, the
//! fp32 CPU arm beside them. Backends that are not compiled in are printed as skipped.

use crate::common::{self, check, few_photos, network, onnx::Net, package, run};

/// Backend, whether it is compiled in, runtime, provider.
const LINKED: [(&str, bool, &str, &str); 2] = [
    (
        "opencv",
        cfg!(feature = "opencv"),
        "OpenCV DNN",
        "OpenCV CPU target",
    ),
    ("tract", cfg!(feature = "tract"), "tract", "tract CPU"),
];

/// The compiled-in ones.
fn compiled() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    LINKED
        .into_iter()
        .filter_map(|(backend, built, runtime, provider)| {
            if !built {
                common::skip(format!("built without --features {backend}"));
            }
            built.then_some((backend, runtime, provider))
        })
}

#[test]
fn each_agrees_with_the_reference_on_the_embedded_networks() {
    for (backend, runtime, provider) in compiled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let answer = run(&mut few_photos(4, &path, &["cpu", backend]));
        let record = common::sound(&answer, &path);
        assert!(
            record["workload"]["dataset"]["faces"].as_u64().unwrap() >= 4,
            "{}",
            answer.all()
        );
        let arm = &record["arms"][1];
        let agreement = check(arm, "agreement");
        assert_eq!(agreement["outcome"], "passed", "{backend}: {agreement}");
        assert!(
            arm["accuracy"]["cosine_p01"].as_f64().unwrap() > 0.999,
            "{}",
            arm["accuracy"]
        );
        let placement = check(arm, "placement");
        assert_eq!(placement["outcome"], "passed", "{backend}: {placement}");
        assert!(
            placement["observed"]
                .as_str()
                .unwrap()
                .contains("by construction"),
            "{placement}"
        );
        let facts = &arm["backend"];
        assert_eq!(facts["runtime"]["name"], runtime);
        assert_eq!(facts["provider"], provider);
        assert!(facts["placement"].is_null() && facts["runtime"]["library_sha256"].is_null());
        let version = facts["runtime"]["version"].as_str().unwrap();
        assert!(
            version.split('.').count() >= 3 && version.starts_with(|c: char| c.is_ascii_digit()),
            "{version}"
        );
        assert_eq!(facts["device"], record["arms"][0]["backend"]["device"]);
    }
}

#[test]
fn batches_and_streams_agree_and_one_thread_is_one_thread() {
    for (backend, ..) in compiled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let (alone, many) = (
            format!("{backend},threads=1,streams=1"),
            format!("{backend},streams=2,batch=3"),
        );
        let record = common::sound(&run(&mut few_photos(4, &path, &[&alone, &many])), &path);
        for arm in record["arms"].as_array().unwrap() {
            assert_eq!(check(arm, "agreement")["outcome"], "passed", "{arm}");
        }
        let alone = &record["arms"][0];
        for block in alone["blocks"].as_array().unwrap() {
            let used = block["conditions"]["own_cpu_seconds"].as_f64().unwrap();
            let lasted = block["seconds"].as_f64().unwrap();
            assert!(
                used < 1.2 * lasted + 0.02,
                "{backend}: {used} s of processor time in {lasted} s"
            );
        }
    }
}

#[test]
fn a_backend_that_is_not_compiled_in_exits_4_and_names_the_feature() {
    for (backend, built, ..) in LINKED {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        if built {
            common::skip(format!("built with --features {backend}"));
            continue;
        }
        let answer = run(&mut few_photos(4, &path, &[backend]));
        assert_eq!(answer.code(), 4, "{}", answer.all());
        assert!(
            answer
                .stderr()
                .contains(&format!("cargo build --release --features {backend}")),
            "{}",
            answer.all()
        );
        assert!(!path.exists(), "nothing was measured");
    }
}

#[test]
fn options_that_a_backend_lacks_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    for (spec, reason) in [
        ("opencv:0", "takes no device"),
        ("tract:CPU", "takes no device"),
        ("tract,thread=2", "did you mean \"threads\"?"),
        ("opencv,runtime=/x/libopencv.so", "unknown option \"runtime\""),
        ("opencv,threads=2,streams=2", "one pool of threads a process"),
    ] {
        let answer = run(&mut few_photos(4, &folder.path().join("r.json"), &[spec]));
        assert_eq!(answer.code(), 2, "{spec}: {}", answer.all());
        assert!(answer.stderr().contains(reason), "{spec}: {}", answer.all());
    }
}

#[test]
fn a_broken_network_fails_the_arm_and_names_the_file() {
    for (backend, runtime, _) in compiled() {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read(package("models/facebench-det.onnx")).unwrap();
        let broken = folder.path().join("broken.onnx");
        for bytes in [&whole[..whole.len() / 2], b"no network at all", b""] {
            std::fs::write(&broken, bytes).unwrap();
            let mut command = few_photos(4, &folder.path().join("r.json"), &[backend]);
            let answer = run(command
                .arg("--detector")
                .arg(format!("yunet:{}", broken.display())));
            assert_eq!(answer.code(), 1, "{backend}: {}", answer.all());
            let reason = "broken.onnx: it is not an ONNX file";
            assert!(answer.stderr().contains(reason), "{backend}: {}", answer.all());
        }
        let unknown = Net::reading(&[Some(1), Some(3), Some(64), Some(64)]).node("NoSuch", &["input"], "y");
        std::fs::write(&broken, unknown.output("y", &[Some(1)]).onnx()).unwrap();
        let mut command = few_photos(4, &folder.path().join("r.json"), &[backend]);
        let answer = run(command
            .arg("--detector")
            .arg(format!("yunet:{}", broken.display())));
        let reason = format!("broken.onnx: not a network that {runtime} can load: ");
        assert!(answer.stderr().contains(&reason), "{backend}: {}", answer.all());
        let mut command = few_photos(4, &folder.path().join("r.json"), &[backend]);
        command
            .arg("--detector")
            .arg(format!("yunet:{}", network("tiles.onnx").display()));
        let answer = run(&mut command);
        assert_eq!(answer.code(), 1, "{backend}: {}", answer.all());
        assert!(
            answer.stderr().contains("no output cls_8"),
            "{backend}: {}",
            answer.all()
        );
    }
}
