//! Execution: one coordinator, a state for each stage, bodies on threads or in worker processes.
//!
//! The plan is refined while it runs: when all that a stage needs has settled, its fingerprint is known, and it is
//! either in the store (early cutoff) or ready to run.

mod body;
mod budget;
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
use crate::store::state::{Last, State};
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

/// Runs what a plan says. Nothing that one stage does stops those that do not need it. `worker` is needed only for
/// stages that run in a worker process.
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
    if !plan.is_fresh() {
        coordinator.make_room();
    }
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
    /// Entries that the index should remember as they are now.
    heal: Vec<(&'static str, Hash256)>,
    children: Vec<Vec<StageId>>,
    ready: BTreeSet<StageId>,
    /// Ready stages whose lock another run holds.
    contended: BTreeSet<StageId>,
    free: Free,
    shares: BTreeMap<StageId, Share>,
    failures: Vec<Failure>,
    state: Option<State>,
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

    /// Prepares the store for writing, and clears up after dead runs.
    fn make_room(&mut self) {
        let prepared = self.store.prepare();
        if let Err(error) = prepared {
            self.cannot_write = Some(error.to_string());
        } else if let Err(error) = self.store.recover().and_then(|_| self.store.compact()) {
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

    /// Decides about a stage all of whose inputs have settled, and about those that thereby are all settled.
    fn consider(&mut self, first: StageId) {
        let mut queue = vec![first];
        while let Some(id) = queue.pop() {
            self.decide(id);
            if self.statuses[id.index()].is_settled() {
                self.release(id, &mut queue);
            }
        }
    }

    /// Tells the children of a settled stage; those that wait for nothing more go into the queue.
    fn release(&mut self, id: StageId, queue: &mut Vec<StageId>) {
        for child in &self.children[id.index()] {
            if let Status::Waiting(count @ 1..) = &mut self.statuses[child.index()] {
                *count -= 1;
                if *count == 0 {
                    queue.push(*child);
                }
            }
        }
    }

    fn decide(&mut self, id: StageId) {
        let index = id.index();
        let stage = &self.graph.stages[index];
        if let Some(status) = self.obstacle(id) {
            if let Status::Skipped { because } = status {
                let event = Event::StageSkipped {
                    stage: self.label(id),
                    because: self.label(because),
                };
                self.tell(&event);
            }
            self.statuses[index] = status;
            return;
        }
        if let Entry::Hit(cached) = &self.plan.entries[index]
            && !self.forced[index]
            && self.inputs_as_planned(id)
        {
            let cached = cached.clone();
            self.settle_fresh(id, cached);
            return;
        }
        let cached = &self.cached;
        let json = self.plan.facts.fingerprint(self.graph, id, |from, output| {
            let cached = cached[from.index()].as_ref().and_then(|cached| cached.output(output));
            cached.map_or(Input::Waiting(""), |output| Input::Content(output.sha256))
        });
        let known = matches!(self.plan.entries[index], Entry::Stale(_));
        let lookup = if self.forced[index] {
            Lookup::Absent
        } else {
            self.store.lookup(stage.kind, &Hash256::of(&json))
        };
        match lookup {
            Lookup::Found(cached) => {
                self.heal.push((stage.kind, cached.fingerprint));
                return self.settle_fresh(id, cached);
            }
            Lookup::Damaged(damage) => self.reasons[index] = Some(Reason::Damaged(damage)),
            Lookup::Absent if self.forced[index] => {
                self.reasons[index].get_or_insert(Reason::Forced);
            }
            Lookup::Absent if known && self.reasons[index].is_some() => {}
            Lookup::Absent => {
                let folder = self.store.pipeline_folder(&self.graph.pipeline);
                let state = self.state.get_or_insert_with(|| State::load(&folder));
                self.reasons[index] = Some(since_last(stage, &json, state, self.store));
            }
        }
        self.jsons[index] = Some(json);
        self.statuses[index] = Status::Ready;
        self.ready.insert(id);
    }

    /// Whether a stage cannot run, because of what it needs.
    fn obstacle(&self, id: StageId) -> Option<Status> {
        let mut interrupted = None;
        for input in &self.graph.stages[id.index()].inputs {
            let from = input.from.index();
            match &self.statuses[from] {
                Status::Skipped { because } => return Some(Status::Skipped { because: *because }),
                Status::Failed => return Some(Status::Skipped { because: input.from }),
                Status::Interrupted => interrupted = Some(Status::Interrupted),
                _ if self.cached[from]
                    .as_ref()
                    .is_some_and(|cached| cached.finding.is_some()) =>
                {
                    return Some(Status::Skipped { because: input.from });
                }
                _ => {}
            }
        }
        interrupted
    }

    fn inputs_as_planned(&self, id: StageId) -> bool {
        self.graph.stages[id.index()]
            .inputs
            .iter()
            .all(|input| self.statuses[input.from.index()] == Status::Fresh)
    }

    fn settle_fresh(&mut self, id: StageId, cached: Arc<Cached>) {
        self.cached[id.index()] = Some(cached);
        self.statuses[id.index()] = Status::Fresh;
        let event = Event::StageFresh { stage: self.label(id) };
        self.tell(&event);
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

    fn start_ready<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let mut next = self.ready.first().copied();
        while let Some(id) = next
            && !self.free.is_spent()
        {
            let stage = &self.graph.stages[id.index()];
            let choice = self.plan.facts.devices[id.index()];
            let is_contended = self.contended.contains(&id);
            let others = if is_contended {
                0
            } else {
                self.ready.len() - self.contended.len() - 1
            };
            if let Some(share) = self.free.take(choice, stage.resources.threads, others) {
                if self.start(scope, id, share) {
                    self.shares.insert(id, share);
                } else {
                    self.free.give_back(share);
                }
            }
            next = self
                .ready
                .range((Bound::Excluded(id), Bound::Unbounded))
                .next()
                .copied();
        }
    }

    /// Begins a stage; whether it did.
    fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, id: StageId, share: Share) -> bool
    where
        'a: 'scope,
    {
        let Some(json) = self.jsons[id.index()].clone() else {
            return false;
        };
        let lock = match (&self.cannot_write, self.store.attempt_lock(&Hash256::of(&json))) {
            (None, Ok(TryLock::Held(lock))) => lock,
            (None, Ok(TryLock::Busy(who))) => {
                if self.contended.insert(id) {
                    let text = match self.same_work(id) {
                        Some(other) => format!("the same work as {other}, which is done once"),
                        None => format!("waiting for another run of this stage ({who})"),
                    };
                    let event = Event::Stage {
                        stage: self.label(id),
                        told: Told::Note { text },
                    };
                    self.tell(&event);
                }
                return false;
            }
            (Some(problem), _) => {
                let problem = problem.clone();
                self.fail(id, StageError::failed(problem));
                return false;
            }
            (None, Err(error)) => {
                self.fail(id, error);
                return false;
            }
        };
        self.ready.remove(&id);
        self.contended.remove(&id);
        self.statuses[id.index()] = Status::Running;
        let (send, told) = (self.send.clone(), self.send.clone());
        let job = Job {
            stage: &self.graph.stages[id.index()],
            store: self.store,
            facts: &self.plan.facts,
            worker: self.worker,
            json,
            lock,
            forced: self.forced[id.index()],
            inputs: self.job_inputs(id),
            device: share.device,
            gpu: self.free.gpu(share),
            threads: share.threads,
            cancel: self.cancel.clone(),
            // The coordinator outlives all senders.
            tell: Arc::new(move |what| drop(told.send(Message::Told(id, what)))),
        };
        let body = move || {
            let started = || drop(send.send(Message::Started(id)));
            let ended = catch_unwind(AssertUnwindSafe(|| job.run(&started)));
            let ended = ended.unwrap_or_else(|panic| Err(StageError::Bug(panic_message(panic.as_ref()))));
            let _ = send.send(Message::Ended(id, ended));
        };
        match std::thread::Builder::new().spawn_scoped(scope, body) {
            Ok(_) => true,
            Err(error) => {
                self.fail(id, StageError::failed(format!("cannot start a thread: {error}")));
                false
            }
        }
    }

    /// Label of a stage of this run that is at work on the same fingerprint.
    fn same_work(&self, id: StageId) -> Option<String> {
        let json = self.jsons[id.index()].as_ref()?;
        let mut running = self.shares.keys().filter(|other| **other != id);
        let same = running.find(|other| self.jsons[other.index()].as_ref() == Some(json))?;
        Some(self.label(*same))
    }

    fn job_inputs(&self, id: StageId) -> Vec<JobInput> {
        let input = |connection: &crate::graph::Connection| {
            let from = &self.graph.stages[connection.from.index()];
            let port = from.outputs.iter().find(|port| port.name == connection.output)?;
            Some(JobInput {
                port: connection.port,
                from: connection.from,
                kind: from.kind,
                output: connection.output,
                artifact: port.artifact.clone(),
                cached: self.cached[connection.from.index()].clone()?,
                verified: self.verified.contains(&(connection.from, connection.output)),
            })
        };
        self.graph.stages[id.index()].inputs.iter().filter_map(input).collect()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Started(id) => {
                let stage = &self.graph.stages[id.index()];
                let reason = self.reasons[id.index()]
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let device = self
                    .shares
                    .get(&id)
                    .map(|share| share.device.to_string())
                    .unwrap_or_default();
                let (stage, kind) = (stage.label.clone(), stage.kind.to_owned());
                self.tell(&Event::StageStarted {
                    stage,
                    kind,
                    reason,
                    device,
                });
            }
            Message::Told(id, told) => {
                let event = Event::Stage {
                    stage: self.label(id),
                    told,
                };
                self.tell(&event);
            }
            Message::Ended(id, ended) => {
                if let Some(share) = self.shares.remove(&id) {
                    self.free.give_back(share);
                }
                self.end(id, ended);
            }
        }
    }

    fn end(&mut self, id: StageId, ended: Result<Ended, StageError>) {
        match ended {
            Ok(Ended::Published { cached, seconds }) => {
                let finding = cached.finding.clone();
                // Written and hashed a moment ago.
                let outputs = &self.graph.stages[id.index()].outputs;
                self.verified.extend(outputs.iter().map(|port| (id, port.name)));
                self.cached[id.index()] = Some(Arc::new(cached));
                self.statuses[id.index()] = Status::Ran;
                let event = Event::StageFinished {
                    stage: self.label(id),
                    seconds,
                    finding,
                };
                self.tell(&event);
                self.settled(id);
            }
            Ok(Ended::Found(cached)) => {
                self.settle_fresh(id, cached);
                self.settled(id);
            }
            Ok(Ended::DamagedInputs { damaged, verified }) => {
                self.verified.extend(verified);
                let mut waits = 0;
                for (upstream, damage) in damaged {
                    if self.statuses[upstream.index()] == Status::Fresh {
                        self.reopen(upstream, Reason::Damaged(damage));
                    }
                    waits += usize::from(!self.statuses[upstream.index()].is_settled());
                }
                self.statuses[id.index()] = Status::Waiting(waits);
                // Another stage may have had the same input made again meanwhile.
                if waits == 0 {
                    self.consider(id);
                }
            }
            Err(StageError::Cancelled) if self.cancel.is_cancelled() => self.statuses[id.index()] = Status::Interrupted,
            Err(StageError::Cancelled) => self.fail(id, StageError::Bug("it stopped as if cancelled".to_owned())),
            Err(error) => self.fail(id, error),
        }
    }

    fn settled(&mut self, id: StageId) {
        let mut queue = Vec::new();
        self.release(id, &mut queue);
        for child in queue {
            self.consider(child);
        }
    }

    /// A fresh stage turns out to be damaged: it runs again, and its children that have not begun wait for it. Its own
    /// inputs have settled; if they are damaged too, its start will find out.
    fn reopen(&mut self, id: StageId, reason: Reason) {
        for child in &self.children[id.index()] {
            let status = &mut self.statuses[child.index()];
            match status {
                Status::Waiting(count) => *count += 1,
                Status::Ready => {
                    *status = Status::Waiting(1);
                    self.ready.remove(child);
                    self.contended.remove(child);
                }
                _ => {}
            }
        }
        self.reasons[id.index()] = Some(reason);
        self.forced[id.index()] = true;
        self.cached[id.index()] = None;
        self.decide(id);
    }

    fn fail(&mut self, id: StageId, error: StageError) {
        let bug = matches!(error, StageError::Bug(_));
        let message = error.to_string();
        let hint = match error {
            StageError::Failed { hint, .. } => hint,
            StageError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space; finished stages are kept".to_owned())
            }
            _ => None,
        };
        let failure = Failure {
            stage: self.label(id),
            message,
            hint,
            bug,
        };
        self.ready.remove(&id);
        self.contended.remove(&id);
        self.statuses[id.index()] = Status::Failed;
        let Failure {
            stage, message, hint, ..
        } = failure.clone();
        self.failures.push(failure);
        self.tell(&Event::StageFailed { stage, message, hint });
        self.settled(id);
    }

    /// Keeps which entry each stage has now.
    fn keep_state(&mut self) {
        let folder = self.store.pipeline_folder(&self.graph.pipeline);
        let entries = self.graph.stages.iter().zip(&self.cached);
        let known = entries.filter_map(|(stage, cached)| Some((stage, cached.as_ref()?.fingerprint)));
        // Of a complete pipeline nothing of the old state stays.
        let saved = if self.plan.whole && self.cached.iter().all(Option::is_some) {
            State::save_all(
                known.map(|(stage, hash)| (stage.label.as_str(), stage.kind, hash)),
                &folder,
            )
        } else {
            let mut state = self.state.take().unwrap_or_else(|| State::load(&folder));
            if self.plan.whole {
                let labels: HashSet<&str> = self.graph.stages.iter().map(|stage| stage.label.as_str()).collect();
                state.stages.retain(|label, _| labels.contains(label.as_str()));
            }
            for (stage, hash) in known {
                let kind = stage.kind.to_owned();
                state.stages.insert(stage.label.clone(), Last { kind, hash });
            }
            state.save(&folder)
        };
        if let Err(error) = saved {
            self.warnings.push(error.to_string());
        }
        // These only save hashing next time.
        for (path, (identity, hash)) in &self.plan.facts.files {
            let _ = self.store.remember_user_file(path, *identity, *hash);
        }
        for (kind, hash) in &self.heal {
            let _ = self.store.remember(kind, hash);
        }
    }

    fn finish(mut self, begun: Instant) -> RunSummary {
        let count = |which: fn(&Status) -> bool| self.statuses.iter().filter(|status| which(status)).count();
        let (ran, fresh) = (count(|s| *s == Status::Ran), count(|s| *s == Status::Fresh));
        let (skipped, failed) = (count(|s| matches!(s, Status::Skipped { .. })), self.failures.len());
        let interrupted = count(|s| *s == Status::Interrupted) > 0;
        let mut plan = self.plan.clone();
        let (mut findings, mut outside_tolerance) = (Vec::new(), Vec::new());
        for (index, entry) in plan.entries.iter_mut().enumerate() {
            let label = || self.graph.stages[index].label.clone();
            if let Status::Skipped { because } = self.statuses[index] {
                *entry = Entry::Skipped { because };
            }
            if let Some(cached) = &self.cached[index] {
                findings.extend(cached.finding.iter().map(|title| (label(), title.clone())));
                outside_tolerance.extend(cached.outside_tolerance.then(label));
                *entry = Entry::Hit(cached.clone());
            }
        }
        plan.forced.fill(false);
        let seconds = begun.elapsed().as_secs_f64();
        self.tell(&Event::RunFinished {
            ran,
            fresh,
            failed,
            skipped,
            seconds,
        });
        RunSummary {
            plan,
            ran,
            fresh,
            failures: self.failures,
            skipped,
            findings,
            outside_tolerance,
            interrupted,
            warnings: self.warnings,
            seconds,
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
