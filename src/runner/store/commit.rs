//! Group commit: what several stages wrote is put on the disk together.
//!
//! An entry is published in this order, which the end of the program or of the power can cut short anywhere:
//!
//! 1. Its files are written in a folder of its own, the manifest last.
//! 2. They and the folder are put on the disk.
//! 3. One rename makes it visible.
//! 4. The folder that it now is in is put on the disk. Only then the stage is said to have ended, and others read its outputs.
//!
//! So whoever sees an entry sees a whole one, and what was said to have ended is there after the power was cut. Between 2 and 4 an entry
//! is whole in one of the two places; the next run adopts what it finds in the first.
//!
//! Steps 2 and 4 wait for the disk, for some milliseconds each time, however much there is to write. So stages that come to them
//! while the disk is busy with others wait together, and then one of them has everything written at once. A stage that comes
//! alone has only its own files written: all else that the machine may have to write is then no matter of ours.

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// What of the file system the order above is about.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Puts all that was written so far on the disk; `false` if that cannot be done, or cannot be told.
    fn sync_all(&self) -> bool;
    /// Puts a file, or the names in a folder, on the disk.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Gives a folder another place.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The disk that a folder is on.
#[derive(Debug)]
pub(crate) struct DiskOf {
    folder: PathBuf,
    /// The folder, opened, where all of its file system can be written at once.
    whole: OnceLock<Option<File>>,
}

impl DiskOf {
    pub fn new(folder: PathBuf) -> Self {
        let whole = OnceLock::new();
        Self { folder, whole }
    }
}

impl Disk for DiskOf {
    fn sync_all(&self) -> bool {
        let whole = self.whole.get_or_init(|| open_whole(&self.folder));
        whole.as_ref().is_some_and(sync_whole)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
}

/// File systems, by the numbers of `statfs`, for which `syncfs` is known to wait for the disk and to tell errors: ext, XFS, Btrfs,
/// F2FS, tmpfs, overlayfs.
#[cfg(target_os = "linux")]
const KNOWN: [u64; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994, 0x794C_7630];

#[cfg(target_os = "linux")]
fn open_whole(folder: &Path) -> Option<File> {
    // Before Linux 5.8 it told no errors.
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let is_new = (numbers.next()?, numbers.next()?) >= (5, 8);
    let file = File::open(folder).ok()?;
    let kind = rustix::fs::fstatfs(&file).ok()?.f_type;
    (is_new && KNOWN.contains(&u64::try_from(kind).ok()?)).then_some(file)
}

#[cfg(target_os = "linux")]
fn sync_whole(file: &File) -> bool {
    rustix::fs::syncfs(file).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn open_whole(_: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn sync_whole(_: &File) -> bool {
    false
}

/// Those who wait for the disk.
#[derive(Debug)]
pub(crate) struct Commit {
    disk: Box<dyn Disk>,
    waiting: Mutex<Waiting>,
    served: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Paths to be put on the disk, by number of who asked.
    asked: Vec<(u64, Vec<PathBuf>)>,
    done: HashMap<u64, Result<(), Failed>>,
    next: u64,
    /// Whether someone is having the paths of a group written.
    busy: bool,
}

/// A path that could not be put on the disk.
pub(crate) type Failed = (PathBuf, io::Error);

impl Commit {
    pub fn new(disk: impl Disk + 'static) -> Self {
        Self {
            disk: Box::new(disk),
            waiting: Mutex::default(),
            served: Condvar::new(),
        }
    }

    /// Returns when these files and folders are on the disk, as they are now.
    pub fn settle(&self, paths: Vec<PathBuf>) -> Result<(), Failed> {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.asked.push((number, paths));
        loop {
            if let Some(result) = waiting.done.remove(&number) {
                return result;
            }
            if waiting.busy {
                waiting = self.served.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            waiting.busy = true;
            let group = std::mem::take(&mut waiting.asked);
            drop(waiting);
            let done = self.write(group);
            waiting = self.lock();
            waiting.done.extend(done);
            waiting.busy = false;
            self.served.notify_all();
        }
    }

    fn write(&self, group: Vec<(u64, Vec<PathBuf>)>) -> Vec<(u64, Result<(), Failed>)> {
        // Where it fails, each learns whether it is about its own files.
        if group.len() > 1 && self.disk.sync_all() {
            return group.into_iter().map(|(number, _)| (number, Ok(()))).collect();
        }
        let each = |paths: Vec<PathBuf>| {
            let sync = |path: PathBuf| self.disk.sync(&path).map_err(|error| (path, error));
            paths.into_iter().try_for_each(sync)
        };
        group.into_iter().map(|(number, paths)| (number, each(paths))).collect()
    }

    /// See [`Disk::rename`].
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A disk that takes its time: says when it begins, and goes on when it is let.
    #[derive(Debug)]
    struct Slow {
        log: Arc<Mutex<Vec<String>>>,
        begun: Sender<()>,
        go: Mutex<Receiver<()>>,
        can_sync_all: bool,
    }

    impl Slow {
        fn wait(&self, what: String) {
            self.begun.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
            self.log.lock().unwrap().push(what);
        }
    }

    impl Disk for Slow {
        fn sync_all(&self) -> bool {
            if self.can_sync_all {
                self.wait("all".to_owned());
            }
            self.can_sync_all
        }

        fn sync(&self, path: &Path) -> io::Result<()> {
            let name = path.display().to_string();
            self.wait(name.clone());
            if name == "bad" {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        }

        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    /// One comes alone; those that come while the disk is busy are served together, each with its own result.
    #[test]
    fn those_who_come_meanwhile_are_served_together() {
        for can_sync_all in [true, false] {
            let log = Arc::new(Mutex::new(Vec::new()));
            let ((begun, has_begun), (let_go, go)) = (channel(), channel());
            let commit = Commit::new(Slow {
                log: log.clone(),
                begun,
                go: Mutex::new(go),
                can_sync_all,
            });
            let settle = |name: &str| commit.settle(vec![PathBuf::from(name)]);
            std::thread::scope(|scope| {
                let first = scope.spawn(|| settle("first"));
                has_begun.recv().unwrap();
                let others = ["a", "bad", "c"].map(|name| scope.spawn(move || settle(name)));
                while commit.lock().asked.len() < 3 {
                    std::thread::yield_now();
                }
                for _ in 0..4 {
                    let_go.send(()).unwrap();
                }
                assert!(first.join().unwrap().is_ok());
                let results = others.map(|other| other.join().unwrap());
                let failed: Vec<_> = results.iter().map(Result::is_err).collect();
                // Where everything is written at once there is no bad one.
                assert_eq!(failed, [false, !can_sync_all, false]);
            });
            let mut log = log.lock().unwrap().clone();
            log[1..].sort();
            let expected: &[&str] = if can_sync_all {
                &["first", "all"]
            } else {
                &["first", "a", "bad", "c"]
            };
            assert_eq!(log, expected);
        }
    }
}
