//! What is ordered for a stage that is to be made.

use super::Coordinator;
use super::budget::Share;
use crate::graph::{Connection, StageId, UserFile};
use crate::order::{File, Input, Order, Output};
use crate::ports::OutputPort;
use crate::store::Hash256;
use crate::worker::RequestArtifact;

impl Coordinator<'_, '_> {
    /// What is to be done for a stage all of whose inputs have settled, with its fingerprint and the JSON of that.
    pub(super) fn order(&self, id: StageId, (fingerprint, json): (Hash256, String), share: Share) -> Order {
        let stage = &self.run.graph[id];
        let output = |port: &OutputPort| Output {
            port: port.name.to_owned(),
            file: format!("{}.{}", port.name, port.artifact.extension()),
            artifact: RequestArtifact::from(&port.artifact),
        };
        let file = |file: &UserFile| {
            let (identity, sha256) = *self.run.plan.facts.files.get(&file.path)?;
            Some(File {
                parameter: file.parameter.clone(),
                path: file.path.clone(),
                identity,
                sha256,
            })
        };
        Order {
            label: stage.label.to_string(),
            kind: stage.kind.to_owned(),
            revision: stage.revision,
            place: stage.place,
            parameters: stage.stage.parameters(),
            fingerprint,
            json,
            forced: self.nodes[id].forced,
            wanted: self.run.plan.wanted[id],
            inputs: stage.inputs.iter().filter_map(|input| self.input(input)).collect(),
            outputs: stage.outputs.iter().map(output).collect(),
            files: stage.files.iter().filter_map(file).collect(),
            device: share.device,
            threads: share.threads,
            tensor_threads: stage.resources.tensor_threads(),
            limits: stage.resources.limits,
            retries: stage.resources.retries,
            queue: stage.resources.queue.clone(),
            pause_after: self.run.pauses.get(&id).copied(),
        }
    }

    fn input(&self, connection: &Connection) -> Option<Input> {
        let from = &self.run.graph[connection.from];
        let node = &self.nodes[connection.from];
        let cached = node.cached.as_ref()?;
        let port = from.outputs.iter().find(|port| port.name == connection.output)?;
        Some(Input {
            port: connection.port.to_owned(),
            kind: from.kind.to_owned(),
            fingerprint: cached.fingerprint,
            output: cached.output(connection.output)?.clone(),
            artifact: RequestArtifact::from(&port.artifact),
            verified: node.verified.contains(&connection.output),
        })
    }
}
