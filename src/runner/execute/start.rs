//! Starting the bodies of stages that are ready, within the budget.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Scope;

use super::budget::Share;
use super::node::{Rank, Status};
use super::{Coordinator, Message};
use crate::error::StageError;
use crate::event::{Event, Told};
use crate::executor::Executor;
use crate::graph::StageId;
use crate::order::Means;
use crate::store::{Hash256, TryLock};
use crate::worker::panic_message;

/// At most so many stages whose body has ended wait for the disk, each on a thread of its own, while others begin.
const MOST_PUBLISHING: usize = 64;

impl<'a> Coordinator<'a, '_> {
    pub(super) fn start_ready<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, executor: &'a dyn Executor)
    where
        'a: 'scope,
    {
        let mut next = self.ready.first().copied();
        while let Some(rank) = next
            && !self.free.is_spent()
            && self.running.len() < self.shares.len() + MOST_PUBLISHING
        {
            let id = rank.id;
            if self.would_delay(rank) {
                return;
            }
            let choice = self.run.plan.facts.devices[id];
            let others = if self.contended.contains(&id) {
                0
            } else {
                self.ready.len() - self.contended.len() - 1
            };
            let resources = &self.run.graph[id].resources;
            if let Some(share) = self.free.take(choice, resources, others) {
                if self.start(scope, executor, (rank, share)) {
                    self.running.insert(id);
                    self.shares.insert(id, share);
                } else {
                    self.free.give_back(share);
                }
            }
            let later = (Bound::Excluded(rank), Bound::Unbounded);
            next = self.ready.range(later).next().copied();
        }
    }

    /// Whether a stage might keep one that is more urgent, or of an earlier sweep point, waiting, which can begin in some milliseconds: when what it needs is
    /// on the disk. Stages whose bodies are short do not.
    fn would_delay(&self, rank: Rank) -> bool {
        let publishing = self.running.iter().filter(|id| !self.shares.contains_key(*id));
        let is_long = || !self.short.contains(&*self.run.graph[rank.id].name);
        let place = |rank: Rank| (rank.priority, rank.point);
        publishing
            .map(|id| self.nodes[*id].rank)
            .any(|before| place(before) < place(rank))
            && is_long()
    }

    /// Begins a stage; whether it did.
    fn start<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        executor: &'a dyn Executor,
        (rank, share): (Rank, Share),
    ) -> bool
    where
        'a: 'scope,
    {
        let id = rank.id;
        let json = self.json(id);
        let fingerprint = Hash256::of(&json);
        if let Some(problem) = self.cannot_write.clone() {
            self.fail(id, StageError::failed(problem));
            return false;
        }
        let lock = match self.run.store.attempt_lock(&fingerprint) {
            Ok(TryLock::Held(lock)) => lock,
            Ok(TryLock::Busy(who)) => {
                self.wait_for(id, &who);
                return false;
            }
            Err(error) => {
                self.fail(id, error);
                return false;
            }
        };
        self.ready.remove(&rank);
        self.contended.remove(&id);
        self.nodes[id].status = Status::Running;
        let (send, told) = (self.send.clone(), self.send.clone());
        let order = self.order(id, (fingerprint, json), share);
        let means = Means {
            store: self.run.store,
            executor,
            gpu: self.free.gpu(share),
            cancel: self.run.cancel.clone(),
            // The coordinator outlives all senders.
            tell: Arc::new(move |what| drop(told.send(Message::Told(id, what)))),
        };
        let body = move || {
            let at = |moment| drop(send.send(Message::At(id, moment)));
            let ended = catch_unwind(AssertUnwindSafe(|| order.perform(&means, lock, &at)));
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

    /// Someone else holds the lock of a stage: told once.
    fn wait_for(&mut self, id: StageId, who: &str) {
        if !self.contended.insert(id) {
            return;
        }
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

    /// Label of a stage of this run that is at work on the same fingerprint.
    fn same_work(&self, id: StageId) -> Option<String> {
        let fingerprint = self.nodes[id].fingerprint?;
        let mut running = self.running.iter().filter(|other| **other != id);
        let same = running.find(|other| self.nodes[**other].fingerprint == Some(fingerprint))?;
        Some(self.label(*same))
    }
}
