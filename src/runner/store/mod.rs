//! The store: outputs of stages by fingerprint, published atomically, verified by content.
//!
//! ```text
//! results/cache/v1/<kind>/<hash>/   outputs, fingerprint.json, manifest.json; appears by one rename, complete
//! results/cache/v1/index            accelerator, see [`index`]
//! results/cache/v1/told             accelerator of reports: what manifests and comparisons tell, see [`lines`]
//! results/cache/away/<kind>/        entries whose files are in a shared cache, see [`away`]
//! results/cache/partial/<hash>.*/   an entry being written, by one attempt; belongs to the holder of the lock
//! results/cache/locks/<hash>        see [`lock`]
//! results/cache/runs/<pipeline>/    records of runs, see [`runs`]
//! results/cache/seals/              see [`seal`](crate::seal)
//! results/checkpoints/<hash>/       of an unfinished stage
//! results/<pipeline>/               state.json, runs.jsonl, report of the whole
//! results/<pipeline>/parts/<part>/  reports of parts
//! ```

pub mod away;
pub mod checked;
pub mod clear;
pub(crate) mod commit;
pub mod files;
pub mod gc;
pub mod hash;
pub mod identity;
pub mod index;
pub mod lines;
pub mod lock;
pub mod manifest;
pub mod notes;
pub mod publish;
pub mod rungs;
pub mod runs;
pub mod state;
pub mod verify;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use hash::Hash256;
pub use identity::{Identity, nanoseconds};
pub use lock::{KeyLock, SharedLock, TryLock};
pub use manifest::{Manifest, Metric, OutputRecord};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::fingerprint::STORE_VERSION;
use away::Away;
use commit::{Commit, DiskOf};
use files::Keep;
use index::{Description, Index, Record};
use lines::Lines;

/// Name of the lock that runs share.
const RUNS: &str = "runs";

/// Names that no pipeline may have, because the store keeps folders of these names beside the pipelines'.
pub const RESERVED: [&str; 2] = ["cache", "checkpoints"];

/// A store in a results folder. Opening and looking up write nothing.
#[derive(Debug)]
pub struct Store {
    results: PathBuf,
    entries: PathBuf,
    index: Index,
    commit: Commit,
    program: String,
    away: Away,
}

/// A valid cache entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Cached {
    /// Hash of the fingerprint.
    pub fingerprint: Hash256,
    /// Output files with the hashes of their contents.
    pub outputs: Vec<OutputRecord>,
    /// The finding's title, where the stage ended with one.
    pub finding: Option<String>,
    /// What the stage told of its outputs that speaks against them.
    pub findings: Vec<String>,
    /// Whether the stage told of a comparison outside its tolerance.
    pub outside_tolerance: bool,
    /// What a stat tells of its manifest.
    pub manifest: Identity,
    /// Whether its files are here; if not, they are in a shared cache.
    pub is_here: bool,
}

impl Cached {
    /// The output of a port.
    pub fn output(&self, port: &str) -> Option<&OutputRecord> {
        self.outputs.iter().find(|output| output.port() == port)
    }

    fn new(fingerprint: Hash256, record: Record) -> Self {
        let Record {
            outputs,
            finding,
            findings,
            outside_tolerance,
            description,
        } = record;
        Self {
            fingerprint,
            outputs,
            finding,
            findings,
            outside_tolerance,
            manifest: description.manifest,
            is_here: true,
        }
    }
}

/// What is wrong with a cache entry that was complete once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// A file is gone.
    Missing(String),
    /// A file's content is not what was written.
    Changed(String),
    /// A file could not be read: name, reason.
    Unreadable(String, String),
    /// The files could not be had from a shared cache: why.
    Unfetched(String),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(file) => write!(f, "cached file {file} is gone"),
            Self::Changed(file) => write!(f, "cached file {file} is damaged: its content is not what was written"),
            Self::Unreadable(file, reason) => write!(f, "cached file {file} cannot be read: {reason}"),
            Self::Unfetched(why) => write!(f, "cached outputs cannot be fetched: {why}"),
        }
    }
}

