//! Gathers a report's data from the store and the journal.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rayon::prelude::*;
use runner::graph::{Graph, Searched, StageId, StageInstance};
use runner::plan::{Entry, Plan, Reason};
use runner::search::{Outcome, Trial, importance, key};
use runner::stage::{Place, Role};
use runner::store::{Cached, Manifest, Store};
use serde::Deserialize;
use serde_json::Value;

use super::data::{self, Data, Explained, StageData, State};
use super::outcomes::outcomes;
use super::results;
use super::told::{Note, Remembered};
use crate::console::duration;

/// How much is read from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All that the report shows.
    Whole,
    /// Every stage, and every row of its comparisons.
    Rows,
    /// Every stage; of many comparisons only the means over all components.
    Stages,
    /// Only stages with comparisons or findings: what a run prints.
    Results,
}

/// So many comparisons are read whole, whatever is asked for.
const FEW: usize = 16;

/// Collects what is known about every stage of a pipeline. `plan` is a plan of the whole pipeline.
pub fn collect(graph: &Graph, store: &Store, plan: &Plan, detail: Detail) -> Data {
    let states = states(graph, plan);
    let told = |(stage, entry): (&StageInstance, &Entry)| match entry {
        Entry::Hit(cached) => detail != Detail::Results || tells_results(stage, cached),
        _ => detail != Detail::Results,
    };
    let entries = || graph.stages.iter().zip(&plan.entries);
    let comparisons = entries().filter(|(stage, entry)| matches!(entry, Entry::Hit(_)) && compares(stage));
    let rows = matches!(detail, Detail::Whole | Detail::Rows) || comparisons.take(FEW + 1).count() <= FEW;
    fetch(graph, store, plan, detail);
    let mut remembered = Remembered::of(store);
    let asked: Vec<_> = entries().zip(states).filter(|(pair, _)| told(*pair)).collect();
    let read = |((stage, entry), state): ((&StageInstance, &Entry), State)| match entry {
        Entry::Hit(cached) => {
            let (mut told, note) = done(stage, store, cached, &remembered, rows);
            if told.paper_streams.is_some() {
                told.learned_from = learned_from(graph, plan, store, &remembered, stage);
            }
            (told, note)
        }
        _ => (bare(stage, state), None),
    };
    let (stages, notes): (Vec<StageData>, Vec<_>) = asked.into_par_iter().with_min_len(64).map(read).unzip();
    remembered.add(notes.into_iter().flatten());
    remembered.keep();
    let data = Data {
        pipeline: graph.pipeline.clone(),
        about: graph.about.clone(),
        points: graph.points.clone(),
        parameters: graph.parameters.clone(),
        facts: if detail == Detail::Whole {
            facts(graph, &stages, store)
        } else {
            Vec::new()
        },
        stages,
        search: Vec::new(),
        index: OnceLock::new(),
    };
    let searched = graph.search.as_ref().filter(|_| detail == Detail::Whole);
    let search = searched.map_or_else(Vec::new, |searched| explained(&data, searched));
    Data { search, ..data }
}

/// Has what is read below here, from the shared cache. What cannot be had is told by the store.
fn fetch(graph: &Graph, store: &Store, plan: &Plan, detail: Detail) {
    let is_read = |stage: &StageInstance| compares(stage) || (detail == Detail::Whole && stage.role == Role::Draw);
    let entries = graph.stages.iter().zip(&plan.entries);
    let away = entries.filter_map(|(stage, entry)| match entry {
        Entry::Hit(cached) if !cached.is_here && is_read(stage) => Some((stage.kind, cached.fingerprint)),
        _ => None,
    });
    store.bring_all(&away.collect::<Vec<_>>());
}

