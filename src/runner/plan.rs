//! Which stages must run, and why. Planning reads the store and the user's files, and writes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::fingerprint::{Fingerprint, Hash256, Input, WorkerFacts, explain};
use crate::graph::{Graph, StageId, StageInstance};
use crate::stage::Place;
use crate::store::state::State;
use crate::store::{Cached, Damage, Identity, Lookup, Store};

/// What to plan for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stage names or labels: only these and what they need. All, if empty.
    pub to: Vec<String>,
    /// Stage names or labels to run even if fresh.
    pub force: Vec<String>,
    /// GPUs that stages may use.
    pub gpus: usize,
    /// Version of libtorch that workers load.
    pub libtorch: String,
}

/// A plan: one entry per stage instance of the graph.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Entries, by [`StageId`].
    pub entries: Vec<Entry>,
    pub(crate) facts: Facts,
    pub(crate) forced: Vec<bool>,
    /// Whether the plan covers the whole graph.
    pub(crate) whole: bool,
}

/// What is to be done about a stage instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Its outputs are in the store.
    Hit(Cached),
    /// It must run.
    Stale(Reason),
    /// It must run if the outputs of a stale stage change.
    Waiting {
        /// A stale or waiting stage that it needs.
        on: StageId,
    },
    /// It cannot run.
    Skipped {
        /// The stage that failed or ended with a finding.
        because: StageId,
    },
    /// It is not among the stages asked for.
    Unselected,
}

/// Why a stage must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No run of this pipeline has finished it.
    NeverRun,
    /// What it depends on changed since the last run; one sentence each.
    Changed(Vec<String>),
    /// Nothing changed, but its cached outputs are gone.
    Gone,
    /// A cached output is damaged.
    Damaged(Damage),
    /// The user wants it.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => f.write_str("never run"),
            Self::Changed(changes) => match changes.as_slice() {
                [first, _, _, rest @ ..] if !rest.is_empty() => write!(f, "{first}, and {} more", changes.len() - 1),
                few => f.write_str(&few.join(", ")),
            },
            Self::Gone => f.write_str("its cached outputs are gone"),
            Self::Damaged(damage) => damage.fmt(f),
            Self::Forced => f.write_str("forced"),
        }
    }
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// `--to` or `--force` names no stage.
    #[error("there is no stage {name}{}", suggestion.as_ref().map_or(String::new(), |word| format!("; did you mean {word}?")))]
    UnknownStage {
        /// The name given.
        name: String,
        /// The nearest name.
        suggestion: Option<String>,
    },
    /// A file of the user cannot be read.
    #[error("stage {stage}, parameter {parameter}: {path}: {source}", path = path.display())]
    File {
        /// Stage label.
        stage: String,
        /// Parameter that names the file.
        parameter: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `on: { device: … }` asks for what is not there.
    #[error("stage {stage}: device {device}: {problem}")]
    Device {
        /// Stage label.
        stage: String,
        /// The device asked for.
        device: String,
        /// What is wrong.
        problem: String,
    },
}

/// What planning found out and running needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub files: HashMap<PathBuf, (Identity, Hash256)>,
    pub devices: Vec<DeviceChoice>,
    /// Valid entries that the index does not know as they are.
    pub heal: Vec<(&'static str, Hash256)>,
    libtorch: String,
}

/// Where a body may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DeviceChoice {
    #[default]
    Cpu,
    AnyGpu,
    Gpu(usize),
}

impl Facts {
    /// The fingerprint of a stage, given its inputs.
    pub fn fingerprint<'a>(&self, graph: &'a Graph, id: StageId, input: impl Fn(StageId, &str) -> Input<'a>) -> String {
        let stage = &graph.stages[id.index()];
        let inputs = stage
            .inputs
            .iter()
            .map(|from| (from.port, input(from.from, from.output)))
            .collect();
        let files = stage
            .files
            .iter()
            .filter_map(|file| Some((file.parameter, self.files.get(&file.path)?.1)));
        let worker = (stage.place == Place::Worker).then(|| WorkerFacts {
            device: if self.devices[id.index()] == DeviceChoice::Cpu {
                "cpu"
            } else {
                "cuda"
            },
            dtype: "float64",
            libtorch: self.libtorch.clone(),
        });
        Fingerprint::new(stage, inputs, files.collect::<BTreeMap<_, _>>(), worker).to_json()
    }
}

