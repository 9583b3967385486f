//! What a run does with a shared cache beside making stages: fetches what is to be here, and puts there what was made.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use super::Coordinator;
use crate::graph::StageId;
use crate::order::Order;
use crate::plan::Entry;
use crate::shared::Mode;
use crate::store::{Hash256, Lookup};

/// So many entries are put there at a time, while stages run.
const AT_A_TIME: usize = 4;

impl<'a> Coordinator<'a, '_> {
    /// Fetches what the plan found there and someone looks at. What cannot be had is made.
    pub(super) fn fetch_wanted(&self) {
        let run = self.run;
        let entries = run.graph.iter().filter(|(id, _)| run.plan.wanted[*id]);
        let away = entries.filter_map(|(id, stage)| match &run.plan[id] {
            Entry::Hit(cached) if !cached.is_here => Some((stage.kind, cached.fingerprint)),
            _ => None,
        });
        let mut away: Vec<(&str, Hash256)> = away.collect();
        away.sort_unstable();
        away.dedup();
        run.store.bring_all(&away);
    }

    /// Puts there what is made from now on, on threads of its own. What is left when the run is cancelled stays here.
    pub(super) fn share<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let (store, cancel) = (self.run.store, self.run.cancel);
        if store.shared().is_none_or(|shared| shared.mode() == Mode::Read) {
            return;
        }
        let (made, queue) = channel::<(&'static str, Hash256)>();
        let queue = std::sync::Arc::new(Mutex::new(queue));
        for _ in 0..AT_A_TIME {
            let queue = queue.clone();
            let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let work = move || {
                while let Ok((kind, fingerprint)) = next() {
                    if !cancel.is_cancelled() {
                        store.push(kind, &fingerprint);
                    }
                }
            };
            // Without a thread nothing is put there, and nothing is lost.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        self.made = Some(made);
    }

    /// A stage was made.
    pub(super) fn put_there(&self, id: StageId, fingerprint: Hash256) {
        if let Some(made) = &self.made {
            let _ = made.send((self.run.graph[id].kind, fingerprint));
        }
    }

    /// What of these stages a shared cache has settles; the others are left to be made. Asked once for all together.
    pub(super) fn settle_shared(&mut self, ready: Vec<(StageId, Order)>) -> Vec<(StageId, Order)> {
        let store = self.run.store;
        if store.shared().is_none() {
            return ready;
        }
        let asked = ready.iter().filter(|(_, order)| !order.forced);
        let asked: Vec<(&str, Hash256)> = asked.map(|(_, order)| (&*order.kind, order.fingerprint)).collect();
        store.ask(&asked);
        let wanted = ready.iter().filter(|(_, order)| !order.forced && order.wanted);
        let wanted: Vec<(&str, Hash256)> = wanted.map(|(_, order)| (&*order.kind, order.fingerprint)).collect();
        store.bring_all(&wanted);
        let mut left = Vec::new();
        for (id, order) in ready {
            match store.lookup(&order.kind, &order.fingerprint) {
                Lookup::Found(cached) if !order.forced && (cached.is_here || !order.wanted) => {
                    self.settle_fresh(id, cached);
                    self.settled(id);
                }
                _ => left.push((id, order)),
            }
        }
        // Jobs ask no cache: what they read is to be here. What cannot be had they find missing.
        let inputs = left.iter().flat_map(|(_, order)| &order.inputs);
        let mut inputs: Vec<(&str, Hash256)> = inputs.map(|input| (&*input.kind, input.fingerprint)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        store.bring_all(&inputs);
        left
    }
}
