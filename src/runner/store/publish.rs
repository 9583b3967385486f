//! Writing an entry: in a folder of its own, put on the disk, then moved into place by one rename. The order is that of
//! `commit`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Cached, Hash256, Identity, KeyLock, Manifest, OutputRecord, Store, TryLock, describe, files, record_of};
use crate::error::StageError;

/// An entry being written. Holds the lock of its fingerprint; what is not published is removed when dropped.
#[derive(Debug)]
pub struct Partial<'a> {
    store: &'a Store,
    fingerprint: Hash256,
    folder: PathBuf,
    /// `None` where the caller holds it.
    _lock: Option<KeyLock>,
}

impl Store {
    /// Tries to lock a fingerprint for writing.
    pub fn attempt_lock(&self, fingerprint: &Hash256) -> Result<TryLock, StageError> {
        let path = self.lock_path(fingerprint);
        KeyLock::attempt(&path).map_err(|error| StageError::io(path, error))
    }

    /// Begins an entry, in a folder of this attempt alone: whoever still writes for an earlier one writes elsewhere. What earlier
    /// attempts left goes: the lock says that their run is dead, and the caller has waited for its worker.
    pub fn begin(&self, fingerprint: Hash256, lock: KeyLock) -> Result<Partial<'_>, StageError> {
        self.begin_with(fingerprint, Some(lock))
    }

    /// The same; the caller holds the lock as long as the entry is written, or gives it.
    pub(super) fn begin_with(&self, fingerprint: Hash256, lock: Option<KeyLock>) -> Result<Partial<'_>, StageError> {
        let failed = |error| StageError::io(self.partial(), error);
        for earlier in files::entries(&self.partial()).map_err(failed)? {
            let name = earlier.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&fingerprint.hex()) {
                remove(&earlier)?;
            }
        }
        let folder = tempfile::Builder::new()
            .prefix(&format!("{fingerprint}."))
            // The umask takes away from it.
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(self.partial())
            .map_err(failed)?;
        Ok(Partial {
            store: self,
            fingerprint,
            folder: folder.keep(),
            _lock: lock,
        })
    }

    /// Deals with what dead processes left: entries that were finished but for the last rename are adopted, the rest is
    /// removed. What a live process works on is left alone. Gives the number adopted.
    pub(super) fn recover(&self) -> io::Result<usize> {
        let mut adopted = 0;
        for folder in files::entries(&self.partial())? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let Some(fingerprint) = name.get(..64).and_then(Hash256::parse) else {
                continue;
            };
            let Some((lock, _worker)) = self.both_locks(&fingerprint) else {
                continue;
            };
            match finished(&folder, &fingerprint).filter(|_| !name.ends_with(OLD)) {
                Some(manifest) => {
                    let partial = Partial {
                        store: self,
                        fingerprint,
                        folder,
                        _lock: Some(lock),
                    };
                    adopted += usize::from(partial.rename(&manifest).is_ok());
                }
                None => fs::remove_dir_all(&folder).map_err(|error| super::named(&folder, &error))?,
            }
        }
        Ok(adopted)
    }

    /// The lock of a fingerprint and that of its worker, if nobody holds either.
    pub(super) fn both_locks(&self, fingerprint: &Hash256) -> Option<(KeyLock, KeyLock)> {
        let held = |path: &Path| match KeyLock::attempt(path) {
            Ok(TryLock::Held(lock)) => Some(lock),
            Ok(TryLock::Busy(_)) | Err(_) => None,
        };
        Some((
            held(&self.lock_path(fingerprint))?,
            held(&self.worker_lock_path(fingerprint))?,
        ))
    }
}

/// How the name of an entry that was made again, and goes, ends.
const OLD: &str = ".old";

/// The manifest of a partial entry whose files are all there.
fn finished(folder: &Path, fingerprint: &Hash256) -> Option<Manifest> {
    let manifest = Manifest::parse(&fs::read(folder.join("manifest.json")).ok()?)?;
    let kept = fs::read(folder.join("fingerprint.json")).ok()?;
    let whole =
        |output: &OutputRecord| Hash256::of_file(&folder.join(&output.file)).is_ok_and(|hash| hash == output.sha256);
    let valid = manifest.fingerprint == *fingerprint && Hash256::of(kept) == *fingerprint;
    (valid && manifest.outputs.iter().all(whole)).then_some(manifest)
}