impl Plan {
    /// Instances with this kind of entry.
    pub fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.entries.iter().filter(|entry| which(entry)).count()
    }

    /// Instances that must run, as far as known before running.
    pub fn stale(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::Stale(_)))
    }

    /// Whether nothing needs to run.
    pub fn is_fresh(&self) -> bool {
        !self
            .entries
            .iter()
            .any(|entry| matches!(entry, Entry::Stale(_) | Entry::Waiting { .. }))
    }
}

/// Makes a plan; or tells all that is wrong.
pub fn plan(graph: &Graph, store: &Store, options: &Options) -> Result<Plan, Vec<PlanError>> {
    let mut errors = Vec::new();
    let to = named(graph, &options.to, &mut errors);
    let forced = named(graph, &options.force, &mut errors);
    let selected = if options.to.is_empty() {
        vec![true; graph.stages.len()]
    } else {
        with_ancestors(graph, to)
    };
    let mut facts = gather(graph, store, options, &selected, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let whole = options.to.is_empty();
    let mut planner = Planner {
        graph,
        store,
        facts: &facts,
        selected: &selected,
        forced: &forced,
        heal: Vec::new(),
    };
    let entries = planner.entries();
    facts.heal = planner.heal;
    Ok(Plan {
        entries,
        facts,
        forced,
        whole,
    })
}

/// Instances by name or label.
fn named(graph: &Graph, names: &[String], errors: &mut Vec<PlanError>) -> Vec<bool> {
    let mut chosen = vec![false; graph.stages.len()];
    for name in names {
        let mut found = false;
        for (stage, chosen) in graph.stages.iter().zip(&mut chosen) {
            if stage.name == *name || stage.label == *name {
                (*chosen, found) = (true, true);
            }
        }
        if !found {
            let near = |stage: &&StageInstance| strsim::damerau_levenshtein(&stage.name, name);
            let nearest = graph.stages.iter().min_by_key(near);
            let close = nearest.filter(|stage| near(stage) * 3 <= name.chars().count().max(3));
            let suggestion = close.map(|stage| stage.name.clone());
            errors.push(PlanError::UnknownStage {
                name: name.clone(),
                suggestion,
            });
        }
    }
    chosen
}

fn with_ancestors(graph: &Graph, mut chosen: Vec<bool>) -> Vec<bool> {
    for (index, stage) in graph.stages.iter().enumerate().rev() {
        if chosen[index] {
            for input in &stage.inputs {
                chosen[input.from.index()] = true;
            }
        }
    }
    chosen
}

/// Hashes the user's files and chooses devices.
fn gather(graph: &Graph, store: &Store, options: &Options, selected: &[bool], errors: &mut Vec<PlanError>) -> Facts {
    let mut facts = Facts {
        libtorch: options.libtorch.clone(),
        ..Facts::default()
    };
    for (stage, selected) in graph.stages.iter().zip(selected) {
        let choice = if *selected && stage.place == Place::Worker {
            device(&stage.resources.device, options.gpus).unwrap_or_else(|problem| {
                let (stage, device) = (stage.label.clone(), stage.resources.device.clone());
                errors.push(PlanError::Device { stage, device, problem });
                DeviceChoice::Cpu
            })
        } else {
            DeviceChoice::Cpu
        };
        facts.devices.push(choice);
        for file in stage.files.iter().filter(|_| *selected) {
            if facts.files.contains_key(&file.path) {
                continue;
            }
            match store.hash_user_file(&file.path) {
                Ok(found) => {
                    facts.files.insert(file.path.clone(), found);
                }
                Err(source) => errors.push(PlanError::File {
                    stage: stage.label.clone(),
                    parameter: file.parameter,
                    path: file.path.clone(),
                    source,
                }),
            }
        }
    }
    facts
}

fn device(wanted: &str, gpus: usize) -> Result<DeviceChoice, String> {
    match (wanted, wanted.strip_prefix("cuda:")) {
        ("cpu", _) => Ok(DeviceChoice::Cpu),
        ("auto", _) if gpus == 0 => Ok(DeviceChoice::Cpu),
        ("auto", _) => Ok(DeviceChoice::AnyGpu),
        ("cuda", _) if gpus == 0 => Err("there is no GPU".to_owned()),
        ("cuda", _) => Ok(DeviceChoice::AnyGpu),
        (_, Some(number)) => match number.parse() {
            Ok(index) if index < gpus => Ok(DeviceChoice::Gpu(index)),
            Ok(_) => Err(format!("there are {gpus} GPUs")),
            Err(_) => Err("not a number after `cuda:`".to_owned()),
        },
        _ => Err("want auto, cpu, cuda or cuda:N".to_owned()),
    }
}

struct Planner<'a> {
    graph: &'a Graph,
    store: &'a Store,
    facts: &'a Facts,
    selected: &'a [bool],
    forced: &'a [bool],
    heal: Vec<(&'static str, Hash256)>,
}

/// A stage with the entry that the index remembers, and its manifest.
type Doubt = (usize, Cached, Identity);

/// An entry before its reason is known.
enum Draft {
    Known(Entry),
    Stale { json: String, lookup: Lookup, forced: bool },
}

impl Planner<'_> {
    fn entries(&mut self) -> Vec<Entry> {
        let mut verdicts = HashMap::new();
        loop {
            // First believe the index, then look at the files, all at once; where it was wrong, draft again.
            let (drafts, doubtful) = self.draft(&mut verdicts);
            if self.confirm(doubtful, &mut verdicts) {
                let mut state = None;
                let entries = drafts.into_iter().enumerate();
                return entries
                    .map(|(index, draft)| self.entry(index, draft, &mut state))
                    .collect();
            }
        }
    }

    fn draft(&mut self, verdicts: &mut HashMap<Hash256, Lookup>) -> (Vec<Draft>, Vec<Doubt>) {
        let mut drafts: Vec<Draft> = Vec::with_capacity(self.graph.stages.len());
        let mut doubtful = Vec::new();
        for (index, stage) in self.graph.stages.iter().enumerate() {
            if let Some(entry) = self.obstacle(index, &drafts) {
                drafts.push(Draft::Known(entry));
                continue;
            }
            let id = StageId(u32::try_from(index).unwrap_or(u32::MAX));
            let json = self
                .facts
                .fingerprint(self.graph, id, |from, output| content(&drafts[from.index()], output));
            let hash = Hash256::of(&json);
            let lookup = match verdicts.get(&hash) {
                Some(lookup) => lookup.clone(),
                None => match self.store.recall(&hash) {
                    Some((cached, manifest)) => {
                        doubtful.push((index, cached.clone(), manifest));
                        Lookup::Found(cached)
                    }
                    None => {
                        let lookup = self.store.lookup(stage.kind, &hash);
                        if matches!(lookup, Lookup::Found(_)) {
                            self.heal.push((stage.kind, hash));
                        }
                        verdicts.insert(hash, lookup.clone());
                        lookup
                    }
                },
            };
            let forced = self.forced[index];
            drafts.push(match lookup {
                Lookup::Found(cached) if !forced => Draft::Known(Entry::Hit(cached)),
                lookup => Draft::Stale { json, lookup, forced },
            });
        }
        (drafts, doubtful)
    }

    /// Why a stage's fingerprint cannot be known, if so.
    fn obstacle(&self, index: usize, drafts: &[Draft]) -> Option<Entry> {
        if !self.selected[index] {
            return Some(Entry::Unselected);
        }
        let mut waiting = None;
        for input in &self.graph.stages[index].inputs {
            match &drafts[input.from.index()] {
                Draft::Known(Entry::Hit(cached)) if cached.finding.is_some() => {
                    return Some(Entry::Skipped { because: input.from });
                }
                Draft::Known(Entry::Skipped { because }) => return Some(Entry::Skipped { because: *because }),
                Draft::Known(Entry::Hit(_)) => {}
                Draft::Known(_) | Draft::Stale { .. } => waiting = waiting.or(Some(Entry::Waiting { on: input.from })),
            }
        }
        waiting
    }

    /// Looks at the files of entries that the index remembers; whether it was right about all.
    fn confirm(&mut self, doubtful: Vec<Doubt>, verdicts: &mut HashMap<Hash256, Lookup>) -> bool {
        let (graph, store) = (self.graph, self.store);
        let look = |(index, cached, manifest): &Doubt| {
            let kind = graph.stages[*index].kind;
            if store.looks_unchanged(kind, cached, manifest) {
                return None;
            }
            Some(store.lookup(kind, &cached.fingerprint))
        };
        let looks: Vec<Option<Lookup>> = doubtful.par_iter().with_min_len(64).map(look).collect();
        let mut right = true;
        for ((index, cached, _), look) in doubtful.into_iter().zip(looks) {
            let hash = cached.fingerprint;
            let believed = Lookup::Found(cached);
            let found = match look {
                None => believed,
                Some(found) => {
                    right &= found == believed;
                    if matches!(found, Lookup::Found(_)) {
                        self.heal.push((graph.stages[index].kind, hash));
                    }
                    found
                }
            };
            verdicts.insert(hash, found);
        }
        right
    }

    fn entry(&self, index: usize, draft: Draft, state: &mut Option<State>) -> Entry {
        match draft {
            Draft::Known(entry) => entry,
            Draft::Stale { forced: true, .. } => Entry::Stale(Reason::Forced),
            Draft::Stale {
                lookup: Lookup::Damaged(damage),
                ..
            } => Entry::Stale(Reason::Damaged(damage)),
            Draft::Stale { json, .. } => {
                let folder = self.store.pipeline_folder(&self.graph.pipeline);
                let state = state.get_or_insert_with(|| State::load(&folder));
                Entry::Stale(since_last(&self.graph.stages[index], &json, state, self.store))
            }
        }
    }
}

