//! Deciding about stages whose inputs have settled: fresh, ready to run, or stopped by something before them.

use super::*;

impl<'a, 's> Coordinator<'a, 's> {
    /// Decides about a stage all of whose inputs have settled, and about those that thereby are all settled.
    pub(super) fn consider(&mut self, first: StageId) {
        let mut queue = vec![first];
        while let Some(id) = queue.pop() {
            self.decide(id);
            if self.statuses[id.index()].is_settled() {
                self.release(id, &mut queue);
            }
        }
    }

    /// Tells the children of a settled stage; those that wait for nothing more go into the queue.
    pub(super) fn release(&mut self, id: StageId, queue: &mut Vec<StageId>) {
        for child in &self.children[id.index()] {
            if let Status::Waiting(count @ 1..) = &mut self.statuses[child.index()] {
                *count -= 1;
                if *count == 0 {
                    queue.push(*child);
                }
            }
        }
    }

    pub(super) fn decide(&mut self, id: StageId) {
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
        let json = self.json(id);
        let known = matches!(self.plan.entries[index], Entry::Stale(_));
        let lookup = if self.forced[index] {
            Lookup::Absent
        } else {
            self.store.lookup(stage.kind, &Hash256::of(&json))
        };
        match lookup {
            Lookup::Found(cached) => {
                self.heal.push(id);
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

    /// The fingerprint of a stage, all of whose inputs have settled.
    pub(super) fn json(&self, id: StageId) -> String {
        self.plan.facts.fingerprint(self.graph, id, |from, output| {
            let cached = self.cached[from.index()]
                .as_ref()
                .and_then(|cached| cached.output(output));
            cached.map_or(Input::Waiting(""), |output| Input::Content(output.sha256))
        })
    }

    /// Whether a stage cannot run, because of what it needs.
    pub(super) fn obstacle(&self, id: StageId) -> Option<Status> {
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

    pub(super) fn inputs_as_planned(&self, id: StageId) -> bool {
        self.graph.stages[id.index()]
            .inputs
            .iter()
            .all(|input| self.statuses[input.from.index()] == Status::Fresh)
    }

    pub(super) fn settle_fresh(&mut self, id: StageId, cached: Arc<Cached>) {
        self.cached[id.index()] = Some(cached);
        self.statuses[id.index()] = Status::Fresh;
        let event = Event::StageFresh { stage: self.label(id) };
        self.tell(&event);
    }
}
