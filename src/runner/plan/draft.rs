//! The entry of every stage: fingerprints in topological order, looked up in the store.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::{Entry, Facts, Reason, since_last};
use crate::fingerprint::{Hash256, Input};
use crate::graph::{Graph, StageId};
use crate::store::index::Description;
use crate::store::state::{State, Unreadable};
use crate::store::{Cached, Lookup, Store};

/// Fewer stages than this are looked at one after the other: starting threads would take longer.
const MANY: usize = 128;

pub(super) struct Planner<'a> {
    graph: &'a Graph,
    store: &'a Store,
    facts: &'a Facts,
    selected: &'a [bool],
    forced: &'a [bool],
    /// Stages that need nothing, then those that need only these, and so on.
    levels: Vec<Vec<usize>>,
    state: OnceLock<Result<State, Unreadable>>,
    /// Stages with valid entries that the index does not know as they are.
    pub heal: Vec<StageId>,
}

/// A stage with the entry that the index remembers, and what describes it.
type Doubt = (usize, Arc<Cached>, Description);

/// An entry as far as it is known. Fingerprints are long, so that none is kept.
enum Draft {
    Known(Entry),
    Stale(Reason),
}

/// What was found out about a stage.
struct Look {
    draft: Draft,
    /// The index remembers an entry.
    doubt: Option<Doubt>,
    /// The store was looked at.
    verdict: Option<(Hash256, Lookup)>,
}

impl<'a> Planner<'a> {
    pub fn new(graph: &'a Graph, store: &'a Store, facts: &'a Facts, selected: &'a [bool], forced: &'a [bool]) -> Self {
        let mut levels: Vec<Vec<usize>> = Vec::new();
        let mut level = vec![0; graph.stages.len()];
        for (index, stage) in graph.stages.iter().enumerate() {
            let after = stage.inputs.iter().map(|input| level[input.from.index()] + 1);
            level[index] = after.max().unwrap_or(0);
            if levels.len() <= level[index] {
                levels.resize_with(level[index] + 1, Vec::new);
            }
            levels[level[index]].push(index);
        }
        Self {
            graph,
            store,
            facts,
            selected,
            forced,
            levels,
            state: OnceLock::new(),
            heal: Vec::new(),
        }
    }

    pub fn entries(&mut self) -> Vec<Entry> {
        let mut verdicts = HashMap::new();
        loop {
            // First believe the index, then look at the files, all at once; where it was wrong, draft again.
            let (drafts, doubtful) = self.draft(&mut verdicts);
            if self.confirm(doubtful, &mut verdicts) {
                let entries = drafts.into_iter().map(|draft| match draft {
                    Draft::Known(entry) => entry,
                    Draft::Stale(reason) => Entry::Stale(reason),
                });
                return entries.collect();
            }
        }
    }

    fn draft(&mut self, verdicts: &mut HashMap<Hash256, Lookup>) -> (Vec<Draft>, Vec<Doubt>) {
        let mut drafts: Vec<Draft> = Vec::new();
        drafts.resize_with(self.graph.stages.len(), || Draft::Known(Entry::Unselected));
        let mut doubtful = Vec::new();
        for level in &self.levels {
            let look = |index: &usize| self.look(*index, &drafts, verdicts);
            let looks: Vec<Look> = if level.len() < MANY {
                level.iter().map(look).collect()
            } else {
                level.par_iter().with_min_len(MANY / 4).map(look).collect()
            };
            for (&index, look) in level.iter().zip(looks) {
                drafts[index] = look.draft;
                doubtful.extend(look.doubt);
                if let Some((hash, lookup)) = look.verdict {
                    if matches!(lookup, Lookup::Found(_)) {
                        self.heal.push(stage_id(index));
                    }
                    verdicts.insert(hash, lookup);
                }
            }
        }
        (drafts, doubtful)
    }

    /// Looks one stage up, given the drafts of all that it needs.
    fn look(&self, index: usize, drafts: &[Draft], verdicts: &HashMap<Hash256, Lookup>) -> Look {
        if let Some(entry) = self.obstacle(index, drafts) {
            return Look {
                draft: Draft::Known(entry),
                doubt: None,
                verdict: None,
            };
        }
        let id = stage_id(index);
        let json = self
            .facts
            .fingerprint(self.graph, id, |from, output| content(&drafts[from.index()], output));
        let hash = Hash256::of(&json);
        let (mut doubt, mut verdict) = (None, None);
        let lookup = if let Some(lookup) = verdicts.get(&hash) {
            lookup.clone()
        } else if let Some((cached, description)) = self.store.recall(&hash) {
            doubt = Some((index, cached.clone(), description));
            Lookup::Found(cached)
        } else {
            let lookup = self.store.lookup(self.graph.stages[index].kind, &hash);
            verdict = Some((hash, lookup.clone()));
            lookup
        };
        let draft = match lookup {
            _ if self.forced[index] => Draft::Stale(Reason::Forced),
            Lookup::Found(cached) => Draft::Known(Entry::Hit(cached)),
            Lookup::Damaged(damage) => Draft::Stale(Reason::Damaged(damage)),
            _ => Draft::Stale(since_last(&self.graph.stages[index], &json, self.state(), self.store)),
        };
        Look { draft, doubt, verdict }
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
                Draft::Known(_) | Draft::Stale(_) => waiting = waiting.or(Some(Entry::Waiting { on: input.from })),
            }
        }
        waiting
    }

    /// Looks at the files of entries that the index remembers; whether it was right about all.
    fn confirm(&mut self, doubtful: Vec<Doubt>, verdicts: &mut HashMap<Hash256, Lookup>) -> bool {
        let (graph, store) = (self.graph, self.store);
        let mut folders = HashMap::new();
        for (index, ..) in &doubtful {
            let kind = graph.stages[*index].kind;
            folders.entry(kind).or_insert_with(|| store.open_kind(kind));
        }
        let look = |(index, cached, description): &Doubt| {
            let kind = graph.stages[*index].kind;
            if let Some(Some(folder)) = folders.get(kind)
                && store.looks_unchanged(folder, cached, description)
            {
                return None;
            }
            Some(store.lookup(kind, &cached.fingerprint))
        };
        let looks: Vec<Option<Lookup>> = doubtful.par_iter().with_min_len(MANY / 4).map(look).collect();
        let mut right = true;
        for ((index, cached, _), look) in doubtful.into_iter().zip(looks) {
            let hash = cached.fingerprint;
            let believed = Lookup::Found(cached);
            let found = match look {
                None => believed,
                Some(found) => {
                    right &= found == believed;
                    if matches!(found, Lookup::Found(_)) {
                        self.heal.push(stage_id(index));
                    }
                    found
                }
            };
            verdicts.insert(hash, found);
        }
        right
    }

    /// The record of the last run, read when the first stage is stale.
    fn state(&self) -> &Result<State, Unreadable> {
        let folder = || self.store.pipeline_folder(&self.graph.pipeline);
        self.state.get_or_init(|| State::load(&folder()))
    }
}

fn stage_id(index: usize) -> StageId {
    StageId(u32::try_from(index).unwrap_or(u32::MAX))
}

fn content(draft: &Draft, output: &str) -> Input<'static> {
    let hash = match draft {
        Draft::Known(Entry::Hit(cached)) => cached.output(output).map(|output| output.sha256),
        _ => None,
    };
    // Only a finding may lack an output, and nothing runs after a finding.
    hash.map_or(Input::Waiting(""), Input::Content)
}
