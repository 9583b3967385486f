//! Deciding about stages whose inputs have settled: fresh, ready to run, or stopped by something before them.

use std::sync::Arc;

use super::Coordinator;
use super::node::Status;
use crate::event::Event;
use crate::fingerprint::{Hash256, Input};
use crate::graph::StageId;
use crate::plan::{Entry, Reason, Wanted, since_last};
use crate::store::state::State;
use crate::store::{Cached, Damage, Lookup};

impl Coordinator<'_, '_> {
    /// Decides about a stage all of whose inputs have settled, and about those that thereby are all settled.
    pub(super) fn consider(&mut self, first: StageId) {
        let mut queue = vec![first];
        while let Some(id) = queue.pop() {
            self.decide(id);
            if self.nodes[id].status.is_settled() {
                self.release(id, &mut queue);
            }
        }
    }

    /// Tells the children of a settled stage; those that wait for nothing more go into the queue.
    pub(super) fn release(&mut self, id: StageId, queue: &mut Vec<StageId>) {
        for at in 0..self.nodes[id].children.len() {
            let child = self.nodes[id].children[at];
            if let Status::Waiting(count @ 1..) = &mut self.nodes[child].status {
                *count -= 1;
                if *count == 0 {
                    queue.push(child);
                }
            }
        }
    }

    pub(super) fn decide(&mut self, id: StageId) {
        let stage = &self.run.graph[id];
        if let Some(status) = self.obstacle(id) {
            if let Status::Skipped { because } = status {
                let event = Event::StageSkipped {
                    stage: self.label(id),
                    because: self.label(because),
                };
                self.tell(&event);
            }
            self.nodes[id].status = status;
            return;
        }
        let forced = self.nodes[id].forced;
        if let Entry::Hit(cached) = &self.run.plan[id]
            && !forced
            && self.inputs_as_planned(id)
            && self.is_where_wanted(id, cached)
        {
            return self.settle_fresh(id, cached.clone());
        }
        let json = self.json(id);
        let fingerprint = Hash256::of(&json);
        let known = matches!(self.run.plan[id], Entry::Stale(_));
        let lookup = if forced {
            Lookup::Absent
        } else {
            self.run.store.lookup(stage.kind, &fingerprint)
        };
        match lookup {
            Lookup::Found(cached) if self.is_where_wanted(id, &cached) => {
                if cached.is_here {
                    self.log.remember.push(id);
                }
                return self.settle_fresh(id, cached);
            }
            Lookup::Found(_) => {
                let why = "the shared cache did not give them".to_owned();
                self.nodes[id]
                    .reason
                    .get_or_insert(Reason::Damaged(Damage::Unfetched(why)));
            }
            Lookup::Damaged(damage) => self.nodes[id].reason = Some(Reason::Damaged(damage)),
            Lookup::Absent if forced => {
                self.nodes[id].reason.get_or_insert(Reason::Forced);
            }
            Lookup::Absent if known && self.nodes[id].reason.is_some() => {}
            Lookup::Absent => {
                let folder = self.run.store.pipeline_folder(&self.run.graph.pipeline);
                let state = self.state.get_or_insert_with(|| State::load(&folder));
                let wanted = Wanted {
                    json: &json,
                    hash: fingerprint,
                    checkpoint: self.run.store.has_checkpoint(&fingerprint),
                };
                self.nodes[id].reason = Some(since_last(stage, &wanted, state, self.run.store));
            }
        }
        let node = &mut self.nodes[id];
        node.fingerprint = Some(fingerprint);
        node.status = Status::Ready;
        self.ready.insert(node.rank);
    }

    /// The fingerprint of a stage, all of whose inputs have settled, as canonical JSON.
    pub(super) fn json(&self, id: StageId) -> String {
        self.run.plan.facts.fingerprint(self.run.graph, id, |from, output| {
            let cached = self.nodes[from].cached.as_ref();
            let output = cached.and_then(|cached| cached.output(output));
            output.map_or(Input::Waiting(""), |output| Input::Content(output.sha256))
        })
    }

    /// Whether a stage cannot run, because of what it needs.
    fn obstacle(&self, id: StageId) -> Option<Status> {
        let mut interrupted = None;
        for input in &self.run.graph[id].inputs {
            let from = &self.nodes[input.from];
            let because = input.from;
            match &from.status {
                Status::Skipped { because } => return Some(Status::Skipped { because: *because }),
                Status::Failed => return Some(Status::Skipped { because }),
                Status::Interrupted => interrupted = Some(Status::Interrupted),
                Status::Paused => return Some(Status::Paused),
                _ if from.cached.as_ref().is_some_and(|cached| cached.finding.is_some()) => {
                    return Some(Status::Skipped { because });
                }
                _ => {}
            }
        }
        interrupted
    }

    fn inputs_as_planned(&self, id: StageId) -> bool {
        let mut inputs = self.run.graph[id].inputs.iter();
        inputs.all(|input| self.nodes[input.from].status == Status::Fresh)
    }

    /// Whether the files of an entry are where they are to be.
    fn is_where_wanted(&self, id: StageId, cached: &Cached) -> bool {
        cached.is_here || !self.run.plan.wanted[id]
    }

    pub(super) fn settle_fresh(&mut self, id: StageId, cached: Arc<Cached>) {
        if !cached.is_here {
            self.run.store.keep_away(self.run.graph[id].kind, &cached.fingerprint);
        }
        let node = &mut self.nodes[id];
        node.cached = Some(cached);
        node.status = Status::Fresh;
        let event = Event::StageFresh { stage: self.label(id) };
        self.tell(&event);
    }
}
