//! What a body tells while it runs, and how it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::node::Status;
use super::{Coordinator, Failure, Message};
use crate::error::StageError;
use crate::event::Event;
use crate::graph::StageId;
use crate::order::{Done, Moment};
use crate::plan::Reason;
use crate::store::Damage;
use crate::store::state::{Stop, Stopped};

/// A body that takes less keeps nobody waiting who waits for the disk.
const SHORT: Duration = Duration::from_millis(50);

impl Coordinator<'_, '_> {
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::At(id, Moment::Publishes(took)) => {
                let name = &*self.run.graph[id].name;
                if took < SHORT {
                    self.short.insert(name);
                } else {
                    self.short.remove(name);
                }
                self.give_back(id);
            }
            Message::At(id, Moment::Begins) => {
                let reason = self.nodes[id].reason.as_ref().map(ToString::to_string);
                let device = self.shares.get(&id).map(|share| share.device);
                let device = device.or_else(|| self.batch_device(id));
                let event = Event::StageStarted {
                    stage: self.label(id),
                    kind: self.run.graph[id].kind.to_owned(),
                    reason: reason.unwrap_or_default(),
                    device: device.map(|device| device.to_string()).unwrap_or_default(),
                };
                self.tell(&event);
            }
            Message::Told(id, told) => {
                let event = Event::Stage {
                    stage: self.label(id),
                    told,
                };
                self.tell(&event);
            }
            Message::Ended(id, ended) => {
                self.running.remove(&id);
                self.give_back(id);
                self.end(id, ended);
            }
            Message::Unfollowed => self.unfollowed(),
        }
    }

    /// Others may use what the stage had.
    fn give_back(&mut self, id: StageId) {
        if let Some(share) = self.shares.remove(&id) {
            self.free.give_back(share);
        }
    }

    fn end(&mut self, id: StageId, ended: Result<Done, StageError>) {
        match ended {
            Ok(Done::Published { cached, seconds }) => {
                let finding = cached.finding.clone();
                self.put_there(id, cached.fingerprint);
                let node = &mut self.nodes[id];
                // Written and hashed a moment ago.
                node.verified = self.run.graph[id].outputs.iter().map(|port| port.name).collect();
                node.cached = Some(Arc::new(cached));
                node.status = Status::Ran;
                let event = Event::StageFinished {
                    stage: self.label(id),
                    seconds,
                    finding,
                };
                self.tell(&event);
                self.settled(id);
            }
            Ok(Done::Paused { at, loss }) => {
                self.nodes[id].status = Status::Paused;
                self.stop(id, Stop::Interrupted);
                let stage = self.label(id);
                self.tell(&Event::StagePaused { stage, at, loss });
                self.settled(id);
            }
            Ok(Done::Found(cached)) => {
                self.settle_fresh(id, cached);
                self.settled(id);
            }
            Ok(Done::Damaged(ports)) => self.make_again(id, ports),
            Err(StageError::Cancelled) if self.run.cancel.is_cancelled() => {
                self.nodes[id].status = Status::Interrupted;
                self.stop(id, Stop::Interrupted);
            }
            Err(StageError::Cancelled) => self.fail(id, StageError::Bug("it stopped as if cancelled".to_owned())),
            Err(error) => self.fail(id, error),
        }
    }

    pub(super) fn settled(&mut self, id: StageId) {
        let mut queue = Vec::new();
        self.release(id, &mut queue);
        for child in queue {
            self.consider(child);
        }
    }

    /// What some ports of a stage read is damaged: it is made again, and the stage waits for it.
    fn make_again(&mut self, id: StageId, ports: Vec<(String, Damage)>) {
        let mut damaged: Vec<(StageId, Damage)> = Vec::new();
        for (port, damage) in ports {
            let mut inputs = self.run.graph[id].inputs.iter();
            let from = inputs.find(|input| input.port == port).map(|input| input.from);
            if let Some(from) = from.filter(|from| damaged.iter().all(|(other, _)| other != from)) {
                damaged.push((from, damage));
            }
        }
        for input in &self.run.graph[id].inputs {
            if damaged.iter().all(|(from, _)| *from != input.from) {
                self.nodes[input.from].verified.push(input.output);
            }
        }
        for (upstream, damage) in damaged {
            if self.nodes[upstream].status == Status::Fresh {
                self.reopen(upstream, Reason::Damaged(damage));
            }
        }
        // Others may have had more of its inputs made again meanwhile.
        let waits = self.waits_for(id);
        self.nodes[id].status = Status::Waiting(waits);
        // Another stage may have had the same input made again meanwhile.
        if waits == 0 {
            self.consider(id);
        }
    }

    /// So many of its inputs have not settled.
    fn waits_for(&self, id: StageId) -> usize {
        let open = |from: &StageId| !self.nodes[*from].status.is_settled();
        self.run.graph[id].needs().filter(open).count()
    }

    /// A fresh stage turns out to be damaged: it runs again, and its children that have not begun wait for it. If its own inputs
    /// are damaged too, its start will find out, or another's has.
    fn reopen(&mut self, id: StageId, reason: Reason) {
        for at in 0..self.nodes[id].children.len() {
            let child = self.nodes[id].children[at];
            let node = &mut self.nodes[child];
            match &mut node.status {
                Status::Waiting(count) => *count += 1,
                Status::Ready => {
                    node.status = Status::Waiting(1);
                    self.ready.remove(&node.rank);
                    self.contended.remove(&child);
                }
                _ => {}
            }
        }
        let node = &mut self.nodes[id];
        node.reason = Some(reason);
        node.forced = true;
        node.cached = None;
        match self.waits_for(id) {
            0 => self.decide(id),
            waits => self.nodes[id].status = Status::Waiting(waits),
        }
    }

    /// Remembers why a stage has no outputs.
    fn stop(&mut self, id: StageId, how: Stop) {
        if let Some(hash) = self.nodes[id].fingerprint {
            self.log.stopped.insert(self.label(id), Stopped { hash, how });
        }
    }

    pub(super) fn fail(&mut self, id: StageId, error: StageError) {
        let bug = matches!(error, StageError::Bug(_));
        let message = error.to_string();
        let hint = match error {
            StageError::Failed { hint, .. } | StageError::Died { hint, .. } => hint,
            StageError::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Some("free some space; finished stages are kept".to_owned())
            }
            _ => None,
        };
        let node = &mut self.nodes[id];
        self.ready.remove(&node.rank);
        self.contended.remove(&id);
        node.status = Status::Failed;
        let failure = Failure {
            stage: self.label(id),
            message: message.clone(),
            hint: hint.clone(),
            bug,
        };
        let how = Stop::Failed {
            message: message.clone(),
            hint: hint.clone(),
        };
        self.stop(id, how);
        let stage = failure.stage.clone();
        self.log.failures.push(failure);
        self.tell(&Event::StageFailed { stage, message, hint });
        if self.run.fail_fast {
            self.run.cancel.cancel();
        }
        self.settled(id);
    }
}
