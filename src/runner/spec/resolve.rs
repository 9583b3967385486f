//! Stages × sweep points → stage instances. Work grows with points × stages and with nothing else.

mod variants;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};

use self::variants::Variant;

use super::diagnostics::Mistake;
use super::order::order;
use super::outline::{Outline, Stage};
use super::parameters::{self, Parameters, plain};
use super::problem::Problem;
use super::spans::Part;
use super::sweep::Sweep;
use super::{arguments, connect};
use crate::catalog::Catalog;
use crate::graph::{Connection, Graph, Point, StageId, StageInstance};
use crate::ports::{Connected, Counts, OutputPort};

/// Resolves a document; complete if no mistake was added.
pub(super) fn resolve(
    root: &Value,
    folder: &Path,
    given: &[(String, String)],
    catalog: &Catalog,
    mistakes: &mut Vec<Mistake>,
) -> Option<Graph> {
    let outline = Outline::new(root, catalog, mistakes)?;
    let empty = Map::new();
    let params = outline.params.unwrap_or(&empty);
    let names: Vec<&str> = params.keys().map(String::as_str).collect();
    let overrides = parameters::overrides(given, &names, mistakes);
    let sweep = Sweep::new(outline.sweep, &names, &overrides, mistakes);
    let parameters = Parameters::new(params, &overrides, &sweep, mistakes);
    let settings = overrides.keys().map(|name| (name.clone(), None)).collect();
    let mut resolver = Resolver {
        outline: &outline,
        parameters: &parameters,
        sweep: &sweep,
        folder,
        settings,
        used: BTreeSet::new(),
        columns: vec![BTreeSet::new(); outline.stages.len()],
        output_names: vec![None; outline.stages.len()],
        outputs: HashMap::new(),
        places: Vec::new(),
        instances: Vec::with_capacity(outline.stages.len()),
        counts: Vec::with_capacity(outline.stages.len()),
        mistakes,
    };
    resolver.places.resize_with(outline.stages.len(), || Places::Same(None));
    for (stage, in_cycle) in order(&outline.stages, resolver.mistakes) {
        resolver.stage(stage, in_cycle);
    }
    resolver.unused();
    let stages = resolver.instances;
    let point = |values: &Vec<usize>| -> Point {
        let columns = sweep.columns.iter().zip(values);
        columns
            .map(|(column, &value)| (column.name.clone(), column.values[value].clone()))
            .collect()
    };
    let points = sweep.points.iter().map(point).collect();
    let values = parameters.unswept();
    Some(Graph {
        pipeline: outline.pipeline,
        about: outline.about,
        folder: folder.to_owned(),
        stages,
        points,
        parameters: values,
    })
}

/// The instance of a stage at each point; `None` where something is wrong with it.
enum Places {
    Same(Option<StageId>),
    Each(Vec<Option<StageId>>),
}

impl Places {
    fn complete(&self) -> bool {
        match self {
            Self::Same(id) => id.is_some(),
            Self::Each(ids) => ids.iter().all(Option::is_some),
        }
    }

    fn at(&self, point: usize) -> Option<StageId> {
        match self {
            Self::Same(id) => *id,
            Self::Each(ids) => ids[point],
        }
    }
}

