//! An entry as a shared cache keeps it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::fingerprint::STORE_VERSION;
use crate::store::{Hash256, Manifest};

/// Manifest and fingerprint of an entry: all that is to be known of it without its files.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The manifest.
    pub manifest: Manifest,
    /// The content of `manifest.json`.
    pub manifest_text: String,
    /// The content of `fingerprint.json`.
    pub fingerprint_text: String,
}

/// As it is written: both files as they are, byte by byte.
#[derive(Serialize, Deserialize)]
struct Written {
    manifest: String,
    fingerprint: String,
}

impl Entry {
    /// Of the two files of an entry; `None` if they are not those of this kind and fingerprint.
    pub fn of(kind: &str, fingerprint: &Hash256, manifest_text: String, fingerprint_text: String) -> Option<Self> {
        let manifest = Manifest::parse(manifest_text.as_bytes())?;
        let is_it = manifest.store == STORE_VERSION && manifest.kind == kind && manifest.fingerprint == *fingerprint;
        let is_made_so = Hash256::of(&fingerprint_text) == *fingerprint;
        // The names come from elsewhere, and files will be written under them.
        let names: BTreeSet<&str> = manifest.outputs.iter().map(|output| output.file.as_str()).collect();
        let plain = names.len() == manifest.outputs.len() && names.iter().all(|name| is_output_file(name));
        (is_it && is_made_so && plain).then_some(Self {
            manifest,
            manifest_text,
            fingerprint_text,
        })
    }

    /// Reads what [`Self::to_text`] wrote; `None` if it is not that of this kind and fingerprint.
    pub fn parse(kind: &str, fingerprint: &Hash256, text: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(text).ok()?;
        Self::of(kind, fingerprint, written.manifest, written.fingerprint)
    }

    /// As it is kept.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Written {
            manifest: self.manifest_text.clone(),
            fingerprint: self.fingerprint_text.clone(),
        })
    }

    /// Size of the files of its outputs.
    pub fn bytes(&self) -> u64 {
        self.manifest.outputs.iter().map(|output| output.identity.bytes).sum()
    }
}

/// Whether a name can be that of an output: a port, a dot and an ending, and none of the store's own.
pub fn is_output_file(name: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let mut words = name.split('.');
    let is_own = ["manifest.json", "fingerprint.json"].contains(&name);
    !is_own && words.next().is_some_and(word) && words.clone().count() >= 1 && words.all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_outputs_stay_in_their_folder() {
        for name in [
            "stars.parquet",
            "set_aside.parquet",
            "map.safetensors",
            "sum.txt",
            "a.tar.gz",
        ] {
            assert!(is_output_file(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a",
            ".hidden",
            "a.",
            "../a.b",
            "a/b.c",
            "/a.b",
            "a\\b.c",
            "a..b",
            "a.b\n",
            "λ.b",
            "manifest.json",
            "fingerprint.json",
        ] {
            assert!(!is_output_file(name), "{name}");
        }
    }
}
