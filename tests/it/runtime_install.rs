//! Installing ONNX Runtime, with a shell script in the place of Python (and once, if asked, with the real one).

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::common::{self, until};
use facebench::runtime::install::{Fault, Flavor, InstallError, LibraryStore, Origin, RuntimeLibrary};

/// A home, and a Python whose pip does what its script says.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(pip: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let bin = stage.path("bin");
        fs::create_dir(&bin).unwrap();
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/python/python3");
        symlink(python, bin.join("python3")).unwrap();
        fs::write(bin.join("library"), library()).unwrap();
        stage.pip(pip);
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pip(&self, script: &str) {
        fs::write(self.path("bin/pip.sh"), script).unwrap();
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("bin/calls")).map_or(0, |calls| calls.lines().count())
    }

    fn runtimes(&self) -> LibraryStore {
        runtimes(self.folder.path())
    }

    fn install(&self) -> Result<(RuntimeLibrary, Vec<String>), InstallError> {
        let messages = Mutex::new(Vec::new());
        let report = |line: &str| messages.lock().unwrap().push(line.to_owned());
        let library = self.runtimes().find_or_install(Flavor::Cpu, &report)?;
        Ok((library, messages.into_inner().unwrap()))
    }

    /// Starts an installation in a process of its own.
    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "runtime_install::installer_process"])
            .env("FACEBENCH_TEST_STAGE", self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Everything in `runtimes` except the lock, which stays.
    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("home/runtimes")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| Path::new(name).extension() != Some("lock".as_ref()))
            .collect()
    }
}

fn runtimes(stage: &Path) -> LibraryStore {
    LibraryStore {
        home: stage.join("home"),
        environment: None,
        search_path: stage.join("bin").into(),
    }
}

/// The smallest file that is accepted as ONNX Runtime on this machine.
fn library() -> Vec<u8> {
    let mut header = [0; 64];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (header[16], header[18]) = (3, if cfg!(target_arch = "aarch64") { 183 } else { 62 });
    [&header[..], b"\0OrtGetApiBase\0"].concat()
}

fn folder() -> String {
    format!("cpu-1.32.0-{}", std::env::consts::ARCH)
}

#[test]
#[ignore = "not a test: what Stage::spawn runs"]
fn installer_process() {
    let Some(stage) = std::env::var_os("FACEBENCH_TEST_STAGE") else {
        return;
    };
    runtimes(Path::new(&stage))
        .find_or_install(Flavor::Cpu, &|_| ())
        .unwrap();
}

#[test]
fn an_empty_home_gets_the_library_its_licences_and_nothing_else() {
    let stage = Stage::new("deliver");
    assert_eq!(stage.runtimes().find(Flavor::Cpu).unwrap(), None);
    let (library, messages) = stage.install().unwrap();
    assert_eq!(
        (library.origin, library.version.as_deref()),
        (Origin::Installed, Some("1.32.0"))
    );
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("installing ONNX Runtime 1.32.0 (cpu, "),
        "{messages:?}"
    );

    assert_eq!(stage.installed(), [folder()]);
    let home = stage.path("home/runtimes").join(folder());
    let files = walkdir::WalkDir::new(&home)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap);
    let files: Vec<_> = files
        .filter(|entry| entry.file_type().is_file())
        .map(|e| e.file_name().to_owned())
        .collect();
    assert_eq!(files, ["installed.json", "LICENSE", "libonnxruntime.so.1.32.0"]);

    let (again, messages) = stage.install().unwrap();
    assert_eq!(
        (again.origin, &again.sha256, messages.len()),
        (Origin::Cache, &library.sha256, 0)
    );
    assert_eq!(stage.runtimes().find(Flavor::Cpu).unwrap(), Some(again));
    assert_eq!(stage.calls(), 1);
}

#[test]
fn ort_dylib_path_wins_over_cache_and_installation() {
    let stage = Stage::new("deliver");
    let own = stage.path("libonnxruntime.so");
    fs::write(&own, library()).unwrap();
    let mut runtimes = LibraryStore {
        environment: Some(own),
        ..stage.runtimes()
    };
    let library = runtimes.find_or_install(Flavor::Cpu, &|_| ()).unwrap();
    assert_eq!(
        (library.origin, library.version.as_deref()),
        (Origin::Environment, None)
    );
    assert_eq!(runtimes.find(Flavor::Cpu).unwrap(), Some(library));
    assert_eq!(stage.calls(), 0);

    runtimes.environment = Some(stage.path("bin/pip.sh"));
    let error = runtimes.find_or_install(Flavor::Cpu, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("it is a text file"), "{error}");

    // Set but empty counts as not set.
    runtimes.environment = Some(PathBuf::new());
    assert_eq!(runtimes.find(Flavor::Cpu).unwrap(), None);
}