struct Resolver<'a> {
    outline: &'a Outline<'a>,
    parameters: &'a Parameters<'a>,
    sweep: &'a Sweep,
    folder: &'a Path,
    /// Parameters of the command line, as a mistake wants them.
    settings: Vec<(String, Option<Vec<String>>)>,
    /// Columns of the sweep that some stage uses.
    used: BTreeSet<usize>,
    /// Columns on which each stage depends, directly or through its inputs.
    columns: Vec<BTreeSet<usize>>,
    places: Vec<Places>,
    /// Of a stage with mistakes, the names of its outputs, where they are known.
    output_names: Vec<Option<BTreeSet<&'static str>>>,
    /// The outputs of each stage, as last seen: most points share them.
    outputs: HashMap<&'a str, Vec<OutputPort>>,
    instances: Vec<StageInstance>,
    /// Of each instance, what is known of its outputs.
    counts: Vec<Counts>,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Resolver<'a> {
    fn stage(&mut self, index: usize, in_cycle: bool) {
        let stage = &self.outline.stages[index];
        let mut own = BTreeSet::new();
        for value in [stage.with, stage.on].into_iter().flatten() {
            own.extend(self.parameters.columns(value));
        }
        self.used.extend(&own);
        let sources = stage.from.iter().filter_map(|source| source.stage);
        let all: BTreeSet<usize> = sources
            .flat_map(|source| &self.columns[source])
            .chain(&own)
            .copied()
            .collect();
        self.outputs_of_faulty(stage);
        let (variants, chosen) = self.variants(stage, &own);
        if !in_cycle {
            self.places[index] = if all.is_empty() {
                let id = self.place(stage, &variants, chosen[0], 0);
                if let Some(id) = id {
                    self.instances[id.index()].points = (0..self.sweep.points.len()).collect();
                }
                Places::Same(id)
            } else {
                self.place_each(stage, &variants, &chosen, &all)
            };
        }
        if !self.places[index].complete() {
            let names = variants
                .iter()
                .map(|variant| arguments::output_names(&*variant.as_ref()?.stage));
            let names: Option<Vec<_>> = names.collect();
            self.output_names[index] = names.map(|names| names.into_iter().flatten().collect());
        }
        self.columns[index] = all;
    }

    /// Reports outputs that do not exist, of stages whose own mistakes keep them from the graph.
    fn outputs_of_faulty(&mut self, stage: &Stage<'a>) {
        for source in &stage.from {
            let (Some(writer), Some(output)) = (source.stage, source.output) else {
                continue;
            };
            let Some(names) = &self.output_names[writer] else {
                continue;
            };
            if !names.contains(output) {
                let problem = Problem::UnknownOutput {
                    stage: self.outline.stages[writer].name.to_owned(),
                    output: output.to_owned(),
                    allowed: names.iter().map(|&name| name.to_owned()).collect(),
                };
                let path = stage.path(["from", source.port]);
                self.mistakes.push(Mistake::at(path, Part::Value, problem));
            }
        }
    }

    /// Instances of a stage that depends on `columns` of the sweep.
    fn place_each(
        &mut self,
        stage: &Stage<'a>,
        variants: &[Option<Variant>],
        chosen: &[usize],
        columns: &BTreeSet<usize>,
    ) -> Places {
        let mut known: HashMap<(usize, Vec<Option<StageId>>), Option<StageId>> = HashMap::new();
        let mut ids = Vec::with_capacity(chosen.len());
        for (point, &variant) in chosen.iter().enumerate() {
            let sources = stage.from.iter();
            let inputs = sources
                .map(|source| source.stage.and_then(|stage| self.places[stage].at(point)))
                .collect();
            let id = match known.entry((variant, inputs)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(self.place(stage, variants, variant, point)),
            };
            if let Some(id) = id {
                self.instances[id.index()].points.push(point);
            }
            ids.push(id);
        }
        let different: HashSet<_> = ids.iter().flatten().collect();
        if different.len() > 1 {
            for &id in different {
                let instance = &mut self.instances[id.index()];
                instance.label = label(stage.name, self.sweep, &self.sweep.points[instance.points[0]], columns);
            }
        }
        Places::Each(ids)
    }

    /// Makes the instance of a stage at one point, if all is well with it and its inputs.
    fn place(
        &mut self,
        stage: &Stage<'a>,
        variants: &[Option<Variant>],
        variant: usize,
        point: usize,
    ) -> Option<StageId> {
        let (kind, variant) = (stage.kind?, variants[variant].as_ref()?);
        let before = self.mistakes.len();
        let (mut connected, mut connections) = (Connected::new(), Vec::new());
        let mut complete = !stage.broken;
        let mut counts = Counts::default();
        let report = |mistakes: &mut Vec<Mistake>, port: &str, part, problem| {
            mistakes.push(Mistake::at(stage.path(["from", port]), part, problem));
        };
        for source in &stage.from {
            let Some(port) = variant.inputs.iter().find(|port| port.name == source.port) else {
                let allowed = variant.inputs.iter().map(|port| port.name.to_owned()).collect();
                let problem = Problem::UnknownInput {
                    kind: kind.name.to_owned(),
                    port: source.port.to_owned(),
                    allowed,
                };
                report(self.mistakes, source.port, Part::Key, problem);
                continue;
            };
            let id = source.stage.and_then(|stage| self.places[stage].at(point));
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
                let (stage, output) = (writer.name.clone(), source.output.unwrap_or_default().to_owned());
                report(
                    self.mistakes,
                    source.port,
                    Part::Value,
                    Problem::UnknownOutput { stage, output, allowed },
                );
                continue;
            };
            for problem in connect::misfits(port, &writer.name, output) {
                report(self.mistakes, source.port, Part::Value, problem);
            }
            connected.insert(port.name, output.artifact.clone());
            if let Some(id) = id {
                counts = counts.and(port.name, self.counts[id.index()].at(output.name));
            }
            connections.extend(id.map(|from| Connection {
                port: port.name,
                from,
                output: output.name,
            }));
        }
        // A misspelt port is reported already, and was meant to be some missing one.
        let misspelt = stage
            .from
            .iter()
            .any(|source| variant.inputs.iter().all(|port| port.name != source.port));
        for port in variant.inputs.iter().filter(|port| !port.optional && !stage.broken) {
            let named = stage.from.iter().any(|source| source.port == port.name);
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
        let outputs = match variant.stage.outputs(&connected) {
            Ok(outputs) => self.shared(stage.name, outputs),
            Err(reason) => {
                let (path, part) = place_of(stage, &reason);
                let kind = kind.name.to_owned();
                self.mistakes
                    .push(Mistake::at(path, part, Problem::Unfit { kind, reason }));
                return None;
            }
        };
        let counts = match variant.stage.counts(&counts) {
            Ok(counts) => counts,
            Err(faults) => {
                let path = stage.path(stage.with.map(|_| "with"));
                arguments::report_faults(&faults, &path, self.mistakes);
                return None;
            }
        };
        self.counts.push(counts);
        connections.sort_by_key(|connection| variant.inputs.iter().position(|port| port.name == connection.port));
        let id = StageId::new(self.instances.len());
        self.instances.push(StageInstance {
            name: stage.name.to_owned(),
            label: stage.name.to_owned(),
            kind: kind.name,
            revision: kind.revision,
            role: kind.role,
            place: kind.place,
            stage: variant.stage.clone(),
            parameters: variant.parameters.clone(),
            inputs: connections,
            outputs,
            files: variant.files.clone(),
            resources: variant.resources.clone(),
            points: Vec::new(),
        });
        Some(id)
    }

    /// The same outputs in memory that they share with other instances of the stage.
    fn shared(&mut self, stage: &'a str, outputs: Vec<OutputPort>) -> Vec<OutputPort> {
        match self.outputs.entry(stage) {
            Entry::Occupied(known) if *known.get() == outputs => known.get().clone(),
            Entry::Occupied(mut known) => known.insert(outputs).clone(),
            Entry::Vacant(new) => new.insert(outputs).clone(),
        }
    }

    /// Reports swept parameters that nothing uses. Not while references are misspelt: they may be meant.
    fn unused(&mut self) {
        let misspelt = |mistake: &Mistake| {
            matches!(
                mistake.problem,
                Problem::UnknownParameter { .. } | Problem::BadReference { .. } | Problem::UnknownKey { .. }
            )
        };
        if self.mistakes.iter().any(misspelt) || self.outline.stages.iter().any(|stage| stage.kind.is_none()) {
            return;
        }
        // A column of `zip` may only name its row, as long as another one of `zip` is used.
        let zip_used = self
            .used
            .iter()
            .any(|&column| self.sweep.columns[column].section == "zip");
        for (index, column) in self.sweep.columns.iter().enumerate() {
            let excused = column.section == "zip" && zip_used;
            if !excused && !self.used.contains(&index) {
                let path = vec!["sweep".to_owned(), column.section.to_owned(), column.name.clone()];
                self.mistakes.push(Mistake::at(
                    path,
                    Part::Key,
                    Problem::UnusedSwept {
                        name: column.name.clone(),
                    },
                ));
            }
        }
    }
}

