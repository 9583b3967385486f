//! One instance of a stage: its inputs, and what its kind makes of them.

use std::sync::Arc;

use super::super::diagnostics::Mistake;
use super::super::nodes::{Input, Node};
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::{arguments, connect};
use super::Resolver;
use super::variants::Variant;
use crate::graph::{Connection, DeviceWish, StageId, StageInstance};
use crate::ports::{Artifact, Connected, Counts, InputPort, NetworkType, OutputPort};
use crate::stage::AnyStage;

/// What an instance of a stage writes.
#[derive(Clone)]
pub(super) struct Written {
    outputs: Arc<[OutputPort]>,
    counts: Arc<Counts>,
}

/// The last instance of a stage: the next one is mostly the same but for its place in the sweep, and then need not be asked.
pub(super) struct Last {
    stage: Arc<dyn AnyStage>,
    inputs: Arc<[InputPort]>,
    connected: Connected,
    /// What is known of what is connected.
    counts: Counts,
    written: Written,
}

impl Last {
    /// Whether this is one with inputs of the same kind.
    fn is_of(&self, variant: &Variant) -> bool {
        Arc::ptr_eq(&self.inputs, &variant.inputs)
    }

    /// What it writes, if it is of the same stage with the same at its inputs.
    fn again(&self, variant: &Variant, connected: &Connected, counts: &Counts) -> Option<Written> {
        let is_same = |((port, own), (other_port, other)): ((&&str, &Artifact), (&&str, &Artifact))| {
            port == other_port && own.is_same(other)
        };
        let same = Arc::ptr_eq(&self.stage, &variant.stage)
            && self.counts == *counts
            && self.connected.len() == connected.len()
            && self.connected.iter().zip(connected).all(is_same);
        same.then(|| self.written.clone())
    }
}

