//! Searches: trials are known as far as the results of those before them are.

use std::collections::{BTreeMap, BTreeSet};

use runner::graph::{Graph, Searched, StageId, StageInstance};
use runner::plan::{self, Entry, Plan, Reason};
use runner::search::{Known, Limit, Outcome, Outcomes, key};
use runner::store::files::{self, Keep};
use runner::store::rungs::Rungs;
use runner::store::{Hash256, Store};

use super::failure::Failure;
use crate::report::{self, Data, Detail};

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
    outcomes(graph, searched, store, &plan, &data)
        .map_err(|problem| Failure::Invalid(format!("error: {}: {problem}", graph.pipeline)))
}

/// What came of trials until now; of those that are compared on their way, also how far they came.
pub fn outcomes(
    graph: &Graph,
    searched: &Searched,
    store: &Store,
    plan: &Plan,
    data: &Data,
) -> Result<Outcomes, String> {
    let mut found = report::outcomes(data, searched)?;
    let Some(prune) = &searched.search.prune else {
        return Ok(found);
    };
    let mut reached: Vec<Vec<Reached>> = searched.known.trials.iter().map(|_| Vec::new()).collect();
    for (id, stage) in graph.iter().filter(|(_, stage)| *stage.name == *prune.stage) {
        let of = reached_by(graph, id, store, plan, &prune.at);
        for trial in trials(stage, searched) {
            reached[trial].push(of.clone());
        }
    }
    for (trial, own) in searched.known.trials.iter().zip(reached) {
        // Of several instances, such as those of several seeds, the mean; as far as the last of them came.
        let rungs = own.iter().map(|one| one.losses.len()).min().unwrap_or(0);
        let mean = |rung: usize| own.iter().map(|one| one.losses[rung]).sum::<f64>() / own.len() as f64;
        let rungs: Vec<f64> = (0..rungs).map(mean).collect();
        if !rungs.is_empty() {
            let seconds = |of: fn(&Reached) -> f64| own.iter().map(of).sum();
            let outcome = found.entry(key(trial)).or_insert_with(|| Outcome {
                seconds: seconds(|one| one.seconds),
                core_seconds: seconds(|one| one.core_seconds),
                ..Outcome::default()
            });
            outcome.rungs = rungs;
        }
    }
    Ok(found)
}

/// How far a training came.
#[derive(Clone, Default)]
struct Reached {
    losses: Vec<f64>,
    seconds: f64,
    core_seconds: f64,
}

/// The least validation loss until each of some epochs, of a training that has ended or was paused.
fn reached_by(graph: &Graph, id: StageId, store: &Store, plan: &Plan, at: &[u64]) -> Reached {
    if let Entry::Hit(cached) = &plan[id] {
        // Where it cannot be had, the training did not come far.
        let _ = store.bring(graph[id].kind, &cached.fingerprint);
        let folder = store.folder(graph[id].kind, &cached.fingerprint);
        let table = tables::read(&folder.join(HISTORY)).ok();
        let least = |epoch: u64| {
            let table = table.as_ref()?;
            let epochs = tables::i64_column(table, "epoch").ok()?;
            let losses = tables::f64_column(table, "validation_loss").ok()?;
            let until = epochs
                .iter()
                .zip(losses)
                .filter(|(own, _)| u64::try_from(**own).is_ok_and(|own| own <= epoch));
            let until: Vec<f64> = until.map(|(_, loss)| *loss).collect();
            (!until.is_empty()).then(|| until.into_iter().fold(f64::INFINITY, f64::min))
        };
        return Reached {
            losses: at.iter().map_while(|&epoch| least(epoch)).collect(),
            ..Reached::default()
        };
    }
    let Rungs {
        losses,
        seconds,
        core_seconds,
    } = rungs(graph, id, store, plan)
        .map(|(_, rungs)| rungs)
        .unwrap_or_default();
    Reached {
        losses: at.iter().map_while(|epoch| losses.get(epoch).copied()).collect(),
        seconds,
        core_seconds,
    }
}

/// The table of a training with its validation curve.
const HISTORY: &str = "history.parquet";

fn rungs(graph: &Graph, id: StageId, store: &Store, plan: &Plan) -> Option<(Hash256, Rungs)> {
    let fingerprint = plan.fingerprint(graph, id)?;
    Some((fingerprint, store.rungs(&fingerprint)?))
}

/// The trials that share a stage.
fn trials(stage: &StageInstance, searched: &Searched) -> BTreeSet<usize> {
    let points = stage.points.iter();
    points
        .filter_map(|&point| searched.trials.get(point).copied().flatten())
        .collect()
}

/// What is left of a plan where trials are given up early, or wait for others.
#[derive(Default)]
pub struct Pruning {
    /// Trainings that are to pause, with the epoch after which they do.
    pub pauses: BTreeMap<StageId, u64>,
    /// Fingerprints of those that were paused, or given up, and have a checkpoint.
    pub kept: Vec<Hash256>,
}

/// Takes out of a plan what is not to be done now, and says which trainings pause.
pub fn prune(graph: &Graph, store: &Store, plan: &mut Plan) -> Pruning {
    let mut pruning = Pruning::default();
    let Some((searched, prune)) = graph
        .search
        .as_ref()
        .and_then(|own| Some((own, own.search.prune.as_ref()?)))
    else {
        return pruning;
    };
    let mut is_blocked = vec![false; graph.stages.len()];
    let mut out = Vec::new();
    for (id, stage) in graph.iter() {
        let mut blocked = stage.needs().any(|needed| is_blocked[needed.index()]);
        let own = trials(stage, searched);
        if *stage.name == *prune.stage && !own.is_empty() && plan[id] != Entry::Unselected {
            let limits = || own.iter().map(|&trial| searched.known.limits[trial]);
            let until = limits().filter_map(|limit| match limit {
                Limit::Until(epoch) => Some(epoch),
                _ => None,
            });
            let is_hit = matches!(plan[id], Entry::Hit(_));
            let kept = if is_hit { None } else { rungs(graph, id, store, plan) };
            pruning.kept.extend(kept.as_ref().map(|(fingerprint, _)| *fingerprint));
            // One that several trials share goes as far as any of them.
            if !limits().any(|limit| limit == Limit::End) {
                blocked = true;
                match until.max() {
                    Some(epoch) if !is_hit && kept.is_none_or(|(_, rungs)| !rungs.losses.contains_key(&epoch)) => {
                        pruning.pauses.insert(id, epoch);
                    }
                    _ => out.push(id),
                }
                is_blocked[id.index()] = true;
                continue;
            }
        }
        if blocked {
            is_blocked[id.index()] = true;
            out.push(id);
        }
    }
    for id in out {
        if !matches!(plan[id], Entry::Hit(_)) {
            plan.entries[id.index()] = Entry::Unselected;
        }
    }
    pruning
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
        let ended = || found.values().filter(|outcome| outcome.ended);
        let hopeless = ended().next().is_some() && ended().all(|outcome| outcome.objectives.is_none());
        let (now, next) = (&searched.known.trials, &known.trials);
        if next == now || hopeless && next.len() > now.len() {
            let mut limits = known.limits;
            limits.truncate(now.len());
            let last = known.last || hopeless;
            graph.search = Some(Searched {
                known: Known {
                    trials: searched.known.trials,
                    limits,
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
