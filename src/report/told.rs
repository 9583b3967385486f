//! What stages told, from the store's file of it: manifests, and the means of comparisons, without opening either.

use runner::stage::Outcome;
use runner::store::lines::Lines;
use runner::store::{Cached, Hash256, Identity, Manifest, Metric, Store};
use serde::{Deserialize, Serialize};

use super::results::{ErrorRow, MEAN};

/// About so many bytes has a line.
const LENGTH: usize = 600;

/// What a stage told.
pub struct Told {
    /// Its manifest; but for the outputs, which the index knows.
    pub manifest: Manifest,
    /// Of a comparison, the rows over all components.
    pub means: Vec<ErrorRow>,
}

/// What the store remembers, and what is to be added.
pub struct Remembered {
    lines: Lines,
    new: Vec<(Hash256, String)>,
}

/// What a stage told, as a line to be kept.
pub struct Note(Hash256, String);

impl Note {
    /// Nothing where a number has no form in JSON: such a stage is read again each time.
    pub fn of(cached: &Cached, manifest: &Manifest, errors: &[ErrorRow]) -> Option<Self> {
        let means = errors.iter().filter(|row| row.component == MEAN);
        let line = Line {
            file: cached.manifest,
            how: manifest.outcome.clone(),
            metrics: manifest.metrics.clone(),
            notes: manifest.notes.clone(),
            findings: manifest.findings.clone(),
            outside_tolerance: manifest.outside_tolerance.clone(),
            seconds: manifest.seconds,
            device: manifest.device.clone(),
            threads: manifest.threads,
            when: manifest.when.clone(),
            version: manifest.version.clone(),
            means: means.cloned().collect(),
        };
        let optional = |value: Option<f64>| value.is_none_or(f64::is_finite);
        let plain = |row: &ErrorRow| {
            [row.value, row.relative].iter().all(|value| value.is_finite())
                && optional(row.paper)
                && optional(row.ratio)
        };
        let is_plain = line.seconds.is_finite() && line.means.iter().all(plain);
        let text = serde_json::to_string(&line).ok().filter(|_| is_plain)?;
        Some(Self(cached.fingerprint, text))
    }
}

/// A line. Outputs are not in it: the index has them.
#[derive(Serialize, Deserialize)]
struct Line {
    /// How the manifest looked.
    file: Identity,
    how: Outcome,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outside_tolerance: Vec<String>,
    seconds: f64,
    device: String,
    threads: usize,
    when: String,
    version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    means: Vec<ErrorRow>,
}

impl Remembered {
    /// What the store remembers.
    pub fn of(store: &Store) -> Self {
        Self {
            lines: store.told(LENGTH),
            new: Vec::new(),
        }
    }

    /// What a stage told, if it is remembered and its manifest looks as it did then.
    pub fn recall(&self, kind: &str, cached: &Cached) -> Option<Told> {
        let line: Line = self
            .lines
            .get(&cached.fingerprint, |fields| serde_json::from_str(fields).ok())?;
        (line.file == cached.manifest).then(|| line.told(kind, cached))
    }

    /// Adds notes, to be kept.
    pub fn add(&mut self, notes: impl IntoIterator<Item = Note>) {
        self.new
            .extend(notes.into_iter().map(|Note(fingerprint, text)| (fingerprint, text)));
    }

    /// Keeps what was noted. Where nothing can be written, it is only read again next time.
    pub fn keep(self) {
        if !self.new.is_empty() && self.lines.add(self.new).is_ok() {
            let _ = self.lines.compact();
        }
    }
}

impl Line {
    fn told(self, kind: &str, cached: &Cached) -> Told {
        Told {
            manifest: Manifest {
                store: runner::fingerprint::STORE_VERSION,
                kind: kind.to_owned(),
                fingerprint: cached.fingerprint,
                outputs: cached.outputs.clone(),
                outcome: self.how,
                metrics: self.metrics,
                notes: self.notes,
                findings: self.findings,
                outside_tolerance: self.outside_tolerance,
                seconds: self.seconds,
                device: self.device,
                threads: self.threads,
                when: self.when,
                version: self.version,
            },
            means: self.means,
        }
    }
}
