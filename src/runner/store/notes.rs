//! What a user notes of a run: beside its record, and kept whoever asks for the same again.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checked;
use super::files::{self, Keep};

/// The ending of the file, in place of that of the record.
pub const ENDING: &str = "notes";

/// Notes and tags of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notes {
    /// Sentences, the newest last.
    pub notes: Vec<String>,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
}

impl Notes {
    /// Those beside the record at `record`; none where there is no file.
    pub fn beside(record: &Path) -> io::Result<Self> {
        let path = record.with_extension(ENDING);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(super::named(&path, &error)),
        };
        let body = checked::without_check(&text);
        let notes = body.and_then(|body| serde_json::from_str(&body).ok());
        notes.ok_or_else(|| io::Error::other(format!("{} is damaged", path.display())))
    }

    /// Keeps them there.
    pub fn keep(&self, record: &Path) -> io::Result<()> {
        let text = checked::with_check(&serde_json::to_string(self)?);
        files::replace(&record.with_extension(ENDING), text.as_bytes(), Keep::Durable)
    }
}
