//! Clearing up after runs that were killed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Hash256, KeyLock, Store, files};

impl Store {
    /// Removes what dead runs left: partial entries, locks, drafts, folders of checkpoints that nobody needs. Entries that
    /// were finished but for the last rename are adopted. What a live process holds is left alone.
    pub fn clear_up(&self, pipeline: &str) -> io::Result<()> {
        self.check()?;
        self.recover()?;
        self.clear_checkpoints()?;
        let reports = self.pipeline_folder(pipeline);
        let cache = self.results().join("cache");
        let mut folders = vec![reports.clone(), cache.join("seals"), self.entries.clone()];
        folders.extend(files::entries(&reports.join("parts"))?);
        folders.push(cache.join("runs").join(pipeline));
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            files::clear_drafts(folder)?;
        }
        // Last: the work above takes locks itself.
        for lock in files::entries(&self.locks())? {
            // Taking it removes it, unless someone holds it.
            drop(KeyLock::attempt(&lock));
        }
        Ok(())
    }

    /// Removes folders of checkpoints that are empty, or whose stage is done.
    fn clear_checkpoints(&self) -> io::Result<()> {
        let folders = files::entries(&self.results().join("checkpoints"))?;
        if folders.is_empty() {
            return Ok(());
        }
        let kinds: Vec<PathBuf> = files::entries(&self.entries)?;
        let done = |name: &std::ffi::OsStr| kinds.iter().any(|kind| kind.join(name).join("manifest.json").is_file());
        let mut needless = HashSet::new();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default();
            let Some(fingerprint) = name.to_str().and_then(Hash256::parse) else {
                continue;
            };
            if !self.has_checkpoint(&fingerprint) || done(name) {
                needless.insert(fingerprint);
            }
        }
        for fingerprint in needless {
            // Whoever makes a checkpoint holds one of the locks.
            let Some(_locks) = self.both_locks(&fingerprint) else {
                continue;
            };
            let folder = self.checkpoints(&fingerprint);
            let removed = if self.has_checkpoint(&fingerprint) {
                fs::remove_dir_all(&folder)
            } else {
                fs::remove_dir(&folder)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(super::named(&folder, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}
