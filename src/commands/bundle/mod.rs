//! `facebench bundle`: program, runtimes, networks, photos and `gpu-validate` for a machine without a network.

mod pack;
mod parts;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

pub use self::pack::PackError;
use self::{pack::Pack, parts::PartFile};
use super::{
    Failure,
    progress::notify,
    request::NetworkRequest,
    workload::{demo_photos, networks},
};
use crate::{
    cli::BundleArgs,
    dataset::{Survey, manifest},
    files,
    model::{
        InputChoice,
        derived::{self, Target},
        network::{Network, NetworkName},
    },
    runtime::{
        BackendDescriptor,
        install::{Flavor, LibraryStore},
        table::{BACKENDS, REFERENCE},
    },
    text::ShownPath,
    vision::encoded::Limits,
};

const WRAPPER: &str = include_str!("../../../scripts/bundle/facebench");
const UNPACK: &str = include_str!("../../../scripts/bundle/unpack");
const GPU_VALIDATE: &str = include_str!("../../../scripts/gpu-validate");

/// Written last: a folder that has it is a whole bundle.
const SUMS: &str = "SHA256SUMS";
/// Files beside photos that describe them.
const BESIDE_PHOTOS: [&str; 2] = [manifest::FILE_NAME, "identities.csv"];

/// What a bundle is, as its `bundle.json` says.
#[derive(Debug, Serialize)]
struct Contents {
    version: &'static str,
    arch: &'static str,
    runtimes: Vec<PackedRuntime>,
    /// Whether NVIDIA's libraries were left out of the runtimes.
    without_nvidia_libraries: bool,
    detector: PackedNetwork,
    recognizer: PackedNetwork,
    photos: usize,
}

#[derive(Debug, Serialize)]
struct PackedRuntime {
    flavor: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct PackedNetwork {
    /// How the command line names it in the unpacked folder.
    word: String,
    sha256: String,
    /// The precisions that it was converted to; these files are packed too.
    derived: Vec<Target>,
}

/// Packs what `args` ask for into the folder `args.dir`, which must be new or empty; prints a summary on `out`.
pub fn bundle(args: &BundleArgs, home: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let unwritable = Failure::output(&args.dir);
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::Usage(format!(
            "{}: is not empty; name a new folder for the bundle",
            args.dir.shown()
        )));
    }
    // What can fail early comes before anything is installed, rendered or written.
    let chosen = networks(&requested(args), home)?;
    let program = std::env::current_exe()?;
    let photos = match &args.input {
        Some(input) => Photos::Own(Survey::of(input, Limits::default())?, input.clone()),
        None => Photos::Demo(demo_photos(home)?),
    };
    let runtimes = runtimes(args, home)?;
    fs::create_dir_all(&args.dir).map_err(&unwritable)?;

    let mut pack = Pack::new(&args.dir, args.part_size.0);
    pack.file(&program, "bin/facebench")?;
    pack.text(WRAPPER, "facebench", true)?;
    pack.text(GPU_VALIDATE, "scripts/gpu-validate", true)?;
    let photos = photos.pack(&mut pack, home)?;
    let detector = pack_network(&mut pack, &chosen.detector, args.detector.as_ref(), home)?;
    let recognizer = pack_network(&mut pack, &chosen.recognizer, args.recognizer.as_ref(), home)?;
    for (flavor, folder) in &runtimes {
        notify(&format!("packing the {} runtime", flavor.name()));
        let to = below(home, folder);
        pack.folder(folder, &to, !args.without_nvidia_libraries)?;
    }
    pack.text(&arguments(args, &detector, &recognizer), "arguments", false)?;
    let flavors: Vec<Flavor> = runtimes.iter().map(|(flavor, _)| *flavor).collect();
    pack.text(&next(&flavors, args.without_nvidia_libraries), "next", false)?;
    let contents = Contents {
        version: env!("CARGO_PKG_VERSION"),
        arch: std::env::consts::ARCH,
        runtimes: flavors
            .iter()
            .map(|flavor| PackedRuntime {
                flavor: flavor.name(),
                version: flavor.version(),
            })
            .collect(),
        without_nvidia_libraries: args.without_nvidia_libraries,
        detector,
        recognizer,
        photos,
    };
    if flavors.iter().any(|flavor| flavor.name() != Flavor::Cpu.name()) {
        [
            (&contents.detector, &chosen.detector),
            (&contents.recognizer, &chosen.recognizer),
        ]
        .into_iter()
        .filter(|(packed, _)| !packed.derived.contains(&Target::Fp16))
        .for_each(|(_, network)| warn(home, network));
    }
    pack.text(
        &serde_json::to_string_pretty(&contents).map_err(io::Error::from)?,
        "bundle.json",
        false,
    )?;
    let parts = pack.finish()?;

    fs::write(args.dir.join("unpack"), UNPACK).map_err(&unwritable)?;
    let sums = parts.iter().fold(String::new(), |mut text, part| {
        let _ = writeln!(text, "{}  {}", part.sha256, part.name);
        text
    });
    fs::write(args.dir.join(SUMS), sums).map_err(&unwritable)?;
    Ok(report(&args.dir, &parts, out)?)
}

