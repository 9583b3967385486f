//! Removing what no pipeline's newest results need.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::state::State;
use super::{Hash256, KeyLock, Store, TryLock};

/// A cache entry or checkpoint folder that no pipeline's state names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its fingerprint.
    pub fingerprint: Hash256,
    /// Its folder.
    pub folder: PathBuf,
    /// Size of its files.
    pub bytes: u64,
}

impl Store {
    /// Entries and checkpoints that no `state.json` under the results folder names.
    pub fn unused(&self) -> io::Result<Vec<Unused>> {
        let mut used = HashSet::new();
        for pipeline in folders(&self.results)? {
            used.extend(State::load(&pipeline).stages.values().map(|last| last.hash));
        }
        let mut candidates = folders(&self.results.join("checkpoints"))?;
        for kind in folders(&self.entries)? {
            candidates.extend(folders(&kind)?);
        }
        let mut unused = Vec::new();
        for folder in candidates {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let Some(fingerprint) = Hash256::parse(&name) else {
                continue;
            };
            if !used.contains(&fingerprint) {
                unused.push(Unused {
                    fingerprint,
                    bytes: size(&folder)?,
                    folder,
                });
            }
        }
        unused.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(unused)
    }

    /// Removes entries, but for those that someone works on now. Gives the bytes set free.
    pub fn remove(&self, unused: &[Unused]) -> io::Result<u64> {
        self.prepare()?;
        let mut freed = 0;
        for entry in unused {
            let TryLock::Held(_lock) = KeyLock::attempt(&self.lock_path(&entry.fingerprint))? else {
                continue;
            };
            let worker = self.worker_lock_path(&entry.fingerprint);
            let TryLock::Held(_worker) = KeyLock::attempt(&worker)? else {
                continue;
            };
            // The manifest goes first: a removal that is cut short leaves no entry that looks valid.
            let _ = fs::remove_file(entry.folder.join("manifest.json"));
            fs::remove_dir_all(&entry.folder)?;
            freed += entry.bytes;
        }
        Ok(freed)
    }
}

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}
