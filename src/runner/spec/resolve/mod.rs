//! Stages × rows of the sweep → stage instances. Work grows with the instances that there may be, and with nothing else.

mod place;
mod points;
mod unused;
mod variants;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use self::place::Last;
use self::variants::Variant;
use super::arguments;
use super::diagnostics::{At, Mistake};
use super::nodes::{Input, Node, nodes};
use super::order::order;
use super::outline::Outline;
use super::parameters::{CommandLine, Values, given};
use super::problem::Problem;
use super::scopes::Scope;
use super::sources::Sources;
use super::spans::Part;
use super::sweep::{Combinations, Written as WrittenSweep};
use crate::graph::{Graph, Searched, StageId, StageInstance};
use crate::ports::{Counts, InputPort};
use crate::quantity::ReadQuantity;
use crate::search::{Known, Outcomes, Search};

/// Resolves a pipeline, of which `outline` is its own file; complete if no mistake was added.
pub(super) fn resolve(
    sources: &Sources,
    outline: &Outline<'_>,
    scopes: &[Scope<'_>],
    command_line: &CommandLine,
    (quantities, outcomes): (Option<ReadQuantity>, &Outcomes),
    mistakes: &mut Vec<Mistake>,
) -> Option<Graph> {
    let search = searched(outline, scopes, &command_line[0], outcomes, mistakes);
    let mut values = Values {
        quantities,
        ..Values::default()
    };
    for (scope, own) in scopes.iter().zip(command_line) {
        let given = given(scope, own, mistakes);
        let sweep = scope.outline.map_or(&[][..], |outline| &outline.sweep);
        let search = search.as_ref().filter(|_| scope.parent.is_none());
        let search = search.map(|(search, known)| WrittenSweep::of_search(search, &known.trials));
        let sweep: Vec<WrittenSweep> = sweep.iter().cloned().chain(search).collect();
        values.add(scope, &sweep, &given, mistakes);
    }
    let nodes = nodes(scopes, mistakes);
    let mut resolver = Resolver {
        sources,
        scopes,
        nodes: &nodes,
        settings: values.sweep.settings(),
        values: &values,
        used: BTreeSet::new(),
        places: Vec::new(),
        inputs: None,
        last: nodes.iter().map(|_| None).collect(),
        names: nodes.iter().map(|node| node.name.as_str().into()).collect(),
        instances: Vec::with_capacity(nodes.len()),
        counts: Vec::with_capacity(nodes.len()),
        mistakes,
    };
    resolver.places.resize_with(nodes.len(), Places::default);
    for (node, in_cycle) in order(&nodes, resolver.mistakes) {
        resolver.node(node, in_cycle);
    }
    unused::report(scopes, &nodes, &values.sweep, &resolver.used, resolver.mistakes);
    if !resolver.mistakes.is_empty() {
        return None;
    }
    let (points, trials) = resolver.points();
    let mut parameters = values.scopes[0].unswept();
    // Of what is used, the parameters are said there; here only what the command line makes of them.
    for (scope, own) in scopes.iter().zip(command_line).skip(1) {
        let own = own
            .iter()
            .map(|(name, value)| (format!("{}{name}", scope.prefix), value.clone()));
        let mut own: Vec<_> = own.collect();
        own.sort_by(|(a, _), (b, _)| a.cmp(b));
        parameters.extend(own);
    }
    Some(Graph {
        pipeline: outline.pipeline.clone(),
        about: outline.about.clone(),
        folder: sources.0[0].folder.clone(),
        stages: resolver.instances,
        points,
        search: search.map(|(search, known)| Searched { search, known, trials }),
        parameters,
        notes: Vec::new(),
    })
}

/// The search of the pipeline itself, with its known trials; reports one of a pipeline that it uses.
fn searched(
    outline: &Outline<'_>,
    scopes: &[Scope<'_>],
    command_line: &HashMap<String, Value>,
    outcomes: &Outcomes,
    mistakes: &mut Vec<Mistake>,
) -> Option<(Search, Known)> {
    for scope in &scopes[1..] {
        if let (
            Some(Outline {
                search: Some(search), ..
            }),
            Some((parent, used)),
        ) = (scope.outline, scope.parent)
        {
            let is_set = |name: &str| used.with.is_some_and(|with| with.contains_key(name));
            if search.axes.iter().any(|axis| !is_set(&axis.name)) {
                let name = used.name.to_owned();
                let mistake = Mistake::at(used.path(["pipeline"]), Part::Value, Problem::SearchInUse { name });
                mistakes.push(mistake.within(parent));
            }
        }
    }
    let search = outline
        .search
        .clone()?
        .without(|name| command_line.contains_key(name))?;
    for objective in search
        .objectives
        .iter()
        .map(|objective| &objective.of)
        .chain(search.bounds.iter().map(|bound| &bound.of))
    {
        let is_stage = |name: &&String| {
            objective
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let own = outline.stages.iter().map(|stage| stage.name.to_owned());
        let uses = outline.uses.iter().map(|used| used.name.to_owned());
        let allowed: Vec<String> = own.chain(uses).collect();
        if !allowed.iter().any(|name| is_stage(&name)) {
            let name = objective.split('.').next().unwrap_or_default().to_owned();
            let path = vec!["sweep".to_owned(), "search".to_owned()];
            mistakes.push(Mistake::at(path, Part::Key, Problem::UnknownStage { name, allowed }));
        }
    }
    if let Some(prune) = &search.prune
        && !outline.stages.iter().any(|stage| stage.name == prune.stage)
    {
        let problem = Problem::UnknownStage {
            name: prune.stage.clone(),
            allowed: outline.stages.iter().map(|stage| stage.name.to_owned()).collect(),
        };
        let path = ["sweep", "search", "prune", "stage"].map(str::to_owned).to_vec();
        mistakes.push(Mistake::at(path, Part::Value, problem));
    }
    let known = search.known(outcomes);
    Some((search, known))
}

/// A stage at all rows of the sweep that it depends on.
#[derive(Default)]
struct Places {
    /// Columns on which it depends, directly or through its inputs.
    columns: BTreeSet<usize>,
    /// The combinations of their dimensions.
    combinations: Combinations,
    /// For each of them, the instance; `None` where there is none.
    ids: Vec<Option<StageId>>,
    /// Where something is wrong with it, the names of its outputs, as far as they are known.
    faulty: Option<Option<BTreeSet<&'static str>>>,
}

impl Places {
    fn at(&self, settings: &[usize]) -> Option<StageId> {
        self.ids.get(self.combinations.index(settings)).copied().flatten()
    }
}

/// The instances that are connected to each input of a stage; `None` for one that there is not.
type Connected = Vec<Vec<Option<StageId>>>;

struct Resolver<'a, 's> {
    sources: &'s Sources,
    scopes: &'s [Scope<'a>],
    nodes: &'s [Node<'a>],
    values: &'s Values<'a>,
    /// The row of each dimension of the sweep that is looked at.
    settings: Vec<usize>,
    /// Columns of the sweep that some stage uses.
    used: BTreeSet<usize>,
    places: Vec<Places>,
    /// The input ports of the last variant, and the last instance of each stage: most are the same, and share what they have.
    inputs: Option<Arc<[InputPort]>>,
    last: Vec<Option<Last>>,
    /// The names of the stages.
    names: Vec<Arc<str>>,
    instances: Vec<StageInstance>,
    /// Of each instance, what is known of its outputs.
    counts: Vec<Arc<Counts>>,
    mistakes: &'s mut Vec<Mistake>,
}

impl<'a> Resolver<'a, '_> {
    fn node(&mut self, index: usize, in_cycle: bool) {
        let before = self.mistakes.len();
        let (nodes, scopes) = (self.nodes, self.scopes);
        let node = &nodes[index];
        let own = self.own_columns(node);
        self.used.extend(&own);
        let over: Vec<BTreeSet<usize>> = node
            .from
            .iter()
            .map(|input| self.dimensions_over(node, input))
            .collect();
        let inputs = node.from.iter().zip(&over);
        let inputs = inputs.filter_map(|(input, over)| Some((&self.places[input.node?].columns, over)));
        let dimension = |column: &usize| self.values.sweep.columns[*column].dimension;
        let inputs =
            inputs.flat_map(|(columns, over)| columns.iter().filter(|column| !over.contains(&dimension(column))));
        let columns: BTreeSet<usize> = inputs.chain(&own).copied().collect();
        let combinations = Combinations::new(&self.values.sweep, &columns);
        self.too_many(&combinations);
        self.outputs_of_faulty(node);
        let (variants, chosen) = self.variants(node, &own, &combinations);
        let mut places = Places {
            columns,
            combinations,
            ids: Vec::new(),
            faulty: None,
        };
        if !in_cycle {
            self.place_each(index, &variants, &chosen, &over, &mut places);
        }
        let complete = !in_cycle
            && chosen
                .iter()
                .zip(&places.ids)
                .all(|(chosen, id)| chosen.is_none() || id.is_some());
        if !complete {
            let names = variants
                .iter()
                .map(|variant| arguments::output_names(&*variant.as_ref()?.stage));
            let names: Option<Vec<_>> = names.collect();
            places.faulty = Some(names.map(|names| names.into_iter().flatten().collect()));
        }
        self.places[index] = places;
        for mistake in &mut self.mistakes[before..] {
            if mistake.scope.is_none_or(|scope| scope == node.scope)
                && let At::Path(path, _) = &mut mistake.at
            {
                node.as_written(scopes, path);
            }
            mistake.scope.get_or_insert(node.scope);
        }
    }

    /// Reports a stage with more instances than can be.
    fn too_many(&mut self, combinations: &Combinations) {
        let (Some(points), Some(&last)) = (combinations.too_many, combinations.dimensions.last()) else {
            return;
        };
        let column = self.values.sweep.dimensions[last].columns.start;
        let scope = self.values.sweep.columns.get(column).map_or(0, |column| column.scope);
        let points = format!("{points}");
        let mistake = Mistake::at(vec!["sweep".to_owned()], Part::Key, Problem::TooManyPoints { points });
        self.mistakes.push(mistake.within(scope));
    }

    /// Reports outputs that do not exist, of stages whose own mistakes keep them from the graph.
    fn outputs_of_faulty(&mut self, node: &Node<'a>) {
        for input in &node.from {
            let (Some(writer), Some(output)) = (input.node, input.output) else {
                continue;
            };
            let Some(Some(names)) = &self.places[writer].faulty else {
                continue;
            };
            if !names.contains(output) {
                let problem = Problem::UnknownOutput {
                    stage: self.name_from(node, &self.nodes[writer].name),
                    output: output.to_owned(),
                    allowed: names.iter().map(|&name| name.to_owned()).collect(),
                };
                let path = node.stage.path_of_source(input.port, input.item);
                self.mistakes.push(Mistake::at(path, Part::Value, problem));
            }
        }
    }

    /// The name of a stage, as it is said in the file of `node`.
    fn name_from(&self, node: &Node<'a>, name: &str) -> String {
        let prefix = self.scopes[node.scope].prefix.as_str();
        name.strip_prefix(prefix).unwrap_or(name).to_owned()
    }

    /// The dimensions of the sweep over all of which an input is connected. Reports what is no parameter.
    fn dimensions_over(&mut self, node: &Node<'a>, input: &Input<'a>) -> BTreeSet<usize> {
        let mut dimensions = BTreeSet::new();
        for name in input.over {
            let known = self.values.scopes[node.scope].names();
            if !known.iter().any(|known| known == name) {
                let problem = Problem::UnknownParameter {
                    name: (*name).to_owned(),
                    allowed: known,
                };
                let mut path = node.stage.path_of_source(input.port, input.item);
                path.push("over".to_owned());
                self.mistakes.push(Mistake::at(path, Part::Value, problem));
                continue;
            }
            let columns = self.values.columns(node.scope, &Value::String(format!("${name}")));
            self.used.extend(&columns);
            dimensions.extend(
                columns
                    .iter()
                    .map(|&column| self.values.sweep.columns[column].dimension),
            );
        }
        dimensions
    }

    /// The instances that are connected to an input: that of the rows that are set, and over some dimensions those of all rows. `None` stands
    /// for one that there is not.
    fn connected(&self, input: &Input<'a>, over: &BTreeSet<usize>) -> Vec<Option<StageId>> {
        let Some(node) = input.node else { return vec![None] };
        let places = &self.places[node];
        let all: Vec<usize> = places
            .combinations
            .dimensions
            .iter()
            .copied()
            .filter(|dimension| over.contains(dimension))
            .collect();
        if all.is_empty() {
            return vec![places.at(&self.settings)];
        }
        let mut settings = self.settings.clone();
        let mut found: Vec<Option<StageId>> = Vec::new();
        all.iter().for_each(|&dimension| settings[dimension] = 0);
        loop {
            let is_possible = self.values.sweep.allows(&places.combinations.dimensions, &settings);
            let id = places.at(&settings);
            // Values that make no difference are connected once.
            if is_possible && !found.contains(&id) {
                found.push(id);
            }
            let lengths = &self.values.sweep.dimensions;
            let Some(next) = all
                .iter()
                .rposition(|&dimension| settings[dimension] + 1 < lengths[dimension].length)
            else {
                return found;
            };
            settings[all[next]] += 1;
            all[next + 1..].iter().for_each(|&dimension| settings[dimension] = 0);
        }
    }

    /// The instances of a stage, at each combination of the rows that it depends on.
    fn place_each(
        &mut self,
        index: usize,
        variants: &[Option<Variant>],
        chosen: &[Option<usize>],
        over: &[BTreeSet<usize>],
        places: &mut Places,
    ) {
        let (nodes, scopes) = (self.nodes, self.scopes);
        let node = &nodes[index];
        let mut known: HashMap<(usize, Connected), Option<StageId>> = HashMap::new();
        let mut first = Vec::new();
        for (combination, variant) in chosen.iter().enumerate() {
            let Some(variant) = *variant else {
                places.ids.push(None);
                continue;
            };
            let mut settings = std::mem::take(&mut self.settings);
            places.combinations.set(&self.values.sweep, combination, &mut settings);
            self.settings = settings;
            let inputs = node.from.iter().zip(over);
            let inputs: Vec<_> = inputs.map(|(input, over)| self.connected(input, over)).collect();
            let id = match known.entry((variant, inputs)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let id = self.place(index, variants[variant].as_ref(), &new.key().1);
                    new.insert(id);
                    first.extend(id.map(|id| (id, combination)));
                    id
                }
            };
            places.ids.push(id);
        }
        let different: HashSet<StageId> = first.iter().map(|(id, _)| *id).collect();
        if different.len() > 1 {
            let mut settings = self.values.sweep.settings();
            let telling = points::telling(&self.values.sweep, &places.columns);
            for (id, combination) in first {
                places.combinations.set(&self.values.sweep, combination, &mut settings);
                self.instances[id.index()].label = points::label(node, scopes, self.values, &settings, &telling).into();
            }
        }
    }
}