#[test]
fn processes_and_threads_at_once_install_once() {
    let stage = Stage::new("sleep 1; deliver");
    let child = stage.spawn();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| stage.install().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let child = child.wait_with_output().unwrap();
    assert!(child.status.success());
    assert!(
        String::from_utf8_lossy(&child.stdout).contains("1 passed"),
        "it installed nothing"
    );
    assert_eq!(stage.calls(), 1);
    let waited = results.iter().filter(|(library, messages)| {
        library.origin == Origin::Cache && messages.iter().any(|line| line.contains("waiting for it"))
    });
    assert!(waited.count() >= 1, "{results:?}");
}

#[test]
fn a_killed_installation_is_never_taken_for_a_complete_one() {
    // The script's parent is the installing process.
    let stage = Stage::new("deliver; kill -9 $PPID");
    assert_eq!(stage.spawn().wait().unwrap().signal(), Some(9));
    assert_eq!(stage.installed().len(), 1, "the unfinished one");
    assert_eq!(stage.runtimes().find(Flavor::Cpu).unwrap(), None);

    stage.pip("deliver");
    assert_eq!(stage.install().unwrap().0.origin, Origin::Installed);
    assert_eq!(stage.installed(), [folder()]);
}

#[test]
fn a_damaged_cache_is_installed_again_and_reported() {
    let stage = Stage::new("deliver");
    let (library, _) = stage.install().unwrap();
    let record = stage.path("home/runtimes").join(folder()).join("installed.json");
    let damages: [(&dyn Fn(), &str); 5] = [
        (
            &|| fs::write(&library.path, [self::library(), vec![0]].concat()).unwrap(),
            "has changed",
        ),
        (
            &|| fs::write(&library.path, &self::library()[..40]).unwrap(),
            "not ONNX Runtime",
        ),
        (&|| fs::remove_file(&library.path).unwrap(), "cannot read"),
        (&|| fs::remove_file(&record).unwrap(), "installed.json"),
        (&|| fs::write(&record, "{\"flavor\":").unwrap(), "installed.json"),
    ];
    for (damage, reason) in damages {
        damage();
        assert_eq!(stage.runtimes().find(Flavor::Cpu).unwrap(), None);
        let (fixed, messages) = stage.install().unwrap();
        assert_eq!(
            (fixed.origin, &fixed.sha256),
            (Origin::Installed, &library.sha256)
        );
        assert!(
            messages[0].contains("is damaged") && messages[0].contains(reason),
            "{messages:?} lacks {reason:?}"
        );
        assert_eq!(stage.installed(), [folder()]);
    }
    assert_eq!(stage.calls(), 6);
}

#[test]
fn messages_of_pip_become_a_reason_and_a_fix() {
    let refused =
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/";
    let no_match = "ERROR: No matching distribution found for onnxruntime==1.32.0";
    let mismatch = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    onnxruntime==1.32.0:\n        Expected sha256 5a34\n             Got        0bad";
    let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
    let cases = [
        (
            "/usr/bin/python3: No module named pip",
            "has no pip",
            "apt install python3-pip",
        ),
        (
            &format!("{refused}\n{no_match}"),
            "cannot reach its package index: WARNING: Retrying",
            "ORT_DYLIB_PATH",
        ),
        (mismatch, "refused it: Expected sha256 5a34 Got 0bad", "try again"),
        (
            no_match,
            "does not offer the pinned ONNX Runtime: ERROR: No matching",
            "1.32.0",
        ),
        (full, "no room on the disk", "free 200 MB"),
        (
            "1\n2\n3\n4\n5\n6\nSegmentation fault",
            "Its last words:\n2\n3\n4\n5\n6\nSegm",
            "facebench setup cpu",
        ),
    ];
    for (said, reason, fix) in cases {
        let stage = Stage::new(&format!("deliver; cat >&2 <<'EOF'\n{said}\nEOF\nexit 1"));
        let error = stage.install().unwrap_err();
        assert!(
            error.fault.to_string().contains(reason),
            "{error} lacks {reason:?}"
        );
        assert!(error.fix().contains(fix), "{error} lacks {fix:?}");
        assert_eq!(error.to_string(), format!("{}\n{}", error.fault, error.fix()));
        assert!(stage.installed().is_empty(), "{:?}", stage.installed());
    }
}

#[test]
fn the_first_of_pips_retries_is_reported() {
    let stage = Stage::new("for i in 1 2; do echo 'WARNING: Retrying (...)' >&2; done; deliver");
    let (_, messages) = stage.install().unwrap();
    assert_eq!(
        messages[1..],
        ["pip cannot reach its package index, and tries again"]
    );
}

