//! What is done with a shared cache: entries are looked up, fetched and put there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Address, Checked, Content, Entry, Mode, Name, Put, Remote, Setting, Trouble, is_entry};
use crate::store::{Damage, Hash256, Manifest, Store};

/// An entry has at most so many bytes: some hundred metrics take a hundredth of that.
const MOST_ENTRY: u64 = 64 << 20;

/// So many questions are asked at a time: each mostly waits.
const AT_A_TIME: usize = 32;

/// So many damaged entries are told one by one.
const TOLD: usize = 3;

/// A shared cache, as one process uses it. Where it does not answer it is not asked again.
#[derive(Debug)]
pub struct Shared {
    remote: Box<dyn Remote>,
    setting: Setting,
    known: Mutex<Known>,
}

/// What was found out about it.
#[derive(Debug, Default)]
struct Known {
    /// Whether it is read no more.
    is_shut: bool,
    /// Whether nothing more is put there.
    is_full: bool,
    /// Entries that are not to be had, though they are there or were.
    refused: HashSet<Hash256>,
    /// Contents that are not what they should be: to be written again by whoever has them.
    spoiled: HashSet<Hash256>,
    /// What is to be told, once.
    warnings: Vec<String>,
    damaged: Vec<String>,
}

/// What came of putting an entry there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was put there, with so many bytes of its outputs; what others have too was there.
    Written(u64),
    /// It was there.
    WasThere,
    /// It is not what was written, here: it stays here.
    Damaged,
    /// The cache takes nothing; why was told, or will be.
    Not,
}

/// What is in a shared cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Entries by kind.
    pub entries: BTreeMap<String, usize>,
    /// Files of outputs.
    pub objects: usize,
    /// Their bytes, and those of the entries.
    pub bytes: u64,
}