/// What the store has for a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// Nothing.
    Absent,
    /// A valid entry. Its files have the right sizes, and the right contents as far as a stat can tell.
    Found(Arc<Cached>),
    /// An entry that must be made again.
    Damaged(Damage),
}

impl Store {
    /// Opens the store in a results folder, which need not exist.
    pub fn open(results: &Path) -> Self {
        let store = Self::at(results);
        let index = Index::open(&store.entries.join("index"));
        Self { index, ..store }
    }

    /// The store without its index: for what looks for no entries.
    pub fn at(results: &Path) -> Self {
        let entries = results.join("cache").join(format!("v{STORE_VERSION}"));
        Self {
            results: results.to_owned(),
            index: Index::empty(&entries.join("index")),
            commit: Commit::new(DiskOf::new(entries.clone())),
            entries,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            away: Away::default(),
        }
    }

    /// The same, for a program that tells its version itself.
    pub fn of_program(self, program: String) -> Self {
        Self { program, ..self }
    }

    /// The same, on a disk of a test.
    #[cfg(test)]
    pub(crate) fn on(self, disk: impl commit::Disk + 'static) -> Self {
        let commit = Commit::new(disk);
        Self { commit, ..self }
    }

    /// The version of the program, for manifests.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The results folder.
    pub fn results(&self) -> &Path {
        &self.results
    }

    /// Folder of a pipeline's report, journal and state.
    pub fn pipeline_folder(&self, pipeline: &str) -> PathBuf {
        self.results.join(pipeline)
    }

    /// Folder of the report of a part of a pipeline, or of the whole.
    pub fn report_folder(&self, pipeline: &str, part: Option<&str>) -> PathBuf {
        let folder = self.pipeline_folder(pipeline);
        part.map_or(folder.clone(), |part| folder.join("parts").join(part))
    }

    /// Folder of a cache entry.
    pub fn folder(&self, kind: &str, fingerprint: &Hash256) -> PathBuf {
        let mut path = String::with_capacity(kind.len() + 65);
        path.push_str(kind);
        path.push('/');
        fingerprint.write_hex(&mut path);
        self.entries.join(path)
    }

    /// Folder of an unfinished stage's checkpoints.
    pub fn checkpoints(&self, fingerprint: &Hash256) -> PathBuf {
        self.results.join("checkpoints").join(fingerprint.hex())
    }

    fn partial(&self) -> PathBuf {
        self.results.join("cache").join("partial")
    }

    fn locks(&self) -> PathBuf {
        self.results.join("cache").join("locks")
    }

    /// Path of the lock of a fingerprint.
    pub fn lock_path(&self, fingerprint: &Hash256) -> PathBuf {
        self.locks().join(fingerprint.hex())
    }

    /// Path of the lock that a worker process holds while it works on a fingerprint. It outlives a killed parent until
    /// the worker has noticed.
    pub fn worker_lock_path(&self, fingerprint: &Hash256) -> PathBuf {
        self.locks().join(format!("{fingerprint}.worker"))
    }

    /// Path of a lock with a name, such as that of a pipeline's history.
    pub fn lock_named(&self, name: &str) -> PathBuf {
        self.locks().join(name)
    }

    /// Whether a stage left a checkpoint. One whose writing was cut short is none.
    pub fn has_checkpoint(&self, fingerprint: &Hash256) -> bool {
        let whole = |path: &PathBuf| path.extension().is_none_or(|ending| ending != "writing");
        files::entries(&self.checkpoints(fingerprint)).is_ok_and(|found| found.iter().any(whole))
    }

    /// Fingerprints of the stages that left a checkpoint.
    pub fn unfinished(&self) -> Vec<Hash256> {
        let found = files::entries(&self.results.join("checkpoints")).unwrap_or_default();
        let fingerprint = |folder: &PathBuf| Hash256::parse(folder.file_name()?.to_str()?);
        let mut found: Vec<Hash256> = found.iter().filter_map(fingerprint).collect();
        found.retain(|fingerprint| self.has_checkpoint(fingerprint));
        found
    }

