//! Reading a crate that someone handed over: nothing of it is believed before its hash is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use runner::error::reason;
use runner::fingerprint::STORE_VERSION;
use runner::shared::{Checked, Content, Entry, Name, Put, Remote, Trouble};
use runner::spec::is_pipeline_name;
use runner::store::Hash256;
use zip::ZipArchive;

use super::LOCK;
use super::lock::{FORMAT, Lock, LockedFile};

/// The lock has at most so many bytes: one of a million files has fewer.
const MOST_LOCK: u64 = 512 << 20;

/// A crate.
pub struct Crate {
    path: PathBuf,
    archive: Mutex<ZipArchive<io::BufReader<File>>>,
    lock: Lock,
}

impl std::fmt::Debug for Crate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crate")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Crate {
    /// Opens one, and checks that it has the files that its lock names, with their sizes, and no others. No content is read.
    pub fn open(path: &Path) -> Result<Self, String> {
        let wrong = |what: &str| format!("{}: {what}", path.display());
        let file = File::open(path).map_err(|error| wrong(&reason(&error)))?;
        let archive = ZipArchive::new(io::BufReader::new(file));
        let mut archive = archive.map_err(|_| wrong("it is no zip file, or is cut off"))?;
        if archive.has_duplicate_names() {
            return Err(wrong("it has a file twice"));
        }
        if archive.has_overlapping_files().unwrap_or(true) {
            return Err(wrong(
                "its files overlap, as in a file that grows without end when it is unpacked",
            ));
        }
        let mut found = BTreeSet::new();
        for index in 0..archive.len() {
            let file = archive
                .by_index_raw(index)
                .map_err(|_| wrong("its list of files is damaged"))?;
            let name = file.name().map_err(|_| wrong("a name in it is no text"))?.into_owned();
            let refused = |why: &str| wrong(&format!("{}: {why}", shown(&name)));
            if !is_inside(&name) {
                return Err(refused("it would be written outside of the folder it is unpacked to"));
            }
            if file.is_dir() || file.is_symlink() {
                return Err(refused("only plain files are taken"));
            }
            if file.encrypted() {
                return Err(refused("it is encrypted"));
            }
            found.insert((name, file.size()));
        }
        let lock = read_lock(&mut archive).ok_or_else(|| {
            wrong("it has no lock.json as it was written: it is no crate of this program, or was changed")
        })?;
        if lock.format != FORMAT {
            return Err(wrong(&format!(
                "its form {} is of another version of this program, which reads {FORMAT}",
                lock.format
            )));
        }
        // Folders of results have these names.
        let kinds = lock.stages.iter().map(|stage| &stage.kind);
        if let Some(name) = kinds.chain([&lock.pipeline]).find(|name| !is_pipeline_name(name)) {
            return Err(wrong(&format!(
                "it has results of {}, which no pipeline and no kind of stage is called",
                shown(name)
            )));
        }
        found.retain(|(name, _)| name != LOCK);
        let named: BTreeSet<(String, u64)> = lock
            .files
            .iter()
            .map(|(name, file)| (name.clone(), file.bytes))
            .collect();
        if let Some((name, bytes)) = found.difference(&named).next() {
            return Err(wrong(&match lock.files.get(name) {
                Some(file) => format!(
                    "{name} has {bytes} bytes, and {} were written: it was changed",
                    file.bytes
                ),
                None => format!("{} is not in its lock: it was added", shown(name)),
            }));
        }
        if let Some((name, _)) = named.difference(&found).next() {
            return Err(wrong(&format!("{} is missing", shown(name))));
        }
        Ok(Self {
            path: path.to_owned(),
            archive: Mutex::new(archive),
            lock,
        })
    }

    /// What it says that it holds.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Bytes of all its files, unpacked.
    pub fn bytes(&self) -> u64 {
        self.lock
            .files
            .values()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Reads and hashes every file; says which is not what was written.
    pub fn check(&self) -> Result<(), String> {
        for name in self.lock.files.keys() {
            self.copy(name, &mut io::sink())?;
        }
        Ok(())
    }

    /// The content of a file that must be a text.
    pub fn text(&self, name: &str) -> Result<String, String> {
        let mut content = Vec::new();
        self.copy(name, &mut content)?;
        String::from_utf8(content).map_err(|_| format!("{}: {name} is no text", self.path.display()))
    }

    /// Writes the content of a file, and says where it is not what was written; then what was written is to be thrown away.
    pub fn copy(&self, name: &str, to: &mut dyn Write) -> Result<(), String> {
        let wrong = |what: &str| format!("{}: {name} {what}", self.path.display());
        let Some(LockedFile { bytes, sha256 }) = self.lock.files.get(name) else {
            return Err(wrong("is not in it"));
        };
        let mut archive = self.archive();
        let mut file = archive.by_name(name).map_err(|_| wrong("is damaged"))?;
        // However much is packed there: no more than was written is unpacked.
        let mut checked = Checked::new(to, *bytes);
        let copied = io::copy(&mut file, &mut checked);
        match (copied, &checked.failed) {
            (_, Some(error)) => Err(wrong(&format!("cannot be unpacked: {}", reason(error)))),
            (Err(_), None) if !checked.too_long => Err(wrong("is damaged: it cannot be unpacked")),
            _ if !checked.too_long && checked.hash() == *sha256 => Ok(()),
            _ => Err(wrong("is not what was written: it was changed, or is damaged")),
        }
    }

    fn archive(&self) -> MutexGuard<'_, ZipArchive<io::BufReader<File>>> {
        self.archive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, kind: &str, fingerprint: &Hash256) -> Option<Entry> {
        let read = |file: &str| self.text(&in_results(kind, fingerprint, file)).ok();
        Entry::of(kind, fingerprint, read("manifest.json")?, read("fingerprint.json")?)
    }
}

