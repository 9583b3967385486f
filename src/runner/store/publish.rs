//! Writing an entry: in a folder of its own, made durable, then moved into place by one rename.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Cached, Hash256, Identity, KeyLock, Manifest, OutputRecord, Store, TryLock, index, record_of};
use crate::error::StageError;

/// An entry being written. Holds the lock of its fingerprint; what is not published is removed when dropped.
#[derive(Debug)]
pub struct Partial<'a> {
    store: &'a Store,
    fingerprint: Hash256,
    folder: PathBuf,
    _lock: KeyLock,
}

impl Store {
    /// Tries to lock a fingerprint for writing.
    pub fn attempt_lock(&self, fingerprint: &Hash256) -> Result<TryLock, StageError> {
        let path = self.lock_path(fingerprint);
        KeyLock::attempt(&path).map_err(|error| StageError::io(path, error))
    }

    /// Begins an entry, in an empty folder of this one attempt: a process left over from another one cannot reach it.
    pub fn begin(&self, fingerprint: Hash256, lock: KeyLock) -> Result<Partial<'_>, StageError> {
        let partial = self.partial();
        let failed = |error| StageError::io(&partial, error);
        fs::create_dir_all(&partial).map_err(failed)?;
        for earlier in fs::read_dir(&partial).map_err(failed)?.flatten() {
            if earlier.file_name().to_string_lossy().starts_with(&fingerprint.hex()) {
                remove(&earlier.path())?;
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // In two containers processes may have one number, and clocks may be set back: what is there already is not ours.
        let mut attempt = since.as_nanos();
        let folder = loop {
            let folder = partial.join(format!("{fingerprint}-{attempt:x}-{}", std::process::id()));
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => return Err(StageError::io(folder, error)),
            }
        };
        Ok(Partial {
            store: self,
            fingerprint,
            folder,
            _lock: lock,
        })
    }

    /// Deals with what dead processes left: entries that were finished but for the last rename are adopted, the rest is
    /// removed. What a live process works on is left alone. Gives the number adopted.
    pub fn recover(&self) -> io::Result<usize> {
        let mut adopted = 0;
        for found in fs::read_dir(self.partial())? {
            let folder = found?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let Some(fingerprint) = name.get(..64).and_then(Hash256::parse) else {
                continue;
            };
            let Ok(TryLock::Held(lock)) = KeyLock::attempt(&self.lock_path(&fingerprint)) else {
                continue;
            };
            let Ok(TryLock::Held(_worker)) = KeyLock::attempt(&self.worker_lock_path(&fingerprint)) else {
                continue;
            };
            match finished(&folder, &fingerprint).filter(|_| !name.ends_with(".old")) {
                Some(manifest) => {
                    let partial = Partial {
                        store: self,
                        fingerprint,
                        folder,
                        _lock: lock,
                    };
                    adopted += usize::from(partial.rename(&manifest).is_ok());
                }
                None => fs::remove_dir_all(&folder)?,
            }
        }
        Ok(adopted)
    }
}

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

    /// Makes an output durable and describes it; `None` if it was not written.
    pub fn seal(&self, file: &str) -> Result<Option<OutputRecord>, StageError> {
        let path = self.folder.join(file);
        let describe = || -> io::Result<OutputRecord> {
            File::open(&path)?.sync_all()?;
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

    /// Publishes the entry: fingerprint, then manifest, then the rename that makes it visible.
    pub fn publish(self, fingerprint: &str, manifest: &Manifest) -> Result<Cached, StageError> {
        debug_assert_eq!(Hash256::of(fingerprint), self.fingerprint);
        self.write("fingerprint.json", fingerprint.as_bytes())?;
        let text = manifest.to_text().map_err(|error| StageError::Bug(error.to_string()))?;
        self.write("manifest.json", text.as_bytes())?;
        sync_folder(&self.folder)?;
        self.rename(manifest)
    }

    fn write(&self, file: &str, content: &[u8]) -> Result<(), StageError> {
        let path = self.folder.join(file);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|error| StageError::io(&path, error))
    }

    fn rename(self, manifest: &Manifest) -> Result<Cached, StageError> {
        let kinds = self.store.entries.join(&manifest.kind);
        let target = kinds.join(self.fingerprint.hex());
        let old = self.folder.with_file_name(format!("{}.old", self.fingerprint));
        fs::create_dir_all(&kinds).map_err(|error| StageError::io(&kinds, error))?;
        // An entry made again (forced, or damaged) first goes out of the way.
        remove(&old)?;
        match fs::rename(&target, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StageError::io(target, error)),
            _ => {}
        }
        fs::rename(&self.folder, &target).map_err(|error| StageError::io(&target, error))?;
        sync_folder(&kinds)?;
        let _ = fs::remove_dir_all(&old);
        let identity = Identity::of(&target.join("manifest.json")).map_err(|error| StageError::io(&target, error))?;
        let record: index::Record = record_of(manifest, identity);
        // The index is an accelerator: failing to write it loses nothing.
        let _ = self.store.index.add_entry(self.fingerprint, record.clone());
        Ok(Cached::new(self.fingerprint, record))
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        // After publication the folder is no longer here. A failure to remove is made good by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn remove(folder: &Path) -> Result<(), StageError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StageError::io(folder, error)),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), StageError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| StageError::io(folder, error))
}
