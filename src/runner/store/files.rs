//! Files of a results folder: written whole or not at all, with the mode of the umask, never through a symbolic link.
//!
//! A file is written as a draft beside its place, and takes the place by one rename. Whoever writes a draft holds a lock
//! on it; so a draft that nobody holds was left by a process that died, and [`clear_drafts`] removes it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::named;

/// What the names of drafts begin with.
const DRAFT: &str = ".draft-";

/// What a power failure may do to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: it is on the disk before it takes its place.
    Durable,
    /// It may be damaged, is then found out by its checksum, and made again.
    Remakable,
}

/// Makes `path` a file with this content.
pub fn replace(path: &Path, content: &[u8], keep: Keep) -> io::Result<()> {
    let write = || {
        let mut draft = draft(path)?;
        draft.write_all(content)?;
        persist(draft, path, keep)
    };
    write().map_err(|error| named(path, &error))
}

/// Makes `path` the file that `write` writes at the path it is given.
pub fn replace_with(path: &Path, keep: Keep, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let draft = draft(path).map_err(|error| named(path, &error))?;
    write(draft.path())?;
    persist(draft, path, keep).map_err(|error| named(path, &error))
}

/// Makes `path` the file that `write` writes, durably; or only if there is none. Whether it was made.
pub(crate) fn put(
    path: &Path,
    only_new: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<bool> {
    let mut draft = draft(path)?;
    write(&mut draft)?;
    if !only_new {
        return persist(draft, path, Keep::Durable).map(|()| true);
    }
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(failed) => Err(failed.error),
    }
}

/// Writes a draft in a folder, and takes it away again.
pub fn try_writing(folder: &Path) -> io::Result<()> {
    let mut draft = draft(&folder.join("probe"))?;
    draft.write_all(b"ok")?;
    draft.close()
}

fn draft(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    loop {
        let draft = tempfile::Builder::new()
            .prefix(&format!("{DRAFT}{name}-"))
            // The umask takes away from it.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        // Where there are no locks, nobody clears up either; where it is held, someone who does was quicker, and removes it.
        let locked = flock(draft.as_file(), FlockOperation::NonBlockingLockExclusive);
        if locked == Err(Errno::WOULDBLOCK) {
            continue;
        }
        if is_at(draft.as_file(), draft.path()) {
            return Ok(draft);
        }
    }
}

fn persist(draft: NamedTempFile, path: &Path, keep: Keep) -> io::Result<()> {
    if keep == Keep::Durable {
        draft.as_file().sync_all()?;
    }
    draft.persist(path).map(drop).map_err(|failed| failed.error)
}

/// Whether `path` still names this open file.
pub fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}

/// Removes the drafts in a folder that nobody writes any more.
pub fn clear_drafts(folder: &Path) -> io::Result<()> {
    for path in entries(folder)? {
        if is_draft(&path) {
            clear_draft(&path)?;
        }
    }
    Ok(())
}

/// Whether a file is a draft, by its name.
pub fn is_draft(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(DRAFT)
}

/// Removes a draft if nobody holds it.
pub fn clear_draft(path: &Path) -> io::Result<()> {
    let Ok(file) = open(OpenOptions::new().read(true), path) else {
        return Ok(());
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && is_at(&file, path) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// What is in a folder; nothing if it is not there.
pub fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let found = match std::fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(named(folder, &error)),
    };
    found.map(|entry| Ok(entry?.path())).collect()
}

/// Opens a file that must be one: not a symbolic link, whose target would be written to, and not a pipe, which would wait.
///
/// On a network file system the name may still stand for a file that another machine has removed: it is then looked up anew.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    again(|| open_once(options, path))
}

/// Does what must be done anew where another machine has removed or replaced a file meanwhile, which only a network file system tells.
pub fn again<T>(work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    again_where(|error| error.kind() == io::ErrorKind::StaleNetworkFileHandle, work)
}

/// Does what must be done anew where an error will pass, for five seconds: machines remember names of a network file system for about one.
pub(super) fn again_where<T>(
    passes: impl Fn(&io::Error) -> bool,
    mut work: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    for pause in (0..10).map(|again| Duration::from_millis(5 << again)) {
        match work() {
            Err(error) if passes(&error) => std::thread::sleep(pause),
            done => return done,
        }
    }
    work()
}

fn open_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
        .bits()
        .cast_signed();
    let strange = |what: &str| io::Error::other(format!("it is {what}, where a file should be"));
    let file = options.custom_flags(flags).open(path).map_err(|error| {
        match std::fs::symlink_metadata(path).map(|found| found.file_type()) {
            Ok(kind) if kind.is_symlink() => strange("a symbolic link"),
            Ok(kind) if kind.is_fifo() => strange("a pipe"),
            Ok(kind) if kind.is_dir() => strange("a folder"),
            _ => error,
        }
    })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(strange("no plain file"))
    }
}

/// Puts whatever is at `path` aside, under a name that nothing has: `history.damaged-1.parquet`. Gives the new path.
pub fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    for number in 1.. {
        let aside = path.with_file_name(format!("{stem}.damaged-{number}.{ending}"));
        if std::fs::symlink_metadata(&aside).is_err() {
            return std::fs::rename(path, &aside)
                .map(|()| aside)
                .map_err(|error| named(path, &error));
        }
    }
    Err(io::Error::other("no name is free"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries(folder).unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_with_the_mode_of_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plain) = (folder.path().join("state.json"), folder.path().join("plain"));
        std::fs::write(&plain, "").unwrap();
        for keep in [Keep::Durable, Keep::Remakable] {
            replace(&path, b"one", keep).unwrap();
            let failed = replace_with(&path, keep, |draft| {
                std::fs::write(draft, "half")?;
                Err(io::Error::other("no more"))
            });
            assert_eq!(failed.unwrap_err().to_string(), "no more");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
            replace_with(&path, keep, |draft| std::fs::write(draft, "two")).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(names(folder.path()), ["plain", "state.json"], "no draft is left");
        let error = replace(&folder.path().join("no/file"), b"", Keep::Durable).unwrap_err();
        assert!(error.to_string().contains("no/file"), "{error}");
    }

    #[test]
    fn drafts_of_the_dead_are_removed_and_those_of_the_living_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        std::fs::write(folder.path().join(".draft-report.html-dead"), "half").unwrap();
        let written = replace_with(&path, Keep::Durable, |draft| {
            clear_drafts(folder.path())?;
            assert!(draft.exists());
            assert_eq!(names(folder.path()).len(), 1);
            std::fs::write(draft, "whole")
        });
        written.unwrap();
        assert_eq!(names(folder.path()), ["report.html"]);
    }

    #[test]
    fn links_pipes_and_folders_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(&target, path("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for (name, word) in [
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("folder", "folder"),
            ("pipe", "pipe"),
        ] {
            let error = open(OpenOptions::new().append(true).create(true), &path(name)).unwrap_err();
            assert!(error.to_string().contains(word), "{name}: {error}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        assert!(!path("nowhere").exists());
    }

    #[test]
    fn what_is_put_aside_keeps_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        for number in 1..3 {
            std::fs::create_dir(&path).unwrap();
            let aside = put_aside(&path).unwrap();
            assert_eq!(aside, folder.path().join(format!("history.damaged-{number}.parquet")));
        }
    }
}
