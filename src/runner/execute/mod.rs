//! Execution: one coordinator, a `Node` for each stage, bodies where an [`Executor`] runs them.
//!
//! The plan is refined while it runs: when all that a stage needs has settled, its fingerprint is known, and it is
//! either in the store (early cutoff) or ready to run.

mod budget;
mod by_batch;
mod decide;
mod end;
mod node;
mod order;
mod share;
mod start;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

pub use budget::Budget;
pub use summary::{Failure, RunSummary};

use crate::batch::{Ask, Batch};
use crate::context::Cancel;
use crate::error::StageError;
use crate::event::{Event, Sink, Told};
use crate::executor::Executor;
use crate::graph::{Graph, StageId, StageMap};
use crate::order::{Done, Moment};
use crate::plan::{Entry, Plan};
use crate::store::state::{State, Stopped, Unreadable};
use crate::store::{Hash256, Store};
use budget::{Free, Share};
use node::{Node, Rank, Status};

/// What to run, and with what.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The pipeline.
    pub graph: &'a Graph,
    /// What of it is to be done.
    pub plan: &'a Plan,
    /// Where outputs are kept.
    pub store: &'a Store,
    /// What it may use.
    pub budget: &'a Budget,
    /// Stops it.
    pub cancel: &'a Cancel,
    /// Whether the first stage that fails ends it, as if it were cancelled.
    pub fail_fast: bool,
    /// Trainings that pause after an epoch, with that.
    pub pauses: &'a BTreeMap<StageId, u64>,
    /// Who does it.
    pub by: By<'a>,
}

