//! Starting the bodies of stages that are ready, within the budget.

use super::*;

impl<'a, 's> Coordinator<'a, 's> {
    pub(super) fn start_ready<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
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
    pub(super) fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, id: StageId, share: Share) -> bool
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
    pub(super) fn same_work(&self, id: StageId) -> Option<String> {
        let json = self.jsons[id.index()].as_ref()?;
        let mut running = self.shares.keys().filter(|other| **other != id);
        let same = running.find(|other| self.jsons[other.index()].as_ref() == Some(json))?;
        Some(self.label(*same))
    }

    pub(super) fn job_inputs(&self, id: StageId) -> Vec<JobInput> {
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
}
