//! One lock per fingerprint. The system releases the lock of a process that died, so nothing is left to clean.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct KeyLock {
    file: File,
    path: PathBuf,
}

/// What came of trying to lock.
#[derive(Debug)]
pub enum TryLock {
    /// The lock is ours.
    Held(KeyLock),
    /// Someone else holds it: who, as far as known.
    Busy(String),
}

impl KeyLock {
    /// Locks the file at `path` if nobody holds it.
    pub fn attempt(path: &Path) -> io::Result<TryLock> {
        loop {
            let mut file = open(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut holder = String::new();
                    // Who holds it is only for a message.
                    let _ = file.read_to_string(&mut holder);
                    return Ok(TryLock::Busy(holder.trim().to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
            if is_at(&file, path) {
                return Ok(TryLock::Held(Self::sign(file, path)));
            }
        }
    }

    /// Locks the file at `path`, waiting for whoever holds it.
    pub fn wait(path: &Path) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) if is_at(&file, path) => return Ok(Self::sign(file, path)),
                Ok(()) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes who holds the lock; only for messages, so a failure (a full disk) does not matter.
    fn sign(mut file: File, path: &Path) -> Self {
        let host = rustix::system::uname();
        let text = format!(
            "process {} on {}\n",
            std::process::id(),
            host.nodename().to_string_lossy()
        );
        let _ = file
            .rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(text.as_bytes()));
        Self {
            file,
            path: path.to_owned(),
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Removed while still locked: a process that opened the old file sees that it is gone and opens anew.
        let _ = std::fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Whether `path` still names this open file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_held_lock_is_busy_and_says_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let TryLock::Held(lock) = KeyLock::attempt(&path).unwrap() else {
            panic!("a fresh lock was busy")
        };
        match KeyLock::attempt(&path).unwrap() {
            TryLock::Busy(who) => assert!(who.starts_with(&format!("process {}", std::process::id())), "{who}"),
            TryLock::Held(_) => panic!("locked twice"),
        }
        drop(lock);
        assert!(matches!(KeyLock::attempt(&path).unwrap(), TryLock::Held(_)));
        assert!(!path.exists());
    }

    #[test]
    fn only_one_thread_is_inside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (inside, entries) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = KeyLock::wait(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        entries.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(entries.into_inner(), 400);
    }
}
