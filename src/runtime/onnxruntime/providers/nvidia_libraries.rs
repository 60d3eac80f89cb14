//! NVIDIA's libraries that ONNX Runtime's GPU providers load: found beside the runtime or in folders that the user names, and
//! loaded by path before it asks for them by name, so that no user needs `LD_LIBRARY_PATH`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use walkdir::WalkDir;

use crate::text::ShownPath;

/// Names a list of folders, separated as in PATH, that hold NVIDIA's libraries.
pub(super) const FOLDERS: &str = "FACEBENCH_NVIDIA_LIBS";

/// What is loaded and in which order: each after those that it needs itself. The names are stems, for numbers differ
/// between versions of CUDA.
const ORDER: &[&str] = &[
    "libcudart.so",
    "libnvrtc-builtins.so",
    "libnvrtc.so",
    "libnvJitLink.so",
    "libcublasLt.so",
    "libcublas.so",
    "libcufft.so",
    "libcurand.so",
    "libcudnn_graph.so",
    "libcudnn_ops.so",
    "libcudnn_cnn.so",
    "libcudnn_adv.so",
    "libcudnn_engines_precompiled.so",
    "libcudnn_engines_runtime_compiled.so",
    "libcudnn_heuristic.so",
    "libcudnn.so",
    "libnvinfer.so",
    "libnvinfer_plugin.so",
    "libnvonnxparser.so",
];

/// The folders in which NVIDIA's libraries may lie: those that the user names, then the `nvidia` folder that pip puts
/// beside ONNX Runtime's own, for this library or for any Python's.
pub(super) fn folders(library: &Path, named: Option<&std::ffi::OsStr>) -> Vec<PathBuf> {
    let named = named
        .map(|list| std::env::split_paths(list).collect())
        .unwrap_or_default();
    let beside = library
        .ancestors()
        .nth(3)
        .map(|site| vec![site.join("nvidia"), site.join("tensorrt_libs")])
        .unwrap_or_default();
    let all: Vec<PathBuf> = [named, beside].concat();
    all.into_iter()
        .filter(|folder| !folder.as_os_str().is_empty() && folder.is_dir())
        .collect()
}

/// The libraries below `folders` that the providers may ask for, in the order in which they are to be loaded. Of two
/// of one name, the first found counts.
pub(super) fn find(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: BTreeMap<(usize, String), PathBuf> = BTreeMap::new();
    for folder in folders {
        for entry in WalkDir::new(folder)
            .follow_links(true)
            .max_depth(4)
            .sort_by_file_name()
            .into_iter()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy();
            let place = ORDER.iter().position(|stem| {
                // `libcudart.so.13` and `libcudart.so` alike, but not `libcudart.so.13.0.96.debug`.
                name.strip_prefix(stem)
                    .is_some_and(|rest| rest.bytes().all(|b| b == b'.' || b.is_ascii_digit()))
            });
            if let Some(place) = place.filter(|_| entry.path().is_file()) {
                found
                    .entry((place, name.to_string()))
                    .or_insert_with(|| entry.path().to_owned());
            }
        }
    }
    found.into_values().collect()
}

/// Loads `libraries` for the rest of the process; answers which cannot be, with the loader's words. The
/// provider that needs one of them names it itself.
#[allow(unsafe_code)] // Loading a library runs its initialisers; these are NVIDIA's own, which the provider would load.
pub(super) fn preload(libraries: &[PathBuf]) -> Vec<String> {
    libraries
        .iter()
        .filter_map(|path| {
            // SAFETY: see above; the handle is given away, so that nothing is ever unloaded under the provider.
            match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
                Ok(library) => {
                    std::mem::forget(library);
                    None
                }
                Err(error) => Some(format!("{}: {error}", path.shown())),
            }
        })
        .collect()
}

/// Has threads that wait for the device sleep instead of spinning: they would burn the host cores that prepare photos.
/// Must be called before anything else of this process touches the device; where the driver cannot be asked, waiting stays
/// as it is.
#[allow(unsafe_code)] // The driver's own functions, with the types of `cuda.h` since CUDA 4; failures change nothing.
pub(super) fn wait_without_spinning() {
    /// `CU_CTX_SCHED_BLOCKING_SYNC`.
    const BLOCKING_SYNC: u32 = 4;
    type Init = unsafe extern "C" fn(u32) -> i32;
    type DeviceGet = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type SetFlags = unsafe extern "C" fn(i32, u32) -> i32;
    // SAFETY: the functions have these types in every driver; the library stays loaded for the rest of the process.
    unsafe {
        let Ok(driver) = Library::open(Some("libcuda.so.1"), RTLD_NOW | RTLD_GLOBAL) else {
            return;
        };
        if let (Ok(init), Ok(device_get), Ok(set_flags)) = (
            driver.get::<Init>(b"cuInit"),
            driver.get::<DeviceGet>(b"cuDeviceGet"),
            driver.get::<SetFlags>(b"cuDevicePrimaryCtxSetFlags_v2"),
        ) {
            let mut device = 0;
            if init(0) == 0 && device_get(&raw mut device, 0) == 0 {
                let _ = set_flags(device, BLOCKING_SYNC);
            }
        }
        std::mem::forget(driver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_beside_the_runtime_in_their_order() {
        let site = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = site.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let runtime = put("onnxruntime/capi/libonnxruntime.so.1.31.1");
        let cudnn = put("nvidia/cudnn/lib/libcudnn.so.9");
        let cublas = put("nvidia/cu13/lib/libcublas.so.13");
        let lt = put("nvidia/cu13/lib/libcublasLt.so.13");
        put("nvidia/cu13/lib/libnvblas.so.13");
        put("nvidia/cu13/lib/libcudart.so.13.sym");
        let folders = folders(&runtime, None);
        assert_eq!(folders, [site.path().join("nvidia")]);
        assert_eq!(find(&folders), [lt, cublas, cudnn]);
    }

    #[test]
    fn what_the_user_names_comes_first() {
        let site = tempfile::tempdir().unwrap();
        let [mine, beside] = ["mine", "nvidia/lib"].map(|folder| {
            let folder = site.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("libcudart.so.13"), "no library").unwrap();
            folder
        });
        let runtime = site.path().join("onnxruntime/capi/libonnxruntime.so");
        let list = std::env::join_paths([&mine, Path::new("/no/such")]).unwrap();
        let found = find(&folders(&runtime, Some(&list)));
        assert_eq!(found, [mine.join("libcudart.so.13")]);
        assert_ne!(found[0].parent(), Some(beside.as_path()));
        let problems = preload(&found);
        assert!(problems[0].contains("libcudart.so.13: "), "{problems:?}");
    }
}
