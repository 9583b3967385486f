//! Reading a pipeline: once, and never without end.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::reason;

/// A larger file is surely not a pipeline.
const LARGEST: u64 = 64 << 20;

/// A pipe from which nothing comes for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of a pipeline.
pub(super) struct Content {
    pub bytes: Vec<u8>,
    /// Where relative paths in it start: its folder, or, for a pipe, which has none, the current one.
    pub folder: PathBuf,
}

/// Reads a file or a pipe, or says why not.
pub(super) fn read(path: &Path) -> Result<Content, String> {
    // A pipe that nobody writes to would keep an ordinary open waiting.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = file.map_err(|error| reason(&error))?;
    let metadata = file.metadata().map_err(|error| reason(&error))?;
    let kind = metadata.file_type();
    let is_pipe = kind.is_fifo();
    if kind.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !kind.is_file() && !is_pipe {
        return Err("it is a device, and a pipeline must be a file or a pipe".to_owned());
    }
    let bytes = content(file, metadata.len())?;
    if is_pipe && bytes.is_empty() {
        return Err("it is a pipe that nothing was written to".to_owned());
    }
    let folder = path
        .parent()
        .filter(|folder| !is_pipe && !folder.as_os_str().is_empty());
    Ok(Content {
        bytes,
        folder: folder.unwrap_or(Path::new(".")).to_owned(),
    })
}

fn content(file: File, length: u64) -> Result<Vec<u8>, String> {
    let too_large = || Err(format!("a pipeline has at most {} MB", LARGEST >> 20));
    if length > LARGEST {
        return too_large();
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut file = file.take(LARGEST + 1);
    let mut last = Instant::now();
    loop {
        let before = bytes.len();
        let ended = match file.read_to_end(&mut bytes) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => return Err(reason(&error)),
        };
        if bytes.len() as u64 > LARGEST {
            return too_large();
        }
        if ended {
            return Ok(bytes);
        }
        if bytes.len() > before {
            last = Instant::now();
        } else if last.elapsed() > PATIENCE {
            return Err(format!("nothing came from this pipe for {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    #[test]
    fn devices_and_folders_are_refused_at_once() {
        for path in ["/dev/zero", "/dev/urandom", "/dev/null", "/", "/nowhere"] {
            let begun = Instant::now();
            assert!(read(Path::new(path)).is_err(), "{path}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{path}");
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_has_no_folder() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let text = "pipeline: p\n".repeat(20_000);
        let written = text.clone();
        let thread = std::thread::spawn(move || writer.write_all(written.as_bytes()));
        let content = read(Path::new(&path)).unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(content.bytes, text.as_bytes());
        assert_eq!(content.folder, Path::new("."));
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_does_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(read(&path).is_err_and(|reason| reason.contains("nothing was written")));
    }
}