fn requested(args: &BundleArgs) -> NetworkRequest {
    NetworkRequest {
        detector: args.detector.clone(),
        recognizer: args.recognizer.clone(),
        detector_input: InputChoice {
            canvas: args.canvas,
            ..args.detector_input.unwrap_or_default()
        },
        recognizer_input: args.recognizer_input.unwrap_or_default(),
        ..NetworkRequest::default()
    }
}

/// The folder of each requested runtime, installed if it is missing. The CPU's is always one: its answers are the
/// reference for all others.
fn runtimes(args: &BundleArgs, home: &Path) -> Result<Vec<(Flavor, PathBuf)>, Failure> {
    let installer = LibraryStore::of_process(home.to_path_buf());
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for flavor in std::iter::once(Flavor::Cpu).chain(args.flavors.iter().copied()) {
        if !seen.insert(flavor.name()) {
            continue;
        }
        let library = installer.install(flavor, &notify)?;
        let parent = home.join("runtimes");
        // A library's path has its links resolved.
        let parent = fs::canonicalize(&parent).map_err(Failure::output(&parent))?;
        let folder = library
            .path
            .strip_prefix(&parent)
            .ok()
            .and_then(|below| below.components().next())
            .map(|name| home.join("runtimes").join(name));
        let folder = folder.ok_or_else(|| {
            Failure::Usage(format!(
                "the {} runtime lies outside {} ({}) and cannot be packed; remove the link and run this again",
                flavor.name(),
                parent.shown(),
                library.path.shown()
            ))
        })?;
        list.push((flavor, folder));
    }
    Ok(list)
}

/// The photos of a bundle.
enum Photos {
    /// The user's, and their folder.
    Own(Survey, PathBuf),
    /// The demo's, in the folder of the home where the program expects them.
    Demo(PathBuf),
}

impl Photos {
    /// Packs them and returns their number.
    fn pack(&self, pack: &mut Pack, home: &Path) -> Result<usize, Failure> {
        match self {
            Self::Own(Survey { dataset, skipped }, folder) => {
                for (name, reason) in skipped {
                    notify(&format!("left out: {name}: {reason}"));
                }
                let to = Path::new("photos");
                for photo in &dataset.photos {
                    pack.file(&photo.path, to.join(&photo.name))?;
                }
                for name in BESIDE_PHOTOS {
                    let path = folder.join(name);
                    if path.is_file() {
                        pack.file(&path, to.join(name))?;
                    }
                }
                Ok(dataset.photos.len())
            }
            Self::Demo(folder) => {
                pack.folder(folder, &below(home, folder), true)?;
                Ok(Survey::of(folder, Limits::default())?.dataset.photos.len())
            }
        }
    }
}

/// Where a file of the home lies in the bundle.
fn below(home: &Path, path: &Path) -> PathBuf {
    Path::new("home").join(path.strip_prefix(home).unwrap_or(path))
}