/// Who does what is to be done.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// This process, which has the bodies run, within the budget.
    Executor(&'a dyn Executor),
    /// Jobs of a batch system, which do it all.
    Batch(&'a dyn Batch),
}

/// Runs what a plan says. Nothing that one stage does stops those that do not need it, unless the first failure is to end all.
pub fn execute(run: Run<'_>, sinks: &mut [Box<dyn Sink>]) -> RunSummary {
    let begun = Instant::now();
    let (send, receive) = channel();
    let mut coordinator = Coordinator::new(run, sinks, send);
    let plan = run.plan;
    coordinator.tell(&Event::RunStarted {
        pipeline: run.graph.pipeline.clone(),
        stages: plan.count(|entry| *entry != Entry::Unselected),
        stale: plan.stale(),
        behind: plan.count(|entry| matches!(entry, Entry::Waiting { .. })),
        results: run.store.results().display().to_string(),
    });
    coordinator.make_room();
    coordinator.fetch_wanted();
    coordinator.begin();
    std::thread::scope(|scope| coordinator.run(scope, &receive));
    coordinator.keep_state();
    coordinator.finish(begun)
}

/// What a job tells the coordinator.
enum Message {
    At(StageId, Moment),
    Told(StageId, Told),
    Ended(StageId, Result<Done, StageError>),
    /// The batch system is not followed any more.
    Unfollowed,
}

struct Coordinator<'a, 's> {
    run: Run<'a>,
    sinks: &'s mut [Box<dyn Sink>],
    send: Sender<Message>,
    /// Where a batch system is asked.
    asks: Option<Sender<Ask>>,
    /// Where it is said what was made, to be put into a shared cache.
    made: Option<Sender<(&'static str, Hash256)>>,
    nodes: StageMap<Node>,
    ready: BTreeSet<Rank>,
    /// Ready stages whose lock another run holds.
    contended: BTreeSet<StageId>,
    free: Free,
    /// Stages that have a thread of their own.
    running: BTreeSet<StageId>,
    /// What those of them hold whose body has not ended.
    shares: BTreeMap<StageId, Share>,
    /// Names of stages of which a body was short.
    short: HashSet<&'a str>,
    /// The state that the last run left, read when it is first needed.
    state: Option<Result<State, Unreadable>>,
    /// Why nothing can be written, if so.
    cannot_write: Option<String>,
    log: Log,
}

/// What is noted on the way and wanted at the end.
#[derive(Default)]
struct Log {
    failures: Vec<Failure>,
    /// Stages that began and did not end well, by label.
    stopped: BTreeMap<String, Stopped>,
    /// Stages whose entries the index should remember as they are now.
    remember: Vec<StageId>,
    warnings: Vec<String>,
}

impl<'a, 's> Coordinator<'a, 's> {
    fn new(run: Run<'a>, sinks: &'s mut [Box<dyn Sink>], send: Sender<Message>) -> Self {
        let depths = run.graph.depths();
        let priorities = run.graph.priorities();
        let node = |(id, stage): (StageId, &crate::graph::StageInstance)| Node {
            status: Status::Unselected,
            rank: Rank {
                priority: std::cmp::Reverse(priorities[id]),
                point: stage.points.iter().copied().min().unwrap_or(0),
                depth: std::cmp::Reverse(depths[id]),
                id,
            },
            children: Vec::new(),
            cached: None,
            reason: None,
            fingerprint: None,
            forced: run.plan.forced[id],
            verified: Vec::new(),
        };
        let mut nodes: StageMap<Node> = run.graph.iter().map(node).collect();
        for (id, stage) in run.graph.iter() {
            for from in stage.needs() {
                debug_assert!(from < id, "not in topological order");
                nodes[from].children.push(id);
            }
        }
        let log = Log {
            remember: run.plan.facts.remember.clone(),
            ..Log::default()
        };
        Self {
            run,
            sinks,
            send,
            asks: None,
            made: None,
            nodes,
            ready: BTreeSet::new(),
            contended: BTreeSet::new(),
            free: Free::new(run.budget),
            running: BTreeSet::new(),
            shares: BTreeMap::new(),
            short: HashSet::new(),
            state: None,
            cannot_write: None,
            log,
        }
    }

    fn tell(&mut self, event: &Event) {
        for sink in self.sinks.iter_mut() {
            sink.take(event);
        }
    }

    fn label(&self, id: StageId) -> String {
        self.run.graph[id].label.to_string()
    }

    /// Prepares the store for writing, and clears up after dead runs. Where nothing is to run, nothing need be written.
    fn make_room(&mut self) {
        let Run { graph, plan, store, .. } = self.run;
        let clear = || {
            store.clear_up(&graph.pipeline)?;
            store.compact()
        };
        if plan.is_fresh() && plan.away() == 0 {
            let _ = clear();
        } else if let Err(error) = store.prepare() {
            self.cannot_write = Some(error.to_string());
        } else if let Err(error) = clear() {
            self.log
                .warnings
                .push(format!("could not clear up after an earlier run: {error}"));
        }
    }

    /// Gives each stage its first status; the plan's reasons hold until something settles.
    fn begin(&mut self) {
        let mut known = Vec::new();
        let Run { graph, plan, .. } = self.run;
        for (id, stage) in graph.iter() {
            let node = &mut self.nodes[id];
            if let Entry::Stale(reason) = &plan[id] {
                node.reason = Some(reason.clone());
            }
            if plan[id] != Entry::Unselected {
                let waits = stage.needs().count();
                node.status = Status::Waiting(waits);
                known.extend((waits == 0).then_some(id));
            }
        }
        // All stages without inputs are considered in turn, each with what it sets free.
        for id in known {
            self.consider(id);
        }
    }

    fn run<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, receive: &Receiver<Message>)
    where
        'a: 'scope,
    {
        if let By::Batch(batch) = self.run.by {
            self.follow(scope, batch);
        }
        self.share(scope);
        loop {
            if self.run.cancel.is_cancelled() {
                self.interrupt();
            } else {
                match self.run.by {
                    By::Executor(executor) => self.start_ready(scope, executor),
                    By::Batch(batch) => self.order_ready(batch),
                }
            }
            if self.running.is_empty() && self.ready.is_empty() {
                (self.asks, self.made) = (None, None);
                return;
            }
            // Locks that another run holds are tried again after a while.
            let wait = if self.contended.is_empty() { 100 } else { 20 };
            if let Ok(message) = receive.recv_timeout(Duration::from_millis(wait)) {
                self.take(message);
                while let Ok(message) = receive.try_recv() {
                    self.take(message);
                }
            }
        }
    }

    /// Nothing more is begun.
    fn interrupt(&mut self) {
        self.leave_batch();
        self.ready.clear();
        for node in self.nodes.values_mut() {
            if matches!(node.status, Status::Ready | Status::Waiting(_)) {
                node.status = Status::Interrupted;
            }
        }
    }
}
