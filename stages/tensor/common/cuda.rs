//! Loading libtorch's CUDA part where there is one. Nothing is linked against it, so that the same build runs where it is absent.
//!
//! It is opened by its absolute path, and only from a folder of the libtorch that is loaded: by its bare name the system would
//! take the first of that name in `LD_LIBRARY_PATH`, of whatever version, and where a part of that is empty, from the working
//! folder.
#![expect(unsafe_code, reason = "dlopen")]

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const CPU: &str = "libtorch_cpu.so";
const CUDA: &str = "libtorch_cuda.so";

/// Loads it, once; must be called before the first tensor is made. Gives the reason if there is none, or it does not load.
pub fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(|| open(&find()?)).clone()
}

/// The library beside the libtorch that this process has loaded.
fn find() -> Result<PathBuf, String> {
    let loaded = loaded().ok_or_else(|| format!("{CPU} is not loaded from a file that can be found"))?;
    let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let libtorch = std::env::var_os("LIBTORCH").map(|folder| PathBuf::from(folder).join("lib"));
    let named = libtorch.into_iter().chain(std::env::split_paths(&path));
    let beside = loaded.parent().map(Path::to_owned).into_iter().chain(named);
    beside_libtorch(&loaded, beside).ok_or_else(|| format!("there is no {CUDA} beside {}", loaded.display()))
}

/// The CUDA part in the first of the folders that is absolute and holds the file `loaded` as its libtorch, itself or by a link.
fn beside_libtorch(loaded: &Path, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let same = |folder: &Path| {
        let (Ok(there), Ok(loaded)) = (folder.join(CPU).metadata(), loaded.metadata()) else {
            return false;
        };
        (there.dev(), there.ino()) == (loaded.dev(), loaded.ino())
    };
    let mut fitting = folders.filter(|folder| folder.is_absolute() && folder.join(CUDA).is_file() && same(folder));
    fitting.next().map(|folder| folder.join(CUDA))
}

/// There is no CUDA elsewhere.
#[cfg(not(target_os = "linux"))]
fn loaded() -> Option<PathBuf> {
    None
}

/// The file of libtorch that this process has loaded, as the system's loader knows it.
#[cfg(target_os = "linux")]
fn loaded() -> Option<PathBuf> {
    let mut found: Option<PathBuf> = None;
    let data: *mut Option<PathBuf> = &mut found;
    // SAFETY: `look` is called during this call only, with `data` as its last argument.
    unsafe { libc::dl_iterate_phdr(Some(look), data.cast()) };
    found
}

/// Keeps the path of a loaded library if it is libtorch's.
///
/// # Safety
/// `info` must be what `dl_iterate_phdr` gives, and `data` point to an `Option<PathBuf>`.
#[cfg(target_os = "linux")]
unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: libc::size_t, data: *mut libc::c_void) -> libc::c_int {
    // SAFETY: by this function's contract; a name is NULL or a C string.
    let (name, found) = unsafe { ((*info).dlpi_name, &mut *data.cast::<Option<PathBuf>>()) };
    if name.is_null() {
        return 0;
    }
    // SAFETY: not null, so a C string that lives while the library is loaded.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    if path.file_name() == Some(OsStr::new(CPU)) {
        *found = std::path::absolute(path).ok();
        return 1;
    }
    0
}

fn open(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "the path holds a NUL byte".to_owned())?;
    // SAFETY: `name` is a C string; the library's initialisers are libtorch's own and meant to run at load.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: dlerror gives NULL or a C string that lives until the next dl call of this thread; it is copied at once.
    let reason = unsafe {
        let message = libc::dlerror();
        let message = if message.is_null() {
            c"the system gives no reason"
        } else {
            CStr::from_ptr(message)
        };
        message.to_string_lossy().into_owned()
    };
    Err(format!("{} does not load: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_loaded_libtorch_is_found() {
        // A tensor, so that libtorch is surely loaded.
        assert_eq!(tch::Tensor::from_slice(&[1.0]).size(), [1]);
        let loaded = loaded().unwrap();
        assert!(loaded.is_absolute() && loaded.is_file(), "{}", loaded.display());
    }

    /// Whatever a search path holds, only what belongs to the loaded libtorch is taken.
    #[test]
    fn only_the_part_of_the_loaded_libtorch_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, files: &[&str]| {
            let folder = place.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            for file in files {
                std::fs::write(folder.join(file), name).unwrap();
            }
            folder
        };
        let own = folder("own", &[CPU]);
        let other = folder("other", &[CPU, CUDA]);
        let alone = folder("alone", &[CUDA]);
        let linked = folder("linked", &[CUDA]);
        std::os::unix::fs::symlink(own.join(CPU), linked.join(CPU)).unwrap();
        let loaded = own.join(CPU);
        let find = |folders: &[&Path]| beside_libtorch(&loaded, folders.iter().map(|folder| folder.to_path_buf()));
        assert_eq!(
            find(&[&own, &other, &alone, Path::new(""), Path::new("relative")]),
            None
        );
        assert_eq!(find(&[&other, &own, &linked]), Some(linked.join(CUDA)));
        std::fs::write(own.join(CUDA), "").unwrap();
        assert_eq!(find(&[&own, &linked]), Some(own.join(CUDA)));
    }
}
