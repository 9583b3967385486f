//! Searches: trials are known as far as the results of those before them are.

use std::collections::BTreeMap;

use runner::graph::{Graph, Searched, StageId};
use runner::plan::{self, Entry, Plan, Reason};
use runner::search::{Known, Outcome, Outcomes};
use runner::store::Store;
use runner::store::files::{self, Keep};

use super::failure::Failure;
use crate::report::{self, Detail};

/// In the folder of a pipeline: what came of its trials, as the last run left it. Only an accelerator: it is compared with the store.
const FILE: &str = "search.json";

/// What the last run kept.
pub fn kept(store: &Store, pipeline: &str) -> Outcomes {
    let path = store.pipeline_folder(pipeline).join(FILE);
    let read = || serde_json::from_slice::<BTreeMap<String, Outcome>>(&std::fs::read(path).ok()?).ok();
    read().unwrap_or_default().into_iter().collect()
}

/// Keeps it. That it cannot be kept only costs the next run some time.
pub fn keep(store: &Store, pipeline: &str, outcomes: &Outcomes) {
    let sorted: BTreeMap<&String, &Outcome> = outcomes.iter().collect();
    if let Ok(text) = serde_json::to_vec(&sorted) {
        let _ = files::replace(&store.pipeline_folder(pipeline).join(FILE), &text, Keep::Remakable);
    }
}

/// What came of the trials of a graph, as the store has it.
fn found(graph: &Graph, searched: &Searched, store: &Store, options: &plan::Options) -> Result<Outcomes, Failure> {
    // What is wrong is said by the plan that follows.
    let Ok(plan) = plan::plan(graph, store, options) else {
        return Ok(Outcomes::new());
    };
    let data = report::collect(graph, store, &plan, Detail::Stages);
    report::outcomes(&data, searched)
        .map_err(|problem| Failure::Invalid(format!("error: {}: {problem}", graph.pipeline)))
}

/// The graph with all trials that can be known, made by `resolve`, and what came of them. `options` are those of the whole pipeline.
pub fn known(
    mut graph: Graph,
    store: &Store,
    options: &plan::Options,
    resolve: impl Fn(&Outcomes) -> Result<Graph, Failure>,
) -> Result<(Graph, Outcomes), Failure> {
    loop {
        let Some(searched) = graph.search.clone() else {
            return Ok((graph, Outcomes::new()));
        };
        let found = found(&graph, &searched, store, options)?;
        let known = searched.search.known(&found);
        // Where nothing works, more of the same will not either.
        let hopeless = !found.is_empty() && found.values().all(|outcome| outcome.objectives.is_none());
        let (now, next) = (&searched.known.trials, &known.trials);
        if next == now || hopeless && next.len() > now.len() {
            let last = known.last || hopeless;
            graph.search = Some(Searched {
                known: Known {
                    trials: searched.known.trials,
                    last,
                },
                ..searched
            });
            return Ok((graph, found));
        }
        graph = resolve(&found)?;
    }
}

/// Takes out of a plan what failed a moment ago, and what needs that.
pub fn without_failed(graph: &Graph, plan: &mut Plan) {
    for (id, stage) in graph.iter() {
        let is_out = |id: StageId, plan: &Plan| plan[id] == Entry::Unselected;
        let needs_out = stage.needs().any(|needed| is_out(needed, plan));
        let failed = matches!(&plan[id], Entry::Stale(Reason::Failed { .. }));
        if failed || needs_out {
            plan.entries[id.index()] = Entry::Unselected;
        }
    }
}