    /// The store's own folders.
    fn own_folders(&self) -> [PathBuf; 4] {
        let checkpoints = self.results.join("checkpoints");
        [self.entries.clone(), self.partial(), self.locks(), checkpoints]
    }

    /// Says what is wrong with the folders that are there: links to nowhere, files in their places.
    pub fn check(&self) -> io::Result<()> {
        for folder in [self.results.clone(), self.results.join("cache")] {
            let name = folder.display();
            let wrong = |what: String| Err(io::Error::other(format!("{name} is {what}")));
            match (std::fs::symlink_metadata(&folder), std::fs::metadata(&folder)) {
                (Err(_), _) => {}
                (_, Ok(found)) if found.is_dir() => {}
                (Ok(link), Err(error)) if link.is_symlink() => {
                    let target = std::fs::read_link(&folder).unwrap_or_default();
                    return match error.kind() {
                        io::ErrorKind::NotFound => wrong(format!("a link to {}, which is not there", target.display())),
                        _ => wrong(format!("a link to {}, which cannot be followed", target.display())),
                    };
                }
                _ => return wrong("no folder".to_owned()),
            }
        }
        // What lies in these is renamed and removed; through a link that would happen elsewhere.
        let others = ["runs", "seals"].map(|name| self.results.join("cache").join(name));
        for folder in self.own_folders().iter().chain(&others) {
            if std::fs::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) {
                return Err(io::Error::other(format!(
                    "{} is no folder; a link is not followed here",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    /// Creates the folders that writing needs.
    pub fn prepare(&self) -> io::Result<()> {
        self.check()?;
        for folder in &self.own_folders() {
            std::fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
        }
        Ok(())
    }

    /// Creates these folders, and tries whether files may be made in them. Whether there is room for them is not asked.
    pub fn can_write(&self) -> io::Result<()> {
        self.prepare()?;
        let refused = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            )
        };
        for folder in [self.partial(), self.locks()] {
            match files::try_writing(&folder) {
                Err(error) if refused(&error) => return Err(named(&folder, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps `gc` away as long as the lock is held; there is none before anything was ever written.
    pub fn hold(&self) -> io::Result<Option<SharedLock>> {
        let path = self.lock_named(RUNS);
        match SharedLock::share(&path) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(named(&path, &error)),
        }
    }

    /// Keeps runs away; or says which go on.
    pub fn hold_alone(&self) -> io::Result<TryLock> {
        let path = self.lock_named(RUNS);
        SharedLock::alone(&path).map_err(|error| named(&path, &error))
    }

    /// The entry as the index remembers it, unchecked, with what a stat told of its description.
    pub(crate) fn recall(&self, fingerprint: &Hash256) -> Option<(Arc<Cached>, Description)> {
        let record = self.index.entry(fingerprint)?;
        let description = record.description;
        Some((Arc::new(Cached::new(*fingerprint, record)), description))
    }

    /// The folder of a kind's entries, opened: looking at a file from there costs half of looking it up by its whole path.
    pub(crate) fn open_kind(&self, kind: &str) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(self.entries.join(kind), flags, Mode::empty()).ok()
    }

    /// Whether a recalled entry agrees with a stat of its files: a shortcut to [`Self::lookup`].
    pub(crate) fn looks_unchanged(&self, kind: &OwnedFd, cached: &Cached, description: &Description) -> bool {
        let mut path = String::with_capacity(128);
        cached.fingerprint.write_hex(&mut path);
        path.push('/');
        let folder = path.len();
        let mut same = |file: &str, identity: &Identity| {
            path.truncate(folder);
            path.push_str(file);
            Identity::at(kind, &path).is_ok_and(|now| now == *identity)
        };
        same("manifest.json", &description.manifest)
            && same("fingerprint.json", &description.fingerprint)
            && cached.outputs.iter().all(|output| same(&output.file, &output.identity))
    }

    /// Looks for a valid entry.
    pub fn lookup(&self, kind: &str, fingerprint: &Hash256) -> Lookup {
        let folder = self.folder(kind, fingerprint);
        let Ok(manifest_now) = Identity::of(&folder.join("manifest.json")) else {
            return self.look_away(kind, fingerprint);
        };
        let record = match self.index.entry(fingerprint) {
            Some(record) if record.description.manifest == manifest_now => record,
            _ => match self.manifest_here(kind, fingerprint) {
                Some(manifest) => record_of(&manifest, describe(&folder, manifest_now)),
                None => return Lookup::Damaged(Damage::Changed("manifest.json".to_owned())),
            },
        };
        for output in &record.outputs {
            let file = || output.file.clone();
            let path = folder.join(&output.file);
            let damage = match Identity::of(&path) {
                Ok(now) if now == output.identity => continue,
                Ok(now) if now.bytes != output.identity.bytes => Damage::Changed(file()),
                Ok(_) => match Hash256::of_file(&path) {
                    Ok(hash) if hash == output.sha256 => continue,
                    Ok(_) => Damage::Changed(file()),
                    Err(error) => Damage::Unreadable(file(), error.to_string()),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => Damage::Missing(file()),
                Err(error) => Damage::Unreadable(file(), error.to_string()),
            };
            return Lookup::Damaged(damage);
        }
        Lookup::Found(Arc::new(Cached::new(*fingerprint, record)))
    }

    /// Has a network file system look anew at which entries of a kind there are.
    pub fn look_anew(&self, kind: &str) {
        let _ = std::fs::File::open(self.entries.join(kind));
    }

    /// What reports remember of entries, whose lines have about so many bytes.
    pub fn told(&self, length: usize) -> Lines {
        Lines::open(&self.entries.join("told"), length)
    }

    /// Reads the content of an output and compares it with what was written.
    pub fn verify(&self, kind: &str, fingerprint: &Hash256, output: &OutputRecord) -> Result<(), Damage> {
        let path = self.folder(kind, fingerprint).join(&output.file);
        match Hash256::of_file(&path) {
            Ok(hash) if hash == output.sha256 => Ok(()),
            Ok(_) => Err(Damage::Changed(output.file.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Damage::Missing(output.file.clone())),
            Err(error) => Err(Damage::Unreadable(output.file.clone(), error.to_string())),
        }
    }

    /// The manifest of an entry, if it is one.
    pub fn manifest(&self, kind: &str, fingerprint: &Hash256) -> Option<Manifest> {
        let away = || Some(self.away(kind, fingerprint)?.manifest.clone());
        self.manifest_here(kind, fingerprint).or_else(away)
    }

    fn manifest_here(&self, kind: &str, fingerprint: &Hash256) -> Option<Manifest> {
        let text = std::fs::read(self.folder(kind, fingerprint).join("manifest.json")).ok()?;
        let manifest = Manifest::parse(&text)?;
        (manifest.fingerprint == *fingerprint && manifest.store == STORE_VERSION).then_some(manifest)
    }

    /// The fingerprint that an entry was made with, as canonical JSON.
    pub fn fingerprint_of(&self, kind: &str, fingerprint: &Hash256) -> Option<String> {
        let away = || Some(self.away(kind, fingerprint)?.fingerprint_text.clone());
        self.fingerprint_here(kind, fingerprint).or_else(away)
    }

    fn fingerprint_here(&self, kind: &str, fingerprint: &Hash256) -> Option<String> {
        let text = std::fs::read_to_string(self.folder(kind, fingerprint).join("fingerprint.json")).ok()?;
        (Hash256::of(&text) == *fingerprint).then_some(text)
    }

    /// Kind and fingerprint of every entry.
    pub fn all(&self) -> Vec<(String, Hash256)> {
        all_below(&self.entries)
    }

    /// Kind and fingerprint of every entry that is known to be in a shared cache, and was not fetched.
    pub fn all_away(&self) -> Vec<(String, Hash256)> {
        all_below(&self.away_folder())
    }

    /// Bytes of the outputs of an entry that is here.
    pub fn bytes_of(&self, kind: &str, fingerprint: &Hash256) -> u64 {
        let manifest = self.manifest_here(kind, fingerprint);
        manifest.map_or(0, |manifest| {
            manifest.outputs.iter().map(|output| output.identity.bytes).sum()
        })
    }

    /// The outputs of an entry, as they were written.
    pub fn outputs(&self, kind: &str, fingerprint: &Hash256) -> Vec<OutputRecord> {
        match self.index.entry(fingerprint) {
            Some(record) => record.outputs,
            None => self
                .manifest(kind, fingerprint)
                .map(|manifest| manifest.outputs)
                .unwrap_or_default(),
        }
    }

    /// The kind of an entry, if it is there.
    pub fn kind_of(&self, fingerprint: &Hash256) -> Option<String> {
        let mut kinds = files::entries(&self.entries).ok()?.into_iter();
        let kind = kinds.find(|kind| kind.join(fingerprint.hex()).is_dir())?;
        Some(kind.file_name()?.to_string_lossy().into_owned())
    }

    /// Lets the index remember a valid entry as it is now. Its fingerprint, `json`, is written again where the file is
    /// damaged or gone.
    pub(crate) fn remember(
        &self,
        kind: &str,
        fingerprint: &Hash256,
        json: impl FnOnce() -> Option<String>,
    ) -> io::Result<()> {
        let folder = self.folder(kind, fingerprint);
        let Some(manifest) = self.manifest_here(kind, fingerprint) else {
            return Ok(());
        };
        if self.fingerprint_here(kind, fingerprint).is_none()
            && let Some(json) = json().filter(|json| Hash256::of(json) == *fingerprint)
        {
            files::replace(&folder.join("fingerprint.json"), json.as_bytes(), Keep::Remakable)?;
        }
        let manifest_now = Identity::of(&folder.join("manifest.json"))?;
        let mut record = record_of(&manifest, describe(&folder, manifest_now));
        for output in &mut record.outputs {
            output.identity = Identity::of(&folder.join(&output.file))?;
        }
        self.index.add_entry(*fingerprint, &record)
    }

    /// The content hash of a file outside the store, with what a stat told before it was read.
    pub(crate) fn hash_user_file(&self, path: &Path) -> io::Result<(Identity, Hash256)> {
        let identity = Identity::of(path)?;
        let hash = match self.index.file(path, &identity) {
            Some(hash) => hash,
            None => Hash256::of_file(path)?,
        };
        Ok((identity, hash))
    }

    /// Lets the index remember the content hash of a file outside the store.
    pub(crate) fn remember_user_file(&self, path: &Path, identity: Identity, hash: Hash256) -> io::Result<()> {
        if !identity.is_settled(nanoseconds(SystemTime::now())) || self.index.file(path, &identity) == Some(hash) {
            return Ok(());
        }
        self.index.add_file(path, identity, hash)
    }

    /// Tidies the index.
    pub(crate) fn compact(&self) -> io::Result<()> {
        self.index.compact()
    }
}

/// What lies in folders of kinds under a fingerprint.
fn all_below(folder: &Path) -> Vec<(String, Hash256)> {
    let mut all = Vec::new();
    for kind in files::entries(folder).unwrap_or_default() {
        let name = kind.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for entry in files::entries(&kind).unwrap_or_default() {
            let hash = entry.file_name().and_then(|file| file.to_str());
            let hash = hash.and_then(|file| Hash256::parse(file.strip_suffix(".json").unwrap_or(file)));
            all.extend(hash.map(|hash| (name.clone(), hash)));
        }
    }
    all
}

fn describe(folder: &Path, manifest: Identity) -> Description {
    let fingerprint = Identity::of(&folder.join("fingerprint.json")).unwrap_or(Identity::NONE);
    Description { manifest, fingerprint }
}

fn record_of(manifest: &Manifest, description: Description) -> Record {
    Record {
        description,
        outputs: manifest.outputs.clone(),
        finding: manifest.finding().map(str::to_owned),
        findings: manifest.findings.clone(),
        outside_tolerance: !manifest.outside_tolerance.is_empty(),
    }
}

/// Puts the path into an error.
pub(crate) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
