//! The manifest of a cache entry.

use serde::{Deserialize, Serialize};

use super::checked;
use super::hash::Hash256;
use super::identity::Identity;
use crate::stage::Outcome;

/// Kept as `manifest.json` in the folder of a cache entry, written last, with a checksum of itself. An entry
/// whose manifest does not agree with its checksum is damaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the store's format.
    pub store: u32,
    /// Stage kind.
    pub kind: String,
    /// Hash of the fingerprint; equals the name of the folder.
    pub fingerprint: Hash256,
    /// Output files.
    pub outputs: Vec<OutputRecord>,
    /// How the body ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Numbers the body told.
    pub metrics: Vec<Metric>,
    /// Sentences the body told.
    pub notes: Vec<String>,
    /// What the body told of its outputs that speaks against them.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Comparisons outside their tolerance.
    pub outside_tolerance: Vec<String>,
    /// Wall-clock seconds of the body.
    pub seconds: f64,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// CPU threads the body might use.
    pub threads: usize,
    /// When the body ended, RFC 3339 in UTC.
    pub when: String,
    /// Version of this program.
    pub version: String,
}

/// One output file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// File name in the folder of the entry: the port with the ending of its artifact.
    pub file: String,
    /// Hash of its content.
    pub sha256: Hash256,
    /// What a stat told when it was written; only saves hashing.
    #[serde(flatten)]
    pub identity: Identity,
}

impl OutputRecord {
    /// The output port.
    pub fn port(&self) -> &str {
        self.file.rsplit_once('.').map_or(&self.file, |(port, _)| port)
    }
}

/// A number that a body told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(with = "crate::number")]
    pub value: f64,
    /// Unit; `""` for a pure number.
    pub unit: String,
}

impl Manifest {
    /// The content of `manifest.json`.
    pub fn to_text(&self) -> serde_json::Result<String> {
        Ok(checked::with_check(&serde_json::to_string_pretty(self)?))
    }

    /// Reads the content of `manifest.json`; `None` if it is not what was written.
    pub fn parse(content: &[u8]) -> Option<Self> {
        serde_json::from_str(&checked::without_check(content)?).ok()
    }

    /// Whether there is a finding: one with which the stage ended, or one about its outputs.
    pub fn has_finding(&self) -> bool {
        self.finding().is_some() || !self.findings.is_empty()
    }

    /// The title, where the stage ended with a finding.
    pub fn finding(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Complete => None,
            Outcome::Finding { title, .. } => Some(title),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> Manifest {
        let identity = Identity {
            bytes: 12,
            modified: 1_700_000_000_123_456_789,
            changed: -1,
            inode: 7,
        };
        Manifest {
            store: 1,
            kind: "train_actions".to_owned(),
            fingerprint: Hash256::of("fingerprint"),
            outputs: vec![OutputRecord {
                file: "network.safetensors".to_owned(),
                sha256: Hash256::of("content"),
                identity,
            }],
            outcome: Outcome::Finding {
                title: "213 orbits are unbound".to_owned(),
                detail: "streams 1, 2 \"quoted\"\n}".to_owned(),
            },
            metrics: vec![Metric {
                name: "train_streams".to_owned(),
                value: 16.0,
                unit: String::new(),
            }],
            notes: vec!["φ: a note".to_owned()],
            findings: vec!["the map is no better than its toy".to_owned()],
            outside_tolerance: Vec::new(),
            seconds: 0.1 + 0.2,
            device: "cpu".to_owned(),
            threads: 1,
            when: "2026-01-02T03:04:05Z".to_owned(),
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let text = sample().to_text().unwrap();
        assert_eq!(Manifest::parse(text.as_bytes()), Some(sample()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["metrics"][0]["value"], 16.0);
    }

    /// No byte of it can be another: neither cut off, nor left out, nor changed.
    #[test]
    fn any_damage_is_found() {
        let text = sample().to_text().unwrap().into_bytes();
        for at in 0..text.len() {
            assert_eq!(Manifest::parse(&text[..at]), None, "cut at {at}");
            for other in [text[at] ^ 1, text[at] ^ 0x80, b'0', b' '] {
                if other != text[at] {
                    let mut damaged = text.clone();
                    damaged[at] = other;
                    assert_eq!(Manifest::parse(&damaged), None, "byte {at}");
                }
            }
            let left_out = [&text[..at], &text[at + 1..]].concat();
            assert_eq!(Manifest::parse(&left_out), None, "without byte {at}");
        }
    }
}
