//! Results as one file that can be handed over: an RO-Crate, packed as zip.
//!
//! ```text
//! ro-crate-metadata.json             what is in it and how it was made, see [`metadata`]
//! lock.json                          every stage with its fingerprint, and the hash of every other file, see [`lock`]
//! pipeline/                          the pipeline, those that it uses, and the data that they read, where each lies beside the others
//! results/<pipeline>/report.html     the report and its tables
//! results/cache/v1/<kind>/<hash>/    entries of the store: tables, networks, figures, each with its manifest
//! actionfinder/                      licences of the program, and how to cite it
//! ```
//!
//! Unpacked, `results/` is a results folder as any other, so that the links of the report lead to its files.

pub mod gather;
pub mod lock;
mod metadata;
pub mod read;
pub mod write;

use std::path::PathBuf;

use runner::store::Hash256;

/// The description that makes a folder an RO-Crate.
const METADATA: &str = "ro-crate-metadata.json";

/// The file with the hashes of all others.
const LOCK: &str = "lock.json";

/// A file to be packed.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its path in the crate.
    pub path: String,
    /// What it holds.
    pub content: Content,
    /// Size in bytes.
    pub bytes: u64,
    /// Hash of its content.
    pub sha256: Hash256,
}

/// What a packed file holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// That of a file.
    File(PathBuf),
    /// This text.
    Text(String),
}

impl Item {
    /// A file with a text.
    pub fn text(path: impl Into<String>, text: String) -> Self {
        Self {
            path: path.into(),
            bytes: text.len() as u64,
            sha256: Hash256::of(&text),
            content: Content::Text(text),
        }
    }

    /// A file as it is on the disk.
    pub fn file(path: impl Into<String>, file: PathBuf) -> std::io::Result<Self> {
        Ok(Self {
            path: path.into(),
            bytes: std::fs::metadata(&file)?.len(),
            sha256: Hash256::of_file(&file)?,
            content: Content::File(file),
        })
    }
}

#[cfg(test)]
mod tests;