fn content(draft: &Draft, output: &str) -> Input<'static> {
    let hash = match draft {
        Draft::Known(Entry::Hit(cached)) => cached.output(output).map(|output| output.sha256),
        _ => None,
    };
    // Only a finding may lack an output, and nothing runs after a finding.
    hash.map_or(Input::Waiting(""), Input::Content)
}

/// What changed since the last run of a stage whose outputs are not in the store.
pub(crate) fn since_last(stage: &StageInstance, json: &str, state: &State, store: &Store) -> Reason {
    let Some(last) = state.stages.get(&stage.label) else {
        return Reason::NeverRun;
    };
    if last.hash == Hash256::of(json) {
        return Reason::Gone;
    }
    match store.fingerprint_of(&last.kind, &last.hash) {
        Some(before) => Reason::Changed(explain(&before, json)),
        None => Reason::Changed(vec!["changed since the last run, whose record is gone".to_owned()]),
    }
}

/// Everything known about why a stage is as planned, one sentence each.
pub fn why(graph: &Graph, plan: &Plan, store: &Store, id: StageId) -> Vec<String> {
    let stage = &graph.stages[id.index()];
    let label = |id: StageId| graph.stages[id.index()].label.as_str();
    match &plan.entries[id.index()] {
        Entry::Unselected => vec!["not among the stages asked for".to_owned()],
        Entry::Skipped { because } => {
            vec![format!(
                "{} ended with a finding, so there is nothing to work on",
                label(*because)
            )]
        }
        Entry::Hit(cached) => {
            let mut lines = vec![format!(
                "fresh: nothing it depends on changed ({})",
                cached.fingerprint.short()
            )];
            lines.extend(cached.finding.iter().map(|title| format!("finding: {title}")));
            lines
        }
        Entry::Stale(Reason::Changed(changes)) => changes.clone(),
        Entry::Stale(reason) => vec![reason.to_string()],
        Entry::Waiting { .. } => {
            let json = plan
                .facts
                .fingerprint(graph, id, |from, output| match &plan.entries[from.index()] {
                    Entry::Hit(cached) => match cached.output(output) {
                        Some(output) => Input::Content(output.sha256),
                        None => Input::Waiting(label(from)),
                    },
                    _ => Input::Waiting(label(from)),
                });
            match since_last(
                stage,
                &json,
                &State::load(&store.pipeline_folder(&graph.pipeline)),
                store,
            ) {
                Reason::Changed(changes) => changes,
                other => {
                    let waits = stage.inputs.iter().filter(|input| !is_hit(plan, input.from));
                    let wait = |input: &crate::graph::Connection| format!("waits for {}", label(input.from));
                    std::iter::once(other.to_string()).chain(waits.map(wait)).collect()
                }
            }
        }
    }
}

fn is_hit(plan: &Plan, id: StageId) -> bool {
    matches!(plan.entries[id.index()], Entry::Hit(_))
}

impl Facts {
    /// Whether a file of the user is still as it was when the plan was made.
    pub fn is_unchanged(&self, path: &Path) -> std::io::Result<bool> {
        let Some((identity, hash)) = self.files.get(path) else {
            return Ok(false);
        };
        Ok(Identity::of(path)? == *identity || Hash256::of_file(path)? == *hash)
    }
}
