//! Which entry each stage of a pipeline last had: only to explain, and to know what may be removed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Hash256, named};

/// Kept as `state.json` in the pipeline's folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Stages by label.
    pub stages: BTreeMap<String, Last>,
}

/// The entry a stage last had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Stage kind.
    pub kind: String,
    /// Fingerprint.
    pub hash: Hash256,
}

const FILE: &str = "state.json";

/// The state file of a pipeline.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

impl State {
    /// Reads the state of a pipeline; empty if there is none.
    pub fn load(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it, whole or not at all, unless it is there already.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        write(&serde_json::to_string(self)?, folder)
    }

    /// Writes a state in which just these stages have entries: label, kind, fingerprint. Like `save`, without putting
    /// thousands of stages into a map at every run.
    pub fn save_all<'a>(stages: impl Iterator<Item = (&'a str, &'a str, Hash256)>, folder: &Path) -> io::Result<()> {
        #[derive(Serialize)]
        struct Lasts<'a> {
            stages: BTreeMap<&'a str, Entry<'a>>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            kind: &'a str,
            hash: Hash256,
        }
        let stages = stages
            .map(|(label, kind, hash)| (label, Entry { kind, hash }))
            .collect();
        write(&serde_json::to_string(&Lasts { stages })?, folder)
    }
}

fn write(text: &str, folder: &Path) -> io::Result<()> {
    let path = path(folder);
    if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".state").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| named(&path, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_ways_of_saving_agree() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::default();
        for label in ["b", "a[x=1]", "a"] {
            let (kind, hash) = ("kind".to_owned(), Hash256::of(label));
            state.stages.insert(label.to_owned(), Last { kind, hash });
        }
        let entries = state.stages.iter().rev();
        let entries = entries.map(|(label, last)| (label.as_str(), last.kind.as_str(), last.hash));
        State::save_all(entries, folder.path()).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            serde_json::to_string(&state).unwrap()
        );
        assert_eq!(State::load(folder.path()), state);
    }
}
