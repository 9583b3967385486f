//! The manifest of a cache entry.

use serde::{Deserialize, Serialize};

use super::hash::Hash256;
use super::identity::Identity;
use crate::stage::Outcome;

/// Kept as `manifest.json` in the folder of a cache entry, written last. A folder without a valid one does not count.
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
    /// The title, where the stage ended with a finding.
    pub fn finding(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Complete => None,
            Outcome::Finding { title, .. } => Some(title),
        }
    }
}