/// How much the parameters of a search matter. Where its numbers are not told, that is said elsewhere.
fn explained(data: &Data, searched: &Searched) -> Vec<Explained> {
    let found = outcomes(data, searched).unwrap_or_default();
    let trials = searched.known.trials.iter();
    let known: Vec<(&Trial, &Outcome)> = trials
        .filter_map(|trial| Some((trial, found.get(&key(trial))?)))
        .collect();
    let has_objectives = |(_, outcome): &&(&Trial, &Outcome)| outcome.objectives.is_some();
    let trials = known.iter().filter(has_objectives).count();
    let objectives = searched.search.objectives.iter().enumerate();
    objectives
        .map(|(n, objective)| Explained {
            objective: objective.of.clone(),
            trials,
            parameters: importance(&searched.search, n, &known),
        })
        .collect()
}

fn tells_results(stage: &StageInstance, cached: &Cached) -> bool {
    compares(stage) || cached.finding.is_some() || !cached.findings.is_empty() || cached.outside_tolerance
}

/// Whether a stage writes a table of errors.
fn compares(stage: &StageInstance) -> bool {
    stage.role == Role::Judge && stage.outputs.iter().any(|output| output.name == results::PORT)
}

/// What a report says of a stage's parameters.
#[derive(Default, Deserialize)]
struct Told {
    row: Option<Value>,
    seed: Option<Value>,
    paper_streams: Option<Value>,
}

/// The input port of a truth.
const TRUTH: &str = "truth";

fn bare(stage: &StageInstance, state: State) -> StageData {
    let told = stage.parameters.read::<Told>().unwrap_or_default();
    StageData {
        name: stage.name.clone(),
        label: stage.label.clone(),
        kind: stage.kind.to_owned(),
        role: stage.role,
        compares: compares(stage),
        points: stage.points.clone(),
        inputs: stage.inputs.iter().map(|input| input.from.index()).collect(),
        row: told.row.and_then(|row| row.as_str().map(str::to_owned)),
        seed: told.seed.map(|seed| seed.to_string()),
        has_truth: stage.inputs.iter().any(|input| input.port == TRUTH),
        paper_streams: told.paper_streams.and_then(|streams| streams.as_u64()),
        learned_from: None,
        state,
        manifest: None,
        outputs: Vec::new(),
        errors: Vec::new(),
    }
}

/// What is known of a stage that is done, and what to remember of it.
fn done(
    stage: &StageInstance,
    store: &Store,
    cached: &Cached,
    remembered: &Remembered,
    rows: bool,
) -> (StageData, Option<Note>) {
    let folder = store.folder(stage.kind, &cached.fingerprint);
    let outputs = cached
        .outputs
        .iter()
        .map(|output| (output.port().to_owned(), folder.join(&output.file)));
    let mut data = StageData {
        outputs: outputs.collect(),
        ..bare(stage, State::Done)
    };
    let table = data
        .outputs
        .iter()
        .find(|(port, _)| data.compares && port == results::PORT);
    // A table that cannot be read is damaged, which the next run finds out and repairs.
    let read = || table.map(|(_, path)| results::read(path)).unwrap_or(Ok(Vec::new()));
    if let Some(told) = remembered.recall(stage.kind, cached) {
        data.errors = if rows { read().unwrap_or_default() } else { told.means };
        data.manifest = Some(told.manifest);
        return (data, None);
    }
    let errors = read();
    data.manifest = store.manifest(stage.kind, &cached.fingerprint);
    let note = match (&data.manifest, &errors) {
        (Some(manifest), Ok(errors)) => Note::of(cached, manifest, errors),
        _ => None,
    };
    data.errors = errors.unwrap_or_default();
    if !rows {
        data.errors.retain(|row| row.component == results::MEAN);
    }
    (data, note)
}

/// What a stage that divides streams tells.
const TRAIN_STREAMS: &str = "train_streams";