/// Where the reason why inputs do not fit belongs: it begins with the input, or with the path of the parameter, that it is
/// about.
fn place_of(stage: &Stage<'_>, reason: &str) -> (Vec<String>, Part) {
    let about = reason.split_once(": ").map_or("", |(about, _)| about);
    if stage.from.iter().any(|source| source.port == about) {
        return (stage.path(["from", about]), Part::Value);
    }
    let top = about.split('.').next().unwrap_or_default();
    if stage.with.is_some_and(|with| with.get(top).is_some()) {
        return (stage.path(["with"].into_iter().chain(about.split('.'))), Part::Value);
    }
    (stage.path((!stage.from.is_empty()).then_some("from")), Part::Key)
}

/// `actions[toy_mass=3e11,seed=2]`.
fn label(name: &str, sweep: &Sweep, point: &[usize], columns: &BTreeSet<usize>) -> String {
    let value = |column: usize| {
        let value = &sweep.columns[column].values[point[column]];
        let simple = |text: &str| {
            let plain = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-./+".contains(&byte));
            plain
                && text.starts_with(|first: char| first.is_ascii_alphabetic())
                && !["true", "false", "null"].contains(&text)
        };
        match value {
            Value::String(text) if !simple(text) => value.to_string(),
            other => plain(other),
        }
    };
    let parts = columns
        .iter()
        .map(|&column| format!("{}={}", sweep.columns[column].name, value(column)));
    format!("{name}[{}]", parts.collect::<Vec<_>>().join(","))
}
