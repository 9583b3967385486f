//! Having stages made by jobs of a batch system.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread::Scope;

use super::budget::Share;
use super::node::Status;
use super::{By, Coordinator, Message};
use crate::batch::{Ask, Batch, Followed, Word};
use crate::context::Device;
use crate::error::StageError;
use crate::graph::StageId;
use crate::order::Moment;
use crate::plan::DeviceChoice;
use crate::store::Hash256;

impl<'a> Coordinator<'a, '_> {
    /// Follows a batch system, on a thread of its own.
    pub(super) fn follow<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, batch: &'a dyn Batch)
    where
        'a: 'scope,
    {
        let (asks, asked) = channel();
        let (send, run) = (self.send.clone(), self.run);
        let body = move || {
            let say = |id, word| {
                drop(send.send(match word {
                    Word::Begins => Message::At(id, Moment::Begins),
                    Word::Told(told) => Message::Told(id, told),
                    Word::Ended(ended) => Message::Ended(id, ended),
                }));
            };
            let followed = Followed {
                pipeline: &run.graph.pipeline,
                store: run.store,
                cancel: run.cancel,
            };
            // A panic is a bug; that nobody follows any more is said below.
            let _ = catch_unwind(AssertUnwindSafe(|| batch.follow(followed, &asked, &say)));
            let _ = send.send(Message::Unfollowed);
        };
        match std::thread::Builder::new().spawn_scoped(scope, body) {
            Ok(_) => self.asks = Some(asks),
            Err(error) => self.cannot_write = Some(format!("cannot start a thread: {error}")),
        }
    }

    /// Orders what is ready, as far as the batch system takes it.
    pub(super) fn order_ready(&mut self, batch: &dyn Batch) {
        let mut ready = Vec::new();
        while self.running.len() + ready.len() < batch.most()
            && let Some(rank) = self.ready.pop_first()
        {
            let id = rank.id;
            if let Some(problem) = self.cannot_write.clone() {
                self.fail(id, StageError::failed(problem));
                continue;
            }
            let json = self.json(id);
            let fingerprint = Hash256::of(&json);
            let share = Share {
                threads: self.run.graph[id].resources.threads.unwrap_or(batch.threads()),
                device: self.batch_device(id).unwrap_or(Device::Cpu),
                of_gpu: 0,
            };
            ready.push((id, self.order(id, (fingerprint, json), share)));
        }
        if ready.is_empty() {
            return;
        }
        for (id, order) in self.settle_shared(ready) {
            self.nodes[id].status = Status::Running;
            self.running.insert(id);
            let asked = self.asks.as_ref().map(|asks| asks.send(Ask::Do(id, Box::new(order))));
            if !matches!(asked, Some(Ok(()))) {
                self.unfollowed();
            }
        }
    }

    /// The device of a stage that a batch system has made: a job sees one GPU, its own.
    pub(super) fn batch_device(&self, id: StageId) -> Option<Device> {
        let choice = self.run.plan.facts.devices[id];
        matches!(self.run.by, By::Batch(_)).then_some(match choice {
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::AnyGpu | DeviceChoice::Gpu(_) => Device::Cuda(0),
        })
    }

    /// The run is cancelled. Its jobs go on, but where the first failure is to end all.
    pub(super) fn leave_batch(&mut self) {
        if let Some(asks) = self.asks.take() {
            let ends = self.run.fail_fast && !self.log.failures.is_empty();
            let _ = asks.send(if ends { Ask::End } else { Ask::Leave });
        }
    }

    /// Nobody says any more what becomes of what was ordered.
    pub(super) fn unfollowed(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.fail(id, StageError::Bug("its job is not followed any more".to_owned()));
        }
    }
}
