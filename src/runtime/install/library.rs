//! One shared library: is it ONNX Runtime, for this machine, and exactly which one.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Fault, Flavor, InstallError};
use crate::files;

/// How a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Environment,
    /// It was in facebench's own cache.
    Cache,
    /// It was installed just now.
    Installed,
    /// The arm's `runtime=PATH` names it.
    Option,
}

/// An ONNX Runtime library that this machine can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLibrary {
    /// The file itself, links resolved: `libonnxruntime.so.1` is often one, and the providers lie beside the file.
    pub path: PathBuf,
    /// The build that it stands for.
    pub flavor: Flavor,
    /// The release, where the file's name has it.
    pub version: Option<String>,
    /// Of the whole file, in hex.
    pub sha256: String,
    /// How it was found.
    pub origin: Origin,
}

impl RuntimeLibrary {
    /// Takes the library at `path`, if it is ONNX Runtime for this machine's architecture.
    pub fn from_path(path: &Path, flavor: Flavor, origin: Origin) -> Result<Self, InstallError> {
        Self::read(path, flavor, origin).map_err(|fault| InstallError { flavor, fault })
    }

    pub(super) fn read(path: &Path, flavor: Flavor, origin: Origin) -> Result<Self, Fault> {
        let unreadable = |cause| Fault::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let path = path.canonicalize().map_err(unreadable)?;
        // Opening a pipe would wait, and a device may never end.
        if let Some(kind) = files::special(&fs::metadata(&path).map_err(unreadable)?) {
            return Err(Fault::NotALibrary {
                found: format!("it is {kind}"),
                path,
            });
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        inspect(&path, &bytes)?;
        Ok(Self {
            version: version_in(&path),
            sha256: base16ct::lower::encode_string(&Sha256::digest(&bytes)),
            path,
            flavor,
            origin,
        })
    }
}

/// Refuses what `dlopen` would refuse with a riddle, or load only to find no ONNX Runtime in it.
fn inspect(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let path = || path.to_owned();
    let not_a_library = |found: &str| Fault::NotALibrary {
        path: path(),
        found: found.into(),
    };
    let Some(header) = bytes
        .first_chunk::<20>()
        .filter(|header| header.starts_with(b"\x7fELF"))
    else {
        return Err(not_a_library(match bytes {
            [] => "it is empty",
            _ if bytes
                .iter()
                .take(512)
                .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) =>
            {
                "it is a text file"
            }
            _ => "it is no ELF file",
        }));
    };
    // 64-bit and little-endian, as every machine that has a wheel: the fields below are read so.
    if header[4..6] != [2, 1] {
        return Err(Fault::WrongArchitecture {
            path: path(),
            found: "a 32-bit or big-endian processor".into(),
        });
    }
    let [kind, machine] = [16, 18].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
    if kind != 3 {
        return Err(not_a_library("it is an ELF file of another kind"));
    }
    let found = match machine {
        62 => "x86_64".into(),
        183 => "aarch64".into(),
        243 => "riscv64".into(),
        other => format!("the processor of ELF number {other}"),
    };
    if found != ARCH {
        return Err(Fault::WrongArchitecture { path: path(), found });
    }
    // A program or another library would pass until here; the providers' libraries lie beside the right one.
    let entry = b"\0OrtGetApiBase\0";
    if !bytes.windows(entry.len()).any(|window| window == entry) {
        return Err(Fault::NotOnnxRuntime { path: path() });
    }
    Ok(())
}

/// `1.32.0` of `libonnxruntime.so.1.32.0`.
fn version_in(path: &Path) -> Option<String> {
    let (_, version) = path.file_name()?.to_str()?.split_once(".so.")?;
    version.contains('.').then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, kind: u8, machine: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        (bytes[16], bytes[18]) = (kind, machine);
        [bytes.as_slice(), rest].concat()
    }

    fn read(name: &str, bytes: &[u8]) -> Result<RuntimeLibrary, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        RuntimeLibrary::from_path(&path, Flavor::Cpu, Origin::Option).map_err(|error| error.to_string())
    }

    const HOST: u8 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    const OTHER: u8 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    const ENTRY: &[u8] = b"\0OrtGetApiBase\0";

    #[test]
    fn what_may_never_end_is_not_read() {
        for (path, kind) in [("/dev/zero", "it is a device"), ("/tmp", "it is a folder")] {
            let library = RuntimeLibrary::from_path(Path::new(path), Flavor::Cpu, Origin::Option);
            let error = library.unwrap_err().to_string();
            assert!(error.contains(kind), "{error}");
        }
    }

    #[test]
    fn a_library_of_this_machine_is_taken() {
        let library = read("libonnxruntime.so.1.32.0", &elf(2, 3, HOST, ENTRY)).unwrap();
        assert_eq!(library.version.as_deref(), Some("1.32.0"));
        assert_eq!(library.sha256.len(), 64);
        let unnamed = read("libonnxruntime.so", &elf(2, 3, HOST, ENTRY)).unwrap();
        assert_eq!((unnamed.version, unnamed.sha256), (None, library.sha256));
    }

    #[test]
    fn links_are_resolved_so_that_the_version_is_known() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("libonnxruntime.so.1.30.2"),
            elf(2, 3, HOST, ENTRY),
        )
        .unwrap();
        let link = folder.path().join("libonnxruntime.so.1");
        std::os::unix::fs::symlink("libonnxruntime.so.1.30.2", &link).unwrap();
        let library = RuntimeLibrary::from_path(&link, Flavor::Cpu, Origin::Environment).unwrap();
        assert_eq!(library.version.as_deref(), Some("1.30.2"));
    }

    #[test]
    fn what_cannot_be_loaded_is_refused_by_name() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "it is empty"),
            (b"version https://example.invalid/spec/v1\n", "it is a text file"),
            (b"\x7fEL", "it is no ELF file"),
            (b"PK\x03\x04", "it is no ELF file"),
            (&elf(2, 2, HOST, ENTRY), "an ELF file of another kind"),
            (
                &elf(1, 3, 3, ENTRY),
                "is a library for a 32-bit or big-endian processor",
            ),
            (&elf(2, 3, OTHER, ENTRY), "and this machine is"),
            (&elf(2, 3, HOST, b""), "not ONNX Runtime"),
        ];
        for (bytes, reason) in cases {
            let text = read("libonnxruntime.so", bytes).unwrap_err();
            let (first, fix) = text.split_once('\n').unwrap();
            assert!(first.contains(reason), "{first:?} lacks {reason:?}");
            assert!(fix.contains("the full path of a libonnxruntime.so"), "{fix}");
        }
    }

    #[test]
    fn a_missing_file_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let fault = |path: &Path| {
            RuntimeLibrary::from_path(path, Flavor::Cpu, Origin::Option)
                .unwrap_err()
                .fault
        };
        assert!(matches!(fault(folder.path()), Fault::NotALibrary { .. }));
        assert!(matches!(
            fault(&folder.path().join("none.so")),
            Fault::Unreadable { .. }
        ));
    }
}
