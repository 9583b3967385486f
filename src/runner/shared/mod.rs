//! A cache that several results folders share: entries by fingerprint, the files of their outputs by content.
//!
//! ```text
//! v1/entries/<kind>/<fingerprint>.json   manifest and fingerprint of an entry, see [`Entry`]
//! v1/objects/<ab>/<sha256>               the content of an output
//! ```
//!
//! An entry is written after the objects that it names, and only where there is none. So whoever sees an entry sees a whole one, and who
//! writes at the same time does no harm. What arrives is compared with its hash; nothing of it is believed. The cache is never needed: where
//! it does not answer, all goes on without it.

pub mod address;
mod cache;
mod checked;
mod entry;
mod folder;
mod others;

use std::fmt::{self, Debug};
use std::io::{self, Write};
use std::path::Path;

pub use address::{Address, Mode, Setting};
pub(crate) use cache::side_by_side;
pub use cache::{Pushed, Shared, Stock};
pub use checked::Checked;
pub use entry::Entry;
pub use folder::Folder;
pub use others::OtherResults;

use crate::fingerprint::STORE_VERSION;
use crate::store::{Hash256, OutputRecord};

/// What keeps named contents: a bucket, or a folder. Calls come from several threads, and wait for an answer.
pub trait Remote: Send + Sync + Debug {
    /// Writes a content to `to`, which may refuse it; whether it is there.
    fn get(&self, name: &Name<'_>, to: &mut dyn Write) -> Result<bool, Trouble>;

    /// Keeps a content, either in place of another or only where there is none; whether it was written.
    fn put(&self, name: &Name<'_>, content: Content<'_>, place: Put) -> Result<bool, Trouble>;

    /// Its size in bytes, if it is there.
    fn size(&self, name: &Name<'_>) -> Result<Option<u64>, Trouble>;

    /// Names everything that is there, with its size.
    fn list(&self, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble>;
}

/// The name of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// Of an entry.
    Entry {
        /// Its kind.
        kind: &'a str,
        /// Its fingerprint.
        fingerprint: &'a Hash256,
    },
    /// Of an output of an entry.
    Object {
        /// The entry's kind.
        kind: &'a str,
        /// The entry's fingerprint.
        fingerprint: &'a Hash256,
        /// The output.
        output: &'a OutputRecord,
    },
}

/// What the keys of entries begin with, below the version.
const ENTRIES: &str = "entries";

/// What the keys of objects begin with.
const OBJECTS: &str = "objects";

impl Name<'_> {
    /// As a path from the place of the cache: the same content has the same.
    pub fn key(&self) -> String {
        match self {
            Self::Entry { kind, fingerprint } => format!("v{STORE_VERSION}/{ENTRIES}/{kind}/{fingerprint}.json"),
            Self::Object { output, .. } => {
                let hash = output.sha256.hex();
                format!("v{STORE_VERSION}/{OBJECTS}/{}/{hash}", &hash[..2])
            }
        }
    }
}

/// Whether a key is that of an entry.
pub fn is_entry(key: &str) -> bool {
    key.split('/').nth(1) == Some(ENTRIES)
}

/// A content to be kept.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// That of a file.
    File(&'a Path),
}

/// Where a content is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Where there is none.
    New,
    /// In place of whatever is there.
    Anyway,
}

/// Why a place does not do what it is asked.
#[derive(Debug)]
pub enum Trouble {
    /// It does not answer, or is not there.
    Unreachable(String),
    /// It does not let this user.
    Denied(String),
    /// Something on this side: the writer, or a file to be read.
    Here(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Denied(why) => f.write_str(why),
            Self::Here(error) => f.write_str(&crate::error::reason(error)),
        }
    }
}

#[cfg(test)]
mod tests;
