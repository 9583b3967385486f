//! The entry of every stage: fingerprints in topological order, looked up in the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::{Entry, Facts, Reason, Wanted, since_last};
use crate::fingerprint::{Hash256, Input};
use crate::graph::{Graph, StageId, StageMap};
use crate::store::index::Description;
use crate::store::state::{State, Unreadable};
use crate::store::{Cached, Lookup, Store};

/// Fewer stages than this are looked at one after the other: starting threads would take longer.
const MANY: usize = 128;

pub(super) struct Planner<'a> {
    graph: &'a Graph,
    store: &'a Store,
    facts: &'a Facts,
    selected: &'a StageMap<bool>,
    forced: &'a StageMap<bool>,
    /// Stages that need nothing, then those that need only these, and so on.
    levels: Vec<Vec<StageId>>,
    state: OnceLock<Result<State, Unreadable>>,
    checkpoints: OnceLock<HashSet<Hash256>>,
    /// Stages with valid entries that the index does not know as they are.
    pub remember: Vec<StageId>,
}

/// A stage with the entry that the index remembers, and what describes it: to be compared with the files.
type Recalled = (StageId, Arc<Cached>, Description);

/// What was found out about a stage.
struct Look {
    entry: Entry,
    /// Where the index remembers an entry.
    recalled: Option<Recalled>,
    /// Where the store was looked at.
    verdict: Option<(Hash256, Lookup)>,
}

impl<'a> Planner<'a> {
    pub fn new(
        graph: &'a Graph,
        store: &'a Store,
        facts: &'a Facts,
        selected: &'a StageMap<bool>,
        forced: &'a StageMap<bool>,
    ) -> Self {
        let mut levels: Vec<Vec<StageId>> = Vec::new();
        for (id, depth) in graph.depths().iter() {
            if levels.len() <= *depth {
                levels.resize_with(depth + 1, Vec::new);
            }
            levels[*depth].push(id);
        }
        Self {
            graph,
            store,
            facts,
            selected,
            forced,
            levels,
            state: OnceLock::new(),
            checkpoints: OnceLock::new(),
            remember: Vec::new(),
        }
    }

    pub fn entries(&mut self) -> Vec<Entry> {
        let mut verdicts = HashMap::new();
        loop {
            // First believe the index, then look at the files, all at once; where it was wrong, draft again.
            let (entries, recalled) = self.draft(&mut verdicts);
            if self.confirm(recalled, &mut verdicts) {
                return entries.into_values().collect();
            }
        }
    }

    fn draft(&mut self, verdicts: &mut HashMap<Hash256, Lookup>) -> (StageMap<Entry>, Vec<Recalled>) {
        let mut entries: StageMap<Entry> = self.graph.iter().map(|_| Entry::Unselected).collect();
        let mut recalled = Vec::new();
        for level in &self.levels {
            let look = |id: &StageId| self.look(*id, &entries, verdicts);
            let mut looks: Vec<Look> = if level.len() < MANY {
                level.iter().map(look).collect()
            } else {
                level.par_iter().with_min_len(MANY / 4).map(look).collect()
            };
            if self.store.shared().is_some() {
                self.ask(level, &mut looks, &entries, verdicts);
            }
            for (&id, look) in level.iter().zip(looks) {
                entries[id] = look.entry;
                recalled.extend(look.recalled);
                if let Some((hash, lookup)) = look.verdict {
                    if matches!(&lookup, Lookup::Found(cached) if cached.is_here) {
                        self.remember.push(id);
                    }
                    verdicts.insert(hash, lookup);
                }
            }
        }
        (entries, recalled)
    }

