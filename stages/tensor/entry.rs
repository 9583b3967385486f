//! The C interface of this library: the two functions that the program finds with `dlsym`.
//! The only unsafe code of the project besides this, the loading of CUDA and the program's own `dlopen`.
#![expect(unsafe_code, reason = "a C interface")]

use std::ffi::c_int;

/// The number is that of the protocol between program and worker: a library of another one is told at once, and never waits for words that
/// do not come.
///
/// Serves the process `parent` and gives the exit code of the worker process.
#[unsafe(no_mangle)]
pub extern "C" fn actionfinder_worker_3(parent: u32) -> c_int {
    // A panic must not cross the C boundary; `serve` catches those of the body.
    std::panic::catch_unwind(|| runner::worker::serve(parent, &crate::bodies())).unwrap_or(70)
}

/// Prints one line of JSON about libtorch and its devices to stdout; gives 0.
#[unsafe(no_mangle)]
pub extern "C" fn actionfinder_probe_devices() -> c_int {
    std::panic::catch_unwind(|| {
        println!("{}", devices(crate::common::cuda::load()));
        0
    })
    .unwrap_or(70)
}

/// What libtorch sees, and why not more.
fn devices(loaded: Result<(), String>) -> serde_json::Value {
    let cuda = tch::Cuda::is_available();
    let count = if cuda { tch::Cuda::device_count() } else { 0 };
    serde_json::json!({
        // The binding refuses to build with any other version.
        "libtorch": "2.11.0",
        "cuda": cuda,
        "devices": count,
        "without": loaded.err().unwrap_or_default(),
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
