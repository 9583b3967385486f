//! Clearing up after runs that were killed.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Hash256, KeyLock, Lookup, Store, files};

impl Store {
    /// Removes what dead runs left: partial entries, locks, drafts, folders of checkpoints that nobody needs. Entries that
    /// were finished but for the last rename are adopted. What a live process holds is left alone.
    pub fn clear_up(&self, pipeline: &str) -> io::Result<()> {
        self.check()?;
        self.recover()?;
        self.clear_checkpoints()?;
        let reports = self.pipeline_folder(pipeline);
        let cache = self.results().join("cache");
        let mut folders = vec![reports.clone(), cache.join("seals")];
        folders.extend(self.own_folders());
        folders.extend(files::entries(&reports.join("parts"))?);
        folders.push(cache.join("runs").join(pipeline));
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            files::clear_drafts(folder)?;
        }
        crate::live::clear(&reports);
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
        let kinds: Vec<&str> = kinds.iter().filter_map(|kind| kind.file_name()?.to_str()).collect();
        // A damaged entry may be on its way to be made again.
        let done = |fingerprint: &Hash256| {
            let found = |kind: &&str| matches!(self.lookup(kind, fingerprint), Lookup::Found(_));
            kinds.iter().any(found)
        };
        let needless = |fingerprint: &Hash256| !self.has_checkpoint(fingerprint) || done(fingerprint);
        for folder in folders {
            let name = folder.file_name().and_then(|name| name.to_str());
            let Some(fingerprint) = name.and_then(Hash256::parse).filter(needless) else {
                continue;
            };
            // Whoever makes a checkpoint holds one of the locks, and may have made one just before.
            let Some(_locks) = self.both_locks(&fingerprint).filter(|_| needless(&fingerprint)) else {
                continue;
            };
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(super::named(&folder, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Those that are written, and those by which it is tried whether files can be written.
    #[test]
    fn no_draft_of_a_dead_run_stays_in_any_folder_of_the_store() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path());
        store.prepare().unwrap();
        let left: Vec<PathBuf> = store
            .own_folders()
            .iter()
            .map(|folder| folder.join(".draft-probe-a1B2c3"))
            .collect();
        left.iter().for_each(|path| fs::write(path, "ok").unwrap());
        store.clear_up("pipeline").unwrap();
        let there: Vec<&PathBuf> = left.iter().filter(|path| path.exists()).collect();
        assert_eq!(there, Vec::<&PathBuf>::new());
    }
}