/// Packs the network's file and what was made of it.
fn pack_network(
    pack: &mut Pack,
    network: &Network,
    given: Option<&NetworkName>,
    home: &Path,
) -> Result<PackedNetwork, Failure> {
    let word = if let Some(NetworkName::File { family, path }) = given {
        // Two files of one name may lie in two folders.
        let folder = Path::new("networks").join(network.role.to_string());
        let file = folder.join(path.file_name().unwrap_or(path.as_os_str()));
        pack.file(&network.path, &file)?;
        pack_external(pack, network, &folder)?;
        let family = family.map_or(String::new(), |family| format!("{family}:"));
        format!("{family}{}", file.to_string_lossy())
    } else {
        // The home's own: a network of the program, or one that was fetched.
        let file = below(home, &network.path);
        pack.file(&network.path, &file)?;
        pack_external(pack, network, files::folder_of(&file))?;
        network.name.clone()
    };
    let mut made = Vec::new();
    for target in Target::ALL.iter().copied() {
        if let Some(path) = derived::find(home, &network.sha256, target)? {
            for path in [path.with_extension("json"), path] {
                pack.file(&path, below(home, &path))?;
            }
            made.push(target);
        }
    }
    Ok(PackedNetwork {
        word,
        sha256: network.sha256.clone(),
        derived: made,
    })
}

/// Packs the files beside the network's that hold weights, beside it in `folder`.
fn pack_external(pack: &mut Pack, network: &Network, folder: &Path) -> Result<(), PackError> {
    let beside = files::folder_of(&network.path);
    network
        .external
        .iter()
        .try_for_each(|file| pack.file(&beside.join(file), folder.join(file)))
}

fn warn(home: &Path, network: &Network) {
    let missing = derived::missing(home, network, Target::Fp16, network);
    notify(&format!(
        "arms with precision=fp16 will not run from this bundle: {missing}"
    ));
}

/// The arguments that name the packed networks to every study, one per line; none for those inside the program.
fn arguments(args: &BundleArgs, detector: &PackedNetwork, recognizer: &PackedNetwork) -> String {
    let mut text = String::new();
    for (option, given, packed) in [
        ("--detector", &args.detector, detector),
        ("--recognizer", &args.recognizer, recognizer),
    ] {
        if given.is_some() {
            let _ = writeln!(text, "{option}\n{}", packed.word);
        }
    }
    if let Some((width, height)) = args.canvas {
        let _ = writeln!(text, "--canvas\n{width}x{height}");
    }
    for (option, input) in [
        ("--detector-input", args.detector_input),
        ("--recognizer-input", args.recognizer_input),
    ] {
        if let Some(input) = input {
            let _ = writeln!(text, "{option}\n{input}");
        }
    }
    text
}

/// What to type after unpacking.
fn next(flavors: &[Flavor], without_nvidia_libraries: bool) -> String {
    let runs_here = |backend: &&BackendDescriptor| {
        let provider = backend.provider().filter(|_| backend.is_accelerator());
        provider.is_some_and(|provider| flavors.iter().any(|flavor| provider.flavors().contains(flavor)))
    };
    let backend = BACKENDS
        .iter()
        .find(runs_here)
        .map_or(REFERENCE, |backend| backend.word);
    let mut text = String::new();
    if without_nvidia_libraries {
        let _ = writeln!(
            text,
            "    export FACEBENCH_NVIDIA_LIBS=DIR[:DIR]    # where this machine has CUDA's and cuDNN's libraries"
        );
    }
    let _ = writeln!(text, "    ./facebench devices");
    let _ = writeln!(text, "    scripts/gpu-validate --backend {backend} --out results");
    text
}

/// The summary.
fn report(dir: &Path, parts: &[PartFile], out: &mut dyn Write) -> io::Result<()> {
    let bytes: u64 = parts.iter().map(|part| part.length).sum();
    writeln!(
        out,
        "{} parts, {:.1} MB, with {SUMS} and unpack in {}",
        parts.len(),
        bytes as f64 / 1e6,
        dir.shown()
    )?;
    writeln!(out, "copy the folder to the other machine, then run: sh unpack")
}