/// How many streams were learned from on the way to a stage, as the nearest stages that divide streams tell.
fn learned_from(graph: &Graph, plan: &Plan, store: &Store, remembered: &Remembered, of: &StageInstance) -> Option<u64> {
    let mut open: Vec<StageId> = of.inputs.iter().map(|input| input.from).collect();
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    while let Some(id) = open.pop() {
        let (stage, Entry::Hit(cached)) = (&graph[id], &plan[id]) else {
            continue;
        };
        if !seen.insert(id.index()) {
            continue;
        }
        let recalled = remembered.recall(stage.kind, cached).map(|told| told.manifest);
        let manifest = recalled.or_else(|| store.manifest(stage.kind, &cached.fingerprint));
        match manifest.and_then(|manifest| data::metric(&manifest, TRAIN_STREAMS)) {
            Some(streams) => drop(found.insert(streams as u64)),
            None => open.extend(stage.inputs.iter().map(|input| input.from)),
        }
    }
    found.first().copied().filter(|_| found.len() == 1)
}

/// How every stage stands. One that waits for a stage that failed is skipped because of it.
fn states(graph: &Graph, plan: &Plan) -> Vec<State> {
    let mut states: Vec<State> = Vec::with_capacity(plan.entries.len());
    for (stage, entry) in graph.stages.iter().zip(&plan.entries) {
        let label = |index: usize| graph.stages[index].label.to_string();
        let state = match entry {
            Entry::Hit(_) => State::Done,
            Entry::Skipped { because } => State::Skipped {
                because: label(because.index()),
            },
            Entry::Stale(Reason::Failed { message, hint, .. }) => State::Failed {
                message: message.clone(),
                hint: hint.clone(),
            },
            Entry::Stale(Reason::Unfinished { checkpoint }) => State::Unfinished {
                checkpoint: *checkpoint,
            },
            Entry::Waiting { .. } => {
                let mut inputs = stage.inputs.iter().map(|input| input.from.index());
                let cause = inputs.find_map(|from| match &states[from] {
                    State::Failed { .. } => Some(label(from)),
                    State::Skipped { because } => Some(because.clone()),
                    _ => None,
                });
                cause.map_or(State::NotRun, |because| State::Skipped { because })
            }
            Entry::Stale(_) | Entry::Unselected => State::NotRun,
        };
        states.push(state);
    }
    states
}

/// Versions, devices, times and seeds; of every stage of the graph.
fn facts(graph: &Graph, stages: &[StageData], store: &Store) -> Vec<(String, String)> {
    let manifests = || stages.iter().filter_map(|stage| stage.manifest.as_ref());
    let set =
        |values: &mut dyn Iterator<Item = String>| values.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let mut facts = Vec::new();
    let mut fact = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            facts.push((name.to_owned(), values.join(", ")));
        }
    };
    fact(
        "actionfinder",
        set(&mut manifests().map(|manifest| manifest.version.clone())),
    );
    let fingerprint = |manifest: &Manifest| {
        let json = store.fingerprint_of(&manifest.kind, &manifest.fingerprint)?;
        serde_json::from_str::<Value>(&json).ok()
    };
    let libtorch = |manifest: &Manifest| match fingerprint(manifest) {
        Some(json) => json["worker"]["environment"]["libtorch"].as_str().map(str::to_owned),
        None => Some("unknown, where fingerprint.json is damaged".to_owned()),
    };
    let workers = graph.stages.iter().zip(stages);
    let workers = workers.filter(|(stage, _)| stage.place == Place::Worker);
    let workers = workers.filter_map(|(_, stage)| stage.manifest.as_ref());
    fact("libtorch", set(&mut workers.filter_map(libtorch)));
    fact("devices", set(&mut manifests().map(|manifest| manifest.device.clone())));
    fact(
        "threads of a stage",
        set(&mut manifests().map(|manifest| manifest.threads.to_string())),
    );
    fact("seeds", set(&mut stages.iter().filter_map(|stage| stage.seed.clone())));
    let when = set(&mut manifests().map(|manifest| manifest.when.clone()));
    fact("first stage finished", when.first().cloned().into_iter().collect());
    fact("last stage finished", when.last().cloned().into_iter().collect());
    let seconds: f64 = manifests().map(|manifest| manifest.seconds).sum();
    fact("time of all stages", vec![duration(seconds)]);
    fact(
        "stages",
        vec![format!("{} of {} done", manifests().count(), stages.len())],
    );
    facts
}
