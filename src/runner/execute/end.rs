//! What a body tells while it runs, how it ends, and how the run ends.

use super::*;

impl<'a, 's> Coordinator<'a, 's> {
    pub(super) fn take(&mut self, message: Message) {
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

    pub(super) fn end(&mut self, id: StageId, ended: Result<Ended, StageError>) {
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
            Err(StageError::Cancelled) if self.cancel.is_cancelled() => {
                self.statuses[id.index()] = Status::Interrupted;
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

    /// A fresh stage turns out to be damaged: it runs again, and its children that have not begun wait for it. Its own
    /// inputs have settled; if they are damaged too, its start will find out.
    pub(super) fn reopen(&mut self, id: StageId, reason: Reason) {
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

    /// Remembers why a stage has no outputs.
    fn stop(&mut self, id: StageId, how: Stop) {
        if let Some(json) = &self.jsons[id.index()] {
            let hash = Hash256::of(json);
            self.stopped.insert(self.label(id), Stopped { hash, how });
        }
    }

    pub(super) fn fail(&mut self, id: StageId, error: StageError) {
        let bug = matches!(error, StageError::Bug(_));
        let message = error.to_string();
        let hint = match error {
            StageError::Failed { hint, .. } => hint,
            StageError::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
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
        let how = Stop::Failed {
            message: message.clone(),
            hint: hint.clone(),
        };
        self.stop(id, how);
        self.tell(&Event::StageFailed { stage, message, hint });
        self.settled(id);
    }

    /// Keeps which entry each stage has now.
    pub(super) fn keep_state(&mut self) {
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
            let loaded = self.state.take().unwrap_or_else(|| State::load(&folder));
            let mut state = loaded.unwrap_or_else(|problem| {
                self.warnings.push(format!("{problem}; it is written anew"));
                State::default()
            });
            if self.plan.whole {
                let labels: HashSet<&str> = self.graph.stages.iter().map(|stage| stage.label.as_str()).collect();
                state.stages.retain(|label, _| labels.contains(label.as_str()));
                state.stopped.retain(|label, _| labels.contains(label.as_str()));
            }
            for (stage, hash) in known {
                let kind = stage.kind.to_owned();
                state.stages.insert(stage.label.clone(), Last { kind, hash });
                state.stopped.remove(&stage.label);
            }
            state.stopped.append(&mut self.stopped.clone());
            state.save(&folder)
        };
        if let Err(error) = saved {
            self.warnings.push(error.to_string());
        }
        // These only save hashing next time.
        for (path, (identity, hash)) in &self.plan.facts.files {
            let _ = self.store.remember_user_file(path, *identity, *hash);
        }
        for id in &self.heal {
            if let Some(cached) = &self.cached[id.index()] {
                let json = || Some(self.json(*id));
                let kind = self.graph.stages[id.index()].kind;
                let _ = self.store.remember(kind, &cached.fingerprint, json);
            }
        }
    }

    pub(super) fn finish(mut self, begun: Instant) -> RunSummary {
        let count = |which: fn(&Status) -> bool| self.statuses.iter().filter(|status| which(status)).count();
        let (ran, fresh) = (count(|s| *s == Status::Ran), count(|s| *s == Status::Fresh));
        let (skipped, failed) = (count(|s| matches!(s, Status::Skipped { .. })), self.failures.len());
        let interrupted = count(|s| *s == Status::Interrupted) > 0;
        let unfinished = self.jsons.iter().zip(&self.cached);
        let unfinished = unfinished.filter(|(_, cached)| cached.is_none());
        let unfinished = unfinished.filter_map(|(json, _)| Some(Hash256::of(json.as_ref()?)));
        let unfinished: Vec<Hash256> = unfinished.collect();
        let mut plan = self.plan.clone();
        let (mut findings, mut outside_tolerance) = (Vec::new(), Vec::new());
        for (index, entry) in plan.entries.iter_mut().enumerate() {
            let label = || self.graph.stages[index].label.clone();
            if let Status::Skipped { because } = self.statuses[index] {
                *entry = Entry::Skipped { because };
            }
            if let Some(stopped) = self.stopped.get(&self.graph.stages[index].label) {
                let checkpoint = self.store.has_checkpoint(&stopped.hash);
                *entry = Entry::Stale(Reason::of(&stopped.how, checkpoint));
            }
            if let Some(cached) = &self.cached[index] {
                let told = cached.finding.iter().chain(&cached.findings);
                findings.extend(told.map(|title| (label(), title.clone())));
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
        for sink in self.sinks.iter_mut() {
            self.warnings.extend(sink.problem());
        }
        RunSummary {
            plan,
            ran,
            fresh,
            failures: self.failures,
            skipped,
            findings,
            outside_tolerance,
            interrupted,
            unfinished,
            warnings: self.warnings,
            seconds,
        }
    }
}