#[test]
fn a_wheel_with_a_library_for_another_machine_is_refused() {
    let stage = Stage::new("echo text >\"$here/library\"; deliver");
    let error = stage.install().unwrap_err();
    assert!(matches!(error.fault, Fault::NotALibrary { .. }), "{error}");
    assert!(stage.installed().is_empty());
}

#[test]
fn a_wheel_writes_plain_files_in_its_folder_and_nothing_else() {
    let link = "deliver; ln -s /etc/passwd \"$site/onnxruntime/capi/libx.so\"";
    let hard = "deliver; ln \"$site/onnxruntime/LICENSE\" \"$site/onnxruntime/NOTICE\"";
    let set_id = "deliver; chmod 4755 \"$site/onnxruntime/LICENSE\"";
    let beside = "deliver; echo x >\"$site/../.bashrc\"";
    let pipe = "deliver; mkfifo \"$site/onnxruntime/libpipe.so\"";
    // Blocks that no wheel of 28 MB has.
    let large = "deliver; head -c 450000000 /dev/zero >\"$site/onnxruntime/large\"; sleep 20";
    for (pip, what) in [
        (link, "libx.so, which is no plain file"),
        (hard, "a link to another file"),
        (set_id, "LICENSE with the mode 4755"),
        (beside, "a file beside its folder, .bashrc"),
        (pipe, "no plain file"),
        (large, "more than"),
    ] {
        let stage = Stage::new(pip);
        let started = Instant::now();
        let error = stage.install().unwrap_err();
        assert!(matches!(error.fault, Fault::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error} lacks {what}");
        assert!(stage.installed().is_empty(), "{:?}", stage.installed());
        assert!(started.elapsed() < Duration::from_secs(15), "{what}");
    }
}

#[test]
fn pip_ends_with_the_process_that_started_it() {
    // It says which process it is, and then waits for longer than any test.
    let stage = Stage::new("echo $$ >\"$here/pid\"; exec sleep 300");
    for signal in ["-KILL", "-INT", "-TERM"] {
        let _ = fs::remove_file(stage.path("bin/pid"));
        let mut installer = stage.spawn();
        let pip = || {
            fs::read_to_string(stage.path("bin/pid"))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        until("pip's number", || !pip().is_empty());
        let pip = pip();
        common::signal(installer.id(), signal);
        installer.wait().unwrap();
        let alive = || Path::new("/proc").join(&pip).join("exe").read_link().is_ok();
        until("pip's end", || !alive());
    }
}

#[test]
fn passwords_in_what_pip_says_are_not_shown() {
    let said = "ERROR: Could not fetch URL https://user:s3cret@mirror.example/simple/?key=s3cret: 403";
    let stage = Stage::new(&format!("echo '{said}' >&2; exit 1"));
    let error = stage.install().unwrap_err();
    let texts = format!("{error} {error:?}");
    assert!(
        texts.contains("https://***@mirror.example/simple/") && !texts.contains("s3cret"),
        "{texts}"
    );
}

#[test]
fn no_python_and_a_broken_one_are_distinguished() {
    let stage = Stage::new("deliver");
    let bare = LibraryStore {
        search_path: OsString::new(),
        ..stage.runtimes()
    };
    let error = bare.find_or_install(Flavor::Cpu, &|_| ()).unwrap_err();
    assert!(matches!(error.fault, Fault::NoPython), "{error}");
    assert!(
        error
            .fix()
            .starts_with("install Python 3 with pip, or set ORT_DYLIB_PATH")
    );

    let python = stage.path("bin/python3");
    fs::remove_file(&python).unwrap();
    // Executable and empty: the kernel refuses it.
    fs::write(&python, "").unwrap();
    fs::set_permissions(&python, PermissionsExt::from_mode(0o755)).unwrap();
    let error = stage.install().unwrap_err();
    assert!(matches!(error.fault, Fault::BrokenPython { .. }), "{error}");
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let stage = Stage::new("deliver");
    // A file in the folder's place stops even root.
    fs::write(stage.path("home"), "").unwrap();
    let error = stage.install().unwrap_err();
    assert!(matches!(error.fault, Fault::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("home/runtimes"), "{error}");
    assert_eq!(stage.calls(), 0);
}

#[test]
#[ignore = "downloads 28 MB; run it after a change of pins: cargo test --test it runtime_install:: -- --ignored"]
fn the_real_wheel_installs() {
    let home = tempfile::tempdir().unwrap();
    let runtimes = LibraryStore {
        environment: None,
        ..LibraryStore::of_process(home.path().to_owned())
    };
    let library = runtimes
        .find_or_install(Flavor::Cpu, &|line| eprintln!("{line}"))
        .unwrap();
    assert_eq!(library.version.as_deref(), Some(Flavor::Cpu.version()));
    assert_eq!(
        runtimes.find_or_install(Flavor::Cpu, &|_| ()).unwrap().origin,
        Origin::Cache
    );
}
