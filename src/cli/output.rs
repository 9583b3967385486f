//! Files that a command is asked to write: looked at before anything is made for them.

use std::io::ErrorKind;
use std::path::Path;

use runner::error::reason;

use super::failure::Failure;

/// Whether a file can be written where it is to be.
///
/// **Fails when** it is a folder, may not be replaced, or there is no folder for it that may be written in.
pub fn can_be_written(file: &Path) -> Result<(), Failure> {
    let refused = |path: &Path, why: &str| Err(Failure::Usage(format!("{}: {why}", path.display())));
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => return refused(file, "is a folder: name a file in it"),
        Ok(found) if !found.is_file() => return refused(file, "is no file, and is not replaced by one"),
        Ok(found) if found.permissions().readonly() => {
            return refused(file, "may only be read, and is left as it is: name another file");
        }
        _ => {}
    }
    if file.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return refused(file, "is the name of a folder: name a file");
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => refused(folder, "is no folder, and nothing can be written in it"),
        Ok(found) if found.permissions().readonly() => refused(folder, "may not be written in"),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => refused(folder, "there is no such folder: make it first"),
        Err(error) => refused(folder, &reason(&error)),
    }
}
