//! What a crate holds, with the hash of every file: what a reader checks before anything is believed.

use std::collections::BTreeMap;

use runner::store::{Hash256, checked};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bump when a reader of the older form would misread it.
pub const FORMAT: u32 = 1;

/// Kept as `lock.json`, with a checksum of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// Version of this form.
    pub format: u32,
    /// Pipeline name.
    pub pipeline: String,
    /// The pipeline's file in the crate.
    pub file: String,
    /// Hash of its text with those of the files that it uses.
    pub yaml: Hash256,
    /// The `-p name=value`, as they were given.
    pub overrides: Vec<(String, String)>,
    /// The `--to`.
    pub to: Vec<String>,
    /// Every parameter with its value.
    pub parameters: Map<String, Value>,
    /// Version of the program that wrote it.
    pub program: String,
    /// Every stage whose outputs are in it.
    pub stages: Vec<LockedStage>,
    /// Every file but this one, by its path.
    pub files: BTreeMap<String, LockedFile>,
}

/// A stage whose outputs are in a crate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedStage {
    /// Its name, with what is swept.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// Its fingerprint.
    pub fingerprint: Hash256,
}

/// A file of a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedFile {
    /// Size in bytes.
    pub bytes: u64,
    /// Hash of its content.
    pub sha256: Hash256,
}

impl Lock {
    /// As it is written.
    pub fn to_text(&self) -> serde_json::Result<String> {
        Ok(checked::with_check(&serde_json::to_string_pretty(self)?))
    }

    /// Reads it; `None` if it is not what was written.
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_str(&checked::without_check(text)?).ok()
    }
}
