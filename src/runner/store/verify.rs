//! Hashing all that a store keeps. Elsewhere a file that looks unchanged to a stat is believed; here none is.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::gc::Unused;
use super::{Hash256, Store, files};

/// What was found of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Every entry.
    pub entries: Vec<Verdict>,
    /// What lies among the entries, and belongs to none.
    pub unknown: Vec<PathBuf>,
}

/// What was found of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its fingerprint.
    pub fingerprint: Hash256,
    /// Its folder.
    pub folder: PathBuf,
    /// Files of its outputs.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as it was written.
    pub problems: Vec<String>,
    /// Files that it does not name.
    pub unknown: Vec<PathBuf>,
}

impl Verdict {
    /// To be removed.
    pub fn as_unused(&self) -> Unused {
        Unused {
            fingerprint: self.fingerprint,
            folder: self.folder.clone(),
            bytes: self.bytes,
        }
    }
}

impl Store {
    /// Reads and hashes every file of every entry.
    pub fn verify_all(&self) -> io::Result<Verified> {
        let all = self.all();
        let mut entries: Vec<Verdict> = all
            .par_iter()
            .map(|(kind, fingerprint)| self.verdict(kind, fingerprint))
            .collect();
        entries.sort_by(|a, b| a.folder.cmp(&b.folder));
        let mut unknown: Vec<PathBuf> = entries.iter().flat_map(|entry| entry.unknown.clone()).collect();
        for kind in files::entries(&self.entries)?.into_iter().filter(|kind| kind.is_dir()) {
            let strange = |path: &PathBuf| name(path).and_then(Hash256::parse).is_none();
            unknown.extend(files::entries(&kind)?.into_iter().filter(strange));
        }
        unknown.sort();
        Ok(Verified { entries, unknown })
    }

    fn verdict(&self, kind: &str, fingerprint: &Hash256) -> Verdict {
        let folder = self.folder(kind, fingerprint);
        let mut verdict = Verdict {
            fingerprint: *fingerprint,
            files: 0,
            bytes: 0,
            problems: Vec::new(),
            unknown: Vec::new(),
            folder: folder.clone(),
        };
        let Some(manifest) = self
            .manifest_here(kind, fingerprint)
            .filter(|manifest| manifest.kind == kind)
        else {
            verdict
                .problems
                .push("manifest.json is gone or not what was written".to_owned());
            return verdict;
        };
        if self.fingerprint_here(kind, fingerprint).is_none() {
            let problem = "fingerprint.json is gone or not what was written: nobody can say what it was made of";
            verdict.problems.push(problem.to_owned());
        }
        for output in &manifest.outputs {
            match self.verify(kind, fingerprint, output) {
                Ok(()) => verdict.bytes += output.identity.bytes,
                Err(damage) => verdict.problems.push(damage.to_string()),
            }
            verdict.files += 1;
        }
        let own = |path: &Path| {
            name(path).is_some_and(|name| {
                ["manifest.json", "fingerprint.json"].contains(&name)
                    || manifest.outputs.iter().any(|output| output.file == name)
            })
        };
        let found = files::entries(&folder).unwrap_or_default();
        verdict.unknown = found.into_iter().filter(|path| !own(path)).collect();
        verdict
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
