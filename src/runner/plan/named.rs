//! The fingerprints of stages that have no entry.

use super::{Entry, Plan};
use crate::fingerprint::{Hash256, Input};
use crate::graph::{Graph, StageId};

impl Plan {
    /// The fingerprint of a stage, if all that it needs is there.
    pub fn fingerprint(&self, graph: &Graph, id: StageId) -> Option<Hash256> {
        let is_there = |from: StageId| matches!(self[from], Entry::Hit(_));
        if !graph[id].needs().all(is_there) {
            return None;
        }
        let json = self.facts.fingerprint(graph, id, |from, output| match &self[from] {
            Entry::Hit(cached) => cached
                .output(output)
                .map_or(Input::Waiting(""), |output| Input::Content(output.sha256)),
            _ => Input::Waiting(""),
        });
        Some(Hash256::of(&json))
    }
}
