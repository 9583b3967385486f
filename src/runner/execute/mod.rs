//! Execution: one coordinator, a state for each stage, bodies on threads or in worker processes.
//!
//! The plan is refined while it runs: when all that a stage needs has settled, its fingerprint is known, and it is
//! either in the store (early cutoff) or ready to run.

mod body;
mod budget;
mod decide;
mod end;
mod start;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

pub use budget::Budget;

use crate::context::Cancel;
use crate::error::StageError;
use crate::event::{Event, Sink, Told};
use crate::fingerprint::{Hash256, Input};
use crate::graph::{Graph, StageId};
use crate::plan::{Entry, Plan, Reason, since_last};
use crate::store::state::{Last, State, Stop, Stopped, Unreadable};
use crate::store::{Cached, Lookup, Store, TryLock};
use crate::worker::{WorkerCommand, panic_message};
use body::{Ended, Job, JobInput};
use budget::{Free, Share};

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The plan as it is now: a run of it would do only what this one could not.
    pub plan: Plan,
    /// Instances whose body ran to its end.
    pub ran: usize,
    /// Instances that were fresh.
    pub fresh: usize,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// Instances that were skipped.
    pub skipped: usize,
    /// Labels and titles of findings, of fresh stages too.
    pub findings: Vec<(String, String)>,
    /// Labels of stages with a comparison outside its tolerance, of fresh stages too; the manifests tell more.
    pub outside_tolerance: Vec<String>,
    /// Whether the run was cancelled before its end.
    pub interrupted: bool,
    /// Fingerprints of stages that were to run and have no outputs; they may have checkpoints.
    pub unfinished: Vec<Hash256>,
    /// What went wrong beside the stages, such as a state file that could not be written.
    pub warnings: Vec<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A stage that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stage label.
    pub stage: String,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
    /// Whether it is a bug of this program or its stages.
    pub bug: bool,
}

/// Where a stage is on its way.
#[derive(Debug, Clone, PartialEq)]
enum Status {
    Unselected,
    /// Inputs that have not settled.
    Waiting(usize),
    Ready,
    Running,
    Fresh,
    Ran,
    Failed,
    Skipped {
        because: StageId,
    },
    Interrupted,
}

impl Status {
    fn is_settled(&self) -> bool {
        !matches!(self, Self::Waiting(_) | Self::Ready | Self::Running)
    }
}

enum Message {
    Started(StageId),
    Told(StageId, Told),
    Ended(StageId, Result<Ended, StageError>),
}

/// Runs what a plan says. Nothing that one stage does stops those that do not need it: with a `worker`, every body runs in a
/// process of its own. Without one, bodies that need no libtorch run in this process, where a crash ends all.
pub fn execute(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    sinks: &mut [Box<dyn Sink>],
    budget: &Budget,
    cancel: &Cancel,
    worker: Option<&WorkerCommand>,
) -> RunSummary {
    let begun = Instant::now();
    let (send, receive) = channel();
    let mut coordinator = Coordinator::new(graph, plan, store, sinks, budget, cancel, worker, send);
    coordinator.tell(&Event::RunStarted {
        pipeline: graph.pipeline.clone(),
        stages: plan.count(|entry| *entry != Entry::Unselected),
        stale: plan.stale(),
        behind: plan.count(|entry| matches!(entry, Entry::Waiting { .. })),
    });
    coordinator.make_room();
    coordinator.begin();
    std::thread::scope(|scope| coordinator.run(scope, &receive));
    coordinator.keep_state();
    coordinator.finish(begun)
}

