//! Which stages must run, and why. Planning reads the store and the user's files, and writes nothing.

mod draft;
mod facts;
mod named;
mod why;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::reason;
use crate::graph::{Graph, StageId, StageInstance, StageMap};
use crate::stage::Role;
use crate::store::state::Stop;
use crate::store::{Cached, Damage, Identity, Store};

use draft::Planner;
pub(crate) use facts::{DeviceChoice, Facts};
pub use why::why;
pub(crate) use why::{Wanted, since_last};

/// What to plan for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names or labels of stages, or names of used pipelines: only these and what they need. All, if empty.
    pub to: Vec<String>,
    /// Stage names or labels to run even if fresh.
    pub force: Vec<String>,
    /// GPUs that stages may use.
    pub gpus: usize,
    /// What the outputs of workers depend on besides: names and values, such as the version of a library.
    pub environment: BTreeMap<String, String>,
}

/// A plan: one entry per stage instance of the graph.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Entries, by [`StageId`].
    pub entries: Vec<Entry>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) forced: StageMap<bool>,
    /// Whether the plan covers the whole graph.
    pub(crate) whole: bool,
    /// Stages whose outputs are to be here when all is done; those of others may stay in a shared cache.
    pub(crate) wanted: StageMap<bool>,
}

/// What is to be done about a stage instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Its outputs are in the store.
    Hit(Arc<Cached>),
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
    /// It was interrupted.
    Unfinished {
        /// Whether it left a checkpoint.
        checkpoint: bool,
    },
    /// It failed the last time, and nothing that it depends on has changed since.
    Failed {
        /// The error.
        message: String,
        /// What the user can do.
        hint: Option<String>,
        /// Whether it left a checkpoint.
        checkpoint: bool,
    },
    /// What it depends on changed since the last run; one sentence each.
    Changed(Vec<String>),
    /// Nothing changed, but its cached outputs are gone.
    Gone,
    /// A cached output is damaged.
    Damaged(Damage),
    /// The user wants it.
    Forced,
}

impl Reason {
    /// Why a stage must run that did not end well.
    pub(crate) fn of(how: &Stop, checkpoint: bool) -> Self {
        match how.clone() {
            Stop::Failed { message, hint } => Self::Failed {
                message,
                hint,
                checkpoint,
            },
            Stop::Interrupted => Self::Unfinished { checkpoint },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => f.write_str("never run"),
            Self::Unfinished { checkpoint: true } => f.write_str("unfinished: goes on from its checkpoint"),
            Self::Unfinished { checkpoint: false } => f.write_str("unfinished: begins anew, for it has no checkpoint"),
            Self::Failed {
                message, checkpoint, ..
            } => {
                let go_on = if *checkpoint {
                    "; goes on from its checkpoint"
                } else {
                    ""
                };
                write!(f, "failed last time: {}{go_on}", first_line(message))
            }
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

/// The beginning of a message, for a line that has other things too.
fn first_line(message: &str) -> String {
    const LONGEST: usize = 200;
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
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
    #[error("stage {stage}, parameter {parameter}: {path}: {reason}", path = path.display(), reason = reason(source))]
    File {
        /// Stage label.
        stage: String,
        /// Parameter that names the file.
        parameter: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `on: { device: … }` asks for what is not there.
    #[error("stage {stage}, on: {{ device: {device} }}: {problem}{}", others_too(*others))]
    Device {
        /// Name of the first stage that asks for it.
        stage: String,
        /// Its kind.
        kind: &'static str,
        /// How many other stages ask for it.
        others: usize,
        /// The device asked for.
        device: String,
        /// What is wrong.
        problem: String,
    },
}

fn others_too(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => "; 1 other stage asks for it too".to_owned(),
        others => format!("; {others} other stages ask for it too"),
    }
}

impl Index<StageId> for Plan {
    type Output = Entry;

    fn index(&self, id: StageId) -> &Entry {
        &self.entries[id.index()]
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

    /// The user's files that the plan's stages read, as they were looked at.
    pub(crate) fn user_files(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.facts
            .files
            .iter()
            .map(|(path, (identity, _))| (path.as_path(), *identity))
    }

    /// Instances whose outputs are in a shared cache.
    pub fn away(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::Hit(cached) if !cached.is_here))
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
    let selected: StageMap<bool> = if options.to.is_empty() {
        graph.iter().map(|_| true).collect()
    } else {
        with_ancestors(graph, to)
    };
    let mut facts = facts::gather(graph, store, options, &selected, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let whole = options.to.is_empty();
    let mut planner = Planner::new(graph, store, &facts, &selected, &forced);
    let entries = planner.entries();
    facts.remember = planner.remember;
    Ok(Plan {
        entries,
        facts: Arc::new(facts),
        forced,
        whole,
        wanted: wanted(graph, &selected),
    })
}

/// What someone looks at: figures and comparisons, and what no other stage needs.
fn wanted(graph: &Graph, selected: &StageMap<bool>) -> StageMap<bool> {
    let mut wanted = selected.clone();
    for (_, stage) in graph.iter().filter(|(id, _)| selected[*id]) {
        for input in &stage.inputs {
            if !matches!(graph[input.from].role, Role::Judge | Role::Draw) {
                wanted[input.from] = false;
            }
        }
    }
    wanted
}

/// Instances by name or label.
fn named(graph: &Graph, names: &[String], errors: &mut Vec<PlanError>) -> StageMap<bool> {
    let mut chosen: StageMap<bool> = graph.iter().map(|_| false).collect();
    for name in names {
        let mut found = false;
        for (stage, chosen) in graph.stages.iter().zip(chosen.values_mut()) {
            // The name of a used pipeline means all of its stages.
            let within = stage
                .name
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('.'));
            if *stage.name == **name || *stage.label == **name || within {
                (*chosen, found) = (true, true);
            }
        }
        if !found {
            let near = |stage: &&StageInstance| strsim::damerau_levenshtein(&stage.name, name);
            let nearest = graph.stages.iter().min_by_key(near);
            let close = nearest.filter(|stage| near(stage) * 3 <= name.chars().count().max(3));
            let suggestion = close.map(|stage| stage.name.to_string());
            errors.push(PlanError::UnknownStage {
                name: name.clone(),
                suggestion,
            });
        }
    }
    chosen
}

fn with_ancestors(graph: &Graph, mut chosen: StageMap<bool>) -> StageMap<bool> {
    for (id, stage) in graph.iter().rev() {
        if chosen[id] {
            for input in &stage.inputs {
                chosen[input.from] = true;
            }
        }
    }
    chosen
}
