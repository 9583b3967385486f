//! The worker's side of the door to libtorch: finds the library of the tensor stages, loads it, calls it.
//!
//! The program itself never links libtorch, because loading it costs a third of a second. Stages that need it run in
//! a process of their own, `actionfinder worker`, and only that process comes through here.
//!
//! This is the one module of the program with `unsafe` code. What makes it sound: the library is the one built from
//! `stages/tensor` of the same workspace, its entry points have the C signatures named below, and it stays loaded until
//! the process ends.

use std::env;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names the library, for a program that was moved away from it.
pub const LIBRARY_VARIABLE: &str = "ACTIONFINDER_TENSOR_LIBRARY";

const LIBRARY: &str = if cfg!(target_os = "macos") {
    "libtensor_stages.dylib"
} else {
    "libtensor_stages.so"
};

/// Serves the process `parent` with the bodies of the library, and gives the exit code.
pub fn serve(parent: u32) -> Result<i32, String> {
    Library::open(&find()?)?.serve(parent)
}

/// Lets libtorch print what it is and which devices it sees, as one line of JSON.
pub fn probe() -> Result<(), String> {
    match Library::open(&find()?)?.probe()? {
        0 => Ok(()),
        code => Err(format!("libtorch did not answer (code {code})")),
    }
}

/// Where cargo puts the library; nothing in a program that is given away.
const BUILT: Option<&str> = option_env!("ACTIONFINDER_LIBRARIES");

/// Where the library is: named by the environment, in the build's `deps/`, beside the program, in the `lib/` of an installation, or where it
/// was built: `cargo install` takes the program alone.
pub fn find() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os(LIBRARY_VARIABLE).filter(|named| !named.is_empty()) {
        // The loader searches for a name without a folder elsewhere, and a worker may be in another folder.
        let named = std::path::absolute(named).map_err(|error| format!("{LIBRARY_VARIABLE}: {error}"))?;
        let missing = format!(
            "{LIBRARY_VARIABLE} names {}, and there is no such file",
            named.display()
        );
        return if named.is_file() { Ok(named) } else { Err(missing) };
    }
    let program = env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))?;
    let folder = program.parent().unwrap_or(Path::new("."));
    // Every build writes the one in deps/; `cargo test` leaves a copy beside the program as it was.
    let installed = folder.join("../lib/actionfinder");
    let built = BUILT.map(PathBuf::from);
    let places = [folder.join("deps"), folder.to_owned(), installed]
        .into_iter()
        .chain(built.clone());
    let mut places = places.map(|place| place.join(LIBRARY));
    places.find(|place| place.is_file()).ok_or_else(|| {
        let also = built.map(|built| format!(", nor where it was built, {}", built.display()));
        format!(
            "the library of the network stages, {LIBRARY}, is neither in {} nor in its deps/{}; build the project again: cargo build, or cargo \
             install --path . --locked in the checkout, whose folder target/ must stay",
            folder.display(),
            also.unwrap_or_default()
        )
    })
}

/// A loaded library of tensor stages.
struct Library {
    handle: *mut c_void,
    path: PathBuf,
}

#[expect(unsafe_code, reason = "a library that is not linked has to be called through dlopen")]
impl Library {
    fn open(path: &Path) -> Result<Self, String> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "the path holds a NUL byte".to_owned())?;
        // SAFETY: `name` is a C string. The library's initialisers are libtorch's own.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if handle.is_null() {
            return Err(format!("cannot load {}: {}", path.display(), last_error()));
        }
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    fn symbol(&self, name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: `handle` came from dlopen and is never closed; `name` is a C string.
        let symbol = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        if symbol.is_null() {
            let (path, name) = (self.path.display(), name.to_string_lossy());
            return Err(format!("{path} has no {name}; it is of another version: cargo build"));
        }
        Ok(symbol)
    }

    fn serve(&self, parent: u32) -> Result<i32, String> {
        let symbol = self.symbol(c"actionfinder_worker_3")?;
        // SAFETY: `actionfinder_worker_3` is defined in stages/tensor with this signature.
        let entry: extern "C" fn(u32) -> c_int = unsafe { std::mem::transmute(symbol) };
        Ok(entry(parent))
    }

    fn probe(&self) -> Result<i32, String> {
        let symbol = self.symbol(c"actionfinder_probe_devices")?;
        // SAFETY: `actionfinder_probe_devices` is defined in stages/tensor with this signature.
        let entry: extern "C" fn() -> c_int = unsafe { std::mem::transmute(symbol) };
        Ok(entry())
    }
}

#[expect(unsafe_code, reason = "dlerror has no safe form")]
fn last_error() -> String {
    // SAFETY: dlerror gives NULL or a C string that lives until the next dl call of this thread.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "the system gives no reason".to_owned();
    }
    // SAFETY: as above; it is copied at once.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}