impl Partial<'_> {
    /// Where outputs are written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes what was written to it.
    pub fn empty(&self) -> Result<(), StageError> {
        for file in files::entries(&self.folder).map_err(|error| StageError::io(&self.folder, error))? {
            fs::remove_file(&file).map_err(|error| StageError::io(&file, error))?;
        }
        Ok(())
    }

    /// Describes an output; `None` if it was not written.
    pub fn describe(&self, file: &str) -> Result<Option<OutputRecord>, StageError> {
        let path = self.folder.join(file);
        let describe = || -> io::Result<OutputRecord> {
            let sha256 = Hash256::of_file(&path)?;
            Ok(OutputRecord {
                file: file.to_owned(),
                sha256,
                identity: Identity::of(&path)?,
            })
        };
        match describe() {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StageError::io(path, error)),
        }
    }

    /// Publishes the entry: fingerprint, then manifest, then the rename that makes it visible. Returns when it will be there after a
    /// power failure.
    pub fn publish(self, fingerprint: &str, manifest: &Manifest) -> Result<Cached, StageError> {
        let text = manifest.to_text().map_err(|error| StageError::Bug(error.to_string()))?;
        self.publish_as(fingerprint, manifest, &text)
    }

    /// The same, with the manifest as it was written elsewhere.
    pub(super) fn publish_as(self, fingerprint: &str, manifest: &Manifest, text: &str) -> Result<Cached, StageError> {
        debug_assert_eq!(Hash256::of(fingerprint), self.fingerprint);
        self.write("fingerprint.json", fingerprint.as_bytes())?;
        self.write("manifest.json", text.as_bytes())?;
        let outputs = manifest.outputs.iter().map(|output| output.file.as_str());
        let files = outputs.chain(["fingerprint.json", "manifest.json"]);
        let files = files.map(|file| self.folder.join(file));
        self.settle(files.chain([self.folder.clone()]).collect())?;
        self.rename(manifest)
    }

    fn settle(&self, paths: Vec<PathBuf>) -> Result<(), StageError> {
        let settled = self.store.commit.settle(paths);
        settled.map_err(|(path, error)| StageError::io(path, error))
    }

    fn write(&self, file: &str, content: &[u8]) -> Result<(), StageError> {
        let path = self.folder.join(file);
        fs::write(&path, content).map_err(|error| StageError::io(&path, error))
    }

    fn rename(self, manifest: &Manifest) -> Result<Cached, StageError> {
        let kinds = self.store.entries.join(&manifest.kind);
        let target = kinds.join(self.fingerprint.hex());
        let old = self.folder.with_file_name(format!("{}{OLD}", self.fingerprint));
        let is_first = !kinds.is_dir();
        fs::create_dir_all(&kinds).map_err(|error| StageError::io(&kinds, error))?;
        // An entry made again (forced, or damaged) first goes out of the way.
        remove(&old)?;
        match self.store.commit.rename(&target, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.unmoved(target, error)),
            _ => {}
        }
        let renamed = self.store.commit.rename(&self.folder, &target);
        renamed.map_err(|error| self.unmoved(target.clone(), error))?;
        let above = is_first.then(|| self.store.entries.clone());
        self.settle(above.into_iter().chain([kinds]).collect())?;
        let _ = fs::remove_dir_all(&old);
        let _ = fs::remove_dir_all(self.store.checkpoints(&self.fingerprint));
        let identity = Identity::of(&target.join("manifest.json")).map_err(|error| StageError::io(&target, error))?;
        let record = record_of(manifest, describe(&target, identity));
        // The index is an accelerator: failing to write it loses nothing.
        let _ = self.store.index.add_entry(self.fingerprint, &record);
        Ok(Cached::new(self.fingerprint, record))
    }

    fn unmoved(&self, target: PathBuf, error: io::Error) -> StageError {
        if error.kind() != io::ErrorKind::CrossesDevices {
            return StageError::io(target, error);
        }
        let (from, to) = (self.store.partial(), target.parent().unwrap_or(&target).to_owned());
        StageError::with_hint(
            format!("{} and {} are on two file systems", from.display(), to.display()),
            "outputs are moved between them by renaming: let all of cache/ be on one",
        )
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        // After publication the folder is no longer here. A failure to remove is made good by the next run.
        let _ = fs::remove_dir_all(&self.folder);
        // Only if it is empty: an attempt that saved no checkpoint leaves no folder for one.
        let _ = fs::remove_dir(self.store.checkpoints(&self.fingerprint));
    }
}

fn remove(folder: &Path) -> Result<(), StageError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StageError::io(folder, error)),
        _ => Ok(()),
    }
}
