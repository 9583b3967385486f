//! One lock per fingerprint, and one that runs share and `gc` takes alone. The system releases the locks of a process
//! that died; the files it left are removed by whoever locks them next, or by [`Store::clear_up`](super::Store::clear_up).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::files::{self, is_at};

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

/// What came of one call of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Locked,
    Busy,
    /// It was interrupted; or the file is on a network file system, and was removed by another machine while this one waited.
    Again,
}

fn lock(file: &File, how: FlockOperation) -> io::Result<Tried> {
    match flock(file, how) {
        Ok(()) => Ok(Tried::Locked),
        Err(Errno::WOULDBLOCK) => Ok(Tried::Busy),
        Err(Errno::INTR | Errno::STALE | Errno::NOENT) => Ok(Tried::Again),
        Err(error) => Err(error.into()),
    }
}

impl KeyLock {
    /// Locks the file at `path` if nobody holds it.
    pub fn attempt(path: &Path) -> io::Result<TryLock> {
        loop {
            let mut file = open(path)?;
            match lock(&file, FlockOperation::NonBlockingLockExclusive)? {
                Tried::Locked if is_at(&file, path) => return Ok(TryLock::Held(Self::sign(file, path))),
                Tried::Locked | Tried::Again => {}
                Tried::Busy => {
                    let mut holder = String::new();
                    // Who holds it is only for a message.
                    let _ = file.read_to_string(&mut holder);
                    return Ok(TryLock::Busy(holder.trim().to_owned()));
                }
            }
        }
    }

    /// Locks the file at `path`, waiting for whoever holds it.
    pub fn wait(path: &Path) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            if let Tried::Locked = lock(&file, FlockOperation::LockExclusive)?
                && is_at(&file, path)
            {
                return Ok(Self::sign(file, path));
            }
        }
    }

    /// The locked file, for another process: it stays locked as long as that has it, even without this one.
    pub fn also(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes who holds the lock; only for messages, so a failure (a full disk) does not matter.
    fn sign(mut file: File, path: &Path) -> Self {
        let _ = file
            .rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(format!("{}\n", this_process()).as_bytes()));
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

/// A lock that many hold together. While one does, nobody has it [alone](Self::alone).
#[derive(Debug)]
pub struct SharedLock {
    file: File,
    path: PathBuf,
}

impl SharedLock {
    /// Takes part in the lock at `path`, waiting for whoever has it alone.
    pub fn share(path: &Path) -> io::Result<Self> {
        loop {
            let mut file = open(path)?;
            // With nobody else here, what dead holders wrote goes.
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                if is_at(&file, path) {
                    let _ = file.set_len(0);
                }
                // Not every network file system lets those in who wait when a lock becomes a shared one; all do when it is given back.
                let _ = flock(&file, FlockOperation::Unlock);
            }
            if let Tried::Locked = lock(&file, FlockOperation::LockShared)?
                && is_at(&file, path)
            {
                // Only for messages. One short write at the end of the file: lines of two processes stay apart.
                let _ = file
                    .seek(io::SeekFrom::End(0))
                    .and_then(|_| file.write_all(format!("{}\n", this_process()).as_bytes()));
                let path = path.to_owned();
                return Ok(Self { file, path });
            }
        }
    }

    /// Takes the lock for one alone, or says who holds it, as far as known.
    pub fn alone(path: &Path) -> io::Result<TryLock> {
        match KeyLock::attempt(path)? {
            TryLock::Busy(holders) => Ok(TryLock::Busy(living(&holders))),
            held => Ok(held),
        }
    }
}

impl Drop for SharedLock {
    fn drop(&mut self) {
        let alone = flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if alone && is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Of the lines that holders wrote, those that are not of a process of this host that is gone.
fn living(holders: &str) -> String {
    let here = format!(" on {}", host());
    let lives = |line: &&str| {
        let process = line.strip_prefix("process ").and_then(|rest| rest.strip_suffix(&here));
        process.is_none_or(|number| Path::new("/proc").join(number).exists())
    };
    holders.lines().filter(lives).collect::<Vec<_>>().join(", ")
}

/// Whether someone holds the lock at `path` alone. Nothing is written.
pub fn is_held(path: &Path) -> bool {
    let mut options = OpenOptions::new();
    let file = files::open(options.read(true), path);
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
}

/// The name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn this_process() -> String {
    format!("process {} on {}", std::process::id(), host())
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // Neither there nor made: on a network file system another machine removed it in between.
    let passes = |error: &io::Error| error.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir);
    files::again_where(passes, || files::open(&mut options, path))
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
    fn a_link_is_not_locked_and_its_target_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("key"), folder.path().join("target"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        for error in [
            KeyLock::attempt(&path).unwrap_err(),
            KeyLock::wait(&path).unwrap_err(),
            SharedLock::share(&path).unwrap_err(),
            SharedLock::alone(&path).unwrap_err(),
        ] {
            assert!(error.to_string().contains("symbolic link"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
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

    #[test]
    fn many_share_and_one_alone_shuts_them_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        std::fs::write(&path, "process 999999999 on nowhere\n").unwrap();
        let (first, second) = (SharedLock::share(&path).unwrap(), SharedLock::share(&path).unwrap());
        for held in [vec![first, second], vec![]] {
            match SharedLock::alone(&path).unwrap() {
                TryLock::Busy(who) => {
                    assert!(!held.is_empty());
                    assert!(who.starts_with(&format!("process {}", std::process::id())), "{who}");
                }
                TryLock::Held(_) => assert!(held.is_empty(), "shared and alone at once"),
            }
            drop(held);
            assert!(!path.exists());
        }
        assert_eq!(
            living(&format!("process 999999999 on {}\nprocess 1 on x", host())),
            "process 1 on x"
        );
    }

    #[test]
    fn sharing_and_being_alone_never_overlap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let (sharing, alone) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = SharedLock::share(&path).unwrap();
                        sharing.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(alone.load(Ordering::SeqCst), 0);
                        sharing.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
                scope.spawn(|| {
                    for _ in 0..50 {
                        if let TryLock::Held(lock) = SharedLock::alone(&path).unwrap() {
                            assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0);
                            assert_eq!(sharing.load(Ordering::SeqCst), 0);
                            alone.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
    }
}
