//! Why a stage is as it is planned, from the record of the last run.

use super::{Entry, Plan, Reason};
use crate::fingerprint::{Hash256, Input, explain};
use crate::graph::{Graph, StageId, StageInstance};
use crate::store::Store;
use crate::store::state::{State, Unreadable};

/// The fingerprint of a stage whose outputs are not in the store.
pub(crate) struct Wanted<'a> {
    /// As canonical JSON.
    pub json: &'a str,
    /// Its hash.
    pub hash: Hash256,
    /// Whether an earlier run left a checkpoint.
    pub checkpoint: bool,
}

/// What changed since the last run of a stage whose outputs are not in the store.
pub(crate) fn since_last(
    stage: &StageInstance,
    wanted: &Wanted<'_>,
    state: &Result<State, Unreadable>,
    store: &Store,
) -> Reason {
    let Wanted { json, hash, checkpoint } = *wanted;
    let state = match state {
        Ok(state) => state,
        Err(_) if checkpoint => return Reason::Unfinished { checkpoint },
        Err(problem) => return Reason::Changed(vec![format!("unknown: the record of the last run, {problem}")]),
    };
    match state.stopped.get(&*stage.label).filter(|stopped| stopped.hash == hash) {
        Some(stopped) => return Reason::of(&stopped.how, checkpoint),
        None if checkpoint => return Reason::Unfinished { checkpoint },
        None => {}
    }
    let Some(last) = state.stages.get(&*stage.label) else {
        return Reason::NeverRun;
    };
    if last.hash == hash {
        return Reason::Gone;
    }
    match store.fingerprint_of(&last.kind, &last.hash) {
        Some(before) => Reason::Changed(explain(&before, json)),
        None => Reason::Changed(vec!["changed since the last run, whose record is gone".to_owned()]),
    }
}

/// Everything known about why a stage is as planned, one sentence each.
pub fn why(graph: &Graph, plan: &Plan, store: &Store, id: StageId) -> Vec<String> {
    let stage = &graph[id];
    let label = |id: StageId| &*graph[id].label;
    match &plan[id] {
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
            lines.extend(
                cached
                    .finding
                    .iter()
                    .chain(&cached.findings)
                    .map(|title| format!("finding: {title}")),
            );
            lines
        }
        Entry::Stale(Reason::Changed(changes)) => changes.clone(),
        Entry::Stale(reason) => vec![reason.to_string()],
        Entry::Waiting { .. } => {
            let json = plan.facts.fingerprint(graph, id, |from, output| match &plan[from] {
                Entry::Hit(cached) => match cached.output(output) {
                    Some(output) => Input::Content(output.sha256),
                    None => Input::Waiting(label(from)),
                },
                _ => Input::Waiting(label(from)),
            });
            let hash = Hash256::of(&json);
            let wanted = Wanted {
                json: &json,
                hash,
                checkpoint: store.has_checkpoint(&hash),
            };
            let state = State::load(&store.pipeline_folder(&graph.pipeline));
            match since_last(stage, &wanted, &state, store) {
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
    matches!(plan[id], Entry::Hit(_))
}
