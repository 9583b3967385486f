//! Entries whose files are in a shared cache: what is known of them is kept here, and their files are fetched when they are read.
//!
//! ```text
//! results/cache/away/<kind>/<hash>.json   an entry of the shared cache, as it is kept there
//! ```
//!
//! Most inputs of stages that are fresh are never read again, and so they stay where they are. Without a shared cache none of this counts.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{self, Keep};
use super::index::Description;
use super::{Cached, Damage, Hash256, Identity, KeyLock, Lookup, Store, record_of};
use crate::error::{StageError, reason};
use crate::shared::{Entry, Pushed, Shared, side_by_side};

/// A shared cache below a store, with the entries that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Away {
    shared: Option<Arc<Shared>>,
    entries: Mutex<HashMap<Hash256, Arc<Entry>>>,
}

impl Away {
    fn entries(&self) -> MutexGuard<'_, HashMap<Hash256, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// The same, above a shared cache.
    pub fn above(self, shared: Option<Arc<Shared>>) -> Self {
        let away = Away {
            shared,
            ..Away::default()
        };
        Self { away, ..self }
    }

    /// The shared cache below it.
    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.away.shared.as_ref()
    }

    /// The folder of what is known of entries whose files are elsewhere.
    pub(super) fn away_folder(&self) -> PathBuf {
        self.results.join("cache").join("away")
    }

    pub(super) fn away_path(&self, kind: &str, fingerprint: &Hash256) -> PathBuf {
        self.away_folder().join(kind).join(format!("{fingerprint}.json"))
    }

    /// What is known of an entry of the shared cache; that is not asked.
    pub(super) fn away(&self, kind: &str, fingerprint: &Hash256) -> Option<Arc<Entry>> {
        let shared = self.away.shared.as_ref()?;
        if shared.refuses(fingerprint) {
            return None;
        }
        if let Some(entry) = self.away.entries().get(fingerprint) {
            return Some(entry.clone());
        }
        let text = fs::read(self.away_path(kind, fingerprint)).ok()?;
        let entry = Arc::new(Entry::parse(kind, fingerprint, &text)?);
        self.away.entries().insert(*fingerprint, entry.clone());
        Some(entry)
    }

    pub(super) fn look_away(&self, kind: &str, fingerprint: &Hash256) -> Lookup {
        match self.away(kind, fingerprint) {
            Some(entry) => Lookup::Found(Arc::new(known(&entry))),
            None => Lookup::Absent,
        }
    }

    /// Asks the shared cache for entries that are not here; it is then known which of them are there.
    pub(crate) fn ask(&self, wanted: &[(&str, Hash256)]) {
        let Some(shared) = &self.away.shared else { return };
        let found = shared.look(wanted);
        let mut entries = self.away.entries();
        for ((_, fingerprint), entry) in wanted.iter().zip(found) {
            entries.extend(entry.map(|entry| (*fingerprint, Arc::new(entry))));
        }
    }

    /// Keeps what is known of an entry, for those who come later. Where that cannot be written, they ask again.
    pub(crate) fn keep_away(&self, kind: &str, fingerprint: &Hash256) {
        let path = self.away_path(kind, fingerprint);
        if let Some(entry) = self.away(kind, fingerprint).filter(|_| !path.exists())
            && let Ok(text) = entry.to_text()
            && fs::create_dir_all(path.parent().unwrap_or(&path)).is_ok()
        {
            let _ = files::replace(&path, text.as_bytes(), Keep::Remakable);
        }
    }

    /// Whether the files of an entry are here, as far as its manifest tells.
    pub fn has(&self, kind: &str, fingerprint: &Hash256) -> bool {
        self.folder(kind, fingerprint).join("manifest.json").exists()
    }

    /// Has the files of an entry here, from the shared cache where they are not.
    pub fn bring(&self, kind: &str, fingerprint: &Hash256) -> Result<(), Damage> {
        if self.has(kind, fingerprint) {
            return Ok(());
        }
        match (&self.away.shared, self.away(kind, fingerprint)) {
            (Some(shared), Some(entry)) => self.fetch_missing(shared, &entry),
            // Whoever reads them finds out.
            _ => Ok(()),
        }
    }

    /// Has all that the shared cache has of these entries here; gives why each is not.
    pub fn take_in(&self, wanted: &[(&str, Hash256)]) -> Vec<Result<(), Damage>> {
        let missing = |(kind, fingerprint): &&(&str, Hash256)| !self.has(kind, fingerprint);
        let missing: Vec<(&str, Hash256)> = wanted.iter().filter(missing).copied().collect();
        self.ask(&missing);
        side_by_side(wanted, |(kind, fingerprint)| {
            self.bring(kind, fingerprint)?;
            match self.has(kind, fingerprint) {
                true => Ok(()),
                false => Err(Damage::Unfetched(
                    "it is not there, or not as it was written".to_owned(),
                )),
            }
        })
    }

    /// The same for many at once; each that cannot be had stays away.
    pub fn bring_all(&self, wanted: &[(&str, Hash256)]) {
        let away = |(kind, fingerprint): &&(&str, Hash256)| !self.has(kind, fingerprint);
        let away: Vec<&(&str, Hash256)> = wanted.iter().filter(away).collect();
        side_by_side(&away, |(kind, fingerprint)| drop(self.bring(kind, fingerprint)));
    }

    /// Has an entry that is damaged here anew from the shared cache, if it is there.
    pub(crate) fn bring_again(&self, kind: &str, fingerprint: &Hash256) -> Option<Cached> {
        self.away.shared.as_ref()?;
        let lock = KeyLock::wait(&self.lock_path(fingerprint)).ok()?;
        self.bring_holding(kind, fingerprint, &lock)
    }

    /// The same; the caller holds the lock of the fingerprint.
    pub(crate) fn bring_holding(&self, kind: &str, fingerprint: &Hash256, _lock: &KeyLock) -> Option<Cached> {
        let shared = self.away.shared.as_ref()?;
        self.ask(&[(kind, *fingerprint)]);
        let entry = self.away(kind, fingerprint)?;
        self.fetch(shared, &entry).ok()
    }

    fn fetch_missing(&self, shared: &Shared, entry: &Entry) -> Result<(), Damage> {
        let (kind, fingerprint) = (&entry.manifest.kind, &entry.manifest.fingerprint);
        self.prepare().map_err(|error| Damage::Unfetched(reason(&error)))?;
        let path = self.lock_path(fingerprint);
        let _lock = KeyLock::wait(&path).map_err(|error| unfetched(StageError::io(path, error)))?;
        // Someone else may have fetched or made it meanwhile.
        match self.lookup(kind, fingerprint) {
            Lookup::Found(cached) if cached.is_here => Ok(()),
            _ => self.fetch(shared, entry).map(drop),
        }
    }

    /// Writes an entry whose files are elsewhere. The lock of its fingerprint is held.
    fn fetch(&self, shared: &Shared, entry: &Entry) -> Result<Cached, Damage> {
        let (kind, fingerprint) = (&entry.manifest.kind, &entry.manifest.fingerprint);
        let partial = self.begin_with(*fingerprint, None).map_err(unfetched)?;
        let fetched = shared.fetch(entry, partial.folder());
        if shared.refuses(fingerprint) {
            let _ = fs::remove_file(self.away_path(kind, fingerprint));
        }
        fetched?;
        let mut manifest = entry.manifest.clone();
        for output in &mut manifest.outputs {
            let path = partial.folder().join(&output.file);
            output.identity = Identity::of(&path).map_err(|error| unfetched(StageError::io(path, error)))?;
        }
        let published = partial.publish_as(&entry.fingerprint_text, &manifest, &entry.manifest_text);
        let cached = published.map_err(unfetched)?;
        let _ = fs::remove_file(self.away_path(kind, fingerprint));
        Ok(cached)
    }

    /// An entry that is here, as a shared cache keeps it.
    pub(crate) fn entry_here(&self, kind: &str, fingerprint: &Hash256) -> Option<Entry> {
        let folder = self.folder(kind, fingerprint);
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        Entry::of(kind, fingerprint, read("manifest.json")?, read("fingerprint.json")?)
    }

    /// Puts an entry into the shared cache.
    pub fn push(&self, kind: &str, fingerprint: &Hash256) -> Pushed {
        let shared = self.away.shared.as_ref();
        shared.map_or(Pushed::Not, |shared| shared.push(self, kind, fingerprint))
    }

    /// Puts many entries there, several at a time, and gives what came of each.
    pub fn push_all(&self, entries: &[(String, Hash256)]) -> Vec<Pushed> {
        side_by_side(entries, |(kind, fingerprint)| self.push(kind, fingerprint))
    }

    /// What there is to tell of the shared cache since this was last asked.
    pub fn warnings(&self) -> Vec<String> {
        let shared = self.away.shared.as_ref();
        shared.map(|shared| shared.warnings()).unwrap_or_default()
    }
}

fn unfetched(error: StageError) -> Damage {
    Damage::Unfetched(error.to_string())
}

/// What is known of an entry without its files.
fn known(entry: &Entry) -> Cached {
    let of_text = |text: &str| Identity {
        bytes: text.len() as u64,
        ..Identity::NONE
    };
    let description = Description {
        manifest: of_text(&entry.manifest_text),
        fingerprint: of_text(&entry.fingerprint_text),
    };
    Cached {
        is_here: false,
        ..Cached::new(entry.manifest.fingerprint, record_of(&entry.manifest, description))
    }
}
