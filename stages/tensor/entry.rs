//! The C interface of this library: the two functions that the program finds with `dlsym`, and the loading of CUDA.
//! The only unsafe code of the project besides the program's own `dlopen`.
#![expect(unsafe_code, reason = "a C interface, and dlopen")]

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Runs the request in the file `request` (a path, as a C string) and gives the exit code of the worker process.
///
/// # Safety
/// `request` must be null or point to a C string that lives until the function returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn actionfinder_worker(request: *const c_char) -> c_int {
    if request.is_null() {
        return 70;
    }
    // SAFETY: not null, and a C string by this function's contract.
    let path = unsafe { CStr::from_ptr(request) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    // A panic must not cross the C boundary; `serve` catches those of the body.
    std::panic::catch_unwind(|| runner::worker::serve(path, &crate::BODIES)).unwrap_or(70)
}

/// Prints one line of JSON about libtorch and its devices to stdout; gives 0.
#[unsafe(no_mangle)]
pub extern "C" fn actionfinder_probe_devices() -> c_int {
    std::panic::catch_unwind(|| {
        load_cuda();
        println!("{}", devices());
        0
    })
    .unwrap_or(70)
}

/// Loads libtorch's CUDA part if there is one. Nothing is linked against it, so that the same build runs where it is
/// absent; it must be loaded before the first tensor.
pub fn load_cuda() {
    // SAFETY: the name is a C string; the library's initialisers are libtorch's own and meant to run at load.
    let handle = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    // Absent is as good as present without a GPU: the processor is used, and `doctor` says so.
    let _ = handle;
}

/// What libtorch sees.
fn devices() -> serde_json::Value {
    let cuda = tch::Cuda::is_available();
    let count = if cuda { tch::Cuda::device_count() } else { 0 };
    serde_json::json!({
        // The binding refuses to build with any other version.
        "libtorch": "2.11.0",
        "cuda": cuda,
        "devices": count,
        "names": if cuda { gpu_names() } else { Vec::new() },
    })
}

/// Model names of the machine's NVIDIA GPUs, by the driver's list.
fn gpu_names() -> Vec<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus")
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<_> = folders.map(|folder| folder.path().join("information")).collect();
    paths.sort();
    let model = |text: String| {
        let line = text.lines().find(|line| line.starts_with("Model:"))?;
        Some(line.trim_start_matches("Model:").trim().to_owned())
    };
    paths
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .filter_map(model)
        .collect()
}