struct Coordinator<'a, 's> {
    graph: &'a Graph,
    plan: &'a Plan,
    store: &'a Store,
    sinks: &'s mut [Box<dyn Sink>],
    cancel: &'a Cancel,
    worker: Option<&'a WorkerCommand>,
    send: Sender<Message>,
    statuses: Vec<Status>,
    cached: Vec<Option<Arc<Cached>>>,
    reasons: Vec<Option<Reason>>,
    /// Fingerprints as canonical JSON, of stages that are ready.
    jsons: Vec<Option<String>>,
    forced: Vec<bool>,
    /// Outputs whose content was read and found right, or written, in this run.
    verified: HashSet<(StageId, &'static str)>,
    /// Stages whose entries the index should remember as they are now.
    heal: Vec<StageId>,
    children: Vec<Vec<StageId>>,
    ready: BTreeSet<StageId>,
    /// Ready stages whose lock another run holds.
    contended: BTreeSet<StageId>,
    free: Free,
    shares: BTreeMap<StageId, Share>,
    failures: Vec<Failure>,
    /// The state that the last run left.
    state: Option<Result<State, Unreadable>>,
    /// Stages that began and did not end well, by label.
    stopped: BTreeMap<String, Stopped>,
    warnings: Vec<String>,
    cannot_write: Option<String>,
}

impl<'a, 's> Coordinator<'a, 's> {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once; the arguments are those of `execute`"
    )]
    fn new(
        graph: &'a Graph,
        plan: &'a Plan,
        store: &'a Store,
        sinks: &'s mut [Box<dyn Sink>],
        budget: &Budget,
        cancel: &'a Cancel,
        worker: Option<&'a WorkerCommand>,
        send: Sender<Message>,
    ) -> Self {
        let count = graph.stages.len();
        let mut children = vec![Vec::new(); count];
        for (index, stage) in graph.stages.iter().enumerate() {
            for from in inputs_of(graph, id(index)) {
                children[from.index()].push(id(index));
            }
            debug_assert!(
                stage.inputs.iter().all(|input| input.from.index() < index),
                "not in topological order"
            );
        }
        Self {
            graph,
            plan,
            store,
            sinks,
            cancel,
            worker,
            send,
            statuses: vec![Status::Unselected; count],
            cached: vec![None; count],
            reasons: vec![None; count],
            jsons: vec![None; count],
            forced: plan.forced.clone(),
            verified: HashSet::new(),
            heal: plan.facts.heal.clone(),
            children,
            ready: BTreeSet::new(),
            contended: BTreeSet::new(),
            free: Free::new(budget),
            shares: BTreeMap::new(),
            failures: Vec::new(),
            state: None,
            stopped: BTreeMap::new(),
            warnings: Vec::new(),
            cannot_write: None,
        }
    }

    fn tell(&mut self, event: &Event) {
        for sink in self.sinks.iter_mut() {
            sink.take(event);
        }
    }

    fn label(&self, id: StageId) -> String {
        self.graph.stages[id.index()].label.clone()
    }

    /// Prepares the store for writing, and clears up after dead runs. Where nothing is to run, nothing need be written.
    fn make_room(&mut self) {
        let clear = || {
            self.store.clear_up(&self.graph.pipeline)?;
            self.store.compact()
        };
        if self.plan.is_fresh() {
            let _ = clear();
        } else if let Err(error) = self.store.prepare() {
            self.cannot_write = Some(error.to_string());
        } else if let Err(error) = clear() {
            self.warnings
                .push(format!("could not clear up after an earlier run: {error}"));
        }
    }

    /// Gives each stage its first status; the plan's reasons hold until something settles.
    fn begin(&mut self) {
        let mut known = Vec::new();
        for (index, entry) in self.plan.entries.iter().enumerate() {
            let waits = inputs_of(self.graph, id(index)).len();
            self.statuses[index] = match entry {
                Entry::Unselected => Status::Unselected,
                _ => Status::Waiting(waits),
            };
            if let Entry::Stale(reason) = entry {
                self.reasons[index] = Some(reason.clone());
            }
            if waits == 0 && *entry != Entry::Unselected {
                known.push(id(index));
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
        loop {
            if self.cancel.is_cancelled() {
                self.interrupt();
            } else {
                self.start_ready(scope);
            }
            if self.shares.is_empty() && self.ready.is_empty() {
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
        self.ready.clear();
        for status in &mut self.statuses {
            if matches!(status, Status::Ready | Status::Waiting(_)) {
                *status = Status::Interrupted;
            }
        }
    }
}

fn id(index: usize) -> StageId {
    StageId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The stages that a stage needs, each once.
fn inputs_of(graph: &Graph, id: StageId) -> BTreeSet<StageId> {
    graph.stages[id.index()].inputs.iter().map(|input| input.from).collect()
}