impl Shared {
    /// The cache that a setting names, at this place.
    pub fn new(setting: Setting, remote: Box<dyn Remote>) -> Self {
        Self {
            remote,
            setting,
            known: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.setting.address
    }

    /// What may be done with it.
    pub fn mode(&self) -> Mode {
        self.setting.mode
    }

    /// What there is to tell of it since this was last asked.
    pub fn warnings(&self) -> Vec<String> {
        let mut known = self.known();
        let mut warnings = std::mem::take(&mut known.warnings);
        let damaged = std::mem::take(&mut known.damaged);
        let more = damaged.len().saturating_sub(TOLD);
        warnings.extend(damaged.into_iter().take(TOLD));
        if more > 0 {
            warnings.push(format!("{more} more entries of the shared cache are damaged"));
        }
        warnings
    }

    /// What is in it.
    pub fn stock(&self) -> Result<Stock, String> {
        let mut stock = Stock::default();
        let listed = self.remote.list(&mut |key, bytes| {
            stock.bytes += bytes;
            if is_entry(key) {
                let kind = key.split('/').nth(2).unwrap_or_default();
                *stock.entries.entry(kind.to_owned()).or_default() += 1;
            } else {
                stock.objects += 1;
            }
        });
        listed.map(|()| stock).map_err(|trouble| trouble.to_string())
    }

    /// The entries of these kinds and fingerprints, as far as they are there.
    pub(crate) fn look(&self, wanted: &[(&str, Hash256)]) -> Vec<Option<Entry>> {
        side_by_side(wanted, |(kind, fingerprint)| self.entry(kind, fingerprint))
    }

    fn entry(&self, kind: &str, fingerprint: &Hash256) -> Option<Entry> {
        {
            let known = self.known();
            if known.is_shut || known.refused.contains(fingerprint) {
                return None;
            }
        }
        let name = Name::Entry { kind, fingerprint };
        let mut text = Checked::new(Vec::new(), MOST_ENTRY);
        match self.remote.get(&name, &mut text) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) if text.too_long => {}
            Err(trouble) => {
                self.shut(&trouble);
                return None;
            }
        }
        let entry = Entry::parse(kind, fingerprint, &text.to);
        if entry.is_none() {
            let mut known = self.known();
            known.refused.insert(*fingerprint);
            known.spoiled.insert(*fingerprint);
            known.damaged.push(format!(
                "{} in the shared cache is damaged and passed over",
                called(kind, fingerprint)
            ));
        }
        entry
    }

    /// Writes the outputs of an entry into a folder, each compared with its hash.
    pub(crate) fn fetch(&self, entry: &Entry, folder: &Path) -> Result<(), Damage> {
        let Manifest {
            kind,
            fingerprint,
            outputs,
            ..
        } = &entry.manifest;
        for output in outputs {
            if self.known().is_shut {
                return Err(Damage::Unfetched("the shared cache does not answer".to_owned()));
            }
            let name = Name::Object {
                kind,
                fingerprint,
                output,
            };
            let file = File::create_new(folder.join(&output.file));
            let here = |error: io::Error| Damage::Unreadable(output.file.clone(), crate::error::reason(&error));
            let mut content = Checked::new(file.map_err(here)?, output.identity.bytes);
            let got = self.remote.get(&name, &mut content);
            if let Some(error) = content.failed.take() {
                return Err(here(error));
            }
            match got {
                Ok(true) if content.hash() == output.sha256 => {}
                Err(trouble) if !content.too_long => {
                    self.shut(&trouble);
                    return Err(Damage::Unfetched(format!(
                        "the shared cache does not answer: {trouble}"
                    )));
                }
                Ok(false) => {
                    let why = format!("{} is no longer in the shared cache", output.file);
                    self.refuse(&entry.manifest, None);
                    return Err(Damage::Unfetched(why));
                }
                _ => {
                    let why = format!("{} in the shared cache is not what was written", output.file);
                    let told = format!("{}: {why}; it is made again", called(kind, fingerprint));
                    self.refuse(&entry.manifest, Some(told));
                    return Err(Damage::Unfetched(why));
                }
            }
        }
        Ok(())
    }

    /// Puts an entry of a store there.
    pub(crate) fn push(&self, store: &Store, kind: &str, fingerprint: &Hash256) -> Pushed {
        if self.setting.mode == Mode::Read || self.known().is_full {
            return Pushed::Not;
        }
        let Some(entry) = store.entry_here(kind, fingerprint) else {
            return Pushed::Damaged;
        };
        self.put_all(store, kind, fingerprint, &entry)
            .unwrap_or_else(|trouble| {
                if matches!(trouble, Trouble::Unreachable(_)) {
                    self.shut(&trouble);
                    return Pushed::Not;
                }
                let mut known = self.known();
                if !std::mem::replace(&mut known.is_full, true) && !known.is_shut {
                    let why = format!(
                        "nothing is put into the shared cache {}: {trouble}",
                        self.setting.address
                    );
                    known.warnings.push(why);
                }
                Pushed::Not
            })
    }

    fn put_all(&self, store: &Store, kind: &str, fingerprint: &Hash256, entry: &Entry) -> Result<Pushed, Trouble> {
        let name = Name::Entry { kind, fingerprint };
        let is_spoiled = |hash: &Hash256| self.known().spoiled.contains(hash);
        let outputs = &entry.manifest.outputs;
        let anew = is_spoiled(fingerprint) || outputs.iter().any(|output| is_spoiled(&output.sha256));
        if !anew && self.remote.size(&name)?.is_some() {
            return Ok(Pushed::WasThere);
        }
        let mut bytes = 0;
        for output in outputs {
            let object = Name::Object {
                kind,
                fingerprint,
                output,
            };
            let there = self.remote.size(&object)? == Some(output.identity.bytes);
            if there && !is_spoiled(&output.sha256) {
                continue;
            }
            // What is damaged here must not go there under the name of what was written.
            if store.verify(kind, fingerprint, output).is_err() {
                return Ok(Pushed::Damaged);
            }
            let path = store.folder(kind, fingerprint).join(&output.file);
            self.remote.put(&object, Content::File(&path), Put::Anyway)?;
            self.known().spoiled.remove(&output.sha256);
            bytes += output.identity.bytes;
        }
        let text = entry.to_text().map_err(|error| Trouble::Here(error.into()))?;
        // Of two that were made at the same time the first stays; both are whole.
        let place = if anew { Put::Anyway } else { Put::New };
        let written = self.remote.put(&name, Content::Bytes(text.as_bytes()), place)?;
        let mut known = self.known();
        known.spoiled.remove(fingerprint);
        known.refused.remove(fingerprint);
        Ok(if written {
            Pushed::Written(bytes)
        } else {
            Pushed::WasThere
        })
    }

    /// Whether an entry is not to be had.
    pub(crate) fn refuses(&self, fingerprint: &Hash256) -> bool {
        self.known().refused.contains(fingerprint)
    }

    /// Whether it is no more asked.
    pub fn is_shut(&self) -> bool {
        self.known().is_shut
    }

    /// An entry is not to be had. Whoever makes it again writes all of its files there anew: the others were not read.
    fn refuse(&self, manifest: &Manifest, told: Option<String>) {
        let mut known = self.known();
        known.refused.insert(manifest.fingerprint);
        known
            .spoiled
            .extend(manifest.outputs.iter().map(|output| output.sha256));
        known.damaged.extend(told);
    }

    /// It is not asked any more.
    fn shut(&self, trouble: &Trouble) {
        let mut known = self.known();
        if !std::mem::replace(&mut known.is_shut, true) {
            known.is_full = true;
            let address = &self.setting.address;
            known.warnings.push(match trouble {
                Trouble::Denied(why) => {
                    format!("the shared cache {address} may not be read: {why}; all goes on without it")
                }
                _ => format!("the shared cache {address} does not answer: {trouble}; all goes on without it"),
            });
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn called(kind: &str, fingerprint: &Hash256) -> String {
    format!("{kind} {}", fingerprint.short())
}

/// Does something for each of many, several at a time, and gives what came of each in their order.
pub(crate) fn side_by_side<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (next, most) = (AtomicUsize::new(0), AT_A_TIME.min(items.len()));
    let work = || {
        let mut done: HashMap<usize, R> = HashMap::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.insert(at, each(item));
        }
    };
    if most < 2 {
        return items.iter().map(each).collect();
    }
    let done: HashMap<usize, R> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..most).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    let mut done: Vec<(usize, R)> = done.into_iter().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
