//! Which entry each stage of a pipeline last had, and how those ended that have none: only to explain.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{self, Keep};
use super::{Hash256, checked};

/// Kept as `state.json` in the pipeline's folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Stages by label.
    pub stages: BTreeMap<String, Last>,
    /// Stages that began and did not end well, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped: BTreeMap<String, Stopped>,
}

/// The entry a stage last had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Stage kind.
    pub kind: String,
    /// Fingerprint.
    pub hash: Hash256,
}

/// A stage that began and did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Fingerprint.
    pub hash: Hash256,
    /// Why.
    #[serde(flatten)]
    pub how: Stop,
}

/// Why a stage did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Stop {
    /// With an error.
    Failed {
        /// The error.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The run was interrupted.
    Interrupted,
}

/// A state that is there and is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {problem}", path = path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

const FILE: &str = "state.json";

/// The state file of a pipeline.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

impl State {
    /// Reads the state of a pipeline; empty if there is none.
    pub fn load(folder: &Path) -> Result<Self, Unreadable> {
        let path = path(folder);
        let unreadable = |problem: String| Unreadable {
            path: path.clone(),
            problem,
        };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(format!("cannot be read: {error}"))),
        };
        let body = checked::without_check(&text);
        let state = body.and_then(|body| serde_json::from_str(&body).ok());
        state.ok_or_else(|| unreadable("is damaged".to_owned()))
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

fn write(body: &str, folder: &Path) -> io::Result<()> {
    let (path, text) = (path(folder), checked::with_check(body));
    if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|error| super::named(folder, &error))?;
    files::replace(&path, text.as_bytes(), Keep::Durable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> State {
        let mut state = State::default();
        for label in ["b", "a[x=1]", "a"] {
            let (kind, hash) = ("kind".to_owned(), Hash256::of(label));
            state.stages.insert(label.to_owned(), Last { kind, hash });
        }
        state
    }

    #[test]
    fn both_ways_of_saving_agree() {
        let folder = tempfile::tempdir().unwrap();
        let state = sample();
        state.save(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let saved = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let entries = state.stages.iter().rev();
        let entries = entries.map(|(label, last)| (label.as_str(), last.kind.as_str(), last.hash));
        State::save_all(entries, folder.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), saved);
        assert_eq!(State::load(folder.path()).unwrap(), state);
    }

    #[test]
    fn a_damaged_state_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), State::default());
        let mut state = sample();
        for (label, how) in [
            ("c", Stop::Interrupted),
            (
                "d",
                Stop::Failed {
                    message: "no star is bound".into(),
                    hint: None,
                },
            ),
        ] {
            let hash = Hash256::of(label);
            state.stopped.insert(label.to_owned(), Stopped { hash, how });
        }
        state.save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state);
        let path = folder.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            for damaged in [&damaged, &good[..at]] {
                std::fs::write(&path, damaged).unwrap();
                let error = State::load(folder.path()).unwrap_err();
                assert!(error.to_string().ends_with("state.json is damaged"), "{error}");
            }
        }
    }
}
