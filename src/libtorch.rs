//! Which libtorch the worker loads, and how many GPUs it may use: part of the fingerprint of trainings, so every plan
//! needs it. Asking a worker costs a third of a second, so its answer is kept in a file beside the tensor library, and
//! holds until the library, libtorch, or the visible GPUs change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runner::store::files::{Keep, replace};
use serde::{Deserialize, Serialize};

use crate::worker;

/// What a worker finds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libtorch {
    /// Version of libtorch.
    pub libtorch: String,
    /// GPUs that it can use.
    pub devices: usize,
    /// Model names of the GPUs.
    pub names: Vec<String>,
    /// Why its CUDA part is not loaded; empty where it is.
    #[serde(default)]
    pub without: String,
}

impl Libtorch {
    /// What of it the numbers of a worker depend on.
    pub fn environment(&self) -> BTreeMap<String, String> {
        [("libtorch".to_owned(), self.libtorch.clone())].into()
    }

    /// The GPUs as `CUDA_VISIBLE_DEVICES` takes them: those it names already, by number, `GPU-…` or `MIG-…`, or all.
    pub fn gpus(&self) -> Vec<String> {
        visible(std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref(), self.devices)
    }
}

/// The first `devices` of the GPUs in `preset`. CUDA itself counted those that it can use, and stops at the first name
/// that it does not know; so the usable ones come first.
fn visible(preset: Option<&str>, devices: usize) -> Vec<String> {
    match preset {
        Some(preset) => preset
            .split(',')
            .map(|name| name.trim().to_owned())
            .take(devices)
            .collect(),
        None => (0..devices).map(|number| number.to_string()).collect(),
    }
}

/// The answer with all that it depends on.
#[derive(Serialize, Deserialize)]
struct Kept {
    answer: Libtorch,
    /// The loaded libraries of libtorch, whose files are looked at again.
    libraries: Vec<PathBuf>,
    circumstances: Vec<String>,
}

/// Looks, at what was found before or through a worker.
pub fn look() -> Result<Libtorch, String> {
    let library = worker::find()?;
    let file = library.with_extension("probe.json");
    let kept = std::fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.circumstances == circumstances(&library, &kept.libraries)) {
        return Ok(kept.answer);
    }
    let (answer, libraries) = probe()?;
    let circumstances = circumstances(&library, &libraries);
    // A folder that cannot be written only means asking again.
    let kept = Kept {
        answer: answer.clone(),
        libraries,
        circumstances,
    };
    if let Ok(text) = serde_json::to_vec(&kept) {
        let _ = replace(&file, &text, Keep::Remakable);
    }
    Ok(answer)
}

/// Asks a worker process, as a run would start one.
fn probe() -> Result<(Libtorch, Vec<PathBuf>), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["worker", "--probe"])
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("the worker could not be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(said.trim().trim_start_matches("error: ").to_owned());
    }
    // The answer is two lines; libtorch may print lines of its own.
    let lines = || output.stdout.split(|byte| *byte == b'\n');
    let answer = lines().find_map(|line| serde_json::from_slice(line).ok());
    let libraries = lines().find_map(|line| serde_json::from_slice(line).ok());
    answer
        .zip(libraries)
        .ok_or_else(|| format!("the worker did not answer; it said: {}", said.trim()))
}

/// All that the answer depends on, without loading libtorch.
fn circumstances(library: &Path, libraries: &[PathBuf]) -> Vec<String> {
    let variables = [
        "LD_LIBRARY_PATH",
        "LIBTORCH",
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
    ];
    let mut all: Vec<String> = variables
        .iter()
        .map(|name| format!("{name}={:?}", std::env::var_os(name).unwrap_or_default()))
        .collect();
    // A GPU build would lie beside the CPU part that was loaded.
    let gpu = libraries
        .iter()
        .map(|library| library.with_file_name("libtorch_cuda.so"));
    let files = std::iter::once(library.to_owned())
        .chain(libraries.iter().cloned())
        .chain(gpu);
    all.extend(files.map(|file| format!("{} {}", file.display(), stamp(&file))));
    all.extend(
        (0..16)
            .map(|n| format!("/dev/nvidia{n}"))
            .filter(|device| Path::new(device).exists()),
    );
    all
}

/// Size, time and number of a file.
fn stamp(file: &Path) -> String {
    match std::fs::metadata(file) {
        Ok(file) => format!("{} {}.{} {}", file.size(), file.mtime(), file.mtime_nsec(), file.ino()),
        Err(_) => "absent".to_owned(),
    }
}

/// The libraries of libtorch that this process has loaded.
pub fn loaded() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps
        .lines()
        .filter_map(|line| line.split_once('/'))
        .map(|(_, path)| PathBuf::from(format!("/{path}")));
    let is_libtorch = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libtorch") || name.starts_with("libc10")
    };
    let mut libraries: Vec<PathBuf> = paths.filter(is_libtorch).collect();
    libraries.sort();
    libraries.dedup();
    libraries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_keep_the_names_they_were_given() {
        assert_eq!(visible(None, 2), ["0", "1"]);
        assert_eq!(visible(Some("3, 1"), 2), ["3", "1"]);
        let names = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-8932f937/1/2";
        assert_eq!(visible(Some(names), 2).join(","), names);
        // An unknown third name hides itself and what follows.
        assert_eq!(visible(Some("0,1,9,2"), 2), ["0", "1"]);
        assert!(visible(Some(""), 0).is_empty());
        assert!(visible(Some("-1"), 0).is_empty());
    }
}