/// The path of a file of an entry in a crate.
pub fn in_results(kind: &str, fingerprint: &Hash256, file: &str) -> String {
    format!("results/cache/v{STORE_VERSION}/{kind}/{fingerprint}/{file}")
}

fn read_lock(archive: &mut ZipArchive<io::BufReader<File>>) -> Option<Lock> {
    let file = archive.by_name(LOCK).ok().filter(|file| file.size() <= MOST_LOCK)?;
    let mut text = Vec::new();
    file.take(MOST_LOCK).read_to_end(&mut text).ok()?;
    Lock::parse(&text)
}

/// Whether a name is that of a file below the folder that it is unpacked to, on every system.
pub fn is_inside(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= 1000
        && !name.contains(['\\', ':', '\0'])
        && !name.contains(char::is_control)
        && name.split('/').all(plain)
}

/// A name for a message: what it may hold does nothing to a terminal.
fn shown(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(200)
        .collect()
}

/// The entries of a crate come into a store as from a shared cache.
impl Remote for Crate {
    fn get(&self, name: &Name<'_>, to: &mut dyn Write) -> Result<bool, Trouble> {
        match name {
            Name::Entry { kind, fingerprint } => {
                let Some(text) = self.entry(kind, fingerprint).and_then(|entry| entry.to_text().ok()) else {
                    return Ok(false);
                };
                to.write_all(text.as_bytes()).map(|()| true).map_err(Trouble::Here)
            }
            Name::Object {
                kind,
                fingerprint,
                output,
            } => {
                let path = in_results(kind, fingerprint, &output.file);
                self.copy(&path, to).map(|()| true).map_err(Trouble::Unreachable)
            }
        }
    }

    fn put(&self, _: &Name<'_>, _: Content<'_>, _: Put) -> Result<bool, Trouble> {
        Err(Trouble::Denied("a crate is only read".to_owned()))
    }

    fn size(&self, _: &Name<'_>) -> Result<Option<u64>, Trouble> {
        Ok(None)
    }

    fn list(&self, _: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
        Ok(())
    }
}
