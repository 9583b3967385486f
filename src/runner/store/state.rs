//! Which entry each stage of a pipeline last had: only to explain, and to know what may be removed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

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

impl State {
    /// Reads the state of a pipeline; empty if there is none.
    pub fn load(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it, whole or not at all, unless it is there already.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string(self)?;
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
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
}