impl<'a> Resolver<'a, '_> {
    /// Makes the instance of a stage with the rows that are set, if all is well with it and its inputs.
    /// `inputs` are the instances that are connected to each.
    pub(super) fn place(
        &mut self,
        index: usize,
        variant: Option<&Variant>,
        inputs: &[Vec<Option<StageId>>],
    ) -> Option<StageId> {
        let (nodes, scopes) = (self.nodes, self.scopes);
        let node = &nodes[index];
        let stage = node.stage;
        let (kind, variant) = (stage.kind?, variant?);
        let before = self.mistakes.len();
        let (mut connected, mut connections) = (Connected::new(), Vec::new());
        let mut complete = !node.broken;
        let mut counts = Counts::default();
        let report = |mistakes: &mut Vec<Mistake>, source: &Input<'_>, part, problem| {
            let path = stage.path_of_source(source.port, source.item);
            mistakes.push(Mistake::at(path, part, problem));
        };
        for (source, ids) in node.from.iter().zip(inputs) {
            let Some(port) = variant.inputs.iter().find(|port| port.name == source.port) else {
                let allowed = variant.inputs.iter().map(|port| port.name.to_owned()).collect();
                let problem = Problem::UnknownInput {
                    kind: kind.name.to_owned(),
                    port: source.port.to_owned(),
                    allowed,
                };
                let path = stage.path(["from", source.port]);
                if source.item.is_none_or(|item| item == 0) {
                    self.mistakes.push(Mistake::at(path, Part::Key, problem));
                }
                continue;
            };
            for (n, &id) in ids.iter().enumerate() {
                // Over a swept parameter, as in a list, each has a name of its own.
                let before = connected.keys().filter(|name: &&&str| port.is_called(name)).count();
                let counted = port.any_number || !source.over.is_empty();
                let item = if counted { Some(before) } else { source.item };
                let Some(name) = port.name_of(item) else {
                    let problem = Problem::TooManySources {
                        port: source.port.to_owned(),
                        most: port.names().count(),
                    };
                    report(self.mistakes, source, Part::Value, problem);
                    break;
                };
                let Some(writer) = id.map(|id| &self.instances[id.index()]) else {
                    complete = false;
                    continue;
                };
                let output = match source.output {
                    None => writer.outputs.first(),
                    Some(name) => writer.outputs.iter().find(|output| output.name == name),
                };
                let Some(output) = output else {
                    let allowed = writer.outputs.iter().map(|output| output.name.to_owned()).collect();
                    let (stage, output) = (
                        self.name_from(node, &writer.name),
                        source.output.unwrap_or_default().to_owned(),
                    );
                    report(
                        self.mistakes,
                        source,
                        Part::Value,
                        Problem::UnknownOutput { stage, output, allowed },
                    );
                    continue;
                };
                let fitting = |types: &[NetworkType]| {
                    let names = connect::fitting(types, &self.instances).into_iter();
                    names.map(|name| self.name_from(node, &name)).collect()
                };
                // Those over a swept parameter are alike, and what the last instance had fits this one, too.
                let last = self.last[index].as_ref().filter(|last| last.is_of(variant));
                let fits = last.and_then(|last| last.connected.get(name));
                if n == 0 && !fits.is_some_and(|fits| fits.is_same(&output.artifact)) {
                    for problem in connect::misfits(port, || self.name_from(node, &writer.name), output, fitting) {
                        report(self.mistakes, source, Part::Value, problem);
                    }
                }
                connected.insert(name, output.artifact.clone());
                if let Some(id) = id {
                    counts = counts.and(name, self.counts[id.index()].at(output.name));
                }
                connections.extend(id.map(|from| Connection {
                    port: name,
                    from,
                    output: output.name,
                }));
            }
        }
        // A misspelt port is reported already, and was meant to be some missing one.
        let misspelt = node
            .from
            .iter()
            .any(|source| variant.inputs.iter().all(|port| port.name != source.port));
        for port in variant.inputs.iter().filter(|port| !port.optional && !node.broken) {
            let named = node.from.iter().any(|source| source.port == port.name);
            if !named && !misspelt {
                let (kind, name) = (kind.name.to_owned(), port.name.to_owned());
                let problem = Problem::MissingInput {
                    kind,
                    port: name,
                    accepts: connect::accepted(port),
                };
                self.mistakes.push(Mistake::at(stage.path([]), Part::Key, problem));
                complete = false;
            }
        }
        if !complete || variant.faulty || self.mistakes.len() > before {
            return None;
        }
        let mut resources = variant.resources.clone();
        if resources.device == DeviceWish::Auto && !variant.stage.gains_by_gpu(&connected) {
            resources.device = DeviceWish::Cpu;
        }
        let known = self.last[index]
            .as_ref()
            .and_then(|last| last.again(variant, &connected, &counts));
        let Written { outputs, counts } = match known {
            Some(written) => written,
            None => {
                let outputs = match variant.stage.outputs(&connected) {
                    Ok(outputs) => outputs,
                    Err(reason) => {
                        let (path, part) = self.place_of(node, &reason);
                        let kind = kind.name.to_owned();
                        self.mistakes
                            .push(Mistake::at(path, part, Problem::Unfit { kind, reason }));
                        return None;
                    }
                };
                let known = match variant.stage.counts(&counts) {
                    Ok(counts) => counts,
                    Err(faults) => {
                        let path = node.path_of_with(scopes);
                        arguments::report_faults(&faults, &path, self.mistakes);
                        return None;
                    }
                };
                let written = self.written(index, outputs, known);
                let last = Last {
                    stage: variant.stage.clone(),
                    inputs: variant.inputs.clone(),
                    connected,
                    counts,
                    written,
                };
                self.last[index].insert(last).written.clone()
            }
        };
        self.counts.push(counts);
        connections.sort_by_key(|connection| variant.inputs.iter().position(|port| port.is_called(connection.port)));
        let id = StageId::new(self.instances.len());
        self.instances.push(StageInstance {
            name: self.names[index].clone(),
            label: self.names[index].clone(),
            kind: kind.name,
            revision: kind.revision,
            role: kind.role,
            place: kind.place,
            stage: variant.stage.clone(),
            parameters: variant.parameters.clone(),
            inputs: connections.into(),
            outputs,
            files: variant.files.clone(),
            resources,
            points: Vec::new(),
        });
        Some(id)
    }

    /// What an instance of a stage writes, in the memory of the last one where that writes the same.
    fn written(&self, stage: usize, outputs: Vec<OutputPort>, counts: Counts) -> Written {
        match self.last[stage].as_ref().map(|last| &last.written) {
            Some(last) if *last.outputs == *outputs && *last.counts == counts => last.clone(),
            _ => Written {
                outputs: outputs.into(),
                counts: Arc::new(counts),
            },
        }
    }

    /// Where the reason why inputs do not fit belongs: it begins with the input, or with the path of the parameter, that it is
    /// about.
    fn place_of(&self, node: &Node<'a>, reason: &str) -> (Vec<String>, Part) {
        let stage = node.stage;
        let about = reason.split_once(": ").map_or("", |(about, _)| about);
        for source in &node.from {
            // The second of a port `p` is called `p.2`.
            let name = match source.item {
                None | Some(0) => source.port.to_owned(),
                Some(item) => format!("{}.{}", source.port, item + 1),
            };
            if name == about {
                return (stage.path_of_source(source.port, source.item), Part::Value);
            }
        }
        let top = about.split('.').next().unwrap_or_default();
        if node.is_given(self.scopes, top) {
            return (stage.path(["with"].into_iter().chain(about.split('.'))), Part::Value);
        }
        (stage.path((!stage.from.is_empty()).then_some("from")), Part::Key)
    }
}