    /// Asks the shared cache for what is not here, all stages of a level together, and looks at these again.
    fn ask(
        &self,
        level: &[StageId],
        looks: &mut [Look],
        entries: &StageMap<Entry>,
        verdicts: &HashMap<Hash256, Lookup>,
    ) {
        let is_absent = |look: &Look| match &look.verdict {
            Some((hash, Lookup::Absent)) => Some(*hash),
            _ => None,
        };
        let asked = level.iter().zip(looks.iter());
        let mut wanted: Vec<(&str, Hash256)> = asked
            .filter(|(id, _)| !self.forced[**id])
            .filter_map(|(id, look)| Some((self.graph[*id].kind, is_absent(look)?)))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return;
        }
        self.store.ask(&wanted);
        for (id, look) in level.iter().zip(looks) {
            if is_absent(look).is_some() && !self.forced[*id] {
                *look = self.look(*id, entries, verdicts);
            }
        }
    }

    /// Looks one stage up, given the entries of all that it needs.
    fn look(&self, id: StageId, entries: &StageMap<Entry>, verdicts: &HashMap<Hash256, Lookup>) -> Look {
        if let Some(entry) = self.obstacle(id, entries) {
            return Look {
                entry,
                recalled: None,
                verdict: None,
            };
        }
        let json = self
            .facts
            .fingerprint(self.graph, id, |from, output| content(&entries[from], output));
        let hash = Hash256::of(&json);
        let (mut recalled, mut verdict) = (None, None);
        let lookup = if let Some(lookup) = verdicts.get(&hash) {
            lookup.clone()
        } else if let Some((cached, description)) = self.store.recall(&hash) {
            recalled = Some((id, cached.clone(), description));
            Lookup::Found(cached)
        } else {
            let lookup = self.store.lookup(self.graph[id].kind, &hash);
            verdict = Some((hash, lookup.clone()));
            lookup
        };
        let entry = match lookup {
            _ if self.forced[id] => Entry::Stale(Reason::Forced),
            Lookup::Found(cached) => Entry::Hit(cached),
            Lookup::Damaged(damage) => Entry::Stale(Reason::Damaged(damage)),
            _ => {
                let wanted = Wanted {
                    json: &json,
                    hash,
                    checkpoint: self.checkpoints().contains(&hash),
                };
                Entry::Stale(since_last(&self.graph[id], &wanted, self.state(), self.store))
            }
        };
        Look {
            entry,
            recalled,
            verdict,
        }
    }

    /// Why a stage's fingerprint cannot be known, if so.
    fn obstacle(&self, id: StageId, entries: &StageMap<Entry>) -> Option<Entry> {
        if !self.selected[id] {
            return Some(Entry::Unselected);
        }
        let mut waiting = None;
        for input in &self.graph[id].inputs {
            match &entries[input.from] {
                Entry::Hit(cached) if cached.finding.is_some() => {
                    return Some(Entry::Skipped { because: input.from });
                }
                Entry::Skipped { because } => return Some(Entry::Skipped { because: *because }),
                Entry::Hit(_) => {}
                _ => waiting = waiting.or(Some(Entry::Waiting { on: input.from })),
            }
        }
        waiting
    }

    /// Looks at the files of entries that the index remembers; whether it was right about all.
    fn confirm(&mut self, recalled: Vec<Recalled>, verdicts: &mut HashMap<Hash256, Lookup>) -> bool {
        let (graph, store) = (self.graph, self.store);
        let mut folders = HashMap::new();
        for (id, ..) in &recalled {
            let kind = graph[*id].kind;
            folders.entry(kind).or_insert_with(|| store.open_kind(kind));
        }
        let look = |(id, cached, description): &Recalled| {
            let kind = graph[*id].kind;
            if let Some(Some(folder)) = folders.get(kind)
                && store.looks_unchanged(folder, cached, description)
            {
                return None;
            }
            Some(store.lookup(kind, &cached.fingerprint))
        };
        let looks: Vec<Option<Lookup>> = recalled.par_iter().with_min_len(MANY / 4).map(look).collect();
        let mut right = true;
        for ((id, cached, _), look) in recalled.into_iter().zip(looks) {
            let hash = cached.fingerprint;
            let believed = Lookup::Found(cached);
            let found = match look {
                None => believed,
                Some(found) => {
                    right &= found == believed;
                    if matches!(&found, Lookup::Found(cached) if cached.is_here) {
                        self.remember.push(id);
                    }
                    found
                }
            };
            verdicts.insert(hash, found);
        }
        right
    }

    /// The stages that left a checkpoint, looked up when the first stage is stale.
    fn checkpoints(&self) -> &HashSet<Hash256> {
        self.checkpoints
            .get_or_init(|| self.store.unfinished().into_iter().collect())
    }

    /// The record of the last run, read when the first stage is stale.
    fn state(&self) -> &Result<State, Unreadable> {
        let folder = || self.store.pipeline_folder(&self.graph.pipeline);
        self.state.get_or_init(|| State::load(&folder()))
    }
}

fn content(entry: &Entry, output: &str) -> Input<'static> {
    let hash = match entry {
        Entry::Hit(cached) => cached.output(output).map(|output| output.sha256),
        _ => None,
    };
    // Only a finding may lack an output, and nothing runs after a finding.
    hash.map_or(Input::Waiting(""), Input::Content)
}
