//! What is in the store of the stages of a graph, as tests look at it.

use std::path::PathBuf;

use crate::graph::Graph;
use crate::plan::{Entry, Plan};
use crate::store::{Damage, Hash256, Manifest, Store};

/// The stages of a pipeline, as they are in the store.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Stage instances, in the order of the graph.
    pub stages: Vec<StageReport>,
}

/// One stage instance.
#[derive(Debug, Clone)]
pub struct StageReport {
    /// Name with its sweep point.
    pub label: String,
    /// Stage kind.
    pub kind: &'static str,
    /// What the plan says.
    pub entry: Entry,
    /// Where the plan has a hit: fingerprint.
    pub fingerprint: Option<Hash256>,
    /// Where the plan has a hit: manifest.
    pub manifest: Option<Manifest>,
    /// Where the plan has a hit: folder with the outputs.
    pub folder: Option<PathBuf>,
}

/// Collects a report. The plan may be fresh, or that of a run that has ended.
pub fn collect(graph: &Graph, plan: &Plan, store: &Store) -> RunReport {
    let stages = graph.iter().map(|(id, stage)| {
        let entry = &plan[id];
        let fingerprint = match entry {
            Entry::Hit(cached) => Some(cached.fingerprint),
            _ => None,
        };
        StageReport {
            label: stage.label.to_string(),
            kind: stage.kind,
            entry: entry.clone(),
            fingerprint,
            manifest: fingerprint.and_then(|hash| store.manifest(stage.kind, &hash)),
            folder: fingerprint.map(|hash| store.folder(stage.kind, &hash)),
        }
    });
    RunReport {
        stages: stages.collect(),
    }
}

impl StageReport {
    /// The file of an output, after its content was compared with what was written; `None` if there is no such output.
    pub fn artifact(&self, store: &Store, port: &str) -> Option<Result<PathBuf, Damage>> {
        let (hash, manifest, folder) = (self.fingerprint?, self.manifest.as_ref()?, self.folder.as_ref()?);
        let output = manifest.outputs.iter().find(|output| output.port() == port)?;
        Some(
            store
                .verify(self.kind, &hash, output)
                .map(|()| folder.join(&output.file)),
        )
    }

    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let metrics = &self.manifest.as_ref()?.metrics;
        metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.value)
    }
}
